"""A script or a function runs: with its keys and arguments, protected, and its value or its error is the reply.

All of it is one protected call, the building of its arguments and the conversion of its value too: each of them may find no
memory. What it did to the dataset is one unit of effects, since its commands run inside the command that started it.
"""
from libc.stdint cimport SIZE_MAX
from libc.string cimport strlen

from kv._core.base.buffer cimport Buffer, buffer_append, buffer_free
from kv._core.base.clock cimport clock_us
from kv._core.base.numbers cimport format_i64
from kv._core.base.platform cimport unlikely
from kv._core.base.slice cimport Slice
from kv._core.lua.api cimport (
    LUA_ERRMEM, LUA_GCSETPAUSE, LUA_GCSETSTEPMUL, LUA_GCSTEP, LUA_MASKCOUNT, LUA_OK, LUA_REGISTRYINDEX, LUA_TSTRING, LUA_TTABLE,
    lua, lua_Debug, lua_pop, lua_State)
from kv._core.lua.sandbox cimport lua_push_globals
from kv._core.lua.state cimport SCRATCH_KEPT, lua_state_collect
from kv._core.resp.reply cimport reply_error
from kv._core.runtime.context cimport error
from kv._core.runtime.state cimport (
    ALERT_FEW_REPLICAS, ALERT_MAXMEMORY, ALERT_MONITORS, ALERT_SAVE_ERROR, ALERT_WRITE_ERROR, CALLER_FILE, ERROR_COUNTED,
    ERROR_OF_SCRIPT, ERROR_OF_SERVER, EXEMPT_MEMORY, EXEMPT_STATE, Context, Runtime)
from kv._core.scripts.convert cimport push_error_text, reply_value
from kv._core.scripts.scripting cimport (
    SCRIPT_ALLOW_OOM, SCRIPT_COMPAT, SCRIPT_NO_WRITES, TARGET_ALL, Scripting, ScriptRun, scripting_of_state)

cdef extern from "<stdio.h>" nogil:
    int snprintf(char *out, size_t size, const char *form, ...)

cdef const char *KILLED_SCRIPT = b"ERR Script killed by user with SCRIPT KILL."
cdef const char *KILLED_FUNCTION = b"ERR Script killed by user with FUNCTION KILL."
cdef const char *BUSY_SCRIPT = b"BUSY Valkey is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
cdef const char *BUSY_FUNCTION = b"BUSY Valkey is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE."

cdef enum:
    LIMIT_MS = 5000             # of a script that is debugged, where busy-reply-threshold is 0
    LEVEL_NOTICE = 2
    LEVEL_WARNING = 3
    RUNS_BETWEEN_STEPS = 50     # the collector makes so many steps each so many runs, instead of a whole cycle at once
    USUAL_PAUSE = 200           # Lua's own settings of the collector, in percent
    USUAL_STEPS = 200
    REPLY_KEPT = 1024 * 1024    # bytes of a command's reply whose buffer stays for the next script
    MESSAGE_SHOWN = 100         # bytes of a message that is no table


# -- whether it may -----------------------------------------------------------------------------------------------

cdef void script_announce(Context *c) noexcept nogil:
    """What a script calls is propagated, not the command that runs it; who monitors sees that one first."""
    c.propagated = True
    if unlikely(c.runtime.alerts & ALERT_MONITORS):
        c.runtime.on_monitor(c)


cdef bint script_take_words(Context *c, ScriptRun *run, int64_t keys) noexcept nogil:
    """The keys and arguments behind their count, which is argv[2]; false: there are not so many, and the client was told."""
    if keys > c.argc - 3:
        error(c, b"ERR Number of keys can't be greater than number of args")
        return False
    if keys < 0:
        error(c, b"ERR Number of keys can't be negative")
        return False
    run.keys, run.key_count = c.argv + 3, <int> keys
    run.arguments, run.argument_count = c.argv + 3 + keys, c.argc - 3 - <int> keys
    return True


