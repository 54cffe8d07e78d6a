"""Lua 5.1's C API, found in the shared object that the lupa package brings (see api.pxd)."""
from libc.stdint cimport uint8_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy

import importlib.machinery
import importlib.util
import os

cdef extern from "<dlfcn.h>" nogil:
    void *dlopen(const char *path, int flags)
    void *dlsym(void *library, const char *name)
    char *dlerror()
    int RTLD_NOW
    int RTLD_LOCAL

# In the order of LuaApi's fields.
SYMBOLS = """
    lua_newstate lua_close lua_newthread lua_atpanic lua_getallocf lua_setallocf lua_gc lua_gettop lua_settop
    lua_pushvalue lua_remove lua_insert lua_replace lua_checkstack lua_xmove lua_type lua_typename
    lua_isnumber lua_isstring lua_iscfunction lua_equal lua_rawequal lua_lessthan lua_tonumber lua_tointeger
    lua_toboolean lua_tolstring lua_objlen lua_tocfunction lua_touserdata lua_tothread lua_topointer lua_pushnil
    lua_pushnumber lua_pushinteger lua_pushlstring lua_pushstring lua_pushcclosure lua_pushboolean
    lua_pushlightuserdata lua_pushfstring lua_createtable lua_newuserdata lua_gettable lua_getfield
    lua_rawget lua_rawgeti lua_getmetatable lua_getfenv lua_settable lua_setfield lua_rawset lua_rawseti
    lua_setmetatable lua_setfenv lua_next lua_call lua_pcall lua_cpcall lua_load lua_dump lua_error
    lua_concat lua_yield lua_resume lua_status lua_sethook lua_gethook lua_gethookmask lua_gethookcount
    lua_getstack lua_getinfo lua_getlocal lua_setlocal lua_getupvalue lua_setupvalue luaL_loadbuffer
    luaL_checklstring luaL_optlstring luaL_checknumber luaL_optnumber luaL_checkinteger luaL_optinteger
    luaL_checktype luaL_checkany luaL_checkstack luaL_argerror luaL_typerror luaL_error luaL_getmetafield
    luaL_callmeta luaL_where luaL_ref luaL_unref luaopen_base luaopen_table luaopen_string luaopen_math
""".split()

VERSION = b"Lua 5.1"            # that lua_ident names
# Of a chunk that is dumped: 5.1, little-endian, the sizes of int, size_t, instructions and numbers, floating point.
HEADER = b"\x1bLua\x51\x00\x01\x04\x08\x04\x08\x00"

loaded = False


class LuaMissing(Exception):
    """Scripts can't be run here; str() says what is missing."""


def lua_load():
    """Have Lua's functions at hand, once a process. Raises LuaMissing."""
    global loaded
    cdef void **field = <void **> &lua
    cdef void *library
    cdef void *symbol
    cdef bytes path, name
    if loaded:
        return
    path = os.fsencode(library_path())
    library = dlopen(path, RTLD_NOW | RTLD_LOCAL)
    if library == NULL:
        raise LuaMissing(f"Lua can't be loaded: {dlerror().decode(errors='replace')}")
    symbol = dlsym(library, b"lua_ident")
    if symbol != NULL and VERSION not in <bytes> <const char *> symbol:
        raise LuaMissing(f"{os.fsdecode(path)} is not Lua 5.1")
    for index, text in enumerate(SYMBOLS):
        name = text.encode()
        symbol = dlsym(library, name)
        if symbol == NULL:
            raise LuaMissing(f"{os.fsdecode(path)} has no {text}")
        field[index] = symbol
    check_sizes(os.fsdecode(path))
    loaded = True


def library_path():
    """Where the lupa package keeps Lua 5.1. The package itself is not imported."""
    package = importlib.util.find_spec("lupa")
    found = package and importlib.machinery.PathFinder.find_spec("lupa.lua51", package.submodule_search_locations)
    if not found or not found.origin:
        raise LuaMissing("scripts need Lua 5.1 from the Python package lupa, which is not installed (pip install lupa)")
    return found.origin


cdef struct Header:
    uint8_t bytes[12]
    int length


cdef int take_header(lua_State *L, const void *data, size_t length, void *owner) noexcept nogil:
    cdef Header *header = <Header *> owner
    cdef size_t room = sizeof(header.bytes) - header.length
    memcpy(header.bytes + header.length, data, min(length, room))
    header.length += <int> min(length, room)
    return 0


cdef int dump_nothing(lua_State *L) noexcept nogil:
    if lua.L_loadbuffer(L, b"", 0, b"=") != LUA_OK:
        return lua.error(L)
    lua.dump(L, take_header, lua.touserdata(L, 1))
    return 0


cdef void *allocate(void *owner, void *block, size_t old, size_t new) noexcept nogil:
    if new:
        return realloc(block, new)
    free(block)
    return NULL


cdef int check_sizes(str path) except -1:
    """Numbers and instructions must have the sizes that are counted on here."""
    cdef Header header
    cdef lua_State *L = lua.newstate(allocate, NULL)
    header.length = 0
    if L == NULL:
        raise MemoryError
    lua.cpcall(L, dump_nothing, &header)
    lua.close(L)
    if header.length != len(HEADER) or header.bytes[:header.length] != HEADER:
        raise LuaMissing(f"{path} was built with other sizes than Lua's usual ones")
    return 0
