"""What requests and replies are made of in every RESP version: headers and bulk strings, written into a buffer.

Replies (resp/reply) are written by these and so are the requests that the server makes itself: effects, and the commands
of an AOF that is rewritten.
"""
from libc.stdint cimport int64_t


cdef void resp_bulk_i64(Buffer *out, int64_t number) noexcept nogil:
    """A number's digits as a bulk string."""
    cdef char text[FORMAT_I64_SIZE]
    resp_bulk(out, text, format_i64(text, number))
