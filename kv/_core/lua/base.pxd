"""Lua's basic functions, without those that reach out of the state, and ours in place of some."""
from kv._core.lua.api cimport lua_State

cdef int lua_chunk_results(lua_State *L, int status) noexcept nogil
cdef void open_base(lua_State *L, bint insecure) noexcept nogil
