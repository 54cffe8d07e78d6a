"""The loop around an engine: turns, sockets, what leaves."""
from libc.stdint cimport uint64_t

from kv._core.base.blob cimport Blob
from kv._core.engine.engine cimport Engine
from kv._core.engine.line cimport Line
from kv._core.engine.poller cimport Poller
from kv._core.runtime.state cimport Session

cdef class Peer:
    cdef void wake(self) noexcept

cdef class Loop:
    cdef readonly Engine engine
    cdef readonly Poller poller     # sessions, and what Python watches
    cdef uint64_t turn_ticks        # when the turn began
    cdef uint64_t turn_commands     # commands ever run when it began
    cdef Line *fresh                # of peers in this process: those who are to be told that there is something for them
    cdef Line *orphans              # ... whose peers went while somebody was in the engine
    cdef public object on_log       # called before replies leave, where the log of effects waits for Python

    cdef int settle(self) except -1
    cdef void tell_peers(self) noexcept
    cdef void bury_orphans(self) noexcept

    cdef int shortened(self, int timeout_ms) noexcept nogil
    cdef void serve_pending(self) noexcept nogil
    cdef void note_turn(self) noexcept nogil
    cdef void after_send(self, Session *session, int outcome) noexcept nogil
    cdef void close_session(self, Session *session) noexcept

cdef Blob *text_blob(str text) except NULL      # of an address, for CLIENT LIST
