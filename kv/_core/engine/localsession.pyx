"""Sessions of the program that embeds the engine: commands in, Python values out, no socket and no bytes in between.

    session = engine.session()
    session.execute("SET", "k", 1)                      # OK
    session.execute("BLPOP", "queue", 0, wait=1.5)      # waits for so many seconds at most; without `wait` not at all
    session.execute("SUBSCRIBE", "channel")
    session.pushes()                                    # messages that came

A session has what a connection has: a selected database, a transaction, watched keys, subscriptions, a name in CLIENT LIST. Its
gates are a connection's (arity, maxmemory, MULTI, MISCONF, LOADING), but for what only a peer must prove: it is authenticated,
counts as local, and is not held back by CLIENT PAUSE.

Threads may share an engine: one runs a command, and the others wait for it. While execute() waits others may run theirs, and the
one that is waited for ends it.
"""
cimport cython
import threading
import time

from kv._core.base.buffer cimport Buffer, buffer_free
from kv._core.base.slice cimport Slice
from kv._core.engine.engine cimport Engine
from kv._core.engine.isolation cimport Isolated, isolated_enter
from kv._core.engine.execute cimport begin_timing, execute, prepare, refresh_clock
from kv._core.engine.loop cimport Loop
from kv._core.engine.waiting cimport end_overdue, end_wait
from kv._core.base.memory cimport memory_alloc, memory_free
from kv._core.runtime.blocking cimport next_deadline_ms
from kv._core.runtime.decode cimport Decoder
from kv._core.runtime.session cimport session_new, session_take
from kv._core.runtime.state cimport (
    CALLER_PROGRAM, EXEMPT_ACCESS, EXEMPT_PAUSE, EXEMPT_WAITING, SESSION_BLOCKED, SESSION_CLOSE_AFTER_REPLY, SESSION_DOOMED,
    SESSION_LOOPBACK, Request, Runtime, Session)

from kv._core.runtime.call import ReplyError
from kv._core.runtime.decode import Push

cdef enum:
    WORDS_KEPT = 16     # words of a command that need no block of their own


class SessionClosed(Exception):
    """The session was closed: by close(), QUIT, CLIENT KILL, or since more was pushed to it than its limits allow."""


