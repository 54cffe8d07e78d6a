"""What every value in RDB is made of, read from a source: the mirror of rdb/writer.

A length is believed only as far as its bytes are there. A payload of twenty bytes may say that it holds a string of 2**60, or a
thousand million members: memory is taken for a string as it arrives, in pieces of PIECE, and decoders take it for elements as they
come, so what a hostile sender can make the server allocate is in proportion to what it sends (LZF: 1 to 264 at most, which its
format allows).
"""
from libc.stdint cimport UINT32_MAX, UINT64_MAX, int8_t, int16_t, int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from kv._core.base.blob cimport Blob
from kv._core.base.buffer cimport Buffer, buffer_append, buffer_free, buffer_reserve
from kv._core.base.lzf cimport lzf_decompress
from kv._core.base.machine cimport bits_to_double, load_u64_le
from kv._core.base.memory cimport memory_alloc, memory_free, memory_realloc
from kv._core.base.numbers cimport FORMAT_I64_SIZE, format_i64
from kv._core.base.platform cimport likely
from kv._core.base.slice cimport Slice, slice_of
from kv._core.rdb.format cimport (
    RDB_INT_8, RDB_INT_16, RDB_LENGTH_32, RDB_LENGTH_64, RDB_LZF)
from kv._core.rdb.source cimport Source, source_has, source_offset, source_read, source_skip

cdef extern from "<stdio.h>" nogil:
    int snprintf(char *out, size_t size, const char *form, ...)

cdef enum:
    TEXT_SHOWN = 128            # bytes of a name in a complaint
    PIECE = 1 << 20             # bytes of a string that memory is taken for before they are there
    LZF_EXPANDS = 264           # bytes that a byte of LZF can become, at most

cdef uint64_t LARGEST_STRING = <uint64_t> 1 << 48   # bytes; nobody has sent a longer one
cdef const char *CUT_OFF = b"Unexpected EOF reading RDB file"
cdef const char *TOO_LONG = b"An element is longer than 4 GiB"


cdef void rdb_reader_init(RdbReader *reader, Source *source, int version, bint deep) noexcept nogil:
    """A reader from a source, which stays its owner's."""
    reader.source, reader.version, reader.deep, reader.expiry = source, version, deep, -1
    memset(&reader.text, 0, sizeof(Buffer))
    memset(&reader.first, 0, sizeof(Buffer))
    reader.complaint, reader.empty = NULL, False


cdef void rdb_reader_free(RdbReader *reader) noexcept nogil:
    buffer_free(&reader.text)
    buffer_free(&reader.first)


cdef bint rdb_complain(RdbReader *reader, const char *complaint) noexcept nogil:
    """Say what is wrong, unless something was before; false."""
    if reader.complaint == NULL:
        reader.complaint = complaint
    return False


cdef bint rdb_complain_number(RdbReader *reader, const char *form, int64_t number) noexcept nogil:
    if reader.complaint == NULL:
        snprintf(reader.made_up, COMPLAINT_SIZE, form, number)
        reader.complaint = reader.made_up
    return False


cdef bint rdb_complain_text(RdbReader *reader, const char *form, Slice text) noexcept nogil:
    if reader.complaint == NULL:
        snprintf(reader.made_up, COMPLAINT_SIZE, form, <int> (text.length if text.length < TEXT_SHOWN else TEXT_SHOWN), text.data)
        reader.complaint = reader.made_up
    return False


cdef bint rdb_complain_cut_off(RdbReader *reader) noexcept nogil:
    return rdb_complain(reader, CUT_OFF)


cdef bint rdb_is_cut_off(const RdbReader *reader) noexcept nogil:
    return reader.complaint == CUT_OFF


cdef bint rdb_read_or_complain(RdbReader *reader, bint was_read, const char *complaint) noexcept nogil:
    if not was_read and reader.complaint == CUT_OFF:
        reader.complaint = complaint
    return was_read


