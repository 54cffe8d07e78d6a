"""Python faces of the pure functions below the objects, for the tests; see testing/base for why."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from kv._core.objects.bits cimport (
    BITS_AND, BITS_FAIL, BITS_NOT, BITS_OR, BITS_SAT, BITS_WRAP, BITS_XOR, BitOperation, BitOverflow,
    bits_add_signed, bits_add_unsigned, bits_combine, bits_count, bits_count_bytes, bits_find,
    bits_get_signed, bits_get_unsigned, bits_set)
from kv._core.objects.lcs cimport (
    LCS_NO_MEMORY, LCS_OK, LCS_TOO_LARGE, LCS_TOO_LONG, Lcs, LcsRange, LcsStatus, lcs_check, lcs_close,
    lcs_length, lcs_next_range, lcs_open, lcs_string)
from kv._core.testing.block cimport Block

OPERATIONS = {"and": BITS_AND, "or": BITS_OR, "xor": BITS_XOR, "not": BITS_NOT}
OVERFLOWS = {"wrap": BITS_WRAP, "sat": BITS_SAT, "fail": BITS_FAIL}


# bits

def bits_count_of_bytes(bytes content):
    cdef Block block = Block(content)
    return bits_count_bytes(block.data, block.length)


def bits_count_of_range(bytes content, uint64_t start, uint64_t end):
    cdef Block block = Block(content)
    return bits_count(block.data, start, end)


def bits_find_in(bytes content, bint bit, uint64_t start, uint64_t end):
    cdef Block block = Block(content)
    return bits_find(block.data, block.length, bit, start, end)


def bits_combine_all(str operation, list contents):
    cdef BitOperation chosen = OPERATIONS[operation]
    cdef const uint8_t *sources[16]
    cdef size_t[16] lengths
    cdef Block out = Block(bytes(max(map(len, contents))))
    blocks = [Block(content) for content in contents]
    for i, block in enumerate(blocks):
        sources[i] = (<Block>block).data
        lengths[i] = (<Block>block).length
    bits_combine(chosen, out.data, out.length, <const uint8_t *const *>sources, lengths, len(blocks))
    return out.content()


def bits_get(bytes content, uint64_t offset, int width, bint signed):
    cdef Block block = Block(content)
    if signed:
        return bits_get_signed(block.data, block.length, offset, width)
    return bits_get_unsigned(block.data, block.length, offset, width)


def bits_set_in(bytes content, uint64_t offset, int width, uint64_t value):
    cdef Block block = Block(content)
    bits_set(block.data, offset, width, value)
    return block.content()


def bits_add_unsigned_to(uint64_t value, int64_t increment, int width, str overflow):
    cdef uint64_t result
    cdef BitOverflow chosen = OVERFLOWS[overflow]
    return result if bits_add_unsigned(value, increment, width, chosen, &result) else None


def bits_add_signed_to(int64_t value, int64_t increment, int width, str overflow):
    cdef int64_t result
    cdef BitOverflow chosen = OVERFLOWS[overflow]
    return result if bits_add_signed(value, increment, width, chosen, &result) else None


# lcs

STATUSES = {LCS_TOO_LONG: "too long", LCS_TOO_LARGE: "too large", LCS_NO_MEMORY: "no memory"}


def lcs_length_of(bytes a, bytes b, uint64_t limit=2**40):
    cdef uint32_t length = 0
    cdef Block left = Block(a), right = Block(b)
    cdef LcsStatus status = lcs_length(left.data, left.length, right.data, right.length, limit, &length)
    return length if status == LCS_OK else STATUSES[status]


def lcs_refusal(bytes a, bytes b, uint64_t limit):
    """What lcs_open says of them, None if nothing."""
    cdef Lcs lcs
    cdef Block left = Block(a), right = Block(b)
    cdef LcsStatus status = lcs_open(&lcs, left.data, left.length, right.data, right.length, limit)
    if status == LCS_OK:
        lcs_close(&lcs)
    return STATUSES.get(status)


def lcs_of(bytes a, bytes b, uint64_t limit=2**40):
    """The string, and the ranges as ((a_start, a_end), (b_start, b_end)) in the order they are found."""
    cdef Lcs lcs
    cdef LcsRange found
    cdef Block left = Block(a), right = Block(b), out
    cdef LcsStatus status = lcs_open(&lcs, left.data, left.length, right.data, right.length, limit)
    if status != LCS_OK:
        raise MemoryError(STATUSES[status])
    ranges = []
    while lcs_next_range(&lcs, &found):
        ranges.append(((found.a_start, found.a_end), (found.b_start, found.b_end)))
    out = Block(bytes(lcs.length))
    lcs_string(&lcs, out.data)
    lcs_close(&lcs)
    return out.content(), ranges


def lcs_check_of(size_t a_length, size_t b_length, uint64_t limit):
    return STATUSES.get(lcs_check(a_length, b_length, limit))
