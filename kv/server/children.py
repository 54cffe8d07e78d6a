"""Forked children: one at a time, with a pipe back, reaped from the cron.

A child sees the dataset as it was when it was forked, and writes it out (the AOF's rewrite). It never returns into
the loop, keeps no socket, and tells its progress through the pipe. While it lives tables are not resized, so that
pages stay shared.

What if waitpid can't tell how it ended? The pipe can: nobody else holds its other end, so its end is the child's end, and
a child that did its work has written its report.
"""
from __future__ import annotations

import errno
import gc
import os
import signal
import time

from . import process
from .log import log
from .trouble import reason, troubles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .server import Server

LOST = 255      # exit status of a child of which nobody can tell


class Child:
    """A forked child. `done(status)` is called when it has ended: 0 for success, else an exit status or -signal."""

    def __init__(self, kind: str, pid: int, pipe: int, done: Callable[[int], object]) -> None:
        self.kind = kind  # what it does: aof
        self.pid = pid
        self.pipe = pipe  # read end; what it writes is in `report`
        self.done = done
        self.started = time.time()
        self.report = b""
        self.at_end = False     # nobody writes to the pipe any longer


class Children:
    """At most one child at a time."""

    child: Child | None

    def __init__(self, server: Server) -> None:
        self.server = server
        self.child = None
        self.fork_us = 0  # how long the last fork took
        self.forks = 0

    def fork(self, kind: str, work: Callable[[int], int], done: Callable[[int], object]) -> None:
        """Run work(write end of the pipe) in a child, which ends with the status that it returns, and done(status) here when
        it has ended. Raises OSError; RuntimeError where a child lives already."""
        if self.child is not None:
            raise RuntimeError("a child lives already")
        reading, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        started = time.monotonic()
        try:
            pid = os.fork()
        except OSError:
            self.close_pipe(reading)
            self.close_pipe(writing)
            raise
        if pid == 0:
            self.live(work, writing)
        self.fork_us = int((time.monotonic() - started) * 1e6)
        self.server.latency.note("fork", self.fork_us // 1000)
        self.forks += 1
        self.child = Child(kind, pid, reading, done)
        self.server.engine.set_touch_paused(True)
        self.close_pipe(writing)

    def live(self, work: Callable[[int], int], pipe: int) -> None:
        """The child's whole life."""
        status = 1
        try:
            gc.disable()
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            os.closerange(3, pipe)
            os.closerange(pipe + 1, 1 << 20)
            from . import affinity

            affinity.run_on("aof-rewrite-cpulist", self.server.config.aof_rewrite_cpulist)
            self.adjust_oom_score()
            if self.server.config.set_proc_title:
                self.server.title.show("kv-aof-rewrite")
            os.set_blocking(pipe, True)
            status = work(pipe)
        except OSError as error:
            log("warning", f"Background child failed: {reason(error)}")
        except BaseException as error:
            log("warning", f"Background child failed: {error!r}")
        finally:
            os._exit(status)

    def adjust_oom_score(self) -> None:
        """Where that can't be done the child works all the same."""
        try:
            process.oom_score.apply(self.server.config, child=True)
        except OSError as error:
            troubles.report("Unable to write oom_score_adj", error)

    def reap(self) -> None:
        """See whether the child has ended."""
        child = self.child
        if child is None:
            return
        self.read_report(child)
        try:
            pid, status = os.waitpid(child.pid, os.WNOHANG)
        except OSError as error:
            if not child.at_end:
                return                  # it lives
            troubles.report(f"Waiting for the child {child.pid}", error)
            self.forget(child, 0 if child.report else LOST)
            return
        if pid:
            self.read_report(child)
            self.forget(child, os.waitstatus_to_exitcode(status))

    def read_report(self, child: Child) -> None:
        if child.at_end:
            return
        try:
            while part := os.read(child.pipe, 65536):
                child.report += part
            child.at_end = True
        except BlockingIOError:
            pass
        except OSError as error:
            troubles.report(f"Reading what the child {child.pid} reports", error)

    def forget(self, child: Child, status: int) -> None:
        """The child has ended."""
        self.close_pipe(child.pipe)
        self.child = None
        self.server.engine.set_touch_paused(False)
        child.done(status)

    def close_pipe(self, fd: int) -> None:
        try:
            os.close(fd)
        except OSError as error:
            troubles.report("Closing the pipe of a child", error)

    def kill(self) -> None:
        """End the child now; its done() is told of the signal."""
        child: Child | None = self.child
        if child is None:
            return
        try:
            os.kill(child.pid, signal.SIGKILL)
            os.waitpid(child.pid, 0)
        except OSError as error:
            if error.errno not in (errno.ESRCH, errno.ECHILD):
                troubles.report(f"Killing the child {child.pid}", error)
        self.forget(child, -signal.SIGKILL)

    @property
    def kind(self) -> str:
        """What the living child does, "" where there is none."""
        return self.child.kind if self.child is not None else ""
