"""A transport within the process: what one side writes the other reads, and no socket is between them.

A line has the room of a socket's buffer. What the peer leaves unread beyond that waits in the session, where the limits of its
output hold; so a subscriber in the process that does not read is closed as one on the network is.
"""
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcpy, memmove

from kv._core.base.slice cimport Slice
from kv._core.runtime.state cimport Session

cdef enum:
    ROOM = 256 * 1024           # bytes, about what a socket of the loopback interface takes


cdef bint pipe_append(Pipe *pipe, const char *data, size_t length) noexcept nogil:
    """False where there is no memory."""
    cdef size_t unread = pipe.length - pipe.at
    cdef size_t capacity
    cdef void *grown
    if pipe.capacity - pipe.length < length:
        if pipe.at:
            memmove(pipe.data, pipe.data + pipe.at, unread)
            pipe.at, pipe.length = 0, unread
        if pipe.capacity - pipe.length < length:
            capacity = pipe.length + length + pipe.length // 2
            grown = realloc(pipe.data, capacity)
            if grown == NULL:
                return False
            pipe.data, pipe.capacity = <char *> grown, capacity
    memcpy(pipe.data + pipe.length, data, length)
    pipe.length += length
    return True


cdef void pipe_free(Pipe *pipe) noexcept nogil:
    free(pipe.data)
    pipe.data = NULL
    pipe.at = pipe.length = pipe.capacity = 0


cdef ssize_t receive(Session *session, char *into, size_t room) noexcept nogil:
    cdef Line *line = <Line *> session.transport
    cdef Pipe *pipe = &line.input
    cdef size_t unread = pipe.length - pipe.at
    if unread == 0:
        return -1 if line.hung_up else 0
    if unread < room:
        room = unread
    memcpy(into, pipe.data + pipe.at, room)
    pipe.at += room
    if pipe.at == pipe.length:
        pipe.at = pipe.length = 0
        if pipe.capacity > PIPE_KEPT:
            pipe_free(pipe)
    return room


cdef ssize_t send(Session *session, const char *data, size_t length) noexcept nogil:
    cdef Slice part
    part.data, part.length = data, length
    return send_parts(session, &part, 1)


cdef ssize_t send_parts(Session *session, const Slice *parts, int count) noexcept nogil:
    cdef Line *line = <Line *> session.transport
    cdef size_t unread = line.output.length - line.output.at
    cdef size_t room = line.room - unread if line.room > unread else 0
    cdef size_t part
    cdef ssize_t sent = 0
    cdef int i
    if line.hung_up:
        return -1
    for i in range(count):
        part = parts[i].length if parts[i].length < room else room
        if not pipe_append(&line.output, parts[i].data, part):
            return -1
        sent += part
        room -= part
        if part < parts[i].length:
            line.full = True
            break
    note_fresh(line)
    return sent


cdef void acknowledge(Session *session) noexcept nogil:
    """Nothing is held back within a process."""


cdef inline void note_fresh(Line *line) noexcept nogil:
    if not line.is_fresh:
        line.is_fresh = True
        line.next_fresh = line.fresh[0]
        line.fresh[0] = line


cdef Line *line_new(Line **fresh) except NULL:
    """A line whose session the caller is to set; `fresh` is the list that it joins when there is something for its peer."""
    cdef Line *line = <Line *> calloc(1, sizeof(Line))
    if line == NULL:
        raise MemoryError
    line.transport.receive, line.transport.send, line.transport.send_parts = receive, send, send_parts
    line.transport.pending, line.transport.acknowledge = NULL, acknowledge
    line.room = ROOM
    line.fresh = fresh
    return line


cdef void line_free(Line *line) noexcept nogil:
    """The line is in no list, and has no session."""
    pipe_free(&line.input)
    pipe_free(&line.output)
    free(line)


cdef bint is_line(const Session *session) noexcept nogil:
    """Whether the session's peer is in this process."""
    return session.transport != NULL and session.transport.receive == receive


cdef void line_closed(Session *session) noexcept nogil:
    """The session is being closed. What its peer did not read yet stays for it."""
    cdef Line *line = <Line *> session.transport
    line.session = NULL
    session.transport = NULL
    note_fresh(line)
