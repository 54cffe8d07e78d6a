"""The engine's face to Python: the dataset, its sessions, its configuration.

    engine = Engine(databases=16, seed=None)
    engine.configure(maxmemory=100 << 20)
    engine.execute("SET", "key", "value")       # OK
    engine.execute("HGETALL", "h")              # {b"field": b"value"}
    with engine.feed() as feed:                 # what changes, as commands
        engine.execute("INCR", "n")
        feed.commands()                         # [[b"INCR", b"n"]]

The engine opens nothing, forks nothing, and reads no clock but to stamp a batch. Sockets are served by a Loop (engine/loop).
"""
from cpython.buffer cimport PyBUF_READ
from cpython.memoryview cimport PyMemoryView_FromMemory
from cpython.pythread cimport (
    NOWAIT_LOCK, WAIT_LOCK, PyThread_acquire_lock, PyThread_allocate_lock, PyThread_free_lock, PyThread_get_thread_ident,
    PyThread_release_lock)
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memset, strlen

from kv._core.base.buffer cimport buffer_free
from kv._core.base.hashing cimport HashKey, hash_enter_key
from kv._core.base.memory cimport memory_begin_dismissing, memory_free, memory_spare_pages, memory_used
from kv._core.base.random cimport Random, random_seed, random_u64
from kv._core.base.slice cimport Slice, slice_of
from kv._core.engine.appender cimport Appender
from kv._core.engine.execute cimport execute_nested, refresh_clock
from kv._core.engine.isolation cimport Isolated, isolated_end, isolated_init
from kv._core.engine.busy cimport serve_others
from kv._core.engine.debugging cimport await_client, begin_debugging, end_debugging
from kv._core.engine.scripted cimport run_scripted
from kv._core.engine.settings cimport alert_set, clock_ticks_per_us, hiding_update, setting_put, settings_default
from kv._core.engine.waiting cimport answer_wait, end_wait, serve_positions, serve_ready
from kv._core.keyspace.keyspace cimport (
    EVENT_BESIDE, REMOVED_EXPIRED, Database, Keyspace, keyspace_free, keyspace_init)
from kv._core.containers.hashtable cimport hashtable_avoid_resize, hashtable_clear
from kv._core.runtime.blocking cimport mark_ready, wait_end
from kv._core.runtime.call cimport Later
from kv._core.runtime.lazyfree cimport lazyfree_entry
from kv._core.runtime.session cimport session_free, session_of_id, session_push, session_resume
from kv._core.runtime.state cimport (
    ALERT_BUSY, ALERT_LOADING, ALERT_PAUSED_ALL, ALERT_PAUSED_WRITES, ALERT_WRITE_ERROR, CALLER_SCRIPT,
    ARENA_KEEP, COMMAND_MAX, COMMAND_SKIP_COMMANDLOG, CLASS_NORMAL, CLASS_PUBSUB, CLASS_REPLICA, CLOSING_BROWSER,
    CLOSING_EVICTED, CLOSING_INPUT, CLOSING_OUTPUT, LOG_LARGE_REPLY, LOG_LARGE_REQUEST, LOG_SLOW, SESSION_BLOCKED,
    SESSION_POSTPONED, SESSION_UNIX, Closing, Context, Runtime, Session)
from kv._core.runtime.propagation cimport (
    effects_begin, effects_slice, effects_wanted, effects_word, propagation_free, propagation_init, propagation_position)
from kv._core.runtime.pubsub cimport publish_event, unsubscribe_all
from kv._core.runtime.observed cimport ObservedKey, Wait, observed_find
from kv._core.runtime.transaction cimport touch_watched

from kv._core.scripts.run cimport script_busy, script_kill
from kv._core.scripts.scripting cimport Library, Scripting, scripting_free

import os

import kv._core.commands
import kv._core.runtime.call
from kv._core.runtime.call import ReplyError, encode
from kv._core.runtime.registry import declare_package

declare_package(kv._core.commands)

FEED_LIMIT = 64 << 20        # bytes

