"""cjson.encode: Lua's values to JSON.

A table is an array where all keys are whole numbers from 1 on, with nulls for what is missing, and an object else; so is an empty
one. To know which takes a walk over all of it. Most arrays come in order and hold no tables: those are written while they are
walked, and what is written is taken back where a key is out of order. At the first table inside, the walk is finished first: else
a table could be written twice, the ones in it four times, and so on.

It does not recurse: how deep values nest is bounded by Lua's stack (LUA_SLOTS), never by C's. Access is raw; no metamethod
runs, so nobody changes a table meanwhile or takes the scratch.
"""
from libc.math cimport floor, isinf, isnan
from libc.stdint cimport uint64_t
from libc.string cimport memcpy

from kv._core.base.buffer cimport Buffer, buffer_free
from kv._core.base.machine cimport bytes_below, equal_bytes, load_u64_le
from kv._core.base.numbers cimport FORMAT_DOUBLE_SIZE, format_general
from kv._core.base.platform cimport unlikely
from kv._core.lua.api cimport (
    LUA_SLOTS, LUA_TBOOLEAN, LUA_TLIGHTUSERDATA, LUA_TNIL, LUA_TNUMBER, LUA_TSTRING, LUA_TTABLE, lua, lua_pop, lua_State)
from kv._core.lua.cjson_options cimport JSON_INT_MAX, SWITCH_NULL, SWITCH_OFF, JsonOptions, json_options
from kv._core.lua.state cimport scratch_begin, scratch_end, scratch_reserve

cdef enum:
    NOT_AN_ARRAY = -1
    SLOTS = 3               # of Lua's stack, for a table: key, value, and a text of an error
    PART = 4096             # bytes of a string that are given room to be escaped at a time
    ESCAPED_MOST = 6        # bytes that a byte becomes: \u001f

cdef unsigned char[256] ESCAPES         # the letter behind the backslash, "u": by its number, 0: the byte goes as it is


def _fill_tables():
    for byte in (*range(32), 127):
        ESCAPES[byte] = ord("u")
    for byte, letter in zip(b"\b\t\n\f\r\"/\\", b"btnfr\"/\\", strict=True):
        ESCAPES[byte] = letter


_fill_tables()


cdef struct Level:          # a table that is being written
    int index               # of an array: elements that are written; of an object: fields
    int length              # of an array: elements; 0: it is an object

cdef struct Encoder:
    lua_State *L
    JsonOptions *options
    Buffer *out             # the scratch
    bint in_order           # the table below the key and value on top is written while it is walked, see begin_table


cdef int json_encode(lua_State *L) noexcept nogil:
    cdef Encoder encoder
    if lua.gettop(L) != 1:
        return lua.L_argerror(L, 1, b"expected 1 argument")
    encoder.L = L
    encoder.options = json_options(L)
    encoder.out = scratch_begin(L)
    encoder.in_order = False
    if not write_scalar(&encoder):
        write_tables(&encoder)
    scratch_end(L, encoder.out)
    if encoder.options.keep_buffer == SWITCH_OFF:
        buffer_free(encoder.out)
    return 1


# Errors

cdef void refuse(Encoder *encoder, int index, const char *reason) noexcept nogil:
    """Raise it of the value there."""
    cdef lua_State *L = encoder.L
    cdef const char *type = lua.typename(L, lua.type(L, index))
    if encoder.in_order:            # that its table is too sparse would have come first
        lua_pop(L, 2)
        array_length(encoder)
    lua.L_error(L, b"Cannot serialise %s: %s", type, reason)


# Tables

cdef void write_tables(Encoder *encoder) noexcept nogil:
    """The table on top of the stack, with all that is in it."""
    cdef Level[LUA_SLOTS] levels
    cdef Level *level = levels
    begin_table(encoder, level, 1)
    while True:
        if write_array(encoder, level) if level.length else write_object(encoder, level):
            level += 1
            begin_table(encoder, level, <int> (level - levels) + 1)
        elif level == levels:
            return
        else:
            lua_pop(encoder.L, 1)
            level -= 1


