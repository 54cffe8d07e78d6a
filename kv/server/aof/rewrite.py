"""BGREWRITEAOF: a new base, written by a forked child while the server goes on.

    1  a new increment is made, and a manifest that names it is written and synced in a thread
    2  what is pending is written, the manifest is put in its place, and the new increment holds everything from here on
    3  a child is forked and writes the dataset as it stands to temp-rewriteaof-bg-<pid>.aof
    4  when it is done a manifest is written and synced in the thread that begins with the next base, and has the increments
       before the new one as history; then the child's file is renamed to that base, and the manifest put in its place
    5  when the thread has synced the folder, history is deleted

The loop waits for none of the syncs (steps.py). Until the manifest is replaced nothing that a start would read has changed, so
a failure at any step costs only the work. Rewrites that keep failing are retried ever more rarely, since each of them leaves
one more small increment.
"""
from __future__ import annotations

import contextlib
import os
import signal
import time

from kv._core.engine.snapshot import Snapshot
from kv._core.runtime.call import ReplyError, Status

from ..children import Child
from ..disk import write_all
from ..log import log
from ..progress import Progress
from ..saving import SYNC_BYTES, count_keys, forget_pages, report_copied, write_snapshot
from ..trouble import troubles
from ..worker import unlink_in_background
from .manifest import COMMANDS, RDB

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from kv._core.engine.engine import Engine
    from kv._core.runtime.call import Later

    from ..children import Children
    from ..config import Config
    from ..latencymonitor import LatencyMonitor
    from ..worker import Worker
    from .manifest import Folder, Manifest
    from .steps import Steps
else:
    Protocol = object

FAILURES_ALLOWED = 3        # before retries are delayed
DELAY_MINUTES_MOST = 60
VERSION_OF_FUNCTIONS = 10   # of RDB
KIND = "aof"                # of its child
STARTED = "Background append only file rewriting started"
SCHEDULED = "Background append only file rewriting scheduled"
FAILED = "ERR Can't execute an AOF background rewriting. Please check the server logs for more information."


class RewriteError(Exception):
    """BGREWRITEAOF can't be done now; str() is the error reply."""


# -- writing the dataset -------------------------------------------------------------------------------------

def base_form(engine: Engine, config: Config) -> str:
    """How a base is written that is begun now: aof-use-rdb-preamble. RDB for servers that know no functions would lose them."""
    lossy = config.rdb_write_version < VERSION_OF_FUNCTIONS and engine.libraries
    return RDB if config.aof_use_rdb_preamble and not lossy else COMMANDS


