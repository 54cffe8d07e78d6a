"""Replies as Lua's values, and Lua's values as replies. The table of both is in docs/scripting.md.

    RESP2   integer: number; bulk string: string; null: false; array: table; status: {ok=...}; error: {err=...}
    RESP3   also null: nil; boolean; {double=...}, {big_number=...}, {map={...}}, {set={member=true}},
            {verbatim_string={string=..., format=...}}; attributes are left out

Tables are read raw, so no metamethod of a script runs here. What pushes may raise Lua's error.
"""
from libc.stdint cimport INT64_MIN, int64_t
from libc.string cimport memchr, strlen

from kv._core.base.buffer cimport Buffer, buffer_append
from kv._core.base.numbers cimport parse_double, parse_i64
from kv._core.base.platform cimport unlikely
from kv._core.base.slice cimport Slice, slice_of
from kv._core.lua.api cimport (
    LUA_TBOOLEAN, LUA_TNIL, LUA_TNUMBER, LUA_TSTRING, LUA_TTABLE, lua, lua_pop, lua_State)
from kv._core.lua.state cimport lua_no_memory, lua_state_of
from kv._core.resp.reply cimport (
    Reply, reply_array, reply_big_number, reply_bool, reply_bulk, reply_double, reply_error, reply_i64, reply_map, reply_null,
    reply_set, reply_status, reply_verbatim)
from kv._core.scripts.scripting cimport scripting_of_state
from kv._core.scripts.transcript cimport Debugger, transcript_error

cdef enum:
    STACK_NEEDED = 6            # slots that one level of either way takes
    FORMAT_LENGTH = 3           # of a verbatim string


# -- from replies -----------------------------------------------------------------------------------------------------

cdef inline Slice line_of(const char *at) noexcept nogil:
    """What stands between a type's character and the end of its line."""
    cdef const char *end = at
    while end[0] != c'\r':
        end += 1
    return slice_of(at, end - at)


cdef inline const char *behind(Slice line) noexcept nogil:
    return line.data + line.length + 2


cdef void push_field(lua_State *L, const char *name, Slice text) noexcept nogil:
    """{name=text}"""
    lua.createtable(L, 0, 1)
    lua.pushlstring(L, text.data, text.length)
    lua.setfield(L, -2, name)


cdef void push_error(lua_State *L, Slice text) noexcept nogil:
    """{err=...} of an error as a command replies it, without its dash: its code first. A single word is a text of ERR's."""
    lua.createtable(L, 0, 3)
    if memchr(text.data, c' ', text.length) != NULL:
        lua.pushlstring(L, text.data, text.length)
    else:
        lua.pushlstring(L, b"ERR ", 4)
        lua.pushlstring(L, text.data, text.length)
        lua.concat(L, 2)
    lua.setfield(L, -2, b"err")


cdef void push_error_text(lua_State *L, const char *text) noexcept nogil:
    """{err=...} of our own words, which begin with their code. Whoever debugs the script and goes step by step is shown it."""
    cdef Slice words = slice_of(text, strlen(text))
    cdef Debugger *debugger = scripting_of_state(L).debugger
    if unlikely(debugger != NULL and debugger.stepping):
        transcript_error(debugger, words)
    push_error(L, words)


cdef const char *push_string(lua_State *L, const char *at, Slice line, bint verbatim) noexcept nogil:
    """A string whose length the line is, or null."""
    cdef int64_t length = -1
    cdef const char *data = behind(line)
    parse_i64(line.data, line.length, &length)
    if length < 0:
        lua.pushboolean(L, False)
        return data
    if not verbatim:
        lua.pushlstring(L, data, <size_t> length)
        return data + length + 2
    lua.createtable(L, 0, 1)
    lua.createtable(L, 0, 2)
    lua.pushlstring(L, data, FORMAT_LENGTH)
    lua.setfield(L, -2, b"format")
    lua.pushlstring(L, data + FORMAT_LENGTH + 1, <size_t> length - FORMAT_LENGTH - 1)
    lua.setfield(L, -2, b"string")
    lua.setfield(L, -2, b"verbatim_string")
    return data + length + 2


cdef const char *push_array(lua_State *L, const char *at, int64_t count) noexcept nogil:
    cdef int64_t i
    lua.createtable(L, <int> count, 0)
    for i in range(count):
        at = push_reply(L, at)
        lua.rawseti(L, -2, <int> i + 1)
    return at


cdef void put_pair(lua_State *L) noexcept nogil:
    """Put a key and a value into the table below them. A null can be no key: what stands beside it is left out."""
    if lua.type(L, -2) == LUA_TNIL:
        lua_pop(L, 2)
    else:
        lua.rawset(L, -3)


