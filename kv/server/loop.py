"""The event loop: which descriptors are watched, what is due, and when it ends.

    loop = Loop(engine, config)
    loop.watch(fd, handler, "Accepting client connection: accept")     called whenever the descriptor is readable
    loop.each_cron("Looking after a child", children.reap)             called `hz` times a second
    loop.each_wake(steps.poll)                                         called after loop.wake(), which a thread may call

Parts of the server stand above it: they watch their descriptors and name their jobs here, so that they need not know the
server. A handler or job that the operating system refuses something (see trouble.py) is told of in the log and comes round
again; any other exception is a bug and ends the process.

The turn itself, which orders commands, effects and replies, is Server.run.
"""
from __future__ import annotations

import math
import os
import time

from kv._core.engine.cron import engine_cron, engine_sweep
from kv._core.engine.loop import Loop as CoreLoop

from .loading import LoadStopped
from .trouble import POLLER_LOST, TROUBLE, troubles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from kv._core.engine.engine import Engine

    from .config import Config

POLLER_PAUSE_S = 0.01       # between two tries to wait for events


class Job:
    """What the cron does."""

    __slots__ = ("what", "run", "period_ms", "while_loading")

    def __init__(self, what: str, run: Callable[[], object], period_ms: int, while_loading: bool) -> None:
        self.what = what                    # for the log
        self.run = run
        self.period_ms = period_ms          # 0: in every run of the cron
        self.while_loading = while_loading  # also in the turns between two commands of a file that is loaded