cdef void begin_table(Encoder *encoder, Level *level, int depth) noexcept nogil:
    """Write its bracket, and the beginning of an array as far as keys come in order and are of no table."""
    cdef lua_State *L = encoder.L
    cdef size_t start = encoder.out.length
    cdef size_t before
    cdef int index = 0
    if depth > encoder.options.encode_max_depth or depth > LUA_SLOTS or not lua.checkstack(L, SLOTS):
        lua.L_error(L, b"Cannot serialise, excessive nesting (%d)", depth)
    write_byte(encoder, c"[")
    level.length = 0
    lua.pushnil(L)
    while lua.next(L, -2):
        if lua.type(L, -2) != LUA_TNUMBER or lua.tonumber(L, -2) != index + 1 or index == JSON_INT_MAX:
            level.length = array_length_at_key(encoder)
            break
        before = encoder.out.length
        if index:
            write_byte(encoder, c",")
        encoder.in_order = True
        if not write_scalar(encoder):
            encoder.in_order = False
            encoder.out.length = before
            lua_pop(L, 2)
            level.length = array_length(encoder)
            break
        encoder.in_order = False
        lua_pop(L, 1)
        index += 1
    else:
        level.length = index        # also nothing at all: an empty object
    level.index = index
    if level.length <= 0:
        begin_object(encoder, level, start)


cdef void begin_object(Encoder *encoder, Level *level, size_t start) noexcept nogil:
    """Instead of the array that was begun at `start` of the scratch. The key that the walk begins with is left on the stack."""
    level.index = level.length = 0
    encoder.out.length = start
    write_byte(encoder, c"{")
    lua.pushnil(encoder.L)


cdef inline int array_length_at_key(Encoder *encoder) noexcept nogil:
    """array_length of the table below a key and a value, which are taken off. A text as key answers it at once."""
    cdef bint text = lua.type(encoder.L, -2) == LUA_TSTRING
    lua_pop(encoder.L, 2)
    return NOT_AN_ARRAY if text else array_length(encoder)


cdef int array_length(Encoder *encoder) noexcept nogil:
    """How many elements the table on top of the stack has as an array, nulls included; NOT_AN_ARRAY. Raises that it is excessively
    sparse. An index that no array can have makes an object."""
    cdef lua_State *L = encoder.L
    cdef JsonOptions *options = encoder.options
    cdef double key
    cdef double length = 0
    cdef double items = 0
    encoder.in_order = False
    lua.pushnil(L)
    while lua.next(L, -2):
        key = lua.tonumber(L, -2) if lua.type(L, -2) == LUA_TNUMBER else 0
        if not 1 <= key <= JSON_INT_MAX or floor(key) != key:
            lua_pop(L, 2)
            return NOT_AN_ARRAY
        length = max(length, key)
        items += 1
        lua_pop(L, 1)
    if options.sparse_ratio > 0 and length > items * options.sparse_ratio and length > options.sparse_safe:
        if not options.sparse_convert:
            refuse(encoder, -1, b"excessively sparse array")
        return NOT_AN_ARRAY
    return <int> length


cdef bint write_array(Encoder *encoder, Level *level) noexcept nogil:
    """Its elements up to the next one that is a table, which is left on the stack: True. False: it is finished."""
    while level.index < level.length:
        if level.index:
            write_byte(encoder, c",")
        level.index += 1
        lua.rawgeti(encoder.L, -1, level.index)
        if not write_scalar(encoder):
            return True
        lua_pop(encoder.L, 1)
    write_byte(encoder, c"]")
    return False


cdef bint write_object(Encoder *encoder, Level *level) noexcept nogil:
    """Its fields behind the key on top of the stack, up to the next one that is a table, which is left there: True. False: it is
    finished, and so is its key."""
    cdef lua_State *L = encoder.L
    cdef int type
    while lua.next(L, -2):
        if level.index:
            write_byte(encoder, c",")
        level.index = 1
        type = lua.type(L, -2)
        if type == LUA_TSTRING:
            write_string(encoder, -2)
        elif type == LUA_TNUMBER:
            write_byte(encoder, c'"')
            write_number(encoder, -2)
            write_byte(encoder, c'"')
        else:
            refuse(encoder, -2, b"table key must be a number or string")
        write_byte(encoder, c":")
        if not write_scalar(encoder):
            return True
        lua_pop(L, 1)
    write_byte(encoder, c"}")
    return False


