"""A source that reads from a file descriptor: a regular file, a pipe, a socket.

A large value takes many reads, and between two of them others may be served: `serve` is called where SERVE_EVERY_US have passed.
"""
from libc.errno cimport EAGAIN, EINTR, errno
from libc.string cimport memmove, memset

from kv._core.base.clock cimport clock_us
from kv._core.base.memory cimport memory_alloc, memory_free, memory_realloc
from kv._core.base.platform cimport unlikely
from kv._core.rdb.source cimport SOURCE_STOPPED, Source, source_moving

cdef extern from "<unistd.h>" nogil:
    ssize_t c_read "read"(int fd, void *into, size_t length)

cdef extern from "<poll.h>" nogil:
    struct pollfd:
        int fd
        short events
    int poll(pollfd *descriptors, unsigned long count, int timeout)
    short POLLIN

cdef enum:
    CHUNK = 256 * 1024          # bytes of a read; more where more are wanted at once
    SERVE_EVERY_US = 100000


cdef void filesource_init(FileSource *file, int fd, bint checksummed) noexcept nogil:
    memset(file, 0, sizeof(FileSource))
    file.fd, file.capacity = fd, CHUNK
    file.buffer = <char *> memory_alloc(CHUNK)
    file.source.at = file.source.end = file.source.start = file.source.summed = file.buffer
    file.source.checksummed, file.source.refill = checksummed, refill
    file.serve_us = clock_us() + SERVE_EVERY_US


cdef void filesource_free(FileSource *file) noexcept nogil:
    memory_free(file.buffer)
    file.buffer = NULL


cdef void make_room(FileSource *file, size_t wanted) noexcept nogil:
    """Move what is left to the front of a buffer that takes as much as is wanted."""
    cdef Source *source = &file.source
    cdef size_t left = source.end - source.at
    source_moving(source)
    source.base += <size_t> (source.at - source.start)
    if unlikely(wanted > file.capacity):
        memmove(file.buffer, source.at, left)
        file.capacity = wanted
        file.buffer = <char *> memory_realloc(file.buffer, wanted)
    elif left:
        memmove(file.buffer, source.at, left)
    source.at = source.start = source.summed = file.buffer
    source.end = file.buffer + left


cdef bint may_go_on(FileSource *file) noexcept nogil:
    """Serve others, where it is time; whether to read on."""
    if file.serve == NULL or clock_us() < file.serve_us:
        return True
    if not file.serve(file):
        file.source.fault = SOURCE_STOPPED
        return False
    file.serve_us = clock_us() + SERVE_EVERY_US
    return True


cdef bint refill(Source *source, size_t wanted) noexcept nogil:
    cdef FileSource *file = <FileSource *> source
    cdef pollfd waiting
    cdef ssize_t done
    if source.fault or not may_go_on(file):
        return False
    make_room(file, wanted)
    while <size_t> (source.end - source.at) < wanted:
        done = c_read(file.fd, <char *> source.end, file.capacity - (source.end - source.start))
        if done > 0:
            source.end += done
        elif done == 0:
            return False
        elif errno == EAGAIN:
            waiting.fd, waiting.events = file.fd, POLLIN
            poll(&waiting, 1, SERVE_EVERY_US // 1000)
            if not may_go_on(file):
                return False
        elif errno != EINTR:
            source.fault = errno
            return False
    return True
