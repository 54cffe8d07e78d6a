"""Tables that scripts can read and not change: those of the libraries, and the globals (CVE-2022-24735, CVE-2025-46818).

Lua 5.1 knows no read-only tables. A script is given a **proxy** instead: an empty table whose metatable reads from
the **real** table, and refuses to be written to. Real tables hold proxies of the tables in them, so no way through
them leads to a real one. What looks at a table as it is (pairs, rawget, ...) is wrapped, and takes a proxy for its
table; to what is not wrapped, a proxy is empty. What would write into a proxy as it is (rawset, setmetatable,
table.insert), or hand out its metatable (getmetatable), is wrapped, too.

Reading a global through its proxy takes 10 ns more. That of strings' metatable is not gone through: ("x"):len() finds the real
library, and only getmetatable("") shows the proxy.
"""
from kv._core.lua.api cimport (
    LUA_GLOBALSINDEX, LUA_REGISTRYINDEX, LUA_TNIL, LUA_TSTRING, LUA_TTABLE, lua, lua_absolute, lua_CFunction, lua_pop, lua_raise,
    lua_State, lua_upvalueindex)
from kv._core.lua.library cimport lua_replace_function

cdef lua_CFunction stock_next
cdef lua_CFunction stock_ipairs_step
cdef lua_CFunction stock_rawget
cdef lua_CFunction stock_rawset
cdef lua_CFunction stock_getmetatable
cdef lua_CFunction stock_setmetatable
cdef lua_CFunction stock_insert
cdef lua_CFunction stock_foreach
cdef lua_CFunction stock_foreachi

cdef const char *READONLY = b"Attempt to modify a readonly table"

cdef enum:
    INSERT_LOWEST = -(1 << 20)  # positions that table.insert moves elements down to


cdef int refuse_write(lua_State *L) noexcept nogil:
    """__newindex of proxies."""
    return lua_raise(L, READONLY)


cdef int refuse_raw_write(lua_State *L) noexcept nogil:
    """Where a function writes, the message names no place, as in Valkey."""
    lua.pushstring(L, READONLY)
    return lua.error(L)


cdef int lua_missing_global(lua_State *L) noexcept nogil:
    """__index of the globals."""
    if lua.gettop(L) != 2:
        return lua_raise(L, b"Wrong number of arguments to luaProtectedTableError")
    if not lua.isstring(L, 2):
        return lua_raise(L, b"Second argument to luaProtectedTableError must be a string or number")
    return lua.L_error(L, b"Script attempted to access nonexistent global variable '%s'", lua.tolstring(L, 2, NULL))


cdef bint lua_push_real(lua_State *L, int index) noexcept nogil:
    """Push the table that a proxy stands for; of all else, push nothing."""
    if lua.type(L, index) != LUA_TTABLE or not lua.getmetatable(L, index):
        return False
    lua.pushlightuserdata(L, &seal_keys.real)
    lua.rawget(L, -2)
    if lua.type(L, -1) != LUA_TTABLE:
        lua_pop(L, 2)
        return False
    lua.remove(L, -2)
    return True


cdef inline bint is_proxy(lua_State *L, int index) noexcept nogil:
    if not lua_push_real(L, index):
        return False
    lua_pop(L, 1)
    return True


cdef inline bint take_real(lua_State *L) noexcept nogil:
    """Put the real table in the place of the proxy that is the first argument."""
    if not lua_push_real(L, 1):
        return False
    lua.replace(L, 1)
    return True


# What scripts call, once tables are sealed. A real table in an argument's place is seen by nobody: there is no debug library.

cdef int sealed_next(lua_State *L) noexcept nogil:
    take_real(L)
    return stock_next(L)


cdef int sealed_pairs(lua_State *L) noexcept nogil:
    """Upvalues: Lua's next, which is faster, and ours."""
    lua.L_checktype(L, 1, LUA_TTABLE)
    lua.pushvalue(L, lua_upvalueindex(2 if is_proxy(L, 1) else 1))
    lua.pushvalue(L, 1)
    lua.pushnil(L)
    return 3


cdef int sealed_ipairs_step(lua_State *L) noexcept nogil:
    take_real(L)
    return stock_ipairs_step(L)


cdef int sealed_ipairs(lua_State *L) noexcept nogil:
    """Upvalues: Lua's step, which is faster, and ours."""
    lua.L_checktype(L, 1, LUA_TTABLE)
    lua.pushvalue(L, lua_upvalueindex(2 if is_proxy(L, 1) else 1))
    lua.pushvalue(L, 1)
    lua.pushinteger(L, 0)
    return 3


cdef int sealed_rawget(lua_State *L) noexcept nogil:
    take_real(L)
    return stock_rawget(L)