cdef const char *push_map(lua_State *L, const char *at, int64_t count) noexcept nogil:
    cdef int64_t _i
    lua.createtable(L, 0, 1)
    lua.createtable(L, 0, <int> count)
    for _i in range(count):
        at = push_reply(L, push_reply(L, at))
        put_pair(L)
    lua.setfield(L, -2, b"map")
    return at


cdef const char *push_set(lua_State *L, const char *at, int64_t count) noexcept nogil:
    cdef int64_t _i
    lua.createtable(L, 0, 1)
    lua.createtable(L, 0, <int> count)
    for _i in range(count):
        at = push_reply(L, at)
        lua.pushboolean(L, True)
        put_pair(L)
    lua.setfield(L, -2, b"set")
    return at


cdef const char *push_error_reply(lua_State *L, const char *at, Slice line) noexcept nogil:
    """An error that a command replied: it was counted then, and is not again when the script ends with it."""
    push_error(L, line)
    lua.pushboolean(L, True)
    lua.setfield(L, -2, b"ignore_error_stats_update")
    return behind(line)


cdef const char *push_number(lua_State *L, const char *at, Slice line) noexcept nogil:
    cdef int64_t value = 0
    parse_i64(line.data, line.length, &value)
    lua.pushnumber(L, <double> value)
    return behind(line)


cdef const char *push_double(lua_State *L, const char *at, Slice line) noexcept nogil:
    cdef double value = 0
    parse_double(line.data, line.length, &value)
    lua.createtable(L, 0, 1)
    lua.pushnumber(L, value)
    lua.setfield(L, -2, b"double")
    return behind(line)


cdef const char *push_reply(lua_State *L, const char *at) noexcept nogil:
    """Push a whole reply of our own, and return what stands behind it."""
    cdef char kind = at[0]
    cdef Slice line = line_of(at + 1)
    cdef int64_t count = 0
    cdef int64_t _i
    lua.L_checkstack(L, STACK_NEEDED, b"reached lua stack limit")
    if kind == c'$' or kind == c'=':
        return push_string(L, at, line, kind == c'=')
    if kind == c':':
        return push_number(L, at, line)
    if kind == c'-':
        return push_error_reply(L, at, line)
    if kind == c'+':
        push_field(L, b"ok", line)
    elif kind == c'_':
        lua.pushnil(L)
    elif kind == c'#':
        lua.pushboolean(L, line.data[0] == c't')
    elif kind == c'(':
        push_field(L, b"big_number", line)
    elif kind == c',':
        return push_double(L, at, line)
    else:
        parse_i64(line.data, line.length, &count)
        at = behind(line)
        if kind == c'%':
            return push_map(L, at, count)
        if kind == c'~':
            return push_set(L, at, count)
        if kind == c'|':                        # an attribute: what it describes follows
            for _i in range(2 * count):
                at = push_reply(L, at)
                lua_pop(L, 1)
            return push_reply(L, at)
        if count >= 0:
            return push_array(L, at, count)
        lua.pushboolean(L, False)
        return at
    return behind(line)


# -- to replies -------------------------------------------------------------------------------------------------------

cdef inline int raw_field(lua_State *L, const char *name) noexcept nogil:
    """Push a field of the table on top; its type."""
    lua.pushstring(L, name)
    lua.rawget(L, -2)
    return lua.type(L, -1)


cdef inline Slice text_at(lua_State *L, int index) noexcept nogil:
    cdef Slice text
    text.data = lua.tolstring(L, index, &text.length)
    return text


cdef Slice one_line(lua_State *L, Slice text) noexcept nogil:
    """A text that stands in one line of a reply: with blanks for what would end it (CVE-2025-67733)."""
    cdef Buffer *line = &lua_state_of(L).scratch
    cdef size_t i
    line.length = 0
    buffer_append(line, text.data, text.length)
    for i in range(text.length):
        if line.data[i] == c'\r' or line.data[i] == c'\n':
            line.data[i] = c' '
    return slice_of(line.data, text.length)


cdef int64_t truncated(double number) noexcept nogil:
    """What there is no 64-bit integer for is the least one, as the processor has it."""
    if number >= -9223372036854775808.0 and number < 9223372036854775808.0:
        return <int64_t> number
    return INT64_MIN


