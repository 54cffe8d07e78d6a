"""The library `bit`: operations on words of 32 bits, which are given back as signed numbers.

A number is taken modulo 2^32 and rounded to the nearest, halves to even, as long as it is below 2^51; see take_word for the rest.
"""
from libc.stdint cimport INT32_MIN, int32_t, uint32_t, uint64_t
from libc.string cimport memcpy

from kv._core.lua.api cimport LUA_TNONE, lua, lua_pop, lua_State
from kv._core.lua.library cimport LuaFunction, lua_library


cdef uint32_t take_word(lua_State *L, int argument) noexcept nogil:
    """Adding 2^52 + 2^51 leaves the integer in the low bits of the double. Larger numbers, infinities and NaN give the low bits
    that they happen to have, as in the library that Valkey has."""
    cdef double number = lua.tonumber(L, argument) + 6755399441055744.0
    cdef uint64_t bits
    memcpy(&bits, &number, 8)
    if <uint32_t> bits == 0 and not lua.isnumber(L, argument):
        lua.L_typerror(L, argument, b"number")
    return <uint32_t> bits


cdef inline int give_word(lua_State *L, uint32_t word) noexcept nogil:
    lua.pushnumber(L, <double> <int32_t> word)
    return 1


cdef inline uint32_t rotated(uint32_t word, uint32_t count) noexcept nogil:
    return word << (count & 31) | word >> (-count & 31)


cdef int bit_tobit(lua_State *L) noexcept nogil:
    return give_word(L, take_word(L, 1))


cdef int bit_bnot(lua_State *L) noexcept nogil:
    return give_word(L, ~take_word(L, 1))


cdef int bit_band(lua_State *L) noexcept nogil:
    cdef uint32_t word = take_word(L, 1)
    cdef int i
    for i in range(lua.gettop(L), 1, -1):
        word &= take_word(L, i)
    return give_word(L, word)


cdef int bit_bor(lua_State *L) noexcept nogil:
    cdef uint32_t word = take_word(L, 1)
    cdef int i
    for i in range(lua.gettop(L), 1, -1):
        word |= take_word(L, i)
    return give_word(L, word)


cdef int bit_bxor(lua_State *L) noexcept nogil:
    cdef uint32_t word = take_word(L, 1)
    cdef int i
    for i in range(lua.gettop(L), 1, -1):
        word ^= take_word(L, i)
    return give_word(L, word)


cdef int bit_lshift(lua_State *L) noexcept nogil:
    cdef uint32_t word = take_word(L, 1)
    return give_word(L, word << (take_word(L, 2) & 31))


cdef int bit_rshift(lua_State *L) noexcept nogil:
    cdef uint32_t word = take_word(L, 1)
    return give_word(L, word >> (take_word(L, 2) & 31))


cdef int bit_arshift(lua_State *L) noexcept nogil:
    cdef uint32_t word = take_word(L, 1)
    return give_word(L, <uint32_t> (<int32_t> word >> (take_word(L, 2) & 31)))


cdef int bit_rol(lua_State *L) noexcept nogil:
    cdef uint32_t word = take_word(L, 1)
    return give_word(L, rotated(word, take_word(L, 2)))


cdef int bit_ror(lua_State *L) noexcept nogil:
    cdef uint32_t word = take_word(L, 1)
    return give_word(L, rotated(word, -take_word(L, 2)))


cdef int bit_bswap(lua_State *L) noexcept nogil:
    cdef uint32_t word = take_word(L, 1)
    return give_word(L, word >> 24 | (word >> 8 & 0xff00) | (word & 0xff00) << 8 | word << 24)


cdef int bit_tohex(lua_State *L) noexcept nogil:
    """The second argument is the number of digits, at most and by default 8; below 0 for capitals."""
    cdef uint32_t word = take_word(L, 1)
    cdef int32_t count = 8 if lua.type(L, 2) == LUA_TNONE else <int32_t> take_word(L, 2)
    cdef const char *digits = b"0123456789abcdef"
    cdef char[8] text
    cdef int i
    if count < 0:
        count = 8 if count == INT32_MIN else -count
        digits = b"0123456789ABCDEF"
    count = min(count, 8)
    for i in range(count - 1, -1, -1):
        text[i] = digits[word & 15]
        word >>= 4
    lua.pushlstring(L, text, <size_t> count)
    return 1


cdef LuaFunction[12] FUNCTIONS
FUNCTIONS[0].name, FUNCTIONS[0].function = b"tobit", bit_tobit
FUNCTIONS[1].name, FUNCTIONS[1].function = b"bnot", bit_bnot
FUNCTIONS[2].name, FUNCTIONS[2].function = b"band", bit_band
FUNCTIONS[3].name, FUNCTIONS[3].function = b"bor", bit_bor
FUNCTIONS[4].name, FUNCTIONS[4].function = b"bxor", bit_bxor
FUNCTIONS[5].name, FUNCTIONS[5].function = b"lshift", bit_lshift
FUNCTIONS[6].name, FUNCTIONS[6].function = b"rshift", bit_rshift
FUNCTIONS[7].name, FUNCTIONS[7].function = b"arshift", bit_arshift
FUNCTIONS[8].name, FUNCTIONS[8].function = b"rol", bit_rol
FUNCTIONS[9].name, FUNCTIONS[9].function = b"ror", bit_ror
FUNCTIONS[10].name, FUNCTIONS[10].function = b"bswap", bit_bswap
FUNCTIONS[11].name, FUNCTIONS[11].function = b"tohex", bit_tohex


cdef void open_bit(lua_State *L) noexcept nogil:
    lua_library(L, b"bit", FUNCTIONS, 12)
    lua_pop(L, 1)