cdef enum:
    LOGGED_WORDS = 32           # of a command that the command log shows
    LOGGED_BYTES = 128          # ... of a word

cdef const char *REDACTED = b"(redacted)"
CLASSES = {"normal": CLASS_NORMAL, "replica": CLASS_REPLICA, "pubsub": CLASS_PUBSUB}


cdef extern from "<unistd.h>" nogil:
    int c_usleep "usleep"(unsigned int us)

cdef enum:
    LET_IN_US = 50              # how long a thread that runs a script leaves the engine to others at a time

cdef long generation = 0        # forks between the process that imported this module and this one


def count_fork():
    """A process that was forked must not go on with its parent's engines: their files and their clients are the parent's."""
    global generation
    generation += 1


os.register_at_fork(after_in_child=count_fork)


class ForkedError(RuntimeError):
    """The engine is another process's: this one was forked from it."""


cdef HashKey key_of_seed(uint64_t seed) noexcept nogil:
    """The hash key of an engine: whoever does not know the seed can't choose keys that meet in one bucket."""
    cdef Random random
    cdef HashKey key
    random_seed(&random, seed)
    key.words[0], key.words[1] = random_u64(&random), random_u64(&random)
    return key


cdef class Engine:
    """The dataset and its sessions. `owner` is whoever embeds it: commands written in Python see it as call.server. `seed` makes
    what is random the same in each run."""

    def __cinit__(self, owner=None, int databases=16, object seed=None):
        cdef Runtime *runtime = &self.runtime
        self.lock = PyThread_allocate_lock()
        if self.lock == NULL:
            raise MemoryError
        self.generation = generation
        memset(runtime, 0, sizeof(Runtime))
        isolated_init(&self.isolated)
        if seed is None:
            seed = int.from_bytes(os.urandom(8), "little")
        hash_enter_key(key_of_seed(seed))
        keyspace_init(&runtime.keyspace, databases, seed)
        runtime.keyspace.owner = runtime
        runtime.keyspace.on_change = on_change
        runtime.keyspace.on_removal = on_removal
        runtime.keyspace.on_miss = on_miss
        runtime.keyspace.dispose = lazyfree_entry
        runtime.arena_keep = ARENA_KEEP
        propagation_init(&runtime.propagation)
        runtime.ticks_per_us = clock_ticks_per_us()
        runtime.ns_per_tick = 1000 / runtime.ticks_per_us
        runtime.face = <void *> self
        runtime.on_protocol_error = on_protocol_error
        runtime.on_commandlog = on_commandlog
        runtime.on_monitor = on_monitor
        runtime.on_closing = on_closing
        runtime.on_spike = on_spike
        runtime.on_flush = on_flush
        runtime.run_nested = execute_nested
        runtime.run_scripted = run_scripted
        runtime.serve_others = serve_others
        runtime.begin_debugging, runtime.end_debugging = begin_debugging, end_debugging
        runtime.await_client = await_client
        runtime.enter = enter_again
        runtime.on_ready = serve_ready
        self.owner = owner
        settings_default(runtime, &self.cron)
        refresh_clock(&self.runtime)

    def __dealloc__(self):
        cdef Isolated *before = self.enter()
        cdef int i
        self.orphans = NULL             # they are among the sessions
        while self.runtime.sessions != NULL:
            self.close_session(self.runtime.sessions)
        for i in range(COMMAND_MAX):
            memory_free(self.runtime.command_statistics[i].latency)
        scripting_free(&self.runtime)
        keyspace_free(&self.runtime.keyspace)
        if self.runtime.sessions_by_id.kind != NULL:
            hashtable_clear(&self.runtime.sessions_by_id)
        buffer_free(&self.runtime.arena)
        buffer_free(&self.runtime.wait_reply)
        buffer_free(&self.runtime.own_pushes)
        propagation_free(&self.runtime.propagation)
        memory_free(self.runtime.deadlines)
        isolated_end(&self.isolated, before)
        PyThread_free_lock(self.lock)

    # -- threads ------------------------------------------------------------------------------------------------------

    cdef int acquire(self) except -1:
        """Enter the engine as the one thread that is in it. Raises ForkedError, and RuntimeError where this thread is in it
        already: what a command calls back must not run another one, but for on_busy."""
        cdef unsigned long me = PyThread_get_thread_ident()
        if self.generation != generation:
            raise ForkedError("this process was forked from the one that opened the database: open it here anew")
        if self.depth and self.holder == me:
            if not self.runtime.alerts & ALERT_BUSY or self.runtime.running != NULL:
                raise RuntimeError("a command runs")
        elif not PyThread_acquire_lock(self.lock, NOWAIT_LOCK):
            with nogil:
                PyThread_acquire_lock(self.lock, WAIT_LOCK)
        self.holder = me
        self.depth += 1
        self.enter()
        if self.orphans != NULL and self.depth == 1:
            self.bury_orphans()
        return 0

    cdef bint try_acquire(self) noexcept:
        """The same for finalizers, which may run in the middle of anything: False where somebody is in the engine."""
        if self.generation != generation or not PyThread_acquire_lock(self.lock, NOWAIT_LOCK):
            return False
        self.holder = PyThread_get_thread_ident()
        self.depth = 1
        return True

    cdef void release(self) noexcept:
        self.depth -= 1
        if self.depth == 0:
            PyThread_release_lock(self.lock)

    cdef void bury_orphans(self) noexcept:
        cdef Session *session
        while self.orphans != NULL:
            session = self.orphans
            self.orphans = session.next_doomed
            self.close_session(session)

    cdef int wake_waiters(self) except -1:
        """Threads that wait in a local session look whether they have their replies."""
        if self.condition is not None:
            with self.condition:
                self.condition.notify_all()
        return 0

    def hold(self):
        """Enter the engine as the one thread that is in it, until let_go(). Raises as every call into it does."""
        self.acquire()

    def let_go(self):
        self.release()

    def let_others_in(self):
        """Called by on_busy, where threads share the engine: those that wait may run their commands now. Does nothing where no
        thread holds it, as in a server."""
        cdef int depth = self.depth
        if depth == 0:
            return
        self.depth = 0
        PyThread_release_lock(self.lock)
        with nogil:
            c_usleep(LET_IN_US)
            PyThread_acquire_lock(self.lock, WAIT_LOCK)
        self.holder, self.depth = PyThread_get_thread_ident(), depth
        self.enter()

    # -- configuration ------------------------------------------------------------------------------------------------

    def configure(self, **settings):
        """Set what the core itself must know, by keyword: the names are in settings.SETTINGS, values are as the options have
        them. Raises KeyError for another name."""
        self.enter()
        for name, value in settings.items():
            setting_put(&self.runtime, &self.cron, name, value)

    def set_output_limit(self, str client_class, uint64_t hard, uint64_t soft, int64_t soft_seconds):
        """client-output-buffer-limit of normal, replica or pubsub clients; 0 for no limit."""
        self.enter()
        cdef int index = CLASSES[client_class]
        self.runtime.output_limits[index].hard = hard
        self.runtime.output_limits[index].soft = soft
        self.runtime.output_limits[index].soft_seconds = soft_seconds

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
        self.enter()
        cdef bytes text = (reason or "").encode()[:127]
        memset(self.runtime.write_error, 0, sizeof(self.runtime.write_error))
        for i in range(len(text)):
            self.runtime.write_error[i] = text[i]
        alert_set(&self.runtime, ALERT_WRITE_ERROR, reason is not None)

    def set_aof_synced(self, bint on, int64_t position):
        """Whether there is an AOF, and up to which position of the effects it is on disk (-1: nothing of it is). Who waits
        for that (WAITAOF) is tried again, unless a command runs: then by the next call."""
        self.enter()
        self.runtime.aof_on, self.runtime.aof_synced = on, position
        if self.runtime.position_waits != NULL and self.runtime.running == NULL:
            serve_positions(&self.runtime)

    def set_touch_paused(self, bint paused):
        """While a forked child lives: leave the access clock alone, do not resize tables, and put nothing new on pages that the
        child shares, so that they stay shared."""
        self.enter()
        self.runtime.keyspace.touch_paused = paused
        hashtable_avoid_resize(paused)
        memory_spare_pages(paused)

    def set_forked(self):
        """Called in a forked child that saves the dataset and ends: what was saved may be given back, for good."""
        memory_begin_dismissing()

    @property
    def now_ms(self):
        """Unix time of the batch, in ms."""
        return self.runtime.keyspace.now_ms

    @property
    def now_us(self):
        """Unix time in microseconds, as commands see it: it stands still for a script."""
        return self.runtime.now_us

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
        self.enter()
        return memory_used()

    @property
    def dirty(self):
        """Changes since it was last set."""
        return self.runtime.keyspace.dirty

    @dirty.setter
    def dirty(self, uint64_t value):
        self.runtime.keyspace.dirty = value

    @property
    def libraries(self):
        """The code of all libraries of functions, as FUNCTION LOAD was given it, in the order of their loading."""
        cdef Scripting *scripting = <Scripting *> self.runtime.scripting
        cdef Library *library = scripting.libraries.first if scripting != NULL else NULL
        found = []
        while library != NULL:
            found.append(library.code.data[:library.code.length])
            library = library.next
        return found

    # -- pausing ------------------------------------------------------------------------------------------------------

    def pause(self, bint writes_only, int64_t until_ms):
        """CLIENT PAUSE: hold back all commands, or those that write, until a unix time in ms. While a pause is on
        nothing expires and nothing is evicted."""
        self.enter()
        cdef Runtime *runtime = &self.runtime
        alert_set(&self.runtime, ALERT_PAUSED_WRITES, True)
        if not writes_only:
            alert_set(&self.runtime, ALERT_PAUSED_ALL, True)
        if until_ms > <int64_t> runtime.pause_end_ms:
            runtime.pause_end_ms = until_ms
        hiding_update(&self.runtime)

    def unpause(self):
        """End the pause and run what was held back."""
        self.enter()
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

    def unblock(self, uint64_t id, bint with_error):
        """CLIENT UNBLOCK: end the wait of a session that is blocked in a command; whether there was one. A session that
        CLIENT PAUSE holds back is not blocked in a command, and who waits for an answer is left to whoever has it."""
        self.enter()
        cdef Session *session = session_of_id(&self.runtime, id)
        if session == NULL or session.waiting == NULL or (<Wait *> session.waiting).answer:
            return 0
        end_wait(session, with_error)
        return 1

    def kill_script(self):
        """End the script or function that runs, if it has not written yet; whether it ends."""
        cdef Scripting *scripting = <Scripting *> self.runtime.scripting
        if scripting == NULL or scripting.run == NULL:
            return False
        return script_kill(&self.runtime, scripting.run.eval) == NULL

    @property
    def busy_error(self):
        """What commands are answered while a script runs, "" while none does."""
        cdef const char *text = script_busy(&self.runtime)
        return (<bytes> text).decode() if text != NULL else ""

    def answer(self, Later later not None, value):
        """Give a command that waits for it (Call.later) its reply. False where its client is gone."""
        cdef Session *session = session_of_id(&self.runtime, later.session_id)
        cdef bytes reply
        if session == NULL or session.waiting == NULL or (<Wait *> session.waiting).answer != later.number:
            return False
        reply = bytes(encode(value, session.resp))
        self.enter()
        answer_wait(session, slice_of(reply, len(reply)), isinstance(value, ReplyError))
        return True

    @property
    def pause_state(self):
        """(what is paused: "none", "write" or "all"; ms left)."""
        cdef uint32_t alerts = self.runtime.alerts
        if not alerts & ALERT_PAUSED_WRITES:
            return "none", 0
        left = max(0, <int64_t> self.runtime.pause_end_ms - self.runtime.keyspace.now_ms)
        return ("all" if alerts & ALERT_PAUSED_ALL else "write"), left

    # -- the log of effects -------------------------------------------------------------------------------------------

    @property
    def position(self):
        """Bytes ever propagated: where the log of effects ends. It only grows."""
        return propagation_position(&self.runtime.propagation)

    def appender_of_log(self):
        """The Appender of the log: there is one."""
        if self.appender is None:
            self.appender = Appender.__new__(Appender)
            self.appender.runtime, self.appender.engine = &self.runtime, self
            self.appender.release()
        return self.appender

    def feed(self, uint64_t limit=FEED_LIMIT):
        """A Feed of the changes from here on, which may be behind by so many bytes (0: any number)."""
        from kv._core.engine.feed import Feed  # it needs the engine's type

        return Feed(self, limit)

    cdef void write_log(self) noexcept:
        """Have the effects written that the core itself is to write (engine/appender)."""
        if self.appender is not None:
            self.appender.write_direct()

    cdef bint log_waits(self) noexcept:
        """Whether Python is to write the log, or to look why it could not be written."""
        return self.appender is not None and self.appender.waits_for_python()

    # -- sessions -----------------------------------------------------------------------------------------------------

    def session(self):
        """A LocalSession: runs commands, each answered with a Python value."""
        from kv._core.engine.localsession import LocalSession  # it needs the engine's type

        return LocalSession(self)

    def execute(self, *words, wait=None):
        """Run a command in the engine's own session, and return its reply (see LocalSession.execute)."""
        if self.own_session is None:
            self.own_session = self.session()
        return self.own_session.execute(*words, wait=wait)

    cdef void close_session(self, Session *session) noexcept:
        if session.waiting != NULL:
            wait_end(session)
        if session.flags & SESSION_BLOCKED:
            self.runtime.blocked_count -= 1
        unsubscribe_all(session)
        session_free(session)


