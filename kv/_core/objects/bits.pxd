"""Bits of a byte string, for the bitmap commands.

Bit 0 is the highest bit of the first byte. Ranges of bits are half open: `start` is in, `end` is not. No
function here knows of a key, a reply or the end of a string beyond the length it is given.
"""
from libc.stdint cimport int64_t, uint8_t, uint64_t

cdef enum BitOperation:
    BITS_AND
    BITS_OR
    BITS_XOR
    BITS_NOT  # of the one source

cdef enum BitOverflow:
    BITS_WRAP  # keep the low bits
    BITS_SAT   # stay at the limit that was passed
    BITS_FAIL  # refuse

# How many bits are one.
cdef uint64_t bits_count_bytes(const uint8_t *data, size_t length) noexcept nogil
cdef uint64_t bits_count(const uint8_t *data, uint64_t start, uint64_t end) noexcept nogil

# The first bit that is `bit` in the range, or -1. end is at most 8 * length.
cdef int64_t bits_find(const uint8_t *data, size_t length, bint bit,
                       uint64_t start, uint64_t end) noexcept nogil

# Combine `count` sources (at least one) into out, which is as long as the longest and none of them. A source
# goes on with zeros behind its end.
cdef void bits_combine(BitOperation operation, uint8_t *out, size_t out_length, const uint8_t *const *sources,
                       const size_t *lengths, size_t count) noexcept nogil

# An integer of `width` bits (1 to 64) at a bit offset. Reading goes on with zeros behind the end; writing
# needs the bytes to be there. The low `width` bits of the value are written.
cdef uint64_t bits_get_unsigned(const uint8_t *data, size_t length, uint64_t offset, int width) noexcept nogil
cdef int64_t bits_get_signed(const uint8_t *data, size_t length, uint64_t offset, int width) noexcept nogil
cdef void bits_set(uint8_t *data, uint64_t offset, int width, uint64_t value) noexcept nogil

# value + increment as an integer of `width` bits: False (and no result) when it does not fit and must fail.
# With increment 0 they fit any value into the width, as BITFIELD SET does.
cdef bint bits_add_unsigned(uint64_t value, int64_t increment, int width, BitOverflow overflow,
                            uint64_t *result) noexcept nogil
cdef bint bits_add_signed(int64_t value, int64_t increment, int width, BitOverflow overflow,
                          int64_t *result) noexcept nogil