class Loop:
    """Descriptors with their handlers, jobs with their times, and whether to go on."""

    def __init__(self, engine: Engine, config: Config) -> None:
        self.engine = engine
        self.core = CoreLoop(engine)    # turns, sockets, sending
        self.config = config
        self.handlers: dict[int, tuple[str, Callable[[], object]]] = {}
        self.resting: set[int] = set()  # descriptors whose handlers failed, until the next cron
        self.jobs: list[Job] = []
        self.before_jobs: Callable[[], object] = lambda: None   # called in every run of the cron, paused or not
        self.stop_requested: Callable[[], bool] = lambda: False     # by a signal that the cron will see to
        self.cron_runs = 0
        self.cron_us = 0.0          # time that the cron took so far
        self.cron_paused = False    # DEBUG PAUSE-CRON
        self.next_cron = 0.0        # of the monotonic clock
        self.next_sweep = math.inf  # the cron has left some of its sweep to be done before it comes again
        self.running = True
        self.exit_status = 0
        self.when_woken: list[Callable[[], object]] = []
        self.waker = -1             # an eventfd, once somebody is to be woken
        self.each_cron("Watching a descriptor again", self.end_rests)
        self.each_cron("Expiring and resizing", self.sweep)

    def stop(self, status: int = 0) -> None:
        """End the loop after this turn."""
        self.running = False
        self.exit_status = status

    # -- descriptors --------------------------------------------------------------------------------------------------

    def watch(self, fd: int, handler: Callable[[], object], what: str = "Serving a descriptor", writable: bool = False) -> None:
        """Call the handler whenever the descriptor is readable, or else writable; `what` it does, for the log. Raises OSError."""
        self.core.poller.watch(fd, writable)
        self.handlers[fd] = what, handler

    def unwatch(self, fd: int) -> None:
        """Forget the descriptor, before it is closed."""
        self.handlers.pop(fd, None)
        self.resting.discard(fd)
        self.core.poller.unwatch(fd)

    def handle(self, fd: int) -> None:
        """A descriptor is ready. Where its handler fails it rests until the next cron: it would be ready again at once."""
        what, handler = self.handlers.get(fd, ("", None))
        if handler is None:
            return
        try:
            handler()
        except TROUBLE as error:
            troubles.report(what, error)
            if fd in self.handlers:
                self.core.poller.unwatch(fd)
                self.resting.add(fd)

    def end_rests(self) -> None:
        """Watch again the descriptors whose handlers failed."""
        for fd in [*self.resting]:
            self.core.poller.watch(fd)
            self.resting.discard(fd)

    def poller_failed(self, error: OSError) -> None:
        """There are no events to be had just now. Raises the error where there never will be."""
        if error.errno in POLLER_LOST:
            raise error
        troubles.report("Waiting for events", error)
        time.sleep(POLLER_PAUSE_S)

    # -- threads ------------------------------------------------------------------------------------------------------

    def each_wake(self, run: Callable[[], object]) -> None:
        """Have something called after wake(). Raises OSError."""
        if self.waker < 0:
            self.waker = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
            self.watch(self.waker, self.woken, "Going on after a thread")
        self.when_woken.append(run)

    def wake(self) -> None:
        """Have the loop call what each_wake() was given: from any thread."""
        os.eventfd_write(self.waker, 1)

    def woken(self) -> None:
        os.eventfd_read(self.waker)
        for run in self.when_woken:
            run()

    # -- the cron -----------------------------------------------------------------------------------------------------

    def each_cron(self, what: str, run: Callable[[], object], period_ms: int = 0, while_loading: bool = False) -> None:
        """Have the cron do something in each of its runs, or every so many ms; in the order of these calls."""
        self.jobs.append(Job(what, run, period_ms, while_loading))

    def wait_ms(self) -> int:
        """How long the loop may sleep."""
        left = min(self.next_cron, self.next_sweep) - time.monotonic()
        return int(left * 1000) + 1 if left > 0 else 0

    @property
    def due(self) -> bool:
        """Whether it is time for the cron."""
        return time.monotonic() >= self.next_cron

    def run_due(self) -> None:
        """The cron, or what it left of its sweep, where it is time for that."""
        now = time.monotonic()
        if now >= self.next_cron:
            self.cron()
        elif now >= self.next_sweep:
            self.go_on_sweeping()

    def cron_soon(self) -> None:
        """The cron runs at the end of this turn."""
        self.next_cron = 0.0

    def cron(self) -> None:
        """What is due `hz` times a second."""
        started = time.monotonic()
        self.next_cron, self.next_sweep = started + 1 / self.config.hz, math.inf
        self.before_jobs()
        if self.cron_paused:
            return
        self.cron_runs += 1
        for job in self.jobs:
            if self.every_ms(job.period_ms):
                self.attempt(job)
        self.cron_us += (time.monotonic() - started) * 1e6

    def attempt(self, job: Job) -> None:
        """Something that comes round again: where the system does not let it be done now, it is done then."""
        try:
            job.run()
        except TROUBLE as error:
            troubles.report(job.what, error)

    def every_ms(self, period_ms: int) -> bool:
        """Whether a job that runs each so many ms is due in this run of the cron."""
        per_run = 1000 // self.config.hz
        return period_ms <= per_run or self.cron_runs % max(1, period_ms // per_run) == 0

    def sweep(self) -> None:
        """The core's share of the cron."""
        pause = engine_cron(self.engine, self.config.hz)
        self.next_sweep = time.monotonic() + pause if pause else math.inf
        trouble = self.core.poller.take_error()
        if trouble:
            troubles.report("Watching a client for more output, which closes it", OSError(trouble, os.strerror(trouble)))

    def go_on_sweeping(self) -> None:
        """What engine_cron left undone, so that no client waited for it."""
        started = time.monotonic()
        pause = engine_sweep(self.engine, self.config.hz)
        self.next_sweep = time.monotonic() + pause if pause else math.inf
        self.cron_us += (time.monotonic() - started) * 1e6

    def serve_while_loading(self) -> None:
        """A turn in between while data are read: clients are answered LOADING, INFO and PING, and whoever wants the server
        to stop is obeyed."""
        try:
            ready = self.core.turn(0)
        except OSError as error:
            self.poller_failed(error)
            ready = ()
        for fd in ready:
            self.handle(fd)
        self.core.send()
        if self.resting and time.monotonic() >= self.next_cron:
            self.next_cron = time.monotonic() + 1 / self.config.hz
            self.attempt(Job("Watching a descriptor again", self.end_rests, 0, True))
        for job in self.jobs:
            if job.while_loading:
                self.attempt(job)

    def serve_while_busy(self, write_log: Callable[[], object]) -> bool:
        """A turn in the middle of a script that runs on and on: others are answered BUSY, and may end it. What was done before the
        script is written, where replies wait for that. False: the server ends."""
        try:
            ready = self.core.turn_inside()
        except OSError as error:
            self.poller_failed(error)
            ready = ()
        for fd in ready:
            self.handle(fd)
        write_log()
        self.core.send()
        if self.stop_requested():
            self.engine.kill_script()   # SIGTERM is seen to when the script has ended; one that has written is waited for
        return self.running

    def serve_or_stop(self) -> None:
        """The same for who can be interrupted by an exception. Raises LoadStopped."""
        self.serve_while_loading()
        if not self.running:
            raise LoadStopped

    def reset_statistics(self) -> None:
        """CONFIG RESETSTAT."""
        self.cron_us = 0.0
