"""Forked children: one at a time, with a pipe back, reaped from the cron.

    child = Child("aof", title="kv-aof-rewrite", cpulist=("aof-rewrite-cpulist", "2,3"), work=write, ended=adopt, keep=[fd])
    children.fork(child)

A child sees the dataset as it was when it was forked, and writes it out: to a file, or to descriptors that it keeps. It never
returns into the loop, keeps no other descriptor, and tells what it did through the pipe and how far it is through a page of
shared memory (progress.py). While it lives tables are not resized and new blocks come from new pages, so that
pages stay shared; and it gives back what it has saved. Only one lives at a time: two
would copy twice the pages, and read and write against each other.

What if waitpid can't tell how it ended? The pipe can: nobody else holds its other end, so its end is the child's end, and
a child that did its work has written its report.
"""
from __future__ import annotations

import errno
import gc
import os
import signal
import time

from kv._core.engine.system import end_with_parent

from . import affinity, process
from .log import log
from .progress import IDLE
from .trouble import reason, troubles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kv._core.engine.engine import Engine

    from .config import Config
    from .latencymonitor import LatencyMonitor
    from .progress import Progress
    from .title import ProcessTitle

LOST = 255      # exit status of a child of which nobody can tell
DESCRIPTORS_END = 1 << 20   # no descriptor has this number


class Child:
    """What a child is to do, and, once it was forked, how it stands.

    work(pipe) runs in the child, with the write end of the pipe, and returns its exit status. ended(child) is called in the
    server when the child has ended; its status is 0 for success, else an exit status or -signal.
    """

    def __init__(self, kind: str, *, title: str, cpulist: tuple[str, str], work: Callable[[int], int],
                 ended: Callable[[Child], object], keep: Iterable[int] = (), progress: Progress | None = None) -> None:
        self.kind = kind            # what it does: aof, rdb
        self.title = title          # of its process, where the option set-proc-title is on
        self.cpulist = cpulist      # the option that says which processors it runs on, and its value
        self.work = work
        self.ended = ended
        self.keep = tuple(keep)     # descriptors that stay open in it, beside the standard ones and the pipe
        self.progress = progress    # how far it is
        self.pid = 0
        self.pipe = -1              # read end; what it writes is in `report`
        self.report = b""
        self.at_end = False         # nobody writes to the pipe any longer
        self.killed = False         # by ourselves
        self.status = 0


class Children:
    """At most one child at a time."""

    child: Child | None

    def __init__(self, engine: Engine, config: Config, latency: LatencyMonitor, title: ProcessTitle) -> None:
        self.engine = engine
        self.config = config
        self.latency = latency
        self.title = title
        self.child = None
        self.coming: Progress | None = None     # of a child that is about to be forked
        self.fork_us = 0  # how long the last fork took
        self.forks = 0

    @property
    def kind(self) -> str:
        """What the living child does, "" where there is none."""
        return self.child.kind if self.child is not None else ""

    @property
    def busy(self) -> bool:
        """A child lives, or is about to be forked: there can be no other."""
        return self.child is not None or self.coming is not None

    def progress_figures(self) -> dict[str, int]:
        """How far the living child is: the current_* fields of INFO persistence."""
        child = self.child
        progress = child.progress if child is not None else self.coming
        return progress.figures() if progress is not None else IDLE

    def fork(self, child: Child) -> None:
        """Have a child do its work. Raises OSError; RuntimeError where one lives already."""
        if self.child is not None:
            raise RuntimeError("a child lives already")
        reading, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            pid = self.fork_process()
        except OSError:
            close_pipe(reading)
            close_pipe(writing)
            raise
        if pid == 0:
            self.live(child, writing)
        child.pid, child.pipe = pid, reading
        self.child = child
        self.engine.set_touch_paused(True)
        close_pipe(writing)

    def fork_process(self) -> int:
        """os.fork(), counted and measured. A child ends with the server: what it still wrote after another server has started in
        the same folder would be older than that one's files. Raises OSError."""
        started = time.monotonic()
        server = os.getpid()
        pid = os.fork()
        if pid == 0:
            end_with_parent()
            if os.getppid() != server:      # it ended before that
                os._exit(1)
            return 0
        self.fork_us = int((time.monotonic() - started) * 1e6)
        self.latency.note("fork", self.fork_us // 1000)
        self.forks += 1
        return pid

    # -- in the child -------------------------------------------------------------------------------------------------

    def live(self, child: Child, pipe: int) -> None:
        """The child's whole life."""
        status = 1
        try:
            self.engine.set_forked()
            self.become_child(child.title, {pipe, *child.keep})
            affinity.run_on(*child.cpulist)
            os.set_blocking(pipe, True)
            status = child.work(pipe)
        except OSError as error:
            log("warning", f"Background child failed: {reason(error)}")
        except BaseException as error:
            log("warning", f"Background child failed: {error!r}")
        finally:
            os._exit(status)

    def become_child(self, title: str, kept: set[int]) -> None:
        """What is the server's alone is given up: its signal handlers, its descriptors but the standard ones and these."""
        gc.disable()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        close_all_but(kept)
        self.adjust_oom_score()
        if self.config.set_proc_title:
            self.title.show(title)

    def adjust_oom_score(self) -> None:
        """Where that can't be done the child works all the same."""
        try:
            process.oom_score.apply(self.config, child=True)
        except OSError as error:
            troubles.report("Unable to write oom_score_adj", error)

    # -- in the server ------------------------------------------------------------------------------------------------

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
        close_pipe(child.pipe)
        self.child = None
        self.engine.set_touch_paused(False)
        child.status = status
        child.ended(child)

    def kill(self, kind: str) -> None:
        """End the living child now, if this is what it does; its ended() is told of the signal, and that it was us."""
        child = self.child
        if child is None or child.kind != kind:
            return
        child.killed = True
        try:
            os.kill(child.pid, signal.SIGKILL)
            os.waitpid(child.pid, 0)
        except OSError as error:
            if error.errno not in (errno.ESRCH, errno.ECHILD):
                troubles.report(f"Killing the child {child.pid}", error)
        self.forget(child, -signal.SIGKILL)


def close_pipe(fd: int) -> None:
    try:
        os.close(fd)
    except OSError as error:
        troubles.report("Closing the pipe of a child", error)


def close_all_but(kept: set[int]) -> None:
    """Close every descriptor but the standard ones and these."""
    low = 3
    for fd in sorted([fd for fd in kept if fd >= low]):
        os.closerange(low, fd)
        low = fd + 1
    os.closerange(low, DESCRIPTORS_END)
