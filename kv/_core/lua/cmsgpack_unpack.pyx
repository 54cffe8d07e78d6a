"""cmsgpack.unpack, unpack_one, unpack_limit: MessagePack to Lua's values.

It does not recurse: tables that are open stand on Lua's stack, which bounds how deep data nest (LUA_SLOTS), never C's. A count is
believed only as far as its bytes are there: tables grow as they are filled. What is nil in an array or map is not there in the
table. bin and ext types are bad format, unsigned numbers from 2^63 on come out negative, both as in Valkey.
"""
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint32_t, uint64_t

from kv._core.base.machine cimport bits_to_double, bits_to_float
from kv._core.lua.api cimport LUA_SLOTS, lua, lua_Integer, lua_pop, lua_State

cdef enum Read:
    READ_SCALAR             # it is pushed
    READ_ARRAY              # input.count elements follow
    READ_MAP

cdef enum:
    MAP_KEY = -1            # a level's index: a key comes next
    MAP_VALUE = -2
    ALL = 0x7FFFFFFF
    SLOTS = 32              # that are asked for at once

cdef struct Input:
    const unsigned char *at
    const unsigned char *end
    uint32_t count          # of the table that was read last
    int slots               # of Lua's stack above its top that are sure to be there

cdef struct Level:          # a table that is being filled
    uint32_t left           # elements or fields that are still to come
    int index               # of an array: elements that it has; of a map: MAP_KEY, MAP_VALUE

cdef const char *TOO_MANY = b"too many return values at once; use unpack_one or unpack_limit instead."


cdef int msgpack_unpack(lua_State *L) noexcept nogil:
    """unpack(text): all values."""
    return unpack_values(L, 0, 0)


cdef int msgpack_unpack_one(lua_State *L) noexcept nogil:
    """unpack_one(text, offset = 0): the offset behind, or -1 at the end, and a value."""
    return unpack_values(L, 1, lua.L_optinteger(L, 2, 0))


cdef int msgpack_unpack_limit(lua_State *L) noexcept nogil:
    """unpack_limit(text, limit, offset = 0): the offset behind, or -1 at the end, and up to so many values."""
    cdef lua_Integer limit = lua.L_checkinteger(L, 2)
    return unpack_values(L, limit, lua.L_optinteger(L, 3, 0))


cdef int unpack_values(lua_State *L, lua_Integer limit, lua_Integer offset) noexcept nogil:
    """Neither limit nor offset: all values and nothing else, also where a limit of 0 was asked for, as in Valkey."""
    cdef bint all = limit == 0 and offset == 0
    cdef size_t length
    cdef const char *text
    cdef Input input
    cdef int count = 0
    if not all and lua.gettop(L) > 1:
        lua.settop(L, 1)
    text = lua.L_checklstring(L, 1, &length)
    if offset < 0 or limit < 0:
        return lua.L_error(L, b"Invalid request to unpack with offset of %d and limit of %d.", <int> offset, <int> length)
    if <size_t> offset > length:
        return lua.L_error(L, b"Start offset %d greater than input length %d.", <int> offset, <int> length)
    if all:
        limit = ALL
    input.slots = 0
    input.at = <const unsigned char *> text + offset
    input.end = <const unsigned char *> text + length
    while input.at < input.end and count < limit:
        unpack_value(L, &input)
        count += 1
    if all:
        return count
    lua.L_checkstack(L, 1, b"in function mp_unpack_full")
    lua.pushinteger(L, -1 if input.at == input.end else input.at - <const unsigned char *> text)
    lua.insert(L, 2)
    return count + 1


cdef void unpack_value(lua_State *L, Input *input) noexcept nogil:
    """Push the value that comes next, with all that is in it."""
    cdef Level[LUA_SLOTS] levels
    cdef Level *level = levels          # above the open ones
    cdef Read read
    while True:
        read = read_value(L, input)
        if read != READ_SCALAR:
            if level == levels + LUA_SLOTS:
                lua.L_error(L, b"stack overflow (%s)", TOO_MANY)
            open_table(L, input, read)
            if input.count:
                level.left = input.count
                level.index = 0 if read == READ_ARRAY else MAP_KEY
                level += 1
                continue
        # The value is on top of the stack. It goes into its table, and, where that is full then, the table into its own.
        while level != levels and put_value(L, input, level - 1):
            level -= 1
        if level == levels:
            return


cdef inline void open_table(lua_State *L, Input *input, Read read) noexcept nogil:
    """An array that gets elements has something above it, so that it takes as many slots as a map, and as in Valkey."""
    lua.createtable(L, 0, 0)
    if read == READ_ARRAY:
        need_slot(L, input, b"in function mp_decode_to_lua_array")
        if input.count:
            input.slots -= 1
            lua.pushnil(L)