cdef bint reply_value(lua_State *L, Reply *reply, int resp) noexcept nogil:
    """Reply the value on top of the stack, and take it off. `resp`: the version that the script has set. Whether it was an error
    that was counted when a command replied it."""
    cdef int type = lua.type(L, -1)
    cdef bint counted = False
    cdef Slice text
    if not lua.checkstack(L, STACK_NEEDED):
        reply_error(reply, b"ERR reached lua stack limit", 27)
    elif type == LUA_TSTRING:
        text = text_at(L, -1)
        reply_bulk(reply, text.data, text.length)
    elif type == LUA_TNUMBER:
        reply_i64(reply, truncated(lua.tonumber(L, -1)))
    elif type == LUA_TBOOLEAN:
        if resp > 2:
            reply_bool(reply, lua.toboolean(L, -1))
        elif lua.toboolean(L, -1):
            reply_i64(reply, 1)
        else:
            reply_null(reply)
    elif type == LUA_TTABLE:
        counted = reply_table(L, reply, resp)
    else:
        reply_null(reply)
    lua_pop(L, 1)
    return counted


cdef bint reply_table(lua_State *L, Reply *reply, int resp) noexcept nogil:
    """A table is what the first of these fields says, or an array."""
    cdef bint counted
    cdef Slice text
    if raw_field(L, b"err") == LUA_TSTRING:
        text = text_at(L, -1)
        reply_error(reply, text.data, text.length)
        raw_field_of_below(L, b"ignore_error_stats_update")
        counted = lua.type(L, -1) == LUA_TBOOLEAN and lua.toboolean(L, -1)
        lua_pop(L, 2)
        return counted
    lua_pop(L, 1)
    if raw_field(L, b"ok") == LUA_TSTRING:
        text = one_line(L, text_at(L, -1))
        reply_status(reply, text.data, text.length)
    elif pop_for(L, b"double") == LUA_TNUMBER:
        reply_double(reply, lua.tonumber(L, -1))
    elif pop_for(L, b"big_number") == LUA_TSTRING:
        text = one_line(L, text_at(L, -1))
        reply_big_number(reply, text.data, text.length)
    elif pop_for(L, b"verbatim_string") == LUA_TTABLE and reply_verbatim_table(L, reply):
        pass
    elif pop_for(L, b"map") == LUA_TTABLE:
        reply_pairs(L, reply, resp, True)
    elif pop_for(L, b"set") == LUA_TTABLE:
        reply_pairs(L, reply, resp, False)
    else:
        lua_pop(L, 1)
        reply_elements(L, reply, resp)
        return False
    lua_pop(L, 1)
    return False


cdef inline int pop_for(lua_State *L, const char *name) noexcept nogil:
    """The next field instead of the one that was looked at."""
    lua_pop(L, 1)
    return raw_field(L, name)


cdef inline void raw_field_of_below(lua_State *L, const char *name) noexcept nogil:
    lua.pushstring(L, name)
    lua.rawget(L, -3)


cdef bint reply_verbatim_table(lua_State *L, Reply *reply) noexcept nogil:
    """{format=..., string=...} on top of the stack, which stays there; false: it is none."""
    cdef bint good
    cdef Slice form, text
    raw_field(L, b"format")
    raw_field_of_below(L, b"string")
    good = lua.type(L, -2) == LUA_TSTRING and lua.type(L, -1) == LUA_TSTRING
    if good:
        form, text = text_at(L, -2), text_at(L, -1)
        good = form.length >= FORMAT_LENGTH
    if good:
        reply_verbatim(reply, form.data, text.data, text.length)
    lua_pop(L, 2)
    return good


cdef void reply_pairs(lua_State *L, Reply *reply, int resp, bint values) noexcept nogil:
    """The keys of the table on top, with their values or without."""
    cdef size_t most = lua_state_of(L).reply_most
    cdef int64_t count = 0
    lua.pushnil(L)
    while lua.next(L, -2):
        lua_pop(L, 1)
        count += 1
    if values:
        reply_map(reply, count)
    else:
        reply_set(reply, count)
    lua.pushnil(L)
    while lua.next(L, -2):
        lua.pushvalue(L, -2)
        reply_value(L, reply, resp)
        if values:
            reply_value(L, reply, resp)
        else:
            lua_pop(L, 1)
        if unlikely(reply.out.length > most):
            lua_no_memory(L)


cdef void reply_elements(lua_State *L, Reply *reply, int resp) noexcept nogil:
    """The elements of the table on top, up to the first nil."""
    cdef size_t most = lua_state_of(L).reply_most
    cdef int count = 0
    cdef int i
    while True:
        lua.rawgeti(L, -1, count + 1)
        if lua.type(L, -1) == LUA_TNIL:
            break
        lua_pop(L, 1)
        count += 1
    lua_pop(L, 1)
    reply_array(reply, count)
    for i in range(count):
        lua.rawgeti(L, -1, i + 1)
        reply_value(L, reply, resp)
        if unlikely(reply.out.length > most):       # the same table may stand in a reply any number of times
            lua_no_memory(L)
