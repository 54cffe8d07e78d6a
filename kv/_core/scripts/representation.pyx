"""Values of Lua and replies, as people read them: {1; "x"; {["y"]=true}} and ["v",NULL], added to a line of the transcript.

A table in tables in tables, or one that contains itself, would go on and on: ten levels are shown, and a line that is full takes no
more. So what is shown costs no more than the line is long.
"""
from libc.stdint cimport int64_t

from kv._core.base.numbers cimport parse_i64
from kv._core.base.slice cimport Slice, slice_of
from kv._core.lua.api cimport (
    LUA_TBOOLEAN, LUA_TFUNCTION, LUA_TLIGHTUSERDATA, LUA_TNIL, LUA_TNUMBER, LUA_TSTRING, LUA_TTABLE, LUA_TTHREAD, lua,
    lua_absolute, lua_pop, lua_State)
from kv._core.lua.sandbox cimport lua_push_real
from kv._core.scripts.transcript cimport Debugger, transcript_add, transcript_bytes, transcript_full, transcript_quote

cdef extern from "<stdio.h>" nogil:
    int snprintf(char *out, size_t size, const char *form, ...)

cdef enum:
    DEEPEST = 10                # tables in tables
    LEVEL_SLOTS = 6             # of Lua's stack that a level takes

cdef const char *TOO_DEEP = b"<max recursion level reached! Nested table?>"


# -- values -----------------------------------------------------------------------------------------------------------

cdef void show_value(Debugger *debugger, lua_State *L, int index) noexcept nogil:
    """Add a value on the stack. May raise Lua's error for want of memory."""
    index = lua_absolute(L, index)
    lua.L_checkstack(L, (DEEPEST + 1) * LEVEL_SLOTS, b"too many values on the stack")
    show(debugger, L, index, 0)


cdef void show(Debugger *debugger, lua_State *L, int index, int level) noexcept nogil:
    cdef int type = lua.type(L, index)
    cdef char text[64]
    cdef Slice value
    if level == DEEPEST:
        transcript_add(debugger, TOO_DEEP)
    elif type == LUA_TSTRING:
        value.data = lua.tolstring(L, index, &value.length)
        transcript_quote(debugger, value)
    elif type == LUA_TNUMBER:
        snprintf(text, sizeof(text), "%g", lua.tonumber(L, index))
        transcript_add(debugger, text)
    elif type == LUA_TTABLE:
        show_table(debugger, L, index, level)
    elif type == LUA_TBOOLEAN:
        transcript_add(debugger, b"true" if lua.toboolean(L, index) else b"false")
    elif type == LUA_TNIL:
        transcript_add(debugger, b"nil")
    else:
        snprintf(text, sizeof(text), "\"%s@%p\"", name_of(type), lua.topointer(L, index))
        transcript_add(debugger, text)


cdef const char *name_of(int type) noexcept nogil:
    if type == LUA_TFUNCTION:
        return b"function"
    if type == LUA_TTHREAD:
        return b"thread"
    return b"light-userdata" if type == LUA_TLIGHTUSERDATA else b"userdata"


cdef bint is_array(lua_State *L, int index) noexcept nogil:
    """Whether the keys of a table are 1, 2, ... in this order."""
    cdef int expected = 1
    lua.pushnil(L)
    while lua.next(L, index):
        lua_pop(L, 1)
        if lua.type(L, -1) != LUA_TNUMBER or lua.tonumber(L, -1) != expected:
            lua_pop(L, 1)
            return False
        expected += 1
    return True


cdef void show_table(Debugger *debugger, lua_State *L, int index, int level) noexcept nogil:
    """Of a table that scripts see through a proxy, what is in it."""
    cdef int top = lua.gettop(L)
    cdef bint array, first = True
    if lua_push_real(L, index):
        index = top + 1
    array = is_array(L, index)
    transcript_add(debugger, b"{")
    lua.pushnil(L)
    while not transcript_full(debugger) and lua.next(L, index):
        if not first:
            transcript_add(debugger, b"; ")
        first = False
        if not array:
            transcript_add(debugger, b"[")
            show(debugger, L, lua.gettop(L) - 1, level + 1)
            transcript_add(debugger, b"]=")
        show(debugger, L, lua.gettop(L), level + 1)
        lua_pop(L, 1)
    lua.settop(L, top)
    transcript_add(debugger, b"}")


# -- replies ----------------------------------------------------------------------------------------------------------

cdef inline Slice line_of(const char *at) noexcept nogil:
    """What stands up to the end of the line."""
    cdef const char *end = at
    while end[0] != c'\r':
        end += 1
    return slice_of(at, end - at)


cdef const char *show_reply(Debugger *debugger, const char *at) noexcept nogil:
    """Add a whole reply of our own; what stands behind it."""
    cdef char kind = at[0]
    cdef Slice line = line_of(at + 1)
    cdef const char *behind = line.data + line.length + 2
    cdef int64_t count = 0
    if kind == c'+' or kind == c'-':
        transcript_quote(debugger, slice_of(at, line.length + 1))
    elif kind == c':':
        transcript_bytes(debugger, line)
    elif kind == c',':
        transcript_add(debugger, b"(double) ")
        transcript_bytes(debugger, line)
    elif kind == c'(':
        transcript_add(debugger, b"(big number) ")
        transcript_bytes(debugger, line)
    elif kind == c'_':
        transcript_add(debugger, b"(null)")
    elif kind == c'#':
        transcript_add(debugger, b"#true" if line.data[0] == c't' else b"#false")
    elif not parse_i64(line.data, line.length, &count) or count < 0:
        transcript_add(debugger, b"NULL")
    elif kind == c'$' or kind == c'=':
        transcript_quote(debugger, slice_of(behind, <size_t> count))
        behind += count + 2
    elif kind == c'%':
        behind = show_parts(debugger, behind, count, b"{", b"}", True)
    elif kind == c'~':
        behind = show_parts(debugger, behind, count, b"~(", b")", False)
    elif kind == c'|':                          # an attribute: what it describes follows
        behind = show_reply(debugger, show_parts(debugger, behind, count, b"|{", b"} ", True))
    else:
        behind = show_parts(debugger, behind, count, b"[", b"]", False)
    return behind


cdef const char *show_parts(Debugger *debugger, const char *at, int64_t count, const char *opening,
                            const char *closing, bint pairs) noexcept nogil:
    """The elements of an array, a set or a map. Where the line is full, the rest is not walked: nothing of it is shown."""
    cdef int64_t i
    transcript_add(debugger, opening)
    for i in range(count):
        if transcript_full(debugger):
            break
        if i:
            transcript_add(debugger, b",")
        at = show_reply(debugger, at)
        if pairs:
            transcript_add(debugger, b" => ")
            at = show_reply(debugger, at)
    transcript_add(debugger, closing)
    return at
