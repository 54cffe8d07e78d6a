"""A Lua state for tests of the libraries that scripts have; see testing/base for why."""
from kv._core.lua.api cimport (
    LUA_OK, LUA_TBOOLEAN, LUA_TNIL, LUA_TNUMBER, LUA_TSTRING, LUA_TTABLE, lua, lua_pop, lua_State)
from kv._core.lua.libraries cimport lua_open_libraries
from kv._core.lua.state cimport LuaState, lua_state_free, lua_state_init

from kv._core.lua.api import lua_load


class LuaError(Exception):
    """What a chunk raised: its message, or the value itself."""


cdef class State:
    """A state with all libraries. run() gives what a chunk returns: None, bool, float, bytes, or a dict for a table."""
    cdef LuaState state

    def __cinit__(self, size_t limit=0):
        lua_load()
        if not lua_state_init(&self.state, NULL):
            raise MemoryError
        if lua.cpcall(self.state.L, lua_open_libraries, NULL) != LUA_OK:
            raise MemoryError
        self.state.limit = limit

    def __dealloc__(self):
        lua_state_free(&self.state)

    @property
    def used(self):
        return self.state.used

    def run(self, bytes code not None, *arguments):
        """Run a chunk with these as its `...`. Raises LuaError."""
        cdef lua_State *L = self.state.L
        cdef int top = lua.gettop(L)
        cdef int status = lua.L_loadbuffer(L, code, len(code), b"@test")
        if status == LUA_OK:
            for argument in arguments:
                self.push(argument)
            status = lua.pcall(L, <int> len(arguments), -1, 0)
        results = [self.value(index, 100) for index in range(top + 1, lua.gettop(L) + 1)]
        lua.settop(L, top)
        if status != LUA_OK:
            raise LuaError(results[0])
        return results

    cdef int push(self, value) except -1:
        cdef lua_State *L = self.state.L
        if value is None:
            lua.pushnil(L)
        elif isinstance(value, bool):
            lua.pushboolean(L, value)
        elif isinstance(value, (int, float)):
            lua.pushnumber(L, value)
        elif isinstance(value, bytes):
            lua.pushlstring(L, <const char *> <bytes> value, len(value))
        elif isinstance(value, dict):
            lua.createtable(L, 0, 0)
            for key, item in value.items():
                self.push(key)
                self.push(item)
                lua.rawset(L, -3)
        else:
            raise TypeError(value)
        return 0

    cdef object value(self, int index, int depth):
        cdef lua_State *L = self.state.L
        cdef int type = lua.type(L, index)
        cdef size_t length
        cdef const char *data
        if type == LUA_TNIL:
            return None
        if type == LUA_TBOOLEAN:
            return lua.toboolean(L, index) != 0
        if type == LUA_TNUMBER:
            return lua.tonumber(L, index)
        if type == LUA_TSTRING:
            data = lua.tolstring(L, index, &length)
            return data[:length]
        if type != LUA_TTABLE or depth == 0 or not lua.checkstack(L, 4):
            return f"<{lua.typename(L, type).decode()}>"
        found = {}
        lua.pushnil(L)
        while lua.next(L, index):
            key = self.value(lua.gettop(L) - 1, depth - 1)
            found[key] = self.value(lua.gettop(L), depth - 1)
            lua_pop(L, 1)
        return found
