"""The engine's face to Python: the dataset, the sessions, and turns of the loop.

    engine = Engine(owner, databases=16)
    engine.configure(maxmemory=100 << 20)
    engine.attach(sock.detach(), peer="127.0.0.1:5000", local="127.0.0.1:6379")
    while True:
        for fd in engine.turns(timeout_ms):     # waits, serves ready sessions; descriptors of Python's that are ready
            handlers[fd]()
        aof.write(engine.effects())             # then the replies may leave
        engine.effects_taken()
        engine.send()

The order is a promise: no reply leaves before its effects are with the AOF. Where a turn leaves nothing for Python to do,
turns() sends the replies itself and goes on with the next one. The engine itself opens nothing, forks
nothing, and reads no clock but to stamp a batch; who embeds it without sockets uses a local session (`execute`).
"""
from cpython.buffer cimport PyBUF_READ
from cpython.memoryview cimport PyMemoryView_FromMemory
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memset

from kv._core.base.blob cimport Blob, blob_copy
from kv._core.base.buffer cimport buffer_free
from kv._core.base.clock cimport clock_ticks, clock_ticks_per_us, clock_unix_us
from kv._core.base.memory cimport memory_free, memory_used
from kv._core.base.platform cimport likely, unlikely
from kv._core.base.slice cimport Slice
from kv._core.engine.dispatch cimport evict_clients, refresh_clock, run_nested
from kv._core.engine.poller cimport EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, Poller
from kv._core.engine.serve cimport serve_pending, serve_readable
from kv._core.engine.settings cimport alert_set, hiding_update, setting_put, settings_default
from kv._core.engine.waiting cimport end_overdue, end_wait, serve_positions, serve_ready
from kv._core.keyspace.keyspace cimport (
    EVENT_BESIDE, REMOVED_EXPIRED, Database, Keyspace, keyspace_free, keyspace_init)
from kv._core.containers.hashtable cimport hashtable_clear
from kv._core.runtime.blocking cimport mark_ready, next_deadline_ms, wait_end
from kv._core.runtime.effects cimport (
    effects_begin, effects_position, effects_slice, effects_split, effects_take, effects_wanted, effects_word)
from kv._core.runtime.footprint cimport footprint_note
from kv._core.runtime.lazyfree cimport lazyfree_entry
from kv._core.runtime.session cimport (
    session_doom, session_free, session_new, session_of_id, session_push, session_resume, session_send)
from kv._core.runtime.state cimport (
    ALERT_LOADING, ALERT_PAUSED_ALL, ALERT_PAUSED_WRITES, ALERT_WRITE_ERROR,
    ARENA_KEEP, COMMAND_SKIP_COMMANDLOG, CLASS_NORMAL, CLASS_PUBSUB, CLASS_REPLICA, CLOSING_BROWSER,
    CLOSING_EVICTED, CLOSING_INPUT, CLOSING_OUTPUT, SESSION_BLOCKED,
    SESSION_CLOSE_AFTER_REPLY, SESSION_DOOMED, SESSION_LOOPBACK, SESSION_PENDING_INPUT,
    SESSION_POSTPONED, SESSION_READY, SESSION_UNIX, SESSION_WANTS_WRITE, Closing, Context, Runtime, Session)
from kv._core.runtime.pubsub cimport publish_event, unsubscribe_all
from kv._core.runtime.observed cimport ObservedKey, observed_find
from kv._core.runtime.transaction cimport touch_watched

import os

import kv._core.commands
import kv._core.runtime.call
from kv._core.runtime.registry import declare_package

declare_package(kv._core.commands)

cdef extern from "<unistd.h>" nogil:
    int c_close "close"(int fd)

CLASSES = {"normal": CLASS_NORMAL, "replica": CLASS_REPLICA, "pubsub": CLASS_PUBSUB}


