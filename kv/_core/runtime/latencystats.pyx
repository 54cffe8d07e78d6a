"""Histograms of how long commands took, for INFO latencystats and LATENCY HISTOGRAM.

Log-linear buckets: 32 to each doubling of the nanoseconds, so that a percentile is off by at most 3 %. A command
has its array of counters from its first call on.
"""
from libc.stdint cimport uint32_t, uint64_t

from kv._core.base.memory cimport memory_calloc
from kv._core.runtime.state cimport LATENCY_BUCKETS, CommandStatistics


cdef void latency_record_first(CommandStatistics *command, uint64_t ns) noexcept nogil:
    command.latency = <uint32_t *> memory_calloc(LATENCY_BUCKETS * sizeof(uint32_t))
    command.latency[latency_bucket(ns)] = 1


def bucket_top_us(int bucket):
    """The largest duration that falls into a bucket, in microseconds."""
    if bucket < 64:
        return bucket / 1000
    exponent, rest = divmod(bucket, 32)
    return (((32 + rest + 1) << (exponent - 1)) - 1) / 1000


cdef const uint32_t *counters(bytes counts) except NULL:
    """The counters in a copy of a command's array, as inspect.latency_figures hands it out."""
    if len(counts) != LATENCY_BUCKETS * sizeof(uint32_t):
        raise ValueError("not a command's counters")
    return <const uint32_t *> <const char *> counts


cdef uint64_t sum_of(const uint32_t *counts) noexcept nogil:
    cdef uint64_t total = 0
    cdef int bucket
    for bucket in range(LATENCY_BUCKETS):
        total += counts[bucket]
    return total


def calls_of(bytes counts not None):
    """How many calls were counted."""
    return sum_of(counters(counts))


def histogram_us(bytes counts not None):
    """{microseconds: calls that took at most so long}, at the powers of two of 1024 ns, where the number grows. The
    bounds are those of Valkey's histograms, whose buckets are 1/128 wide there: 1, 2, 4, 8, 16, 33, 66 ..."""
    cdef const uint32_t *counter = counters(counts)
    cdef uint64_t seen = 0
    cdef uint64_t told = 0
    cdef uint64_t level = 1024
    cdef int bucket
    found = {}
    for bucket in range(LATENCY_BUCKETS):
        if bucket == latency_bucket(level):
            if seen > told:
                found[(level + level // 128 - 1) // 1000] = told = seen
            level *= 2
        seen += counter[bucket]
    if seen > told:
        found[(level + level // 128 - 1) // 1000] = seen
    return found


def percentile_us(bytes counts not None, double percent):
    """The duration in microseconds that `percent` of the calls did not exceed, 0 where there were none."""
    cdef const uint32_t *counter = counters(counts)
    cdef uint64_t total = sum_of(counter)
    cdef uint64_t seen = 0
    cdef int bucket
    if total == 0:
        return 0.0
    for bucket in range(LATENCY_BUCKETS):
        seen += counter[bucket]
        if seen and seen * 100.0 >= percent * total:
            return bucket_top_us(bucket)
    return bucket_top_us(LATENCY_BUCKETS - 1)