# -- bytes and numbers ------------------------------------------------------------------------------------------------

cdef inline bint there(RdbReader *reader, size_t length) noexcept nogil:
    """Whether the source has so many bytes."""
    return likely(source_has(reader.source, length)) or rdb_complain(reader, CUT_OFF)


cdef bint rdb_get_byte(RdbReader *reader, int *byte) noexcept nogil:
    if not there(reader, 1):
        return False
    byte[0] = <uint8_t> reader.source.at[0]
    reader.source.at += 1
    return True


cdef bint rdb_get_bytes(RdbReader *reader, void *into, size_t length) noexcept nogil:
    return source_read(reader.source, into, length) or rdb_complain(reader, CUT_OFF)


cdef bint rdb_get_milliseconds(RdbReader *reader, int64_t *ms) noexcept nogil:
    if not there(reader, 8):
        return False
    ms[0] = <int64_t> load_u64_le(reader.source.at)
    reader.source.at += 8
    return True


cdef bint rdb_get_double(RdbReader *reader, double *value) noexcept nogil:
    if not there(reader, 8):
        return False
    value[0] = bits_to_double(load_u64_le(reader.source.at))
    reader.source.at += 8
    return True


cdef inline uint64_t highest_first(const uint8_t *at, int bytes) noexcept nogil:
    cdef uint64_t number = 0
    cdef int i
    for i in range(bytes):
        number = number << 8 | at[i]
    return number


cdef bint get_head(RdbReader *reader, uint64_t *length, int *form) noexcept nogil:
    """What a length or a string begins with: a length (form 0), or the byte that names another form of a string."""
    cdef const uint8_t *at
    cdef int first, size
    if not there(reader, 1):
        return False
    at = <const uint8_t *> reader.source.at
    first = at[0]
    form[0] = 0
    if first >> 6 == 0:
        length[0] = first & 63
        reader.source.at += 1
        return True
    if first >> 6 == 3:
        form[0] = first
        reader.source.at += 1
        return first <= RDB_LZF or rdb_complain_number(reader, b"Unknown RDB string encoding type %lld", first & 63)
    if first >> 6 == 1:
        size = 1
    elif first == RDB_LENGTH_32:
        size = 4
    elif first == RDB_LENGTH_64:
        size = 8
    else:
        return rdb_complain(reader, b"Unknown length encoding 2 in rdbLoadLen()")
    if not there(reader, 1 + size):
        return False
    at = <const uint8_t *> reader.source.at     # it may have moved
    length[0] = highest_first(at + 1, size)
    if size == 1:
        length[0] |= <uint64_t> (first & 63) << 8
    reader.source.at += 1 + size
    return True


cdef bint rdb_get_length(RdbReader *reader, uint64_t *length) noexcept nogil:
    cdef int form = 0
    return get_head(reader, length, &form) and (form == 0 or rdb_complain(reader, b"a string where a length is expected"))


cdef bint rdb_get_count(RdbReader *reader, uint64_t least, uint64_t *count) noexcept nogil:
    return rdb_get_length(reader, count) and rdb_count_fits(reader, least, count[0])


cdef bint rdb_count_fits(RdbReader *reader, uint64_t least, uint64_t count) noexcept nogil:
    cdef uint64_t left = UINT64_MAX
    if reader.source.refill == NULL:
        left = <uint64_t> (reader.source.end - reader.source.at)
    elif reader.source.size:
        left = reader.source.size - source_offset(reader.source) if reader.source.size > source_offset(reader.source) else 0
    return count <= left // least or rdb_complain(reader, CUT_OFF)


# -- strings ----------------------------------------------------------------------------------------------------------

cdef inline int number_size(int form) noexcept nogil:
    """Bytes of a number in a form."""
    return 1 if form == RDB_INT_8 else 2 if form == RDB_INT_16 else 4


