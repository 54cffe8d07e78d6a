"""redis.*: what scripts call the server by."""
from kv._core.lua.api cimport lua_State

cdef void script_open_api(lua_State *L, bint eval) noexcept nogil
cdef void script_put_log_and_versions(lua_State *L) noexcept nogil