cdef class Engine:
    """The dataset and its sessions. One a process: the compiled core keeps its buffers and counters in module state."""

    def __cinit__(self, owner, int databases=16, object seed=None):
        cdef Runtime *runtime = &self.runtime
        memset(runtime, 0, sizeof(Runtime))
        if seed is None:
            seed = int.from_bytes(os.urandom(8), "little")
        keyspace_init(&runtime.keyspace, databases, seed)
        runtime.keyspace.owner = runtime
        runtime.keyspace.on_change = on_change
        runtime.keyspace.on_removal = on_removal
        runtime.keyspace.on_miss = on_miss
        runtime.keyspace.dispose = lazyfree_entry
        runtime.arena_keep = ARENA_KEEP
        runtime.effects_database = -1
        runtime.ticks_per_us = clock_ticks_per_us()
        runtime.ns_per_tick = 1000 / runtime.ticks_per_us
        runtime.face = <void *> self
        runtime.on_protocol_error = on_protocol_error
        runtime.on_commandlog = on_commandlog
        runtime.on_monitor = on_monitor
        runtime.on_closing = on_closing
        runtime.on_spike = on_spike
        runtime.run_nested = run_nested
        runtime.on_ready = serve_ready
        self.owner = owner
        self.poller = Poller()
        settings_default(runtime, &self.cron)
        refresh_clock(&self.runtime)

    def __dealloc__(self):
        while self.runtime.sessions != NULL:
            self.close_session(self.runtime.sessions)
        keyspace_free(&self.runtime.keyspace)
        if self.runtime.sessions_by_id.kind != NULL:
            hashtable_clear(&self.runtime.sessions_by_id)
        buffer_free(&self.runtime.arena)
        buffer_free(&self.runtime.effects)
        memory_free(self.runtime.deadlines)

    # -- turns --------------------------------------------------------------------------------------------------------

    def turns(self, int timeout_ms):
        """Turns, each but the last with its send(), until Python is needed: one of its descriptors is ready, effects wait to
        be taken, a command written in Python ran, or so many ms are over. Returns as turn() does."""
        cdef uint64_t start = clock_ticks()
        cdef int64_t left = timeout_ms
        self.runtime.python_ran = False
        while True:
            others = self.turn(<int> left)
            if others or self.runtime.effects.length or self.runtime.python_ran:
                return others
            if timeout_ms >= 0:
                left = timeout_ms - <int64_t> ((self.turn_ticks - start) / (self.runtime.ticks_per_us * 1000))
                if left <= 0:
                    return others
            self.send()

    def turn(self, int timeout_ms):
        """Wait for something to be ready (-1: for ever), run what ready sessions sent, and return the descriptors of
        poller.watch() that are ready. Replies stay until send()."""
        cdef int i
        cdef list others = None
        cdef uint64_t data
        if self.runtime.doomed != NULL or self.runtime.ready != NULL or self.runtime.pending != NULL:
            timeout_ms = 0
        self.poller.wait(self.shortened(timeout_ms))
        self.turn_ticks = clock_ticks()
        self.turn_commands = self.runtime.statistics.commands
        refresh_clock(&self.runtime)
        self.runtime.statistics.turns += 1
        if unlikely(self.runtime.deadline_count):
            end_overdue(&self.runtime)
        if unlikely(self.runtime.ready_keys != NULL):
            serve_ready(&self.runtime)
        if unlikely(self.runtime.pending != NULL):
            self.serve_resumed()
        for i in range(self.poller.ready):
            data = self.poller.events[i].data.u64
            if likely(data & 1 == 0):
                serve_event(&self.runtime, <Session *> data, self.poller.events[i].events)
            elif others is None:
                others = [data >> 1]
            else:
                others.append(data >> 1)
        return others if others is not None else ()

    cdef int shortened(self, int timeout_ms) noexcept nogil:
        """A timeout no longer than until the next wait of a blocked session ends."""
        cdef int64_t left = next_deadline_ms(&self.runtime)
        if left == 0 or timeout_ms == 0:
            return timeout_ms
        left -= clock_unix_us() // 1000 - 1     # it ends when its last millisecond is over
        left = left if left > 0 else 0
        return <int> left if timeout_ms < 0 or left < timeout_ms else timeout_ms

    @property
    def effects_pending(self):
        """Bytes of effects that were not taken yet."""
        return self.runtime.effects.length

    def effects(self):
        """The effects that were not taken yet, as a view of bytes of whole units; good until effects_taken()."""
        effects_split(&self.runtime)
        if self.runtime.effects.length == 0:
            return memoryview(b"")
        self.effects_ticks = clock_ticks()
        return PyMemoryView_FromMemory(self.runtime.effects.data, self.runtime.effects.length, PyBUF_READ)

    def effects_taken(self):
        """They are with the AOF: forget them."""
        if self.effects_ticks:
            self.runtime.statistics.aof_ticks += clock_ticks() - self.effects_ticks
            self.effects_ticks = 0
        effects_take(&self.runtime)

    @property
    def position(self):
        """Bytes ever propagated: where the log of effects ends. It only grows."""
        return effects_position(&self.runtime)

    def effects_restart(self):
        """The next effect is preceded by its SELECT: a new AOF file begins."""
        self.runtime.effects_database = -1

    def send(self):
        """Send this turn's replies and close the sessions that are to be closed."""
        cdef Runtime *runtime = &self.runtime
        cdef Session *session = runtime.ready
        cdef Session *following
        cdef int outcome
        runtime.ready = NULL
        while session != NULL:
            following = session.next_ready
            session.flags &= ~<uint64_t> SESSION_READY
            if not session.flags & SESSION_DOOMED:
                runtime.statistics.writes += 1
                outcome = session_send(session)
                self.after_send(session, outcome)
            session = following
        if runtime.arena.length > runtime.arena_peak:
            runtime.arena_peak = runtime.arena.length
        runtime.arena.length = 0
        if unlikely(runtime.arena.capacity > runtime.arena_keep):
            buffer_free(&runtime.arena)
        if unlikely(runtime.client_limit):
            evict_clients(runtime)
        while runtime.doomed != NULL:
            session = runtime.doomed
            runtime.doomed = session.next_doomed
            self.close_session(session)
        runtime.doomed_bytes = 0
        self.note_turn()

    cdef void note_turn(self) noexcept nogil:
        """The turn ends: how long it took, and how many commands it ran."""
        cdef Runtime *runtime = &self.runtime
        cdef uint64_t spent = clock_ticks() - self.turn_ticks
        cdef uint64_t commands = runtime.statistics.commands - self.turn_commands
        runtime.statistics.loop_ticks += spent
        if spent > runtime.statistics.loop_ticks_most:
            runtime.statistics.loop_ticks_most = spent
        if runtime.statistics.commands > self.turn_commands and commands > runtime.statistics.turn_commands_most:
            runtime.statistics.turn_commands_most = commands

    cdef void after_send(self, Session *session, int outcome) noexcept nogil:
        if unlikely(outcome < 0 or (outcome == 1 and session.flags & SESSION_CLOSE_AFTER_REPLY)):
            session_doom(session)
        elif unlikely(outcome == 0 or session.flags & SESSION_WANTS_WRITE):
            if self.poller.change_session(session, outcome == 0) != 0:
                session_doom(session)       # nobody would tell when it can take the rest
        if unlikely(self.runtime.client_limit):
            footprint_note(session)

    # -- configuration ------------------------------------------------------------------------------------------------

    def configure(self, **settings):
        """Set what the core itself must know, by keyword: the names are in settings.SETTINGS, values are as the options have
        them. Raises KeyError for another name."""
        for name, value in settings.items():
            setting_put(&self.runtime, &self.cron, name, value)

    def set_output_limit(self, str client_class, uint64_t hard, uint64_t soft, int64_t soft_seconds):
        """client-output-buffer-limit of normal, replica or pubsub clients; 0 for no limit."""
        cdef int index = CLASSES[client_class]
        self.runtime.output_limits[index].hard = hard
        self.runtime.output_limits[index].soft = soft
        self.runtime.output_limits[index].soft_seconds = soft_seconds

    @property
    def propagating(self):
        """Whether effects are gathered: somebody (the AOF, replicas) will take them."""
        return self.runtime.propagate

    @propagating.setter
    def propagating(self, bint wanted):
        self.runtime.propagate = wanted

    @property
    def loading(self):
        """Whether the dataset is being read: commands but those with the flag `loading` are refused, nothing
        expires."""
        return self.runtime.alerts & ALERT_LOADING != 0

    @loading.setter
    def loading(self, bint on):
        alert_set(&self.runtime, ALERT_LOADING, on)
        self.runtime.replaying = on
        self.runtime.keyspace.expiry_paused = on

    def set_write_error(self, str reason):
        """Refuse writes with MISCONF and this reason, or accept them again (None)."""
        cdef bytes text = (reason or "").encode()[:127]
        memset(self.runtime.write_error, 0, sizeof(self.runtime.write_error))
        for i in range(len(text)):
            self.runtime.write_error[i] = text[i]
        alert_set(&self.runtime, ALERT_WRITE_ERROR, reason is not None)

    def set_aof_synced(self, bint on, int64_t position):
        """Whether there is an AOF, and up to which position of the effects it is on disk (-1: nothing of it is). Who waits
        for that (WAITAOF) is tried again, unless a command runs: then by the next call."""
        self.runtime.aof_on, self.runtime.aof_synced = on, position
        if self.runtime.position_waits != NULL and self.runtime.running == NULL:
            serve_positions(&self.runtime)

    def set_uncounted_memory(self, uint64_t size):
        """Bytes (of AOF and replication buffers) that do not count against maxmemory."""
        self.runtime.uncounted_memory = size

    def set_touch_paused(self, bint paused):
        """While a forked child lives: leave the access clock alone and do not resize tables, so that pages stay
        shared."""
        cdef int i
        self.runtime.keyspace.touch_paused = paused
        for i in range(self.runtime.keyspace.count):
            self.runtime.keyspace.databases[i].keys.avoid_resize = paused

    @property
    def now_ms(self):
        """Unix time of the batch, in ms."""
        return self.runtime.keyspace.now_ms

    @property
    def in_transaction(self):
        """Whether EXEC runs its queue: what starts a child, or replaces the dataset, waits until it is done."""
        return self.runtime.in_transaction

    @property
    def session_count(self):
        return self.runtime.session_count

    @property
    def used_memory(self):
        """Bytes of live blocks."""
        return memory_used()

    @property
    def dirty(self):
        """Changes since it was last set."""
        return self.runtime.keyspace.dirty

    @dirty.setter
    def dirty(self, uint64_t value):
        self.runtime.keyspace.dirty = value

    # -- pausing ------------------------------------------------------------------------------------------------------

    def pause(self, bint writes_only, int64_t until_ms):
        """CLIENT PAUSE: hold back all commands, or those that write, until a unix time in ms. While a pause is on
        nothing expires and nothing is evicted."""
        cdef Runtime *runtime = &self.runtime
        alert_set(&self.runtime, ALERT_PAUSED_WRITES, True)
        if not writes_only:
            alert_set(&self.runtime, ALERT_PAUSED_ALL, True)
        if until_ms > <int64_t> runtime.pause_end_ms:
            runtime.pause_end_ms = until_ms
        hiding_update(&self.runtime)

    def unpause(self):
        """End the pause and run what was held back."""
        cdef Runtime *runtime = &self.runtime
        cdef Session *session
        cdef Session *left = runtime.postponed
        alert_set(&self.runtime, ALERT_PAUSED_WRITES | ALERT_PAUSED_ALL, False)
        runtime.pause_end_ms = 0
        hiding_update(&self.runtime)
        runtime.postponed = NULL
        while left != NULL:
            session = left
            left = session.next_postponed
            session.flags &= ~<uint64_t> (SESSION_BLOCKED | SESSION_POSTPONED)
            runtime.blocked_count -= 1
            session_resume(session)
        serve_ready(runtime)
        serve_positions(runtime)

    cdef void serve_resumed(self) noexcept nogil:
        """Run the input of those who no longer wait. The list is this function's own meanwhile, and one that ends on the way
        leaves it by its link."""
        cdef Session *session
        cdef Session *left = self.runtime.pending
        self.runtime.pending = NULL
        if left != NULL:
            left.pending_link = &left
        while left != NULL:
            session = left
            left = session.next_pending
            if left != NULL:
                left.pending_link = &left
            session.flags &= ~<uint64_t> SESSION_PENDING_INPUT
            serve_pending(&self.runtime, session)
            if unlikely(self.runtime.client_limit):
                footprint_note(session)

    def unblock(self, uint64_t id, bint with_error):
        """CLIENT UNBLOCK: end the wait of a session that is blocked in a command; whether there was one. A session that
        CLIENT PAUSE holds back is not blocked in a command."""
        cdef Session *session = session_of_id(&self.runtime, id)
        if session == NULL or session.waiting == NULL:
            return 0
        end_wait(session, with_error)
        return 1

    @property
    def pause_state(self):
        """(what is paused: "none", "write" or "all"; ms left)."""
        cdef uint32_t alerts = self.runtime.alerts
        if not alerts & ALERT_PAUSED_WRITES:
            return "none", 0
        left = max(0, <int64_t> self.runtime.pause_end_ms - self.runtime.keyspace.now_ms)
        return ("all" if alerts & ALERT_PAUSED_ALL else "write"), left

    # -- sessions -----------------------------------------------------------------------------------------------------

    def attach(self, int fd, str peer not None, str local not None, bint unix=False, bint loopback=False):
        """Take over a connected, non-blocking socket; the id of its session. Raises OSError where it can't be watched; it is
        closed then."""
        cdef Session *session = session_new(&self.runtime, fd)
        session.flags |= (SESSION_UNIX if unix else 0) | (SESSION_LOOPBACK if loopback else 0)
        session.peer = text_blob(peer)
        session.local = text_blob(local)
        try:
            self.poller.watch_session(session, False)
        except OSError:
            self.close_session(session)
            raise
        self.runtime.statistics.connections += 1
        return session.id

    cdef void close_session(self, Session *session) noexcept:
        if session.waiting != NULL:
            wait_end(session)
        if session.flags & SESSION_BLOCKED:
            self.runtime.blocked_count -= 1
        unsubscribe_all(session)
        if session.fd >= 0:
            self.poller.forget(session.fd)  # closing is not enough: a child just forked may still have the socket open
            c_close(session.fd)
        session_free(session)


