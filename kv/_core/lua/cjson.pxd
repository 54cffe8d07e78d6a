"""The library cjson: encode, decode, their options, null."""
from kv._core.lua.api cimport lua_State

cdef void open_cjson(lua_State *L) noexcept nogil
