"""Which descriptors are ready.

An event carries either the address of a session (even) or a descriptor that Python watches, doubled and made odd.
The events of a wait stay in a C array: a turn of the loop makes no Python object for a ready client.
"""
from libc.errno cimport EINTR, errno
from libc.stdint cimport uint64_t

import os

from kv._core.runtime.state cimport SESSION_WANTS_WRITE, Session

cdef extern from "<sys/epoll.h>" nogil:
    int epoll_create1(int flags)
    int epoll_ctl(int epoll_fd, int operation, int fd, epoll_event *event)
    int epoll_wait(int epoll_fd, epoll_event *events, int count, int timeout_ms)
    enum:
        EPOLL_CLOEXEC
        EPOLL_CTL_ADD
        EPOLL_CTL_MOD
        EPOLL_CTL_DEL

cdef extern from "<unistd.h>" nogil:
    int c_close "close"(int fd)


cdef object failed(str call):
    """The exception for a system call that has just failed."""
    cdef int number = errno
    return OSError(number, f"{call}: {os.strerror(number)}")


cdef class Poller:
    """epoll for sessions and for descriptors that Python handles. It is opened for the first of them."""

    def __cinit__(self):
        self.epoll_fd = -1

    def __dealloc__(self):
        if self.epoll_fd >= 0:
            c_close(self.epoll_fd)

    cdef int open(self) except -1:
        """Raises OSError."""
        if self.epoll_fd < 0:
            self.epoll_fd = epoll_create1(EPOLL_CLOEXEC)
            if self.epoll_fd < 0:
                raise failed("epoll_create1")
        return 0

    def fileno(self):
        """The descriptor that is readable while events wait. Raises OSError."""
        self.open()
        return self.epoll_fd

    cdef int watch_session(self, Session *session, bint writable) except -1:
        cdef epoll_event event
        self.open()
        event.events = EPOLLIN | (EPOLLOUT if writable else 0)
        event.data.ptr = session
        if epoll_ctl(self.epoll_fd, EPOLL_CTL_ADD, session.fd, &event) != 0:
            raise failed("epoll_ctl")
        return 0

    cdef int change_session(self, Session *session, bint writable) noexcept nogil:
        """Whether to be told when the socket can take more output; -1 where that can't be had, and `error` says why."""
        cdef epoll_event event
        if (session.flags & SESSION_WANTS_WRITE != 0) == writable:
            return 0
        session.flags ^= SESSION_WANTS_WRITE
        event.events = EPOLLIN | (EPOLLOUT if writable else 0)
        event.data.ptr = session
        if epoll_ctl(self.epoll_fd, EPOLL_CTL_MOD, session.fd, &event) != 0:
            self.error = errno
            return -1
        return 0

    cdef void forget(self, int fd) noexcept nogil:
        epoll_ctl(self.epoll_fd, EPOLL_CTL_DEL, fd, NULL)

    def watch(self, int fd, bint writable=False):
        """Tell of a descriptor that is not a session's when it is readable (or writable)."""
        cdef epoll_event event
        self.open()
        event.events = EPOLLOUT if writable else EPOLLIN
        event.data.u64 = (<uint64_t> fd << 1) | 1
        if epoll_ctl(self.epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0:
            raise failed("epoll_ctl")

    def unwatch(self, int fd):
        self.forget(fd)

    def take_error(self):
        """The errno of the last session that had to be closed because its events could not be changed, 0: none since the
        last call."""
        cdef int error = self.error
        self.error = 0
        return error

    cdef int wait(self, int timeout_ms) except -1:
        """Wait for events, -1 for ever; the number of them. An interrupted wait has none, so that signals are seen
        to."""
        cdef int got
        if self.epoll_fd < 0:
            if timeout_ms == 0:
                self.ready = 0
                return 0
            self.open()
        if timeout_ms == 0:
            got = epoll_wait(self.epoll_fd, self.events, POLLER_EVENTS, 0)
        else:
            with nogil:
                got = epoll_wait(self.epoll_fd, self.events, POLLER_EVENTS, timeout_ms)
        if got < 0:
            if errno != EINTR:
                raise failed("epoll_wait")
            got = 0
        self.ready = got
        return got
