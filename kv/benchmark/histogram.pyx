"""The latency histogram's cold half: set-up, merging, and what the report asks of it.

The layout and the hot half (recording) are in the .pxd, where they can be inlined.
"""
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free


cdef int histogram_init(histogram_t *self, int precision) noexcept nogil:
    """Empty, with `precision` significant digits (1 to 5); -1 where memory is short."""
    cdef int _digit
    cdef int64_t wanted = 1
    for _digit in range(precision):
        wanted *= 10
    self.half_bits = 0
    while (<int64_t>1 << self.half_bits) < wanted:
        self.half_bits += 1
    self.length = histogram_slot(self, HISTOGRAM_HOURS_US) + 1
    self.total = self.sum_us = self.most_us = 0
    self.least_us = HISTOGRAM_HOURS_US
    self.counts = <int64_t *>calloc(self.length, sizeof(int64_t))
    return 0 if self.counts else -1


cdef void histogram_free(histogram_t *self) noexcept nogil:
    free(self.counts)
    self.counts = NULL


cdef void histogram_add(histogram_t *self, const histogram_t *other) noexcept nogil:
    """Merge `other`, which has the same precision, into this one."""
    cdef int64_t slot
    for slot in range(self.length):
        self.counts[slot] += other.counts[slot]
    self.total += other.total
    self.sum_us += other.sum_us
    self.least_us = min(self.least_us, other.least_us)
    self.most_us = max(self.most_us, other.most_us)


cdef class Histogram:
    """Latencies in microseconds, each known to `precision` significant digits."""

    def __cinit__(self, int precision):
        if not 1 <= precision <= 5:
            raise ValueError(f"a histogram keeps 1 to 5 significant digits, not {precision}")
        if histogram_init(&self.data, precision):
            raise MemoryError

    def __dealloc__(self):
        histogram_free(&self.data)

    def record(self, int64_t value_us, int64_t count=1):
        """Count one value `count` times; beyond an hour it counts as an hour."""
        if value_us < 0:
            raise ValueError("a latency is not negative")
        histogram_record(&self.data, value_us, count)

    @property
    def total(self):
        """How many values were recorded."""
        return self.data.total

    @property
    def mean(self):
        """The exact mean, 0.0 while there is nothing."""
        return self.data.sum_us / <double>self.data.total if self.data.total else 0.0

    @property
    def least(self):
        """The lower bound of the smallest value's slot, 0 while there is nothing."""
        return self.lowest(self.data.least_us) if self.data.total else 0

    @property
    def most(self):
        """The upper bound of the largest value's slot, 0 while there is nothing."""
        return self.highest(self.data.most_us) if self.data.total else 0

    cdef int64_t slot_start(self, int64_t slot):
        """The smallest value that falls into this slot."""
        cdef int64_t row = slot >> self.data.half_bits
        row = row - 1 if row > 0 else 0
        return (slot - (row << self.data.half_bits)) << (row + HISTOGRAM_UNIT_BITS)

    def lowest(self, int64_t value_us):
        """The smallest value indistinguishable from this one."""
        return self.slot_start(histogram_slot(&self.data, value_us))

    def highest(self, int64_t value_us):
        """The largest value indistinguishable from this one."""
        return self.slot_start(histogram_slot(&self.data, value_us) + 1) - 1

    def recorded(self):
        """[(largest value of the slot, its count)] of the slots that hold something, ascending."""
        cdef int64_t slot
        return [(self.slot_start(slot + 1) - 1, self.data.counts[slot])
                for slot in range(self.data.length) if self.data.counts[slot]]

    def percentile(self, double percent):
        """The value which `percent` of all values do not exceed, to the precision; 0 while there is none."""
        cdef int64_t slot
        cdef int64_t wanted = max(1, <int64_t>(percent / 100 * self.data.total + 0.5))
        cdef int64_t seen = 0
        for slot in range(self.data.length):
            seen += self.data.counts[slot]
            if seen >= wanted:
                return self.slot_start(slot + 1) - 1
        return 0
