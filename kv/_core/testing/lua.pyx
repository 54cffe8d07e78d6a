"""A Lua state for tests of the libraries that scripts have; see testing/base for why."""
from kv._core.lua.api cimport (
    LUA_ERRMEM, LUA_GCCOLLECT, LUA_GLOBALSINDEX, LUA_MASKCOUNT, LUA_OK, LUA_TBOOLEAN, LUA_TNIL, LUA_TNUMBER, LUA_TSTRING,
    LUA_TTABLE, lua, lua_Debug, lua_pop, lua_State)
from kv._core.lua.chunk cimport lua_load_chunk
from kv._core.lua.libraries cimport lua_open_libraries
from kv._core.lua.sandbox cimport lua_push_globals, lua_seal, lua_seal_show, lua_seal_table
from kv._core.lua.state cimport LuaState, lua_state_collect, lua_state_free, lua_state_init, lua_state_of

from kv._core.lua.api import lua_load


cdef int collect(lua_State *L) noexcept nogil:
    lua.gc(L, LUA_GCCOLLECT, 0)
    return 0


class LuaError(Exception):
    """What a chunk raised: its message, or the value itself."""


cdef int seal(lua_State *L) noexcept nogil:
    lua_seal(L)
    return 0


cdef int seal_argument(lua_State *L) noexcept nogil:
    """The proxy of a table; and one of the second table, if there is one, is what it shows from then on."""
    lua_seal_table(L, 1)
    if lua.type(L, 2) == LUA_TTABLE:
        lua.pushvalue(L, 2)
        lua_seal_show(L, lua.gettop(L) - 1)
    return 1


cdef void kill(lua_State *L, lua_Debug *event) noexcept nogil:
    lua_state_of(L).killed = True
    lua.pushstring(L, b"killed")
    lua.error(L)


cdef class State:
    """A state with all libraries. run() gives what a chunk returns: None, bool, float, bytes, or a dict for a table."""
    cdef LuaState state

    def __cinit__(self, size_t limit=0, bint sealed=False, bint insecure=False):
        """`sealed`: with the globals that scripts see. A function `seal` for tests is among the globals."""
        lua_load()
        if not lua_state_init(&self.state, NULL):
            raise MemoryError
        self.state.insecure = insecure
        if lua.cpcall(self.state.L, lua_open_libraries, NULL) != LUA_OK:
            raise MemoryError
        lua.pushcclosure(self.state.L, seal_argument, 0)
        lua.setfield(self.state.L, LUA_GLOBALSINDEX, b"seal")
        if sealed and lua.cpcall(self.state.L, seal, NULL) != LUA_OK:
            raise MemoryError
        self.state.limit = limit

    def __dealloc__(self):
        lua_state_free(&self.state)

    @property
    def used(self):
        return self.state.used

    @property
    def scratch(self):
        """Bytes of the buffer that outlives a call."""
        return self.state.scratch.capacity

    def collect(self):
        """A whole cycle of the collector, also where the limit leaves no memory for a chunk that asks for it."""
        cdef size_t limit = self.state.limit
        self.state.limit = 0
        lua.cpcall(self.state.L, collect, NULL)
        self.state.limit = limit

    def set_global(self, bytes name not None, value):
        """As KEYS is set: behind the seal."""
        lua_push_globals(self.state.L)
        self.push(value)
        lua.setfield(self.state.L, -2, name)
        lua_pop(self.state.L, 1)

    def kill_after(self, int instructions):
        """Have what runs killed after so many instructions, each time; 0: never."""
        self.state.killed = False
        lua.sethook(self.state.L, kill, LUA_MASKCOUNT if instructions else 0, instructions)     # no mask: no hook

    def run(self, bytes code not None, *arguments):
        """Run a chunk with these as its `...`. Raises LuaError."""
        cdef lua_State *L = self.state.L
        cdef int top = lua.gettop(L)
        cdef int status = lua_load_chunk(L, code, len(code), b"@test")
        if status == LUA_OK:
            for argument in arguments:
                self.push(argument)
            status = lua.pcall(L, <int> len(arguments), -1, 0)
        try:
            results = [self.value(index, 100) for index in range(top + 1, lua.gettop(L) + 1)]
        finally:
            lua.settop(L, top)
        if status == LUA_ERRMEM:
            lua_state_collect(&self.state)
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
            found["<table>" if isinstance(key, dict) else key] = self.value(lua.gettop(L), depth - 1)
            lua_pop(L, 1)
        return found
