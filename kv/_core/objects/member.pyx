"""A member of a set, in one block:

      0        1
      +--------+-------------+-------+
      | length | (length 32) | bytes |
      +--------+-------------+-------+

A member of 255 bytes or more has 255 as its first length, and the true one behind it.
"""
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy

from kv._core.base.memory cimport memory_alloc, memory_free
from kv._core.base.platform cimport unlikely
from kv._core.base.slice cimport Slice

assert sizeof(Member) == 1, "the drawing says 1 byte"


cdef Member *member_new(Slice text) noexcept nogil:
    cdef bint long_one = text.length >= MEMBER_LONG
    cdef Member *member = <Member *> memory_alloc(sizeof(Member) + (4 if long_one else 0) + text.length)
    cdef char *at = <char *> member + sizeof(Member)
    member.length = MEMBER_LONG if long_one else <uint8_t> text.length
    if unlikely(long_one):
        (<uint32_t *> at)[0] = <uint32_t> text.length
        at += 4
    memcpy(at, text.data, text.length)
    return member


cdef void member_free(void *member) noexcept nogil:
    memory_free(member)


cdef const char *member_text_of(const void *member, size_t *length) noexcept nogil:
    """The bytes, as a HashtableType wants them."""
    cdef Slice text = member_text(<const Member *> member)
    length[0] = text.length
    return text.data
