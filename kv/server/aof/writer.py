"""Writing and syncing: the end of the append-only file.

What a turn of the loop has changed is one write(2), straight from the engine's buffer. When it is on disk
depends on appendfsync:

    always      fdatasync here, before the replies leave
    everysec    fdatasync once a second in a thread; while one is under way writing would wait for it inside
                the kernel, so it is put off for up to two seconds, and then done whether or not the sync has
                ended
    no          when the kernel pleases

A write that fails (no space) leaves the file as it was before: a part that was written is cut off again. The
bytes wait in `buffer`, writes of clients are refused, and each call of flush() tries again. With `always` a
failure ends the process: clients of this very turn would be told of changes that are not on disk, and the
dataset can't be rolled back.
"""
from __future__ import annotations

import errno
import os
import queue
import threading
import time

from ..affinity import enter_background
from ..log import log
from ..trouble import TROUBLE, troubles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

ALWAYS, EVERYSEC, NO = "always", "everysec", "no"
SYNC_SECONDS = 1.0
POSTPONE_SECONDS = 2.0      # longest time that a write waits for a sync
LOG_SECONDS = 30            # between two lines on the same trouble
# of fsync: the descriptor was closed meanwhile, or can't be synced
NO_TROUBLE = (errno.EBADF, errno.EINVAL)


class Worker:
    """A thread that does one thing after the other. It starts with the first of them."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.jobs: queue.SimpleQueue[tuple[Callable[..., object], tuple]] = queue.SimpleQueue()
        self.submitted = 0
        self.finished = 0
        self.thread: threading.Thread | None = None

    @property
    def pending(self) -> int:
        return self.submitted - self.finished

    def submit(self, job: Callable[..., object], *arguments: object) -> None:
        if self.thread is None:
            thread = threading.Thread(target=self.run, name=self.name, daemon=True)
            try:
                thread.start()
            except (RuntimeError, MemoryError) as error:
                troubles.report("Starting a thread, whose work is done in the loop meanwhile", error)
                self.perform(job, arguments)
                return
            self.thread = thread
        self.submitted += 1
        self.jobs.put((job, arguments))

    def run(self) -> None:
        enter_background()
        while True:
            job, arguments = self.jobs.get()
            try:
                self.perform(job, arguments)
            finally:
                self.finished += 1

    def perform(self, job: Callable[..., object], arguments: tuple) -> None:
        try:
            job(*arguments)
        except TROUBLE as error:
            troubles.report(self.name, error)
        except Exception as error:
            log("warning", f"{self.name}: {error!r}")

    def drain(self) -> None:
        """Wait until there is nothing left to do."""
        if self.pending:
            done = threading.Event()
            self.submit(done.set)
            done.wait()


def unlink_in_background(path: str, worker: Worker) -> bool:
    """Take a file's name away now; its blocks are freed when the thread closes it. False, and logged, where that
    fails; a file that is not there is no error."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        fd = -1             # it is freed in the loop then
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        troubles.report(f"Removing the file {path}", error)
        return False
    finally:
        if fd >= 0:
            worker.submit(close_file, fd)
    return True


def close_file(fd: int) -> None:
    """A file of which nothing is wanted any longer."""
    try:
        os.close(fd)
    except OSError as error:
        troubles.report("Closing the AOF file", error)


def ignore(event: str, ms: int) -> None:
    """Nobody watches latency."""


