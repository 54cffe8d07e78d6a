"""Keeping to maxmemory and maxmemory-clients."""
from libc.stdint cimport int64_t

from kv._core.runtime.state cimport Runtime

cdef bint evict_until_fits(Runtime *runtime) noexcept nogil
cdef void note_limit(Runtime *runtime) noexcept nogil
cdef void tell_spike(Runtime *runtime, const char *event, int64_t us) noexcept nogil
cdef void evict_clients(Runtime *runtime) noexcept nogil
