"""The library `bit`: operations on words of 32 bits."""
from kv._core.lua.api cimport lua_State

cdef void open_bit(lua_State *L) noexcept nogil
