"""The registers of a HyperLogLog: packed, as bytes, and the estimate that they stand for."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef enum:
    HLL_REGISTERS = 16384           # 2^14: that many bits of an element's hash choose its register
    HLL_HIGHEST = 51                # what a register can rise to: 64 - 14 zero bits and the one behind them
    HLL_VALUES = 64                 # what six bits can hold; a broken value may have more than HLL_HIGHEST
    HLL_PACKED_SIZE = 12288         # bytes of all registers of six bits

cdef struct HllHistogram:           # of the registers' values
    uint32_t counts[HLL_VALUES]     # registers that have the value

# whether AVX2 is used, if wanted and where there is such a thing; it is wanted unless a test turns it off
cdef bint hll_use_simd(bint wanted) noexcept nogil

# packed registers are HLL_PACKED_SIZE bytes, registers as bytes are HLL_REGISTERS
cdef int packed_get(const uint8_t *packed, uint32_t index) noexcept nogil
cdef bint packed_raise(uint8_t *packed, uint32_t index, int value) noexcept nogil
cdef void packed_histogram(const uint8_t *packed, HllHistogram *histogram) noexcept nogil
cdef void packed_merge(const uint8_t *packed, uint8_t *registers) noexcept nogil
cdef void registers_pack(const uint8_t *registers, uint8_t *packed) noexcept nogil
cdef void registers_histogram(const uint8_t *registers, HllHistogram *histogram) noexcept nogil
cdef uint64_t histogram_estimate(const HllHistogram *histogram) noexcept nogil
