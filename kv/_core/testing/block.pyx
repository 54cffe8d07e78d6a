"""Bytes in a block of exactly their size, for handing to a C function under test.

A bytes object would do, but it ends with a NUL that is not part of it and lies between other objects in
memory of Python's own allocator: a function that reads one byte too many finds something there, and
AddressSanitizer does not know that it should not. In a block of malloc's it does.
"""
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy


cdef class Block:
    def __cinit__(self, bytes content):
        self.length = len(content)
        self.data = <uint8_t *>malloc(self.length)
        if self.data == NULL and self.length:
            raise MemoryError
        memcpy(self.data, <const char *>content, self.length)

    def __dealloc__(self):
        free(self.data)

    cdef inline char *text(self) noexcept:
        return <char *>self.data

    cdef bytes content(self):
        return self.text()[:self.length]
