"""The registers of a HyperLogLog.

16384 of them, six bits each, the lowest bits of a byte first; four registers are three bytes:

    +--------+--------+--------+------ ... +--------+
    |11000000|22221111|33333322|554444     |........|     12288 bytes
    +--------+--------+--------+------ ... +--------+

The last register ends with the last byte, so no access needs one byte more. What reads or writes all of them goes by 48
bits: a word is loaded, and its eight fields are moved to a byte each by halving (two fields of 24 bits, four of 12,
eight of 6), without a branch; then comparing bytes is the compiler's to vectorise. With AVX2 it goes by 192 bits
(hllsimd), which takes a fifth of the time.

The estimate is Ertl's (New cardinality estimation algorithms for HyperLogLog sketches, arXiv:1702.01284, algorithm 6),
which needs the histogram of the values alone, and no correction for small or large sets.
"""
from libc.math cimport INFINITY, pow, sqrt
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from kv._core.base.machine cimport load_u64_le
from kv._core.objects.hllsimd cimport simd_is_there, simd_merge, simd_pack

cdef extern from "<math.h>" nogil:
    long long llroundl(long double value)

cdef enum:
    STEP = 12                   # bytes of 16 registers
    FIELD = 63                  # mask of a register

cdef bint simd = simd_is_there()

cdef double ALPHA = 0.721347520444481703680     # 1 / (2 ln 2), the factor for endless registers


cdef bint hll_use_simd(bint wanted) noexcept nogil:
    global simd
    simd = wanted and simd_is_there()
    return simd


cdef int packed_get(const uint8_t *packed, uint32_t index) noexcept nogil:
    cdef uint32_t at = index * 6 >> 3
    cdef int shift = index * 6 & 7
    cdef int value = packed[at] >> shift
    if shift > 2:
        value |= packed[at + 1] << (8 - shift)
    return value & FIELD


cdef bint packed_raise(uint8_t *packed, uint32_t index, int value) noexcept nogil:
    """Set a register to a value, unless it has it or a higher one; whether it rose."""
    cdef uint32_t at = index * 6 >> 3
    cdef int shift = index * 6 & 7
    if packed_get(packed, index) >= value:
        return False
    packed[at] = <uint8_t> ((packed[at] & ~(FIELD << shift)) | (value << shift))
    if shift > 2:
        packed[at + 1] = <uint8_t> ((packed[at + 1] & ~(FIELD >> (8 - shift))) | (value >> (8 - shift)))
    return True


# -- all of them ------------------------------------------------------------------------------------------------------

cdef inline uint64_t spread(uint64_t fields) noexcept nogil:
    """The low 48 bits, eight registers, as eight bytes."""
    fields = (fields & 0x000000ffffffULL) | (fields & 0xffffff000000ULL) << 8
    fields = (fields & 0x00000fff00000fffULL) | (fields & 0x00fff00000fff000ULL) << 4
    return (fields & 0x003f003f003f003fULL) | (fields & 0x0fc00fc00fc00fc0ULL) << 2


cdef inline uint64_t gather(uint64_t spread_fields) noexcept nogil:
    """The reverse."""
    cdef uint64_t fields = (spread_fields & 0x003f003f003f003fULL) | (spread_fields & 0x3f003f003f003f00ULL) >> 2
    fields = (fields & 0x00000fff00000fffULL) | (fields & 0x0fff00000fff0000ULL) >> 4
    return (fields & 0x000000ffffffULL) | (fields & 0x00ffffff00000000ULL) >> 8


cdef void packed_merge(const uint8_t *packed, uint8_t *registers) noexcept nogil:
    """Raise each register to the packed one."""
    if simd:
        simd_merge(packed, registers)
    else:
        merge_words(packed, registers)


cdef void registers_pack(const uint8_t *registers, uint8_t *packed) noexcept nogil:
    if simd:
        simd_pack(registers, packed)
    else:
        pack_words(registers, packed)