cdef int sealed_rawset(lua_State *L) noexcept nogil:
    if lua.gettop(L) >= 3 and is_proxy(L, 1):
        return refuse_raw_write(L)
    return stock_rawset(L)


cdef int sealed_getmetatable(lua_State *L) noexcept nogil:
    """Of a metatable that is real, its proxy: that of strings and of proxies is, and of what was given one of those."""
    cdef bint real = take_real(L)
    if lua.type(L, 1) not in (LUA_TTABLE, LUA_TSTRING) or not lua.getmetatable(L, 1):
        return stock_getmetatable(L)
    lua.pushlightuserdata(L, &seal_keys.proxies)
    lua.rawget(L, LUA_REGISTRYINDEX)
    lua.insert(L, -2)
    lua.rawget(L, -2)
    if real or lua.type(L, -1) == LUA_TTABLE:
        return 1
    lua_pop(L, 2)
    return stock_getmetatable(L)


cdef int sealed_setmetatable(lua_State *L) noexcept nogil:
    """A proxy as a metatable has no field that Lua would find: the real table is what it means."""
    if lua.type(L, 2) in (LUA_TNIL, LUA_TTABLE) and is_proxy(L, 1):
        return refuse_raw_write(L)
    if lua_push_real(L, 2):
        lua.replace(L, 2)
    return stock_setmetatable(L)


cdef int sealed_insert(lua_State *L) noexcept nogil:
    """A position far below the table is refused: moving its elements down to -2^31 takes minutes, which nothing interrupts."""
    cdef int count = lua.gettop(L)
    if count == 2 or count == 3:
        lua.L_checktype(L, 1, LUA_TTABLE)
        if count == 3 and <int> lua.L_checkinteger(L, 2) < INSERT_LOWEST:
            return lua.L_argerror(L, 2, b"position out of bounds")
        if is_proxy(L, 1):
            return refuse_raw_write(L)
    return stock_insert(L)


cdef int sealed_foreach(lua_State *L) noexcept nogil:
    take_real(L)
    return stock_foreach(L)


cdef int sealed_foreachi(lua_State *L) noexcept nogil:
    take_real(L)
    return stock_foreachi(L)


# Sealing. All of it may raise for want of memory.

cdef void push_proxies(lua_State *L) noexcept nogil:
    lua.pushlightuserdata(L, &seal_keys.proxies)
    lua.rawget(L, LUA_REGISTRYINDEX)
    if lua.type(L, -1) == LUA_TTABLE:
        return
    lua_pop(L, 1)
    lua.createtable(L, 0, 16)
    lua.pushlightuserdata(L, &seal_keys.proxies)
    lua.pushvalue(L, -2)
    lua.rawset(L, LUA_REGISTRYINDEX)


cdef void set_proxy(lua_State *L, int table, int proxy) noexcept nogil:
    """Note the proxy of a table; both are indexes."""
    push_proxies(L)
    lua.pushvalue(L, table)
    lua.pushvalue(L, proxy)
    lua.rawset(L, -3)
    lua_pop(L, 1)


cdef void show_real(lua_State *L, int proxy) noexcept nogil:
    """Have the proxy stand for the real table at the top, which is popped."""
    lua.getmetatable(L, proxy)
    lua.pushvalue(L, -2)
    lua.setfield(L, -2, b"__index")
    lua.pushlightuserdata(L, &seal_keys.real)
    lua.pushvalue(L, -3)
    lua.rawset(L, -3)
    lua_pop(L, 2)


cdef void push_new_proxy(lua_State *L, int table) noexcept nogil:
    lua.createtable(L, 0, 0)
    lua.createtable(L, 0, 3)
    lua.pushcclosure(L, refuse_write, 0)
    lua.setfield(L, -2, b"__newindex")
    lua.setmetatable(L, -2)
    lua.pushvalue(L, table)
    show_real(L, lua.gettop(L) - 1)


cdef void seal_values(lua_State *L, int table) noexcept nogil:
    """Put proxies in the place of the tables in a table."""
    lua.pushnil(L)
    while lua.next(L, table):
        if lua.type(L, -1) == LUA_TTABLE:
            lua_seal_table(L, -1)
            lua.pushvalue(L, -3)
            lua.insert(L, -2)
            lua.rawset(L, table)                # of a key that is there: the walk may go on
        lua_pop(L, 1)


