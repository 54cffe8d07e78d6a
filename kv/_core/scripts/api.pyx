"""redis.* (also named server.*): what scripts call the server by."""
from libc.stdint cimport int64_t
from libc.string cimport strlen

from kv import REDIS_VERSION, VALKEY_VERSION
from kv._core.base.buffer cimport buffer_reserve
from kv._core.base.numbers cimport format_i64, format_shortest
from kv._core.base.platform cimport likely, unlikely
from kv._core.base.slice cimport Slice, slice_of
from kv._core.lua.api cimport LUA_GLOBALSINDEX, LUA_TNUMBER, LUA_TSTRING, lua, lua_CFunction, lua_State
from kv._core.lua.library cimport LuaFunction, lua_library
from kv._core.runtime.registry cimport command_find
from kv._core.runtime.state cimport Command
from kv._core.scripts.convert cimport push_error, push_error_text, push_reply
from kv._core.scripts.representation cimport show_value
from kv._core.scripts.run cimport script_log
from kv._core.scripts.scripting cimport (
    TARGET_ALL, TARGET_AOF, TARGET_NONE, TARGET_REPLICAS, Scripting, ScriptRun, scripting_of_state)
from kv._core.scripts.transcript cimport (
    Debugger, transcript_add, transcript_begin, transcript_end, transcript_error_reply)

import hashlib

cdef extern from "<stdio.h>" nogil:
    int snprintf(char *out, size_t size, const char *form, ...)

cdef enum:
    NUMBER_SIZE = 40            # bytes of a number's text at most
    LEVELS = 4                  # of redis.log


# -- calling commands -------------------------------------------------------------------------------------------------

cdef Slice number_text(Scripting *scripting, double number, int argc) noexcept nogil:
    """A number as commands are given it: an integer where it is one, else the shortest text that is read back as it."""
    cdef Slice text
    cdef char *at
    if scripting.numbers.length == 0:       # no text moves once it is pointed to
        buffer_reserve(&scripting.numbers, argc * NUMBER_SIZE)
    at = scripting.numbers.data + scripting.numbers.length
    if number >= -9223372036854775808.0 and number < 9223372036854775808.0 and number == <double> <int64_t> number:
        text = slice_of(at, format_i64(at, <int64_t> number))
    else:
        text = slice_of(at, format_shortest(at, number))
    scripting.numbers.length += text.length
    return text


cdef Slice *words(lua_State *L, Scripting *scripting, int argc) noexcept nogil:
    """The function's arguments as a command's words: views of Lua's own strings, which stay where they are while they are on
    the stack. NULL, with an error on the stack, where they are none."""
    cdef Slice *argv
    cdef int i, type
    if argc == 0:
        push_error_text(L, b"ERR Please specify at least one argument for this call")
        return NULL
    scripting.words.length = scripting.numbers.length = 0
    argv = <Slice *> buffer_reserve(&scripting.words, argc * sizeof(Slice))
    for i in range(argc):
        type = lua.type(L, i + 1)
        if likely(type == LUA_TSTRING):
            argv[i].data = lua.tolstring(L, i + 1, &argv[i].length)
        elif type == LUA_TNUMBER:
            argv[i] = number_text(scripting, lua.tonumber(L, i + 1), argc)
        else:
            push_error_text(L, b"ERR Command arguments must be strings or integers")
            return NULL
    return argv


cdef int call_command(lua_State *L, bint raising) noexcept nogil:
    cdef Scripting *scripting = scripting_of_state(L)
    cdef int argc = lua.gettop(L)
    cdef Slice *argv
    if unlikely(scripting.run == NULL):
        push_error_text(L, b"ERR redis.call/pcall can only be called inside a script invocation")
        return lua.error(L)
    argv = words(L, scripting, argc)
    if unlikely(argv == NULL):
        return lua.error(L) if raising else 1
    scripting.reply.length = 0
    scripting.runtime.run_scripted(scripting.run, argv, argc, &scripting.reply)
    lua.settop(L, 0)
    push_reply(L, scripting.reply.data)
    if unlikely(raising and scripting.reply.data[0] == c'-'):
        return lua.error(L)
    return 1


cdef int api_call(lua_State *L) noexcept nogil:
    return call_command(L, True)


cdef int api_pcall(lua_State *L) noexcept nogil:
    return call_command(L, False)


cdef int api_acl_check_cmd(lua_State *L) noexcept nogil:
    cdef Scripting *scripting = scripting_of_state(L)
    cdef Slice *argv = words(L, scripting, lua.gettop(L))
    cdef Command *command
    if argv == NULL:
        return lua.error(L)
    command = command_find(argv[0])
    if command == NULL:
        push_error_text(L, b"ERR Invalid command passed to server.acl_check_cmd()")
        return lua.error(L)
    lua.pushboolean(L, True)
    return 1


