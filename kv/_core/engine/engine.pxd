"""The engine's face to Python (see engine.pyx)."""
from libc.stdint cimport uint64_t

from kv._core.engine.poller cimport Poller
from kv._core.engine.settings cimport CronSettings
from kv._core.runtime.state cimport Runtime, Session

cdef class Engine:
    cdef Runtime runtime
    cdef readonly Poller poller     # sessions, and what Python watches
    cdef public object owner        # whoever embeds the engine; commands written in Python see it as call.server
    cdef uint64_t turn_ticks        # when the turn began
    cdef uint64_t turn_commands     # commands ever run when it began
    cdef uint64_t effects_ticks     # when effects were handed out
    cdef public object on_protocol_error    # called with a session's id, the error, and a view of the input it is in
    cdef public object on_commandlog    # called with what the command log needs of a slow or large command
    cdef public object on_closing       # called with the id of a session that did not ask to be closed, and why
    cdef public object on_latency       # called with an event of the latency monitor and its milliseconds
    cdef CronSettings cron
    cdef object __weakref__

    cdef int shortened(self, int timeout_ms) noexcept nogil
    cdef void serve_resumed(self) noexcept nogil
    cdef void note_turn(self) noexcept nogil
    cdef void after_send(self, Session *session, int outcome) noexcept nogil
    cdef void close_session(self, Session *session) noexcept
