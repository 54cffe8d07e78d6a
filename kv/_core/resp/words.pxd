"""What requests and replies are both made of: headers, and bulk strings, which are the words of a request."""
from libc.stdint cimport int64_t
from libc.string cimport memcpy

from kv._core.base.buffer cimport Buffer, buffer_reserve
from kv._core.base.numbers cimport FORMAT_I64_SIZE, format_i64
from kv._core.base.platform cimport likely
from kv._core.base.slice cimport Slice

cdef enum:
    SHORT_WORD = 100            # bytes below which the length of a word has one or two digits
    HEADER_SIZE = FORMAT_I64_SIZE + 3   # bytes that a header takes at most

cdef void resp_long_word(Buffer *out, const char *data, size_t length) noexcept nogil
cdef void resp_i64(Buffer *out, int64_t number) noexcept nogil


cdef inline int resp_header_at(char *at, char kind, int64_t number) noexcept nogil:
    """A type byte, a number, CRLF, in room of HEADER_SIZE bytes; how many bytes it has."""
    cdef int length
    at[0] = kind
    if likely(0 <= number < 10):
        at[1] = <char> (c'0' + number)
        length = 1
    else:
        length = format_i64(at + 1, number)
    at[length + 1] = c'\r'
    at[length + 2] = c'\n'
    return length + 3


cdef inline void resp_header(Buffer *out, char kind, int64_t number) noexcept nogil:
    """A header: "*3\\r\\n" begins a request of three words, "$5\\r\\n" a word of five bytes."""
    out.length += resp_header_at(buffer_reserve(out, HEADER_SIZE), kind, number)


cdef inline void resp_word(Buffer *out, const char *data, size_t length) noexcept nogil:
    """A bulk string; of a request, a word."""
    cdef char *at
    if likely(length < SHORT_WORD):
        at = buffer_reserve(out, length + 8)
        at[0] = c'$'
        if length < 10:
            at[1] = <char> (c'0' + length)
            at += 2
        else:
            at[1] = <char> (c'0' + length // 10)
            at[2] = <char> (c'0' + length % 10)
            at += 3
        at[0] = c'\r'
        at[1] = c'\n'
        memcpy(at + 2, data, length)
        at[length + 2] = c'\r'
        at[length + 3] = c'\n'
        out.length = (at + length + 4) - out.data
    else:
        resp_long_word(out, data, length)


cdef inline void resp_slice(Buffer *out, Slice word) noexcept nogil:
    resp_word(out, word.data, word.length)
