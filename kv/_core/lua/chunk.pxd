"""Compiling the text of a script: the one way that code comes into a state."""
from kv._core.lua.api cimport lua_State

cdef enum:
    CHUNK_MOST = 256 << 20      # bytes; a chunk has fewer

cdef int lua_load_chunk(lua_State *L, const char *code, size_t length, const char *name) noexcept nogil
