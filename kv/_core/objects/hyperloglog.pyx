"""HyperLogLogs: strings of Redis's own format, so that they travel by GET and SET, by AOF and RDB.

    +------+---+-----+----------+------ ... +
    | HYLL | E | 000 | estimate | registers |
    +------+---+-----+----------+------ ... +
      4      1   3     8

E is 0 for dense: 12288 bytes of registers (hllregisters), or 1 for sparse: opcodes (hllsparse). The estimate is the one
last computed, little-endian; its highest bit says that registers rose since.

An element's hash (MurmurHash64A, a fixed seed) names a register with its 14 low bits and a value with the others: how
many zeros are lowest among them, and one. A register keeps the highest value it was given. A value begins sparse, and
becomes dense, for good, when it would get longer than hll_limits.sparse_bytes or a register higher than an opcode can
say.

The bytes behind the header are whatever clients have SET. What is dense has its one length, or is no HyperLogLog; what
is sparse is checked as it is read. So no function here trusts more than `hll_is_valid` has seen.
"""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memmove, memset

from kv._core.base.buffer cimport Buffer
from kv._core.base.machine cimport load_u64_le
from kv._core.base.platform cimport likely, unlikely
from kv._core.base.slice cimport Slice, slice_of
from kv._core.objects.entry cimport ENCODING_INT, ENTRY_MODIFIED, Entry, entry_encoding
from kv._core.objects.hllregisters cimport (
    HLL_PACKED_SIZE, HLL_REGISTERS, HllHistogram, histogram_estimate, packed_histogram, packed_merge, packed_raise,
    registers_histogram, registers_pack)
from kv._core.objects.hllsparse cimport (
    SPARSE_HIGHEST, SPARSE_LONGEST, SparseCursor, SparsePlace, sparse_find, sparse_histogram, sparse_join,
    sparse_merge, sparse_print, sparse_split)
from kv._core.objects.string cimport string_new_text, string_slice, string_writable

cdef extern from *:
    """
    static inline int trailing_zeros_u64(unsigned long long value) { return __builtin_ctzll(value); }
    """
    int trailing_zeros_u64(uint64_t value) noexcept nogil       # value is not zero

cdef enum:
    ENCODING_AT = 4
    CACHE_AT = 8
    HEADER = 16
    DENSE = 0
    SPARSE = 1
    DENSE_SIZE = HEADER + HLL_PACKED_SIZE
    INDEX_BITS = 14
    STALE = 0x80                # in the last byte of the cached estimate
    SEED = 0xadc83b19

hll_limits.sparse_bytes = 3000


cdef inline Slice bytes_of(const Entry *entry) noexcept nogil:
    """Of a string that is no number."""
    return string_slice(entry, NULL)


cdef inline uint8_t *data_of(const Entry *entry) noexcept nogil:
    return <uint8_t *> bytes_of(entry).data


