"""A transport within the process: what one side writes the other reads, and no socket is between them."""
from kv._core.runtime.state cimport Session, Transport

cdef enum:
    PIPE_KEPT = 64 * 1024       # bytes that an empty pipe keeps

cdef struct Pipe:               # bytes on their way; malloc's own, since a socket's buffers count for no engine either
    char *data
    size_t at                   # the first that was not read
    size_t length
    size_t capacity

cdef struct Line:
    Transport transport         # first: a session's transport is its line
    Pipe input                  # what the peer wrote and the session did not read
    Pipe output                 # what the session sent and the peer did not read
    size_t room                 # bytes that `output` takes before the session must wait
    bint full                   # it waits for room
    bint hung_up                # the peer will write no more
    Session *session            # NULL: it was closed
    void *owner                 # the LocalConnection that is the peer, NULL: it is gone
    Line *next_fresh            # in the list of those whose output came, or who were closed, since anybody looked
    bint is_fresh
    Line **fresh                # the list
    Line *next_orphan           # in the list of those whose peers went while the engine was busy

cdef Line *line_new(Line **fresh) except NULL
cdef void line_free(Line *line) noexcept nogil
cdef bint is_line(const Session *session) noexcept nogil
cdef void line_closed(Session *session) noexcept nogil
cdef bint pipe_append(Pipe *pipe, const char *data, size_t length) noexcept nogil
cdef void pipe_free(Pipe *pipe) noexcept nogil
