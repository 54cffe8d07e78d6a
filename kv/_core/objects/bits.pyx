"""Counting, finding and combining bits by words, and integers of any width at any bit.

Counting is one instruction a word where the processor has it (every x86 since 2008, every 64 bit ARM), and with AVX2 32 bytes
at a time: a shuffle looks up the counts of 32 halves of bytes. That is faster than memory, and the processor fetches ahead
within a page of 4 KiB alone, so the loops that read much ask for what is a page ahead themselves. A compiler that must also
serve older x86 may use neither unasked. So the loop exists three times, and which one runs is decided at import.

Combining goes block by block through all sources, so that a block of the result stays in the first cache
while the sources stream past it once; the loops inside are of the kind that compilers turn into vector code.
"""
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcpy, memset

from kv._core.base.machine cimport leading_zeros_u64, load_u64_be, load_u64_le
from kv._core.base.platform cimport prefetch

cdef extern from *:
    """
    #include <stdint.h>
    #include <stddef.h>
    #include <string.h>

    #define AHEAD 4096
    #define COUNT_WORDS_BODY \
        uint64_t word[4], sum[4] = {0, 0, 0, 0}; \
        for (; words >= 4; words -= 4, data += 32) { \
            memcpy(word, data, 32); \
            for (int i = 0; i < 4; i++) sum[i] += (uint64_t)__builtin_popcountll(word[i]); \
        } \
        for (; words; words--, data += 8) { \
            memcpy(word, data, 8); \
            sum[0] += (uint64_t)__builtin_popcountll(word[0]); \
        } \
        return sum[0] + sum[1] + sum[2] + sum[3];

    static uint64_t count_words_plain(const uint8_t *data, size_t words) { COUNT_WORDS_BODY }

    #if defined(__x86_64__)
    __attribute__((target("popcnt")))
    static uint64_t count_words_popcnt(const uint8_t *data, size_t words) { COUNT_WORDS_BODY }
    static int has_popcnt(void) { return __builtin_cpu_supports("popcnt"); }

    #include <immintrin.h>

    /* adds the counts of a vector's bytes, each half apart: at most 4 */
    #define COUNT_VECTOR(at) do { \
            __m256i x = _mm256_loadu_si256((const __m256i *)(at)); \
            low_halves = _mm256_add_epi8(low_halves, _mm256_shuffle_epi8(counts, _mm256_and_si256(x, fifteen))); \
            x = _mm256_and_si256(_mm256_srli_epi16(x, 4), fifteen); \
            high_halves = _mm256_add_epi8(high_halves, _mm256_shuffle_epi8(counts, x)); \
        } while (0)

    __attribute__((target("avx2,popcnt")))
    static uint64_t count_words_avx2(const uint8_t *data, size_t words) {
        const __m256i counts = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,
                                                0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
        const __m256i fifteen = _mm256_set1_epi8(15), zero = _mm256_setzero_si256();
        __m256i total = zero;
        uint64_t sums[4];
        size_t lines = words / 8;
        while (lines) {
            size_t some = lines < 31 ? lines : 31;      /* 31 lines of two vectors with 4 bits a half: 248 fits a byte */
            __m256i low_halves = zero, high_halves = zero;
            lines -= some;
            for (; some; some--, data += 64) {
                _mm_prefetch((const char *)data + AHEAD, _MM_HINT_T0);
                COUNT_VECTOR(data);
                COUNT_VECTOR(data + 32);
            }
            total = _mm256_add_epi64(total, _mm256_sad_epu8(low_halves, zero));
            total = _mm256_add_epi64(total, _mm256_sad_epu8(high_halves, zero));
        }
        _mm256_storeu_si256((__m256i *)sums, total);
        return sums[0] + sums[1] + sums[2] + sums[3] + count_words_popcnt(data, words % 8);
    }
    static int has_avx2(void) { return __builtin_cpu_supports("avx2") && has_popcnt(); }
    #else
    #define count_words_popcnt count_words_plain
    #define count_words_avx2 count_words_plain
    static int has_popcnt(void) { return 0; }
    static int has_avx2(void) { return 0; }
    #endif
    """
    uint64_t count_words_plain(const uint8_t *data, size_t words) noexcept nogil
    uint64_t count_words_popcnt(const uint8_t *data, size_t words) noexcept nogil
    uint64_t count_words_avx2(const uint8_t *data, size_t words) noexcept nogil
    bint has_popcnt() noexcept nogil
    bint has_avx2() noexcept nogil
    enum:
        AHEAD               # bytes between what is read and what is fetched

