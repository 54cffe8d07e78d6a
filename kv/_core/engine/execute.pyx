"""Running a command: the one way from a request to its reply, whoever sends it.

Sockets, EXEC, waits that are tried again, the AOF's replay and an embedding program all come here, after prepare(). Which gates
hold for them is the session's matter (Session.caller and exempt, engine/gates). Where nothing out of the ordinary is going on,
one test takes the short way past all gates.

Around a body: its time is taken from the processor's tick counter, the end of one command being the start of the
next; changes are told by the dirty counter, and a command that made any goes to the AOF and replicas as it came,
unless the body said otherwise.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, strlen

from kv._core.base.buffer cimport Buffer, buffer_append
from kv._core.base.clock cimport clock_ticks, clock_unix_us
from kv._core.base.memory cimport memory_used
from kv._core.base.platform cimport likely, unlikely
from kv._core.base.slice cimport Slice
from kv._core.engine.gates cimport pass_alerts, pass_gates
from kv._core.resp.reply cimport reply_null_array, reply_raw
from kv._core.runtime.context cimport context_init, error
from kv._core.runtime.latencystats cimport latency_record
from kv._core.runtime.observed cimport Wait
from kv._core.runtime.propagation cimport propagate_as_came, propagation_position, unit_close, unit_open
from kv._core.runtime.state cimport (
    ALERT_MONITORS, COMMAND_ADMIN, COMMAND_FAST, COMMAND_PROTECTED, COMMAND_PUBSUB, COMMAND_SKIP_MONITOR, COMMAND_SUBSCRIBED,
    ERROR_COUNTED, ERROR_KINDS, ERROR_KINDS_OWN, ERROR_OF_SCRIPT, ERROR_OF_SERVER, FIRST_ATTEMPT, FURTHER_ATTEMPT, LAST_ATTEMPT,
    SESSION_BLOCKED, SESSION_CLOSE_AFTER_REPLY, SESSION_DOOMED, SESSION_IMPORT_SOURCE, SESSION_REPLY_OFF, SESSION_REPLY_SKIP,
    SESSION_REPLY_SKIP_NEXT, SESSION_SPECIAL, Attempt, Command, CommandStatistics, Context, ErrorKind, Request, Runtime, Session,
    Unit)


cdef bint execute(Session *session, Request *request, Buffer *out) noexcept nogil:
    """Run a prepared request, or refuse it; the reply goes to `out`. False where the session must not run further ones now."""
    cdef Runtime *runtime = session.runtime
    cdef Context c
    cdef size_t reply_start = out.length
    context_init(&c, session, request, out)
    runtime.running = &c
    if likely(c.command != NULL and runtime.alerts == 0 and session.flags & SESSION_SPECIAL == 0
              and session.authenticated and c.command.child_count == 0 and c.command.flags & COMMAND_PROTECTED == 0
              and (c.command.arity == c.argc or (c.command.arity < 0 and c.argc >= -c.command.arity))):
        call(&c, reply_start)
    elif pass_gates(&c):
        c.keyspace.show_expired = session.flags & SESSION_IMPORT_SOURCE and c.keyspace.import_mode
        call(&c, reply_start)
        c.keyspace.show_expired = False
    elif c.reply.errors:
        count_error(&c, reply_start)
    if unlikely(session.flags & (SESSION_REPLY_OFF | SESSION_REPLY_SKIP | SESSION_REPLY_SKIP_NEXT)) and not c.block:
        suppress_reply(&c, reply_start)
    finish(&c)
    if unlikely(runtime.ready_keys != NULL):
        runtime.on_ready(runtime)
    return session.flags & (SESSION_BLOCKED | SESSION_CLOSE_AFTER_REPLY | SESSION_DOOMED) == 0


cdef bint execute_past(Session *session, Request *request, Buffer *out) noexcept nogil:
    """Run what was accepted, counted and propagated once: a command of the AOF, whose name and arity are known to be right.
    Nothing of that is done again. False where it answered with an error."""
    cdef Runtime *runtime = session.runtime
    cdef Context *running = runtime.running
    cdef Context c
    context_init(&c, session, request, out)
    runtime.running = &c
    c.command.body(&c)
    runtime.running = running
    return c.reply.errors == 0


cdef void execute_nested(Context *outer, Command *command, Slice *argv, int argc) noexcept nogil:
    """Run a command inside another one (EXEC): its reply follows, its effects join the outer one's unit."""
    cdef Context c
    cdef size_t reply_start = outer.reply.out.length
    cdef uint64_t start = clock_ticks()
    init_kept(&c, outer.session, command, argv, argc, outer.reply.out, FIRST_ATTEMPT)
    c.runtime.running = &c
    run_body(&c)
    c.runtime.running = outer
    account(&c, start, reply_start)
    outer.elsewhere += c.elsewhere
    outer.runtime.redacted = 0


