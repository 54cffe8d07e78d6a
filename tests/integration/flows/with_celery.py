"""Celery: a worker with processes and beat, broker and results on two databases of the server."""
from __future__ import annotations

import tempfile
import time
from pathlib import Path

from celery import Celery, chain, chord, group
from celery.exceptions import TaskRevokedError
from flow import SECONDS, connect, database, module, until

app = Celery("with_celery", broker=database(0), backend=database(1))
app.conf.update(
    broker_connection_retry_on_startup=True, task_acks_late=True, worker_prefetch_multiplier=1, result_expires=600,
    broker_transport_options={"queue_order_strategy": "priority"}, result_extended=True,
    beat_schedule={"often": {"task": "with_celery.tick", "schedule": 0.3}})


@app.task
def add(left: int, right: int) -> int:
    return left + right


@app.task
def total(numbers: list[int]) -> int:
    return sum(numbers)


@app.task(bind=True, max_retries=3)
def flaky(self, key: str) -> int:
    """Fails twice, and asks each time to be tried again."""
    tries = connect(2).incr(key)
    if tries < 3:
        raise self.retry(countdown=0.1)
    return tries


@app.task(ignore_result=True)
def tick() -> None:
    connect(2).incr("ticks")


@app.task(bind=True)
def watched(self) -> str:
    self.update_state(state="PROGRESS", meta={"done": 1})
    until(lambda: connect(2).exists("go on"), "the word to go on")
    return "watched"


@app.task
def fail() -> None:
    raise ValueError("as told")


def results() -> None:
    assert add.delay(2, 3).get(SECONDS) == 5
    assert group(add.s(number, number) for number in range(20))().get(SECONDS) == [2 * number for number in range(20)]
    assert chord((add.s(number, 1) for number in range(10)), total.s())().get(SECONDS) == 55
    assert chain(add.s(1, 1), add.s(10), add.s(100))().get(SECONDS) == 112
    nested = chain(group(add.s(1, 1), add.s(2, 2)), total.s(), add.s(1))
    assert nested().get(SECONDS) == 7
    failed = fail.delay()
    try:
        failed.get(SECONDS)
    except ValueError as error:
        assert "as told" in str(error)
    else:
        raise AssertionError("a failed task has no result")
    assert failed.state == "FAILURE" and "ValueError" in failed.traceback


def times() -> None:
    begin = time.monotonic()
    later = add.apply_async((1, 2), countdown=1)
    assert later.get(SECONDS) == 3 and time.monotonic() - begin >= 0.9
    assert flaky.delay("tries").get(SECONDS) == 3
    until(lambda: int(connect(2).get("ticks") or 0) >= 3, "three tasks of beat")


def remote_control() -> None:
    """Commands go to workers by pub/sub and their answers come back through lists."""
    assert list(app.control.ping(timeout=SECONDS, limit=1)[0].values()) == [{"ok": "pong"}]
    progress = watched.delay()
    until(lambda: progress.state == "PROGRESS", "the task's state")
    assert progress.info == {"done": 1}
    connect(2).set("go on", 1)
    assert progress.get(SECONDS) == "watched"
    doomed = add.apply_async((1, 1), countdown=600)
    until(lambda: doomed.id in str(app.control.inspect(timeout=1).scheduled()), "that the worker has it")
    doomed.revoke()
    until(lambda: doomed.id in str(app.control.inspect(timeout=1).revoked()), "that the worker knows")
    again = add.apply_async((1, 1), task_id=doomed.id)
    try:
        again.get(SECONDS)
    except TaskRevokedError:
        pass
    else:
        raise AssertionError("a revoked task ran")


def unacknowledged() -> None:
    """What a worker was given and did not acknowledge is put back under a lock, which is a script."""
    with app.connection_for_write() as connection:
        channel = connection.default_channel
        queue = app.amqp.queues["celery"].bind(channel)
        queue.declare()
        queue.purge()
        add.delay(20, 22)
        message = until(queue.get, "the task, taken without a worker")
        assert connect(0).hlen("unacked") == 1
        channel.qos.restore_visible(interval=1)
        assert connect(0).hlen("unacked") == 1, "it is not overdue"
        channel.qos.visibility_timeout = -1
        channel.qos.restore_visible(interval=1)
        assert (connect(0).hlen("unacked"), connect(0).llen("celery")) == (0, 1)
        assert message.headers["task"] == "with_celery.add"


def main() -> None:
    unacknowledged()
    with tempfile.TemporaryDirectory() as folder:
        application = ("celery", "-A", "with_celery")
        worker = module(*application, "worker", "--concurrency=2", "--loglevel=INFO", "--without-mingle")
        beat = module(*application, "beat", "--max-interval=1", f"--schedule={Path(folder) / 'schedule'}")
        with worker, beat:
            results()
            times()
            remote_control()
    assert connect(0).hlen("unacked") == 0


if __name__ == "__main__":
    main()
