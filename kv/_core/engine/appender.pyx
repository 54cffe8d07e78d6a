"""Appending the log of effects to the AOF's file: one write at the end of a turn, straight from the log.

    appender = engine.appender()
    appender.begin(fd, size)        # the log is followed from here on
    appender.mode = DIRECT

Who writes?     DIRECT  the core, when Loop.send ends a turn: Python is not called because the AOF is on
                CALLED  Python, by write(): Loop.turns returns while something waits (appendfsync always)
                HELD    Python, when it thinks fit: the log keeps what waits (a sync is under way, the disk is full)

A write that fails leaves the file as it was: a part that was written is cut off again, and what was to be written stays in the log.
Policy, files, syncs and what is told of trouble are Python's (kv/server/aof/writer).

hold() and release() say up to which position replies may leave: with appendfsync always what is on disk, else anything.
"""
from libc.errno cimport EINTR, errno
from libc.stdint cimport UINT64_MAX, int64_t, uint64_t
from libc.stdio cimport snprintf

from cpython.buffer cimport PyBUF_READ
from cpython.memoryview cimport PyMemoryView_FromMemory

from kv._core.base.clock cimport clock_ticks
from kv._core.base.platform cimport likely, unlikely
from kv._core.base.slice cimport Slice
from kv._core.engine.eviction cimport tell_spike
from kv._core.runtime.propagation cimport (
    propagation_position, propagation_reselect, reader_advance, reader_close, reader_open, reader_view)
from kv._core.runtime.session cimport sessions_release

cdef extern from "<sys/uio.h>" nogil:
    cdef struct iovec:
        void *iov_base
        size_t iov_len
    ssize_t writev(int fd, const iovec *parts, int count)

cdef extern from "<unistd.h>" nogil:
    ssize_t c_write "write"(int fd, const void *data, size_t length)
    int ftruncate(int fd, long length)
    int usleep(unsigned int us)

DIRECT, CALLED, HELD = "direct", "called", "held"


