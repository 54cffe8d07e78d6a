"""Numbers to text and back, exactly as Valkey reads and prints them.

The parsers take bytes with a length, need no terminator, and leave *value alone when they refuse. The
formatters write no terminator and return the length.
"""
from libc.stdint cimport int64_t, uint64_t

cdef enum:
    FORMAT_I64_SIZE = 24           # bytes that `out` of format_i64 and format_u64 must have
    FORMAT_DOUBLE_SIZE = 32        # ... of format_double and format_shortest
    FORMAT_LONG_DOUBLE_SIZE = 5120  # ... of format_long_double; parse_long_double takes fewer bytes than this

cdef bint parse_i64(const char *text, size_t length, int64_t *value) noexcept nogil
cdef int format_i64(char *out, int64_t value) noexcept nogil
cdef int format_u64(char *out, uint64_t value) noexcept nogil

cdef bint parse_double(const char *text, size_t length, double *value) noexcept nogil
cdef int format_double(char *out, double value) noexcept nogil
cdef int format_shortest(char *out, double value) noexcept nogil     # whole numbers with an exponent too: 1e+17

cdef bint parse_long_double(const char *text, size_t length, long double *value) noexcept nogil
cdef int format_long_double(char *out, long double value) noexcept nogil
