"""From a parsed request to its reply.

The order of the gates is Valkey's, since a client sees which of two errors comes first: unknown command, arity,
protected command, authentication, memory, disk, subscribed mode, loading, pause; then the command is queued (MULTI)
or called. Where nothing out of the ordinary is going on, one test takes the short way past all of them.

Around a body: its time is taken from the processor's tick counter, the end of one command being the start of the
next; changes are told by the dirty counter, and a command that made any goes to the AOF and replicas as it came,
unless the body said otherwise.
"""
from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, strlen

from kv._core.base.buffer cimport Buffer, buffer_append
from kv._core.base.clock cimport clock_ticks, clock_unix_us, clock_us
from kv._core.base.memory cimport memory_used
from kv._core.base.platform cimport likely, unlikely
from kv._core.base.slice cimport Slice, slice_is
from kv._core.keyspace.evict cimport evict_one
from kv._core.keyspace.keyspace cimport POLICY_NOEVICTION
from kv._core.resp.reply cimport reply_error, reply_null_array, reply_status
from kv._core.runtime.context cimport SHOWN_NAME, error, error_about_subcommand, shown_length
from kv._core.runtime.effects cimport effects_close_unit, effects_open_unit, effects_position, propagate_as_came
from kv._core.runtime.footprint cimport footprint_largest, footprint_note, footprint_over_limit
from kv._core.runtime.latencystats cimport latency_record
from kv._core.runtime.observed cimport Wait
from kv._core.runtime.registry cimport command_find_child
from kv._core.runtime.state cimport (
    ALERT_CLIENT_LIMIT, ALERT_FEW_REPLICAS, ALERT_LOADING, ALERT_MAXMEMORY, ALERT_MONITORS, ALERT_PAUSED_ALL,
    ALERT_PAUSED_WRITES, ALERT_WRITE_ERROR, ARENA_SMALL, CLOSING_BROWSER, CLOSING_EVICTED,
    COMMAND_ADMIN, COMMAND_DENYOOM, COMMAND_FAST, COMMAND_LOADING, COMMAND_MAY_REPLICATE, COMMAND_NO_AUTH, COMMAND_NO_MULTI,
    COMMAND_PROTECTED, COMMAND_PUBSUB, COMMAND_SKIP_MONITOR, COMMAND_SUBSCRIBED, COMMAND_UNQUEUED, COMMAND_WRITE, ERROR_KINDS,
    FIRST_ATTEMPT, FURTHER_ATTEMPT, LAST_ATTEMPT,
    SESSION_BLOCKED, SESSION_CLOSE_AFTER_REPLY, SESSION_DOOMED, SESSION_IMPORT_SOURCE, SESSION_LOCAL,
    SESSION_LOOPBACK, SESSION_MULTI,
    SESSION_REPLY_OFF, SESSION_REPLY_SKIP, SESSION_REPLY_SKIP_NEXT, SESSION_SPECIAL,
    SESSION_SUBSCRIBED, SESSION_UNIX, Command, Context, ErrorKind, Request, Runtime, Session)
from kv._core.runtime.session cimport session_doom, session_postpone
from kv._core.runtime.transaction cimport Transaction, transaction_end, transaction_fail, transaction_queue

cdef extern from "<stdio.h>" nogil:
    int snprintf(char *out, size_t size, const char *form, ...)

cdef enum:
    EVICTION_SLICE_US = 500     # time one command gives to eviction at the default tenacity

cdef uint64_t last_ticks = 0    # when the last command ended


cdef bint dispatch(Runtime *runtime, Session *session, Request *request) noexcept nogil:
    """Run a request, or refuse it. False where the session must not run further ones now."""
    cdef Context c
    cdef size_t reply_start
    fill_context(&c, runtime, session, request)
    reply_start = c.reply.out.length
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


cdef inline void finish(Context *c) noexcept nogil:
    """Nothing runs; what the command pushed to its own session follows its reply."""
    cdef Runtime *runtime = c.runtime
    runtime.running = NULL
    if unlikely(runtime.own_pushes.length != 0):
        buffer_append(c.reply.out, runtime.own_pushes.data, runtime.own_pushes.length)
        runtime.own_pushes.length = 0


