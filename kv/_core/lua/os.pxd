"""What scripts have of Lua's os library."""
from kv._core.lua.api cimport lua_State

cdef void open_os(lua_State *L) noexcept nogil
