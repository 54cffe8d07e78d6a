"""The loop around an engine: sockets that are ready, turns, replies that leave.

    loop = Loop(engine)
    loop.attach(sock.detach(), peer="127.0.0.1:5000", local="127.0.0.1:6379")
    while True:
        for fd in loop.turns(timeout_ms):       # waits, serves ready sessions; descriptors of Python's that are ready
            handlers[fd]()
        loop.send()                             # replies leave

An engine without a loop opens nothing and is used by LocalSession (engine/localsession). A reply depends on a position in the
log of effects, and leaves when that position is safe: send() first has the log written where the core writes it
(engine/appender), and keeps what depends on more.
"""
cimport cython
from libc.math cimport INFINITY
from libc.stdint cimport int64_t, uint32_t, uint64_t

from kv._core.base.blob cimport Blob, blob_copy
from kv._core.base.buffer cimport buffer_free
from kv._core.base.clock cimport clock_ticks
from kv._core.base.platform cimport likely, unlikely
from kv._core.engine.engine cimport Engine
from kv._core.engine.eviction cimport evict_clients
from kv._core.engine.execute cimport refresh_clock, unix_us
from kv._core.engine.isolation cimport Isolated, isolated_enter
from kv._core.engine.line cimport Line, is_line, line_closed, line_free
from kv._core.engine.poller cimport EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, Poller
from kv._core.engine.serve cimport serve_free, serve_readable, serve_resumed
from kv._core.engine.sockets cimport socket_transport
from kv._core.engine.waiting cimport end_overdue, serve_ready
from kv._core.runtime.blocking cimport next_deadline_ms
from kv._core.runtime.footprint cimport footprint_note
from kv._core.runtime.session cimport session_doom, session_hold, session_mark_ready, session_new, session_send
from kv._core.runtime.state cimport (
    CALLER_CLIENT, SESSION_CLOSE_AFTER_REPLY, SESSION_DOOMED, SESSION_LOOPBACK, SESSION_PENDING_INPUT, SESSION_READY,
    SESSION_RUNNING, SESSION_UNIX, SESSION_WANTS_WRITE, Runtime, Session)

cdef extern from "<unistd.h>" nogil:
    int c_close "close"(int fd)


cdef class Peer:
    """Who is at the other end of a line (engine/localconnection)."""

    cdef void wake(self) noexcept:
        """There is something to read."""