cdef bint get_number(RdbReader *reader, int form, int64_t *number) noexcept nogil:
    cdef const uint8_t *at
    if not there(reader, number_size(form)):
        return False
    at = <const uint8_t *> reader.source.at
    if form == RDB_INT_8:
        number[0] = <int8_t> at[0]
    elif form == RDB_INT_16:
        number[0] = <int16_t> (at[0] | at[1] << 8)
    else:
        number[0] = <int32_t> (<uint32_t> at[0] | <uint32_t> at[1] << 8 | <uint32_t> at[2] << 16 | <uint32_t> at[3] << 24)
    reader.source.at += number_size(form)
    return True


cdef bint gather(RdbReader *reader, Buffer *into, uint64_t length) noexcept nogil:
    """Append so many bytes to a buffer, whose room grows with what is there."""
    cdef size_t part
    while length:
        part = PIECE if length > PIECE else <size_t> length
        if reader.source.refill == NULL and not there(reader, part):
            return False
        if not rdb_get_bytes(reader, buffer_reserve(into, part), part):
            return False
        into.length += part
        length -= part
    return True


cdef bint get_lzf_head(RdbReader *reader, uint64_t *packed, uint64_t *length) noexcept nogil:
    """The lengths of LZF and of its text, which is no longer than LZF can make it."""
    if not (rdb_get_length(reader, packed) and rdb_get_length(reader, length)):
        return False
    if packed[0] > LARGEST_STRING or length[0] == 0 or length[0] // LZF_EXPANDS > packed[0]:
        return rdb_complain(reader, b"Invalid LZF compressed string")
    return True


cdef bint get_lzf(RdbReader *reader, Buffer *held, Slice *lzf, uint64_t *length) noexcept nogil:
    """The LZF that comes next, all of it, and the length of its text. It stands in the source, or in `held`, which is the caller's
    to free: only once it is there memory may be taken for the text."""
    cdef uint64_t packed = 0
    if not get_lzf_head(reader, &packed, length):
        return False
    if packed <= PIECE:
        if not there(reader, <size_t> packed):
            return False
        lzf[0] = slice_of(reader.source.at, <size_t> packed)
        reader.source.at += packed
        return True
    if not gather(reader, held, packed):
        return False
    lzf[0] = slice_of(held.data, held.length)
    return True


cdef inline bint expand(RdbReader *reader, Slice lzf, void *into, uint64_t length) noexcept nogil:
    """Decompress LZF into a text of a known length."""
    return (lzf_decompress(lzf.data, lzf.length, into, <size_t> length) == length
            or rdb_complain(reader, b"Invalid LZF compressed string"))


cdef bint get_compressed(RdbReader *reader) noexcept nogil:
    """The text of a compressed string into reader.text."""
    cdef uint64_t length = 0
    cdef Buffer held
    cdef Slice lzf
    cdef bint good
    memset(&held, 0, sizeof(Buffer))
    good = get_lzf(reader, &held, &lzf, &length)
    if good:
        good = expand(reader, lzf, buffer_reserve(&reader.text, <size_t> length + 1), length)   # an empty text has an address, too
        reader.text.length = <size_t> length if good else 0
    buffer_free(&held)
    return good


cdef bint rdb_get_string(RdbReader *reader, Slice *text) noexcept nogil:
    cdef uint64_t length = 0
    cdef int64_t number = 0
    cdef int form = 0
    if not get_head(reader, &length, &form):
        return False
    if likely(form == 0 and length <= PIECE):
        if not there(reader, <size_t> length):
            return False
        text[0] = slice_of(reader.source.at, <size_t> length)
        reader.source.at += length
        return True
    reader.text.length = 0
    if form == RDB_LZF:
        if not get_compressed(reader):
            return False
    elif form:
        if not get_number(reader, form, &number):
            return False
        reader.text.length = format_i64(buffer_reserve(&reader.text, FORMAT_I64_SIZE), number)
    elif not gather(reader, &reader.text, length):
        return False
    text[0] = slice_of(reader.text.data, reader.text.length)
    return True


