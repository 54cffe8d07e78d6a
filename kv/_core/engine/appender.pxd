"""Appending the log of effects to the AOF's file."""
from libc.stdint cimport int64_t, uint64_t

from kv._core.runtime.state cimport LogReader, Runtime

cdef enum:
    STAMP_SIZE = 32

cdef class Appender:
    cdef Runtime *runtime
    cdef object engine              # whose runtime that is: it lives as long
    cdef LogReader reader
    cdef readonly bint open         # there is a file, and the log is kept until it is in it
    cdef readonly int fd            # of the file, opened with O_APPEND; -1: none
    cdef readonly uint64_t size     # bytes in the file
    cdef public object mode         # not read by the core: see `direct` and `called`
    cdef bint direct                # the core writes at the end of each turn
    cdef bint called                # Python writes, and is called for that
    cdef readonly int error         # errno of the last write, 0: it went well
    cdef bint untold                # Python does not know of it yet
    cdef readonly uint64_t failed_at    # bytes of that write that went well, and of all that it was to write
    cdef readonly uint64_t failed_of
    cdef readonly int cut_error     # errno of taking back the part that went well, 0: it is taken back
    cdef bint torn                  # the file ends in the middle of a command, whose rest waits
    cdef public bint stamped        # aof-timestamp-enabled
    cdef char stamp[STAMP_SIZE]     # the annotation that is being written
    cdef int stamp_length
    cdef int stamp_sent             # ... of which so much is in the file
    cdef int64_t stamp_second       # of the last one
    cdef public int64_t sleep_us    # before each write (DEBUG AOF-FLUSH-SLEEP)
    cdef public bint child_writes   # a child lives that writes to the same disk
    cdef public bint syncing        # a sync of the file is under way in a thread

    cdef void write_direct(self) noexcept
    cdef bint waits_for_python(self) noexcept
    cdef int write_log(self) noexcept nogil
    cdef int write_out(self, const char *data, size_t length) noexcept nogil
    cdef void take_back(self, size_t written, size_t effects) noexcept nogil
    cdef void note_time(self, int64_t us) noexcept nogil
    cdef void begin_stamp(self) noexcept nogil
