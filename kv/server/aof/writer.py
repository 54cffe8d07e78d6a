"""Writing and syncing: the end of the append-only file.

What a turn of the loop has changed is one write, straight from the engine's log (engine/appender). When it is made, and
when it is on disk, depends on appendfsync:

    always      write and fdatasync here; replies are held until it is on disk
    everysec    the core writes at the end of a turn, and a thread calls fdatasync once a second; while that is
                under way writing would wait for it inside the kernel, so it is put off for up to two seconds,
                and then done whether or not the sync has ended
    no          the core writes at the end of a turn; it is on disk when the kernel pleases

A write that fails (no space) leaves the file as it was before: a part that was written is cut off again. The
bytes wait in the log, writes of clients are refused, and each call of flush() tries again. With `always` a
failure ends the process: clients of this very turn would be told of changes that are not on disk, and the
dataset can't be rolled back.
"""
from __future__ import annotations

import errno
import os
import time

from kv._core.engine.appender import CALLED, DIRECT, HELD

from ..log import log
from ..trouble import troubles
from ..worker import Worker, close_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from kv._core.engine.appender import Appender

ALWAYS, EVERYSEC, NO = "always", "everysec", "no"
FOR_EVER = (1 << 64) - 1    # a position that is never reached
SYNC_SECONDS = 1.0
POSTPONE_SECONDS = 2.0      # longest time that a write waits for a sync
LOG_SECONDS = 30            # between two lines on the same trouble
# of fsync: the descriptor was closed meanwhile, or can't be synced
NO_TROUBLE = (errno.EBADF, errno.EINVAL)


def ignore(event: str, ms: int) -> None:
    """Nobody watches latency."""