cdef void *take(RdbReader *reader, size_t head, size_t *length) noexcept nogil:
    """A string in a block of its own, behind `head` bytes of the caller's; NULL: there is none."""
    cdef uint64_t size = 0
    cdef Buffer block
    cdef int form = 0
    if not get_head(reader, &size, &form):
        return NULL
    if form == RDB_LZF:
        return take_compressed(reader, head, length)
    if form:
        return take_number(reader, form, head, length)
    if (reader.source.refill == NULL or size <= PIECE) and (size > LARGEST_STRING or not there(reader, <size_t> size)):
        rdb_complain(reader, CUT_OFF)
        return NULL
    block.length, block.capacity = head, head + (PIECE if size > PIECE and reader.source.refill != NULL else <size_t> size)
    block.data = <char *> memory_alloc(block.capacity)
    if not gather(reader, &block, size):
        memory_free(block.data)
        return NULL
    length[0] = <size_t> size
    if block.capacity > head + size + size // 8:
        return memory_realloc(block.data, head + <size_t> size)
    return block.data


cdef void *take_compressed(RdbReader *reader, size_t head, size_t *length) noexcept nogil:
    cdef uint64_t size = 0
    cdef Buffer held
    cdef Slice lzf
    cdef char *block = NULL
    memset(&held, 0, sizeof(Buffer))
    if get_lzf(reader, &held, &lzf, &size):
        block = <char *> memory_alloc(head + <size_t> size)
        length[0] = <size_t> size
        if not expand(reader, lzf, block + head, size):
            memory_free(block)
            block = NULL
    buffer_free(&held)
    return block


cdef void *take_number(RdbReader *reader, int form, size_t head, size_t *length) noexcept nogil:
    cdef char digits[FORMAT_I64_SIZE]
    cdef int64_t number = 0
    cdef char *block
    if not get_number(reader, form, &number):
        return NULL
    length[0] = format_i64(digits, number)
    block = <char *> memory_alloc(head + length[0])
    memcpy(block + head, digits, length[0])
    return block


cdef bint rdb_get_element(RdbReader *reader, Slice *text) noexcept nogil:
    return rdb_get_string(reader, text) and (likely(text.length <= UINT32_MAX) or rdb_complain(reader, TOO_LONG))


cdef bint rdb_get_pair(RdbReader *reader, Slice *first, Slice *second) noexcept nogil:
    cdef Slice text
    if not rdb_get_element(reader, &text):
        return False
    reader.first.length = 0
    buffer_reserve(&reader.first, text.length + 1)      # an empty text has an address, too
    buffer_append(&reader.first, text.data, text.length)
    first[0] = slice_of(reader.first.data, reader.first.length)
    return rdb_get_string(reader, second)


cdef bint rdb_string_is_long(RdbReader *reader) noexcept nogil:
    if not source_has(reader.source, 1):
        return False
    return <uint8_t> reader.source.at[0] in (RDB_LENGTH_32, RDB_LENGTH_64, RDB_LZF)


cdef Blob *rdb_get_blob(RdbReader *reader) noexcept nogil:
    cdef size_t length = 0
    cdef Blob *blob = <Blob *> take(reader, sizeof(size_t), &length)
    if blob != NULL:
        blob.length = length
    return blob


cdef void *rdb_get_block(RdbReader *reader, size_t *length) noexcept nogil:
    return take(reader, 0, length)


cdef bint rdb_skip_string(RdbReader *reader) noexcept nogil:
    cdef uint64_t length = 0, packed = 0
    cdef int form = 0
    if not get_head(reader, &length, &form):
        return False
    if form == RDB_LZF:
        if not get_lzf_head(reader, &packed, &length):
            return False
        length = packed
    elif form:
        length = number_size(form)
    return source_skip(reader.source, length) or rdb_complain(reader, CUT_OFF)
