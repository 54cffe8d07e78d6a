"""A growable byte buffer (see buffer.pxd for its fields and inline half)."""
from kv._core.base.memory cimport memory_realloc, memory_size


cdef void buffer_grow(Buffer *buffer, size_t room) noexcept nogil:
    """Make room, doubling while small and by an eighth above 32 MiB, so that growth costs a constant a byte."""
    cdef size_t need = buffer.length + room
    cdef size_t want = buffer.capacity * 2 if buffer.capacity < 32 << 20 else buffer.capacity + buffer.capacity // 8
    if want < need:
        want = need
    if want < 64:
        want = 64
    buffer.data = <char *> memory_realloc(buffer.data, want)
    buffer.capacity = memory_size(buffer.data)
