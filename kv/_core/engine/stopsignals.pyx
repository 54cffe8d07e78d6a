"""SIGTERM and SIGINT: noted at once, whatever Python is in the middle of.

A handler in Python runs when the interpreter comes round: not while a command walks a million keys or a disk hangs. So
this one is compiled. It logs the signal, and writes its number to a pipe that the loop watches; what is done about it is
the loop's business (kv/server/shutdown). A second SIGINT comes from somebody at a terminal who does not want to wait: it
ends the process from here, and takes the half-written file of a snapshot with it.
"""
from libc.errno cimport errno
from libc.string cimport memcpy

import os
from errno import ENAMETOOLONG

from kv._core.engine.engine cimport Engine
from kv._core.engine.rawlog cimport rawlog_close, rawlog_end, rawlog_head, rawlog_is_child, rawlog_open, rawlog_text
from kv._core.engine.sighandler cimport (
    SA_RESTART, c_exit, c_raise, c_write, kv_set_default, kv_set_errno, kv_set_handler, siginfo_t)
from kv._core.runtime.state cimport ALERT_LOADING, Runtime

cdef extern from "<signal.h>" nogil:
    enum:
        SIGINT
        SIGTERM

cdef extern from "<unistd.h>" nogil:
    int unlink(const char *path)

cdef enum:
    MOST_PATH = 1024            # bytes of a path, its end included

cdef int wake_fd = -1           # the pipe's writing end, non-blocking
cdef Engine engine = None       # kept alive for the runtime
cdef Runtime *runtime = NULL    # whose data may be loading
cdef bint asked = False         # a stop was asked for and is not done yet
cdef char unfinished[MOST_PATH]     # path of the file that the loop is writing, "" where it writes none
cdef bint logged = True         # whether loglevel lets warnings through


def catch_stop_signals(Engine of not None, int pipe_fd):
    """Write the numbers of SIGTERM and SIGINT to a pipe from here on. After rawlog_configure."""
    global wake_fd, engine, runtime
    engine, runtime, wake_fd = of, &of.runtime, pipe_fd
    kv_set_handler(SIGTERM, on_stop, SA_RESTART, NULL)
    kv_set_handler(SIGINT, on_stop, SA_RESTART, NULL)


def log_stop_signals(bint wanted):
    """Whether a signal is logged, as loglevel says."""
    global logged
    logged = wanted


def stop_is_over():
    """What the signals asked for was done, refused or called off: the next SIGINT is a first one."""
    global asked
    asked = False


def note_unfinished(bytes path not None):
    """The file that the process is writing and that is of no use until it is whole; b"" once it is. OSError where the path is too
    long to be kept."""
    if len(path) >= MOST_PATH:
        raise OSError(ENAMETOOLONG, os.strerror(ENAMETOOLONG))
    memcpy(unfinished, <const char *> path, len(path) + 1)


cdef void on_stop(int number, siginfo_t *info, void *context) noexcept nogil:
    global asked
    cdef int saved_errno = errno
    cdef char byte = <char> number
    if rawlog_is_child():           # forked a moment ago
        kv_set_default(number)
        c_raise(number)
    elif number == SIGINT and asked:
        tell(b"You insist... exiting now.")
        if unfinished[0]:
            unlink(unfinished)
        c_exit(1)
    else:
        if runtime.alerts & ALERT_LOADING:
            tell(b"Received shutdown signal during loading, scheduling shutdown.")
        elif number == SIGINT:
            tell(b"Received SIGINT scheduling shutdown...")
        else:
            tell(b"Received SIGTERM scheduling shutdown...")
        asked = True
        c_write(wake_fd, &byte, 1)
    kv_set_errno(saved_errno)


cdef void tell(const char *text) noexcept nogil:
    if logged:
        rawlog_open()
        rawlog_head()
        rawlog_text(text)
        rawlog_end()
        rawlog_close()