cdef void enter_again(Runtime *runtime) noexcept:
    """Python ran, and may have let another engine run."""
    (<Engine> runtime.face).enter()


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
        (<Engine> session.runtime.face).enter()


cdef void tell_protocol_error(Session *session, Slice input) noexcept:
    engine = <Engine> session.runtime.face
    if engine.on_protocol_error is not None and input.length:
        engine.on_protocol_error(session.id, session.parser.error[:session.parser.error_length].decode("latin-1"),
                                 PyMemoryView_FromMemory(<char *> input.data, input.length, PyBUF_READ))


cdef void on_commandlog(Context *c, int64_t duration_us, uint64_t reply_bytes) noexcept nogil:
    """The command may have been slow, or its request or reply large: Python keeps the log."""
    cdef Runtime *runtime = c.runtime
    cdef uint64_t request_bytes = c.raw_length
    cdef int passed = 0
    cdef int i
    if c.command.flags & COMMAND_SKIP_COMMANDLOG:
        return
    if c.raw == NULL:
        request_bytes = 0
        for i in range(c.argc):
            request_bytes += c.argv[i].length + 15
    if runtime.slow_ticks >= 0 and duration_us * runtime.ticks_per_us >= runtime.slow_ticks:
        passed |= LOG_SLOW
    if runtime.large_request >= 0 and <int64_t> request_bytes > runtime.large_request:
        passed |= LOG_LARGE_REQUEST
    if runtime.large_reply >= 0 and <int64_t> reply_bytes > runtime.large_reply:
        passed |= LOG_LARGE_REPLY
    if passed:
        with gil:
            tell_commandlog(c, passed, duration_us, request_bytes, reply_bytes)
            (<Engine> runtime.face).enter()


