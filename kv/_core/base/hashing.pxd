"""Keyed hashing: SipHash-1-2 with a secret of the process."""
from libc.stdint cimport uint64_t

cdef uint64_t hash_bytes(const char *data, size_t length) noexcept nogil
