"""A sink that writes to a file descriptor, in a thread of its own.

Bytes are gathered, so that a write is worth its call. A file that is written faster than the disk takes it would be synced at its
end all at once, and whoever else syncs to that disk (the AOF) would wait: `sync_bytes` spreads that over the time of writing.

There are two buffers. While encoders fill one the thread takes the checksum of the other and writes it, so saving takes as long
as the slower of the two, not both. The thread is started when the first buffer is full: what is smaller needs none. Where there
can be no thread the parts are written by whoever fills them. The FileSink stays where it is from filesink_init to filesink_free,
and no fork comes in between: a child would not have the thread.

A fault ends nothing by itself: encoders go on, and what they write is dropped. Whoever runs them looks at `fault` between two
entries or at the end.
"""
from libc.errno cimport EAGAIN, EINTR, EIO, errno
from libc.stdint cimport uint64_t
from libc.string cimport memset

from kv._core.base.buffer cimport Buffer, buffer_free
from kv._core.base.crc cimport crc64
from kv._core.base.pthread cimport (
    pthread_cond_broadcast, pthread_cond_init, pthread_cond_wait, pthread_join, pthread_mutex_init, pthread_mutex_lock,
    pthread_mutex_unlock, thread_start)
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
    CHUNK = 1 << 17             # bytes of a write
    KEEP = 8 * CHUNK            # room of a buffer that is kept; a huge value's is given back


cdef void filesink_init(FileSink *file, int fd, uint64_t sync_bytes, bint checksummed) noexcept nogil:
    memset(file, 0, sizeof(FileSink))
    sink_init(&file.sink, CHUNK, drain)
    file.fd, file.sync_bytes, file.checksummed = fd, sync_bytes, checksummed
    pthread_mutex_init(&file.lock, NULL)
    pthread_cond_init(&file.changed, NULL)


cdef void filesink_free(FileSink *file) noexcept nogil:
    """Have the thread end, once it has written what it was given. The descriptor stays its owner's."""
    if file.threaded:
        pthread_mutex_lock(&file.lock)
        file.ending = True
        pthread_cond_broadcast(&file.changed)
        pthread_mutex_unlock(&file.lock)
        pthread_join(file.thread, NULL)
        file.threaded = False
    buffer_free(&file.sink.buffer)
    buffer_free(&file.part)


# -- the encoders' side -----------------------------------------------------------------------------------------------

cdef void drain(Sink *sink) noexcept nogil:
    """Hand what is in the buffer to the thread."""
    cdef FileSink *file = <FileSink *> sink
    cdef Buffer full
    if not file.threaded:
        file.threaded = thread_start(&file.thread, work, file)
    if not file.threaded:
        filesink_flush(file)
        return
    filesink_await(file)
    full, file.sink.buffer = file.sink.buffer, file.part
    file.part = full
    pthread_mutex_lock(&file.lock)
    file.busy = True
    pthread_cond_broadcast(&file.changed)
    pthread_mutex_unlock(&file.lock)


cdef void filesink_await(FileSink *file) noexcept nogil:
    """Wait until the thread has written what it was given: whoever owns the descriptor may close it then."""
    if not file.threaded:
        return
    pthread_mutex_lock(&file.lock)
    while file.busy:
        pthread_cond_wait(&file.changed, &file.lock)
    pthread_mutex_unlock(&file.lock)
    empty(&file.part)


cdef inline void empty(Buffer *buffer) noexcept nogil:
    buffer.length = 0
    if buffer.capacity > KEEP:
        buffer_free(buffer)


cdef void filesink_flush(FileSink *file) noexcept nogil:
    """Write what is in the buffer, and wait for all that was before."""
    filesink_await(file)
    write_part(file, &file.sink.buffer)
    empty(&file.sink.buffer)


# -- writing ----------------------------------------------------------------------------------------------------------

cdef void *work(void *argument) noexcept nogil:
    """The thread's. It takes no memory, and frees none."""
    cdef FileSink *file = <FileSink *> argument
    pthread_mutex_lock(&file.lock)
    while True:
        if file.busy:
            pthread_mutex_unlock(&file.lock)
            write_part(file, &file.part)
            pthread_mutex_lock(&file.lock)
            file.busy = False
            pthread_cond_broadcast(&file.changed)
        elif file.ending:
            break
        else:
            pthread_cond_wait(&file.changed, &file.lock)
    pthread_mutex_unlock(&file.lock)
    return NULL


cdef void write_part(FileSink *file, const Buffer *part) noexcept nogil:
    if file.checksummed:
        file.crc = crc64(file.crc, part.data, part.length)
    if not file.fault:
        file.fault = write_all(file.fd, part.data, part.length)
    if not file.fault:
        file.written += part.length
        file.unsynced += part.length
        if file.sync_bytes and file.unsynced >= file.sync_bytes:
            file.fault = errno if fdatasync(file.fd) < 0 else 0
            file.unsynced = 0


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
