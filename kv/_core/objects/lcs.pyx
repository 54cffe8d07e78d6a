"""LCS by bit vectors (Hyyro, "Bit-Parallel LCS-length Computation Revisited", 2004).

The textbook table holds at (i, j) the LCS length of the first i bytes of a and the first j of b. Along a row
it grows by nought or one, so a row needs one bit a column, and 64 columns advance with one addition:

    matches = the columns whose byte of b is a[i]
    row     = (row + (row & matches)) | (row & ~matches)        a clear bit: the length grows here

This computes exactly the textbook's table, in a thirty-second of its memory and about as much less time.

Which of several longest subsequences is found, and in what order its runs come, is visible to users. Valkey
walks its table from the end: at equal bytes to the left and up, else up if the length above is greater than
the one to the left, else left. The greater of those two is the length here, so "above is greater" is
"the length grows here", the one bit that a row has kept. The walk is therefore the same.

Must the limit of memory apply to a table that is not there? A request that Valkey refuses is refused
here too: what was too much work for one server should not block the other, and the reply is documented.

The scratch memory is malloc's and gone when the command is, hence not part of the accounted data.
"""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

cdef enum:
    WORD_BITS = 64

cdef size_t LENGTH_LIMIT = 0xFFFFFFFE  # positions and lengths are kept in 32 bits


cdef struct Matches:
    uint64_t *masks       # one row of words for each byte that occurs in the string; row 0 is empty; owned
    uint32_t[256] row_of  # which row a byte has, 0 for a byte that does not occur


cdef LcsStatus lcs_check(size_t a_length, size_t b_length, uint64_t limit) noexcept nogil:
    cdef uint64_t cells
    if a_length >= LENGTH_LIMIT or b_length >= LENGTH_LIMIT:
        return LCS_TOO_LONG
    cells = <uint64_t>(a_length + 1) * <uint64_t>(b_length + 1)
    if cells > ~<uint64_t>0 // sizeof(uint32_t):
        return LCS_NO_MEMORY  # as Valkey calls a size that does not fit an integer
    return LCS_TOO_LARGE if cells * sizeof(uint32_t) > limit else LCS_OK


cdef inline size_t words_for(size_t length) noexcept nogil:
    return (length + WORD_BITS - 1) // WORD_BITS


cdef LcsStatus lcs_length(const uint8_t *a, size_t a_length, const uint8_t *b, size_t b_length,
                          uint64_t limit, uint32_t *length) noexcept nogil:
    cdef Matches matches
    cdef uint64_t *row
    cdef size_t words, i
    cdef LcsStatus status = lcs_check(a_length, b_length, limit)
    if status != LCS_OK:
        return status
    if a_length < b_length:
        a, b = b, a
        a_length, b_length = b_length, a_length
    words = words_for(b_length)
    row = <uint64_t *>malloc(words * sizeof(uint64_t) + 1)
    if row == NULL or not matches_open(&matches, b, b_length, words):
        free(row)
        return LCS_NO_MEMORY
    memset(row, 0xFF, words * sizeof(uint64_t))
    for i in range(a_length):
        advance(row, row, matches_of(&matches, a[i], words), words)
    length[0] = clear_bits(row, b_length)
    free(matches.masks)
    free(row)
    return LCS_OK


cdef LcsStatus lcs_open(Lcs *lcs, const uint8_t *a, size_t a_length, const uint8_t *b, size_t b_length,
                        uint64_t limit) noexcept nogil:
    cdef Matches matches
    cdef size_t words = words_for(b_length)
    cdef LcsStatus status = lcs_check(a_length, b_length, limit)
    if status != LCS_OK:
        return status
    lcs.a, lcs.a_length = a, <uint32_t>a_length
    lcs.b, lcs.b_length = b, <uint32_t>b_length
    lcs.words = words
    lcs.length = 0
    lcs_rewind(lcs)
    lcs.rows = <uint64_t *>malloc(a_length * words * sizeof(uint64_t) + 1)
    if lcs.rows == NULL or not matches_open(&matches, b, b_length, words):
        free(lcs.rows)
        return LCS_NO_MEMORY
    if a_length and b_length:
        fill_rows(lcs, &matches)
    free(matches.masks)
    return LCS_OK


