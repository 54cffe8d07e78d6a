"""Lua's basic functions, without those that reach out of the state, and ours in place of some.

What catches errors (pcall, xpcall, load and its reader, coroutine.resume) raises again what ends a run once the state is killed: a
script can't go on by catching it. xpcall runs its handler after the stack is unwound, in protected mode, so a handler that loops
is ended like all else; it sees no difference, as there is no debug library to look at the stack with.
"""
from libc.stdint cimport int64_t
from libc.string cimport memcpy

from kv._core.base.platform cimport unlikely
from kv._core.lua.api cimport (
    LUA_ERRRUN, LUA_GLOBALSINDEX, LUA_HOOKCOUNT, LUA_MASKCOUNT, LUA_MULTRET, LUA_OK, LUA_TFUNCTION, LUA_TNIL, LUA_TTABLE, lua,
    lua_CFunction, lua_Debug, lua_pop, lua_State, lua_upvalueindex)
from kv._core.lua.chunk cimport CHUNK_MOST, lua_load_chunk
from kv._core.lua.library cimport lua_replace_function
from kv._core.lua.state cimport lua_state_of

cdef enum:
    PIECES_BETWEEN_LOOKS = 100

cdef lua_CFunction stock_setfenv
cdef lua_CFunction stock_resume
cdef lua_CFunction stock_wrap
cdef lua_CFunction stock_wrapped


cdef int lua_chunk_results(lua_State *L, int status) noexcept nogil:
    """What load and loadstring return: the function, or nil and the message that stands on the stack."""
    if status == LUA_OK:
        return 1
    lua.pushnil(L)
    lua.insert(L, -2)
    return 2


cdef int base_loadstring(lua_State *L) noexcept nogil:
    cdef size_t length
    cdef const char *code = lua.L_checklstring(L, 1, &length)
    cdef const char *name = lua.L_optlstring(L, 2, code, NULL)
    return lua_chunk_results(L, lua_load_chunk(L, code, length, name))


cdef int read_piece(lua_State *L) noexcept nogil:
    """Push the next piece that the reader, the first argument, returns; nil at the end. Gives a status; else pushes the message."""
    cdef int status
    lua.pushvalue(L, 1)
    status = lua.pcall(L, 0, 1, 0)
    if status != LUA_OK:
        if lua_state_of(L).killed:
            return lua.error(L)
        return status
    if lua.type(L, -1) == LUA_TNIL or lua.isstring(L, -1):
        return LUA_OK
    lua.L_where(L, 1)
    lua.pushstring(L, b"reader function must return a string")
    lua.concat(L, 2)
    return LUA_ERRRUN


cdef void look(lua_State *L) noexcept nogil:
    """Have the hook look whether to go on, as it does where Lua counts instructions: a loop of ours that calls what is no Lua has
    none, and would never end."""
    cdef lua_Debug event
    if lua.gethookmask(L) & LUA_MASKCOUNT:
        event.event = LUA_HOOKCOUNT
        lua.gethook(L)(L, &event)


cdef int base_load(lua_State *L) noexcept nogil:
    """All pieces are read before anything is parsed (CVE-2025-49844): they are gathered in a block of Lua's in the third slot."""
    cdef const char *name = lua.L_optlstring(L, 2, b"=(load)", NULL)
    cdef const char *piece
    cdef char *code = NULL
    cdef char *grown
    cdef size_t length = 0, room = 0, more
    cdef int status
    cdef int pieces = 0
    lua.L_checktype(L, 1, LUA_TFUNCTION)
    lua.settop(L, 3)
    while True:
        pieces += 1
        if pieces % PIECES_BETWEEN_LOOKS == 0:
            look(L)
        status = read_piece(L)
        if status != LUA_OK:
            return lua_chunk_results(L, status)
        piece = lua.tolstring(L, -1, &more)     # NULL for nil
        if piece == NULL or more == 0:
            break
        if length + more >= CHUNK_MOST:
            return lua_chunk_results(L, lua_load_chunk(L, piece, CHUNK_MOST, name))     # which refuses it
        if length + more > room:
            room = max(2 * room, length + more, 1024)
            grown = <char *> lua.newuserdata(L, room)
            if length:
                memcpy(grown, code, length)
            code = grown
            lua.replace(L, 3)
        memcpy(code + length, piece, more)
        length += more
        lua_pop(L, 1)
    return lua_chunk_results(L, lua_load_chunk(L, code, length, name))


cdef int base_pcall(lua_State *L) noexcept nogil:
    """As Valkey's: of an error that is a table with a text in `err`, as redis.call raises it, one gets the text.

    A table without one is followed by what its `err` is, as there.
    """
    cdef int count = lua.gettop(L)
    if count == 0:
        lua.pushboolean(L, 0)
        lua.pushstring(L, b"attempt to call a boolean value")
        return 2
    lua.pushboolean(L, 1)
    lua.insert(L, 1)
    if lua.pcall(L, count - 1, LUA_MULTRET, 0) == LUA_OK:
        return lua.gettop(L)
    if unlikely(lua_state_of(L).killed):
        return lua.error(L)
    lua.remove(L, 1)
    if lua.type(L, -1) == LUA_TTABLE:
        lua.getfield(L, -1, b"err")
        if lua.isstring(L, -1):
            lua.replace(L, -2)
    lua.pushboolean(L, 0)
    lua.insert(L, 1)
    return lua.gettop(L)