cdef void tell_commandlog(Context *c, int passed, int64_t duration_us, uint64_t request_bytes,
                          uint64_t reply_bytes) noexcept:
    cdef const Session *session = c.session
    engine = <Engine> c.runtime.face
    if engine.on_commandlog is None:
        return
    if session.caller == CALLER_SCRIPT:     # whoever runs the script is whom it concerns
        session = (<Scripting *> c.runtime.scripting).run.outer.session
    peer = "" if session.peer == NULL else session.peer.data[:session.peer.length].decode("utf-8", "surrogateescape")
    name = b"" if session.name == NULL else session.name.data[:session.name.length]
    engine.on_commandlog(passed, logged_words(c), peer, name, duration_us, request_bytes, reply_bytes)


cdef list logged_words(Context *c):
    """At most LOGGED_WORDS words of at most LOGGED_BYTES bytes each; what was left out is said."""
    cdef list words = []
    cdef size_t length
    cdef int i
    for i in range(c.argc if c.argc <= LOGGED_WORDS else LOGGED_WORDS - 1):
        length = shown_length(c, i)
        word = shown_word(c, i, LOGGED_BYTES)
        words.append(word if length <= LOGGED_BYTES else b"%b... (%d more bytes)" % (word, length - LOGGED_BYTES))
    if c.argc > LOGGED_WORDS:
        words.append(b"... (%d more arguments)" % (c.argc - LOGGED_WORDS + 1))
    return words


