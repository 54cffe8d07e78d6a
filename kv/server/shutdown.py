"""Stopping: by signal or by SHUTDOWN, with the data on disk.

SIGTERM and SIGINT are noted by a compiled handler (kv/_core/engine/stopsignals), which wakes the loop through a pipe; the
stop itself happens in the cron that follows, so that SHUTDOWN ABORT can come between. A second SIGINT ends the process at
once. While data are loaded the loader looks here several times a second, and a stop is one without saving: nothing has
changed that is not on disk.

A stop that would lose data is refused, and the server goes on, unless it is forced: what was acknowledged can't be written to
the append-only file, a first base is not there yet, or the last snapshot can't be written, which is where there are save points
(but not with NOSAVE) or where saving was asked for (SHUTDOWN SAVE, `save` in shutdown-on-sigterm).
"""
from __future__ import annotations

import os
import signal

from kv._core.engine.stopsignals import catch_stop_signals, log_stop_signals, stop_is_over

from . import systemd
from .log import LEVELS, log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from kv._core.engine.engine import Engine

    from .aof import AppendOnly
    from .config import Config
    from .loop import Loop
    from .rdb import Snapshots


class Shutdown:
    """What asks for a stop, and the stop itself."""

    def __init__(self, engine: Engine, config: Config, loop: Loop, aof: AppendOnly, snapshots: Snapshots,
                 supervisor: str) -> None:
        self.engine = engine
        self.config = config
        self.loop = loop
        self.aof = aof
        self.snapshots = snapshots
        self.supervisor = supervisor        # who sees to this process: systemd, upstart or no
        self.when_stopping: list[Callable[[], object]] = []     # called when the server is sure to stop
        self.received: list[int] = []       # signals that ask for a stop, oldest first
        self.reading, self.writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def catch_signals(self) -> None:
        """SIGTERM and SIGINT ask for a stop; SIGHUP and SIGPIPE are ignored. SIGCHLD is not, whatever our parent did: a
        child's status would be gone before it is asked for."""
        for number in (signal.SIGHUP, signal.SIGPIPE):
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self.loop.watch(self.reading, self.drain, "Reading which signals came")
        log_stop_signals(log.level <= LEVELS["warning"])
        catch_stop_signals(self.engine, self.writing)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGINT))

    def drain(self) -> None:
        self.loop.cron_soon()
        try:
            while numbers := os.read(self.reading, 4096):
                self.received += numbers
        except BlockingIOError:
            pass

    def by_signal(self, number: int) -> None:
        config = self.config
        words = config.shutdown_on_sigint if number == signal.SIGINT else config.shutdown_on_sigterm
        log("notice", "User requested shutdown...")
        if not self.stop(save="save" in words, nosave="nosave" in words, force="force" in words):
            log("warning", f"{signal.Signals(number).name} received but errors trying to shut down the server, check the logs "
                           "for more information")
            self.call_off()

    def cron(self) -> None:
        """Do what a signal asked for."""
        if self.received and self.loop.running:
            self.by_signal(self.received[-1])

    def call_off(self) -> None:
        self.received.clear()
        stop_is_over()

    def abort(self) -> bool:
        """SHUTDOWN ABORT: forget the signal that the cron has not seen to yet. False where there is none."""
        if not self.received:
            return False
        self.call_off()
        log("notice", "Shutdown manually aborted.")
        return True

    def stop(self, save: bool = False, nosave: bool = False, force: bool = False) -> bool:
        """Put everything on disk and end the loop. False where that fails and is not forced."""
        self.tell_supervisor("STOPPING=1")
        if not self.put_on_disk(save, nosave, force):
            log("warning", "Errors trying to shut down the server. Check the logs for more information.")
            return False
        for run in self.when_stopping:
            run()
        self.loop.stop()
        return True

    def put_on_disk(self, save: bool = False, nosave: bool = False, force: bool = False) -> bool:
        """What is to be there after a stop; nothing while data are loaded. False, and logged, where that fails and is not
        forced."""
        if self.engine.loading:
            return True
        if self.snapshots.running:
            log("warning", "There is a child saving an .rdb. Killing it!")
            self.snapshots.kill()
        if not self.aof.close(force):
            return False
        if not save and (nosave or not self.config.save):
            return True
        log("notice", "Saving the final RDB snapshot before exiting.")
        self.tell_supervisor("STATUS=Saving the final RDB snapshot")
        if self.snapshots.save_now(keep_pages=True):
            return True
        log("warning", "Error trying to save the DB. Exit anyway." if force else "Error trying to save the DB, can't exit.")
        if not force:
            self.tell_supervisor("STATUS=Error trying to save the DB, can't exit.")
        return force

    def tell_supervisor(self, message: str) -> None:
        if self.supervisor == "systemd":
            systemd.tell(message)
