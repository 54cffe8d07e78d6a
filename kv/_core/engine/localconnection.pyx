"""Connections from the program that embeds the engine: what a client library has instead of a socket.

    connection = LocalConnection(loop)
    connection.write(pack(("SET", "k", "v")))       # the command has run when this returns, unless it waits
    connection.reply(Style())                       # OK; NOTHING where no whole reply is there
    connection.wait(1.5)                            # until there is something to read, without the interpreter's lock

To the engine it is a connection like any other: it has to say a password, stands in CLIENT LIST, is held back by CLIENT PAUSE, has
the limits of input and output, and its replies leave when the log of effects is as safe as `appendfsync` says. LocalSession
(engine/localsession) is the shorter way for a program that calls the engine by itself.

Threads may share an engine: one is in it at a time, and the others wait. A thread that waits for a reply is woken by whoever causes
it, and looks at the clock itself for what has a deadline. For asyncio there is `on_output`, called by whichever thread it is.
"""
cimport cython
import _thread
import time

from cpython.buffer cimport PyBUF_SIMPLE, Py_buffer, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_AsUTF8AndSize
from libc.math cimport INFINITY
from libc.stdio cimport snprintf
from libc.string cimport memcpy, memset

from kv._core.engine.engine cimport Engine
from kv._core.engine.execute cimport refresh_clock
from kv._core.engine.isolation cimport Isolated, isolated_enter
from kv._core.engine.line cimport PIPE_KEPT, Line, Pipe, line_new, pipe_append, pipe_free
from kv._core.engine.loop cimport Loop, Peer, text_blob
from kv._core.engine.serve cimport serve_readable
from kv._core.engine.waiting cimport end_overdue, serve_ready
from kv._core.runtime.decode cimport CUT, Cursor, Style, next_value
from kv._core.runtime.session cimport session_mark_ready, session_new
from kv._core.runtime.state cimport CALLER_CLIENT, SESSION_DOOMED, SESSION_LOOPBACK, SESSION_RUNNING, Runtime, Session

from kv._core.runtime.call import report_bug

NOTHING = object()      # reply(): none is there that is whole

cdef enum:
    PEER_TICK_MS = 100      # how often a thread that waits has the cron looked at, where nobody says otherwise
    HEADER = 32             # bytes of "$<length>\r\n", and of a number


# -- requests -----------------------------------------------------------------------------------------------------

def pack(tuple words not None, encode=None, bint utf8=True):
    """A request as bytes of RESP. Words are bytes, str, int or float; what is anything else, `encode` makes bytes of, which is to
    raise for what can be no word; without `utf8` str, too."""
    cdef list parts = []
    cdef Py_ssize_t total = HEADER
    cdef Py_ssize_t length
    cdef char *out
    cdef char *at
    cdef bytes whole, word
    for item in words:
        word = word_of(item, encode, utf8)
        parts.append(word)
        total += PyBytes_GET_SIZE(word) + HEADER
    whole = PyBytes_FromStringAndSize(NULL, total)
    out = PyBytes_AS_STRING(whole)
    at = out + snprintf(out, HEADER, b"*%zd\r\n", <Py_ssize_t> len(parts))
    for item in parts:
        word = <bytes> item
        length = PyBytes_GET_SIZE(word)
        at += snprintf(at, HEADER, b"$%zd\r\n", length)
        memcpy(at, PyBytes_AS_STRING(word), length)
        at += length
        at[0], at[1] = c'\r', c'\n'
        at += 2
    return whole[:at - out]


cdef bytes word_of(object item, object encode, bint utf8):
    cdef Py_ssize_t length
    cdef const char *text
    if type(item) is bytes:
        return <bytes> item
    if type(item) is str:
        if not utf8:
            return encode(item)
        text = PyUnicode_AsUTF8AndSize(item, &length)
        return PyBytes_FromStringAndSize(text, length)
    if type(item) is int:
        return b"%d" % item
    if type(item) is float:
        return repr(item).encode()
    if encode is None:
        raise TypeError(f"{type(item).__name__} is no word of a command")
    return bytes(encode(item))


# -- connections --------------------------------------------------------------------------------------------------

