"""A command that a script calls: what it is refused for, and its running.

Who started the script has passed the gates. Here stand those that depend on the command itself. What is refused for the state of
the server (memory, disk, replicas) is refused only before the script's first write, since half a script would be worse.
"""
from kv._core.base.buffer cimport Buffer
from kv._core.base.platform cimport likely, unlikely
from kv._core.base.slice cimport Slice
from kv._core.engine.execute cimport count_error, execute_scripted
from kv._core.engine.gates cimport UNSAVED_SIZE, unsaved
from kv._core.runtime.registry cimport command_find, command_find_child
from kv._core.runtime.context cimport context_init, error
from kv._core.runtime.state cimport (
    ALERT_FEW_REPLICAS, ALERT_MAXMEMORY, ALERT_SAVE_ERROR, ALERT_WRITE_ERROR, COMMAND_ALLOW_BUSY, COMMAND_DENYOOM,
    COMMAND_LOADING, COMMAND_MAY_REPLICATE, COMMAND_NO_MULTI, COMMAND_NOSCRIPT, COMMAND_PUBSUB, COMMAND_SCRIPT,
    COMMAND_UNQUEUED, COMMAND_WRITE, EXEMPT_STATE, Command, Context, Request, Runtime, Session)
from kv._core.scripts.scripting cimport TARGET_AOF, Scripting, ScriptRun

cdef const char *UNKNOWN = b"ERR Unknown command called from script"
cdef const char *ARITY = b"ERR Wrong number of args calling command from script"
cdef const char *NOT_ALLOWED = b"ERR This Redis command is not allowed from script"
cdef const char *READ_ONLY = b"ERR Write commands are not allowed from read-only scripts."
cdef const char *FEW_REPLICAS = b"NOREPLICAS Not enough good replicas to write."
cdef const char *NO_MEMORY = b"OOM command not allowed when used memory > 'maxmemory'."


cdef void run_scripted(void *of_run, Slice *argv, int argc, Buffer *out) noexcept nogil:
    """Run a command of a ScriptRun; its reply, or the error that it is refused with, goes to `out`."""
    cdef ScriptRun *run = <ScriptRun *> of_run
    cdef Runtime *runtime = run.outer.runtime
    cdef Session *session = (<Scripting *> runtime.scripting).session
    cdef Command *command = command_find(argv[0])
    cdef char text[UNSAVED_SIZE]
    cdef const char *refusal
    if command != NULL and unlikely(command.child_count) and argc > 1:
        command = command_find_child(command, argv[1])
    refusal = refused(run, command, argc, text)
    if unlikely(refusal != NULL):
        run.refused = True
        refuse(session, command, argv, argc, refusal, out)
        return
    run.wrote |= command.flags & COMMAND_WRITE != 0
    if unlikely(not run.target & TARGET_AOF):
        runtime.propagation.muted += 1
    execute_scripted(session, command, argv, argc, out)
    if unlikely(not run.target & TARGET_AOF):
        runtime.propagation.muted -= 1


cdef const char *refused(ScriptRun *run, const Command *command, int argc, char *text) noexcept nogil:
    """Why the command may not run; NULL: it may."""
    cdef Runtime *runtime = run.outer.runtime
    if unlikely(command == NULL):
        return UNKNOWN
    if unlikely(command.arity != argc and (command.arity > 0 or argc < -command.arity)):
        return ARITY
    if unlikely(command.flags & COMMAND_NOSCRIPT and barred(runtime, command)):
        return NOT_ALLOWED
    if unlikely(run.read_only and command.flags & (COMMAND_WRITE | COMMAND_MAY_REPLICATE)):
        return READ_ONLY
    if likely(runtime.alerts == 0) or run.wrote:
        return NULL
    if command.flags & COMMAND_WRITE and not run.outer.session.exempt & EXEMPT_STATE:
        if runtime.alerts & (ALERT_SAVE_ERROR | ALERT_WRITE_ERROR):
            return unsaved(runtime, text)
        if runtime.alerts & ALERT_FEW_REPLICAS:
            return FEW_REPLICAS
    if (runtime.alerts & ALERT_MAXMEMORY and runtime.over_memory and command.flags & COMMAND_DENYOOM and not run.allow_oom):
        return NO_MEMORY
    return NULL


cdef bint barred(const Runtime *runtime, const Command *command) noexcept nogil:
    """A command that no script may call. Tests may lift this from those that serve without a dataset, save what runs scripts,
    changes the caller's session or ends the server."""
    if not runtime.scripts_unrestricted or not command.flags & COMMAND_LOADING:
        return True
    return command.flags & (COMMAND_SCRIPT | COMMAND_NO_MULTI | COMMAND_PUBSUB | COMMAND_ALLOW_BUSY | COMMAND_UNQUEUED) != 0


cdef void refuse(Session *session, Command *command, Slice *argv, int argc, const char *refusal, Buffer *out) noexcept nogil:
    """Answer with the refusal, and count it."""
    cdef Context c
    cdef Request request
    request.command, request.argv, request.argc = command, argv, argc
    request.raw, request.raw_length, request.key_hash = NULL, 0, 0
    context_init(&c, session, &request, out)
    error(&c, refusal)
    count_error(&c, 0)
    if command != NULL:
        session.runtime.command_statistics[command.id].rejected += 1
