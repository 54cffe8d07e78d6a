"""Libraries that scripts have: a table of functions under a global name."""
from kv._core.lua.api cimport LUA_GLOBALSINDEX, lua, lua_CFunction, lua_pop, lua_State

cdef struct LuaFunction:
    const char *name
    lua_CFunction function


cdef inline void lua_library(lua_State *L, const char *name, const LuaFunction *functions, int count) noexcept nogil:
    """Make the table, put the functions into it, and leave it on the stack, too: for what else belongs there."""
    cdef int i
    lua.createtable(L, 0, count)
    for i in range(count):
        lua.pushcclosure(L, functions[i].function, 0)
        lua.setfield(L, -2, functions[i].name)
    lua.pushvalue(L, -1)
    lua.setfield(L, LUA_GLOBALSINDEX, name)


cdef inline lua_CFunction lua_replace_function(lua_State *L, const char *name, lua_CFunction ours) noexcept nogil:
    """Put our function into the table at the top. Gives Lua's, to be called from ours: so it runs in our frame, on the arguments
    that are there, and its errors name the function as the script does."""
    cdef lua_CFunction stock
    lua.getfield(L, -1, name)
    stock = lua.tocfunction(L, -1)
    lua_pop(L, 1)
    lua.pushcclosure(L, ours, 0)
    lua.setfield(L, -2, name)
    return stock
