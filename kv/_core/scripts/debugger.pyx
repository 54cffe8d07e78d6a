"""A script is debugged: it stops before a line, its client looks around and says how to go on.

A session is one EVAL of a connection that sent SCRIPT DEBUG. Lua calls a hook before each line of the script. Where the script
is to stop, the hook shows the line and takes commands from the client's socket, until one of them has the script run on: all in the
middle of EVAL, in a forked child, or in the server itself, which serves nobody else meanwhile (SCRIPT DEBUG SYNC). Who debugs
nothing has no such hook. Commands that the script calls are shown by a function that the session puts before the one that runs
them.

A client that is gone has its script run on, in the server: half of what a script does would be worse. A child ends. What ends a
script (abort, nonsense instead of commands) no pcall of it goes on from.
"""
from libc.stdint cimport uint64_t
from libc.string cimport strstr

from kv._core.base.buffer cimport Buffer, buffer_free
from kv._core.base.clock cimport clock_us
from kv._core.base.memory cimport memory_calloc, memory_free
from kv._core.base.platform cimport unlikely
from kv._core.base.slice cimport Slice, slice_of
from kv._core.lua.api cimport LUA_HOOKCOUNT, LUA_MASKCOUNT, LUA_MASKLINE, lua, lua_Debug, lua_State
from kv._core.runtime.context cimport error
from kv._core.runtime.state cimport (
    AWAITED_STOP, SESSION_CLOSE_AFTER_REPLY, SESSION_DEBUG, SESSION_DEBUG_SYNC, Context, Runtime, Session)
from kv._core.scripts.debugcommands cimport is_breakpoint, run_command, show_line
from kv._core.scripts.debuginput cimport DEBUG_BAD, DEBUG_COMMAND, DEBUG_TOO_MUCH, DebugInput, next_command
from kv._core.scripts.representation cimport show_reply
from kv._core.scripts.run cimport INSTRUCTIONS, script_end, script_time_is_over, script_watch
from kv._core.scripts.scripting cimport Scripting, ScriptRun, scripting_of_state, scripting_or_reply
from kv._core.scripts.transcript cimport (
    SHOWN_LENGTH, Debugger, debugger_send, transcript_add, transcript_begin, transcript_bytes, transcript_end, transcript_end_cut,
    transcript_error, transcript_error_reply, transcript_line, transcript_send)

cdef extern from "<stdio.h>" nogil:
    int snprintf(char *out, size_t size, const char *form, ...)

cdef enum:
    SHOWN_WORDS = 10            # of a command

cdef const char *SCRIPT = b"user_script"
cdef const char *BAD = b"ERR protocol error"
cdef const char *TOO_MUCH = b"ERR max client buffer reached"
cdef const char *TIMEOUT = b"ERR timeout during Lua debugging with client closing connection"


# -- the session ------------------------------------------------------------------------------------------------------

cdef bint replies_wait(Context *c) noexcept nogil:
    """Whether the client still waits for replies that came before: lines of a session would leave before them. Or there is no
    client at all, but a program."""
    return c.session.transport == NULL or c.session.output != NULL or c.reply.out.length != c.session.arena_start


cdef bint debugger_begin(Context *c) noexcept nogil:
    """Before an EVAL that is to be debugged. False: it does not run here, or the client was told why it can't."""
    cdef Runtime *runtime = c.runtime
    cdef Session *session = c.session
    cdef bint sync = session.flags & SESSION_DEBUG_SYNC != 0
    cdef Scripting *scripting = scripting_or_reply(c, False)
    cdef Debugger *debugger
    cdef int stop_fd = -1
    if scripting == NULL:
        return False
    if replies_wait(c):
        error(c, b"ERR EVAL must be called outside a pipeline for debugging")
        return False
    if not runtime.begin_debugging(c, sync, &stop_fd):
        session.flags &= ~<uint64_t> (SESSION_DEBUG | SESSION_DEBUG_SYNC)
        return False
    debugger = <Debugger *> memory_calloc(sizeof(Debugger))
    debugger.session, debugger.sync, debugger.stop_fd = session, sync, stop_fd
    debugger.source = source_of(c.argv[1])
    debugger.stepping = True
    debugger.shown = SHOWN_LENGTH
    debugger.reply_start = c.reply.out.length
    debugger.run_scripted = runtime.run_scripted
    runtime.run_scripted = run_shown
    scripting.debugger = debugger
    lua.sethook(scripting.eval.L, on_line, LUA_MASKLINE | LUA_MASKCOUNT, INSTRUCTIONS)
    return True


cdef Slice source_of(Slice script) noexcept nogil:
    while script.length and (script.data[script.length - 1] == c'\n' or script.data[script.length - 1] == c'\r'):
        script.length -= 1
    return script


cdef void debugger_end(Context *c) noexcept nogil:
    """After that EVAL, whose reply is there: the client is told of the end, then it gets the reply. A child ends here."""
    cdef Runtime *runtime = c.runtime
    cdef Scripting *scripting = <Scripting *> runtime.scripting
    cdef Debugger *debugger = scripting.debugger
    cdef Buffer *reply = c.reply.out
    transcript_line(debugger, b"<endsession>")
    transcript_send(debugger)
    if not debugger.sync:
        debugger_send(debugger, reply.data + debugger.reply_start, reply.length - debugger.reply_start)
        debugger_send(debugger, runtime.own_pushes.data, runtime.own_pushes.length)
        runtime.end_debugging(c, False)
    script_watch(scripting.eval.L)
    runtime.run_scripted = debugger.run_scripted
    scripting.debugger = NULL
    buffer_free(&debugger.input)
    buffer_free(&debugger.code)
    buffer_free(&debugger.lines)
    memory_free(debugger)
    c.session.flags |= SESSION_CLOSE_AFTER_REPLY
    runtime.end_debugging(c, True)


