"""What every value in RDB is made of.

A length takes 1, 2, 5 or 9 bytes (rdb/format). A string is its length and its bytes, but for two kinds:

    11000000 n, 11000001 nn, 11000010 nnnn          the digits of a number of 8, 16 or 32 bits, the lowest byte first
    11000011 <length of the LZF> <length of the text> <LZF>

The LZF form is taken for texts of more than 20 bytes where it saves more than four. It is made where it will stand: behind
the longest head that it may have, and moved forward by the byte or two by which its head is shorter.

How does a value of gigabytes go out without a buffer of gigabytes? Behind each string the sink may drain. Only a single string
is ever held whole.
"""
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint64_t
from libc.string cimport memcpy, memmove, memset

from kv._core.base.buffer cimport buffer_append, buffer_free, buffer_reserve
from kv._core.base.lzf cimport lzf_compress
from kv._core.base.machine cimport double_to_bits
from kv._core.base.numbers cimport FORMAT_I64_SIZE, format_i64, parse_i64
from kv._core.base.sink cimport Sink, sink_drain_if_full
from kv._core.base.slice cimport Slice, slice_of
from kv._core.rdb.format cimport (
    RDB_INT_8, RDB_INT_16, RDB_INT_32, RDB_LENGTH_6, RDB_LENGTH_14, RDB_LENGTH_32, RDB_LENGTH_64, RDB_LZF)

cdef enum:
    MOST_LENGTH = 9             # bytes of a length
    LONGEST_NUMBER = 11         # characters of a text that may be a number of 32 bits
    LONGEST_UNCOMPRESSED = 20   # bytes up to which LZF is not tried
    LEAST_SAVED = 4             # bytes that LZF must save, its head apart


cdef void rdb_writer_init(RdbWriter *writer, Sink *sink, int version, bint compress) noexcept nogil:
    """A writer into a sink, which stays its owner's."""
    memset(writer, 0, sizeof(RdbWriter))
    writer.sink, writer.version, writer.compress = sink, version, compress


cdef void rdb_writer_free(RdbWriter *writer) noexcept nogil:
    buffer_free(&writer.scratch)


# -- bytes and numbers ------------------------------------------------------------------------------------------------

cdef void rdb_put_byte(RdbWriter *writer, int byte) noexcept nogil:
    buffer_reserve(&writer.sink.buffer, 1)[0] = <char> byte
    writer.sink.buffer.length += 1


cdef void rdb_put_bytes(RdbWriter *writer, const void *data, size_t length) noexcept nogil:
    buffer_append(&writer.sink.buffer, <const char *> data, length)
    sink_drain_if_full(writer.sink)


cdef inline uint8_t *put_lowest_first(uint8_t *at, uint64_t number, int bytes) noexcept nogil:
    cdef int i
    for i in range(bytes):
        at[i] = <uint8_t> (number >> (8 * i))
    return at + bytes


cdef inline uint8_t *put_highest_first(uint8_t *at, uint64_t number, int bytes) noexcept nogil:
    cdef int i
    for i in range(bytes):
        at[i] = <uint8_t> (number >> (8 * (bytes - 1 - i)))
    return at + bytes


cdef void rdb_put_u64(RdbWriter *writer, uint64_t number) noexcept nogil:
    put_lowest_first(<uint8_t *> buffer_reserve(&writer.sink.buffer, 8), number, 8)
    writer.sink.buffer.length += 8


cdef void rdb_put_milliseconds(RdbWriter *writer, int64_t ms) noexcept nogil:
    rdb_put_u64(writer, <uint64_t> ms)


cdef void rdb_put_double(RdbWriter *writer, double value) noexcept nogil:
    rdb_put_u64(writer, double_to_bits(value))


cdef inline uint8_t *put_length(uint8_t *at, uint64_t length) noexcept nogil:
    if length < 1 << 6:
        at[0] = <uint8_t> (RDB_LENGTH_6 | length)
        return at + 1
    if length < 1 << 14:
        return put_highest_first(at, (RDB_LENGTH_14 << 8) | length, 2)
    if length <= <uint64_t> 0xffffffff:
        at[0] = RDB_LENGTH_32
        return put_highest_first(at + 1, length, 4)
    at[0] = RDB_LENGTH_64
    return put_highest_first(at + 1, length, 8)


cdef void rdb_put_length(RdbWriter *writer, uint64_t length) noexcept nogil:
    cdef uint8_t *at = <uint8_t *> buffer_reserve(&writer.sink.buffer, MOST_LENGTH)
    writer.sink.buffer.length += put_length(at, length) - at


# -- strings ----------------------------------------------------------------------------------------------------------

cdef bint put_small_number(RdbWriter *writer, int64_t number) noexcept nogil:
    """A number of up to 32 bits; false: it has more, and nothing was written."""
    cdef uint8_t *begin = <uint8_t *> buffer_reserve(&writer.sink.buffer, 5)
    cdef uint8_t *end
    if <int8_t> number == number:
        begin[0], end = RDB_INT_8, put_lowest_first(begin + 1, <uint64_t> number, 1)
    elif <int16_t> number == number:
        begin[0], end = RDB_INT_16, put_lowest_first(begin + 1, <uint64_t> number, 2)
    elif <int32_t> number == number:
        begin[0], end = RDB_INT_32, put_lowest_first(begin + 1, <uint64_t> number, 4)
    else:
        return False
    writer.sink.buffer.length += end - begin
    return True


cdef void put_text(RdbWriter *writer, Slice text) noexcept nogil:
    cdef uint8_t *begin = <uint8_t *> buffer_reserve(&writer.sink.buffer, MOST_LENGTH + text.length)
    cdef uint8_t *at = put_length(begin, text.length)
    if text.length:
        memcpy(at, text.data, text.length)
    writer.sink.buffer.length += at + text.length - begin


cdef bint put_compressed(RdbWriter *writer, Slice text) noexcept nogil:
    """The text as LZF; false: that saves too little, and nothing was written."""
    cdef size_t most = text.length - LEAST_SAVED
    cdef uint8_t *begin = <uint8_t *> buffer_reserve(&writer.sink.buffer, 1 + 2 * MOST_LENGTH + most)
    cdef uint8_t *guess = begin + 1 + 2 * MOST_LENGTH
    cdef uint8_t *at
    cdef size_t length = lzf_compress(text.data, text.length, guess, most)
    if length == 0:
        return False
    begin[0] = RDB_LZF
    at = put_length(put_length(begin + 1, length), text.length)
    memmove(at, guess, length)
    writer.sink.buffer.length += at + length - begin
    return True


cdef void rdb_put_string(RdbWriter *writer, Slice text) noexcept nogil:
    cdef int64_t number
    if text.length <= LONGEST_NUMBER:
        if not (parse_i64(text.data, text.length, &number) and put_small_number(writer, number)):
            put_text(writer, text)
    elif not (writer.compress and text.length > LONGEST_UNCOMPRESSED and put_compressed(writer, text)):
        put_text(writer, text)
    sink_drain_if_full(writer.sink)


cdef void rdb_put_number(RdbWriter *writer, int64_t number) noexcept nogil:
    cdef char digits[FORMAT_I64_SIZE]
    if not put_small_number(writer, number):
        put_text(writer, slice_of(digits, format_i64(digits, number)))


cdef void rdb_put_lzf(RdbWriter *writer, Slice lzf, uint64_t length) noexcept nogil:
    rdb_put_byte(writer, RDB_LZF)
    rdb_put_length(writer, lzf.length)
    rdb_put_length(writer, length)
    rdb_put_bytes(writer, lzf.data, lzf.length)
