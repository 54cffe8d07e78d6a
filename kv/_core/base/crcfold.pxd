"""Folding what CRC-64 is taken of, 64 bytes at a time, where the processor multiplies without carries.

Bits without carries are polynomials, and a CRC is the remainder of one. Two words of a text (16 bytes) that stand n bits before
others may be added to those, once they are multiplied by x^n modulo the CRC's polynomial: the remainder stays the same. So
four pairs of words are carried along the text, and what is left is 16 bytes with the text's remainder, which the tables take.

    text      | pair 0 | pair 1 | pair 2 | pair 3 | pair 4 | ...         pair 4 ^= pair 0 * x^512, ...

x86-64 has PCLMULQDQ for it, aarch64 PMULL. Only inline C, as base/machine: what runs it asks crc_folding_is_there first, so the
module itself needs no such processor. Source: V. Gopal et al., Fast CRC Computation for Generic Polynomials Using PCLMULQDQ
Instruction, Intel 2009.
"""
from libc.stdint cimport uint8_t, uint64_t


cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>

    #if defined(__x86_64__)
    #include <immintrin.h>
    #define KV_CRC_TARGET __attribute__((target("pclmul,sse2")))
    typedef __m128i kv_crc_pair;

    static inline int crc_folding_is_there(void) { return __builtin_cpu_supports("pclmul"); }

    KV_CRC_TARGET static inline kv_crc_pair kv_crc_load(const void *at) { return _mm_loadu_si128((const __m128i *)at); }
    KV_CRC_TARGET static inline void kv_crc_store(void *at, kv_crc_pair pair) { _mm_storeu_si128((__m128i *)at, pair); }

    /* `pair` multiplied by two powers of x, its first word by the first, added to what stands that much later */
    KV_CRC_TARGET static inline kv_crc_pair kv_crc_fold(kv_crc_pair pair, kv_crc_pair powers, kv_crc_pair later) {
        __m128i low = _mm_clmulepi64_si128(pair, powers, 0x00);
        __m128i high = _mm_clmulepi64_si128(pair, powers, 0x11);
        return _mm_xor_si128(_mm_xor_si128(low, high), later);
    }

    #elif defined(__aarch64__) && defined(__linux__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    #include <arm_neon.h>
    #include <sys/auxv.h>
    #define KV_CRC_TARGET __attribute__((target("+crypto")))
    #define KV_HWCAP_PMULL (1 << 4)
    typedef uint64x2_t kv_crc_pair;

    static inline int crc_folding_is_there(void) { return (getauxval(AT_HWCAP) & KV_HWCAP_PMULL) != 0; }

    KV_CRC_TARGET static inline kv_crc_pair kv_crc_load(const void *at) {
        return vreinterpretq_u64_u8(vld1q_u8((const uint8_t *)at));
    }
    KV_CRC_TARGET static inline void kv_crc_store(void *at, kv_crc_pair pair) {
        vst1q_u8((uint8_t *)at, vreinterpretq_u8_u64(pair));
    }
    KV_CRC_TARGET static inline kv_crc_pair kv_crc_fold(kv_crc_pair pair, kv_crc_pair powers, kv_crc_pair later) {
        uint64x2_t low = vreinterpretq_u64_p128(
            vmull_p64((poly64_t)vgetq_lane_u64(pair, 0), (poly64_t)vgetq_lane_u64(powers, 0)));
        uint64x2_t high = vreinterpretq_u64_p128(
            vmull_high_p64(vreinterpretq_p64_u64(pair), vreinterpretq_p64_u64(powers)));
        return veorq_u64(veorq_u64(low, high), later);
    }

    #else
    #define KV_CRC_NO_FOLDING
    static inline int crc_folding_is_there(void) { return 0; }
    static inline void crc_fold(const uint8_t *data, uint64_t length, uint64_t crc, const uint64_t *powers, uint8_t *left) {
        (void)data; (void)length; (void)crc; (void)powers; (void)left;
    }
    #endif

    #ifndef KV_CRC_NO_FOLDING
    KV_CRC_TARGET
    static void crc_fold(const uint8_t *data, uint64_t length, uint64_t crc, const uint64_t *powers, uint8_t *left) {
        const kv_crc_pair by_four = kv_crc_load(powers), by_one = kv_crc_load(powers + 2);
        const uint8_t *end = data + length;
        uint64_t begin[2];
        kv_crc_pair a, b, c, d;
        memcpy(begin, data, 16);
        begin[0] ^= crc;
        a = kv_crc_load(begin);
        b = kv_crc_load(data + 16);
        c = kv_crc_load(data + 32);
        d = kv_crc_load(data + 48);
        for (data += 64; end - data >= 64; data += 64) {
            a = kv_crc_fold(a, by_four, kv_crc_load(data));
            b = kv_crc_fold(b, by_four, kv_crc_load(data + 16));
            c = kv_crc_fold(c, by_four, kv_crc_load(data + 32));
            d = kv_crc_fold(d, by_four, kv_crc_load(data + 48));
        }
        a = kv_crc_fold(a, by_one, b);
        a = kv_crc_fold(a, by_one, c);
        a = kv_crc_fold(a, by_one, d);
        for (; data < end; data += 16)
            a = kv_crc_fold(a, by_one, kv_crc_load(data));
        kv_crc_store(left, a);
    }
    #endif
    """
    bint crc_folding_is_there() noexcept nogil
    # 16 bytes with the remainder of `length` bytes (64 or more, a multiple of 16) that follow on a CRC; powers: x^575, x^511,
    # x^191 and x^127 modulo the polynomial, bits reflected
    void crc_fold(const uint8_t *data, uint64_t length, uint64_t crc, const uint64_t *powers, uint8_t *left) noexcept nogil
