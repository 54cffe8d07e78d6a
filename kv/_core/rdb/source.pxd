"""Bytes that are pulled: what reads RDB asks here for the next ones, and does not know where they come from.

A payload in memory (DUMP's), a file, a socket: whoever makes the source sets `refill`. A struct that begins with a Source is what
`refill` finds at the source's address.
"""
from libc.stdint cimport uint64_t

cdef struct Source:
    const char *at              # the next byte
    const char *end             # behind the last byte that is there
    uint64_t base               # offset of `start` in the whole stream
    const char *start           # where the bytes begin that are there now
    uint64_t crc                # CRC-64 of everything before `summed`, where `checksummed`
    const char *summed          # up to which bytes the CRC was taken; refill takes it up to `at` before bytes move
    bint checksummed
    uint64_t size               # bytes of the whole stream, 0: not known. Counts are judged by it
    int fault                   # errno of a read that failed, or SOURCE_STOPPED; 0: none. No byte comes after one
    # have at least so many bytes between at and end, which may move; false where the stream ends before, or at a fault. It may
    # serve others meanwhile: whoever is called from inside it must not touch what is being decoded. NULL: all bytes are there
    bint (*refill)(Source *source, size_t wanted) noexcept nogil

cdef enum:
    SOURCE_STOPPED = -1         # who serves others while bytes are awaited was told to stop

cdef void source_init(Source *source, const void *data, size_t length) noexcept nogil      # all bytes are there
cdef bint source_read(Source *source, void *into, size_t length) noexcept nogil            # as many, copied
cdef bint source_skip(Source *source, uint64_t length) noexcept nogil
cdef uint64_t source_crc(Source *source) noexcept nogil                                     # of all bytes before `at`


cdef inline void source_moving(Source *source) noexcept nogil:
    """Called by whoever refills, before bytes move: what was consumed is summed."""
    if source.checksummed:
        source_crc(source)


cdef inline bint source_has(Source *source, size_t wanted) noexcept nogil:
    """Whether so many bytes are there, or come now."""
    return <size_t> (source.end - source.at) >= wanted or (source.refill != NULL and source.refill(source, wanted))


cdef inline uint64_t source_offset(const Source *source) noexcept nogil:
    """Offset of the next byte in the whole stream."""
    return source.base + <uint64_t> (source.at - source.start)