cdef void execute_scripted(Session *session, Command *command, Slice *argv, int argc, Buffer *out) noexcept nogil:
    """Run a command of a script, in the session of scripts: its effects join the unit of the command that started the script."""
    cdef Context c
    cdef Context *outer = session.runtime.running
    cdef uint64_t start = session.runtime.last_ticks
    init_kept(&c, session, command, argv, argc, out, FIRST_ATTEMPT)
    c.runtime.running = &c
    run_body(&c)
    c.runtime.running = outer
    account(&c, start, 0)
    outer.session.commands += 1
    c.runtime.redacted = 0


cdef inline void finish(Context *c) noexcept nogil:
    """Nothing runs; what the command pushed to its own session follows its reply."""
    cdef Runtime *runtime = c.runtime
    runtime.running = NULL
    if unlikely(runtime.own_pushes.length != 0):
        buffer_append(c.reply.out, runtime.own_pushes.data, runtime.own_pushes.length)
        runtime.own_pushes.length = 0


cdef void init_kept(Context *c, Session *session, Command *command, Slice *argv, int argc, Buffer *out,
                    Attempt attempt) noexcept nogil:
    """A context for words that were kept: by MULTI, or by a session that waits."""
    cdef Request request
    request.command, request.argv, request.argc = command, argv, argc
    request.raw, request.raw_length, request.key_hash = NULL, 0, 0
    context_init(c, session, &request, out)
    c.hashed = 0
    c.attempt = attempt


# -- commands that wait -------------------------------------------------------------------------------------------

cdef bint execute_again(Wait *wait, Buffer *out) noexcept nogil:
    """Try a command again that its session waits in; the reply goes to `out`, which is empty. False where it must wait on."""
    cdef Session *session = wait.session
    cdef Runtime *runtime = session.runtime
    cdef Context c
    init_kept(&c, session, wait.command, wait.argv, wait.argc, out, FURTHER_ATTEMPT)
    runtime.last_ticks = clock_ticks()
    runtime.running = &c
    if runtime.alerts == 0 or pass_alerts(&c):
        call(&c, 0)
    elif c.reply.errors:
        count_error(&c, 0)
    if session.flags & (SESSION_REPLY_OFF | SESSION_REPLY_SKIP) and not c.block:
        suppress_reply(&c, 0)
    finish(&c)
    return not c.block


cdef void execute_last(Wait *wait, bint with_error, Buffer *out) noexcept nogil:
    """The reply of a command that waited in vain, or whose wait somebody ended with an error."""
    cdef Session *session = wait.session
    cdef Context c
    init_kept(&c, session, wait.command, wait.argv, wait.argc, out, LAST_ATTEMPT)
    if with_error:
        error(&c, b"UNBLOCKED client unblocked via CLIENT UNBLOCK")
        count_error(&c, 0)
        c.runtime.command_statistics[c.command.id].rejected += 1
        c.reply.errors = 0              # rejected, which is not failed
    elif wait.by_position:
        c.command.body(&c)
    else:
        reply_null_array(&c.reply)
    account(&c, clock_ticks(), 0)
    if session.flags & (SESSION_REPLY_OFF | SESSION_REPLY_SKIP):
        suppress_reply(&c, 0)


cdef void execute_answered(Wait *wait, Slice reply, bint failed, Buffer *out) noexcept nogil:
    """The reply of a command that left it to somebody else."""
    cdef Session *session = wait.session
    cdef Context c
    init_kept(&c, session, wait.command, wait.argv, wait.argc, out, LAST_ATTEMPT)
    reply_raw(&c.reply, reply.data, reply.length)
    c.reply.errors = failed
    account(&c, clock_ticks(), 0)
    if session.flags & (SESSION_REPLY_OFF | SESSION_REPLY_SKIP):
        suppress_reply(&c, 0)


# -- the call -----------------------------------------------------------------------------------------------------

cdef inline void run_body(Context *c) noexcept nogil:
    """Run the command's body. Its effects are one unit, to which the command itself belongs if it changed anything."""
    cdef uint64_t dirty = c.keyspace.dirty
    cdef Unit unit
    unit_open(&c.runtime.propagation, &unit)
    c.command.body(c)
    if c.keyspace.dirty > dirty and not c.propagated:     # less: the dataset was replaced
        propagate_as_came(c)
    unit_close(&c.runtime.propagation, &unit)
    if unit.count:
        c.session.write_position = propagation_position(&c.runtime.propagation)


cdef inline void call(Context *c, size_t reply_start) noexcept nogil:
    cdef uint64_t start = c.runtime.last_ticks
    run_body(c)
    if unlikely(c.block):
        tell_monitors(c)
        return
    account(c, start, reply_start)


cdef inline void tell_monitors(Context *c) noexcept nogil:
    """A command is shown when it first runs, waits though it may, and not again when it is tried again."""
    if (unlikely(c.runtime.alerts & ALERT_MONITORS) and c.attempt == FIRST_ATTEMPT
            and c.command.flags & (COMMAND_SKIP_MONITOR | COMMAND_ADMIN) == 0):
        c.runtime.on_monitor(c)


