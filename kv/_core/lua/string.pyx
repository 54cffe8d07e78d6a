"""Lua's string library, with bounds on what its C code does not bound.

    - A pattern is matched by a C function that calls itself for each item that repeats or captures: 400,000 `?` end a process.
      Patterns with more than 200 such items are refused, as later versions of Lua do.
    - string.rep is ours: a count of 2^31 empty strings is no loop.
    - string.dump stays, as in Valkey: what it makes is refused by everything that loads (lua/chunk).
"""
from libc.string cimport memcpy

from kv._core.base.buffer cimport Buffer
from kv._core.base.platform cimport unlikely
from kv._core.lua.api cimport LUA_TSTRING, lua, lua_CFunction, lua_pop, lua_raise, lua_State
from kv._core.lua.library cimport lua_replace_function
from kv._core.lua.state cimport SCRATCH_KEPT, scratch_begin, scratch_end, scratch_reserve

cdef enum:
    PATTERN_ITEMS_MOST = 200    # that repeat or capture

cdef lua_CFunction stock_find
cdef lua_CFunction stock_match
cdef lua_CFunction stock_gmatch
cdef lua_CFunction stock_gsub


cdef const char *skip_set(const char *at, const char *end) noexcept nogil:
    """Where the set that begins here ends. Its first character is no end of it."""
    at += 1
    if at < end and at[0] == b'^':
        at += 1
    while True:
        if at < end and at[0] == b'%':
            at += 1
        at += 1
        if at >= end:
            return end
        if at[0] == b']':
            return at + 1


cdef bint pattern_is_complex(const char *at, size_t length) noexcept nogil:
    cdef const char *end = at + length
    cdef int items = 0
    while at < end:
        if at[0] == b'%':
            at += 2
            continue
        if at[0] == b'[':
            at = skip_set(at, end)
            continue
        items += at[0] in (b'?', b'*', b'+', b'-', b'(', b')')
        at += 1
    return items > PATTERN_ITEMS_MOST


cdef int check_pattern(lua_State *L) noexcept nogil:
    """The pattern is the second argument. Lua itself complains of what is none."""
    cdef size_t length
    cdef const char *pattern
    if lua.type(L, 2) == LUA_TSTRING:
        pattern = lua.tolstring(L, 2, &length)
        if unlikely(length > PATTERN_ITEMS_MOST) and pattern_is_complex(pattern, length):
            return lua_raise(L, b"pattern too complex")
    return 0


cdef int string_find(lua_State *L) noexcept nogil:
    if not lua.toboolean(L, 4):                 # it is found as it is
        check_pattern(L)
    return stock_find(L)


cdef int string_match(lua_State *L) noexcept nogil:
    check_pattern(L)
    return stock_match(L)


cdef int string_gmatch(lua_State *L) noexcept nogil:
    check_pattern(L)
    return stock_gmatch(L)


cdef int string_gsub(lua_State *L) noexcept nogil:
    check_pattern(L)
    return stock_gsub(L)


cdef void fill_repeated(char *data, size_t total, size_t length) noexcept nogil:
    """The first `length` bytes again and again."""
    cdef size_t filled = length, more
    while filled < total:
        more = min(filled, total - filled)
        memcpy(data + filled, data, more)
        filled += more


cdef int string_rep(lua_State *L) noexcept nogil:
    """A long result is made in a block of Lua's: where that is not to be had, Lua's error says so."""
    cdef size_t length, total
    cdef const char *text = lua.L_checklstring(L, 1, &length)
    cdef int count = <int> lua.L_checkinteger(L, 2)
    cdef Buffer *scratch
    cdef char *data
    if count <= 0 or length == 0:
        lua.pushlstring(L, b"", 0)
        return 1
    if unlikely(length > (<size_t> -1 >> 2) // <size_t> count):
        return lua_raise(L, b"resulting string too large")
    total = length * <size_t> count
    if total <= SCRATCH_KEPT:
        scratch = scratch_begin(L)
        data = scratch_reserve(L, scratch, total)
        scratch.length = total
        memcpy(data, text, length)
        fill_repeated(data, total, length)
        scratch_end(L, scratch)
    else:
        data = <char *> lua.newuserdata(L, total)
        memcpy(data, text, length)
        fill_repeated(data, total, length)
        lua.pushlstring(L, data, total)
    return 1


cdef void open_string(lua_State *L) noexcept nogil:
    global stock_find, stock_match, stock_gmatch, stock_gsub
    lua.pushcclosure(L, lua.open_string, 0)
    lua.pushstring(L, b"string")
    lua.call(L, 1, 1)
    stock_find = lua_replace_function(L, b"find", string_find)
    stock_match = lua_replace_function(L, b"match", string_match)
    stock_gmatch = lua_replace_function(L, b"gmatch", string_gmatch)
    stock_gsub = lua_replace_function(L, b"gsub", string_gsub)
    lua_replace_function(L, b"rep", string_rep)
    lua_pop(L, 1)