cdef enum:
    BLOCK = 16384  # bytes of the result combined at a time

ctypedef uint64_t (*CountWords)(const uint8_t *data, size_t words) noexcept nogil

cdef CountWords count_words = (count_words_avx2 if has_avx2() else
                               count_words_popcnt if has_popcnt() else count_words_plain)


# Counting and finding

cdef uint64_t bits_count_bytes(const uint8_t *data, size_t length) noexcept nogil:
    cdef uint8_t[8] tail
    cdef size_t whole = length & ~<size_t>7
    cdef uint64_t count = count_words(data, length >> 3)
    if whole < length:
        memset(tail, 0, 8)
        memcpy(tail, data + whole, length - whole)
        count += count_words(tail, 1)
    return count


cdef uint64_t bits_count(const uint8_t *data, uint64_t start, uint64_t end) noexcept nogil:
    """The whole bytes that the range touches, less the bits of the first and the last that are outside."""
    cdef size_t first = start >> 3
    cdef size_t behind = (end + 7) >> 3
    cdef uint8_t[8] outside
    if start >= end:
        return 0
    memset(outside, 0, 8)
    outside[0] = data[first] & ~(0xFF >> (start & 7))
    outside[1] = data[behind - 1] & ((1 << (behind * 8 - end)) - 1)
    return bits_count_bytes(data + first, behind - first) - count_words(outside, 1)


cdef int64_t bits_find(const uint8_t *data, size_t length, bint bit,
                       uint64_t start, uint64_t end) noexcept nogil:
    cdef uint64_t unwanted = 0 if bit else ~<uint64_t>0
    cdef uint64_t word
    while start < end:
        word = (load_padded(data, length, start >> 3) ^ unwanted) << (start & 7)
        if word:
            start += leading_zeros_u64(word)
            return <int64_t>start if start < end else -1
        start = skip_words(data, end >> 3, (start >> 3) + 8, unwanted) << 3
    return -1


cdef inline uint64_t skip_words(const uint8_t *data, size_t end, size_t at,
                                uint64_t unwanted) noexcept nogil:
    """Past all groups of four words before end that have nothing else."""
    while at + 32 <= end and not (
            (load_u64_le(data + at) ^ unwanted) | (load_u64_le(data + at + 8) ^ unwanted)
            | (load_u64_le(data + at + 16) ^ unwanted) | (load_u64_le(data + at + 24) ^ unwanted)):
        at += 32
        prefetch(data + at + AHEAD)
    return at


cdef inline uint64_t load_padded(const uint8_t *data, size_t length, size_t at) noexcept nogil:
    """Eight bytes from there on, the first highest, zeros behind the end."""
    cdef uint8_t[8] tail
    if at + 8 <= length:
        return load_u64_be(data + at)
    memset(tail, 0, 8)
    if at < length:
        memcpy(tail, data + at, length - at)
    return load_u64_be(tail)


# Combining

cdef void bits_combine(BitOperation operation, uint8_t *out, size_t out_length, const uint8_t *const *sources,
                       const size_t *lengths, size_t count) noexcept nogil:
    cdef size_t at = 0, size, i
    while at < out_length:
        size = out_length - at if out_length - at < BLOCK else BLOCK
        copy_part(out + at, size, sources[0], lengths[0], at)
        if operation == BITS_NOT:
            invert(out + at, size)
        for i in range(1, count):
            combine_part(operation, out + at, size, sources[i], lengths[i], at)
        at += size


cdef inline size_t part_size(size_t size, size_t length, size_t at) noexcept nogil:
    """How many of `size` bytes from `at` on a source of this length has."""
    if at >= length:
        return 0
    return size if length - at > size else length - at