# -- commands that the script calls -----------------------------------------------------------------------------------

cdef void run_shown(void *of_run, Slice *argv, int argc, Buffer *out) noexcept nogil:
    """Runtime.run_scripted of a session: what is called, and its reply, are shown while the script goes step by step."""
    cdef ScriptRun *run = <ScriptRun *> of_run
    cdef Debugger *debugger = (<Scripting *> run.outer.runtime.scripting).debugger
    if not debugger.stepping:
        debugger.run_scripted(of_run, argv, argc, out)
        return
    show_command(debugger, argv, argc)
    run.refused = False
    debugger.run_scripted(of_run, argv, argc, out)
    if run.refused:
        transcript_error(debugger, slice_of(out.data + 1, out.length - 3))
        return
    if out.data[0] == c'-':
        transcript_error_reply(debugger, slice_of(out.data + 1, out.length - 3))
    transcript_begin(debugger)
    transcript_add(debugger, b"<reply> ")
    show_reply(debugger, out.data)
    transcript_end_cut(debugger)


cdef void show_command(Debugger *debugger, const Slice *argv, int argc) noexcept nogil:
    cdef char text[40]
    cdef int i
    transcript_begin(debugger)
    transcript_add(debugger, b"<command>")
    for i in range(argc if argc < SHOWN_WORDS else SHOWN_WORDS):
        transcript_add(debugger, b" ")
        transcript_bytes(debugger, argv[i])
    if argc > SHOWN_WORDS:
        snprintf(text, sizeof(text), " ... (%d more)", argc - SHOWN_WORDS - 1)
        transcript_add(debugger, text)
    transcript_end(debugger)


# -- stopping ---------------------------------------------------------------------------------------------------------

cdef void on_line(lua_State *L, lua_Debug *event) noexcept nogil:
    """Lua's hook: a line begins, or so many instructions have run."""
    cdef Scripting *scripting = scripting_of_state(L)
    cdef Debugger *debugger = scripting.debugger
    cdef ScriptRun *run = scripting.run
    cdef bint counted = event.event == LUA_HOOKCOUNT
    if run == NULL or debugger == NULL:         # of a coroutine that was kept from a session
        return
    if unlikely(run.killed):
        script_end(L, run, NULL)
    lua.getinfo(L, b"Sl", event)
    debugger.line = event.currentline
    if counted and not debugger.gone and is_to_end(debugger):
        leave_alone(run, debugger)
    if strstr(event.short_src, SCRIPT) == NULL:     # code that the script has made itself
        if counted and debugger.gone:
            go_on_alone(L, run, debugger)
        return
    if debugger.gone:
        if counted:
            go_on_alone(L, run, debugger)
    elif debugger.called_breakpoint:
        stop(L, run, debugger, b"server.breakpoint() called")
    elif is_breakpoint(debugger, debugger.line):
        stop(L, run, debugger, b"break point")
    elif debugger.stepping:
        stop(L, run, debugger, b"step over")
    elif counted and script_time_is_over(run):
        stop(L, run, debugger, b"timeout reached, infinite loop?")
        go_on_alone(L, run, debugger)


cdef bint is_to_end(const Debugger *debugger) noexcept nogil:
    return debugger.session.runtime.await_client(debugger.session, debugger.stop_fd, False, 0) == AWAITED_STOP


cdef void go_on_alone(lua_State *L, ScriptRun *run, Debugger *debugger) noexcept nogil:
    """A script that nobody looks after must end some time."""
    if debugger.gone and script_time_is_over(run):
        script_end(L, run, TIMEOUT)


cdef void stop(lua_State *L, ScriptRun *run, Debugger *debugger, const char *reason) noexcept nogil:
    """Show where the script is, and do what the client says until it is to run on."""
    cdef char text[100]
    debugger.stepping = debugger.called_breakpoint = False
    snprintf(text, sizeof(text), "* Stopped at %d, stop reason = %s", debugger.line, reason)
    transcript_line(debugger, text)
    show_line(debugger, debugger.line)
    transcript_send(debugger)
    take_commands(L, run, debugger)
    if debugger.gone:
        leave_alone(run, debugger)
    else:
        run.began_us = clock_us()


cdef void leave_alone(ScriptRun *run, Debugger *debugger) noexcept nogil:
    """The client is gone, or the session is to end. A child ends here."""
    debugger.gone = True
    debugger.stepping = debugger.called_breakpoint = False
    debugger.breakpoint_count = 0
    if not debugger.sync:
        run.outer.runtime.end_debugging(run.outer, False)


cdef void take_commands(lua_State *L, ScriptRun *run, Debugger *debugger) noexcept nogil:
    cdef DebugInput got
    while True:
        got = next_command(debugger)
        if got == DEBUG_BAD:
            script_end(L, run, BAD)
        elif got == DEBUG_TOO_MUCH:
            script_end(L, run, TOO_MUCH)
        elif got != DEBUG_COMMAND or not run_command(L, run, debugger):
            return
