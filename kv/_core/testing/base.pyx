"""Python faces of the C functions at the bottom of the core, for the tests.

The libraries below know no Python object, so no test could reach them but through a running server, where a
wrong carry or a read past the end is far from its cause. Each function here does what a C caller does: hand
over bytes and sizes (see block), take the result out of its buffer. Nothing is checked that the function
itself promises to check. The server never imports this module.
"""
from libc.stdint cimport int64_t, uint64_t

from kv._core.base.clock cimport clock_measure_ticks_per_us
from kv._core.base.crc cimport crc16, crc64, crc64_fold, key_slot
from kv._core.base.glob cimport glob_match
from kv._core.base.lzf cimport lzf_compress, lzf_decompress
from kv._core.base.numbers cimport (
    FORMAT_DOUBLE_SIZE, FORMAT_I64_SIZE, FORMAT_LONG_DOUBLE_SIZE, format_double, format_general, format_i64,
    format_long_double, format_u64, parse_double, parse_i64, parse_long_double, scan_double)
from kv._core.base.random cimport Random, random_below, random_double, random_seed, random_u64
from kv._core.testing.block cimport Block


# numbers

def numbers_parse_i64(bytes text):
    cdef Block block = Block(text)
    cdef int64_t value
    return value if parse_i64(block.text(), block.length, &value) else None


def numbers_format_i64(int64_t value):
    cdef char[FORMAT_I64_SIZE] out
    return out[:format_i64(out, value)]


def numbers_format_u64(uint64_t value):
    cdef char[FORMAT_I64_SIZE] out
    return out[:format_u64(out, value)]


def numbers_parse_double(bytes text):
    cdef Block block = Block(text)
    cdef double value
    return value if parse_double(block.text(), block.length, &value) else None


def numbers_format_double(double value):
    cdef char[FORMAT_DOUBLE_SIZE] out
    return out[:format_double(out, value)]


def numbers_scan_double(bytes text):
    """(value, bytes that were read), None where there is no number."""
    cdef Block block = Block(text + b"\0")
    cdef const char *begin = block.text()
    cdef double value
    cdef const char *end = scan_double(begin, begin + len(text), &value)
    return (value, end - begin) if end != NULL else None


def numbers_format_general(double value, int precision):
    cdef char[FORMAT_DOUBLE_SIZE] out
    return out[:format_general(out, value, precision)]


def numbers_add_long_doubles(bytes first, bytes second):
    """What INCRBYFLOAT does: parse both, add, print."""
    cdef char[FORMAT_LONG_DOUBLE_SIZE] out
    cdef Block left = Block(first), right = Block(second)
    cdef long double a, b
    if not parse_long_double(left.text(), left.length, &a):
        return None
    if not parse_long_double(right.text(), right.length, &b):
        return None
    return out[:format_long_double(out, a + b)]


# glob

def glob_match_bytes(bytes pattern, bytes text, bint nocase=False):
    cdef Block left = Block(pattern), right = Block(text)
    return bool(glob_match(left.text(), left.length, right.text(), right.length, nocase))


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
    cdef Block block = Block(data)
    return crc64(crc, block.data, block.length)


def crc_fold(bint fold):
    return crc64_fold(fold)


def crc_crc16(bytes data):
    cdef Block block = Block(data)
    return crc16(block.data, block.length)


def crc_key_slot(bytes key):
    cdef Block block = Block(key)
    return key_slot(block.text(), block.length)


# lzf

def lzf_compress_bytes(bytes data, size_t capacity):
    cdef Block source = Block(data), target = Block(bytes(capacity))
    return target.text()[:lzf_compress(source.data, source.length, target.data, capacity)]


def lzf_decompress_bytes(bytes data, size_t capacity):
    cdef Block source = Block(data), target = Block(bytes(capacity))
    return target.text()[:lzf_decompress(source.data, source.length, target.data, capacity)]


# clocks

def measure_ticks_per_us():
    return clock_measure_ticks_per_us()
