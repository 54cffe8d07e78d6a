"""Tables that scripts can read and not change: those of the libraries, and the globals."""
from kv._core.lua.api cimport LUA_REGISTRYINDEX, lua, lua_State

cdef enum:
    SEAL_SLOTS = 16             # of the stack that sealing may take, a level of nesting

cdef struct SealKeys:           # whose addresses are keys of the registry, and of proxies' metatables
    char real                   # metatable of a proxy: the table it stands for
    char proxies                # registry: the proxy of each table that has one
    char globals                # registry: the table of globals that stands behind what scripts see

cdef SealKeys seal_keys

cdef void lua_seal(lua_State *L) noexcept nogil
cdef void lua_seal_table(lua_State *L, int index) noexcept nogil
cdef void lua_seal_show(lua_State *L, int proxy) noexcept nogil
cdef bint lua_push_real(lua_State *L, int index) noexcept nogil
cdef int lua_missing_global(lua_State *L) noexcept nogil


cdef inline void lua_push_globals(lua_State *L) noexcept nogil:
    """The globals themselves, once they are sealed: what is set there (KEYS and ARGV) scripts see, and can't set."""
    lua.pushlightuserdata(L, &seal_keys.globals)
    lua.rawget(L, LUA_REGISTRYINDEX)
