"""Lua's mathematical library, with Valkey's generator of random numbers."""
from kv._core.lua.api cimport lua_State

cdef void open_math(lua_State *L) noexcept nogil