cdef inline void account(Context *c, uint64_t start, size_t reply_start) noexcept nogil:
    """Statistics of a command that ran."""
    cdef Runtime *runtime = c.runtime
    cdef Command *command = c.command
    cdef CommandStatistics *counted = runtime.command_statistics + command.id
    cdef uint64_t now = clock_ticks()
    cdef uint64_t spent = now - start
    cdef size_t replied = c.reply.out.length - reply_start + c.elsewhere
    runtime.last_ticks = now
    counted.calls += 1
    counted.ticks += spent
    c.session.commands += 1
    c.session.last_command = command
    runtime.statistics.commands += 1
    if runtime.latency_tracking:
        latency_record(counted, <uint64_t> (spent * runtime.ns_per_tick))
    if unlikely(c.reply.errors != 0):
        counted.failed += 1
        if likely(runtime.error_origin != ERROR_COUNTED):
            count_error(c, reply_start)
        runtime.error_origin = ERROR_OF_SERVER
    if unlikely((runtime.slow_ticks >= 0 and <int64_t> spent >= runtime.slow_ticks)
                or (runtime.large_reply >= 0 and <int64_t> replied > runtime.large_reply)
                or (runtime.large_request >= 0
                    and (c.raw == NULL or <int64_t> c.raw_length > runtime.large_request))):
        runtime.on_commandlog(c, <int64_t> (spent / runtime.ticks_per_us), replied)
    if unlikely(<int64_t> spent >= runtime.spike_ticks):
        runtime.on_spike(runtime, b"fast-command" if command.flags & COMMAND_FAST else b"command",
                         <int64_t> (spent / runtime.ticks_per_us))
    tell_monitors(c)
    if unlikely(memory_used() > runtime.peak_memory):
        runtime.peak_memory = memory_used()


cdef int64_t unix_us(const Runtime *runtime) noexcept nogil:
    """Unix time by the engine's clock, which is the system's unless a test has moved or stopped it."""
    if unlikely(runtime.clock_stopped_us != 0):
        return runtime.clock_stopped_us
    return clock_unix_us() + runtime.clock_shift_us


cdef void refresh_clock(Runtime *runtime) noexcept nogil:
    """What commands see as now, from here on."""
    runtime.now_us = unix_us(runtime)
    runtime.keyspace.now_ms = runtime.now_us // 1000
    runtime.keyspace.lru_clock = <uint32_t> (runtime.keyspace.now_ms // 1000) & 0xffffff


cdef ErrorKind *error_kind(Runtime *runtime, const char *code, size_t length) noexcept nogil:
    """The figure of an error code; NULL: there is none."""
    cdef int i
    for i in range(runtime.error_kind_count):
        if strlen(runtime.error_kinds[i].code) == length and memcmp(runtime.error_kinds[i].code, code, length) == 0:
            return runtime.error_kinds + i
    return NULL


cdef void count_error(Context *c, size_t reply_start) noexcept nogil:
    """Count an error reply under its code: the word after the dash."""
    cdef Runtime *runtime = c.runtime
    cdef const char *text = c.reply.out.data + reply_start + 1
    cdef size_t left = c.reply.out.length - reply_start - 1
    cdef size_t length = 0
    cdef ErrorKind *kind
    runtime.statistics.errors += 1
    if c.reply.out.data[reply_start] != c'-':
        return
    while length < left and length < 31 and text[length] != c' ' and text[length] != c'\r':
        length += 1
    kind = error_kind(runtime, text, length)
    if kind == NULL and runtime.error_origin == ERROR_OF_SCRIPT and runtime.error_kind_count >= ERROR_KINDS:
        text, length = b"ERRORSTATS_OVERFLOW", 19
        kind = error_kind(runtime, text, length)
    if kind == NULL:
        if runtime.error_kind_count == ERROR_KINDS + ERROR_KINDS_OWN:
            return
        kind = runtime.error_kinds + runtime.error_kind_count
        runtime.error_kind_count += 1
        memcpy(kind.code, text, length)
        kind.code[length] = 0
        kind.count = 0
    kind.count += 1


cdef void suppress_reply(Context *c, size_t reply_start) noexcept nogil:
    """CLIENT REPLY: take back what was just written, unless it confirms a subscription: messages come all the same."""
    cdef Session *session = c.session
    cdef bint confirms = c.command != NULL and c.command.flags & COMMAND_PUBSUB and c.command.flags & COMMAND_SUBSCRIBED
    if session.flags & (SESSION_REPLY_OFF | SESSION_REPLY_SKIP) and not confirms:
        c.reply.out.length = reply_start
    session.flags &= ~<uint64_t> SESSION_REPLY_SKIP
    if session.flags & SESSION_REPLY_SKIP_NEXT:
        session.flags = (session.flags & ~<uint64_t> SESSION_REPLY_SKIP_NEXT) | SESSION_REPLY_SKIP
