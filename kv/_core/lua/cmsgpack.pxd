"""The library cmsgpack: MessagePack."""
from kv._core.lua.api cimport lua_State

cdef void open_cmsgpack(lua_State *L) noexcept nogil