cdef class Appender:
    """The reader of an engine's log that is the AOF. Made by Engine.appender()."""

    def __cinit__(self):
        self.fd = -1
        self.mode = HELD

    # -- the file -----------------------------------------------------------------------------------------------------

    def begin(self, int fd, uint64_t size):
        """Append to this file, which has so many bytes, what is propagated from here on; what waits for the one before must
        have been written to it. The file begins with the SELECT of its first effect's database."""
        self.runtime.enter(self.runtime)
        if self.open and self.pending:
            raise ValueError("effects wait for the file before")
        if not self.open:
            reader_open(&self.runtime.propagation, &self.reader, 0)
            self.open = True
        propagation_reselect(&self.runtime.propagation)
        self.fd, self.size, self.torn = fd, size, False
        self.stamp_length = self.stamp_sent = 0
        self.stamp_second = 0

    def end(self):
        """No file: nothing is kept for it any longer. What waited for it is dropped."""
        self.runtime.enter(self.runtime)
        if self.open:
            reader_close(&self.runtime.propagation, &self.reader)
        self.open = False
        self.fd, self.size = -1, 0
        self.error, self.untold = 0, False
        self.release()

    def set_size(self, uint64_t size):
        """The file was cut or grew by other hands."""
        self.size = size

    def set_mode(self, mode):
        """Who writes: DIRECT, CALLED or HELD."""
        self.direct, self.called = mode == DIRECT, mode == CALLED
        self.mode = mode

    @property
    def position(self):
        """Effects up to this position are in the file."""
        return self.reader.position

    @property
    def pending(self):
        """Bytes of effects that wait to be written."""
        return propagation_position(&self.runtime.propagation) - self.reader.position if self.open else 0

    @property
    def waits(self):
        """Whether Python is to write, or to look why the core could not."""
        return self.waits_for_python()

    def waiting(self):
        """A view of them, good until the engine runs again."""
        cdef Slice view
        self.runtime.enter(self.runtime)
        if not self.open:
            return memoryview(b"")
        view = reader_view(&self.runtime.propagation, &self.reader)
        return PyMemoryView_FromMemory(<char *> view.data, view.length, PyBUF_READ) if view.length else memoryview(b"")

    # -- replies ------------------------------------------------------------------------------------------------------

    def hold(self, uint64_t position):
        """Effects up to this position are safe: replies that depend on more are kept until the next call."""
        self.runtime.enter(self.runtime)
        self.runtime.propagation.safe = position
        sessions_release(self.runtime)

    def release(self):
        """Replies depend on nothing."""
        self.hold(UINT64_MAX)

    # -- writing ------------------------------------------------------------------------------------------------------

    def take_error(self):
        """The errno of the last write, 0: it went well. Python knows of it now."""
        self.untold = False
        return self.error

    def write(self):
        """Write what waits; the errno where that failed (see `error`), 0: it went well."""
        self.runtime.enter(self.runtime)
        return self.write_log() if self.open else 0

    cdef void write_direct(self) noexcept:
        if self.direct and likely(self.open) and self.write_log() != 0:
            self.untold = True

    cdef bint waits_for_python(self) noexcept:
        return self.untold or (self.called and self.open
                               and propagation_position(&self.runtime.propagation) != self.reader.position)

    cdef int write_log(self) noexcept nogil:
        cdef Slice view = reader_view(&self.runtime.propagation, &self.reader)
        cdef uint64_t start
        cdef int trouble
        if view.length == 0:
            return self.error
        if unlikely(self.sleep_us > 0):
            usleep(<unsigned int> self.sleep_us)
        start = clock_ticks()
        trouble = self.write_out(view.data, view.length)
        start = clock_ticks() - start
        self.runtime.statistics.aof_ticks += start
        self.note_time(<int64_t> (start / self.runtime.ticks_per_us))
        return trouble

    cdef int write_out(self, const char *data, size_t length) noexcept nogil:
        """Write a stretch of the log, and before it the annotation of the time where one is due."""
        cdef iovec parts[2]
        cdef size_t written = 0         # of both
        cdef size_t whole
        cdef ssize_t got
        cdef int stamp_before
        self.begin_stamp()
        stamp_before = self.stamp_sent
        whole = self.stamp_length - self.stamp_sent + length
        self.error = 0
        while written < whole:
            parts[0].iov_base, parts[0].iov_len = self.stamp + self.stamp_sent, self.stamp_length - self.stamp_sent
            parts[1].iov_base, parts[1].iov_len = <void *> data, length
            if likely(parts[0].iov_len == 0):
                got = c_write(self.fd, data, length)
            else:
                got = writev(self.fd, parts, 2)
            if got < 0:
                if errno == EINTR:
                    continue
                self.error = errno
                self.failed_at, self.failed_of = written, whole
                self.take_back(written, written - (self.stamp_sent - stamp_before))
                return self.error
            written += got
            self.size += got
            if <size_t> got < parts[0].iov_len:
                self.stamp_sent += <int> got
                continue
            got -= parts[0].iov_len
            self.stamp_sent = self.stamp_length
            data += got
            length -= got
        self.torn = False
        reader_advance(&self.runtime.propagation, &self.reader, propagation_position(&self.runtime.propagation))
        return 0

    cdef void begin_stamp(self) noexcept nogil:
        """Annotate the time of the commands that follow, once a second; not where the file ends in the middle of one."""
        cdef int64_t second = self.runtime.keyspace.now_ms // 1000
        if likely(not self.stamped) or self.torn or self.stamp_sent < self.stamp_length or second == self.stamp_second:
            return
        self.stamp_second = second
        self.stamp_length = snprintf(self.stamp, STAMP_SIZE, b"#TS:%lld\r\n", <long long> second)
        self.stamp_sent = 0

    cdef void take_back(self, size_t written, size_t effects) noexcept nogil:
        """A write failed after so many bytes, of effects and an annotation: cut them off again; where that can't be done, they
        stay, and the next write goes on behind them."""
        cdef uint64_t before = self.size - written
        self.cut_error = 0
        if written == 0:
            return
        if ftruncate(self.fd, <long> before) == 0:
            self.size = before
            self.stamp_length = self.stamp_sent = 0
            self.stamp_second = 0
            return
        self.cut_error = errno
        self.torn = effects > 0 or self.torn
        reader_advance(&self.runtime.propagation, &self.reader, self.reader.position + effects)

    cdef void note_time(self, int64_t us) noexcept nogil:
        """Have the latency monitor know how long a write took, and what it may have waited for."""
        if likely(us < 1000):
            return
        if self.syncing:
            tell_spike(self.runtime, b"aof-write-pending-fsync", us)
        elif self.child_writes:
            tell_spike(self.runtime, b"aof-write-active-child", us)
        else:
            tell_spike(self.runtime, b"aof-write-alone", us)
        tell_spike(self.runtime, b"aof-write", us)
