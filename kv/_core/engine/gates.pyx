"""The gates before a command: what refuses it, holds it back or has it queued.

Their order is Valkey's, since a client sees which of two errors comes first: unknown command, arity, protected command,
authentication, memory, disk, loading, pause, subscribed mode; then the command is queued (MULTI) or may be called. A session's
exemptions say which of them do not hold for it: they depend on who sends its commands (runtime/state, Caller).
"""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp

from kv._core.base.platform cimport unlikely
from kv._core.base.slice cimport slice_is
from kv._core.engine.eviction cimport evict_clients, evict_until_fits
from kv._core.resp.reply cimport reply_error, reply_status
from kv._core.runtime.context cimport SHOWN_NAME, error, error_about_subcommand, shown_length
from kv._core.runtime.footprint cimport footprint_note
from kv._core.runtime.registry cimport command_find_child
from kv._core.runtime.session cimport session_doom, session_postpone
from kv._core.runtime.state cimport (
    ALERT_BUSY, ALERT_CLIENT_LIMIT, ALERT_FEW_REPLICAS, ALERT_LOADING, ALERT_MAXMEMORY, ALERT_PAUSED_ALL, ALERT_PAUSED_WRITES,
    ALERT_SAVE_ERROR, ALERT_WRITE_ERROR, CALLER_CLIENT, CLOSING_BROWSER, COMMAND_ALLOW_BUSY, COMMAND_DENYOOM, COMMAND_LOADING,
    COMMAND_MAY_REPLICATE, COMMAND_NO_AUTH, COMMAND_NO_MULTI, COMMAND_PROTECTED, COMMAND_SCRIPT, COMMAND_SUBSCRIBED,
    COMMAND_UNQUEUED,
    COMMAND_WRITE, EXEMPT_ACCESS, EXEMPT_MEMORY, EXEMPT_PAUSE, EXEMPT_STATE, SESSION_DOOMED, SESSION_LOOPBACK,
    SESSION_MULTI, SESSION_SUBSCRIBED, SESSION_UNIX, Command, Context, Runtime, Session)
from kv._core.scripts.cache cimport script_command_flags
from kv._core.scripts.run cimport script_busy
from kv._core.runtime.transaction cimport transaction_end, transaction_fail, transaction_queue

cdef extern from "<stdio.h>" nogil:
    int snprintf(char *out, size_t size, const char *form, ...)


cdef const char *SAVE_FAILED = (
    b"MISCONF Valkey is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that may modify "
    b"the data set are disabled, because this instance is configured to report errors during writes if RDB snapshotting fails "
    b"(stop-writes-on-bgsave-error option). Please check the Valkey logs for details about the RDB error.")


cdef bint pass_gates(Context *c) noexcept nogil:
    """Whether the command may be called now; where not, the client was told, or waits."""
    cdef Session *session = c.session
    session.last_command = NULL
    if not find_subcommand(c):
        return False
    session.last_command = c.command
    if not check_arity(c):
        return False
    if not session.exempt & EXEMPT_ACCESS:
        if not check_protected(c):
            return False
        if not session.authenticated and not c.command.flags & COMMAND_NO_AUTH:
            return reject(c, b"NOAUTH Authentication required.")
    if session.flags & SESSION_MULTI and c.command.flags & COMMAND_NO_MULTI:
        return reject(c, b"ERR Command not allowed inside a transaction")
    if c.runtime.alerts and not pass_alerts(c):
        return False
    if session.flags & SESSION_SUBSCRIBED and session.resp == 2 and not c.command.flags & COMMAND_SUBSCRIBED:
        return reject_subscribed(c)
    if session.flags & SESSION_MULTI and not c.command.flags & COMMAND_UNQUEUED:
        transaction_queue(session, c.command, flags_of(c), c.argv, c.argc)
        reply_status(&c.reply, b"QUEUED", 6)
        return False
    return True


cdef inline uint64_t flags_of(Context *c) noexcept nogil:
    """The command's flags, and those of what it runs."""
    cdef uint64_t flags = danger(c.session, c.command)
    return script_command_flags(c.runtime, c.command, c.argv[1], flags) if unlikely(c.command.flags & COMMAND_SCRIPT) else flags


cdef bint pass_alerts(Context *c) noexcept nogil:
    """Whether the command may be called although something out of the ordinary is going on."""
    cdef Runtime *runtime = c.runtime
    cdef uint64_t flags = flags_of(c)
    cdef uint32_t exempt = c.session.exempt
    if runtime.alerts & ALERT_CLIENT_LIMIT and c.session.transport != NULL:
        footprint_note(c.session)
        evict_clients(runtime)
        if c.session.flags & SESSION_DOOMED:
            return False
    if runtime.alerts & ALERT_MAXMEMORY and runtime.alerts & (ALERT_LOADING | ALERT_BUSY) == 0 and not exempt & EXEMPT_MEMORY:
        runtime.over_memory = not evict_until_fits(runtime)
        if runtime.over_memory and flags & COMMAND_DENYOOM:
            return reject(c, b"OOM command not allowed when used memory > 'maxmemory'.")
    if not exempt & EXEMPT_STATE:
        if runtime.alerts & (ALERT_WRITE_ERROR | ALERT_SAVE_ERROR) and (flags & COMMAND_WRITE or is_ping(c.command)):
            return reject_unsaved(c)
        if runtime.alerts & ALERT_FEW_REPLICAS and flags & COMMAND_WRITE:
            return reject(c, b"NOREPLICAS Not enough good replicas to write.")
        if runtime.alerts & ALERT_LOADING and not flags & COMMAND_LOADING:
            return reject(c, b"LOADING Valkey is loading the dataset in memory")
        if runtime.alerts & ALERT_BUSY and not flags & COMMAND_ALLOW_BUSY:
            return reject(c, script_busy(runtime))
    if exempt & EXEMPT_PAUSE == 0 and (runtime.alerts & ALERT_PAUSED_ALL or (
            runtime.alerts & ALERT_PAUSED_WRITES and flags & (COMMAND_WRITE | COMMAND_MAY_REPLICATE))):
        postpone(c)
        return False
    return True