# Scalars

cdef bint write_scalar(Encoder *encoder) noexcept nogil:
    """The value on top of the stack; False: it is a table."""
    cdef lua_State *L = encoder.L
    cdef int type = lua.type(L, -1)
    if type == LUA_TSTRING:
        write_string(encoder, -1)
    elif type == LUA_TNUMBER:
        write_number(encoder, -1)
    elif type == LUA_TTABLE:
        return False
    elif type == LUA_TBOOLEAN:
        if lua.toboolean(L, -1):
            write_text(encoder, b"true", 4)
        else:
            write_text(encoder, b"false", 5)
    elif type == LUA_TNIL or type == LUA_TLIGHTUSERDATA and lua.touserdata(L, -1) == NULL:
        write_text(encoder, b"null", 4)
    else:
        refuse(encoder, -1, b"type not supported")
    return True


cdef inline void write_byte(Encoder *encoder, char byte) noexcept nogil:
    scratch_reserve(encoder.L, encoder.out, 1)[0] = byte
    encoder.out.length += 1


cdef inline void write_text(Encoder *encoder, const char *text, size_t length) noexcept nogil:
    memcpy(scratch_reserve(encoder.L, encoder.out, length), text, length)
    encoder.out.length += length


cdef void write_number(Encoder *encoder, int index) noexcept nogil:
    cdef double value = lua.tonumber(encoder.L, index)
    if unlikely(isinf(value) or isnan(value)):
        if encoder.options.encode_invalid_numbers == SWITCH_OFF:
            refuse(encoder, index, b"must not be NaN or Inf")
        if encoder.options.encode_invalid_numbers == SWITCH_NULL:
            write_text(encoder, b"null", 4)
            return
        if isnan(value):            # printf may print its sign
            write_text(encoder, b"nan", 3)
            return
    encoder.out.length += format_general(
        scratch_reserve(encoder.L, encoder.out, FORMAT_DOUBLE_SIZE), value, encoder.options.precision)


cdef void write_string(Encoder *encoder, int index) noexcept nogil:
    cdef size_t length, part
    cdef const char *text = lua.tolstring(encoder.L, index, &length)
    cdef char *out = scratch_reserve(encoder.L, encoder.out, 1)
    out[0] = c'"'
    encoder.out.length += 1
    while True:
        part = min(length, <size_t> PART)
        out = scratch_reserve(encoder.L, encoder.out, part * ESCAPED_MOST + 1)
        out = escape(out, text, part)
        encoder.out.length = out - encoder.out.data
        text += part
        length -= part
        if length == 0:
            break
    out[0] = c'"'
    encoder.out.length += 1


cdef inline bint is_plain(uint64_t word) noexcept nogil:
    """Whether none of these 8 bytes is written as another."""
    return (bytes_below(word, 32) | equal_bytes(word, c'"') | equal_bytes(word, c"\\") | equal_bytes(word, c"/")
            | equal_bytes(word, 127)) == 0


cdef char *escape(char *out, const char *text, size_t length) noexcept nogil:
    """Where it ends."""
    cdef const char *end = text + length
    cdef const char *stop
    while text < end:
        stop = min(text + 8, end)
        if end - text >= 8 and is_plain(load_u64_le(text)):
            memcpy(out, text, 8)
            out += 8
            text += 8
            continue
        while text < stop:
            out = escape_byte(out, <unsigned char> text[0])
            text += 1
    return out


cdef inline char *escape_byte(char *out, unsigned char byte) noexcept nogil:
    cdef unsigned char letter = ESCAPES[byte]
    if letter == 0:
        out[0] = byte
        return out + 1
    out[0] = c"\\"
    out[1] = letter
    if letter != c"u":
        return out + 2
    memcpy(out + 2, b"00", 2)
    out[4] = c"0" + (byte >> 4)
    out[5] = c"0" + (byte & 15) if byte & 15 < 10 else c"a" + (byte & 15) - 10
    return out + 6