# -- replies ----------------------------------------------------------------------------------------------------------

cdef inline bint one_string(lua_State *L) noexcept nogil:
    return lua.gettop(L) == 1 and lua.type(L, 1) == LUA_TSTRING


cdef int api_error_reply(lua_State *L) noexcept nogil:
    cdef Debugger *debugger = scripting_of_state(L).debugger
    cdef const char *text
    cdef size_t length
    if not one_string(L):
        push_error_text(L, b"ERR wrong number or type of arguments")
        return 1
    text = lua.tolstring(L, 1, NULL)
    if text[0] == c'-':
        text += 1
    length = strlen(text)
    while length and (text[length - 1] == c'\r' or text[length - 1] == c'\n'):
        length -= 1
    if unlikely(debugger != NULL and debugger.stepping):
        transcript_error_reply(debugger, slice_of(text, length))
    push_error(L, slice_of(text, length))
    return 1


cdef int api_status_reply(lua_State *L) noexcept nogil:
    if not one_string(L):
        push_error_text(L, b"ERR wrong number or type of arguments")
        return 1
    lua.createtable(L, 0, 1)
    lua.pushvalue(L, 1)
    lua.setfield(L, -2, b"ok")
    return 1


# -- the run's settings -----------------------------------------------------------------------------------------------

cdef int fail(lua_State *L, const char *text) noexcept nogil:
    push_error_text(L, text)
    return lua.error(L)


cdef int api_setresp(lua_State *L) noexcept nogil:
    cdef int version
    if lua.gettop(L) != 1:
        return fail(L, b"ERR server.setresp() requires one argument.")
    version = <int> lua.tointeger(L, 1)
    if version != 2 and version != 3:
        return fail(L, b"ERR RESP version must be 2 or 3.")
    scripting_of_state(L).session.resp = version
    return 0


cdef int api_set_repl(lua_State *L) noexcept nogil:
    cdef ScriptRun *run = scripting_of_state(L).run
    cdef int target
    if lua.gettop(L) != 1:
        return fail(L, b"ERR server.set_repl() requires one argument.")
    target = <int> lua.tointeger(L, 1)
    if target & ~<int> TARGET_ALL:
        return fail(L, b"ERR Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.")
    if run != NULL:
        run.target = target
    return 0


cdef int api_replicate_commands(lua_State *L) noexcept nogil:
    """What this asked for is always so now."""
    lua.pushboolean(L, True)
    return 1


cdef int api_breakpoint(lua_State *L) noexcept nogil:
    """Have a script that is debugged stop at its next line; whether it is."""
    cdef Debugger *debugger = scripting_of_state(L).debugger
    if debugger != NULL:
        debugger.called_breakpoint = True
    lua.pushboolean(L, debugger != NULL)
    return 1


cdef int api_debug(lua_State *L) noexcept nogil:
    """Show values to whoever debugs the script."""
    cdef Debugger *debugger = scripting_of_state(L).debugger
    cdef char text[40]
    cdef int argc = lua.gettop(L)
    cdef int i
    if debugger == NULL or debugger.gone:
        return 0
    snprintf(text, sizeof(text), "<debug> line %d: ", debugger.line)
    transcript_begin(debugger)
    transcript_add(debugger, text)
    for i in range(1, argc + 1):
        if i > 1:
            transcript_add(debugger, b", ")
        show_argument(debugger, L, i)
    transcript_end(debugger)
    return 0


cdef void show_argument(Debugger *debugger, lua_State *L, int index) noexcept nogil:
    """All of it, however long replies may be."""
    cdef size_t shown = debugger.shown
    debugger.shown = 0
    show_value(debugger, L, index)
    debugger.shown = shown


# -- the rest ---------------------------------------------------------------------------------------------------------

cdef void sha1_hex(const char *data, size_t length, char *hex) noexcept with gil:
    """40 digits."""
    cdef bytes digits = hashlib.sha1(data[:length], usedforsecurity=False).hexdigest().encode()
    cdef int i
    for i in range(40):
        hex[i] = digits[i]


cdef int api_sha1hex(lua_State *L) noexcept nogil:
    cdef char hex[40]
    cdef size_t length = 0
    cdef const char *data
    if lua.gettop(L) != 1:
        return fail(L, b"ERR wrong number of arguments")
    data = lua.tolstring(L, 1, &length)
    sha1_hex(data, length if data != NULL else 0, hex)
    lua.pushlstring(L, hex, 40)
    return 1


