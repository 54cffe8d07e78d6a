"""Transports over sockets: TCP and Unix sockets in plain text. What is sent encrypted has a transport of its own over them."""
from libc.errno cimport EAGAIN, EINTR, errno
from libc.string cimport memset

from kv._core.base.platform cimport likely
from kv._core.base.slice cimport Slice
from kv._core.runtime.state cimport Session, Transport

cdef extern from "<sys/socket.h>" nogil:
    ssize_t c_recv "recv"(int fd, void *data, size_t length, int flags)
    ssize_t c_send "send"(int fd, const void *data, size_t length, int flags)
    ssize_t c_sendmsg "sendmsg"(int fd, const msghdr *message, int flags)
    int setsockopt(int fd, int level, int option, const void *value, unsigned int size)
    struct iovec:
        void *iov_base
        size_t iov_len
    struct msghdr:
        iovec *msg_iov
        size_t msg_iovlen
    enum:
        MSG_DONTWAIT
        MSG_NOSIGNAL

cdef extern from "<netinet/in.h>" nogil:
    enum:
        IPPROTO_TCP

cdef extern from "<netinet/tcp.h>" nogil:
    enum:
        TCP_QUICKACK

assert sizeof(iovec) == sizeof(Slice), "a Slice is laid out as an iovec"

cdef Transport TCP
cdef Transport UNIX


cdef ssize_t receive(Session *session, char *into, size_t room) noexcept nogil:
    cdef ssize_t got
    while True:
        got = c_recv(session.fd, into, room, 0)
        if likely(got > 0):
            return got
        if got < 0 and errno == EINTR:
            continue
        return 0 if got < 0 and errno == EAGAIN else -1


cdef ssize_t send(Session *session, const char *data, size_t length) noexcept nogil:
    cdef ssize_t sent
    while True:
        sent = c_send(session.fd, data, length, MSG_DONTWAIT | MSG_NOSIGNAL)
        if likely(sent >= 0):
            return sent
        if errno == EAGAIN:
            return 0
        if errno != EINTR:
            return -1


cdef ssize_t send_parts(Session *session, const Slice *parts, int count) noexcept nogil:
    cdef msghdr message
    cdef ssize_t sent
    memset(&message, 0, sizeof(message))
    message.msg_iov, message.msg_iovlen = <iovec *> parts, count
    while True:
        sent = c_sendmsg(session.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL)
        if likely(sent >= 0):
            return sent
        if errno == EAGAIN:
            return 0
        if errno != EINTR:
            return -1


cdef void acknowledge_tcp(Session *session) noexcept nogil:
    """Have the kernel acknowledge what came now. Else a client without TCP_NODELAY holds the rest of a large argument
    back until the 40 ms of a delayed acknowledgement are over."""
    cdef int yes = 1
    setsockopt(session.fd, IPPROTO_TCP, TCP_QUICKACK, &yes, sizeof(yes))


cdef void acknowledge_unix(Session *session) noexcept nogil:
    """Nothing is held back there."""


TCP.receive, TCP.send, TCP.send_parts, TCP.pending, TCP.acknowledge = receive, send, send_parts, NULL, acknowledge_tcp
UNIX.receive, UNIX.send, UNIX.send_parts, UNIX.pending, UNIX.acknowledge = receive, send, send_parts, NULL, acknowledge_unix


cdef const Transport *socket_transport(bint unix) noexcept nogil:
    return &UNIX if unix else &TCP