cdef inline bint put_value(lua_State *L, Input *input, Level *level) noexcept nogil:
    """Put what is on top of the stack into the table; True: it is full, and on top."""
    if level.index == MAP_KEY:
        level.index = MAP_VALUE
        return False
    level.left -= 1
    if level.index == MAP_VALUE:
        level.index = MAP_KEY
        lua.rawset(L, -3)
        input.slots += 2
        return level.left == 0
    level.index += 1
    lua.rawseti(L, -3, level.index)
    input.slots += 1
    if level.left == 0:
        lua_pop(L, 1)
        input.slots += 1
    return level.left == 0


cdef inline void need_slot(lua_State *L, Input *input, const char *text) noexcept nogil:
    """One is enough, but to ask for each costs more than a value. Near the end of the stack each is asked for."""
    if input.slots <= 0:
        if lua.checkstack(L, SLOTS):
            input.slots = SLOTS
        else:
            lua.L_checkstack(L, 1, text)


# One value

cdef inline void need(lua_State *L, Input *input, size_t bytes) noexcept nogil:
    """So many must be left."""
    if <size_t> (input.end - input.at) < bytes:
        lua.L_error(L, b"Missing bytes in input.")


cdef inline uint64_t take(lua_State *L, Input *input, int bytes) noexcept nogil:
    """The number in the next bytes, the highest first."""
    cdef uint64_t value = 0
    cdef int i
    need(L, input, bytes)
    for i in range(bytes):
        value = value << 8 | input.at[i]
    input.at += bytes
    return value


cdef inline Read push_string(lua_State *L, Input *input, size_t length) noexcept nogil:
    need(L, input, length)
    lua.pushlstring(L, <const char *> input.at, length)
    input.at += length
    return READ_SCALAR


cdef inline Read push_number(lua_State *L, double value) noexcept nogil:
    lua.pushnumber(L, value)
    return READ_SCALAR


cdef inline Read begin_table(Input *input, Read read, uint64_t count) noexcept nogil:
    input.count = <uint32_t> count
    return read


cdef Read read_value(lua_State *L, Input *input) noexcept nogil:
    """Of a table its head only."""
    cdef unsigned int first
    need(L, input, 1)
    need_slot(L, input, TOO_MANY)
    input.slots -= 1
    first = input.at[0]
    input.at += 1
    if first < 0x80:
        return push_number(L, first)
    if first < 0x90:
        return begin_table(input, READ_MAP, first & 0xF)
    if first < 0xA0:
        return begin_table(input, READ_ARRAY, first & 0xF)
    if first < 0xC0:
        return push_string(L, input, first & 0x1F)
    if first >= 0xE0:
        return push_number(L, <int8_t> first)
    if first < 0xD4:
        return read_number(L, input, first)
    return read_long(L, input, first)


cdef Read read_number(lua_State *L, Input *input, unsigned int first) noexcept nogil:
    """0xC0 to 0xD3: nil, booleans, numbers."""
    if first == 0xC0:
        lua.pushnil(L)
        return READ_SCALAR
    if first == 0xC2 or first == 0xC3:
        lua.pushboolean(L, first == 0xC3)
        return READ_SCALAR
    if first == 0xCA:
        return push_number(L, bits_to_float(<uint32_t> take(L, input, 4)))
    if first == 0xCB:
        return push_number(L, bits_to_double(take(L, input, 8)))
    if first == 0xCC:
        return push_number(L, take(L, input, 1))
    if first == 0xCD:
        return push_number(L, take(L, input, 2))
    if first == 0xCE:
        return push_number(L, take(L, input, 4))
    if first == 0xCF or first == 0xD3:
        return push_number(L, <int64_t> take(L, input, 8))
    if first == 0xD0:
        return push_number(L, <int8_t> take(L, input, 1))
    if first == 0xD1:
        return push_number(L, <int16_t> take(L, input, 2))
    if first == 0xD2:
        return push_number(L, <int32_t> take(L, input, 4))
    return bad_format(L)


cdef Read read_long(lua_State *L, Input *input, unsigned int first) noexcept nogil:
    """0xD4 to 0xDF: strings and tables whose length stands behind the first byte."""
    if first == 0xD9:
        return push_string(L, input, take(L, input, 1))
    if first == 0xDA:
        return push_string(L, input, take(L, input, 2))
    if first == 0xDB:
        return push_string(L, input, take(L, input, 4))
    if first == 0xDC:
        return begin_table(input, READ_ARRAY, take(L, input, 2))
    if first == 0xDD:
        return begin_table(input, READ_ARRAY, take(L, input, 4))
    if first == 0xDE:
        return begin_table(input, READ_MAP, take(L, input, 2))
    if first == 0xDF:
        return begin_table(input, READ_MAP, take(L, input, 4))
    return bad_format(L)


cdef Read bad_format(lua_State *L) noexcept nogil:
    """Types that Valkey has not, bin and ext among them."""
    lua.L_error(L, b"Bad data format in input.")
    return READ_SCALAR
