"""Eviction: which key goes when memory is short."""
from libc.stdint cimport uint64_t

from kv._core.keyspace.keyspace cimport Database, Keyspace
from kv._core.objects.entry cimport Entry

cdef enum:
    POOL_SIZE = 16

cdef struct Candidate:
    uint64_t score          # the higher, the sooner it goes
    uint64_t hash           # of its key
    Entry *entry            # may be gone by now: looked up by address and hash before it is used
    int database            # index

cdef struct EvictionPool:
    Candidate candidates[POOL_SIZE]     # ascending score
    int count                           # filled
    int next_database                   # where random policies go on

cdef bint evict_one(Keyspace *keyspace, EvictionPool *pool, int samples) noexcept nogil