def write_dataset(engine: Engine, path: str, form: str, config: Config, progress: Progress | None = None) -> None:
    """Write the dataset, in RDB or as COMMANDS, to a new file and sync it. Raises OSError, and leaves no file then."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    sync_bytes = SYNC_BYTES if config.aof_rewrite_incremental_fsync else 0
    try:
        if form == RDB:
            snapshot = Snapshot(engine, fd, sync_bytes, rdb_version=config.rdb_write_version, compress=config.rdbcompression,
                                checksum=config.rdbchecksum, aof_base=True)
        else:
            if config.aof_timestamp_enabled:
                write_all(fd, f"#TS:{int(time.time())}\r\n".encode())
            snapshot = Snapshot(engine, fd, sync_bytes)
        write_snapshot(snapshot, config, progress)
        os.fsync(fd)
        forget_pages(fd, "the AOF base file")
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(path)
        raise
    finally:
        os.close(fd)


# -- in the background ---------------------------------------------------------------------------------------

class RetryLimit:
    """After three failures in a row an automatic rewrite waits 1, 2, 4 ... minutes."""

    def __init__(self) -> None:
        self.delay_minutes = 0
        self.until = 0.0

    def holds_back(self, failures: int, now: float) -> bool:
        if failures < FAILURES_ALLOWED:
            self.delay_minutes, self.until = 0, 0.0
            return False
        if self.until:
            if now < self.until:
                return True
            self.until = 0.0
            return False
        self.delay_minutes = min(max(1, self.delay_minutes * 2), DELAY_MINUTES_MOST)
        self.until = now + self.delay_minutes * 60
        log("warning", "Background AOF rewrite has repeatedly failed and triggered the limit, will retry in "
                       f"{self.delay_minutes} minutes")
        return True


class Rewritten(Protocol):
    """What a rewrite asks of the append-only file."""

    folder: Folder
    manifest: Manifest
    removals: Worker
    steps: Steps
    base_size: int      # bytes of all files after the last rewrite

    @property
    def current_size(self) -> int: ...
    def begin_increment(self, go_on: Callable[[bool], bool]) -> bool: ...
    def adopt_base(self, manifest: Manifest, path: str, then: Callable[[bool], object]) -> None: ...
    def note_child(self) -> None: ...
    def rewrite_ended(self, killed: bool) -> None: ...


class Rewrite:
    """Rewrites of one append-only file, and their figures."""

    def __init__(self, aof: Rewritten, engine: Engine, config: Config, children: Children, latency: LatencyMonitor) -> None:
        self.aof = aof
        self.engine = engine
        self.config = config
        self.children = children
        self.latency = latency
        self.limit = RetryLimit()
        self.scheduled = False
        self.asked: list[Later] = []    # who is told when the child is forked
        self.form = RDB             # of the base that is being written, whatever the option says meanwhile
        self.started = -1.0         # unix time, -1: none is under way
        self.last_seconds = -1
        self.status = "ok"
        self.count = 0              # rewrites ever begun
        self.failures = 0           # in a row
        self.cow_size = 0           # bytes that the last child copied

    @property
    def running(self) -> bool:
        """Whether a child lives, or steps before or behind it are under way: once they are over the files stay as they are."""
        return self.children.kind == KIND or self.aof.steps.busy

    @property
    def current_seconds(self) -> int:
        return int(time.time() - self.started) if self.running else -1

    def request(self, later: Callable[[], Later | None]) -> str | None:
        """BGREWRITEAOF: the status line, or None where `later` gave what whoever asked is answered by when the child is forked.
        Raises RewriteError."""
        if self.running:
            raise RewriteError("ERR Background append only file rewriting already in progress")
        if self.children.child is not None or self.engine.in_transaction:
            self.scheduled = True
            self.failures = 0
            log("notice", "Background append only file rewriting scheduled.")
            return SCHEDULED
        if not self.start():
            raise RewriteError(FAILED)
        if self.children.child is None and (asked := later()) is not None:
            self.asked.append(asked)
            return None
        return STARTED

    def start(self) -> bool:
        """Begin a rewrite; False, and logged, where that can't be done. Where an increment must be in the manifest first the
        child is forked later, and a failure is told by `status`."""
        self.aof.steps.finish()
        if self.children.child is not None:
            return False
        self.children.coming = self.new_progress()
        if not self.aof.begin_increment(self.go_on):
            self.children.coming = None
            self.note_end(False)
            return False
        self.count += 1
        self.scheduled = False
        self.started = time.time()
        return True

    def go_on(self, prepared: bool) -> bool:
        """From here on effects go to a new file: fork. False where that fails, or where there is no such file: then the rewrite has
        failed, unless it was put off meanwhile."""
        self.children.coming = None
        forked = prepared and self.fork()
        answer: Status | ReplyError = Status(STARTED)
        if not forked:
            self.started = -1.0
            answer = Status(SCHEDULED) if self.scheduled else ReplyError(FAILED)
            if not self.scheduled:
                self.note_end(False)
        asked, self.asked = self.asked, []
        for later in asked:
            self.engine.answer(later, answer)
        return forked

    def fork(self) -> bool:
        """False, and logged, where there can be no child."""
        progress = self.new_progress()
        self.form = base_form(self.engine, self.config)
        child = Child(KIND, title="kv-aof-rewrite", cpulist=("aof-rewrite-cpulist", self.config.aof_rewrite_cpulist),
                      work=lambda pipe: self.work(pipe, progress), ended=self.done, progress=progress)
        try:
            self.children.fork(child)
        except OSError as error:
            troubles.report("Can't rewrite append only file in background: fork", error)
            return False
        log("notice", f"Background append only file rewriting started by pid {child.pid}")
        self.aof.note_child()
        return True

    def new_progress(self) -> Progress:
        return Progress(count_keys(self.engine))

    def work(self, pipe: int, progress: Progress) -> int:
        """The child's; its exit status."""
        path = self.config.path(temporary_name(os.getpid()))
        try:
            write_dataset(self.engine, path, self.form, self.config, progress)
        except OSError as error:
            log("warning", f"Write error writing append only file on disk: {error.strerror}")
            return 1
        log("notice", f"Successfully created the temporary AOF base file {path}")
        report_copied(pipe, "AOF rewrite")
        return 0

    def done(self, child: Child) -> None:
        """The child has ended."""
        path, status = self.config.path(temporary_name(child.pid)), child.status
        if child.killed:
            pass
        elif status == 0:
            log("notice", "Background AOF rewrite terminated with success")
            self.cow_size = int(child.report or b"0")
            self.adopt(path)
            return
        elif status > 0:
            self.note_end(False)
            log("warning", "Background AOF rewrite terminated with error")
        else:
            if status != -signal.SIGUSR1:
                self.note_end(False)
            log("warning", f"Background AOF rewrite terminated by signal {-status}")
        self.end(path, child.killed)

    def end(self, path: str, killed: bool = False) -> None:
        """Nothing is left to be done, and the child's file not needed."""
        unlink_in_background(path, self.aof.removals)
        self.last_seconds = self.last_seconds if killed else int(time.time() - self.started)
        self.started = -1.0
        self.aof.rewrite_ended(killed)

    def note_end(self, succeeded: bool) -> None:
        self.status = "ok" if succeeded else "err"
        self.failures = 0 if succeeded else self.failures + 1

    def adopt(self, path: str) -> None:
        """Make the child's file the base."""
        aof = self.aof
        aof.steps.finish()
        manifest = aof.manifest.copy()
        try:
            manifest.new_base(self.form, aof.folder.taken)
        except OSError as error:
            troubles.report("Looking for a name for the AOF base file", error)
            self.adopted(path, False)
            return
        aof.adopt_base(manifest, path, lambda succeeded: self.adopted(path, succeeded))

    def adopted(self, path: str, succeeded: bool) -> None:
        """The manifest begins with the new base, or that failed."""
        if succeeded:
            log("notice", "Background AOF rewrite finished successfully")
        self.note_end(succeeded)
        self.end(path)

    def kill(self) -> None:
        """End the child, whose work is no longer wanted."""
        self.aof.steps.finish()
        if self.children.kind == KIND and self.children.child is not None:
            log("notice", f"Killing running AOF rewrite child: {self.children.child.pid}")
            self.children.kill(KIND)

    def cron(self, automatic: bool) -> None:
        """Begin a rewrite that is scheduled or, where that is wanted, due by the file's growth."""
        if self.children.child is not None or self.aof.steps.busy:
            return
        now = time.time()
        if self.scheduled:
            if not self.limit.holds_back(self.failures, now):
                self.start()
        elif automatic and (growth := self.growth_due()) and not self.limit.holds_back(self.failures, now):
            log("notice", f"Starting automatic rewriting of AOF on {growth}% growth")
            self.start()

    def growth_due(self) -> int:
        """Growth since the last rewrite in percent, where it is enough for another; else 0."""
        config, size = self.config, self.aof.current_size
        wanted = config.auto_aof_rewrite_percentage
        if not wanted or size <= config.auto_aof_rewrite_min_size:
            return 0
        growth = size * 100 // (self.aof.base_size or 1) - 100
        return growth if growth >= wanted else 0


def temporary_name(pid: int) -> str:
    """Where a child writes, in the server's folder."""
    return f"temp-rewriteaof-bg-{pid}.aof"
