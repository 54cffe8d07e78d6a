"""A byte string in a block of its own: what is too long to sit inside its entry or its buffer."""
from libc.string cimport memcpy

from kv._core.base.memory cimport memory_alloc, memory_free, memory_realloc, memory_size
from kv._core.base.platform cimport unlikely

cdef enum:
    BLOB_HELD_LEAST = 16 * 1024     # bytes from which on a blob may have several holders


cdef struct Blob:
    size_t length       # bytes of data
    char data[1]        # the bytes; the block goes on


cdef void blob_hold(Blob *blob) noexcept nogil
cdef bint blob_is_held(const Blob *blob) noexcept nogil
cdef void blob_free_large(Blob *blob) noexcept nogil
cdef Blob *blob_writable(Blob *blob) noexcept nogil


cdef inline Blob *blob_new(size_t length) noexcept nogil:
    """A blob whose bytes are the caller's to fill."""
    cdef Blob *blob = <Blob *> memory_alloc(sizeof(size_t) + length)
    blob.length = length
    return blob


cdef inline Blob *blob_copy(const char *data, size_t length) noexcept nogil:
    cdef Blob *blob = blob_new(length)
    memcpy(blob.data, data, length)
    return blob


cdef inline Blob *blob_around(const char *data) noexcept nogil:
    """The blob whose bytes begin here."""
    return <Blob *> (data - sizeof(size_t))


cdef inline size_t blob_capacity(const Blob *blob) noexcept nogil:
    """Bytes that fit without moving."""
    return memory_size(blob) - sizeof(size_t)


cdef inline Blob *blob_resize(Blob *blob, size_t length, bint greedy) noexcept nogil:
    """The blob with another length, moved where it must be; greedy leaves room for as much again (up to 1 MiB). Nobody
    else holds it."""
    cdef size_t room = length
    if length > blob_capacity(blob):
        if greedy:
            room = length * 2 if length < 1 << 20 else length + (1 << 20)
        blob = <Blob *> memory_realloc(blob, sizeof(size_t) + room)
    blob.length = length
    return blob


cdef inline void blob_free(Blob *blob) noexcept nogil:
    """Give the blob up, and free it where nobody else holds it; NULL is allowed. Any thread may."""
    if unlikely(blob != NULL and blob.length >= BLOB_HELD_LEAST):
        blob_free_large(blob)
    else:
        memory_free(blob)
