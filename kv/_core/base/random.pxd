"""Random numbers that a seed replays; not for secrets."""
from libc.stdint cimport uint64_t

cdef struct Random:
    uint64_t[4] state  # never all zero; owned by whoever draws, one generator is not for two threads

cdef void random_seed(Random *random, uint64_t seed) noexcept nogil
cdef uint64_t random_u64(Random *random) noexcept nogil
# 0 <= result < limit; limit is above zero
cdef uint64_t random_below(Random *random, uint64_t limit) noexcept nogil
# 0 <= result < 1, a multiple of 2^-53
cdef double random_double(Random *random) noexcept nogil
