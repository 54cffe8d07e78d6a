"""A view of bytes that somebody else owns."""
from libc.stdint cimport uint8_t
from libc.string cimport memcmp


cdef struct Slice:
    const char *data        # not terminated
    size_t length           # bytes


cdef inline char lower(char c) noexcept nogil:
    return c + 32 if c'A' <= c <= c'Z' else c


cdef inline Slice slice_of(const char *data, size_t length) noexcept nogil:
    cdef Slice slice
    slice.data = data
    slice.length = length
    return slice


cdef inline bint slice_equal(Slice a, Slice b) noexcept nogil:
    return a.length == b.length and memcmp(a.data, b.data, a.length) == 0


cdef inline bint slice_is(Slice slice, const char *word, size_t length) noexcept nogil:
    """Whether the slice spells a lower-case word, in any case."""
    cdef size_t i
    if slice.length != length:
        return False
    for i in range(length):
        if lower(slice.data[i]) != word[i]:
            return False
    return True
