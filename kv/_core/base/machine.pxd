"""What the processor can do and the language cannot say: wide products, bit counts, unaligned words.

Only inline C, so a cimport of this file costs no call and needs no module at run time. The loads go
through memcpy, which every compiler of today turns into one plain move and which, unlike a cast of
the pointer, is defined for any address.
"""
from libc.stdint cimport uint8_t, uint32_t, uint64_t


cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>

    static inline uint64_t multiply_u64(uint64_t a, uint64_t b, uint64_t *low) {
        unsigned __int128 product = (unsigned __int128)a * b;
        *low = (uint64_t)product;
        return (uint64_t)(product >> 64);
    }

    static inline int leading_zeros_u64(uint64_t value) { return __builtin_clzll(value); }

    /* Not 0 where one of the bytes is zero. The lowest bit is the top of the first such byte; those above it may be wrong. */
    static inline uint64_t zero_bytes(uint64_t word) {
        return (word - UINT64_C(0x0101010101010101)) & ~word & UINT64_C(0x8080808080808080);
    }

    /* The same, of bytes that equal this one. */
    static inline uint64_t equal_bytes(uint64_t word, unsigned char byte) {
        return zero_bytes(word ^ UINT64_C(0x0101010101010101) * byte);
    }

    /* The same, of bytes below this one, which is 128 at most. */
    static inline uint64_t bytes_below(uint64_t word, unsigned char byte) {
        return (word - UINT64_C(0x0101010101010101) * byte) & ~word & UINT64_C(0x8080808080808080);
    }

    static inline uint64_t load_u64_le(const void *from) {
        uint64_t word;
        memcpy(&word, from, 8);
    #if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        word = __builtin_bswap64(word);
    #endif
        return word;
    }

    static inline uint32_t load_u32_le(const void *from) {
        uint32_t word;
        memcpy(&word, from, 4);
    #if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        word = __builtin_bswap32(word);
    #endif
        return word;
    }

    static inline uint64_t load_u64_be(const void *from) { return __builtin_bswap64(load_u64_le(from)); }

    static inline uint64_t double_to_bits(double value) {
        uint64_t bits;
        memcpy(&bits, &value, 8);
        return bits;
    }

    static inline double bits_to_double(uint64_t bits) {
        double value;
        memcpy(&value, &bits, 8);
        return value;
    }

    static inline uint32_t float_to_bits(float value) {
        uint32_t bits;
        memcpy(&bits, &value, 4);
        return bits;
    }

    static inline float bits_to_float(uint32_t bits) {
        float value;
        memcpy(&value, &bits, 4);
        return value;
    }
    """
    uint64_t multiply_u64(uint64_t a, uint64_t b, uint64_t *low) noexcept nogil  # the upper half
    int leading_zeros_u64(uint64_t value) noexcept nogil                         # value is not zero
    uint64_t zero_bytes(uint64_t word) noexcept nogil
    uint64_t equal_bytes(uint64_t word, unsigned char byte) noexcept nogil
    uint64_t bytes_below(uint64_t word, unsigned char byte) noexcept nogil
    uint64_t load_u64_le(const void *source) noexcept nogil                      # any address
    uint64_t load_u64_be(const void *source) noexcept nogil
    uint32_t load_u32_le(const void *source) noexcept nogil
    uint64_t double_to_bits(double value) noexcept nogil
    double bits_to_double(uint64_t bits) noexcept nogil
    uint32_t float_to_bits(float value) noexcept nogil
    float bits_to_float(uint32_t bits) noexcept nogil
