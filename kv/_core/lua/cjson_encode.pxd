"""cjson.encode: Lua's values to JSON."""
from kv._core.lua.api cimport lua_State

cdef int json_encode(lua_State *L) noexcept nogil
