"""RQ: workers with dependencies, retries, a scheduler, a rate limit and unique jobs; a job is stopped, a worker is lost."""
from __future__ import annotations

import datetime
import os
import signal
import subprocess
import time

from flow import SECONDS, URL, connect, kill, module, until
from redis import Redis
from rq import Callback, Queue, Repeat, Retry
from rq.command import send_stop_job_command
from rq.exceptions import DuplicateJobError
from rq.job import Job
from rq.rate_limit import RateLimit
from rq.registry import FailedJobRegistry, StartedJobRegistry

connection = Redis.from_url(URL)
queue = Queue(connection=connection)


def add(left: int, right: int) -> int:
    return left + right


def flaky(key: str) -> int:
    tries = connect(2).incr(key)
    if tries < 3:
        raise RuntimeError("not yet")
    return tries


def hold(key: str) -> None:
    connect(2).set(key, os.getpid())
    time.sleep(SECONDS)


def limited(key: str) -> int:
    """How many run at a time, at most."""
    with connect(2) as client:
        running = client.incr(key)
        time.sleep(0.05)
        client.decr(key)
    return running


def on_failure(job: Job, connection: Redis, *error: object) -> None:
    connect(2).set("failure of", job.id)


def done(job: Job) -> object:
    until(lambda: job.get_status() in ("finished", "failed"), f"the end of {job.id}, {job.get_status()}")
    assert job.get_status() == "finished", job.latest_result().exc_string
    return job.return_value(refresh=True)


def burst() -> None:
    """A worker that ends when nothing is left to do."""
    jobs = [queue.enqueue(add, number, 1) for number in range(5)]
    parent = queue.enqueue(add, 1, 2, job_id="parent")
    child = queue.enqueue(add, 10, 20, depends_on=parent, job_id="child")
    retried = queue.enqueue(flaky, "tries", retry=Retry(max=5))
    failed = queue.enqueue(flaky, "fails once", on_failure=Callback(on_failure))
    queue.enqueue(add, 1, 1, job_id="unique", unique=True)
    try:
        queue.enqueue(add, 1, 1, job_id="unique", unique=True)
    except DuplicateJobError:
        pass
    else:
        raise AssertionError("a second job of the same name")
    assert child.get_status() == "deferred"
    with module("rq.cli", "worker", "--burst", "--url", URL) as worker:
        assert worker.wait(SECONDS) == 0
    assert [job.return_value(refresh=True) for job in jobs] == [1, 2, 3, 4, 5]
    assert child.return_value(refresh=True) == 30 and retried.return_value(refresh=True) == 3
    assert failed.get_status() == "failed" and failed.id in FailedJobRegistry(queue=queue)
    assert connect(2).get("failure of") == failed.id and "not yet" in failed.latest_result().exc_string


def scheduled() -> None:
    later = queue.enqueue_in(datetime.timedelta(seconds=1), add, 1, 2)     # of which RQ keeps whole seconds
    assert later.get_status(refresh=False) == "scheduled"
    spaced = queue.enqueue(flaky, "spaced", retry=Retry(max=3, interval=1))
    repeated = queue.enqueue(count, "repeats", repeat=Repeat(times=2, interval=0))
    assert done(later) == 3
    until(lambda: connect(2).get("spaced") == "3", "the third try")
    assert done(spaced) == 3
    until(lambda: connect(2).get("repeats") == "3", "two repetitions")
    assert done(repeated)


def count(key: str) -> int:
    return connect(2).incr(key)


def limits() -> None:
    jobs = [queue.enqueue(limited, "limited", rate_limit=RateLimit("limit", 1)) for _ in range(4)]
    assert [done(job) for job in jobs] == [1, 1, 1, 1]


def stopped() -> None:
    job = queue.enqueue(hold, "stopped")
    until(lambda: connect(2).get("stopped"), "the job's begin")
    send_stop_job_command(connection, job.id)
    until(lambda: job.get_status() == "stopped", "the job's end")


def lost(worker: subprocess.Popen) -> None:
    """A worker dies with its job; the registry finds out."""
    job = queue.enqueue(hold, "lost")
    until(lambda: connect(2).get("lost"), "the job's begin")
    kill(worker)
    os.kill(int(connect(2).get("lost")), signal.SIGKILL)    # the job's process has a group of its own
    registry = StartedJobRegistry(queue=queue)
    until(lambda: registry.count == 1, "the job in the registry")
    connection.zadd(registry.key, dict.fromkeys(connection.zrange(registry.key, 0, -1), 1))    # its heartbeat is over
    registry.cleanup()
    assert job.get_status() == "failed" and "AbandonedJobError" in job.latest_result().exc_string


def main() -> None:
    burst()
    with module("rq.cli", "worker", "--with-scheduler", "--url", URL), module("rq.cli", "worker", "--url", URL):
        scheduled()
        limits()
    with module("rq.cli", "worker", "--url", URL) as worker:
        stopped()
        lost(worker)


if __name__ == "__main__":
    import with_rq  # workers find functions by the name of their module

    with_rq.main()
