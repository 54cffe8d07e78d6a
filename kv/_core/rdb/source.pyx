"""Bytes that are pulled.

Who decodes asks for as many bytes as the next thing has, and reads them where they stand. `refill` makes room by moving what is
left to the front of its buffer, so every pointer into the source is dead after the next question. Something large is not asked
for whole: source_read() copies it out piece by piece, so a value of gigabytes needs no buffer of its size, and whoever refills may
serve others between two pieces.

The checksum covers what was consumed, not what was read: the bytes behind an RDB's end belong to somebody else.
"""
from libc.stdint cimport uint64_t
from libc.string cimport memcpy, memset

from kv._core.base.crc cimport crc64


cdef void source_init(Source *source, const void *data, size_t length) noexcept nogil:
    """A source of bytes that are all there."""
    memset(source, 0, sizeof(Source))
    source.at = source.start = source.summed = <const char *> data
    source.end = source.at + length


cdef bint source_read(Source *source, void *into, size_t length) noexcept nogil:
    """Copy so many bytes out; false where the stream ends before."""
    cdef char *target = <char *> into
    cdef size_t part
    while length:
        if not source_has(source, 1):
            return False
        part = source.end - source.at
        if part > length:
            part = length
        memcpy(target, source.at, part)
        source.at += part
        target += part
        length -= part
    return True


cdef bint source_skip(Source *source, uint64_t length) noexcept nogil:
    """Go past so many bytes; false where the stream ends before."""
    cdef uint64_t part
    while length:
        if not source_has(source, 1):
            return False
        part = <uint64_t> (source.end - source.at)
        if part > length:
            part = length
        source.at += part
        length -= part
    return True


cdef uint64_t source_crc(Source *source) noexcept nogil:
    """CRC-64 of everything before the next byte."""
    source.crc = crc64(source.crc, source.summed, source.at - source.summed)
    source.summed = source.at
    return source.crc