cdef void on_spike(Runtime *runtime, const char *event, int64_t us) noexcept nogil:
    with gil:
        tell_latency_monitor(<Engine> runtime.face, event, us)
        (<Engine> runtime.face).enter()


cdef void tell_latency_monitor(Engine engine, const char *event, int64_t us) noexcept:
    if engine.on_latency is not None:
        engine.on_latency(event.decode(), us // 1000)


cdef void on_closing(Session *session, Closing why) noexcept nogil:
    with gil:
        tell_closing(session, why)
        (<Engine> session.runtime.face).enter()


cdef void tell_closing(Session *session, Closing why) noexcept:
    engine = <Engine> session.runtime.face
    if engine.on_closing is not None:
        engine.on_closing(session.id, CLOSINGS[why])


cdef void on_flush(Runtime *runtime) noexcept nogil:
    with gil:
        tell_flush(<Engine> runtime.face)
        (<Engine> runtime.face).enter()


cdef void tell_flush(Engine engine) noexcept:
    if engine.on_flush is not None:
        engine.runtime.python_ran = True
        engine.on_flush()


CLOSINGS = {CLOSING_EVICTED: "evicted", CLOSING_INPUT: "input", CLOSING_OUTPUT: "output", CLOSING_BROWSER: "browser"}


cdef void on_monitor(Context *c) noexcept nogil:
    with gil:
        feed_monitors(c)
        (<Engine> c.runtime.face).enter()


cdef void feed_monitors(Context *c) noexcept:
    """A line of MONITOR to every session that asked for them."""
    cdef Session *session = c.runtime.monitors
    cdef bytes line
    seconds, us = divmod(c.runtime.now_us, 1000000)
    words = " ".join([quoted(shown_word(c, i, shown_length(c, i))) for i in range(c.argc)])
    peer = "lua" if c.session.peer == NULL else c.session.peer.data[:c.session.peer.length].decode()
    if c.session.flags & SESSION_UNIX:
        peer = "unix:" + c.session.local.data[:c.session.local.length].decode().removesuffix(":0")
    line = f"+{seconds}.{us:06d} [{c.session.database.id} {peer}] {words}\r\n".encode("latin-1")
    while session != NULL:
        if session != c.session:
            session_push(session, line, len(line))
        session = session.next_monitor


cdef inline bint is_redacted(const Context *c, int index) noexcept nogil:
    return index < 64 and c.runtime.redacted >> index & 1


cdef bytes shown_word(Context *c, int index, size_t most):
    """A word of the running command as logs may show it, its first `most` bytes."""
    cdef size_t length = c.argv[index].length
    if is_redacted(c, index):
        return REDACTED
    return c.argv[index].data[:length if length < most else most]


cdef size_t shown_length(const Context *c, int index) noexcept nogil:
    """Bytes that the whole word has as logs may show it."""
    return strlen(REDACTED) if is_redacted(c, index) else c.argv[index].length


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
