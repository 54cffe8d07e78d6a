"""Work that goes from the loop to a thread and back, step by step.

Syncing a manifest and its folder takes as long as the disk pleases: 10 to 50 ms where somebody else writes, too. Nobody waits
for that in the loop. A rewrite therefore begins and ends in steps: the loop hands a job to the thread and, when it finds it
done, goes on from there. Only one chain of steps is under way at a time, so the manifest on disk changes in the order in which
the loop decided; and whoever needs the files as they will be (a shutdown, CONFIG SET appendonly, DEBUG LOADAOF) has finish() do
the rest at once.

The thread is the one that syncs the append-only file. What is handed to it later is done later: an increment is not said to be
on disk before the manifest that names it is.
"""
from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..worker import Worker


class Steps:
    """At most one job in the thread, and what the loop does with its result. A job that raised has the result False."""

    def __init__(self, worker: Worker, wake: Callable[[], object] = lambda: None) -> None:
        self.worker = worker
        self.wake = wake            # called in the thread when it is done: the loop is to poll() soon
        self.after: Callable[[bool], object] | None = None  # what the loop does next; None: no step is under way
        self.result = False
        self.done = False

    @property
    def busy(self) -> bool:
        return self.after is not None

    def run(self, job: Callable[[], bool], after: Callable[[bool], object]) -> None:
        """Have the thread do a job, and the loop then after(result)."""
        assert self.after is None, "a step is under way"
        self.after, self.result, self.done = after, False, False
        self.worker.submit(self.perform, job)

    def perform(self, job: Callable[[], bool]) -> None:
        try:
            self.result = job()
        finally:
            self.done = True
            self.wake()

    def poll(self) -> None:
        """Go on where the thread is done."""
        if self.after is not None and self.done:
            after, self.after = self.after, None
            after(self.result)

    def finish(self) -> None:
        """Wait for the thread, and go on until nothing is under way."""
        while self.after is not None:
            self.worker.drain()
            self.poll()
