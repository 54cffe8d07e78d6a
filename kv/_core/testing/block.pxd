"""Bytes in a block of exactly their size."""
from libc.stdint cimport uint8_t


cdef class Block:
    cdef uint8_t *data    # owned; not terminated, and no byte may be read or written behind length
    cdef size_t length

    cdef inline char *text(self) noexcept
    cdef bytes content(self)
