"""Snapshots of the dataset in the file dbfilename: when one is written, and how the last one went.

    SAVE, FLUSHALL, SHUTDOWN, DEBUG RELOAD      in the loop, which does nothing else meanwhile
    BGSAVE, save points                         in a forked child, which sees the dataset as it was at that moment

What was changed since is counted by the engine (`dirty`). A child's snapshot has what was changed before it was forked, so only
that is subtracted when it has gone well. Where a save fails it is tried again after some seconds, and writes are refused until
one goes well (stop-writes-on-bgsave-error, MISCONF).
"""
from __future__ import annotations

import os
import signal
import time

from kv._core.engine.aofreplay import empty_dataset
from kv._core.engine.stopsignals import note_unfinished

from ..children import Child
from ..loading import LoadError
from ..log import log
from ..progress import Progress
from ..saving import count_keys, remove_leftovers, report_copied
from ..trouble import troubles
from ..worker import Worker, unlink_in_background
from .file import PREFIX, SUFFIX, save_file, temporary_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from kv._core.engine.engine import Engine

    from ..children import Children
    from ..config import Config
    from ..latencymonitor import LatencyMonitor
    from .load import RdbLoader

KIND = "rdb"                # of its child
RETRY_SECONDS = 5           # between a save that failed and the next that nobody asked for
STARTED = "Background saving started"
SCHEDULED = "Background saving scheduled"


class SaveError(Exception):
    """The dataset can't be saved now; str() is the error reply."""


