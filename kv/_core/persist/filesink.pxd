"""A sink that writes to a file descriptor, in a thread of its own."""
from libc.stdint cimport uint64_t

from kv._core.base.buffer cimport Buffer
from kv._core.base.pthread cimport pthread_cond_t, pthread_mutex_t, pthread_t
from kv._core.base.sink cimport Sink

cdef struct FileSink:
    Sink sink                   # first: encoders are given its address
    int fd                      # not the sink's: who opened it closes it
    bint checksummed            # crc is kept
    # what became of the bytes: of parts that were handed over before filesink_await, of all bytes before filesink_flush
    uint64_t crc                # CRC-64 of all bytes that went through, written or not
    uint64_t written            # bytes
    uint64_t sync_bytes         # bytes between two syncs on the way; 0: there are none
    uint64_t unsynced           # bytes since the last one
    int fault                   # errno of what failed; from then on bytes are dropped. 0: nothing did
    # the thread
    Buffer part                 # what it writes; else empty, the room for what comes next
    bint threaded               # it is there
    bint busy                   # `part` is its, until it has written it; under the lock, as the next
    bint ending                 # it is to end
    pthread_t thread
    pthread_mutex_t lock
    pthread_cond_t changed      # `busy` or `ending` did

cdef void filesink_init(FileSink *file, int fd, uint64_t sync_bytes, bint checksummed) noexcept nogil
cdef void filesink_free(FileSink *file) noexcept nogil
cdef void filesink_await(FileSink *file) noexcept nogil
cdef void filesink_flush(FileSink *file) noexcept nogil
