"""Debugging sessions of scripts: where they run, and waiting for their client.

A session talks to its client in the middle of a command (scripts/debugger), so the process does nothing else meanwhile. Whoever
embeds the engine forks a child for that (Engine.on_debug). In the parent the command ends without a reply and the client's
connection is closed, but not shut down, since the child has it, too. A session of SCRIPT DEBUG SYNC runs in the process itself.
"""
from libc.errno cimport EINTR, errno

from kv._core.engine.engine cimport Engine
from kv._core.resp.reply cimport reply_error
from kv._core.runtime.session cimport session_doom
from kv._core.runtime.state cimport AWAITED_CLIENT, AWAITED_STOP, AWAITED_TIMEOUT, Awaited, Context, Session

import errno as errors
import os

from kv._core.runtime.call import report_bug

cdef extern from "<poll.h>" nogil:
    struct pollfd:
        int fd
        short events
        short revents
    int c_poll "poll"(pollfd *descriptors, unsigned long count, int timeout_ms)
    enum:
        POLLIN
        POLLOUT


cdef bint begin_debugging(Context *c, bint sync, int *stop_fd) noexcept nogil:
    cdef bint here
    with gil:
        here = begin(c, sync, stop_fd)
        c.runtime.enter(c.runtime)
    return here


cdef bint begin(Context *c, bint sync, int *stop_fd) noexcept:
    """Whether the session is this process's."""
    cdef bytes text
    engine = <Engine> c.runtime.face
    try:
        if engine.on_debug is None and not sync:
            raise OSError(errors.ENOSYS, os.strerror(errors.ENOSYS))
        fd = engine.on_debug(c.session.id, sync) if engine.on_debug is not None else -1
    except OSError as error:
        text = f"ERR Fork() failed: can't run EVAL in debugging mode: {error.strerror}".encode()
        reply_error(&c.reply, text, len(text))
        return False
    except Exception:
        report_bug("the beginning of a debugging session")
        reply_error(&c.reply, b"ERR internal error", 18)
        return False
    if fd is None:
        session_doom(c.session)
        return False
    stop_fd[0] = fd
    return True


cdef void end_debugging(Context *c, bint sync) noexcept nogil:
    with gil:
        end(c, sync)
        c.runtime.enter(c.runtime)


cdef void end(Context *c, bint sync) noexcept:
    engine = <Engine> c.runtime.face
    try:
        if engine.on_debug_end is not None:
            engine.on_debug_end(c.session.id, sync)
    except Exception:
        report_bug("the end of a debugging session")
    if not sync:
        os._exit(1)                     # a child never goes on with the server's work


cdef Awaited await_client(Session *session, int stop_fd, bint writable, int timeout_ms) noexcept nogil:
    """Nothing else is done meanwhile. A connection that is gone can be read, too."""
    cdef pollfd[2] descriptors
    cdef int ready
    descriptors[0].fd, descriptors[0].events = session.fd, POLLOUT if writable else POLLIN
    descriptors[1].fd, descriptors[1].events = stop_fd, POLLIN
    while True:
        descriptors[0].revents = descriptors[1].revents = 0
        ready = c_poll(descriptors, 2, timeout_ms)
        if ready < 0 and errno == EINTR:
            continue
        if ready < 0 or descriptors[1].revents:
            return AWAITED_STOP
        return AWAITED_CLIENT if ready else AWAITED_TIMEOUT
