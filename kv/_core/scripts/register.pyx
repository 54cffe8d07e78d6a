"""What a library finds while it is loaded: redis.register_function, redis.log and the versions, and nothing else.

Its functions are called later, and find everything then, though they were made with the globals of the loading: the globals that
both see are one proxy (lua/sandbox), and what that stands for is changed before a library is loaded, and back behind it.
"""
from libc.stdint cimport uint32_t

from kv._core.base.slice cimport Slice, slice_is, slice_of
from kv._core.lua.api cimport (
    LUA_GLOBALSINDEX, LUA_REGISTRYINDEX, LUA_TFUNCTION, LUA_TNIL, LUA_TNUMBER, LUA_TSTRING, LUA_TTABLE, lua, lua_pop, lua_State)
from kv._core.lua.sandbox cimport lua_missing_global, lua_push_globals, lua_seal_show, lua_seal_table
from kv._core.scripts.api cimport script_put_log_and_versions
from kv._core.scripts.convert cimport push_error_text
from kv._core.scripts.functions cimport function_new, library_register
from kv._core.scripts.scripting cimport SCRIPT_FLAG_NAMES, Function, Library, script_flag_name, scripting_of_state

cdef enum:                      # of the stack, once the arguments are read
    NAME = 2
    CALLBACK = 3
    DESCRIPTION = 4

cdef char globals_key           # whose address is a key of the registry: the globals of the loading


# -- arguments --------------------------------------------------------------------------------------------------------

cdef inline Slice text_at(lua_State *L, int index) noexcept nogil:
    cdef Slice text
    text.data = lua.tolstring(L, index, &text.length)
    return text


cdef inline bint key_is(lua_State *L, const char *word, size_t length) noexcept nogil:
    """Whether the key that stands below its value is a word, in any case."""
    return slice_is(text_at(L, -2), word, length)


cdef bint flag_or_not(Slice name, uint32_t *flags) noexcept nogil:
    """Set the flag of a name, in any case; false: there is none."""
    cdef const char *known
    cdef size_t length
    cdef int bit
    for bit in range(SCRIPT_FLAG_NAMES):
        known = script_flag_name(bit)
        length = 0
        while known[length]:
            length += 1
        if slice_is(name, known, length):
            flags[0] |= <uint32_t> 1 << bit
            return True
    return False


cdef const char *read_flags(lua_State *L, uint32_t *flags) noexcept nogil:
    """The elements of the table on top, up to the first nil. NULL, or what is wrong with them."""
    cdef int i = 1
    cdef int type
    while True:
        lua.rawgeti(L, -1, i)
        type = lua.type(L, -1)
        if type != LUA_TNIL and (type != LUA_TSTRING or not flag_or_not(text_at(L, -1), flags)):
            return b"ERR unknown flag given"
        lua_pop(L, 1)
        if type == LUA_TNIL:
            return NULL
        i += 1


cdef const char *read_argument(lua_State *L, uint32_t *flags) noexcept nogil:
    """A key and its value, which are on top. NULL, or what is wrong with them."""
    if lua.type(L, -2) == LUA_TNUMBER:
        return b"ERR unknown argument given to server.register_function"
    if lua.type(L, -2) != LUA_TSTRING:
        return b"ERR named argument key given to server.register_function is not a string"
    if key_is(L, b"function_name", 13):
        if not lua.isstring(L, -1):
            return b"ERR function_name argument given to server.register_function must be a string"
        lua.pushvalue(L, -1)
        lua.replace(L, NAME)
    elif key_is(L, b"description", 11):
        if not lua.isstring(L, -1):
            return b"ERR description argument given to server.register_function must be a string"
        lua.pushvalue(L, -1)
        lua.replace(L, DESCRIPTION)
    elif key_is(L, b"callback", 8):
        if lua.type(L, -1) != LUA_TFUNCTION:
            return b"ERR callback argument given to server.register_function must be a function"
        lua.pushvalue(L, -1)
        lua.replace(L, CALLBACK)
    elif key_is(L, b"flags", 5):
        if lua.type(L, -1) != LUA_TTABLE:
            return b"ERR flags argument to server.register_function must be a table representing function flags"
        return read_flags(L, flags)
    else:
        return b"ERR unknown argument given to server.register_function"
    return NULL