cdef bint script_may_run(Context *c, ScriptRun *run) noexcept nogil:
    """What a script declares in its first line is held against the state of the server before it runs. One that declares
    nothing may run: its commands are refused, one by one (engine/scripted)."""
    cdef Runtime *runtime = c.runtime
    cdef char text[400]
    cdef bint held = not c.session.exempt & EXEMPT_STATE
    run.allow_oom = c.session.exempt & EXEMPT_MEMORY != 0
    if run.flags & SCRIPT_COMPAT:
        return True
    run.allow_oom |= run.flags & SCRIPT_ALLOW_OOM != 0
    if not run.flags & SCRIPT_NO_WRITES:
        if held and runtime.alerts & ALERT_SAVE_ERROR:
            error(c, b"MISCONF Valkey is configured to save RDB snapshots, but it's currently unable to persist to disk. Writable "
                     b"scripts are blocked. Use 'no-writes' flag for read only scripts.")
            return False
        if held and runtime.alerts & ALERT_WRITE_ERROR:
            snprintf(text, sizeof(text), "MISCONF Valkey is configured to persist data to AOF, but it's currently unable to "
                     "persist to disk. Writable scripts are blocked. Use 'no-writes' flag for read only scripts. AOF error: %s",
                     runtime.write_error)
            error(c, text)
            return False
        if run.read_only:
            error(c, b"ERR Can not execute a script with write flag using *_ro command.")
            return False
        if held and runtime.alerts & ALERT_FEW_REPLICAS:
            error(c, b"NOREPLICAS Not enough good replicas to write.")
            return False
    else:
        run.read_only = True
    if (runtime.over_memory and runtime.alerts & ALERT_MAXMEMORY and not run.allow_oom
            and not run.flags & SCRIPT_NO_WRITES):
        error(c, b"OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'")
        return False
    return True


# -- running ----------------------------------------------------------------------------------------------------------

cdef void push_words(lua_State *L, Slice *words, int count) noexcept nogil:
    cdef int i
    lua.createtable(L, count, 0)
    for i in range(count):
        lua.pushlstring(L, words[i].data, words[i].length)
        lua.rawseti(L, -2, i + 1)


cdef int on_error(lua_State *L) noexcept nogil:
    """Where an error was raised is known only now: {err=..., source=..., line=...}, a table of our own, since what was raised may
    have metamethods."""
    cdef lua_Debug place
    cdef lua_Debug below
    cdef bint known
    lua.L_checkstack(L, 10, b"error")
    lua.createtable(L, 0, 4)
    if lua.type(L, 1) == LUA_TTABLE:
        lua.pushstring(L, b"err")
        lua.rawget(L, 1)
        lua.setfield(L, 2, b"err")
        lua.pushstring(L, b"ignore_error_stats_update")
        lua.rawget(L, 1)
        lua.setfield(L, 2, b"ignore_error_stats_update")
    else:
        lua.pushlstring(L, b"ERR ", 4)
        if lua.isstring(L, 1):
            lua.pushvalue(L, 1)
        else:
            push_description(L)
        lua.concat(L, 2)
        lua.setfield(L, 2, b"err")
    known = lua.getstack(L, 1, &place) and lua.getinfo(L, b"nSl", &place)
    if known and place.what[0] == c'C':         # the caller of a function of ours is whom it concerns, unless that is us
        known = lua.getstack(L, 3, &below) and lua.getstack(L, 2, &place) and lua.getinfo(L, b"nSl", &place)
    if known:
        lua.pushstring(L, place.source)
        lua.setfield(L, 2, b"source")
        lua.pushnumber(L, place.currentline)
        lua.setfield(L, 2, b"line")
    lua.settop(L, 2)
    return 1


cdef void push_description(lua_State *L) noexcept nogil:
    """As tostring() has it, without metamethods."""
    cdef int type = lua.type(L, 1)
    if type == 0:
        lua.pushstring(L, b"nil")
    elif type == 1:
        lua.pushstring(L, b"true" if lua.toboolean(L, 1) else b"false")
    else:
        lua.pushfstring(L, b"%s: %p", lua.typename(L, type), lua.topointer(L, 1))


cdef int protected(lua_State *L) noexcept nogil:
    """The whole run."""
    cdef ScriptRun *run = <ScriptRun *> lua.touserdata(L, 1)
    cdef Context *c = run.outer
    cdef int status
    lua.settop(L, 0)
    lua.pushcclosure(L, on_error, 0)
    lua.rawgeti(L, LUA_REGISTRYINDEX, run.function)
    if run.eval:
        lua_push_globals(L)
        push_words(L, run.keys, run.key_count)
        lua.setfield(L, -2, b"KEYS")
        push_words(L, run.arguments, run.argument_count)
        lua.setfield(L, -2, b"ARGV")
        lua_pop(L, 1)
    else:
        push_words(L, run.keys, run.key_count)
        push_words(L, run.arguments, run.argument_count)
    status = lua.pcall(L, 0 if run.eval else 2, 1, 1)
    run.state.reply_most = c.reply.out.length + run.state.limit if run.state.limit else SIZE_MAX
    if unlikely(status != LUA_OK):
        if status == LUA_ERRMEM:
            lua_state_collect(run.state)
        reply_failure(L, run)
    elif reply_value(L, &c.reply, scripting_of_state(L).session.resp):
        c.runtime.error_origin = ERROR_COUNTED
    elif c.reply.errors:
        c.runtime.error_origin = ERROR_OF_SCRIPT
    return 0


