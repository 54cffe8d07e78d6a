"""A field of a hash with its value: what the table of a large hash stores."""
from libc.stdint cimport uint8_t, uint32_t

from kv._core.base.blob cimport Blob
from kv._core.base.platform cimport likely, unlikely
from kv._core.base.slice cimport Slice, slice_of

cdef enum:
    FIELD_HEADER = 2        # bytes before a name of usual length
    FIELD_ELSEWHERE = 255   # in a length byte: the length (of a name), or the bytes (of a value), do not stand there

cdef struct Field:          # drawn in field.pyx
    uint8_t name_length     # bytes of the name, or FIELD_ELSEWHERE
    uint8_t value_length    # bytes of the value, or FIELD_ELSEWHERE

cdef Field *field_new(Slice name, Slice value) noexcept nogil
cdef Field *field_assign(Field *field, Slice value) noexcept nogil
cdef void field_free(void *field) noexcept nogil
cdef const char *field_name_of(const void *field, size_t *length) noexcept nogil
cdef size_t field_memory(const Field *field) noexcept nogil


cdef inline Slice field_name(const Field *field) noexcept nogil:
    cdef const char *at = <const char *> field + FIELD_HEADER
    if likely(field.name_length != FIELD_ELSEWHERE):
        return slice_of(at, field.name_length)
    return slice_of(at + 4, (<const uint32_t *> at)[0])


cdef inline bint is_long(size_t length) noexcept nogil:
    """Whether a name or value of so many bytes is too long for its length byte."""
    return length >= FIELD_ELSEWHERE


cdef inline Slice field_value(const Field *field) noexcept nogil:
    cdef Slice name = field_name(field)
    cdef Blob *blob
    if likely(field.value_length != FIELD_ELSEWHERE):
        return slice_of(name.data + name.length, field.value_length)
    blob = (<Blob **> (name.data + name.length))[0]
    return slice_of(blob.data, blob.length)
