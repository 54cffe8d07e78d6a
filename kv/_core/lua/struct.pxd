"""The library `struct`: values packed into bytes and taken out of them."""
from kv._core.lua.api cimport lua_State

cdef void open_struct(lua_State *L) noexcept nogil
