"""Log lines out of a signal handler (see rawlog.pyx)."""
from libc.stdint cimport int64_t, uint64_t

from kv._core.base.slice cimport Slice

cdef bint rawlog_is_child() noexcept nogil
cdef void rawlog_open() noexcept nogil
cdef void rawlog_close() noexcept nogil
cdef int rawlog_fd() noexcept nogil
cdef void rawlog_head() noexcept nogil
cdef void rawlog_text(const char *text) noexcept nogil
cdef void rawlog_slice(Slice text) noexcept nogil
cdef void rawlog_number(int64_t number) noexcept nogil
cdef void rawlog_address(const void *address) noexcept nogil
cdef void rawlog_offset(size_t bytes) noexcept nogil
cdef void rawlog_quoted(Slice text, size_t most) noexcept nogil
cdef void rawlog_end() noexcept nogil
cdef void rawlog_line(const char *text) noexcept nogil
