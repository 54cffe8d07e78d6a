"""Histograms of how long commands took."""
from libc.stdint cimport uint32_t, uint64_t

from kv._core.runtime.state cimport LATENCY_BUCKETS, CommandStatistics


cdef void latency_record_first(CommandStatistics *command, uint64_t ns) noexcept nogil


cdef inline int latency_bucket(uint64_t ns) noexcept nogil:
    """Nanoseconds to a bucket: one each to 31, then 32 to each doubling (3 % wide); the last takes all above."""
    cdef int exponent, bucket
    if ns < 32:
        return <int> ns
    exponent = 63 - __builtin_clzll(ns)
    bucket = (exponent - 4) * 32 + <int> ((ns >> (exponent - 5)) & 31)
    return bucket if bucket < LATENCY_BUCKETS else LATENCY_BUCKETS - 1


cdef extern from *:
    int __builtin_clzll(unsigned long long value) nogil


cdef inline void latency_record(CommandStatistics *command, uint64_t ns) noexcept nogil:
    if command.latency == NULL:
        latency_record_first(command, ns)
    else:
        command.latency[latency_bucket(ns)] += 1
