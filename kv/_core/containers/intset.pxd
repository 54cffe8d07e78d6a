"""A sorted array of integers, all as wide as the widest needs, in the byte format of Redis's intset.

Functions that change a set return where it is now.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t

from kv._core.base.random cimport Random

cdef enum:
    INTSET_HEADER = 8

cdef struct Intset:             # drawn in intset.pyx
    uint32_t width              # bytes of an integer: 2, 4 or 8
    uint32_t count              # integers
    uint8_t numbers[1]          # the integers, ascending; the block goes on

cdef Intset *intset_new() noexcept nogil
# of bytes that intset_validate accepted
cdef Intset *intset_copy(const void *bytes, size_t length) noexcept nogil
cdef void intset_free(Intset *set) noexcept nogil
cdef Intset *intset_add(Intset *set, int64_t number, bint *added) noexcept nogil
cdef Intset *intset_remove(Intset *set, int64_t number, bint *removed) noexcept nogil
cdef bint intset_has(const Intset *set, int64_t number) noexcept nogil
# index < count, here and below: not empty
cdef int64_t intset_get(const Intset *set, uint32_t index) noexcept nogil
cdef int64_t intset_min(const Intset *set) noexcept nogil
cdef int64_t intset_max(const Intset *set) noexcept nogil
cdef int64_t intset_random(const Intset *set, Random *random) noexcept nogil
cdef bint intset_validate(const void *bytes, size_t length) noexcept nogil
cdef const char *intset_check(const Intset *set) noexcept nogil


cdef inline size_t intset_bytes(const Intset *set) noexcept nogil:
    return INTSET_HEADER + <size_t> set.width * set.count
