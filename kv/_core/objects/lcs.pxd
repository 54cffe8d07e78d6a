"""The longest common subsequence of two byte strings.

    lcs_open -> lcs_string or lcs_next_range, as often as wanted after lcs_rewind -> lcs_close
"""
from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef enum LcsStatus:
    LCS_OK
    LCS_TOO_LONG   # a string of 2^32 - 2 bytes or more
    LCS_TOO_LARGE  # the table that Valkey would allocate exceeds the limit, proto-max-bulk-len
    LCS_NO_MEMORY

cdef struct LcsRange:
    uint32_t a_start  # first and last position of a run of equal bytes, in each string
    uint32_t a_end
    uint32_t b_start
    uint32_t b_end

cdef struct Lcs:
    const uint8_t *a       # both strings are the caller's and stay until lcs_close
    const uint8_t *b
    uint32_t a_length
    uint32_t b_length
    uint32_t length        # of the longest common subsequence
    uint32_t i             # how much of a and b is still to be walked, from the ends backward
    uint32_t j
    size_t words           # 64 bit words of a row
    uint64_t *rows         # a_length rows, owned: bit j of row i is clear if b[j] adds to LCS(a[..i], b[..j])

# What the other two say of strings of these lengths before they allocate anything.
cdef LcsStatus lcs_check(size_t a_length, size_t b_length, uint64_t limit) noexcept nogil

# The length alone, in memory linear in the shorter string.
cdef LcsStatus lcs_length(const uint8_t *a, size_t a_length, const uint8_t *b, size_t b_length,
                          uint64_t limit, uint32_t *length) noexcept nogil

# After any status but LCS_OK there is nothing to close.
cdef LcsStatus lcs_open(Lcs *lcs, const uint8_t *a, size_t a_length, const uint8_t *b, size_t b_length,
                        uint64_t limit) noexcept nogil
cdef void lcs_close(Lcs *lcs) noexcept nogil
cdef void lcs_rewind(Lcs *lcs) noexcept nogil
cdef void lcs_string(Lcs *lcs, uint8_t *out) noexcept nogil  # out has lcs.length bytes
# Runs of equal bytes from the ends to the beginnings, in Valkey's order.
cdef bint lcs_next_range(Lcs *lcs, LcsRange *found) noexcept nogil