cdef Blob *text_blob(str text) except NULL:
    cdef bytes raw = text.encode("utf-8", "surrogateescape")
    return blob_copy(raw, len(raw))


cdef inline void serve_event(Runtime *runtime, Session *session, uint32_t events) noexcept nogil:
    if unlikely(events & EPOLLOUT):
        session_wake_writer(session)
    if likely(events & (EPOLLIN | EPOLLERR | EPOLLHUP)):
        runtime.statistics.reads += 1
        serve_readable(runtime, session)


cdef void session_wake_writer(Session *session) noexcept nogil:
    """Its socket can take more: have send() see to it."""
    if not session.flags & SESSION_READY:
        session.flags |= SESSION_READY
        session.next_ready = session.runtime.ready
        session.runtime.ready = session


# -- what the keyspace and the dispatcher call back ---------------------------------------------------------------

cdef void on_change(Keyspace *keyspace, Database *database, Slice key, int event_class,
                    const char *event) noexcept nogil:
    """Somebody observes keys, and this one was changed."""
    cdef Runtime *runtime = <Runtime *> keyspace.owner
    cdef ObservedKey *observed = observed_find(runtime, database.id, key)
    if observed != NULL:
        if not event_class & EVENT_BESIDE:
            touch_watched(runtime, database, observed)
        mark_ready(runtime, observed)
    if event != NULL and event_class & keyspace.event_classes:
        publish_event(runtime, database, key, event)