class Snapshots:
    """What saves the dataset, and its figures."""

    def __init__(self, engine: Engine, config: Config, children: Children, latency: LatencyMonitor, loader: RdbLoader) -> None:
        self.engine = engine
        self.config = config
        self.children = children
        self.latency = latency
        self.loader = loader
        self.removals = Worker("kv-rdb-remove")
        self.last_save = int(time.time())   # unix time of the last one that went well; the start counts as one
        self.status = "ok"
        self.tried = 0              # unix time at which the last child was to be forked
        self.scheduled = False      # BGSAVE waits for another child, or for the end of a transaction
        self.started = -1           # unix time at which the living child was forked, -1: there is none
        self.last_seconds = -1      # how long the last child took
        self.saves = 0              # ever begun
        self.cow_size = 0           # bytes that the last child copied
        self.dirty_before = 0       # changes that the child's snapshot has
        self.writing = ""           # path of the file that the child writes

    @property
    def running(self) -> bool:
        """A child saves."""
        return self.children.kind == KIND

    def figures(self) -> dict[str, object]:
        """The fields of INFO persistence that are the snapshots' (see info.py)."""
        return {"rdb_changes_since_last_save": self.engine.dirty, "rdb_bgsave_in_progress": self.running,
                "rdb_last_save_time": self.last_save, "rdb_last_bgsave_status": self.status,
                "rdb_last_bgsave_time_sec": self.last_seconds,
                "rdb_current_bgsave_time_sec": int(time.time()) - self.started if self.running else -1,
                "rdb_saves": self.saves, "rdb_last_cow_size": self.cow_size,
                "rdb_last_load_keys_expired": self.loader.keys_expired, "rdb_last_load_keys_loaded": self.loader.keys_loaded}

    def reset_statistics(self) -> None:
        """CONFIG RESETSTAT."""
        self.saves = 0

    # -- at the start -------------------------------------------------------------------------------------------------

    def load_at_start(self, serve: Callable[[], object]) -> None:
        """Read the file, if there is one. Raises LoadError, and what `serve` raises."""
        started = time.monotonic()
        remove_leftovers(self.config.folder or ".", PREFIX, SUFFIX)
        if self.loader.load(self.config.path(self.config.dbfilename), serve):
            log("notice", f"DB loaded from disk: {time.monotonic() - started:.3f} seconds")

    # -- in the loop --------------------------------------------------------------------------------------------------

    def save(self) -> None:
        """SAVE. Raises SaveError."""
        if self.running:
            raise SaveError("ERR Background save already in progress")
        self.saves += 1
        if not self.save_now():
            raise SaveError("ERR")

    def save_now(self, keep_pages: bool = False) -> bool:
        """Write the dataset from this process. False, and logged, where that fails."""
        note_unfinished(os.fsencode(self.config.path(temporary_name(os.getpid()))))
        saved = save_file(self.engine, self.config, keep_pages=keep_pages)
        note_unfinished(b"")
        if not saved:
            return False
        self.engine.dirty = 0
        self.last_save = int(time.time())
        self.set_status("ok")
        return True

    def flushed(self) -> None:
        """FLUSHALL has emptied the databases: what a child writes is no longer wanted, and a file of before would bring the data
        back at the next start."""
        if self.engine.loading:
            return
        self.kill()
        if self.config.save:
            self.save_now()

    def set_status(self, status: str) -> None:
        self.status = status
        self.refuse_writes()

    def refuse_writes(self) -> None:
        """Have the engine know whether writes are refused since snapshots fail. After CONFIG SET of what that depends on, too."""
        config = self.config
        self.engine.configure(save_failed=self.status != "ok" and bool(config.save) and config.stop_writes_on_bgsave_error)

    # -- in a child ---------------------------------------------------------------------------------------------------

    def request(self, schedule: bool = False) -> str:
        """BGSAVE: the status line. Raises SaveError."""
        if self.running:
            raise SaveError("ERR Background save already in progress")
        if self.children.busy or self.engine.in_transaction:
            return self.put_off(schedule)
        if not self.start():
            raise SaveError("ERR")
        return STARTED

    def put_off(self, schedule: bool) -> str:
        if not schedule and not self.engine.in_transaction:
            raise SaveError("ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order to "
                            "schedule a BGSAVE whenever possible.")
        self.scheduled = True
        why = "due to user request" if schedule else "to run after transaction execution"
        log("notice", f"Background saving scheduled {why}")
        return SCHEDULED

    def cancel(self) -> str:
        """BGSAVE CANCEL: the status line. Raises SaveError."""
        if self.running:
            log("notice", "Background saving will be aborted due to user request")
            self.kill()
            return "Background saving cancelled"
        if self.scheduled:
            log("notice", "Scheduled background saving will be cancelled due to user request")
            self.scheduled = False
            return "Scheduled background saving cancelled"
        raise SaveError("ERR Background saving is currently not in progress or scheduled")

    def start(self) -> bool:
        """Fork a child that saves. False, and logged, where that can't be done."""
        self.saves += 1
        self.dirty_before = self.engine.dirty
        self.tried = int(time.time())
        try:
            progress = Progress(count_keys(self.engine))
            child = Child(KIND, title="kv-rdb-bgsave", cpulist=("bgsave-cpulist", self.config.bgsave_cpulist),
                          work=lambda pipe: self.work(pipe, progress), ended=self.done, progress=progress)
            self.children.fork(child)
        except OSError as error:
            troubles.report("Can't save in background: fork", error)
            self.set_status("err")
            return False
        log("notice", f"Background saving started by pid {child.pid}")
        self.started = int(time.time())
        self.writing = os.path.abspath(self.config.path(temporary_name(child.pid)))
        return True

    def work(self, pipe: int, progress: Progress) -> int:
        """The child's; its exit status."""
        if not save_file(self.engine, self.config, progress):
            return 1
        report_copied(pipe, "RDB")
        return 0

    def done(self, child: Child) -> None:
        """The child has ended."""
        if child.status == 0:
            log("notice", "Background saving terminated with success")
            self.cow_size = int(child.report or b"0")
            self.engine.dirty = max(0, self.engine.dirty - self.dirty_before)
            self.last_save = int(time.time())
            self.set_status("ok")
        elif child.status > 0:
            log("warning", "Background saving error")
            self.set_status("err")
        else:
            log("warning", f"Background saving terminated by signal {-child.status}")
            with self.latency.watch("rdb-unlink-temp-file"):
                unlink_in_background(self.writing, self.removals)
            if not child.killed and child.status != -signal.SIGUSR1:
                self.set_status("err")
        self.last_seconds = int(time.time()) - self.started
        self.started = -1

    def kill(self) -> None:
        """End the child, whose work is no longer wanted: no fault."""
        self.children.kill(KIND)

    def cron(self) -> None:
        """Begin a save that is scheduled, or due by a save point."""
        if self.children.busy:
            return
        now = int(time.time())
        if self.status != "ok" and now - self.tried <= RETRY_SECONDS:
            return
        if self.scheduled:
            if self.start():
                self.scheduled = False
            return
        for seconds, changes in self.config.save:
            if self.engine.dirty >= changes and now - self.last_save > seconds:
                log("notice", f"{changes} changes in {seconds} seconds. Saving...")
                self.start()
                break

    # -- DEBUG --------------------------------------------------------------------------------------------------------

    def reload(self, save: bool, flush: bool, merge: bool) -> None:
        """DEBUG RELOAD: save, empty the databases, and read the file back, less what is not wanted. Raises SaveError,
        LoadError."""
        if self.engine.loading:
            raise LoadError("The dataset is being loaded already")
        if save and not self.save_now():
            raise SaveError("ERR")
        if flush:
            empty_dataset(self.engine)
        path = self.config.path(self.config.dbfilename)
        if not self.loader.load(path, do_nothing, merge):
            raise LoadError(f"There is no RDB file {os.path.abspath(path)}")
        log("notice", "DB reloaded by DEBUG RELOAD")


def do_nothing() -> None:
    """Inside a command nobody else is served."""
