"""The engine's face to Python (see engine.pyx)."""
from libc.stdint cimport uint32_t, uint64_t

from kv._core.engine.poller cimport Poller
from kv._core.runtime.state cimport Runtime, Session

cdef class Engine:
    cdef Runtime runtime
    cdef readonly Poller poller     # sessions, and what Python watches
    cdef public object owner        # whoever embeds the engine; commands written in Python see it as call.server
    cdef int monitors               # sessions that run MONITOR
    cdef object __weakref__

    cdef void refresh_clock(self) noexcept nogil
    cdef void after_send(self, Session *session, int outcome) noexcept nogil
    cdef void close_session(self, Session *session) noexcept
    cdef void forget_postponed(self, Session *session) noexcept nogil
    cdef void set_alert(self, uint32_t alert, bint on) noexcept nogil
    cdef Session *session_by_id(self, uint64_t id) noexcept nogil