cdef void script_run(Context *c, ScriptRun *run) noexcept nogil:
    """Run it, and reply. `run` has what is called and with what; the rest is set here."""
    cdef Scripting *scripting = <Scripting *> c.runtime.scripting
    cdef lua_State *L = run.state.L
    cdef size_t start = c.reply.out.length
    run.outer = c
    run.target = TARGET_ALL
    run.wrote = run.busy = run.killed = False
    run.ending = NULL
    run.began_us = clock_us()
    scripting.run = run
    scripting.session.database, scripting.session.resp = c.session.database, 2
    c.runtime.error_origin = ERROR_OF_SERVER
    if unlikely(lua.cpcall(L, protected, run) != LUA_OK):
        c.reply.out.length = start
        lua_state_collect(run.state)
        reply_failure(L, run)
        lua.settop(L, 0)
    scripting.run = NULL
    if unlikely(run.killed):
        run.state.killed = False
        script_watch(L)
    if unlikely(scripting.reply.capacity > REPLY_KEPT):
        buffer_free(&scripting.reply)
    if unlikely(run.state.scratch.capacity > SCRATCH_KEPT):
        buffer_free(&run.state.scratch)
    scripting.runs += 1
    if scripting.runs >= RUNS_BETWEEN_STEPS:
        scripting.runs = 0
        lua.cpcall(L, collect, NULL)
        lua.settop(L, 0)                        # where there was no memory for it


cdef int collect(lua_State *L) noexcept nogil:
    """What a script has set the collector to (collectgarbage) is so no longer, either."""
    lua.gc(L, LUA_GCSETPAUSE, USUAL_PAUSE)
    lua.gc(L, LUA_GCSETSTEPMUL, USUAL_STEPS)
    lua.gc(L, LUA_GCSTEP, RUNS_BETWEEN_STEPS)
    return 0


# -- scripts that do not end --------------------------------------------------------------------------------------

cdef void script_watch(lua_State *L) noexcept nogil:
    """Look after what runs in this state every so many instructions."""
    lua.sethook(L, look, LUA_MASKCOUNT, INSTRUCTIONS)


cdef void look(lua_State *L, lua_Debug *event) noexcept nogil:
    cdef Scripting *scripting = scripting_of_state(L)
    cdef Runtime *runtime = scripting.runtime
    cdef ScriptRun *run = scripting.run
    if run == NULL or (runtime.busy_threshold_ms == 0 and not run.killed):
        return
    if not run.killed:
        if not run.busy and (clock_us() - run.began_us) // 1000 < runtime.busy_threshold_ms:
            return
        if not run.busy:
            run.busy = True
            tell_busy(run)
        if not runtime.serve_others(runtime):
            run.killed = True
    if run.killed:
        script_end(L, run, NULL)


cdef void script_end(lua_State *L, ScriptRun *run, const char *text) noexcept nogil:
    """End the script, with an error that is its reply (NULL: the one given before, or that of SCRIPT KILL or FUNCTION KILL). What
    it runs next is an error, too, in this thread of it and in its first one, so that none can go on by having caught this one."""
    run.killed = True
    if text != NULL:
        run.ending = text
    elif run.ending == NULL:
        run.ending = KILLED_SCRIPT if run.eval else KILLED_FUNCTION
        script_log(run.outer.runtime, LEVEL_NOTICE, run.ending + 4)
    run.state.killed = True
    lua.sethook(L, look, LUA_MASKCOUNT, 1)
    lua.sethook(run.state.L, look, LUA_MASKCOUNT, 1)
    push_error_text(L, run.ending)
    lua.error(L)


cdef int64_t script_limit_ms(const ScriptRun *run) noexcept nogil:
    """How long a script that is debugged runs on without its client being asked."""
    cdef int64_t threshold_ms = run.outer.runtime.busy_threshold_ms
    return threshold_ms if threshold_ms else LIMIT_MS


