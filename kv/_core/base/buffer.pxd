"""A growable byte buffer: the one way bytes are gathered in the core."""
from libc.string cimport memcpy

from kv._core.base.memory cimport memory_free, memory_realloc
from kv._core.base.platform cimport unlikely


cdef struct Buffer:
    char *data              # memory_alloc'ed, NULL until first used
    size_t length           # bytes that are filled
    size_t capacity         # bytes that fit


cdef void buffer_grow(Buffer *buffer, size_t room) noexcept nogil


cdef inline char *buffer_reserve(Buffer *buffer, size_t room) noexcept nogil:
    """Where the next `room` bytes go; the caller adds what it wrote to buffer.length."""
    if unlikely(buffer.capacity - buffer.length < room):
        buffer_grow(buffer, room)
    return buffer.data + buffer.length


cdef inline void buffer_append(Buffer *buffer, const char *data, size_t length) noexcept nogil:
    """The data may be NULL where there is none."""
    if length:
        memcpy(buffer_reserve(buffer, length), data, length)
        buffer.length += length


cdef inline void buffer_free(Buffer *buffer) noexcept nogil:
    memory_free(buffer.data)
    buffer.data = NULL
    buffer.length = buffer.capacity = 0