cdef void handle_error(lua_State *L) noexcept nogil:
    """Put what the handler, in the second slot, makes of the error at the top in its place."""
    cdef int status
    if lua.type(L, 2) != LUA_TFUNCTION:
        lua.pushstring(L, b"error in error handling")
        return
    lua.pushvalue(L, 2)
    lua.insert(L, -2)
    status = lua.pcall(L, 1, 1, 0)
    if unlikely(lua_state_of(L).killed):
        lua.error(L)
    if status == LUA_ERRRUN:
        lua.pushstring(L, b"error in error handling")


cdef int base_xpcall(lua_State *L) noexcept nogil:
    cdef int status
    lua.L_checkany(L, 2)
    lua.settop(L, 2)
    lua.pushvalue(L, 1)
    status = lua.pcall(L, 0, LUA_MULTRET, 0)
    if status == LUA_OK:
        lua.pushboolean(L, 1)
        lua.replace(L, 2)
        return lua.gettop(L) - 1
    if unlikely(lua_state_of(L).killed):
        return lua.error(L)
    if status == LUA_ERRRUN:
        handle_error(L)
    lua.pushboolean(L, 0)
    lua.insert(L, -2)
    return 2


cdef int base_unpack(lua_State *L) noexcept nogil:
    """The range is counted in 64 bits (CVE-2025-46817)."""
    cdef int64_t first, last, i
    lua.L_checktype(L, 1, LUA_TTABLE)
    first = <int> lua.L_optinteger(L, 2, 1)
    last = <int> lua.objlen(L, 1) if lua.type(L, 3) <= LUA_TNIL else <int> lua.L_checkinteger(L, 3)
    if first > last:
        return 0
    if last - first >= 0x7fffffff or not lua.checkstack(L, <int> (last - first + 1)):
        return lua.L_error(L, b"too many results to unpack")
    for i in range(first, last + 1):
        lua.rawgeti(L, 1, <int> i)
    return <int> (last - first + 1)


cdef int base_setfenv(lua_State *L) noexcept nogil:
    """The environment of level 0 is that of whatever is loaded later, other scripts, too: it stays."""
    if lua.isnumber(L, 1) and lua.tonumber(L, 1) == 0:
        return lua.L_error(L, b"'setfenv' cannot change environment of given object")
    return stock_setfenv(L)


cdef inline void take_hook(lua_State *L, lua_State *coroutine) noexcept nogil:
    """A coroutine has the hook of whoever made it. One that is kept from an earlier run gets that of this run, else it could not
    be ended."""
    if coroutine != NULL and (lua.gethook(coroutine) != lua.gethook(L) or lua.gethookmask(coroutine) != lua.gethookmask(L)
                              or lua.gethookcount(coroutine) != lua.gethookcount(L)):
        lua.sethook(coroutine, lua.gethook(L), lua.gethookmask(L), lua.gethookcount(L))


cdef int coroutine_resume(lua_State *L) noexcept nogil:
    cdef int count
    take_hook(L, lua.tothread(L, 1))
    count = stock_resume(L)
    if unlikely(lua_state_of(L).killed):
        return lua.error(L)                     # the message is at the top
    return count


cdef int coroutine_wrapped(lua_State *L) noexcept nogil:
    """What coroutine.wrap returns; the thread is its first upvalue, as Lua's function has it."""
    take_hook(L, lua.tothread(L, lua_upvalueindex(1)))
    return stock_wrapped(L)


cdef int coroutine_wrap(lua_State *L) noexcept nogil:
    stock_wrap(L)
    lua.getupvalue(L, -1, 1)
    lua.pushcclosure(L, coroutine_wrapped, 1)
    return 1


cdef void open_coroutine(lua_State *L) noexcept nogil:
    """The library itself is there: Lua's basic functions bring it."""
    global stock_resume, stock_wrap, stock_wrapped
    lua.getfield(L, LUA_GLOBALSINDEX, b"coroutine")
    lua.getfield(L, -1, b"wrap")
    if lua.L_loadbuffer(L, b"", 0, b"=") != LUA_OK:
        lua.error(L)
    lua.call(L, 1, 1)
    stock_wrapped = lua.tocfunction(L, -1)
    lua_pop(L, 1)
    stock_resume = lua_replace_function(L, b"resume", coroutine_resume)
    stock_wrap = lua_replace_function(L, b"wrap", coroutine_wrap)
    lua_pop(L, 1)


cdef void remove_global(lua_State *L, const char *name) noexcept nogil:
    lua.pushnil(L)
    lua.setfield(L, LUA_GLOBALSINDEX, name)


cdef void open_base(lua_State *L, bint insecure) noexcept nogil:
    """getfenv, setfenv and newproxy are there where lua-enable-insecure-api allows them."""
    global stock_setfenv
    lua.pushcclosure(L, lua.open_base, 0)
    lua.pushstring(L, b"")
    lua.call(L, 1, 0)
    remove_global(L, b"print")
    remove_global(L, b"dofile")
    remove_global(L, b"loadfile")
    if not insecure:
        remove_global(L, b"getfenv")
        remove_global(L, b"setfenv")
        remove_global(L, b"newproxy")
    lua.pushvalue(L, LUA_GLOBALSINDEX)
    lua_replace_function(L, b"load", base_load)
    lua_replace_function(L, b"loadstring", base_loadstring)
    lua_replace_function(L, b"pcall", base_pcall)
    lua_replace_function(L, b"xpcall", base_xpcall)
    lua_replace_function(L, b"unpack", base_unpack)
    if insecure:
        stock_setfenv = lua_replace_function(L, b"setfenv", base_setfenv)
    open_coroutine(L)
    lua_pop(L, 1)
