"""cmsgpack.unpack, unpack_one, unpack_limit: MessagePack to Lua's values."""
from kv._core.lua.api cimport lua_State

cdef int msgpack_unpack(lua_State *L) noexcept nogil
cdef int msgpack_unpack_one(lua_State *L) noexcept nogil
cdef int msgpack_unpack_limit(lua_State *L) noexcept nogil