cdef void on_miss(Keyspace *keyspace, Database *database, Slice key) noexcept nogil:
    publish_event(<Runtime *> keyspace.owner, database, key, b"keymiss")


cdef void on_removal(Keyspace *keyspace, Database *database, Slice key, int cause) noexcept nogil:
    """A key went because its time had come, or for room: the AOF and replicas are told to delete it."""
    cdef Runtime *runtime = <Runtime *> keyspace.owner
    cdef bint lazy = keyspace.lazy_expire if cause == REMOVED_EXPIRED else keyspace.lazy_evict
    if not effects_wanted(runtime):
        return
    effects_begin(runtime, database.id, 2)
    if lazy:
        effects_word(runtime, b"UNLINK", 6)
    else:
        effects_word(runtime, b"DEL", 3)
    effects_slice(runtime, key)


cdef void on_protocol_error(Session *session, Slice input) noexcept nogil:
    with gil:
        tell_protocol_error(session, input)


cdef void tell_protocol_error(Session *session, Slice input) noexcept:
    engine = <Engine> session.runtime.face
    if engine.on_protocol_error is not None and input.length:
        engine.on_protocol_error(session.id, session.parser.error[:session.parser.error_length].decode("latin-1"),
                                 PyMemoryView_FromMemory(<char *> input.data, input.length, PyBUF_READ))


