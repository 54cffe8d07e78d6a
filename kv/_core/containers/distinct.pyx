"""Whether a listpack from elsewhere holds an element twice.

A table of pointers, open addressing, at most half full. It lives as long as the question: elements are compared as text, so a
number and the same digits as text are one.
"""
from libc.stdint cimport uint8_t, uint64_t

from kv._core.base.hashing cimport hash_bytes
from kv._core.base.memory cimport memory_calloc, memory_free
from kv._core.base.slice cimport Slice
from kv._core.containers.listpack cimport (
    LISTPACK_NUMBER_SIZE, listpack_count, listpack_first, listpack_is, listpack_next, listpack_slice)


cdef bint add(const uint8_t **slots, uint64_t mask, const uint8_t *at) noexcept nogil:
    """Whether the element is new."""
    cdef char digits[LISTPACK_NUMBER_SIZE]
    cdef Slice text = listpack_slice(at, digits)
    cdef uint64_t slot = hash_bytes(text.data, text.length) & mask
    while slots[slot] != NULL:
        if listpack_is(slots[slot], text):
            return False
        slot = (slot + 1) & mask
    slots[slot] = at
    return True


cdef bint listpack_is_distinct(const Listpack *pack, int stride) noexcept nogil:
    cdef uint64_t slots = 4
    cdef uint8_t *at = listpack_first(pack)
    cdef const uint8_t **table
    cdef bint distinct = True
    cdef int _i
    while slots < 2 * (listpack_count(pack) // stride):
        slots *= 2
    table = <const uint8_t **> memory_calloc(slots * sizeof(uint8_t *))
    while at != NULL and distinct:
        distinct = add(table, slots - 1, at)
        for _i in range(stride):
            at = listpack_next(pack, at)
    memory_free(table)
    return distinct