cdef void fill_rows(Lcs *lcs, Matches *matches) noexcept nogil:
    cdef uint64_t *row = lcs.rows
    cdef size_t i
    memset(row, 0xFF, lcs.words * sizeof(uint64_t))
    advance(row, row, matches_of(matches, lcs.a[0], lcs.words), lcs.words)
    for i in range(1, lcs.a_length):
        advance(row + lcs.words, row, matches_of(matches, lcs.a[i], lcs.words), lcs.words)
        row += lcs.words
    lcs.length = clear_bits(row, lcs.b_length)


cdef void lcs_close(Lcs *lcs) noexcept nogil:
    free(lcs.rows)
    lcs.rows = NULL


cdef void lcs_rewind(Lcs *lcs) noexcept nogil:
    lcs.i, lcs.j = lcs.a_length, lcs.b_length


cdef void lcs_string(Lcs *lcs, uint8_t *out) noexcept nogil:
    cdef LcsRange found
    cdef uint32_t size
    out += lcs.length
    lcs_rewind(lcs)
    while lcs_next_range(lcs, &found):
        size = found.a_end - found.a_start + 1
        out -= size
        memcpy(out, lcs.a + found.a_start, size)


cdef bint lcs_next_range(Lcs *lcs, LcsRange *found) noexcept nogil:
    cdef uint32_t i = lcs.i, j = lcs.j
    while i and j and lcs.a[i - 1] != lcs.b[j - 1]:
        if grows(lcs, i - 1, j - 1):
            i -= 1
        else:
            j -= 1
    if i == 0 or j == 0:
        lcs.i = 0
        return False
    found.a_end, found.b_end = i - 1, j - 1
    while i and j and lcs.a[i - 1] == lcs.b[j - 1]:
        i -= 1
        j -= 1
    found.a_start, found.b_start = i, j
    lcs.i, lcs.j = i, j
    return True


cdef inline bint grows(Lcs *lcs, uint32_t i, uint32_t j) noexcept nogil:
    return not (lcs.rows[i * lcs.words + j // WORD_BITS] >> (j % WORD_BITS) & 1)


cdef bint matches_open(Matches *matches, const uint8_t *text, size_t length, size_t words) noexcept nogil:
    """For each byte that occurs, the positions where it does. False without memory."""
    cdef uint32_t rows = 1
    cdef size_t i
    memset(matches.row_of, 0, sizeof(matches.row_of))
    for i in range(length):
        if matches.row_of[text[i]] == 0:
            matches.row_of[text[i]] = rows
            rows += 1
    matches.masks = <uint64_t *>calloc(rows * words + 1, sizeof(uint64_t))
    if matches.masks == NULL:
        return False
    for i in range(length):
        matches.masks[matches.row_of[text[i]] * words + i // WORD_BITS] |= <uint64_t>1 << (i % WORD_BITS)
    return True


cdef inline const uint64_t *matches_of(Matches *matches, uint8_t byte, size_t words) noexcept nogil:
    return matches.masks + matches.row_of[byte] * words


cdef inline void advance(uint64_t *out, const uint64_t *row, const uint64_t *matches,
                         size_t words) noexcept nogil:
    """One row of the table from the one above; the sum carries from word to word. out may be row."""
    cdef uint64_t carry = 0, matched, sum, old
    cdef size_t k
    for k in range(words):
        old = row[k]
        matched = old & matches[k]
        sum = old + carry
        carry = sum < carry
        sum += matched
        carry |= sum < matched
        out[k] = sum | (old & ~matches[k])


cdef uint32_t clear_bits(const uint64_t *row, size_t columns) noexcept nogil:
    cdef uint32_t count = 0
    cdef size_t j
    for j in range(columns):
        count += not (row[j // WORD_BITS] >> (j % WORD_BITS) & 1)
    return count
