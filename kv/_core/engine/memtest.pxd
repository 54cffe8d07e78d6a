"""A test of this process's memory, for crash reports (see memtest.pyx)."""
from libc.stdint cimport uint64_t

cdef uint64_t memtest_block(uint64_t *words, size_t count) noexcept nogil
cdef void memtest_report() noexcept nogil