@cython.no_gc_clear       # what a finalizer needs is still there then
cdef class Loop:
    """Turns of one engine. Once an engine."""

    def __cinit__(self, Engine engine not None):
        self.engine = engine
        self.poller = Poller()
        engine.loop = <void *> self

    def __dealloc__(self):
        cdef Session *session
        cdef Session *following
        cdef Isolated *before
        if self.engine is None:
            return
        before = self.engine.enter()
        session = self.engine.runtime.sessions
        while session != NULL:
            following = session.next
            if session.transport != NULL:
                self.close_session(session)
            session = following
        serve_free(&self.engine.runtime)
        self.bury_orphans()
        self.tell_peers()
        self.engine.loop = NULL
        isolated_enter(before)

    # -- turns --------------------------------------------------------------------------------------------------------

    def turns(self, int timeout_ms):
        """Turns, each but the last with its send(), until Python is needed: one of its descriptors is ready, a command written in
        Python ran, the log of effects waits for whoever writes it, or so many ms are over. Returns as turn() does."""
        cdef Engine engine = self.engine
        cdef Runtime *runtime = &engine.runtime
        cdef uint64_t start = clock_ticks()
        cdef int64_t left = timeout_ms
        runtime.python_ran = False
        while True:
            others = self.turn(<int> left)
            if others or runtime.python_ran or engine.log_waits():
                return others
            if timeout_ms >= 0:
                left = timeout_ms - <int64_t> ((self.turn_ticks - start) / (runtime.ticks_per_us * 1000))
                if left <= 0:
                    return others
            self.send()
            if unlikely(engine.log_waits()):        # it could not be written
                return others

    def turn(self, int timeout_ms):
        """Wait for something to be ready (-1: for ever), run what ready sessions sent, and return the descriptors of
        poller.watch() that are ready. Replies stay until send()."""
        cdef Runtime *runtime = &self.engine.runtime
        cdef int i = 0
        cdef list others = None
        cdef uint64_t data
        if runtime.doomed != NULL or runtime.ready != NULL or runtime.pending != NULL:
            timeout_ms = 0
        self.poller.wait(self.shortened(timeout_ms))
        self.engine.enter()
        self.turn_ticks = clock_ticks()
        self.turn_commands = runtime.statistics.commands
        refresh_clock(runtime)
        runtime.statistics.turns += 1
        if unlikely(runtime.deadline_count):
            end_overdue(runtime)
        if unlikely(runtime.ready_keys != NULL):
            serve_ready(runtime)
        if unlikely(runtime.pending != NULL):
            self.serve_pending()
        while i < self.poller.ready:            # none are left where turn_inside() came in between
            data = self.poller.events[i].data.u64
            if likely(data & 1 == 0):
                serve_event(runtime, <Session *> data, self.poller.events[i].events)
            elif others is None:
                others = [data >> 1]
            else:
                others.append(data >> 1)
            i += 1
        return others if others is not None else ()

    def turn_inside(self):
        """A turn in the middle of a command of another one (engine/busy), which does not wait. Events that the other one has not
        seen to yet come again."""
        others = self.turn(0)
        self.poller.ready = 0
        return others

    cdef int shortened(self, int timeout_ms) noexcept nogil:
        """A timeout no longer than until the next wait of a blocked session ends."""
        cdef int64_t left = next_deadline_ms(&self.engine.runtime)
        if left == 0 or timeout_ms == 0:
            return timeout_ms
        left -= unix_us(&self.engine.runtime) // 1000 - 1   # it ends when its last millisecond is over
        left = left if left > 0 else 0
        return <int> left if timeout_ms < 0 or left < timeout_ms else timeout_ms

    cdef void serve_pending(self) noexcept nogil:
        """Run the input of those who no longer wait. The list is this function's own meanwhile, and one that ends on the way
        leaves it by its link."""
        cdef Runtime *runtime = &self.engine.runtime
        cdef Session *session
        cdef Session *left = runtime.pending
        runtime.pending = NULL
        if left != NULL:
            left.pending_link = &left
        while left != NULL:
            session = left
            left = session.next_pending
            if left != NULL:
                left.pending_link = &left
            session.flags &= ~<uint64_t> SESSION_PENDING_INPUT
            serve_resumed(runtime, session)
            if unlikely(runtime.client_limit):
                footprint_note(session)

    # -- within a process -----------------------------------------------------------------------------------------------

    def tick(self):
        """A turn that does not wait, replies sent: for threads that share the engine. What is due by the clock is done."""
        self.engine.acquire()
        try:
            self.turn(0)
            self.settle()
        finally:
            self.engine.release()

    def finish(self):
        """End a turn, as send() does, for peers in this process, too."""
        self.settle()

    def next_deadline(self):
        """Seconds until the next wait of a blocked session ends, inf: none does."""
        cdef int64_t deadline = next_deadline_ms(&self.engine.runtime)
        cdef int64_t left = deadline + 1 - unix_us(&self.engine.runtime) // 1000
        if deadline == 0:
            return INFINITY
        return left / 1000.0 if left > 0 else 0.0

    cdef int settle(self) except -1:
        """The end of a turn that serves whoever is in this process: who was waited for is served, the log is written, replies
        leave. What happens then may wake further ones."""
        cdef Runtime *runtime = &self.engine.runtime
        if self.orphans != NULL:
            self.bury_orphans()
        while runtime.pending != NULL:
            self.serve_pending()
        if runtime.propagation.bytes.length:
            self.engine.write_log()
        if self.engine.log_waits() and self.on_log is not None:
            self.on_log()
        self.send()
        if self.fresh != NULL:
            self.tell_peers()
        return self.engine.wake_waiters()

    cdef void tell_peers(self) noexcept:
        """Have those who wait in this process look at what came for them. A line that nobody uses any more ends here."""
        cdef Line *line
        while self.fresh != NULL:
            line = self.fresh
            self.fresh = line.next_fresh
            line.is_fresh = False
            if line.owner != NULL:
                (<Peer> line.owner).wake()
            elif line.session == NULL:
                line_free(line)

    cdef void bury_orphans(self) noexcept:
        """Close the sessions whose peers in this process are gone."""
        cdef Line *line
        while self.orphans != NULL:
            line = self.orphans
            self.orphans = line.next_orphan
            if line.session == NULL:
                if not line.is_fresh:       # else tell_peers() comes to it
                    line_free(line)
            elif line.session.flags & SESSION_RUNNING:      # its script runs on, and lets others in
                session_doom(line.session)
            else:
                self.close_session(line.session)

    # -- what leaves --------------------------------------------------------------------------------------------------

    def send(self):
        """End the turn: write the log of effects where the core does that, send the replies that may leave, and close the sessions
        that are to be closed."""
        self.engine.enter()
        cdef Runtime *runtime = &self.engine.runtime
        cdef Session *session
        cdef Session *following
        cdef Session *kept = NULL
        cdef uint64_t safe
        if runtime.propagation.bytes.length:
            self.engine.write_log()
        safe = runtime.propagation.safe
        session = runtime.ready
        runtime.ready = NULL
        while session != NULL:
            following = session.next_ready
            session.flags &= ~<uint64_t> SESSION_READY
            if unlikely(session.reply_position > safe):
                session_hold(session)
            elif not session.flags & SESSION_DOOMED:
                runtime.statistics.writes += 1
                self.after_send(session, session_send(session))
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
            if unlikely(session.flags & SESSION_RUNNING):
                session.next_doomed, kept = kept, session
            else:
                self.close_session(session)
        runtime.doomed = kept
        runtime.doomed_bytes = 0
        self.note_turn()

    cdef void after_send(self, Session *session, int outcome) noexcept nogil:
        if unlikely(outcome < 0 or (outcome == 1 and session.flags & SESSION_CLOSE_AFTER_REPLY)):
            session_doom(session)
        elif unlikely(outcome == 0 or session.flags & SESSION_WANTS_WRITE):
            # a peer in this process tells by itself that it has room again
            if session.fd >= 0 and self.poller.change_session(session, outcome == 0) != 0:
                session_doom(session)       # nobody would tell when it can take the rest
        if unlikely(self.engine.runtime.client_limit):
            footprint_note(session)

    cdef void note_turn(self) noexcept nogil:
        """The turn ends: how long it took, and how many commands it ran."""
        cdef Runtime *runtime = &self.engine.runtime
        cdef uint64_t spent = clock_ticks() - self.turn_ticks
        cdef uint64_t commands = runtime.statistics.commands - self.turn_commands
        runtime.statistics.loop_ticks += spent
        if spent > runtime.statistics.loop_ticks_most:
            runtime.statistics.loop_ticks_most = spent
        if runtime.statistics.commands > self.turn_commands and commands > runtime.statistics.turn_commands_most:
            runtime.statistics.turn_commands_most = commands

    # -- connections --------------------------------------------------------------------------------------------------

    def attach(self, int fd, str peer not None, str local not None, bint unix=False, bint loopback=False):
        """Take over a connected, non-blocking socket; the id of its session. Raises OSError where it can't be watched; it is
        closed then."""
        self.engine.enter()
        cdef Session *session = session_new(&self.engine.runtime, CALLER_CLIENT, 0, socket_transport(unix), fd)
        session.flags |= (SESSION_UNIX if unix else 0) | (SESSION_LOOPBACK if loopback else 0)
        session.peer = text_blob(peer)
        session.local = text_blob(local)
        try:
            self.poller.watch_session(session, False)
        except OSError:
            self.close_session(session)
            raise
        self.engine.runtime.statistics.connections += 1
        return session.id

    cdef void close_session(self, Session *session) noexcept:
        if is_line(session):
            line_closed(session)
        else:
            self.poller.forget(session.fd)  # closing is not enough: a child just forked may still have the socket open
            c_close(session.fd)
        self.engine.close_session(session)


cdef Blob *text_blob(str text) except NULL:
    cdef bytes raw = text.encode("utf-8", "surrogateescape")
    return blob_copy(raw, len(raw))


cdef inline void serve_event(Runtime *runtime, Session *session, uint32_t events) noexcept nogil:
    if unlikely(events & EPOLLOUT) and not session.flags & SESSION_READY:
        session_mark_ready(session)     # its socket can take more: send() sees to it
    if likely(events & (EPOLLIN | EPOLLERR | EPOLLHUP)):
        runtime.statistics.reads += 1
        serve_readable(runtime, session)
