"""The loop around an engine: turns, sockets, what leaves."""
from libc.stdint cimport uint64_t

from kv._core.engine.engine cimport Engine
from kv._core.engine.poller cimport Poller
from kv._core.runtime.state cimport Session

cdef class Loop:
    cdef readonly Engine engine
    cdef readonly Poller poller     # sessions, and what Python watches
    cdef uint64_t turn_ticks        # when the turn began
    cdef uint64_t turn_commands     # commands ever run when it began

    cdef int shortened(self, int timeout_ms) noexcept nogil
    cdef void serve_pending(self) noexcept nogil
    cdef void note_turn(self) noexcept nogil
    cdef void after_send(self, Session *session, int outcome) noexcept nogil
    cdef void close_session(self, Session *session) noexcept