cdef inline void fill_context(Context *c, Runtime *runtime, Session *session, Request *request) noexcept nogil:
    c.runtime = runtime
    c.keyspace = &runtime.keyspace
    c.session = session
    c.database = session.database
    c.command = request.command
    c.argv = request.argv
    c.argc = request.argc
    c.reply.out = &runtime.arena
    c.reply.version = session.resp
    c.reply.errors = 0
    c.key_hash = request.key_hash
    c.hashed = 0
    if request.command != NULL and request.argc > request.command.first_key:
        c.hashed = request.command.first_key
    c.raw = request.raw
    c.raw_length = request.raw_length
    c.propagated = False
    c.block = False
    c.attempt = FIRST_ATTEMPT


# -- commands that wait -------------------------------------------------------------------------------------------

cdef void fill_again(Context *c, Runtime *runtime, Session *session, Command *command, Slice *argv, int argc,
                     Buffer *out) noexcept nogil:
    cdef Request request
    request.command, request.argv, request.argc = command, argv, argc
    request.raw, request.raw_length, request.key_hash = NULL, 0, 0
    fill_context(c, runtime, session, &request)
    c.hashed = 0
    c.reply.out = out
    c.attempt = FURTHER_ATTEMPT
    dispatch_begin()


cdef bint dispatch_again(Runtime *runtime, Session *session, Command *command, Slice *argv, int argc,
                         Buffer *out) noexcept nogil:
    """Try a command again that its session waits in; the reply goes to `out`. False where it must wait on."""
    cdef Context c
    fill_again(&c, runtime, session, command, argv, argc, out)
    runtime.running = &c
    if runtime.alerts == 0 or pass_alerts(&c):
        call(&c, 0)
    elif c.reply.errors:
        count_error(&c, 0)
    if session.flags & (SESSION_REPLY_OFF | SESSION_REPLY_SKIP) and not c.block:
        suppress_reply(&c, 0)
    finish(&c)
    return not c.block


cdef void dispatch_timeout(Runtime *runtime, Session *session, Command *command, Slice *argv, int argc, bint with_error,
                           Buffer *out) noexcept nogil:
    """The reply of a command that waited in vain, or whose wait somebody ended with an error."""
    cdef Context c
    fill_again(&c, runtime, session, command, argv, argc, out)
    if with_error:
        error(&c, b"UNBLOCKED client unblocked via CLIENT UNBLOCK")
        count_error(&c, 0)
        command.rejected += 1
        c.reply.errors = 0              # rejected, which is not failed
    elif (<Wait *> session.waiting).by_position:
        c.attempt = LAST_ATTEMPT
        command.body(&c)
    else:
        reply_null_array(&c.reply)
    account(&c, clock_ticks(), 0)
    if session.flags & (SESSION_REPLY_OFF | SESSION_REPLY_SKIP):
        suppress_reply(&c, 0)


# -- the call -----------------------------------------------------------------------------------------------------

cdef inline void run_body(Context *c) noexcept nogil:
    """Run the command's body. Its effects are one unit, to which the command itself belongs if it changed anything."""
    cdef uint64_t dirty = c.keyspace.dirty
    effects_open_unit(c.runtime)
    c.command.body(c)
    if c.keyspace.dirty > dirty and not c.propagated:     # less: the dataset was replaced
        propagate_as_came(c)
    effects_close_unit(c.runtime)
    if c.runtime.unit_count:
        c.session.write_position = effects_position(c.runtime)


