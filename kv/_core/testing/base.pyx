"""Python faces of the C functions at the bottom of the core, for the tests.

The libraries below know no Python object, so no test could reach them but through a running server, where a
wrong carry or a read past the end is far from its cause. Each function here does what a C caller does: hand
over bytes and sizes, take the result out of its buffer. Nothing is checked that the function itself promises
to check. The server never imports this module.
"""
from libc.stdint cimport int64_t, uint64_t

from kv._core.base.numbers cimport (
    FORMAT_DOUBLE_SIZE, FORMAT_I64_SIZE, FORMAT_LONG_DOUBLE_SIZE, format_double, format_i64, format_long_double,
    format_u64, parse_double, parse_i64, parse_long_double)


# numbers

def numbers_parse_i64(bytes text):
    cdef int64_t value
    return value if parse_i64(text, len(text), &value) else None


def numbers_format_i64(int64_t value):
    cdef char[FORMAT_I64_SIZE] out
    return out[:format_i64(out, value)]


def numbers_format_u64(uint64_t value):
    cdef char[FORMAT_I64_SIZE] out
    return out[:format_u64(out, value)]


def numbers_parse_double(bytes text):
    cdef double value
    return value if parse_double(text, len(text), &value) else None


def numbers_format_double(double value):
    cdef char[FORMAT_DOUBLE_SIZE] out
    return out[:format_double(out, value)]


def numbers_add_long_doubles(bytes first, bytes second):
    """What INCRBYFLOAT does: parse both, add, print."""
    cdef char[FORMAT_LONG_DOUBLE_SIZE] out
    cdef long double a, b
    if not parse_long_double(first, len(first), &a) or not parse_long_double(second, len(second), &b):
        return None
    return out[:format_long_double(out, a + b)]
