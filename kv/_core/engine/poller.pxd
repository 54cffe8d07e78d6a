"""Which descriptors are ready: epoll, its events kept as C structs."""
from libc.stdint cimport uint32_t, uint64_t

from kv._core.runtime.state cimport Session

cdef extern from "<sys/epoll.h>" nogil:
    ctypedef union epoll_data_t:
        uint64_t u64
        void *ptr
    cdef struct epoll_event:
        uint32_t events
        epoll_data_t data
    enum:
        EPOLLIN
        EPOLLOUT
        EPOLLERR
        EPOLLHUP

cdef enum:
    POLLER_EVENTS = 1024        # most events taken at once

cdef class Poller:
    cdef int epoll_fd           # -1: not opened yet
    cdef int ready              # events of the last wait
    cdef int error              # errno of the last change of a session's events that failed, 0: none
    cdef epoll_event events[POLLER_EVENTS]

    cdef int open(self) except -1
    cdef int watch_session(self, Session *session, bint writable) except -1
    cdef int change_session(self, Session *session, bint writable) noexcept nogil
    cdef void forget(self, int fd) noexcept nogil
    cdef int wait(self, int timeout_ms) except -1
