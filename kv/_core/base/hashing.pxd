"""Keyed hashing: SipHash-1-2 with a secret key."""
from libc.stdint cimport uint64_t

cdef struct HashKey:
    uint64_t[2] words

cdef HashKey hash_key() noexcept nogil
cdef void hash_enter_key(HashKey key) noexcept nogil
cdef uint64_t hash_bytes(const char *data, size_t length) noexcept nogil
