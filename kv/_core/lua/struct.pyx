"""The library `struct`: values packed into bytes and taken out of them, as struct.pack, unpack and size of Valkey's do it.

    b B h H l L T   integers of 1, 2, 8 and 8 bytes (T: a size_t), lower case with a sign
    iN IN           integers of N bytes, by default 4, at most 32; no more than 64 bits of them are looked at
    f d             float, double
    s               text with a zero after it
    cN              N bytes of a text, by default 1; c0: the whole text, and when unpacking as many as the number before says
    x               a byte of nothing
    < > !N " "      little-endian, big-endian, alignment to at most N (a power of two, by default 8), nothing

Sizes and positions are size_t, and compared before they are added (CVE-2020-14147, CVE-2024-31449's kind).
"""
from libc.stdint cimport INT32_MAX, int64_t, uint64_t
from libc.string cimport memchr, memcpy, memset

from kv._core.base.buffer cimport Buffer
from kv._core.lua.api cimport lua, lua_pop, lua_State
from kv._core.lua.library cimport LuaFunction, lua_library
from kv._core.lua.state cimport scratch_begin, scratch_end, scratch_reserve

cdef enum:
    INTEGER_MOST = 32           # bytes
    ALIGNMENT = 8               # of `!` alone: a double's

cdef struct Format:
    const char *at              # the next option; ends with a zero
    size_t align                # to at most that many bytes
    bint big                    # endian


cdef inline void format_begin(lua_State *L, Format *format) noexcept nogil:
    """Little-endian and unaligned is how it begins. The text is the first argument."""
    format.at = lua.L_checklstring(L, 1, NULL)
    format.align = 1
    format.big = False


cdef inline bint is_digit(char c) noexcept nogil:
    return b'0' <= c <= b'9'


cdef inline bint is_alphanumeric(char c) noexcept nogil:
    return is_digit(c) or b'a' <= (c | 32) <= b'z'


cdef size_t take_number(lua_State *L, Format *format, size_t default) noexcept nogil:
    """The number that stands next in the format."""
    cdef size_t number = 0
    if not is_digit(format.at[0]):
        return default
    while is_digit(format.at[0]):
        number = number * 10 + <size_t> (format.at[0] - c'0')
        if number > INT32_MAX:
            lua.L_error(L, b"integral size overflow")
        format.at += 1
    return number


cdef size_t take_size(lua_State *L, char option, Format *format) noexcept nogil:
    """Bytes of the option that was read, 0 for what has none of its own: s, c0, and what sets something."""
    cdef size_t size
    if option in (b'b', b'B', b'x'):
        return 1
    if option in (b'h', b'H'):
        return 2
    if option in (b'l', b'L', b'T', b'd'):
        return 8
    if option == b'f':
        return 4
    if option == b'c':
        return take_number(L, format, 1)
    if option in (b'i', b'I'):
        size = take_number(L, format, 4)
        if size > INTEGER_MOST:
            lua.L_error(L, b"integral size %d is larger than limit of %d", <int> size, <int> INTEGER_MOST)
        return size
    return 0


cdef inline size_t padding(size_t position, char option, size_t size, const Format *format) noexcept nogil:
    """Bytes before a value of that size. Of sizes that are no power of two, what the formula gives."""
    if size == 0 or option == b'c':
        return 0
    size = min(size, format.align)
    return size - (position & size - 1) & size - 1


cdef void take_setting(lua_State *L, char option, Format *format) noexcept nogil:
    """An option that is no value."""
    cdef size_t align
    if option == b'<' or option == b'>':
        format.big = option == b'>'
    elif option == b'!':
        align = take_number(L, format, ALIGNMENT)
        if align == 0 or align & align - 1:
            lua.L_error(L, b"alignment %d is not a power of 2", <int> align)
        format.align = align
    elif option != b' ':
        lua.L_argerror(L, 1, lua.pushfstring(L, b"invalid format option '%c'", <int> option))


