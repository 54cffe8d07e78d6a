"""Lua's string library, with bounds on what its C code does not bound."""
from kv._core.lua.api cimport lua_State

cdef void open_string(lua_State *L) noexcept nogil
