"""Numbers to text and back, exactly as Valkey reads and prints them.

The parsers take bytes with a length, need no terminator, and leave *value alone when they refuse. The
formatters write no terminator and return the length.
"""
from libc.stdint cimport int64_t, uint64_t

cdef enum:
    FORMAT_I64_SIZE = 24           # bytes that `out` of format_i64 and format_u64 must have
    FORMAT_DOUBLE_SIZE = 32        # ... of format_double, format_shortest and format_general
    FORMAT_LONG_DOUBLE_SIZE = 5120  # ... of format_long_double; parse_long_double takes fewer bytes than this

cdef bint parse_i64(const char *text, size_t length, int64_t *value) noexcept nogil
cdef int format_i64(char *out, int64_t value) noexcept nogil
cdef int format_u64(char *out, uint64_t value) noexcept nogil

cdef bint parse_double(const char *text, size_t length, double *value) noexcept nogil
# strtod: where the number at the beginning of the text ends, NULL where there is none. The text ends at `end`, with a zero byte.
cdef const char *scan_double(const char *text, const char *end, double *value) noexcept nogil
cdef int format_double(char *out, double value) noexcept nogil
cdef int format_shortest(char *out, double value) noexcept nogil     # whole numbers with an exponent too: 1e+17
cdef int format_general(char *out, double value, int precision) noexcept nogil     # %.*g; precision is 1 to 14

cdef bint parse_long_double(const char *text, size_t length, long double *value) noexcept nogil
cdef int format_long_double(char *out, long double value) noexcept nogil
