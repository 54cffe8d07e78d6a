"""cmsgpack.pack: Lua's values to MessagePack, one behind the other.

A table is an array where its keys are 1 to as many as there are, and a map else. Arrays that come in order and hold no tables are
written while that is still being found out, and taken back where it proves wrong. A map gets its head when its fields are counted:
they are moved where it needs more than a byte.

Tables nest 16 deep; one below is nil, so a table that holds itself comes to an end. This recurses as deep. Access is raw; no
metamethod runs.
"""
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy, memmove

from kv._core.base.buffer cimport Buffer
from kv._core.base.machine cimport double_to_bits, float_to_bits
from kv._core.lua.api cimport (
    LUA_TBOOLEAN, LUA_TNUMBER, LUA_TSTRING, LUA_TTABLE, lua, lua_pop, lua_State)
from kv._core.lua.state cimport scratch_begin, scratch_end, scratch_reserve

cdef enum:
    NESTING = 16
    SLOTS = 64              # of Lua's stack: for each table key, value and copy of the key, and some
    HEAD_MOST = 9           # bytes of a number, or of what precedes a string or table
    NOT_AN_ARRAY = -1
    INT_MAX = 0x7FFFFFFF

cdef enum:                  # first bytes
    FIX_MAP = 0x80          # up to 15
    FIX_ARRAY = 0x90
    FIX_STRING = 0xA0       # up to 31
    NIL = 0xC0
    FALSE = 0xC2
    TRUE = 0xC3
    FLOAT = 0xCA
    DOUBLE = 0xCB
    UINT_8 = 0xCC           # and 16, 32, 64
    INT_8 = 0xD0            # and 16, 32, 64
    STRING_8 = 0xD9         # and 16, 32
    ARRAY_16 = 0xDC         # and 32
    MAP_16 = 0xDE           # and 32

cdef double I64_END = 2.0 ** 63


cdef int msgpack_pack(lua_State *L) noexcept nogil:
    cdef int count = lua.gettop(L)
    cdef Buffer *out
    cdef int i
    if count == 0:
        return lua.L_argerror(L, 0, b"MessagePack pack needs input.")
    if not lua.checkstack(L, count):
        return lua.L_argerror(L, 0, b"Too many arguments for MessagePack pack.")
    lua.L_checkstack(L, SLOTS, b"in function mp_pack")
    out = scratch_begin(L)
    for i in range(1, count + 1):
        lua.pushvalue(L, i)
        pack_value(L, out, 0)
        lua_pop(L, 1)
    scratch_end(L, out)
    return 1


cdef void pack_value(lua_State *L, Buffer *out, int level) noexcept nogil:
    """The value on top of the stack, which stays there."""
    if is_table(L, level):
        pack_table(L, out, level)
    else:
        pack_scalar(L, out)


cdef inline bint is_table(lua_State *L, int level) noexcept nogil:
    """Whether the value on top of the stack is a table that isn't too deep: that one counts as nil."""
    return lua.type(L, -1) == LUA_TTABLE and level < NESTING


# Tables

cdef void pack_table(lua_State *L, Buffer *out, int level) noexcept nogil:
    cdef size_t start = out.length
    cdef int count = 0
    write_byte(L, out, FIX_ARRAY)
    lua.pushnil(L)
    while lua.next(L, -2):
        if lua.type(L, -2) == LUA_TSTRING:
            lua_pop(L, 2)
            out.length = start
            pack_map(L, out, level)
            return
        if lua.type(L, -2) != LUA_TNUMBER or lua.tonumber(L, -2) != count + 1 or is_table(L, level + 1):
            lua_pop(L, 2)
            out.length = start
            pack_walked(L, out, level)
            return
        pack_scalar(L, out)
        lua_pop(L, 1)
        count += 1
    finish_table(L, out, start, count, FIX_ARRAY, ARRAY_16)


cdef void pack_walked(lua_State *L, Buffer *out, int level) noexcept nogil:
    """A table of which it takes a walk to know what it is."""
    cdef int count = array_length(L)
    cdef size_t start = out.length
    cdef int i
    if count == NOT_AN_ARRAY:
        pack_map(L, out, level)
        return
    write_byte(L, out, FIX_ARRAY)
    for i in range(1, count + 1):
        lua.rawgeti(L, -1, i)
        pack_value(L, out, level + 1)
        lua_pop(L, 1)
    finish_table(L, out, start, count, FIX_ARRAY, ARRAY_16)


cdef int array_length(lua_State *L) noexcept nogil:
    """How many elements the table on top of the stack has as an array, or NOT_AN_ARRAY."""
    cdef int count = 0
    cdef double key
    cdef double most = 0
    lua.pushnil(L)
    while lua.next(L, -2):
        key = lua.tonumber(L, -2) if lua.type(L, -2) == LUA_TNUMBER else 0
        if not 1 <= key <= INT_MAX or <double> <int> key != key:
            lua_pop(L, 2)
            return NOT_AN_ARRAY
        most = max(most, key)
        count += 1
        lua_pop(L, 1)
    return count if count == most else NOT_AN_ARRAY