cdef uint64_t word_of(double number) noexcept nogil:
    """Its 64 bits as a two's complement; of what has no such, what an x86 processor makes of it."""
    if number < 0:
        return <uint64_t> <int64_t> number if number >= -9223372036854775808.0 else <uint64_t> 1 << 63
    if number < 18446744073709551616.0:
        return <uint64_t> number
    return 0 if number == number else <uint64_t> 1 << 63


cdef inline void copy_in_order(char *target, const char *data, size_t size, bint reverse) noexcept nogil:
    cdef size_t i
    if not reverse:
        memcpy(target, data, size)
    else:
        for i in range(size):
            target[i] = data[size - 1 - i]


cdef void append(lua_State *L, Buffer *scratch, const char *data, size_t size, bint reverse) noexcept nogil:
    if size:
        copy_in_order(scratch_reserve(L, scratch, size), data, size, reverse)
        scratch.length += size


cdef void append_zeros(lua_State *L, Buffer *scratch, size_t count) noexcept nogil:
    if count:
        memset(scratch_reserve(L, scratch, count), 0, count)
        scratch.length += count


cdef void pack_number(lua_State *L, Buffer *scratch, char option, size_t size, double number, bint big) noexcept nogil:
    """Bytes above the 64 bits are 0, of negative integers, too."""
    cdef char[INTEGER_MOST] bytes
    cdef uint64_t word
    cdef float single
    memset(bytes, 0, INTEGER_MOST)
    if option == b'd':
        memcpy(bytes, &number, 8)
    elif option == b'f':
        single = <float> number
        memcpy(bytes, &single, 4)
    else:
        word = word_of(number)
        memcpy(bytes, &word, 8)
    append(L, scratch, bytes, size, big)


cdef size_t pack_text(lua_State *L, Buffer *scratch, char option, size_t size, int argument) noexcept nogil:
    """Gives the bytes that it took."""
    cdef size_t length
    cdef const char *text = lua.L_checklstring(L, argument, &length)
    if size == 0:
        size = length
    if length < size:
        lua.L_argerror(L, argument + 1, b"string too short")    # Valkey counts from 0 there
    append(L, scratch, text, size, False)
    if option == b's':
        append_zeros(L, scratch, 1)
        size += 1
    return size


cdef int struct_pack(lua_State *L) noexcept nogil:
    cdef Format format
    cdef Buffer *scratch
    cdef char option
    cdef size_t size
    cdef int argument = 2
    format_begin(L, &format)
    lua.pushnil(L)                              # a missing argument is a nil to what complains of it
    scratch = scratch_begin(L)
    while format.at[0]:
        option = format.at[0]
        format.at += 1
        size = take_size(L, option, &format)
        append_zeros(L, scratch, padding(scratch.length, option, size, &format))
        if option == b'x':
            append_zeros(L, scratch, 1)
        elif option in (b'c', b's'):
            pack_text(L, scratch, option, size, argument)
            argument += 1
        elif option in (b'b', b'B', b'h', b'H', b'l', b'L', b'T', b'i', b'I', b'f', b'd'):
            pack_number(L, scratch, option, size, lua.L_checknumber(L, argument), format.big)
            argument += 1
        else:
            take_setting(L, option, &format)
    scratch_end(L, scratch)
    return 1


cdef double unpack_integer(const char *data, size_t size, bint big, bint has_sign) noexcept nogil:
    """Signed ones of 9 to 15 bytes get their sign from the bit that stands as far above a multiple of 64 as theirs: so it is in
    Valkey."""
    cdef uint64_t word = 0
    cdef uint64_t mask
    cdef char *target = <char *> &word
    if size <= 8:
        copy_in_order(target, data, size, big)
    else:
        copy_in_order(target, data + size - 8 if big else data, 8, big)
    if not has_sign:
        return <double> word
    mask = ~<uint64_t> 0 << (size * 8 - 1 & 63)
    return <double> <int64_t> (word | mask if word & mask else word)


