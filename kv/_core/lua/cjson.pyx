"""The library cjson: encode and decode (see cjson_encode and cjson_decode), the options of both, and null.

A module's functions share its options: what one script sets holds for those that come later, as in Valkey.
"""
from libc.string cimport strcmp

from kv._core.lua.api cimport (
    LUA_GLOBALSINDEX, LUA_TBOOLEAN, LUA_TNIL, lua, lua_CFunction, lua_pop, lua_State)
from kv._core.lua.cjson_decode cimport json_decode
from kv._core.lua.cjson_encode cimport json_encode
from kv._core.lua.cjson_options cimport JSON_INT_MAX, SWITCH_OFF, SWITCH_ON, JsonOptions, json_options

cdef const char *SWITCHES[3]
SWITCHES[:] = [b"off", b"on", b"null"]

cdef enum:
    MOST_DIGITS = 14


cdef JsonOptions *begin_option(lua_State *L, int arguments) noexcept nogil:
    """What is set; arguments that are not given are nil."""
    if lua.gettop(L) > arguments:
        lua.L_argerror(L, arguments + 1, b"found too many arguments")
    lua.settop(L, arguments)
    return json_options(L)


cdef void integer_option(lua_State *L, int argument, int *option, int least, int most) noexcept nogil:
    """Set it, where the argument is given, and push what it is. An error is of argument 1, whichever it was, as in Valkey."""
    cdef int value
    if lua.type(L, argument) != LUA_TNIL:
        value = <int> lua.L_checkinteger(L, argument)
        if not least <= value <= most:
            lua.L_argerror(L, 1, lua.pushfstring(L, b"expected integer between %d and %d", least, most))
        option[0] = value
    lua.pushinteger(L, option[0])


cdef void switch_option(lua_State *L, int argument, int *option, int ways) noexcept nogil:
    """Of a boolean, or the name of one of the first `ways` of the switches."""
    if lua.type(L, argument) == LUA_TBOOLEAN:
        option[0] = lua.toboolean(L, argument)
    elif lua.type(L, argument) != LUA_TNIL:
        option[0] = check_switch(L, argument, ways)
    if option[0] <= SWITCH_ON:
        lua.pushboolean(L, option[0])
    else:
        lua.pushstring(L, SWITCHES[option[0]])


cdef int check_switch(lua_State *L, int argument, int ways) noexcept nogil:
    cdef const char *name = lua.L_checklstring(L, argument, NULL)
    cdef int way
    for way in range(ways):
        if strcmp(name, SWITCHES[way]) == 0:
            return way
    return lua.L_argerror(L, argument, lua.pushfstring(L, b"invalid option '%s'", name))


cdef int encode_sparse_array(lua_State *L) noexcept nogil:
    cdef JsonOptions *options = begin_option(L, 3)
    switch_option(L, 1, &options.sparse_convert, 2)
    integer_option(L, 2, &options.sparse_ratio, 0, JSON_INT_MAX)
    integer_option(L, 3, &options.sparse_safe, 0, JSON_INT_MAX)
    return 3


cdef int encode_max_depth(lua_State *L) noexcept nogil:
    integer_option(L, 1, &begin_option(L, 1).encode_max_depth, 1, JSON_INT_MAX)
    return 1


cdef int decode_max_depth(lua_State *L) noexcept nogil:
    integer_option(L, 1, &begin_option(L, 1).decode_max_depth, 1, JSON_INT_MAX)
    return 1


cdef int encode_number_precision(lua_State *L) noexcept nogil:
    integer_option(L, 1, &begin_option(L, 1).precision, 1, MOST_DIGITS)
    return 1


cdef int encode_keep_buffer(lua_State *L) noexcept nogil:
    switch_option(L, 1, &begin_option(L, 1).keep_buffer, 2)
    return 1


cdef int encode_invalid_numbers(lua_State *L) noexcept nogil:
    switch_option(L, 1, &begin_option(L, 1).encode_invalid_numbers, 3)
    return 1


cdef int decode_invalid_numbers(lua_State *L) noexcept nogil:
    switch_option(L, 1, &begin_option(L, 1).decode_invalid_numbers, 2)
    return 1


cdef void push_options(lua_State *L) noexcept nogil:
    cdef JsonOptions *options = <JsonOptions *> lua.newuserdata(L, sizeof(JsonOptions))
    options.sparse_convert = SWITCH_OFF
    options.sparse_ratio = 2
    options.sparse_safe = 10
    options.encode_max_depth = options.decode_max_depth = 1000
    options.encode_invalid_numbers = SWITCH_OFF
    options.decode_invalid_numbers = SWITCH_ON
    options.precision = MOST_DIGITS
    options.keep_buffer = SWITCH_ON


cdef void add_function(lua_State *L, const char *name, lua_CFunction function) noexcept nogil:
    """To the module below the options on the stack."""
    lua.pushvalue(L, -1)
    lua.pushcclosure(L, function, 1)
    lua.setfield(L, -3, name)


cdef int new_module(lua_State *L) noexcept nogil:
    """cjson.new: a module with options of its own."""
    lua.createtable(L, 0, 13)
    push_options(L)
    add_function(L, b"encode", json_encode)
    add_function(L, b"decode", json_decode)
    add_function(L, b"encode_sparse_array", encode_sparse_array)
    add_function(L, b"encode_max_depth", encode_max_depth)
    add_function(L, b"decode_max_depth", decode_max_depth)
    add_function(L, b"encode_number_precision", encode_number_precision)
    add_function(L, b"encode_keep_buffer", encode_keep_buffer)
    add_function(L, b"encode_invalid_numbers", encode_invalid_numbers)
    add_function(L, b"decode_invalid_numbers", decode_invalid_numbers)
    add_function(L, b"new", new_module)
    lua_pop(L, 1)
    lua.pushlightuserdata(L, NULL)
    lua.setfield(L, -2, b"null")
    lua.pushstring(L, b"cjson")
    lua.setfield(L, -2, b"_NAME")
    lua.pushstring(L, b"2.1.0")
    lua.setfield(L, -2, b"_VERSION")
    return 1


cdef void open_cjson(lua_State *L) noexcept nogil:
    """Make the global; nothing is left on the stack."""
    new_module(L)
    lua.setfield(L, LUA_GLOBALSINDEX, b"cjson")
