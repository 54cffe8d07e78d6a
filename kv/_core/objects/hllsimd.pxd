"""Packing and unpacking the registers of a HyperLogLog 32 at a time, where the processor has AVX2.

A 256-bit register holds eight lanes of 32 bits. Four registers of six bits, three bytes, go to a lane each:

    bbaaaaaa ccccbbbb ddddddcc 00000000   <->   00aaaaaa 00bbbbbb 00cccccc 00dddddd

by masks and shifts; a shuffle brings the threes of bytes to their lanes, or back. Only inline C, as base/machine; what
runs it asks simd_is_there first, so the module itself needs no such processor. hllregisters says the same without AVX2.
"""
from libc.stdint cimport uint8_t


cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>

    #define KV_HLL_REGISTERS 16384

    #if defined(__x86_64__)
    #include <immintrin.h>

    static inline int simd_is_there(void) { return __builtin_cpu_supports("avx2"); }

    __attribute__((target("avx2")))
    static void simd_merge(const uint8_t *packed, uint8_t *registers) {
        /* the upper half is loaded from byte 8 on, so that nothing behind the 24 bytes is read */
        const __m256i to_lanes = _mm256_setr_epi8(
            0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1,
            4, 5, 6, -1, 7, 8, 9, -1, 10, 11, 12, -1, 13, 14, 15, -1);
        for (int i = 0; i < KV_HLL_REGISTERS; i += 32, packed += 24) {
            __m128i low = _mm_loadu_si128((const __m128i *)packed);
            __m128i high = _mm_loadu_si128((const __m128i *)(packed + 8));
            __m256i x = _mm256_shuffle_epi8(_mm256_set_m128i(high, low), to_lanes);
            __m256i a = _mm256_and_si256(x, _mm256_set1_epi32(0x3f));
            __m256i b = _mm256_and_si256(_mm256_slli_epi32(x, 2), _mm256_set1_epi32(0x3f00));
            __m256i c = _mm256_and_si256(_mm256_slli_epi32(x, 4), _mm256_set1_epi32(0x3f0000));
            __m256i d = _mm256_and_si256(_mm256_slli_epi32(x, 6), _mm256_set1_epi32(0x3f000000));
            __m256i values = _mm256_or_si256(_mm256_or_si256(a, b), _mm256_or_si256(c, d));
            __m256i held = _mm256_loadu_si256((const __m256i *)(registers + i));
            _mm256_storeu_si256((__m256i *)(registers + i), _mm256_max_epu8(values, held));
        }
    }

    __attribute__((target("avx2")))
    static void simd_pack(const uint8_t *registers, uint8_t *packed) {
        const __m256i from_lanes = _mm256_setr_epi8(
            0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1,
            0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1);
        for (int i = 0; i < KV_HLL_REGISTERS; i += 32, packed += 24) {
            __m256i x = _mm256_loadu_si256((const __m256i *)(registers + i));
            __m256i a = _mm256_and_si256(x, _mm256_set1_epi32(0x3f));
            __m256i b = _mm256_srli_epi32(_mm256_and_si256(x, _mm256_set1_epi32(0x3f00)), 2);
            __m256i c = _mm256_srli_epi32(_mm256_and_si256(x, _mm256_set1_epi32(0x3f0000)), 4);
            __m256i d = _mm256_srli_epi32(_mm256_and_si256(x, _mm256_set1_epi32(0x3f000000)), 6);
            __m256i lanes = _mm256_or_si256(_mm256_or_si256(a, b), _mm256_or_si256(c, d));
            __m256i fields = _mm256_shuffle_epi8(lanes, from_lanes);
            __m128i high = _mm256_extracti128_si256(fields, 1);
            int last = _mm_extract_epi32(high, 2);
            _mm_storeu_si128((__m128i *)packed, _mm256_castsi256_si128(fields));    /* its last four are */
            _mm_storel_epi64((__m128i *)(packed + 12), high);                       /* overwritten here */
            memcpy(packed + 20, &last, 4);
        }
    }
    #else
    static inline int simd_is_there(void) { return 0; }
    static inline void simd_merge(const uint8_t *packed, uint8_t *registers) { (void)packed; (void)registers; }
    static inline void simd_pack(const uint8_t *registers, uint8_t *packed) { (void)registers; (void)packed; }
    #endif
    """
    bint simd_is_there() noexcept nogil
    void simd_merge(const uint8_t *packed, uint8_t *registers) noexcept nogil   # as packed_merge
    void simd_pack(const uint8_t *registers, uint8_t *packed) noexcept nogil    # as registers_pack
