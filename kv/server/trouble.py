"""What becomes of errors that the operating system answers.

A disk fills up, a file system turns read-only, descriptors run out, a thread can't be started, a peer is gone before its
connection is looked at. None of that is a bug of the server, and none of it ends the process. The rules:

    Told        in one line: what was tried, and why it failed. The same line is not repeated within half a minute; the next
                one says how many there were. INFO stats has system_errors and last_system_error from the first error on.
    Refused     what a client asked for: an error reply, and things stay as they were. Writes, while the append-only file
                can't be written (MISCONF, aof_last_write_status:err), or while snapshots fail (rdb_last_bgsave_status:err).
    Retried     what nobody waits for. A part of the cron comes round again. A descriptor whose handler failed rests until
                the next cron, since the poller would else report it without end. A write to the append-only file keeps its
                bytes; a rewrite is tried again ever more rarely (aof_last_bgrewrite_status:err); a file that can't be
                deleted stays in the manifest until it can.
    Gone on     where the thing is a convenience: no delay switched off for a connection, no hint to the page cache, no pid
                file. The line says so.
    Kept        the data. A step that fails leaves what a start would read as it was before, whole; and what this run
                neither wrote nor read is neither cut nor replaced nor deleted (see aof/foreign.py).

Three things end the process. At the start, what it can't do without: a socket, its folder, its data. With appendfsync
always, a write or sync that fails, since replies of this very turn wait for it and the dataset can't be rolled back. And a
broken invariant: any other exception than these, and a poller that is no poller any longer (see server.fail).

Why is running out of memory among the errors? A MemoryError in Python is one handler that could not have its object, and
what it held is freed as it is raised. The core's own blocks are another matter: it ends the process by a panic.
"""
from __future__ import annotations

import errno
import os
import time

from .log import log

TROUBLE = (OSError, MemoryError)
LOG_SECONDS = 30            # between two equal lines
TOLD_MOST = 256             # lines that are remembered
# of the poller's own descriptor: there is nothing to wait for any longer
POLLER_LOST = (errno.EBADF, errno.EINVAL, errno.EFAULT)


def reason(error: BaseException) -> str:
    """Why something failed, in the system's words."""
    if isinstance(error, MemoryError):
        return os.strerror(errno.ENOMEM)
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


class Troubles:
    """What failed so far. Threads may report, too."""

    def __init__(self) -> None:
        self.count = 0
        self.last = ""          # the line of the last one
        self.last_time = 0      # ... and its unix time
        self.told: dict[str, tuple[float, int]] = {}    # line -> (when it was logged, equal ones since)

    def report(self, what: str, error: BaseException) -> None:
        """Log that something failed, unless the log says so already."""
        self.report_line(f"{what}: {reason(error)}")

    def report_line(self, line: str) -> None:
        """Log a line about something that failed, unless the log has it already."""
        now = time.monotonic()
        self.count += 1
        self.last, self.last_time = line, int(time.time())
        logged, silent = self.told.get(line, (now - LOG_SECONDS, 0))
        if now - logged < LOG_SECONDS:
            self.told[line] = logged, silent + 1
            return
        if len(self.told) >= TOLD_MOST:
            self.told.clear()
        self.told[line] = now, 0
        log("warning", f"{line} ({silent} more times since it was logged last)" if silent else line)

    def figures(self) -> Troubles | None:
        """What INFO shows (see info.Trouble), None where nothing failed yet."""
        return self if self.count else None

    @property
    def system_errors(self) -> int:
        return self.count

    @property
    def last_system_error(self) -> str:
        return self.last.replace("\r", " ").replace("\n", " ")

    @property
    def last_system_error_time(self) -> int:
        return self.last_time


troubles = Troubles()
