"""The libraries that scripts have, opened in a fresh state: those of Lua that can do no harm, and our own."""
from kv._core.lua.api cimport lua, lua_CFunction, lua_State


cdef void open_library(lua_State *L, const char *name, lua_CFunction function) noexcept nogil:
    lua.pushcclosure(L, function, 0)
    lua.pushstring(L, name)
    lua.call(L, 1, 0)


cdef int lua_open_libraries(lua_State *L) noexcept nogil:
    """To be called in protected mode. package, io, os and debug are not opened: they reach out of the state."""
    open_library(L, b"", lua.open_base)
    open_library(L, b"table", lua.open_table)
    open_library(L, b"string", lua.open_string)
    open_library(L, b"math", lua.open_math)
    return 0
