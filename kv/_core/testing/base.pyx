"""Python faces of the C functions at the bottom of the core, for the tests.

The libraries below know no Python object, so no test could reach them but through a running server, where a
wrong carry or a read past the end is far from its cause. Each function here does what a C caller does: hand
over bytes and sizes, take the result out of its buffer. Nothing is checked that the function itself promises
to check. The server never imports this module.
"""
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from kv._core.base.crc cimport crc16, crc64, key_slot
from kv._core.base.glob cimport glob_match
from kv._core.base.lzf cimport lzf_compress, lzf_decompress
from kv._core.base.numbers cimport (
    FORMAT_DOUBLE_SIZE, FORMAT_I64_SIZE, FORMAT_LONG_DOUBLE_SIZE, format_double, format_i64,
    format_long_double, format_u64, parse_double, parse_i64, parse_long_double)
from kv._core.base.random cimport Random, random_below, random_double, random_seed, random_u64


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


# glob

def glob_match_bytes(bytes pattern, bytes text, bint nocase=False):
    return bool(glob_match(pattern, len(pattern), text, len(text), nocase))


# random

cdef class RandomSource:
    """One generator and its draws."""
    cdef Random random

    def __init__(self, uint64_t seed):
        random_seed(&self.random, seed)

    def u64(self):
        return random_u64(&self.random)

    def below(self, uint64_t limit):
        return random_below(&self.random, limit)

    def double(self):
        return random_double(&self.random)


# crc

def crc_crc64(bytes data, uint64_t crc=0):
    return crc64(crc, <const char *>data, len(data))


def crc_crc16(bytes data):
    return crc16(<const char *>data, len(data))


def crc_key_slot(bytes key):
    return key_slot(key, len(key))


# lzf: source and target are copied to blocks of exactly their size, so that a sanitizer sees a step outside

def lzf_compress_bytes(bytes data, size_t capacity):
    return through_blocks(lzf_compress, data, capacity)


def lzf_decompress_bytes(bytes data, size_t capacity):
    return through_blocks(lzf_decompress, data, capacity)


ctypedef size_t (*Coder)(const void *source, size_t length, void *target, size_t capacity) noexcept nogil


cdef through_blocks(Coder coder, bytes data, size_t capacity):
    cdef size_t length = len(data)
    cdef void *source = malloc(length)
    cdef char *target = <char *>malloc(capacity)
    if (source == NULL and length) or (target == NULL and capacity):
        raise MemoryError
    try:
        memcpy(source, <const char *>data, length)
        return target[:coder(source, length, target, capacity)]
    finally:
        free(source)
        free(target)
