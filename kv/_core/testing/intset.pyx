"""The Python face of the intset, for the tests; see testing/base for why."""
from libc.stdint cimport int64_t, uint64_t

from kv._core.base.random cimport Random, random_seed
from kv._core.containers.intset cimport (
    Intset, intset_add, intset_bytes, intset_check, intset_copy, intset_free, intset_get, intset_has, intset_max,
    intset_min, intset_new, intset_random, intset_remove, intset_validate)
from kv._core.testing.block cimport Block


def intset_valid(bytes content not None):
    cdef Block block = Block(content)
    return bool(intset_validate(block.data, block.length))


cdef class Integers:
    """An intset; made of bytes, or empty."""
    cdef Intset *numbers
    cdef Random random

    def __cinit__(self, bytes content=None, uint64_t seed=1):
        self.numbers = intset_new() if content is None else intset_copy(<const char *> content, len(content))
        random_seed(&self.random, seed)

    def __dealloc__(self):
        intset_free(self.numbers)

    def add(self, int64_t number):
        """Whether it is new."""
        cdef bint added
        self.numbers = intset_add(self.numbers, number, &added)
        return bool(added)

    def remove(self, int64_t number):
        """Whether it was there."""
        cdef bint removed
        self.numbers = intset_remove(self.numbers, number, &removed)
        return bool(removed)

    def __contains__(self, int64_t number):
        return bool(intset_has(self.numbers, number))

    def __len__(self):
        return self.numbers.count

    def __bytes__(self):
        return (<const char *> self.numbers)[:intset_bytes(self.numbers)]

    def content(self):
        return [intset_get(self.numbers, index) for index in range(self.numbers.count)]

    def ends(self):
        return intset_min(self.numbers), intset_max(self.numbers)

    def draw(self):
        return intset_random(self.numbers, &self.random)

    def check(self):
        """AssertionError names the first invariant that does not hold."""
        cdef const char *fault = intset_check(self.numbers)
        if fault != NULL:
            raise AssertionError(fault.decode())