@cython.no_gc_clear       # what a finalizer needs is still there then
cdef class LocalConnection(Peer):
    """A connection within the process. `peer` and `local` are the addresses that CLIENT LIST shows."""
    cdef Loop loop
    cdef Engine engine
    cdef Line *line
    cdef object waiter              # a lock that a waiting thread wants to acquire, None: none ever waited
    cdef bint waiting
    cdef size_t seen                # bytes that were unread when reply() found none that is whole
    cdef public object on_output    # called when there is something to read, or the connection was closed

    NOTHING = NOTHING

    def __cinit__(self, Loop loop not None, str peer="127.0.0.1:0", str local="127.0.0.1:0"):
        cdef Session *session
        cdef Engine engine = loop.engine
        engine.acquire()
        try:
            self.line = line_new(&loop.fresh)
            self.loop, self.engine = loop, engine
            session = session_new(&engine.runtime, CALLER_CLIENT, 0, &self.line.transport, -1)
            session.flags |= SESSION_LOOPBACK
            session.peer, session.local = text_blob(peer), text_blob(local)
            self.line.session, self.line.owner = session, <void *> self
            engine.runtime.statistics.connections += 1
        finally:
            engine.release()

    def __dealloc__(self):
        if self.line == NULL:
            return
        self.line.owner = NULL
        self.line.hung_up = True
        if self.engine.try_acquire():
            self.leave()
            self.engine.release()
        else:               # a finalizer may run in the middle of anything
            self.orphan()

    cdef void orphan(self) noexcept:
        self.line.next_orphan = self.loop.orphans
        self.loop.orphans = self.line
        self.line = NULL

    cdef void leave(self) noexcept:
        """Close the session. The engine is this thread's."""
        cdef Isolated *before = self.engine.enter()
        self.orphan()
        self.loop.bury_orphans()
        self.loop.tell_peers()
        isolated_enter(before)

    def close(self):
        """Hang up. What was not read is gone."""
        if self.line == NULL:
            return
        self.engine.acquire()
        try:
            if self.line != NULL:
                self.line.owner = NULL
                self.line.hung_up = True
                self.orphan()
                self.loop.settle()
        finally:
            self.engine.release()

    @property
    def id(self):
        """CLIENT ID, 0 once it is closed."""
        return self.line.session.id if self.line != NULL and self.line.session != NULL else 0

    @property
    def closed(self):
        """Whether the engine has closed it, or the program has: nothing more can be written. What was sent before can be read."""
        return self.line == NULL or self.line.session == NULL

    @property
    def unread(self):
        """Bytes that can be read now."""
        return self.line.output.length - self.line.output.at if self.line != NULL else 0

    @property
    def fresh(self):
        """Whether there is more to read than the last call of reply() saw."""
        return self.unread > self.seen

    # -- writing ------------------------------------------------------------------------------------------------------

    def write(self, data not None):
        """Send requests, and have the engine run them: their replies are there when this returns, but for those that wait. Raises
        BrokenPipeError where the connection is closed."""
        cdef Py_buffer view
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        try:
            self.engine.acquire()
            try:
                self.serve(<const char *> view.buf, view.len)
            finally:
                self.engine.release()
        finally:
            PyBuffer_Release(&view)

    cdef int serve(self, const char *data, size_t length) except -1:
        cdef Runtime *runtime = &self.engine.runtime
        cdef Line *line = self.line
        if self.line == NULL or line.session == NULL or line.session.flags & SESSION_DOOMED:
            raise BrokenPipeError("the connection is closed")
        if not pipe_append(&line.input, data, length):
            raise MemoryError
        refresh_clock(runtime)
        if runtime.deadline_count:
            end_overdue(runtime)
        while line.input.length and line.session != NULL and not line.session.flags & (SESSION_DOOMED | SESSION_RUNNING):
            serve_readable(runtime, line.session)
            self.engine.enter()
        if runtime.ready_keys != NULL:
            serve_ready(runtime)
        return self.loop.settle()

    # -- reading ------------------------------------------------------------------------------------------------------

    def reply(self, Style style not None):
        """The next reply, or message; NOTHING where none is there that is whole. An error is a value. Raises ValueError for what is
        no reply, UnicodeDecodeError for text that the style's encoding can't decode."""
        cdef object value
        while self.line != NULL:
            if self.line.output.at != self.line.output.length:
                value = self.take_reply(style)
                if value is not CUT:
                    self.seen = 0
                    return value
                if self.line != NULL:
                    self.line.room += self.line.room    # one reply, however large, must not wait for room
            if not self.let_on():
                break
        self.seen = self.unread
        return NOTHING

    cdef object take_reply(self, Style style):
        """CUT: it is not whole. The bytes are taken off the line meanwhile: what is made of them may run finalizers, in which
        other threads may close the connection."""
        cdef Pipe pipe = self.line.output
        cdef Cursor cursor
        memset(&self.line.output, 0, sizeof(Pipe))
        cursor.at, cursor.end = pipe.data + pipe.at, pipe.data + pipe.length
        try:
            value = next_value(&cursor, style)
            if value is not CUT:
                pipe.at = cursor.at - pipe.data
            return value
        finally:
            self.put_back(&pipe)

    cdef int put_back(self, Pipe *pipe) except -1:
        """What was not read of the bytes, before what came meanwhile."""
        cdef Line *line = self.line
        if line == NULL:
            pipe_free(pipe)
            return 0
        if line.output.length:
            if not pipe_append(pipe, line.output.data + line.output.at, line.output.length - line.output.at):
                raise MemoryError
            pipe_free(&line.output)
        line.output = pipe[0]
        return self.took(pipe.at)

    def read(self, size_t most=65536):
        """At most so many bytes of what was sent, b"" where there is nothing now."""
        cdef bytes found
        if self.unread == 0 and not self.let_on():
            self.seen = 0
            return b""
        if self.line == NULL:
            return b""
        most = min(most, self.line.output.length - self.line.output.at)
        found = self.line.output.data[self.line.output.at:self.line.output.at + most]
        self.seen = 0
        if self.line != NULL:
            self.took(self.line.output.at + most)
        return found

    cdef int took(self, size_t at) except -1:
        """What is before `at` was read."""
        cdef Line *line = self.line
        line.output.at = at
        if line.output.at == line.output.length:
            line.output.at = line.output.length = 0
            if line.output.capacity > PIPE_KEPT:
                pipe_free(&line.output)
            if line.full:
                self.let_on()
        return 0

    cdef bint let_on(self) except -1:
        """There is room again: whether more came."""
        cdef size_t before
        if self.line == NULL or not self.line.full:
            return False
        self.engine.acquire()
        try:
            if self.line == NULL:
                return False
            before = self.line.output.length - self.line.output.at
            self.line.full = False
            if self.line.session != NULL:
                session_mark_ready(self.line.session)
                self.loop.settle()
            return self.line.output.length - self.line.output.at > before
        finally:
            self.engine.release()

    # -- waiting ------------------------------------------------------------------------------------------------------

    cdef void wake(self) noexcept:
        if self.waiting:
            self.waiting = False
            self.waiter.release()
        if self.on_output is not None:
            try:
                self.on_output()
            except Exception:
                report_bug("on_output of a connection within the process")

    def wait(self, timeout=None, double tick=PEER_TICK_MS / 1000.0, turn=None):
        """Wait until there is more than the last call of reply() saw, or the connection is closed: True; or until `timeout` seconds
        are over (None: never): False. Meanwhile `turn()` is called each `tick` seconds, and when the next wait of a blocked
        connection ends: Loop.tick by default. One thread a connection may wait."""
        cdef double until = INFINITY if timeout is None else time.monotonic() + timeout
        cdef double left
        if self.waiter is None:
            self.waiter = _thread.allocate_lock()
            self.waiter.acquire()
        if turn is None:
            turn = self.loop.tick
        while True:
            self.waiting = True
            if self.unread > self.seen or self.closed:
                self.stop_waiting()
                return True
            left = until - time.monotonic()
            if left <= 0:
                self.stop_waiting()
                return False
            left = min(left, tick, <double> self.loop.next_deadline())
            try:
                self.waiter.acquire(True, left)
            finally:
                self.stop_waiting()
            if not (self.unread > self.seen or self.closed):
                turn()

    cdef int stop_waiting(self) except -1:
        """Nobody is to wake us any more; whoever did so just now left the lock free."""
        self.waiting = False
        self.waiter.acquire(False)
        return 0
