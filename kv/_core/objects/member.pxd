"""A member of a set: what the table of a large set stores."""
from libc.stdint cimport uint8_t, uint32_t

from kv._core.base.platform cimport likely
from kv._core.base.slice cimport Slice, slice_of

cdef enum:
    MEMBER_LONG = 255       # as the length: the true one follows in 32 bits

cdef struct Member:         # drawn in member.pyx
    uint8_t length          # bytes, or MEMBER_LONG

cdef Member *member_new(Slice text) noexcept nogil
cdef void member_free(void *member) noexcept nogil
cdef const char *member_text_of(const void *member, size_t *length) noexcept nogil


cdef inline Slice member_text(const Member *member) noexcept nogil:
    cdef const char *at = <const char *> member + sizeof(Member)
    if likely(member.length != MEMBER_LONG):
        return slice_of(at, member.length)
    return slice_of(at + 4, (<const uint32_t *> at)[0])