cdef bint script_time_is_over(const ScriptRun *run) noexcept nogil:
    return (clock_us() - run.began_us) // 1000 >= script_limit_ms(run)


cdef void tell_busy(ScriptRun *run) noexcept nogil:
    cdef char text[400]
    snprintf(text, sizeof(text), "Slow script detected: still in execution after %lld milliseconds. You can try killing the script "
             "using the %s command. Script name is: %s.", <long long> ((clock_us() - run.began_us) // 1000),
             <const char *> (b"SCRIPT KILL" if run.eval else b"FUNCTION KILL"), run.name)
    script_log(run.outer.runtime, LEVEL_WARNING, text)


cdef void script_log(Runtime *runtime, int level, const char *text) noexcept with gil:
    engine = <object> runtime.face
    if engine.on_script_log is not None:
        engine.on_script_log(level, (<bytes> text).decode("utf-8", "surrogateescape"))
    runtime.enter(runtime)


cdef const char *script_busy(Runtime *runtime) noexcept nogil:
    """What others are answered while a script runs; NULL: none does."""
    cdef Scripting *scripting = <Scripting *> runtime.scripting
    if scripting == NULL or scripting.run == NULL:
        return NULL
    return BUSY_SCRIPT if scripting.run.eval else BUSY_FUNCTION


cdef const char *script_kill(Runtime *runtime, bint eval) noexcept nogil:
    """SCRIPT KILL, or FUNCTION KILL: the error; NULL: the script ends as soon as it looks."""
    cdef Scripting *scripting = <Scripting *> runtime.scripting
    cdef ScriptRun *run = scripting.run if scripting != NULL else NULL
    if run == NULL:
        return b"NOTBUSY No scripts in execution right now."
    if run.outer.session.caller == CALLER_FILE:
        return (b"UNKILLABLE The busy script was sent by a master instance in the context of replication and cannot be killed.")
    if run.wrote:
        return (b"UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait the script "
                b"termination or kill the server in a hard way using the SHUTDOWN NOSAVE command.")
    if run.eval != eval:
        return script_busy(runtime)
    run.killed = True
    return NULL


# -- how it ended -----------------------------------------------------------------------------------------------------

cdef inline void add(Buffer *text, const char *part) noexcept nogil:
    buffer_append(text, part, strlen(part))


cdef void reply_failure(lua_State *L, ScriptRun *run) noexcept nogil:
    """The error on top of the stack. Nothing here raises one."""
    cdef Context *c = run.outer
    cdef Buffer *text = &(<Scripting *> c.runtime.scripting).reply
    cdef const char *message = b"execution failure"
    cdef size_t length
    text.length = 0
    if lua.type(L, -1) == LUA_TTABLE:
        add_place(L, run, text)
    else:
        if lua.type(L, -1) == LUA_TSTRING:
            message = lua.tolstring(L, -1, NULL)
        length = strlen(message)
        add(text, b"ERR Error running script ")
        add(text, run.name)
        add(text, b", ")
        buffer_append(text, message, length if length < MESSAGE_SHOWN else MESSAGE_SHOWN)
    reply_error(&c.reply, text.data, text.length)


cdef inline int field(lua_State *L, const char *name) noexcept nogil:
    """A field of the error, which on_error made: rawget of a string that exists takes no memory."""
    lua.getfield(L, -1, name)
    return lua.type(L, -1)


cdef void add_place(lua_State *L, ScriptRun *run, Buffer *text) noexcept nogil:
    cdef size_t length
    cdef const char *message
    cdef char digits[24]
    field(L, b"err")
    if lua.isstring(L, -1):
        message = lua.tolstring(L, -1, &length)
        buffer_append(text, message, length)
    else:
        add(text, b"ERR unknown error")
    lua_pop(L, 1)
    if field(L, b"source") == LUA_TSTRING:
        add(text, b" script: ")
        add(text, run.name)
        add(text, b", on ")
        add(text, lua.tolstring(L, -1, NULL))
        lua_pop(L, 1)
        field(L, b"line")
        add(text, b":")
        buffer_append(text, digits, format_i64(digits, lua.tointeger(L, -1)))
        add(text, b".")
    lua_pop(L, 1)
    field(L, b"ignore_error_stats_update")
    run.outer.runtime.error_origin = ERROR_COUNTED if lua.toboolean(L, -1) else ERROR_OF_SCRIPT
    lua_pop(L, 1)