cdef void on_commandlog(Context *c, int64_t duration_us, uint64_t reply_bytes) noexcept nogil:
    """The command was slow, or its request or reply large: Python keeps the log."""
    cdef Runtime *runtime = c.runtime
    cdef uint64_t request_bytes = c.raw_length
    cdef int i
    if c.command.flags & COMMAND_SKIP_COMMANDLOG:
        return
    if c.raw == NULL:
        request_bytes = 0
        for i in range(c.argc):
            request_bytes += c.argv[i].length + 15
        if (not (runtime.slow_ticks >= 0 and duration_us * runtime.ticks_per_us >= runtime.slow_ticks)
                and not (runtime.large_reply >= 0 and <int64_t> reply_bytes > runtime.large_reply)
                and <int64_t> request_bytes <= runtime.large_request):
            return
    with gil:
        tell_commandlog(c, duration_us, request_bytes, reply_bytes)


cdef void tell_commandlog(Context *c, int64_t duration_us, uint64_t request_bytes, uint64_t reply_bytes) noexcept:
    cdef int i
    engine = <Engine> c.runtime.face
    if engine.on_commandlog is None:
        return
    words = [shown_word(c, i)[:256] for i in range(min(c.argc, 64))]
    lengths = [len(shown_word(c, i)) for i in range(min(c.argc, 64))]
    engine.on_commandlog(words, lengths, c.argc, c.session.id, duration_us, request_bytes, reply_bytes)