cdef void merge_words(const uint8_t *packed, uint8_t *registers) noexcept nogil:
    cdef uint8_t values[HLL_REGISTERS]
    cdef uint64_t word
    cdef uint8_t *out = values
    cdef int i, _step
    for _step in range(HLL_REGISTERS // 16):
        word = spread(load_u64_le(packed))
        memcpy(out, &word, 8)
        word = spread(load_u64_le(packed + 4) >> 16)
        memcpy(out + 8, &word, 8)
        packed += STEP
        out += 16
    for i in range(HLL_REGISTERS):
        registers[i] = values[i] if values[i] > registers[i] else registers[i]


cdef void pack_words(const uint8_t *registers, uint8_t *packed) noexcept nogil:
    cdef uint64_t low, high
    cdef int _i
    for _i in range(HLL_REGISTERS // 16):
        low, high = gather(load_u64_le(registers)), gather(load_u64_le(registers + 8))
        low |= high << 48
        high >>= 16
        memcpy(packed, &low, 8)
        memcpy(packed + 8, &high, 4)
        registers += 16
        packed += STEP


cdef inline void count_bytes(uint64_t values, uint32_t *counts) noexcept nogil:
    """Eight bytes into four histograms in turn: equal values often stand together, and to add to the same counter
    again at once is to wait for it."""
    counts[values & 255] += 1
    counts[HLL_VALUES + (values >> 8 & 255)] += 1
    counts[2 * HLL_VALUES + (values >> 16 & 255)] += 1
    counts[3 * HLL_VALUES + (values >> 24 & 255)] += 1
    counts[values >> 32 & 255] += 1
    counts[HLL_VALUES + (values >> 40 & 255)] += 1
    counts[2 * HLL_VALUES + (values >> 48 & 255)] += 1
    counts[3 * HLL_VALUES + (values >> 56)] += 1


cdef void add_up(const uint32_t *counts, HllHistogram *histogram) noexcept nogil:
    cdef int i
    for i in range(HLL_VALUES):
        histogram.counts[i] = (counts[i] + counts[HLL_VALUES + i] + counts[2 * HLL_VALUES + i]
                               + counts[3 * HLL_VALUES + i])


cdef void packed_histogram(const uint8_t *packed, HllHistogram *histogram) noexcept nogil:
    cdef uint32_t counts[4 * HLL_VALUES]
    cdef int _i
    memset(counts, 0, sizeof(counts))
    for _i in range(HLL_REGISTERS // 16):
        count_bytes(spread(load_u64_le(packed)), counts)
        count_bytes(spread(load_u64_le(packed + 4) >> 16), counts)
        packed += STEP
    add_up(counts, histogram)


cdef void registers_histogram(const uint8_t *registers, HllHistogram *histogram) noexcept nogil:
    cdef uint32_t counts[4 * HLL_VALUES]
    cdef int i
    memset(counts, 0, sizeof(counts))
    for i in range(0, HLL_REGISTERS, 8):
        count_bytes(load_u64_le(registers + i), counts)
    add_up(counts, histogram)


# -- the estimate -----------------------------------------------------------------------------------------------------

cdef double sigma(double x) noexcept nogil:
    """x + the sum of x^(2^k) * 2^(k-1) for k from 1: what the registers at zero weigh."""
    cdef double weight = 1
    cdef double total = x
    cdef double before
    if x == 1:
        return INFINITY
    while True:
        x *= x
        before = total
        total += x * weight
        weight += weight
        if total == before:
            return total


cdef double tau(double x) noexcept nogil:
    """(1 - x - the sum of (1 - x^(2^-k))^2 * 2^-k for k from 1) / 3: what the registers at their highest weigh."""
    cdef double weight = 1
    cdef double total = 1 - x
    cdef double before
    if x == 0 or x == 1:
        return 0
    while True:
        x = sqrt(x)
        before = total
        weight *= 0.5
        total -= pow(1 - x, 2) * weight
        if total == before:
            return total / 3


cdef uint64_t histogram_estimate(const HllHistogram *histogram) noexcept nogil:
    """How many elements. Registers above HLL_HIGHEST, which no element makes, have no say."""
    cdef double m = HLL_REGISTERS
    cdef double z = m * tau((m - histogram.counts[HLL_HIGHEST]) / m)
    cdef int value
    for value in range(HLL_HIGHEST - 1, 0, -1):
        z += histogram.counts[value]
        z *= 0.5
    z += m * sigma(histogram.counts[0] / m)
    return <uint64_t> <double> llroundl(ALPHA * m * m / z)