cdef const char *read_named(lua_State *L, uint32_t *flags) noexcept nogil:
    """{function_name=..., callback=..., description=..., flags={...}}. NULL, or what is wrong with it."""
    cdef const char *complaint
    if lua.type(L, 1) != LUA_TTABLE:
        return (b"ERR calling server.register_function with a single argument is only applicable to Lua table (representing named "
                b"arguments).")
    lua.settop(L, DESCRIPTION)
    lua.pushnil(L)
    while lua.next(L, 1):
        complaint = read_argument(L, flags)
        if complaint != NULL:
            return complaint
        lua_pop(L, 1)
    if lua.type(L, NAME) == LUA_TNIL:
        return b"ERR server.register_function must get a function name argument"
    if lua.type(L, CALLBACK) == LUA_TNIL:
        return b"ERR server.register_function must get a callback argument"
    return NULL


cdef const char *read_positional(lua_State *L) noexcept nogil:
    """Name, callback. NULL, or what is wrong with them."""
    if not lua.isstring(L, 1):
        return b"ERR first argument to server.register_function must be a string"
    if lua.type(L, 2) != LUA_TFUNCTION:
        return b"ERR second argument to server.register_function must be a function"
    lua.pushnil(L)
    lua.insert(L, 1)
    lua.settop(L, DESCRIPTION)
    return NULL


# -- the function -----------------------------------------------------------------------------------------------------

cdef int register_function(lua_State *L) noexcept nogil:
    """A name that is none is told when the library has run, as in Valkey."""
    cdef Library *library = scripting_of_state(L).loading
    cdef const char *complaint = b"ERR wrong number of arguments to server.register_function"
    cdef Function *function
    cdef Slice name
    cdef Slice description = slice_of(NULL, 0)
    cdef uint32_t flags = 0
    cdef int count = lua.gettop(L)
    cdef int reference
    if library == NULL:
        complaint = b"ERR server.register_function can only be called on FUNCTION LOAD command"
    elif count == 1:
        complaint = read_named(L, &flags)
    elif count == 2:
        complaint = read_positional(L)
    if complaint != NULL:
        push_error_text(L, complaint)
        return lua.error(L)
    name = text_at(L, NAME)
    if lua.type(L, DESCRIPTION) != LUA_TNIL:
        description = text_at(L, DESCRIPTION)
    lua.pushvalue(L, CALLBACK)
    reference = lua.L_ref(L, LUA_REGISTRYINDEX)
    function = function_new(name, description, lua.type(L, DESCRIPTION) != LUA_TNIL)
    function.function, function.flags = reference, flags
    library_register(library, function)
    return 0


cdef void refuse_missing(lua_State *L) noexcept nogil:
    """Have the table on top raise an error for a name that it does not have."""
    lua.createtable(L, 0, 1)
    lua.pushcclosure(L, lua_missing_global, 0)
    lua.setfield(L, -2, b"__index")
    lua.setmetatable(L, -2)


cdef void script_open_register(lua_State *L) noexcept nogil:
    """Make the globals of the loading, in a state that is sealed."""
    lua.pushlightuserdata(L, &globals_key)
    lua.createtable(L, 0, 2)
    lua.createtable(L, 0, 16)
    lua.pushcclosure(L, register_function, 0)
    lua.setfield(L, -2, b"register_function")
    script_put_log_and_versions(L)
    refuse_missing(L)
    lua.pushvalue(L, -1)
    lua.setfield(L, -3, b"redis")
    lua.setfield(L, -2, b"server")
    refuse_missing(L)
    lua_seal_table(L, -1)
    lua_pop(L, 1)                       # its proxy: that of the globals stands for it
    lua.rawset(L, LUA_REGISTRYINDEX)


cdef void script_show_register(lua_State *L) noexcept nogil:
    """From here on code finds what there is while a library is loaded."""
    lua.pushlightuserdata(L, &globals_key)
    lua.rawget(L, LUA_REGISTRYINDEX)
    lua_seal_show(L, LUA_GLOBALSINDEX)


cdef void script_show_globals(lua_State *L) noexcept nogil:
    """From here on code finds what functions find."""
    lua_push_globals(L)
    lua_seal_show(L, LUA_GLOBALSINDEX)