class Writer:
    """The file that is being appended to. `refuse_writes` is told why clients' writes must be refused, None
    once they need not."""

    def __init__(self, refuse_writes: Callable[[str | None], object], policy: str = EVERYSEC,
                 note_latency: Callable[[str, int], object] = ignore) -> None:
        self.refuse_writes = refuse_writes
        self.note_latency = note_latency    # is told of an event and its milliseconds
        self.child_writes = False       # a child lives that writes to the same disk
        self.policy = policy            # appendfsync
        self.sync_paused = False        # no-appendfsync-on-rewrite, and a child writes
        self.fd = -1
        self.size = 0                   # bytes in the file
        self.synced = 0                 # ... of which a sync was at least begun
        # positions in the engine's effects: behind what was handed over, behind what is in the file, and behind
        # what is on disk by a sync of the loop's or by one of the thread's
        self.position = self.written_position = 0
        self.loop_synced_position = self.thread_synced_position = 0
        self.buffer = bytearray()       # what could not be written yet
        # bytes of the write that failed last that are in the file all the same
        self.kept = 0
        self.error = 0                  # errno of the last write, 0: it went well
        self.sync_error = 0             # errno of the last sync in the thread
        self.told_sync_error = 0        # ... that clients' writes were refused or accepted for
        self.delayed = 0                # writes that did not wait for a sync any longer
        self.flush_sleep_us = 0         # DEBUG AOF-FLUSH-SLEEP
        self.syncs = Worker("kv-aof-fsync")
        self.syncing = False            # a sync of this file is under way in the thread
        self.last_sync = time.monotonic()
        self.postponed_since = 0.0      # when the buffer began to wait for a sync, 0: it does not
        self.logged = -LOG_SECONDS * 2.0    # when trouble was logged

    # -- files -----------------------------------------------------------------------------------------------

    def append_to(self, fd: int, size: int, position: int = 0) -> None:
        """Go on in another file, opened with O_APPEND, with effects from a position on; the one before it is
        synced and closed in the thread."""
        if self.fd >= 0:
            self.syncs.submit(self.sync_and_close, self.fd, position)
            self.last_sync = time.monotonic()
        else:
            self.loop_synced_position = position
        self.fd, self.size, self.synced = fd, size, size
        self.position = self.written_position = position

    def note_size(self) -> None:
        """The file may have been cut meanwhile (DEBUG LOADAOF)."""
        if self.fd >= 0:
            self.size = self.synced = os.fstat(self.fd).st_size

    def close(self) -> None:
        """Sync and close; what could not be written is dropped."""
        if self.fd < 0:
            return
        self.sync_now()
        self.syncs.drain()
        close_file(self.fd)
        self.fd, self.size, self.synced = -1, 0, 0
        self.drop()
        self.error = self.sync_error = self.told_sync_error = 0
        self.refuse_writes(None)

    def abandon(self) -> None:
        """The file and what waits for it are of no use."""
        if self.fd >= 0:
            self.syncs.submit(close_file, self.fd)
        self.fd, self.size, self.synced = -1, 0, 0
        self.drop()

    def drop(self) -> None:
        """Forget what could not be written."""
        self.buffer = bytearray()
        self.postponed_since = 0.0

    def forget_trouble(self) -> None:
        """A new file begins: the troubles of the last one are over."""
        if self.sync_error:
            log("warning", "AOF reopen, just ignore the AOF fsync error in bio job")
        if self.error:
            log("warning", "AOF reopen, just ignore the last error.")
        self.error = self.sync_error = self.told_sync_error = 0
        self.refuse_writes(None)

    # -- writing ---------------------------------------------------------------------------------------------

    def write(self, data: bytes | memoryview, force: bool = False, position: int = 0) -> None:
        """Append effects, which end at a position, behind what still waits. Forced: without waiting for a
        sync."""
        self.position = position
        if self.buffer or (self.policy == EVERYSEC and self.syncing):
            self.buffer += data
            self.flush(force)
        elif self.append(data):
            self.written_position = position
            self.sync_if_due()
        else:
            self.buffer += data[self.kept:]

    def flush(self, force: bool = False) -> None:
        """Write what waits, if it may be written now; sync what is due."""
        if self.buffer and not (force or self.may_write()):
            return
        if self.buffer:
            if not self.append(self.buffer):
                del self.buffer[:self.kept]
                return
            self.drop()
            self.written_position = self.position
        self.sync_if_due()

    def may_write(self) -> bool:
        """Whether the buffer need not wait for a sync, or has waited long enough."""
        if self.policy != EVERYSEC or not self.syncing:
            return True
        now = time.monotonic()
        if not self.postponed_since:
            self.postponed_since = now
        if now - self.postponed_since < POSTPONE_SECONDS:
            return False
        self.delayed += 1
        log("notice", "Asynchronous AOF fsync is taking too long (disk is busy?). Writing the AOF buffer "
                      "without waiting for fsync to complete, this may slow down the server.")
        return True

    def append(self, data: bytes | bytearray | memoryview) -> bool:
        """One write of everything. False where it fails: `kept` is how much of it is in the file all the
        same."""
        if self.flush_sleep_us:
            time.sleep(self.flush_sleep_us / 1e6)
        self.postponed_since = 0.0
        start = time.monotonic()
        written, trouble = write_until_error(self.fd, data)
        self.note_write(int((time.monotonic() - start) * 1000))
        if trouble or self.error:
            return self.note_outcome(written, len(data), trouble)
        self.size += written
        return True

    def note_write(self, ms: int) -> None:
        """Have the latency monitor know how long a write took, and what it may have waited for."""
        if ms:
            beside = "pending-fsync" if self.syncing else "active-child" if self.child_writes else "alone"
            self.note_latency(f"aof-write-{beside}", ms)
            self.note_latency("aof-write", ms)

    def note_outcome(self, written: int, wanted: int, trouble: int) -> bool:
        """A write failed, or went well after one that did not."""
        if not trouble:
            self.error = 0
            self.size += written
            log("notice", "AOF write error looks solved. The server can write again.")
            self.tell()
            return True
        may_log = time.monotonic() - self.logged > LOG_SECONDS
        if may_log:
            self.logged = time.monotonic()
        self.kept = self.cut_off_part(written, wanted, trouble, may_log)
        self.size += self.kept
        if self.policy == ALWAYS:
            log("warning", "Can't recover from AOF write error when the AOF fsync policy is 'always'. "
                           "Exiting...")
            os._exit(1)
        self.error = trouble
        self.tell()
        return False

    def cut_off_part(self, written: int, wanted: int, trouble: int, may_log: bool) -> int:
        """Take back the part of a write that went well; how much of it stays because that fails."""
        if not written:
            if may_log:
                troubles.report_line(f"Error writing to the AOF file: {os.strerror(trouble)}")
            return 0
        if may_log:
            troubles.report_line(f"Short write while writing to the AOF file: (nwritten={written}, "
                                 f"expected={wanted})")
        try:
            os.ftruncate(self.fd, self.size)
        except OSError as error:
            if may_log:
                troubles.report("Could not remove short write from the append-only file. The server may "
                                "refuse to load the AOF the next time it starts.  ftruncate", error)
            return written
        return 0

    def tell(self) -> None:
        """Have clients' writes refused or accepted."""
        trouble = self.error or self.sync_error
        self.refuse_writes(os.strerror(trouble) if trouble else None)

    @property
    def failing(self) -> bool:
        return bool(self.error or self.sync_error)

    # -- syncing ---------------------------------------------------------------------------------------------

    @property
    def synced_position(self) -> int:
        """Effects up to this position are on disk."""
        return max(self.loop_synced_position, self.thread_synced_position)

    def sync_if_due(self) -> None:
        if self.sync_paused or (self.synced == self.size and not self.sync_error):
            return
        if self.policy == ALWAYS:
            start = time.monotonic()
            try:
                os.fdatasync(self.fd)
            except OSError as error:
                log("warning", "Can't persist AOF for fsync error when the AOF fsync policy is 'always': "
                               f"{error.strerror}. Exiting...")
                os._exit(1)
            self.synced = self.size
            self.loop_synced_position = self.written_position
            self.last_sync = time.monotonic()
            self.note_latency("aof-fsync-always", int((self.last_sync - start) * 1000))
        elif self.policy == EVERYSEC and time.monotonic() - self.last_sync >= SYNC_SECONDS:
            if not self.syncing:
                self.syncing = True
                self.syncs.submit(self.sync_in_thread, self.fd, self.written_position)
                self.synced = self.size
            self.last_sync = time.monotonic()

    def sync_now(self) -> None:
        """Sync in the loop: the file is about to be closed."""
        try:
            os.fdatasync(self.fd)
            self.synced = self.size
            self.loop_synced_position = self.written_position
            self.last_sync = time.monotonic()
        except OSError as error:
            troubles.report("Fail to fsync the AOF file", error)

    def sync_in_thread(self, fd: int, position: int) -> None:
        try:
            self.sync_other(fd, position)
        finally:
            self.syncing = False

    def sync_other(self, fd: int, position: int) -> None:
        """Sync a file that has all effects up to a position."""
        trouble = 0
        try:
            os.fdatasync(fd)
        except OSError as error:
            if error.errno not in NO_TROUBLE:
                trouble = error.errno or errno.EIO
                troubles.report("Fail to fsync the AOF file", error)
        if not trouble:
            self.thread_synced_position = position
        self.sync_error = trouble

    def note_sync_outcome(self) -> bool:
        """Have the loop know what became of the syncs in the thread; whether one went well after one that did not."""
        if self.sync_error == self.told_sync_error:
            return False
        self.told_sync_error = self.sync_error
        self.tell()
        return not self.sync_error

    def sync_and_close(self, fd: int, position: int) -> None:
        try:
            self.sync_other(fd, position)
        finally:
            close_file(fd)


def write_until_error(fd: int, data: bytes | bytearray | memoryview) -> tuple[int, int]:
    """Write everything, however many calls it takes; the bytes written, and the errno of what stopped it (0:
    nothing)."""
    written = 0
    view = memoryview(data)
    try:
        while written < len(view):
            written += os.write(fd, view[written:])
    except OSError as error:
        return written, error.errno or errno.EIO
    finally:
        view.release()
    return written, 0