cdef void pack_map(lua_State *L, Buffer *out, int level) noexcept nogil:
    cdef size_t start = out.length
    cdef size_t count = 0
    write_byte(L, out, FIX_MAP)
    lua.pushnil(L)
    while lua.next(L, -2):
        lua.pushvalue(L, -2)
        pack_value(L, out, level + 1)
        lua_pop(L, 1)
        pack_value(L, out, level + 1)
        lua_pop(L, 1)
        count += 1
    finish_table(L, out, start, count, FIX_MAP, MAP_16)


cdef void finish_table(lua_State *L, Buffer *out, size_t start, size_t count, int fix, int wide) noexcept nogil:
    """Its head goes to the byte at `start`, and to more, where what follows makes room."""
    cdef int bytes = 1 if count <= 15 else 3 if count <= 0xFFFF else 5
    cdef unsigned char *head
    if bytes > 1:
        scratch_reserve(L, out, bytes - 1)
        memmove(out.data + start + bytes, out.data + start + 1, out.length - start - 1)
        out.length += bytes - 1
    head = <unsigned char *> out.data + start
    if bytes == 1:
        head[0] = <unsigned char> (fix | count)
    else:
        head[0] = <unsigned char> (wide + (bytes == 5))
        store_big_endian(head + 1, count, bytes - 1)


# Scalars

cdef inline void store_big_endian(unsigned char *out, uint64_t value, int bytes) noexcept nogil:
    while bytes:
        bytes -= 1
        out[bytes] = <unsigned char> (value & 0xFF)
        value >>= 8


cdef inline void write_byte(lua_State *L, Buffer *out, int byte) noexcept nogil:
    scratch_reserve(L, out, 1)[0] = <char> byte
    out.length += 1


cdef inline void write_head(lua_State *L, Buffer *out, int first, uint64_t value, int bytes) noexcept nogil:
    """The first byte, and the last so many of the value."""
    cdef unsigned char *at = <unsigned char *> scratch_reserve(L, out, HEAD_MOST)
    at[0] = <unsigned char> first
    store_big_endian(at + 1, value, bytes)
    out.length += 1 + bytes


cdef void pack_scalar(lua_State *L, Buffer *out) noexcept nogil:
    """Of a type that MessagePack has not: nil."""
    cdef int type = lua.type(L, -1)
    if type == LUA_TSTRING:
        pack_string(L, out)
    elif type == LUA_TNUMBER:
        pack_number(L, out, lua.tonumber(L, -1))
    elif type == LUA_TBOOLEAN:
        write_byte(L, out, TRUE if lua.toboolean(L, -1) else FALSE)
    else:
        write_byte(L, out, NIL)


cdef void pack_string(lua_State *L, Buffer *out) noexcept nogil:
    cdef size_t length
    cdef const char *text = lua.tolstring(L, -1, &length)
    if length <= 31:
        write_byte(L, out, <int> (FIX_STRING | length))
    elif length <= 0xFF:
        write_head(L, out, STRING_8, length, 1)
    elif length <= 0xFFFF:
        write_head(L, out, STRING_8 + 1, length, 2)
    elif length >> 32 == 0:
        write_head(L, out, STRING_8 + 2, length, 4)
    else:
        lua.L_error(L, b"MessagePack has no strings of 4 GB")
    memcpy(scratch_reserve(L, out, length), text, length)
    out.length += length


cdef void pack_number(lua_State *L, Buffer *out, double value) noexcept nogil:
    """A whole number in the fewest bytes, a float where it is exact."""
    cdef float short
    if -I64_END <= value < I64_END and <double> <int64_t> value == value:
        pack_integer(L, out, <int64_t> value)
        return
    short = <float> value
    if <double> short == value:
        write_head(L, out, FLOAT, float_to_bits(short), 4)
    else:
        write_head(L, out, DOUBLE, double_to_bits(value), 8)


cdef void pack_integer(lua_State *L, Buffer *out, int64_t value) noexcept nogil:
    if -32 <= value <= 127:
        write_byte(L, out, <int> (value & 0xFF))
    elif value > 0:
        if value <= 0xFF:
            write_head(L, out, UINT_8, value, 1)
        elif value <= 0xFFFF:
            write_head(L, out, UINT_8 + 1, value, 2)
        elif value >> 32 == 0:
            write_head(L, out, UINT_8 + 2, value, 4)
        else:
            write_head(L, out, UINT_8 + 3, value, 8)
    elif value >= -0x80:
        write_head(L, out, INT_8, value, 1)
    elif value >= -0x8000:
        write_head(L, out, INT_8 + 1, value, 2)
    elif value >= -<int64_t> 0x80000000:
        write_head(L, out, INT_8 + 2, value, 4)
    else:
        write_head(L, out, INT_8 + 3, value, 8)
