"""Serving commands that wait."""
from libc.stdint cimport uint64_t

from kv._core.base.slice cimport Slice
from kv._core.runtime.state cimport Runtime, Session

cdef void serve_ready(Runtime *runtime) noexcept nogil
cdef void serve_positions(Runtime *runtime) noexcept nogil
cdef void end_overdue(Runtime *runtime) noexcept nogil
cdef void end_wait(Session *session, bint with_error) noexcept nogil
cdef void answer_wait(Session *session, Slice reply, bint failed) noexcept nogil
