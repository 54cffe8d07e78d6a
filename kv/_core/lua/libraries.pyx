"""The libraries that scripts have, opened in a fresh state: those of Lua that can do no harm, and our own."""
from kv._core.lua.api cimport lua, lua_State
from kv._core.lua.base cimport open_base
from kv._core.lua.bit cimport open_bit
from kv._core.lua.cjson cimport open_cjson
from kv._core.lua.cmsgpack cimport open_cmsgpack
from kv._core.lua.math cimport open_math
from kv._core.lua.os cimport open_os
from kv._core.lua.state cimport lua_state_of
from kv._core.lua.string cimport open_string
from kv._core.lua.struct cimport open_struct


cdef int lua_open_libraries(lua_State *L) noexcept nogil:
    """To be called in protected mode. package, io and debug are not opened, and os has its clock alone: they reach out of the
    state."""
    open_base(L, lua_state_of(L).insecure)
    lua.pushcclosure(L, lua.open_table, 0)
    lua.pushstring(L, b"table")
    lua.call(L, 1, 0)
    open_string(L)
    open_math(L)
    open_os(L)
    open_struct(L)
    open_bit(L)
    open_cjson(L)
    open_cmsgpack(L)
    return 0
