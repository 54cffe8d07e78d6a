"""Active expiry: sweeping the databases for keys whose time has come."""
from libc.stdint cimport int64_t, uint64_t

from kv._core.keyspace.keyspace cimport Keyspace

cdef bint expire_sweep(Keyspace *keyspace, int effort, int64_t limit_us) noexcept nogil
