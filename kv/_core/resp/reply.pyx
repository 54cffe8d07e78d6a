"""Replies into a buffer.

One function a RESP3 type; each writes the RESP2 form for a RESP2 client, by Valkey's rules: a map is a flat array,
a set an array, a double a bulk string, null a null bulk, a boolean 1 or 0, a verbatim or big-number string a bulk
string. RESP3: https://github.com/redis/redis-specifications/blob/master/protocol/RESP3.md
"""
from libc.stdint cimport int64_t

from kv._core.base.buffer cimport buffer_append, buffer_reserve
from kv._core.base.numbers cimport format_double, format_i64
from kv._core.resp.format cimport resp_bulk, resp_header


cdef void reply_header(Reply *reply, char kind, int64_t count) noexcept nogil:
    resp_header(reply.out, kind, count)


cdef void reply_i64(Reply *reply, int64_t value) noexcept nogil:
    reply_header(reply, c':', value)


cdef void reply_bulk_i64(Reply *reply, int64_t value) noexcept nogil:
    """An integer as a bulk string: a value that is stored as a number."""
    cdef char text[128]
    cdef int length = format_i64(text, value)
    reply_bulk(reply, text, length)


cdef void reply_bulk_long(Reply *reply, const char *data, size_t length) noexcept nogil:
    resp_bulk(reply.out, data, length)


cdef void reply_bulk_double(Reply *reply, double value) noexcept nogil:
    """A double as a bulk string in either version."""
    cdef char text[128]
    reply_bulk(reply, text, format_double(text, value))


cdef void reply_double(Reply *reply, double value) noexcept nogil:
    cdef char text[128]
    cdef int length
    if reply.version == 2:
        reply_bulk_double(reply, value)
        return
    length = format_double(text, value)
    buffer_append(reply.out, b",", 1)
    buffer_append(reply.out, text, length)
    buffer_append(reply.out, b"\r\n", 2)


cdef void reply_error(Reply *reply, const char *text, size_t length) noexcept nogil:
    """An error, its code first; line breaks at its end are left out, others become spaces, since the type has no room
    for them."""
    cdef char *out
    cdef size_t i
    while length and (text[length - 1] == c'\r' or text[length - 1] == c'\n'):
        length -= 1
    out = buffer_reserve(reply.out, length + 3)
    out[0] = c'-'
    for i in range(length):
        out[i + 1] = c' ' if text[i] == c'\r' or text[i] == c'\n' else text[i]
    out[length + 1] = c'\r'
    out[length + 2] = c'\n'
    reply.out.length += length + 3
    reply.errors += 1


cdef void reply_status(Reply *reply, const char *text, size_t length) noexcept nogil:
    """A simple string."""
    buffer_append(reply.out, b"+", 1)
    buffer_append(reply.out, text, length)
    buffer_append(reply.out, b"\r\n", 2)


cdef void reply_verbatim(Reply *reply, const char *form, const char *text, size_t length) noexcept nogil:
    """Text for people; `form` is its three-letter format, txt or mkd."""
    if reply.version == 2:
        reply_bulk(reply, text, length)
        return
    reply_header(reply, c'=', <int64_t> length + 4)
    buffer_append(reply.out, form, 3)
    buffer_append(reply.out, b":", 1)
    buffer_append(reply.out, text, length)
    buffer_append(reply.out, b"\r\n", 2)


cdef void reply_big_number(Reply *reply, const char *digits, size_t length) noexcept nogil:
    if reply.version == 2:
        reply_bulk(reply, digits, length)
        return
    buffer_append(reply.out, b"(", 1)
    buffer_append(reply.out, digits, length)
    buffer_append(reply.out, b"\r\n", 2)


cdef void reply_map(Reply *reply, int64_t pairs) noexcept nogil:
    if reply.version == 2:
        reply_header(reply, c'*', pairs * 2)
    else:
        reply_header(reply, c'%', pairs)


cdef void reply_set(Reply *reply, int64_t count) noexcept nogil:
    reply_header(reply, c'*' if reply.version == 2 else c'~', count)


cdef void reply_push(Reply *reply, int64_t count) noexcept nogil:
    reply_header(reply, c'*' if reply.version == 2 else c'>', count)


cdef void reply_attribute(Reply *reply, int64_t pairs) noexcept nogil:
    """Before a reply, only to RESP3 clients: the caller checks."""
    reply_header(reply, c'|', pairs)


cdef void reply_null_array(Reply *reply) noexcept nogil:
    if reply.version == 2:
        buffer_append(reply.out, b"*-1\r\n", 5)
    else:
        buffer_append(reply.out, b"_\r\n", 3)


cdef void reply_bool(Reply *reply, bint value) noexcept nogil:
    if reply.version == 2:
        reply_header(reply, c':', value)
    elif value:
        buffer_append(reply.out, b"#t\r\n", 4)
    else:
        buffer_append(reply.out, b"#f\r\n", 4)