cdef void unpack_number(lua_State *L, const char *data, char option, size_t size, bint big) noexcept nogil:
    cdef double number
    cdef float single
    if option == b'd':
        copy_in_order(<char *> &number, data, 8, big)
        lua.pushnumber(L, number)
    elif option == b'f':
        copy_in_order(<char *> &single, data, 4, big)
        lua.pushnumber(L, single)
    else:
        lua.pushnumber(L, unpack_integer(data, size, big, option >= b'a'))


cdef inline void check_room(lua_State *L, size_t position, size_t size, size_t length) noexcept nogil:
    if size > length or position > length - size:
        lua.L_argerror(L, 2, b"data string too short")


cdef size_t unpack_text(lua_State *L, const char *data, size_t position, size_t length, size_t size, bint counted) noexcept nogil:
    """The text of c; where its size is 0, the number on the stack, the result before, is the size instead of a result."""
    if size == 0:
        if not counted or not lua.isnumber(L, -1):
            lua.L_error(L, b"format 'c0' needs a previous size")
        size = word_of(lua.tonumber(L, -1))
        lua_pop(L, 1)
        check_room(L, position, size, length)
    lua.pushlstring(L, data + position, size)
    return size


cdef size_t unpack_terminated(lua_State *L, const char *data, size_t position, size_t length) noexcept nogil:
    cdef const char *end = <const char *> memchr(data + position, 0, length - position)
    if end == NULL:
        lua.L_error(L, b"unfinished string in data")
    lua.pushlstring(L, data + position, end - data - position)
    return end - data - position + 1


cdef int struct_unpack(lua_State *L) noexcept nogil:
    cdef Format format
    cdef char option
    cdef size_t size, length, position
    cdef const char *data
    cdef int top
    format_begin(L, &format)
    data = lua.L_checklstring(L, 2, &length)
    position = <size_t> lua.L_optinteger(L, 3, 1)
    if position == 0:
        lua.L_argerror(L, 3, b"offset must be 1 or greater")
    position -= 1
    top = lua.gettop(L)
    while format.at[0]:
        option = format.at[0]
        format.at += 1
        size = take_size(L, option, &format)
        position += padding(position, option, size, &format)
        check_room(L, position, size, length)
        lua.L_checkstack(L, 2, b"too many results")
        if option == b'c':
            size = unpack_text(L, data, position, length, size, lua.gettop(L) > top)
        elif option == b's':
            size = unpack_terminated(L, data, position, length)
        elif option in (b'b', b'B', b'h', b'H', b'l', b'L', b'T', b'i', b'I', b'f', b'd'):
            unpack_number(L, data + position, option, size, format.big)
        elif option != b'x':
            take_setting(L, option, &format)
        position += size
    lua.pushinteger(L, <Py_ssize_t> (position + 1))
    return lua.gettop(L) - top


cdef int struct_size(lua_State *L) noexcept nogil:
    """Letters and digits that are no option count nothing."""
    cdef Format format
    cdef char option
    cdef size_t size, position = 0
    format_begin(L, &format)
    while format.at[0]:
        option = format.at[0]
        format.at += 1
        size = take_size(L, option, &format)
        position += padding(position, option, size, &format)
        if option == b's':
            return lua.L_argerror(L, 1, b"option 's' has no fixed size")
        if option == b'c' and size == 0:
            return lua.L_argerror(L, 1, b"option 'c0' has no fixed size")
        if not is_alphanumeric(option):
            take_setting(L, option, &format)
        position += size
    lua.pushinteger(L, <Py_ssize_t> position)
    return 1


cdef LuaFunction[3] FUNCTIONS
FUNCTIONS[0].name, FUNCTIONS[0].function = b"pack", struct_pack
FUNCTIONS[1].name, FUNCTIONS[1].function = b"unpack", struct_unpack
FUNCTIONS[2].name, FUNCTIONS[2].function = b"size", struct_size


cdef void open_struct(lua_State *L) noexcept nogil:
    lua_library(L, b"struct", FUNCTIONS, 3)
    lua_pop(L, 1)
