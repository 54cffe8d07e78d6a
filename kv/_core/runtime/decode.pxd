"""Replies as Python values."""

from libc.stdint cimport int64_t

cdef class Decoder:
    cdef bytes data
    cdef const char *at         # the next byte of `data`
    cdef const char *end

    cdef object scalar(self, char kind, const char *line, size_t length)
    cdef (char, const char *, size_t) take_line(self) except *
    cdef bytes take(self, int64_t length)