cdef inline void call(Context *c, size_t reply_start) noexcept nogil:
    cdef uint64_t start = last_ticks
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
    global last_ticks
    cdef Runtime *runtime = c.runtime
    cdef Command *command = c.command
    cdef uint64_t now = clock_ticks()
    cdef uint64_t spent = now - start
    last_ticks = now
    command.calls += 1
    command.ticks += spent
    c.session.commands += 1
    c.session.last_command = command
    runtime.statistics.commands += 1
    if runtime.latency_tracking:
        latency_record(command, <uint64_t> (spent * runtime.ns_per_tick))
    if unlikely(c.reply.errors != 0):
        command.failed += 1
        count_error(c, reply_start)
    if unlikely((runtime.slow_ticks >= 0 and <int64_t> spent >= runtime.slow_ticks)
                or (runtime.large_reply >= 0 and <int64_t> (c.reply.out.length - reply_start) > runtime.large_reply)
                or (runtime.large_request >= 0
                    and (c.raw == NULL or <int64_t> c.raw_length > runtime.large_request))):
        runtime.on_commandlog(c, <int64_t> (spent / runtime.ticks_per_us), c.reply.out.length - reply_start)
    if unlikely(<int64_t> spent >= runtime.spike_ticks):
        runtime.on_spike(runtime, b"fast-command" if command.flags & COMMAND_FAST else b"command",
                         <int64_t> (spent / runtime.ticks_per_us))
    tell_monitors(c)
    if unlikely(memory_used() > runtime.peak_memory):
        runtime.peak_memory = memory_used()