cdef void lua_seal_table(lua_State *L, int index) noexcept nogil:
    """Push the proxy of a table. Tables in it, and its metatable, become proxies, too; what is one already stays as it is."""
    cdef int table = lua_absolute(L, index)
    cdef int proxy
    lua.L_checkstack(L, SEAL_SLOTS, b"tables are nested too deep")
    push_proxies(L)
    lua.pushvalue(L, table)
    lua.rawget(L, -2)
    lua.remove(L, -2)
    if lua.type(L, -1) == LUA_TTABLE:
        return
    lua_pop(L, 1)
    if is_proxy(L, table):
        lua.pushvalue(L, table)
        return
    push_new_proxy(L, table)
    proxy = lua.gettop(L)
    set_proxy(L, table, proxy)                  # before those in it: they may hold this one
    seal_values(L, table)
    if lua.getmetatable(L, table):
        lua_seal_table(L, -1)
        lua_pop(L, 2)


cdef void lua_seal_show(lua_State *L, int proxy) noexcept nogil:
    """Have a proxy stand for the table at the top, which is sealed and popped: an environment can so show other things later to the
    functions that were made in it."""
    cdef int index = lua_absolute(L, proxy)
    lua_seal_table(L, -1)
    lua_pop(L, 1)
    show_real(L, index)


cdef void seal_strings(lua_State *L) noexcept nogil:
    """What getmetatable("") shows is a copy of strings' metatable, with the proxy of the library in it."""
    cdef int top = lua.gettop(L)
    lua.pushlstring(L, b"", 0)
    lua.getmetatable(L, -1)
    lua.createtable(L, 0, 1)
    lua.getfield(L, top + 2, b"__index")
    lua_seal_table(L, -1)
    lua.setfield(L, top + 3, b"__index")
    push_new_proxy(L, top + 3)
    set_proxy(L, top + 2, top + 5)
    set_proxy(L, top + 3, top + 5)              # the copy, too: a table may get it as its metatable
    lua.settop(L, top)


cdef void wrap_iterator(lua_State *L, const char *name, lua_CFunction ours, lua_CFunction our_step) noexcept nogil:
    """Lua's iterator has Lua's step as its upvalue; ours, in the table at the top, has both."""
    lua.getfield(L, -1, name)
    lua.getupvalue(L, -1, 1)
    lua.remove(L, -2)
    lua.pushcclosure(L, our_step, 0)
    lua.pushcclosure(L, ours, 2)
    lua.setfield(L, -2, name)


cdef lua_CFunction stock_step(lua_State *L, const char *name) noexcept nogil:
    cdef lua_CFunction step
    lua.getfield(L, -1, name)
    lua.getupvalue(L, -1, 1)
    step = lua.tocfunction(L, -1)
    lua_pop(L, 2)
    return step


cdef void wrap_functions(lua_State *L) noexcept nogil:
    """The globals are at the top."""
    global stock_next, stock_ipairs_step, stock_rawget, stock_rawset, stock_getmetatable, stock_setmetatable
    global stock_insert, stock_foreach, stock_foreachi
    stock_ipairs_step = stock_step(L, b"ipairs")
    wrap_iterator(L, b"pairs", sealed_pairs, sealed_next)
    wrap_iterator(L, b"ipairs", sealed_ipairs, sealed_ipairs_step)
    stock_next = lua_replace_function(L, b"next", sealed_next)
    stock_rawget = lua_replace_function(L, b"rawget", sealed_rawget)
    stock_rawset = lua_replace_function(L, b"rawset", sealed_rawset)
    stock_getmetatable = lua_replace_function(L, b"getmetatable", sealed_getmetatable)
    stock_setmetatable = lua_replace_function(L, b"setmetatable", sealed_setmetatable)
    lua.getfield(L, -1, b"table")
    stock_insert = lua_replace_function(L, b"insert", sealed_insert)
    stock_foreach = lua_replace_function(L, b"foreach", sealed_foreach)
    stock_foreachi = lua_replace_function(L, b"foreachi", sealed_foreachi)
    lua_pop(L, 1)


cdef void lua_seal(lua_State *L) noexcept nogil:
    """Seal the globals and all that is in them, once everything is registered there. In protected mode, once a state, on its main
    thread: chunks that are loaded from then on see what is sealed."""
    cdef int top = lua.gettop(L)
    lua.pushvalue(L, LUA_GLOBALSINDEX)
    lua.pushlightuserdata(L, &seal_keys.globals)
    lua.pushvalue(L, -2)
    lua.rawset(L, LUA_REGISTRYINDEX)
    wrap_functions(L)
    lua.createtable(L, 0, 1)
    lua.pushcclosure(L, lua_missing_global, 0)
    lua.setfield(L, -2, b"__index")
    lua.setmetatable(L, -2)
    seal_strings(L)
    lua_seal_table(L, -1)
    lua.replace(L, LUA_GLOBALSINDEX)
    lua.settop(L, top)
