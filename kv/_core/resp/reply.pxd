"""Replies into a buffer, in the RESP version of the client that asked."""
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy

from kv._core.base.buffer cimport Buffer, buffer_append, buffer_reserve
from kv._core.resp.words cimport resp_word


cdef struct Reply:
    Buffer *out         # where the bytes go
    int version         # 2 or 3
    uint64_t errors     # error replies written since the owner last looked


cdef void reply_header(Reply *reply, char kind, int64_t count) noexcept nogil
cdef void reply_i64(Reply *reply, int64_t value) noexcept nogil
cdef void reply_bulk_i64(Reply *reply, int64_t value) noexcept nogil
cdef void reply_double(Reply *reply, double value) noexcept nogil
cdef void reply_bulk_double(Reply *reply, double value) noexcept nogil
cdef void reply_error(Reply *reply, const char *text, size_t length) noexcept nogil
cdef void reply_status(Reply *reply, const char *text, size_t length) noexcept nogil
cdef void reply_verbatim(Reply *reply, const char *form, const char *text, size_t length) noexcept nogil
cdef void reply_big_number(Reply *reply, const char *digits, size_t length) noexcept nogil
cdef void reply_map(Reply *reply, int64_t pairs) noexcept nogil
cdef void reply_set(Reply *reply, int64_t count) noexcept nogil
cdef void reply_push(Reply *reply, int64_t count) noexcept nogil
cdef void reply_attribute(Reply *reply, int64_t pairs) noexcept nogil
cdef void reply_null_array(Reply *reply) noexcept nogil
cdef void reply_bool(Reply *reply, bint value) noexcept nogil


cdef inline void reply_raw(Reply *reply, const char *data, size_t length) noexcept nogil:
    buffer_append(reply.out, data, length)


cdef inline void reply_ok(Reply *reply) noexcept nogil:
    memcpy(buffer_reserve(reply.out, 5), b"+OK\r\n", 5)
    reply.out.length += 5


cdef inline void reply_null(Reply *reply) noexcept nogil:
    """The absent value: $-1 in RESP2, _ in RESP3."""
    if reply.version == 2:
        memcpy(buffer_reserve(reply.out, 5), b"$-1\r\n", 5)
        reply.out.length += 5
    else:
        memcpy(buffer_reserve(reply.out, 3), b"_\r\n", 3)
        reply.out.length += 3


cdef inline void reply_array(Reply *reply, int64_t count) noexcept nogil:
    reply_header(reply, c'*', count)


cdef inline void reply_bulk(Reply *reply, const char *data, size_t length) noexcept nogil:
    """A bulk string."""
    resp_word(reply.out, data, length)
