"""What a library finds while it is loaded."""
from kv._core.lua.api cimport lua_State

cdef void script_open_register(lua_State *L) noexcept nogil
cdef void script_show_register(lua_State *L) noexcept nogil
cdef void script_show_globals(lua_State *L) noexcept nogil
