"""A thread for what the loop does not wait for: syncing, and freeing the blocks of files."""
from __future__ import annotations

import os
import queue
import threading

from .affinity import enter_background
from .log import log
from .trouble import TROUBLE, troubles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


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
        troubles.report("Closing a file", error)