cdef void copy_part(uint8_t *out, size_t size, const uint8_t *source, size_t length,
                    size_t at) noexcept nogil:
    cdef size_t part = part_size(size, length, at)
    if part:
        memcpy(out, source + at, part)
    memset(out + part, 0, size - part)


cdef void combine_part(BitOperation operation, uint8_t *out, size_t size,
                       const uint8_t *source, size_t length, size_t at) noexcept nogil:
    cdef size_t part = part_size(size, length, at)
    cdef size_t i
    if part:
        source += at
    if operation == BITS_AND:
        for i in range(part):
            out[i] &= source[i]
        memset(out + part, 0, size - part)
    elif operation == BITS_OR:
        for i in range(part):
            out[i] |= source[i]
    elif operation == BITS_XOR:
        for i in range(part):
            out[i] ^= source[i]


cdef void invert(uint8_t *out, size_t size) noexcept nogil:
    cdef size_t i
    for i in range(size):
        out[i] = ~out[i]


# Integers

cdef uint64_t bits_get_unsigned(const uint8_t *data, size_t length, uint64_t offset,
                                int width) noexcept nogil:
    cdef size_t at = offset >> 3
    cdef int skip = offset & 7
    cdef uint64_t word = load_padded(data, length, at) << skip
    if skip + width > 64 and at + 8 < length:
        word |= data[at + 8] >> (8 - skip)
    return word >> (64 - width)


cdef int64_t bits_get_signed(const uint8_t *data, size_t length, uint64_t offset, int width) noexcept nogil:
    return extend_sign(bits_get_unsigned(data, length, offset, width), width)


cdef inline int64_t extend_sign(uint64_t value, int width) noexcept nogil:
    return <int64_t>(value << (64 - width)) >> (64 - width)


cdef void bits_set(uint8_t *data, uint64_t offset, int width, uint64_t value) noexcept nogil:
    """From the last byte to the first, each time as many bits as end in that byte."""
    cdef uint64_t end = offset + width
    cdef int below, part
    cdef uint8_t mask
    while width > 0:
        below = <int>(-end & 7)
        part = 8 - below if width > 8 - below else width
        mask = <uint8_t>(((1 << part) - 1) << below)
        data[(end - 1) >> 3] = (data[(end - 1) >> 3] & ~mask) | (<uint8_t>(value << below) & mask)
        value >>= part
        end -= part
        width -= part


cdef bint bits_add_unsigned(uint64_t value, int64_t increment, int width, BitOverflow overflow,
                            uint64_t *result) noexcept nogil:
    cdef uint64_t most = ~<uint64_t>0 >> (64 - width)
    cdef uint64_t sum = value + <uint64_t>increment
    cdef bint above = value > most or (increment > 0 and <uint64_t>increment > most - value)
    cdef bint under = not above and increment < 0 and 0 - <uint64_t>increment > value
    if not above and not under:
        result[0] = sum
    elif overflow == BITS_FAIL:
        return False
    elif overflow == BITS_WRAP:
        result[0] = sum & most
    else:
        result[0] = most if above else 0
    return True


cdef bint bits_add_signed(int64_t value, int64_t increment, int width, BitOverflow overflow,
                          int64_t *result) noexcept nogil:
    cdef int64_t most = <int64_t>(~<uint64_t>0 >> (65 - width)) if width > 1 else 0
    cdef int64_t least = -most - 1
    cdef uint64_t sum = <uint64_t>value + <uint64_t>increment
    cdef uint64_t room = <uint64_t>most - <uint64_t>value
    cdef bint above = value > most or (increment > 0 and <uint64_t>increment > room)
    cdef bint under
    # SET of a number so low that its distance to `most` overflows 64 bits: Valkey saturates upward.
    if width < 64 and value < least and <int64_t>room < 0:
        above = True
    under = not above and (value < least or (
        increment < 0 and 0 - <uint64_t>increment > <uint64_t>value - <uint64_t>least))
    if not above and not under:
        result[0] = <int64_t>sum
    elif overflow == BITS_FAIL:
        return False
    elif overflow == BITS_WRAP:
        result[0] = extend_sign(sum, width)
    else:
        result[0] = most if above else least
    return True
