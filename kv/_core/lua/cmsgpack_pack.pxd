"""cmsgpack.pack: Lua's values to MessagePack."""
from kv._core.lua.api cimport lua_State

cdef int msgpack_pack(lua_State *L) noexcept nogil
