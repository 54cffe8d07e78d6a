"""The library cmsgpack: MessagePack, see cmsgpack_pack and cmsgpack_unpack."""
from kv._core.lua.api cimport lua, lua_pop, lua_State
from kv._core.lua.cmsgpack_pack cimport msgpack_pack
from kv._core.lua.cmsgpack_unpack cimport msgpack_unpack, msgpack_unpack_limit, msgpack_unpack_one
from kv._core.lua.library cimport LuaFunction, lua_library

cdef LuaFunction FUNCTIONS[4]
FUNCTIONS[:] = [
    LuaFunction(b"pack", msgpack_pack), LuaFunction(b"unpack", msgpack_unpack),
    LuaFunction(b"unpack_one", msgpack_unpack_one), LuaFunction(b"unpack_limit", msgpack_unpack_limit)]


cdef void add_text(lua_State *L, const char *name, const char *text) noexcept nogil:
    lua.pushstring(L, text)
    lua.setfield(L, -2, name)


cdef void open_cmsgpack(lua_State *L) noexcept nogil:
    """Make the global; nothing is left on the stack. The texts are what scripts find in Valkey."""
    lua_library(L, b"cmsgpack", FUNCTIONS, 4)
    add_text(L, b"_NAME", b"cmsgpack")
    add_text(L, b"_VERSION", b"lua-cmsgpack 0.4.0")
    add_text(L, b"_COPYRIGHT", b"Copyright (C) 2012, Redis Ltd.")
    add_text(L, b"_DESCRIPTION", b"MessagePack C implementation for Lua")
    lua_pop(L, 1)
