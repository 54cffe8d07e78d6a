"""xoshiro256** (Blackman and Vigna, "Scrambled Linear Pseudorandom Number Generators", 2021).

Sampling for eviction and expiry, RANDOMKEY, SPOP and skiplist levels draw from this. It is a struct, not a
global, so that the engine owns the only one and a test that seeds it sees the same run again. The state is
filled by SplitMix64, as its authors advise: any seed, zero too, gives a state of mixed bits. Anything that
must not be guessed (the hash key, ACL GENPASS, run ids) takes the system's randomness instead.
"""
from libc.stdint cimport uint64_t

from kv._core.base.machine cimport multiply_u64


cdef void random_seed(Random *random, uint64_t seed) noexcept nogil:
    cdef uint64_t mixed
    cdef int i
    for i in range(4):
        seed += <uint64_t>0x9E3779B97F4A7C15
        mixed = (seed ^ (seed >> 30)) * <uint64_t>0xBF58476D1CE4E5B9
        mixed = (mixed ^ (mixed >> 27)) * <uint64_t>0x94D049BB133111EB
        random.state[i] = mixed ^ (mixed >> 31)


cdef inline uint64_t rotate_left(uint64_t value, int bits) noexcept nogil:
    return (value << bits) | (value >> (64 - bits))


cdef uint64_t random_u64(Random *random) noexcept nogil:
    cdef uint64_t *s = random.state
    cdef uint64_t result = rotate_left(s[1] * 5, 7) * 9
    cdef uint64_t shifted = s[1] << 17
    s[2] ^= s[0]
    s[3] ^= s[1]
    s[1] ^= s[2]
    s[0] ^= s[3]
    s[2] ^= shifted
    s[3] = rotate_left(s[3], 45)
    return result


cdef uint64_t random_below(Random *random, uint64_t limit) noexcept nogil:
    """The upper half of a product instead of a remainder: it needs no division but in the rare case that
    the draw falls in the 2^64 % limit products that would favour some results (Lemire, 2019)."""
    cdef uint64_t low, threshold
    cdef uint64_t high = multiply_u64(random_u64(random), limit, &low)
    if low < limit:
        threshold = (0 - limit) % limit
        while low < threshold:
            high = multiply_u64(random_u64(random), limit, &low)
    return high


cdef double random_double(Random *random) noexcept nogil:
    return <double>(random_u64(random) >> 11) * (1.0 / 9007199254740992.0)
