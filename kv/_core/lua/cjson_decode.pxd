"""cjson.decode: JSON to Lua's values."""
from kv._core.lua.api cimport lua_State

cdef int json_decode(lua_State *L) noexcept nogil
