"""Stopping: by signal or by SHUTDOWN, with the data on disk.

SIGTERM and SIGINT only wake the loop, through a pipe; the stop itself happens in the cron that follows. A second
signal, or SHUTDOWN NOW, stops at once. A stop that would lose data (the last write of the AOF fails) is refused,
unless it is forced.
"""
from __future__ import annotations

import os
import signal

from .log import log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .server import Server


class Shutdown:
    def __init__(self, server: Server) -> None:
        self.server = server
        self.received: list[int] = []
        self.reading, self.writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def catch_signals(self) -> None:
        """SIGTERM and SIGINT ask for a stop; SIGHUP and SIGPIPE are ignored; SIGUSR1 too."""
        signal.set_wakeup_fd(self.writing, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.note)
        for number in (signal.SIGHUP, signal.SIGPIPE):
            signal.signal(number, signal.SIG_IGN)
        self.server.watch(self.reading, self.drain)

    def note(self, number: int, frame) -> None:
        name = signal.Signals(number).name
        if number == signal.SIGINT and self.received:
            log("warning", "You insist... exiting now.")
            os._exit(1)
        self.received.append(number)
        log("warning", f"Received {name} scheduling shutdown...")

    def drain(self) -> None:
        try:
            while os.read(self.reading, 4096):
                pass
        except BlockingIOError:
            pass
        self.server.next_cron = 0.0

    def by_signal(self, number: int) -> None:
        config = self.server.config
        words = config.shutdown_on_sigint if number == signal.SIGINT else config.shutdown_on_sigterm
        log("notice", "User requested shutdown...")
        if not self.stop(force="force" in words):
            log("warning", f"{signal.Signals(number).name} received but errors trying to shut down the server, check the logs "
                           "for more information")
            self.received.clear()

    def cron(self) -> None:
        """Do what a signal asked for. It is the cron that does, so that SHUTDOWN ABORT can come between."""
        if self.received:
            self.by_signal(self.received[-1])

    def abort(self) -> bool:
        """SHUTDOWN ABORT: forget the signal that the cron has not seen to yet. False where there is none."""
        if not self.received:
            return False
        self.received.clear()
        log("notice", "Shutdown manually aborted.")
        return True

    def stop(self, force: bool = False) -> bool:
        """Put everything on disk and end the loop. False where that fails and is not forced."""
        server = self.server
        if not server.aof.close(force):
            return False
        server.stop()
        return True
