"""Steps: who does what, in which order, and what becomes of a job that fails."""
from __future__ import annotations

import threading

from kv.server.aof.steps import Steps
from kv.server.worker import Worker


def test_the_loop_does_not_wait_and_goes_on_when_it_asks() -> None:
    steps, gate, seen = Steps(Worker("test")), threading.Event(), []
    steps.run(gate.wait, seen.append)
    steps.poll()
    assert steps.busy and seen == []
    gate.set()
    steps.worker.drain()
    assert seen == []           # not from the thread
    steps.poll()
    assert seen == [True] and not steps.busy
    steps.poll()
    assert seen == [True]


def test_finishing_does_what_follows_from_what_follows() -> None:
    steps, seen = Steps(Worker("test")), []

    def again(result: bool) -> None:
        seen.append(result)
        if len(seen) < 3:
            steps.run(lambda: len(seen) < 2, again)

    steps.run(lambda: True, again)
    steps.finish()
    assert seen == [True, True, False] and not steps.busy
    steps.finish()


def test_a_job_that_raises_has_failed() -> None:
    steps, seen = Steps(Worker("test")), []

    def job() -> bool:
        raise OSError(5, "Input/output error")

    steps.run(job, seen.append)
    steps.finish()
    assert seen == [False]


def test_jobs_come_after_what_the_worker_has_to_do_already() -> None:
    """A manifest that names an increment is on disk before the increment is said to be."""
    worker, order = Worker("test"), []
    worker.submit(order.append, "sync of the old increment")
    steps = Steps(worker)
    steps.run(lambda: order.append("manifest") is None, lambda _: worker.submit(order.append, "sync of the new one"))
    steps.finish()
    worker.drain()
    assert order == ["sync of the old increment", "manifest", "sync of the new one"]