class Writer:
    """The file that is being appended to. `refuse_writes` is told why clients' writes must be refused, None
    once they need not."""

    def __init__(self, appender: Appender, refuse_writes: Callable[[str | None], object], policy: str = EVERYSEC,
                 note_latency: Callable[[str, int], object] = ignore) -> None:
        self.appender = appender
        self.refuse_writes = refuse_writes
        self.note_latency = note_latency    # is told of an event and its milliseconds
        self.policy = policy            # appendfsync
        self.sync_paused = False        # no-appendfsync-on-rewrite, and a child writes
        self.synced = 0                 # bytes of the file of which a sync was at least begun
        # behind what is on disk by a sync of the loop's or by one of the thread's
        self.loop_synced_position = self.thread_synced_position = 0
        self.sync_error = 0             # errno of the last sync in the thread
        self.told_sync_error = 0        # ... that clients' writes were refused or accepted for
        self.write_error = 0            # ... of the last write that they were refused for
        self.delayed = 0                # writes that did not wait for a sync any longer
        self.syncs = Worker("kv-aof-fsync")
        self.last_sync = time.monotonic()
        self.postponed_since = 0.0      # when the log began to wait for a sync, 0: it does not
        self.logged = -LOG_SECONDS * 2.0    # when trouble was logged
        # with `always` nothing can take back what was done and is not on disk: a server ends, a program is told by an exception
        self.give_up: Callable[[str, OSError], object] = end_process

    # -- files -----------------------------------------------------------------------------------------------

    @property
    def fd(self) -> int:
        return self.appender.fd

    @property
    def size(self) -> int:
        """Bytes in the file."""
        return self.appender.size

    @property
    def pending(self) -> int:
        """Bytes of effects that are not in the file."""
        return self.appender.pending

    @property
    def error(self) -> int:
        """errno of the last write, 0: it went well."""
        return self.appender.error

    @property
    def syncing(self) -> bool:
        """A sync of this file is under way in the thread."""
        return self.appender.syncing

    def append_to(self, fd: int, size: int) -> None:
        """Go on in another file, opened with O_APPEND, with the effects from here on; the one before it is
        synced and closed in the thread."""
        first = self.fd < 0
        if not first:
            self.syncs.submit(self.sync_and_close, self.fd, self.appender.position)
            self.last_sync = time.monotonic()
        self.appender.begin(fd, size)
        if first:
            self.loop_synced_position = self.appender.position
        self.synced = size
        self.choose_mode()

    def note_size(self) -> None:
        """The file may have been cut meanwhile (DEBUG LOADAOF)."""
        if self.fd >= 0:
            self.synced = os.fstat(self.fd).st_size
            self.appender.set_size(self.synced)

    def close(self) -> None:
        """Sync and close; what could not be written is dropped."""
        if self.fd < 0:
            return
        self.sync_now()
        self.syncs.drain()
        close_file(self.fd)
        self.forget_file()
        self.sync_error = self.told_sync_error = self.write_error = 0
        self.refuse_writes(None)

    def abandon(self) -> None:
        """The file and what waits for it are of no use."""
        if self.fd >= 0:
            self.syncs.submit(close_file, self.fd)
        self.forget_file()

    def forget_file(self) -> None:
        self.appender.end()
        self.synced = 0
        self.postponed_since = 0.0

    def forget_trouble(self) -> None:
        """A new file begins: the troubles of the last one are over."""
        if self.sync_error:
            log("warning", "AOF reopen, just ignore the AOF fsync error in bio job")
        if self.write_error:
            log("warning", "AOF reopen, just ignore the last error.")
        self.sync_error = self.told_sync_error = self.write_error = 0
        self.refuse_writes(None)

    # -- writing ---------------------------------------------------------------------------------------------

    def set_policy(self, policy: str) -> None:
        """CONFIG SET appendfsync."""
        self.policy = policy
        self.choose_mode()

    def choose_mode(self) -> None:
        """Who writes next: the core, or we (see engine/appender); and what replies wait for."""
        appender = self.appender
        if self.policy == ALWAYS:
            appender.set_mode(CALLED)
            # no-appendfsync-on-rewrite has replies leave that are only written
            appender.hold(FOR_EVER if self.fd < 0 else appender.position if self.sync_paused else self.synced_position)
            return
        waits = self.write_error or (self.policy == EVERYSEC and appender.syncing)
        appender.set_mode(HELD if waits else DIRECT)
        appender.release()

    def flush(self, force: bool = False) -> None:
        """Write what waits, if it may be written now; sync what is due. Forced: without waiting for a sync."""
        if self.fd < 0:
            return
        trouble = self.appender.take_error()
        if trouble != self.write_error:
            self.note_outcome(trouble)      # of a write that the core made
        if self.pending and (force or self.may_write()):
            self.postponed_since = 0.0
            self.note_outcome(self.appender.write())
        if not self.write_error:
            self.sync_if_due()
        self.choose_mode()

    def may_write(self) -> bool:
        """Whether the log need not wait for a sync, or has waited long enough."""
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

    def note_outcome(self, trouble: int) -> None:
        """What became of a write: an errno, or 0."""
        if not trouble:
            if self.write_error:
                self.write_error = 0
                log("notice", "AOF write error looks solved. The server can write again.")
                self.tell()
            return
        may_log = time.monotonic() - self.logged > LOG_SECONDS
        if may_log:
            self.logged = time.monotonic()
            self.log_failure(trouble)
        if self.policy == ALWAYS:
            self.give_up("Can't recover from AOF write error when the AOF fsync policy is 'always'.",
                         OSError(trouble, os.strerror(trouble)))
        if trouble != self.write_error:
            self.write_error = trouble
            self.tell()

    def log_failure(self, trouble: int) -> None:
        """Say how far a write came, and whether its part could be taken back."""
        appender = self.appender
        if not appender.failed_at:
            troubles.report_line(f"Error writing to the AOF file: {os.strerror(trouble)}")
            return
        troubles.report_line(f"Short write while writing to the AOF file: (nwritten={appender.failed_at}, "
                             f"expected={appender.failed_of})")
        if appender.cut_error:
            troubles.report("Could not remove short write from the append-only file. The server may "
                            "refuse to load the AOF the next time it starts.  ftruncate",
                            OSError(appender.cut_error, os.strerror(appender.cut_error)))

    def tell(self) -> None:
        """Have clients' writes refused or accepted."""
        trouble = self.write_error or self.sync_error
        self.refuse_writes(os.strerror(trouble) if trouble else None)

    @property
    def failing(self) -> bool:
        return bool(self.write_error or self.sync_error)

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
                self.give_up(f"Can't persist AOF for fsync error when the AOF fsync policy is 'always': {error.strerror}.", error)
            self.synced = self.size
            self.loop_synced_position = self.appender.position
            self.last_sync = time.monotonic()
            self.note_latency("aof-fsync-always", int((self.last_sync - start) * 1000))
        elif self.policy == EVERYSEC and time.monotonic() - self.last_sync >= SYNC_SECONDS:
            if not self.syncing:
                self.appender.syncing = True
                self.syncs.submit(self.sync_in_thread, self.fd, self.appender.position)
                self.synced = self.size
            self.last_sync = time.monotonic()

    def sync_now(self) -> None:
        """Sync in the loop: the file is about to be closed."""
        try:
            os.fdatasync(self.fd)
            self.synced = self.size
            self.loop_synced_position = self.appender.position
            self.last_sync = time.monotonic()
        except OSError as error:
            troubles.report("Fail to fsync the AOF file", error)

    def sync_in_thread(self, fd: int, position: int) -> None:
        try:
            self.sync_other(fd, position)
        finally:
            self.appender.syncing = False
            if self.policy != ALWAYS:       # whose replies are the loop's matter
                self.choose_mode()

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


def end_process(why: str, error: OSError) -> None:
    """Replies of this very turn wait for what could not be written, and the dataset can't be rolled back."""
    log("warning", f"{why} Exiting...")
    os._exit(1)