cdef int api_log(lua_State *L) noexcept nogil:
    cdef Scripting *scripting = scripting_of_state(L)
    cdef int argc = lua.gettop(L)
    cdef int level, i, parts
    if argc < 2:
        return fail(L, b"ERR server.log() requires two arguments or more.")
    if not lua.isnumber(L, 1):
        return fail(L, b"ERR First argument must be a number (log level).")
    level = <int> lua.tointeger(L, 1)
    if level < 0 or level >= LEVELS:
        return fail(L, b"ERR Invalid log level.")
    lua.L_checkstack(L, 2 * argc, b"too many arguments")
    parts = 0
    for i in range(2, argc + 1):
        if i > 2:
            lua.pushlstring(L, b" ", 1)
            parts += 1
        if lua.isstring(L, i):
            lua.pushvalue(L, i)
            parts += 1
    lua.concat(L, parts)
    script_log(scripting.runtime, level, lua.tolstring(L, -1, NULL))
    return 0


# -- the tables -------------------------------------------------------------------------------------------------------

cdef enum:
    FUNCTIONS = 8

cdef LuaFunction[FUNCTIONS] API
API[0] = LuaFunction(b"call", api_call)
API[1] = LuaFunction(b"pcall", api_pcall)
API[2] = LuaFunction(b"setresp", api_setresp)
API[3] = LuaFunction(b"sha1hex", api_sha1hex)
API[4] = LuaFunction(b"error_reply", api_error_reply)
API[5] = LuaFunction(b"status_reply", api_status_reply)
API[6] = LuaFunction(b"set_repl", api_set_repl)
API[7] = LuaFunction(b"acl_check_cmd", api_acl_check_cmd)


cdef bytes REDIS = REDIS_VERSION.encode()
cdef bytes VALKEY = VALKEY_VERSION.encode()
cdef const char *REDIS_TEXT = REDIS
cdef const char *VALKEY_TEXT = VALKEY


def version_number(str text):
    """7.2.4 as 0x00070204."""
    major, minor, patch = map(int, text.split("."))
    return major << 16 | minor << 8 | patch


cdef int REDIS_NUMBER = version_number(REDIS_VERSION)
cdef int VALKEY_NUMBER = version_number(VALKEY_VERSION)


cdef void put_number(lua_State *L, const char *name, double value) noexcept nogil:
    lua.pushnumber(L, value)
    lua.setfield(L, -2, name)


cdef void put_text(lua_State *L, const char *name, const char *text) noexcept nogil:
    lua.pushstring(L, text)
    lua.setfield(L, -2, name)


cdef void put_function(lua_State *L, const char *name, lua_CFunction function) noexcept nogil:
    lua.pushcclosure(L, function, 0)
    lua.setfield(L, -2, name)


cdef void script_put_log_and_versions(lua_State *L) noexcept nogil:
    """What the table on top has in EVAL's scripts, in functions, and while a library is loaded."""
    put_function(L, b"log", api_log)
    put_number(L, b"LOG_DEBUG", 0)
    put_number(L, b"LOG_VERBOSE", 1)
    put_number(L, b"LOG_NOTICE", 2)
    put_number(L, b"LOG_WARNING", 3)
    put_text(L, b"REDIS_VERSION", REDIS_TEXT)
    put_number(L, b"REDIS_VERSION_NUM", REDIS_NUMBER)
    put_text(L, b"VALKEY_VERSION", VALKEY_TEXT)
    put_number(L, b"VALKEY_VERSION_NUM", VALKEY_NUMBER)
    put_text(L, b"SERVER_NAME", b"valkey")


cdef void script_open_api(lua_State *L, bint eval) noexcept nogil:
    """The tables `redis` and `server`, which are one; for EVAL's scripts, or for functions."""
    lua_library(L, b"redis", API, FUNCTIONS)
    if eval:
        put_function(L, b"replicate_commands", api_replicate_commands)
        put_function(L, b"breakpoint", api_breakpoint)
        put_function(L, b"debug", api_debug)
    script_put_log_and_versions(L)
    put_number(L, b"REPL_NONE", <int> TARGET_NONE)
    put_number(L, b"REPL_AOF", <int> TARGET_AOF)
    put_number(L, b"REPL_SLAVE", <int> TARGET_REPLICAS)
    put_number(L, b"REPL_REPLICA", <int> TARGET_REPLICAS)
    put_number(L, b"REPL_ALL", <int> TARGET_ALL)
    lua.setfield(L, LUA_GLOBALSINDEX, b"server")