cdef void refresh_clock(Runtime *runtime) noexcept nogil:
    """What commands see as now, from here on."""
    runtime.now_us = clock_unix_us()
    runtime.keyspace.now_ms = runtime.now_us // 1000
    runtime.keyspace.lru_clock = <uint32_t> (runtime.keyspace.now_ms // 1000) & 0xffffff


cdef void dispatch_begin() noexcept nogil:
    """The next command's time begins now."""
    global last_ticks
    last_ticks = clock_ticks()


cdef void count_error(Context *c, size_t reply_start) noexcept nogil:
    """Count an error reply under its code: the word after the dash."""
    cdef Runtime *runtime = c.runtime
    cdef const char *text = c.reply.out.data + reply_start + 1
    cdef size_t left = c.reply.out.length - reply_start - 1
    cdef size_t length = 0
    cdef int i
    cdef ErrorKind *kind
    runtime.statistics.errors += 1
    if c.reply.out.data[reply_start] != c'-':
        return
    while length < left and length < 31 and text[length] != c' ' and text[length] != c'\r':
        length += 1
    for i in range(runtime.error_kind_count):
        kind = runtime.error_kinds + i
        if strlen(kind.code) == length and memcmp(kind.code, text, length) == 0:
            kind.count += 1
            return
    if runtime.error_kind_count < ERROR_KINDS:
        kind = runtime.error_kinds + runtime.error_kind_count
        runtime.error_kind_count += 1
        memcpy(kind.code, text, length)
        kind.code[length] = 0
        kind.count = 1


cdef void suppress_reply(Context *c, size_t reply_start) noexcept nogil:
    """CLIENT REPLY: take back what was just written, unless it confirms a subscription: messages come all the same."""
    cdef Session *session = c.session
    cdef bint confirms = c.command != NULL and c.command.flags & COMMAND_PUBSUB and c.command.flags & COMMAND_SUBSCRIBED
    if session.flags & (SESSION_REPLY_OFF | SESSION_REPLY_SKIP) and not confirms:
        c.reply.out.length = reply_start
    session.flags &= ~<uint64_t> SESSION_REPLY_SKIP
    if session.flags & SESSION_REPLY_SKIP_NEXT:
        session.flags = (session.flags & ~<uint64_t> SESSION_REPLY_SKIP_NEXT) | SESSION_REPLY_SKIP


cdef void run_nested(Context *outer, Command *command, Slice *argv, int argc) noexcept nogil:
    """Run a command inside another one (EXEC): its reply follows, its effects join the outer one's unit."""
    cdef Context c
    cdef Request request
    cdef size_t reply_start
    cdef uint64_t start
    request.command, request.argv, request.argc = command, argv, argc
    request.raw, request.raw_length, request.key_hash = NULL, 0, 0
    fill_context(&c, outer.runtime, outer.session, &request)
    c.reply.version = outer.session.resp
    c.hashed = 0
    reply_start = c.reply.out.length
    start = clock_ticks()
    c.runtime.running = &c
    run_body(&c)
    c.runtime.running = outer
    account(&c, start, reply_start)
    outer.runtime.redacted = 0


# -- the gates ----------------------------------------------------------------------------------------------------

cdef bint pass_gates(Context *c) noexcept nogil:
    """Whether the command may be called now; where not, the client was told, or waits."""
    cdef Session *session = c.session
    session.last_command = NULL
    if not find_subcommand(c):
        return False
    session.last_command = c.command
    if not check_arity(c) or not check_protected(c):
        return False
    if not session.authenticated and not c.command.flags & COMMAND_NO_AUTH:
        return reject(c, b"NOAUTH Authentication required.")
    if session.flags & SESSION_MULTI and c.command.flags & COMMAND_NO_MULTI:
        return reject(c, b"ERR Command not allowed inside a transaction")
    if session.flags & SESSION_LOCAL:
        return True
    if c.runtime.alerts and not pass_alerts(c):
        return False
    if session.flags & SESSION_SUBSCRIBED and session.resp == 2 and not c.command.flags & COMMAND_SUBSCRIBED:
        return reject_subscribed(c)
    if session.flags & SESSION_MULTI and not c.command.flags & COMMAND_UNQUEUED:
        transaction_queue(session, c.command, c.argv, c.argc)
        reply_status(&c.reply, b"QUEUED", 6)
        return False
    return True


cdef bint pass_alerts(Context *c) noexcept nogil:
    cdef Runtime *runtime = c.runtime
    cdef uint64_t flags = c.command.flags
    if is_exec(c.command) and c.session.flags & SESSION_MULTI:
        flags |= (<Transaction *> c.session.transaction).flags      # it is as dangerous as what it runs
    if runtime.alerts & ALERT_CLIENT_LIMIT:
        footprint_note(c.session)
        evict_clients(runtime)
        if c.session.flags & SESSION_DOOMED:
            return False
    if runtime.alerts & ALERT_MAXMEMORY and runtime.alerts & ALERT_LOADING == 0:
        if not evict_until_fits(runtime) and flags & COMMAND_DENYOOM:
            return reject(c, b"OOM command not allowed when used memory > 'maxmemory'.")
    if runtime.alerts & ALERT_WRITE_ERROR and (flags & COMMAND_WRITE or is_ping(c.command)):
        return reject_write_error(c)
    if runtime.alerts & ALERT_FEW_REPLICAS and flags & COMMAND_WRITE:
        return reject(c, b"NOREPLICAS Not enough good replicas to write.")
    if runtime.alerts & ALERT_LOADING and not flags & COMMAND_LOADING:
        return reject(c, b"LOADING Valkey is loading the dataset in memory")
    if runtime.alerts & ALERT_PAUSED_ALL or (
            runtime.alerts & ALERT_PAUSED_WRITES and flags & (COMMAND_WRITE | COMMAND_MAY_REPLICATE)):
        postpone(c)
        return False
    return True


cdef bint reject_write_error(Context *c) noexcept nogil:
    cdef char text[200]
    snprintf(text, sizeof(text), "MISCONF Errors writing to the AOF file: %s", c.runtime.write_error)
    return reject(c, text)


cdef bint reject(Context *c, const char *text) noexcept nogil:
    """Refuse the command; a transaction that it was meant for is lost. EXEC says so even where there is none."""
    cdef char whole[600]
    c.command.rejected += 1
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
            or (allowed == 2 and c.session.flags & (SESSION_UNIX | SESSION_LOOPBACK | SESSION_LOCAL))):
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
    if not c.session.flags & SESSION_LOCAL and (slice_is(c.argv[0], b"post", 4) or slice_is(c.argv[0], b"host:", 5)):
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


# -- memory -------------------------------------------------------------------------------------------------------

