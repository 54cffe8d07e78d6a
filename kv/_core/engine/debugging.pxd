"""Debugging sessions of scripts: where they run, and waiting for their client."""
from kv._core.runtime.state cimport Awaited, Context, Session

cdef bint begin_debugging(Context *c, bint sync, int *stop_fd) noexcept nogil
cdef void end_debugging(Context *c, bint sync) noexcept nogil
cdef Awaited await_client(Session *session, int stop_fd, bint writable, int timeout_ms) noexcept nogil
