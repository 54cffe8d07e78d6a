"""The libraries that scripts have, opened in a fresh state."""
from kv._core.lua.api cimport lua_State

cdef int lua_open_libraries(lua_State *L) noexcept nogil
