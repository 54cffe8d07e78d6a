"""What requests and replies are made of in every RESP version: headers and bulk strings, written into a buffer."""
from libc.stdint cimport int64_t

from kv._core.base.buffer cimport Buffer, buffer_append, buffer_reserve
from kv._core.base.numbers cimport FORMAT_I64_SIZE, format_i64
from kv._core.base.platform cimport likely

cdef enum:
    RESP_HEADER_SIZE = FORMAT_I64_SIZE + 3      # bytes that a header takes at most


cdef void resp_bulk_i64(Buffer *out, int64_t number) noexcept nogil


cdef inline int resp_print_header(char *out, char kind, int64_t count) noexcept nogil:
    """A type byte, a number, CRLF; how many bytes that are, at most RESP_HEADER_SIZE."""
    cdef int length
    out[0] = kind
    if likely(0 <= count < 10):
        out[1] = <char> (c'0' + count)
        length = 1
    else:
        length = format_i64(out + 1, count)
    out[length + 1] = c'\r'
    out[length + 2] = c'\n'
    return length + 3


cdef inline void resp_header(Buffer *out, char kind, int64_t count) noexcept nogil:
    """What begins an array (*), a bulk string ($), a map (%) and so on, and all of an integer (:)."""
    out.length += resp_print_header(buffer_reserve(out, RESP_HEADER_SIZE), kind, count)


cdef inline void resp_bulk(Buffer *out, const char *data, size_t length) noexcept nogil:
    """A bulk string: a word of a request, a string of a reply."""
    resp_header(out, c'$', <int64_t> length)
    buffer_append(out, data, length)
    buffer_append(out, b"\r\n", 2)
