"""A sink that writes to a file descriptor."""
from libc.stdint cimport uint64_t

from kv._core.base.sink cimport Sink

cdef struct FileSink:
    Sink sink                   # first: encoders are given its address
    int fd                      # not the sink's: who opened it closes it
    bint checksummed            # crc is kept
    uint64_t crc                # CRC-64 of all bytes that went through, written or not
    uint64_t written            # bytes
    uint64_t sync_bytes         # bytes between two syncs on the way; 0: there are none
    uint64_t unsynced           # bytes since the last one
    int fault                   # errno of what failed; from then on bytes are dropped. 0: nothing did

cdef void filesink_init(FileSink *file, int fd, uint64_t sync_bytes, bint checksummed) noexcept nogil
cdef void filesink_flush(FileSink *file) noexcept nogil