@cython.no_gc_clear       # what a finalizer needs is still there then
cdef class LocalSession:
    """A session without a peer. Made by Engine.session(); closed by close(), or at the end of a with block."""
    cdef Engine engine
    cdef Session *session
    cdef list pushed            # messages that came, oldest first

    def __cinit__(self, Engine engine not None):
        self.engine = engine
        self.pushed = []
        engine.acquire()
        self.session = session_new(&engine.runtime, CALLER_PROGRAM, EXEMPT_ACCESS | EXEMPT_PAUSE | EXEMPT_WAITING, NULL, -1)
        self.session.flags |= SESSION_LOOPBACK
        self.session.resp = 3
        engine.release()

    def __dealloc__(self):
        if self.engine is not None:
            self.close()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        """Its transaction, watched keys and subscriptions end."""
        cdef Isolated *before
        cdef Session *session = self.session
        if session == NULL:
            return
        self.session = NULL
        if self.engine.try_acquire():
            before = self.engine.enter()    # a finalizer may run in the middle of anything
            self.engine.close_session(session)
            isolated_enter(before)
            self.engine.release()
        else:
            session.flags |= SESSION_DOOMED
            session.next_doomed = self.engine.orphans
            self.engine.orphans = session

    @property
    def id(self):
        """CLIENT ID."""
        return self.alive().id

    def execute(self, *words, wait=None):
        """Run a command: its name and arguments as bytes, str, int or float. Returns its reply as a Python value (see
        runtime/decode); raises ReplyError for an error, SessionClosed. What would wait (BLPOP) answers at once as if its time were
        over, or waits for up to `wait` seconds, if its own timeout is not shorter."""
        cdef Session *session
        cdef Buffer out
        if not words:
            raise ValueError("no command")
        encoded = [word_bytes(word) for word in words]
        out.data, out.length, out.capacity = NULL, 0, 0
        self.engine.acquire()
        try:
            session = self.alive()
            if self.engine.runtime.running != NULL:
                raise RuntimeError("a command runs")
            if session.flags & SESSION_BLOCKED:
                raise RuntimeError("the session waits in another thread")
            if wait is not None:
                session.exempt &= ~<int> EXEMPT_WAITING
            try:
                self.run(encoded, &out)
                if session.flags & SESSION_BLOCKED:
                    self.wait_for(wait)
                if out.length:
                    return self.answer(out.data[:out.length])
                return self.answer(b"")
            finally:
                self.engine.enter()
                session.exempt |= EXEMPT_WAITING
                buffer_free(&out)
                if session.flags & (SESSION_CLOSE_AFTER_REPLY | SESSION_DOOMED):
                    self.end()
        finally:
            self.engine.release()

    def pushes(self):
        """The messages that came since the last call, oldest first: of subscriptions, MONITOR, tracking. Raises SessionClosed."""
        self.engine.acquire()
        try:
            self.alive()
            self.take_pushed()
        finally:
            self.engine.release()
        found, self.pushed = self.pushed, []
        return found

    cdef void end(self) noexcept:
        """Close the session. The engine is this thread's."""
        self.engine.close_session(self.session)
        self.session = NULL

    cdef Session *alive(self) except NULL:
        if self.session != NULL and self.session.flags & SESSION_DOOMED:
            self.end()
        if self.session == NULL:
            raise SessionClosed("the session is closed")
        return self.session

    cdef int run(self, list encoded, Buffer *out) except -1:
        cdef Slice kept[WORDS_KEPT]
        cdef Slice *argv = kept
        cdef Request request
        cdef Py_ssize_t count = len(encoded)
        cdef Py_ssize_t i
        self.engine.enter()
        if count > WORDS_KEPT:
            argv = <Slice *> memory_alloc(count * sizeof(Slice))
        for i in range(count):
            argv[i].data, argv[i].length = <const char *> <bytes> encoded[i], len(<bytes> encoded[i])
        request.argv, request.argc = argv, <int> count
        request.raw, request.raw_length, request.key_hash = NULL, 0, 0
        refresh_clock(&self.engine.runtime)
        if self.engine.runtime.deadline_count:
            end_overdue(&self.engine.runtime)
        prepare(self.session.database, &request)
        begin_timing(&self.engine.runtime)
        execute(self.session, &request, out)
        self.engine.enter()
        if argv != kept:
            memory_free(argv)
        if self.engine.loop != NULL:
            (<Loop> self.engine.loop).settle()
        else:
            self.engine.write_log()
            self.engine.wake_waiters()
        return 0

    cdef object answer(self, bytes data):
        """The reply among what came; messages beside it wait for pushes()."""
        cdef Decoder decoder = Decoder(data)
        cdef list replies = []
        while not decoder.done:
            value = decoder.reply()
            if isinstance(value, Push):
                self.pushed.append(value)
            else:
                replies.append(value)
        self.take_pushed(replies)
        if not replies:
            return None
        value = replies[0] if len(replies) == 1 else replies
        if isinstance(value, ReplyError):
            raise value
        return value

    cdef int take_pushed(self, list replies=None) except -1:
        """What was written for the session behind its back: messages, and the reply that it waited for."""
        cdef Decoder decoder
        cdef bytes data = session_bytes(self.session)
        if not data:
            return 0
        decoder = Decoder(data)
        while not decoder.done:
            value = decoder.reply()
            if isinstance(value, Push) or replies is None:
                self.pushed.append(value)
            else:
                replies.append(value)
        return 0

    cdef int wait_for(self, double seconds) except -1:
        """Until the command has its reply, or the time is over."""
        cdef Runtime *runtime = &self.engine.runtime
        cdef double until = time.monotonic() + seconds
        cdef double left
        condition = condition_of(self.engine)
        while True:
            self.engine.enter()
            refresh_clock(runtime)
            end_overdue(runtime)
            if not self.session.flags & SESSION_BLOCKED:
                return 0
            left = until - time.monotonic()
            if left <= 0:
                end_wait(self.session, False)
                return 0
            deadline = next_deadline_ms(runtime)
            if deadline:
                left = min(left, max(0.0, (deadline - runtime.keyspace.now_ms + 1) / 1000))
            with condition:
                self.engine.release()       # who runs a command now has to wait for `condition` before it wakes us
                condition.wait(left)
            self.engine.acquire()
            if self.session == NULL:
                raise SessionClosed("the session is closed")


cdef bytes session_bytes(Session *session):
    """What waits to be sent to the session, taken."""
    cdef Buffer out
    out.data, out.length, out.capacity = NULL, 0, 0
    session_take(session, &out)
    try:
        return out.data[:out.length] if out.length else b""
    finally:
        buffer_free(&out)


cdef bytes word_bytes(object word):
    """A word of a command as its bytes."""
    if isinstance(word, bytes):
        return word
    if isinstance(word, str):
        return word.encode("utf-8", "surrogateescape")
    if isinstance(word, bool):
        raise TypeError("a bool is no word of a command: say 0 or 1")
    if isinstance(word, int):
        return b"%d" % word
    if isinstance(word, float):
        return repr(word).encode()
    if isinstance(word, (bytearray, memoryview)):
        return bytes(word)
    raise TypeError(f"{type(word).__name__} is no word of a command")


cdef object condition_of(Engine engine):
    if engine.condition is None:
        engine.condition = threading.Condition()
    return engine.condition