cdef bint reject_unsaved(Context *c) noexcept nogil:
    """What is written would be on no disk. Where both the snapshot and the AOF failed the snapshot is named."""
    cdef char text[UNSAVED_SIZE]
    return reject(c, unsaved(c.runtime, text))


cdef const char *unsaved(Runtime *runtime, char *text) noexcept nogil:
    """Why nothing may be written: what was saved last failed. `text` has room for UNSAVED_SIZE bytes."""
    if runtime.alerts & ALERT_SAVE_ERROR:
        return SAVE_FAILED
    snprintf(text, UNSAVED_SIZE, "MISCONF Errors writing to the AOF file: %s", runtime.write_error)
    return text


cdef bint reject(Context *c, const char *text) noexcept nogil:
    """Refuse the command; a transaction that it was meant for is lost. EXEC says so even where there is none."""
    cdef char whole[600]
    c.runtime.command_statistics[c.command.id].rejected += 1
    if is_exec(c.command):
        snprintf(whole, sizeof(whole), "EXECABORT Transaction discarded because of: %s",
                 text + 4 if memcmp(text, b"ERR ", 4) == 0 else text)
        transaction_end(c.session)
        text = whole
    else:
        transaction_fail(c.session)
    error(c, text)
    return False


cdef inline bint is_ping(const Command *command) noexcept nogil:
    return command.name_length == 4 and memcmp(command.name, b"ping", 4) == 0


cdef void postpone(Context *c) noexcept nogil:
    """The session waits for CLIENT PAUSE to end, and the request is run then."""
    session_postpone(c.session)
    c.block = True


cdef bint reject_subscribed(Context *c) noexcept nogil:
    cdef char text[256]
    snprintf(text, sizeof(text), "ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET "
             "are allowed in this context", c.command.name)
    return reject(c, text)


cdef bint check_protected(Context *c) noexcept nogil:
    """DEBUG and MODULE only where enable-debug-command and enable-module-command allow them."""
    cdef char text[512]
    cdef bint debug = c.command.name[0] == c'd'
    cdef uint8_t allowed = c.runtime.debug_allowed if debug else c.runtime.module_allowed
    if (not c.command.flags & COMMAND_PROTECTED or allowed == 1
            or (allowed == 2 and c.session.flags & (SESSION_UNIX | SESSION_LOOPBACK))):
        return True
    snprintf(text, sizeof(text), "ERR %s command not allowed. If the %s option is set to \"local\", you can run it from a "
             "local connection, otherwise you need to set this option in the configuration file, and then restart the "
             "server.", <const char *> (b"DEBUG" if debug else b"MODULE"),
             <const char *> (b"enable-debug-command" if debug else b"enable-module-command"))
    return reject(c, text)


cdef bint find_subcommand(Context *c) noexcept nogil:
    """Resolve a container's subcommand; tell the client of one that does not exist."""
    cdef Command *child
    if c.command == NULL:
        unknown_command(c)
        return False
    if c.command.child_count == 0 or c.argc < 2:
        return True
    child = command_find_child(c.command, c.argv[1])
    if child == NULL:
        transaction_fail(c.session)
        error_about_subcommand(c, b"unknown subcommand", c.command)
        return False
    c.command = child
    c.hashed = 0
    return True


cdef bint check_arity(Context *c) noexcept nogil:
    cdef char text[160]
    if c.command.arity == c.argc or (c.command.arity < 0 and c.argc >= -c.command.arity):
        return True
    snprintf(text, sizeof(text), "ERR wrong number of arguments for '%s' command", c.command.name)
    return reject(c, text)


cdef void unknown_command(Context *c) noexcept nogil:
    """Show the name and the beginning of the arguments."""
    cdef char text[SHOWN_NAME * 2 + 160]
    cdef int length, i
    cdef int args = 0
    if c.session.caller == CALLER_CLIENT and (slice_is(c.argv[0], b"post", 4) or slice_is(c.argv[0], b"host:", 5)):
        c.runtime.on_closing(c.session, CLOSING_BROWSER)
        session_doom(c.session)
        return
    transaction_fail(c.session)
    length = snprintf(text, sizeof(text), "ERR unknown command '%.*s', with args beginning with: ", shown_length(c.argv[0]),
                      c.argv[0].data)
    for i in range(1, c.argc):
        if args >= SHOWN_NAME:
            break
        args += snprintf(text + length + args, sizeof(text) - length - args, "'%.*s' ",
                         min(shown_length(c.argv[i]), SHOWN_NAME - args), c.argv[i].data)
    reply_error(&c.reply, text, length + args)


cdef inline int min(int a, int b) noexcept nogil:
    return a if a < b else b
