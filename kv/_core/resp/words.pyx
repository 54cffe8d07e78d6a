"""What requests and replies are both made of (see words.pxd for the inline half)."""
from libc.stdint cimport int64_t

from kv._core.base.buffer cimport buffer_append


cdef void resp_long_word(Buffer *out, const char *data, size_t length) noexcept nogil:
    """A word of any length."""
    resp_header(out, c'$', <int64_t> length)
    buffer_append(out, data, length)
    buffer_append(out, b"\r\n", 2)


cdef void resp_i64(Buffer *out, int64_t number) noexcept nogil:
    """A number as a word, in decimal."""
    cdef char text[FORMAT_I64_SIZE]
    resp_word(out, text, format_i64(text, number))
