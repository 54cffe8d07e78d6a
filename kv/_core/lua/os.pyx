"""What scripts have of Lua's os library: os.clock, the processor time of the process in seconds."""
from libc.time cimport CLOCKS_PER_SEC, clock

from kv._core.lua.api cimport lua, lua_pop, lua_State
from kv._core.lua.library cimport LuaFunction, lua_library


cdef int os_clock(lua_State *L) noexcept nogil:
    lua.pushnumber(L, <double> clock() / <double> CLOCKS_PER_SEC)
    return 1


cdef LuaFunction[1] FUNCTIONS
FUNCTIONS[0].name, FUNCTIONS[0].function = b"clock", os_clock


cdef void open_os(lua_State *L) noexcept nogil:
    lua_library(L, b"os", FUNCTIONS, 1)
    lua_pop(L, 1)
