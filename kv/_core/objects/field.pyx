"""A field of a hash with its value, in one block:

      0             1              2
      +-------------+--------------+-----------------+------+-------+
      | name length | value length | (name length 4) | name | value |
      +-------------+--------------+-----------------+------+-------+

A name of 255 bytes or more has 255 as its first length and the true one in 32 bits; a value of 255 bytes or more
has 255 as its length, and eight bytes that point to a Blob stand in its place. So a name and a value of 12
bytes take 32 bytes together, where two strings and a node that ties them would take twice that.

What if the value changes? It is overwritten in place while the block's size class stays; else the field is made
anew, and the caller puts it into the old one's slot.
"""
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy

from kv._core.base.blob cimport Blob, blob_copy, blob_free
from kv._core.base.memory cimport memory_alloc, memory_class_size, memory_free, memory_size
from kv._core.base.platform cimport likely, unlikely
from kv._core.base.slice cimport Slice

assert sizeof(Field) == FIELD_HEADER, "the drawing says 2 bytes"


cdef inline size_t size_for(size_t name_length, size_t value_length) noexcept nogil:
    return (FIELD_HEADER + (4 if is_long(name_length) else 0) + name_length
            + (sizeof(Blob *) if is_long(value_length) else value_length))


cdef Field *field_new(Slice name, Slice value) noexcept nogil:
    cdef Field *field = <Field *> memory_alloc(size_for(name.length, value.length))
    cdef char *at = <char *> field + FIELD_HEADER
    field.name_length = FIELD_ELSEWHERE if unlikely(is_long(name.length)) else <uint8_t> name.length
    if unlikely(is_long(name.length)):
        (<uint32_t *> at)[0] = <uint32_t> name.length
        at += 4
    memcpy(at, name.data, name.length)
    at += name.length
    if unlikely(is_long(value.length)):
        field.value_length = FIELD_ELSEWHERE
        (<Blob **> at)[0] = blob_copy(value.data, value.length)
    else:
        field.value_length = <uint8_t> value.length
        memcpy(at, value.data, value.length)
    return field


cdef Field *field_assign(Field *field, Slice value) noexcept nogil:
    """The field with another value, which does not lie in it; where it is another block, the old one is freed."""
    cdef Slice name = field_name(field)
    cdef Field *made
    if (likely(not is_long(value.length) and field.value_length != FIELD_ELSEWHERE)
            and memory_class_size(size_for(name.length, value.length)) == memory_size(field)):
        field.value_length = <uint8_t> value.length
        memcpy(<char *> name.data + name.length, value.data, value.length)
        return field
    made = field_new(name, value)
    field_free(field)
    return made


cdef inline Blob *blob_of(const Field *field) noexcept nogil:
    """The block of a long value; NULL where the value stands in the field."""
    cdef Slice name
    if likely(field.value_length != FIELD_ELSEWHERE):
        return NULL
    name = field_name(field)
    return (<Blob **> (name.data + name.length))[0]


cdef void field_free(void *field) noexcept nogil:
    cdef Blob *blob = blob_of(<const Field *> field)
    if unlikely(blob != NULL):
        blob_free(blob)
    memory_free(field)


cdef const char *field_name_of(const void *field, size_t *length) noexcept nogil:
    """The name, as a HashtableType wants it."""
    cdef Slice name = field_name(<const Field *> field)
    length[0] = name.length
    return name.data


cdef size_t field_memory(const Field *field) noexcept nogil:
    """Bytes of its blocks."""
    cdef Blob *blob = blob_of(field)
    return memory_size(field) + (memory_size(blob) if blob != NULL else 0)