cdef void on_spike(Runtime *runtime, const char *event, int64_t us) noexcept nogil:
    with gil:
        tell_latency_monitor(<Engine> runtime.face, event, us)


cdef void tell_latency_monitor(Engine engine, const char *event, int64_t us) noexcept:
    if engine.on_latency is not None:
        engine.on_latency(event.decode(), us // 1000)


cdef void on_closing(Session *session, Closing why) noexcept nogil:
    with gil:
        tell_closing(session, why)


cdef void tell_closing(Session *session, Closing why) noexcept:
    engine = <Engine> session.runtime.face
    if engine.on_closing is not None:
        engine.on_closing(session.id, CLOSINGS[why])


CLOSINGS = {CLOSING_EVICTED: "evicted", CLOSING_INPUT: "input", CLOSING_OUTPUT: "output", CLOSING_BROWSER: "browser"}


cdef void on_monitor(Context *c) noexcept nogil:
    with gil:
        feed_monitors(c)


cdef void feed_monitors(Context *c) noexcept:
    """A line of MONITOR to every session that asked for them."""
    cdef Session *session = c.runtime.monitors
    cdef bytes line
    seconds, us = divmod(c.runtime.now_us, 1000000)
    words = " ".join([quoted(shown_word(c, i)) for i in range(c.argc)])
    peer = "lua" if c.session.peer == NULL else c.session.peer.data[:c.session.peer.length].decode()
    if c.session.flags & SESSION_UNIX:
        peer = "unix:" + c.session.local.data[:c.session.local.length].decode().removesuffix(":0")
    line = f"+{seconds}.{us:06d} [{c.session.database.id} {peer}] {words}\r\n".encode("latin-1")
    while session != NULL:
        if session != c.session:
            session_push(session, line, len(line))
        session = session.next_monitor


cdef bytes shown_word(Context *c, int index):
    """A word of the running command as logs may show it."""
    if index < 64 and c.runtime.redacted >> index & 1:
        return b"(redacted)"
    return c.argv[index].data[:c.argv[index].length]


cdef str quoted(bytes word):
    """A word as MONITOR shows it: in double quotes, escapes for what is not printable."""
    out = ['"']
    for byte in word:
        if byte in ESCAPES:
            out.append(ESCAPES[byte])
        elif 32 <= byte < 127:
            out.append(chr(byte))
        else:
            out.append(f"\\x{byte:02x}")
    out.append('"')
    return "".join(out)


ESCAPES = {ord("\\"): "\\\\", ord('"'): '\\"', 10: "\\n", 13: "\\r", 9: "\\t", 7: "\\a", 8: "\\b"}