cdef inline bint fits(const Runtime *runtime) noexcept nogil:
    """Whether memory is within maxmemory. No key is evicted for what is gone soon: replies in the arena, and the arena
    itself where they made it large, and clients that are closed when the turn ends."""
    cdef size_t replies = runtime.arena.capacity if runtime.arena.capacity > ARENA_SMALL else runtime.arena.length
    return memory_used() <= runtime.maxmemory + runtime.uncounted_memory + replies + runtime.doomed_bytes


cdef inline int64_t eviction_limit_us(const Runtime *runtime) noexcept nogil:
    """Time that one command may spend evicting, by maxmemory-eviction-tenacity: 0.5 ms at 10, unlimited at 100."""
    cdef int _i
    cdef double limit = EVICTION_SLICE_US
    if runtime.eviction_tenacity <= 10:
        return EVICTION_SLICE_US // 10 * runtime.eviction_tenacity
    if runtime.eviction_tenacity >= 100:
        return 1 << 60
    for _i in range(runtime.eviction_tenacity - 10):
        limit *= 1.15
    return <int64_t> limit


cdef bint evict_until_fits(Runtime *runtime) noexcept nogil:
    """Evict keys until used memory is within maxmemory, for a limited time (the cron goes on). False where memory
    is over the limit and nothing can be evicted."""
    cdef int64_t start, limit
    cdef int rounds = 0
    cdef bint evicted = True
    if runtime.maxmemory == 0 or fits(runtime):
        runtime.evicting = False
        if unlikely(runtime.statistics.over_limit_since_us != 0):
            note_limit(runtime)
        return True
    if runtime.keyspace.policy == POLICY_NOEVICTION or runtime.keyspace.import_mode:
        note_limit(runtime)
        return False
    if runtime.alerts & (ALERT_PAUSED_ALL | ALERT_PAUSED_WRITES):
        return True
    start = clock_us()
    limit = eviction_limit_us(runtime)
    while not fits(runtime):
        if not evict_and_watch(runtime):
            evicted = fits(runtime)
            break
        rounds += 1
        if rounds & 15 == 0 and clock_us() - start > limit:
            runtime.evicting = True
            break
    note_limit(runtime)
    tell_spike(runtime, b"eviction-cycle", clock_us() - start)
    return evicted


cdef void note_limit(Runtime *runtime) noexcept nogil:
    """Begin or end the time over maxmemory. It is over where eviction did not help, and within it again as soon as keys
    are deleted, or the limit is raised or taken away."""
    cdef bint over = runtime.maxmemory != 0 and not fits(runtime)
    if over and runtime.statistics.over_limit_since_us == 0:
        runtime.statistics.over_limit_since_us = clock_us()
    elif not over and runtime.statistics.over_limit_since_us:
        runtime.statistics.over_limit_us += clock_us() - runtime.statistics.over_limit_since_us
        runtime.statistics.over_limit_since_us = 0


cdef inline bint evict_and_watch(Runtime *runtime) noexcept nogil:
    """Evict a key; while the latency monitor is on, see how long that took."""
    cdef int64_t start
    cdef bint evicted
    if runtime.spike_ticks == INT64_MAX:
        return evict_one(&runtime.keyspace, &runtime.pool, runtime.maxmemory_samples)
    start = clock_us()
    evicted = evict_one(&runtime.keyspace, &runtime.pool, runtime.maxmemory_samples)
    tell_spike(runtime, b"eviction-del", clock_us() - start)
    return evicted


cdef void tell_spike(Runtime *runtime, const char *event, int64_t us) noexcept nogil:
    """Something took so long: have the latency monitor know, if it is on and this is a spike."""
    if runtime.spike_ticks != INT64_MAX and us * runtime.ticks_per_us >= runtime.spike_ticks:
        runtime.on_spike(runtime, event, us)


cdef void evict_clients(Runtime *runtime) noexcept nogil:
    """Close the largest clients until what all take is within maxmemory-clients."""
    cdef Session *session
    while footprint_over_limit(runtime):
        session = footprint_largest(runtime)
        if session == NULL:
            return
        runtime.on_closing(session, CLOSING_EVICTED)
        runtime.statistics.evicted_clients += 1
        session_doom(session)
