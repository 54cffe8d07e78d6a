"""A sink that writes to a file descriptor.

Bytes are gathered, so that a write is worth its call. A file that is written faster than the disk takes it would be synced at its
end all at once, and whoever else syncs to that disk (the AOF) would wait: `sync_bytes` spreads that over the time of writing.

A fault ends nothing by itself: encoders go on, and what they write is dropped. Whoever runs them looks at `fault` between two
entries or at the end.
"""
from libc.errno cimport EAGAIN, EINTR, EIO, errno
from libc.stdint cimport uint64_t
from libc.string cimport memset

from kv._core.base.buffer cimport buffer_free
from kv._core.base.crc cimport crc64
from kv._core.base.sink cimport sink_init

cdef extern from "<unistd.h>" nogil:
    ssize_t c_write "write"(int fd, const void *data, size_t length)
    int fdatasync(int fd)

cdef extern from "<poll.h>" nogil:
    struct pollfd:
        int fd
        short events
    int poll(pollfd *descriptors, unsigned long count, int timeout)
    short POLLOUT

cdef enum:
    CHUNK = 1 << 20             # bytes of a write
    KEEP = 4 * CHUNK            # room of a buffer that is kept; a huge value's is given back


cdef void filesink_init(FileSink *file, int fd, uint64_t sync_bytes, bint checksummed) noexcept nogil:
    memset(file, 0, sizeof(FileSink))
    sink_init(&file.sink, CHUNK, drain)
    file.fd, file.sync_bytes, file.checksummed = fd, sync_bytes, checksummed


cdef void drain(Sink *sink) noexcept nogil:
    filesink_flush(<FileSink *> sink)


cdef void filesink_flush(FileSink *file) noexcept nogil:
    """Write what is in the buffer."""
    if file.checksummed:
        file.crc = crc64(file.crc, file.sink.buffer.data, file.sink.buffer.length)
    if not file.fault:
        file.fault = write_all(file.fd, file.sink.buffer.data, file.sink.buffer.length)
    if not file.fault:
        file.written += file.sink.buffer.length
        file.unsynced += file.sink.buffer.length
        if file.sync_bytes and file.unsynced >= file.sync_bytes:
            file.fault = errno if fdatasync(file.fd) < 0 else 0
            file.unsynced = 0
    file.sink.buffer.length = 0
    if file.sink.buffer.capacity > KEEP:
        buffer_free(&file.sink.buffer)


cdef int write_all(int fd, const char *data, size_t length) noexcept nogil:
    """Write everything, in as many calls as it takes, to a descriptor of any kind; 0, or the errno of what failed."""
    cdef pollfd waiting
    cdef ssize_t done
    while length:
        done = c_write(fd, data, length)
        if done > 0:
            data += done
            length -= <size_t> done
        elif done == 0:
            return EIO
        elif errno == EAGAIN:
            waiting.fd, waiting.events = fd, POLLOUT
            poll(&waiting, 1, -1)
        elif errno != EINTR:
            return errno
    return 0
