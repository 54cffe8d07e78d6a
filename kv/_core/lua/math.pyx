"""Lua's mathematical library, with Valkey's generator of random numbers.

It is drand48's: x = x * 0x5DEECE66D + 0xB in 48 bits, of which the upper 31 are drawn. A seed gives the same numbers as there. The
sequence goes on from script to script, also as there.
"""
from libc.math cimport floor
from libc.stdint cimport INT32_MAX, int32_t, uint32_t, uint64_t

from kv._core.lua.api cimport lua, lua_pop, lua_State
from kv._core.lua.library cimport lua_replace_function
from kv._core.lua.state cimport lua_state_of

cdef enum:
    SEED_LOW = 0x330E           # the lowest 16 of the generator's 48 bits after it was seeded


cdef double draw(lua_State *L) noexcept nogil:
    """From 0 to below 1."""
    cdef uint64_t *random = &lua_state_of(L).random
    random[0] = (random[0] * <uint64_t> 0x5DEECE66D + 0xB) & (<uint64_t> 1 << 48) - 1
    return <double> (<int32_t> (random[0] >> 17) % INT32_MAX) / <double> INT32_MAX


cdef int math_random(lua_State *L) noexcept nogil:
    cdef double drawn = draw(L)
    cdef int32_t least, most
    cdef int count = lua.gettop(L)
    if count == 0:
        lua.pushnumber(L, drawn)
        return 1
    if count > 2:
        return lua.L_error(L, b"wrong number of arguments")
    least = 1 if count == 1 else <int32_t> lua.L_checkinteger(L, 1)
    most = <int32_t> lua.L_checkinteger(L, count)
    if least > most:
        return lua.L_argerror(L, count, b"interval is empty")
    # As Valkey's, the width wraps where the interval is wider than an int.
    lua.pushnumber(L, floor(drawn * <int32_t> (<uint32_t> most - <uint32_t> least + 1)) + least)
    return 1


cdef int math_randomseed(lua_State *L) noexcept nogil:
    cdef uint32_t seed = <uint32_t> lua.L_checkinteger(L, 1)
    lua_state_of(L).random = <uint64_t> seed << 16 | SEED_LOW
    return 0


cdef void open_math(lua_State *L) noexcept nogil:
    lua.pushcclosure(L, lua.open_math, 0)
    lua.pushstring(L, b"math")
    lua.call(L, 1, 1)
    lua_replace_function(L, b"random", math_random)
    lua_replace_function(L, b"randomseed", math_randomseed)
    lua_pop(L, 1)
    lua_state_of(L).random = <uint64_t> 0x1234ABCD330E     # before anybody seeds it
