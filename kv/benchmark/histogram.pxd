"""A latency histogram with a fixed relative error, in constant memory and constant time.

A plain array of counters cannot hold both 8 microseconds and one hour. So the counters are laid out in
rows, each twice as coarse as the one before (the layout of HdrHistogram, Gil Tene, public domain):

    row 0    slots 0 .. 2h-1     one unit wide each
    row 1    slots 2h .. 3h-1    two units wide each, since values below 2h have gone into row 0
    row k    h slots             2^k units wide each

With 2h the power of two at or above 2 * 10^precision, a slot is never wider than its value divided by
10^precision: that many significant digits survive. The unit is 8 microseconds, as in valkey-benchmark, so
that the percentiles of the two tools are comparable digit by digit.

One writer, no lock: each thread fills its own and the report merges them.
"""
from libc.stdint cimport int64_t, uint64_t

cdef extern from *:
    int __builtin_clzll(unsigned long long value) noexcept nogil

cdef enum:
    HISTOGRAM_UNIT_BITS = 3  # a unit is 8 us
    HISTOGRAM_HOURS_US = 3600000000  # one hour; whatever takes longer is counted as this

ctypedef struct histogram_t:
    int half_bits  # log2 of h, the slots of each row but the first
    int64_t length  # slots altogether
    int64_t total  # values recorded
    int64_t sum_us  # of all values, exact (the mean needs no buckets)
    int64_t least_us  # smallest value recorded; HISTOGRAM_HOURS_US while there is none
    int64_t most_us  # largest value recorded; 0 while there is none
    int64_t *counts  # owned; `length` slots

cdef int histogram_init(histogram_t *self, int precision) noexcept nogil
cdef void histogram_free(histogram_t *self) noexcept nogil
cdef void histogram_add(histogram_t *self, const histogram_t *other) noexcept nogil


cdef inline int64_t histogram_slot(const histogram_t *self, int64_t value_us) noexcept nogil:
    cdef uint64_t units = <uint64_t>value_us >> HISTOGRAM_UNIT_BITS
    cdef uint64_t first_row = (<uint64_t>2 << self.half_bits) - 1
    cdef int row = 63 - __builtin_clzll(units | first_row) - self.half_bits
    return (<int64_t>row << self.half_bits) + <int64_t>(units >> row)


cdef inline void histogram_record(histogram_t *self, int64_t value_us, int64_t count) noexcept nogil:
    """Count `value_us`, which is not negative, `count` times."""
    if value_us > HISTOGRAM_HOURS_US:
        value_us = HISTOGRAM_HOURS_US
    self.counts[histogram_slot(self, value_us)] += count
    self.total += count
    self.sum_us += value_us * count
    if value_us < self.least_us:
        self.least_us = value_us
    if value_us > self.most_us:
        self.most_us = value_us


cdef class Histogram:
    cdef histogram_t data  # initialised in __cinit__, freed in __dealloc__
    cdef int64_t slot_start(self, int64_t slot)