cdef Entry *hll_new(Slice key) noexcept nogil:
    """Without elements: one opcode, XZERO of all registers."""
    cdef Entry *entry = string_new_text(
        key, slice_of(b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\0\x7f\xff", HEADER + 2), -1, NULL)
    entry.flags |= ENTRY_MODIFIED
    return entry


cdef bint hll_is_valid(const Entry *entry) noexcept nogil:
    """Whether a string is a HyperLogLog as far as its header and length tell."""
    cdef Slice value
    if entry_encoding(entry) == ENCODING_INT:
        return False
    value = bytes_of(entry)
    if value.length < HEADER or memcmp(value.data, b"HYLL", ENCODING_AT) != 0:
        return False
    return value.data[ENCODING_AT] == SPARSE or (value.data[ENCODING_AT] == DENSE and value.length == DENSE_SIZE)


cdef bint hll_is_dense(const Entry *entry) noexcept nogil:
    return data_of(entry)[ENCODING_AT] == DENSE


# -- the cached estimate ----------------------------------------------------------------------------------------------

cdef inline void mark_stale(uint8_t *data) noexcept nogil:
    data[CACHE_AT + 7] |= STALE


cdef void hll_mark_stale(Entry *entry) noexcept nogil:
    mark_stale(data_of(entry))


cdef bint hll_cached(const Entry *entry, uint64_t *estimate) noexcept nogil:
    estimate[0] = load_u64_le(data_of(entry) + CACHE_AT)
    return estimate[0] >> 63 == 0


cdef void hll_set_cached(Entry *entry, uint64_t estimate) noexcept nogil:
    cdef uint8_t *data = data_of(entry) + CACHE_AT
    cdef int i
    for i in range(8):
        data[i] = <uint8_t> (estimate >> 8 * i)
    entry.flags |= ENTRY_MODIFIED


# -- adding -----------------------------------------------------------------------------------------------------------

cdef uint64_t hash_element(Slice element) noexcept nogil:
    """MurmurHash64A (Austin Appleby, public domain)."""
    cdef uint64_t factor = 0xc6a4a7935bd1e995
    cdef uint64_t hash = SEED ^ (element.length * factor)
    cdef const uint8_t *at = <const uint8_t *> element.data
    cdef size_t left = element.length
    cdef uint64_t word
    while left >= 8:
        word = load_u64_le(at) * factor
        word = (word ^ word >> 47) * factor
        hash = (hash ^ word) * factor
        at += 8
        left -= 8
    if left:
        word = 0
        while left:
            left -= 1
            word = word << 8 | at[left]
        hash = (hash ^ word) * factor
    hash = (hash ^ hash >> 47) * factor
    return hash ^ hash >> 47


cdef HllOutcome hll_add(Entry **entry, Slice element) noexcept nogil:
    cdef SparseCursor start
    cdef uint64_t hash = hash_element(element)
    cdef uint32_t index = hash & (HLL_REGISTERS - 1)
    cdef int value = trailing_zeros_u64(hash >> INDEX_BITS | <uint64_t> 1 << (64 - INDEX_BITS)) + 1
    cdef uint8_t *data = data_of(entry[0])
    if likely(data[ENCODING_AT] == DENSE):
        return raise_dense(data, index, value)
    start.at = start.first = 0
    return raise_sparse(entry, index, value, &start)


cdef inline HllOutcome raise_dense(uint8_t *data, uint32_t index, int value) noexcept nogil:
    if likely(not packed_raise(data + HEADER, index, value)):
        return HLL_SAME
    mark_stale(data)
    return HLL_RAISED


cdef HllOutcome raise_sparse(Entry **entry, uint32_t index, int value, SparseCursor *cursor) noexcept nogil:
    """Raise a register of a sparse value, which may become dense by that."""
    cdef Slice held = bytes_of(entry[0])
    cdef uint8_t codes[SPARSE_LONGEST]
    cdef SparsePlace place
    cdef int length
    if unlikely(value > SPARSE_HIGHEST):
        return raise_promoted(entry, index, value)
    if not sparse_find(<const uint8_t *> held.data + HEADER, held.length - HEADER, index, cursor, &place):
        return HLL_CORRUPT
    if place.value >= value:
        return HLL_SAME
    length = sparse_split(&place, index, value, codes)
    if length > place.size and held.length + length - place.size > hll_limits.sparse_bytes:
        return raise_promoted(entry, index, value)
    replace_code(entry, &place, codes, length)
    return HLL_RAISED


cdef HllOutcome raise_promoted(Entry **entry, uint32_t index, int value) noexcept nogil:
    if not hll_to_dense(entry):
        return HLL_CORRUPT
    return raise_dense(data_of(entry[0]), index, value)


cdef void replace_code(Entry **entry, const SparsePlace *place, const uint8_t *codes, int length) noexcept nogil:
    """Put other opcodes in the place of one, and join what can be joined."""
    cdef size_t old_length = bytes_of(entry[0]).length
    cdef size_t new_length = old_length + length - place.size
    cdef size_t behind = HEADER + place.at + place.size
    cdef size_t joined
    cdef char *data
    if new_length > old_length:
        entry[0] = string_writable(entry[0], new_length, True, &data)
    else:
        data = <char *> data_of(entry[0])
    memmove(data + HEADER + place.at + length, data + behind, old_length - behind)
    memcpy(data + HEADER + place.at, codes, length)
    joined = HEADER + sparse_join(<uint8_t *> data + HEADER, new_length - HEADER, place.previous)
    mark_stale(<uint8_t *> data)
    if joined != (new_length if new_length > old_length else old_length):
        entry[0] = string_writable(entry[0], joined, True, &data)
    entry[0].flags |= ENTRY_MODIFIED


# -- all registers ----------------------------------------------------------------------------------------------------

cdef bint hll_collect(const Entry *entry, uint8_t *registers) noexcept nogil:
    """Raise each of HLL_REGISTERS bytes to this value's register; false, with some raised, where it is corrupt."""
    cdef Slice value = bytes_of(entry)
    cdef const uint8_t *data = <const uint8_t *> value.data
    if data[ENCODING_AT] == SPARSE:
        return sparse_merge(data + HEADER, value.length - HEADER, registers)
    packed_merge(data + HEADER, registers)
    return True


cdef bint hll_to_dense(Entry **entry) noexcept nogil:
    """Make it dense, if it is not; the estimate stays. False, and nothing done, where it is corrupt."""
    cdef uint8_t registers[HLL_REGISTERS]
    cdef char *data
    if hll_is_dense(entry[0]):
        return True
    memset(registers, 0, HLL_REGISTERS)
    if not hll_collect(entry[0], registers):
        return False
    entry[0] = string_writable(entry[0], DENSE_SIZE, False, &data)
    data[ENCODING_AT] = DENSE
    registers_pack(registers, <uint8_t *> data + HEADER)
    return True


cdef HllOutcome hll_raise(Entry **entry, const uint8_t *registers) noexcept nogil:
    """Raise each register to one of HLL_REGISTERS bytes, none of which is below it."""
    cdef SparseCursor cursor
    cdef HllOutcome outcome = HLL_SAME
    cdef int i
    cursor.at = cursor.first = 0
    for i in range(HLL_REGISTERS):
        if hll_is_dense(entry[0]):
            registers_pack(registers, data_of(entry[0]) + HEADER)
            return HLL_RAISED
        if registers[i]:
            outcome = raise_sparse(entry, i, registers[i], &cursor)
            if outcome == HLL_CORRUPT:
                return outcome
    return HLL_RAISED


# -- the estimate -----------------------------------------------------------------------------------------------------

cdef bint hll_estimate(const Entry *entry, uint64_t *estimate) noexcept nogil:
    """From the registers, whatever is cached; false where it is corrupt."""
    cdef Slice value = bytes_of(entry)
    cdef const uint8_t *data = <const uint8_t *> value.data
    cdef HllHistogram histogram
    if data[ENCODING_AT] == DENSE:
        packed_histogram(data + HEADER, &histogram)
    elif not sparse_histogram(data + HEADER, value.length - HEADER, &histogram):
        return False
    estimate[0] = histogram_estimate(&histogram)
    return True


cdef uint64_t hll_estimate_registers(const uint8_t *registers) noexcept nogil:
    """From registers of a byte each, none above HLL_VALUES."""
    cdef HllHistogram histogram
    registers_histogram(registers, &histogram)
    return histogram_estimate(&histogram)


cdef void hll_print(const Entry *entry, Buffer *out) noexcept nogil:
    cdef Slice value = bytes_of(entry)
    sparse_print(<const uint8_t *> value.data + HEADER, value.length - HEADER, out)
