"""dramatiq: a worker with messages, retries, delays, results, pipelines and groups, and its rate limiters."""
from __future__ import annotations

import subprocess
import time

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.common import current_millis
from dramatiq.rate_limits import Barrier, BucketRateLimiter, ConcurrentRateLimiter, RateLimitExceeded, WindowRateLimiter
from dramatiq.rate_limits.backends import RedisBackend as LimitBackend
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend
from dramatiq.results.errors import ResultFailure
from flow import SECONDS, connect, database, kill, module, until

# The chance is of one in a million: each command does the maintenance, too, which puts messages of dead workers back.
broker = RedisBroker(url=database(0), maintenance_chance=1_000_000, heartbeat_timeout=3000)
broker.add_middleware(Results(backend=RedisBackend(url=database(1))))
dramatiq.set_broker(broker)
WAIT = SECONDS * 1000


@dramatiq.actor(store_results=True)
def add(left: int, right: int) -> int:
    return left + right


@dramatiq.actor(store_results=True, max_retries=5, min_backoff=50, max_backoff=100)
def flaky(key: str) -> int:
    tries = connect(2).incr(key)
    if tries < 3:
        raise RuntimeError("not yet")
    return tries


@dramatiq.actor(store_results=True, max_retries=0)
def fail() -> None:
    raise ValueError("as told")


@dramatiq.actor(store_results=True, time_limit=WAIT)
def hold(key: str) -> str:
    """Takes its time, once."""
    if connect(2).incr(key) == 1:
        time.sleep(SECONDS)
    return "done by another"


def messages() -> None:
    assert add.send(2, 3).get_result(block=True, timeout=WAIT) == 5
    many = dramatiq.group([add.message(number, 1) for number in range(50)]).run()
    assert list(many.get_results(block=True, timeout=WAIT)) == list(range(1, 51))
    assert (add.message(1, 2) | add.message(10) | add.message(100)).run().get_result(block=True, timeout=WAIT) == 113
    begin = current_millis()
    assert add.send_with_options(args=(1, 1), delay=500).get_result(block=True, timeout=WAIT) == 2
    assert current_millis() - begin >= 500
    assert flaky.send("tries").get_result(block=True, timeout=WAIT) == 3
    try:
        fail.send().get_result(block=True, timeout=WAIT)
    except ResultFailure as error:
        assert error.orig_exc_type == "ValueError"
    else:
        raise AssertionError("a failed message has no result")
    until(lambda: connect(0).zcard("dramatiq:default.XQ") == 1, "the dead letter")


def taken_over(worker: subprocess.Popen) -> dramatiq.Message:
    """Kill the worker with a message in its hands; the message."""
    message = hold.send("holders")
    until(lambda: connect(2).get("holders") == "1", "the worker's work")
    kill(worker)
    return message


def limiters() -> None:
    backend = LimitBackend(url=database(3))
    bucket = BucketRateLimiter(backend, "bucket", limit=3, bucket=60_000)
    window = WindowRateLimiter(backend, "window", limit=3, window=60)
    for limiter in (bucket, window):
        for _ in range(3):
            with limiter.acquire():
                pass
        with limiter.acquire(raise_on_failure=False) as acquired:
            assert not acquired
    mutex = ConcurrentRateLimiter(backend, "mutex", limit=1, ttl=60_000)
    with mutex.acquire():
        try:
            with mutex.acquire():
                raise AssertionError("it is taken")
        except RateLimitExceeded:
            pass
    with mutex.acquire() as acquired:
        assert acquired
    barrier = Barrier(backend, "barrier", ttl=60_000)
    assert barrier.create(2)
    assert not barrier.wait(block=False) and barrier.wait(block=False)


def main() -> None:
    command = ("with_dramatiq", "--processes", "1", "--threads", "4", "--worker-shutdown-timeout", "1000")
    with module("dramatiq", *command) as worker:
        messages()
        held = taken_over(worker)
    with module("dramatiq", *command):
        assert held.get_result(block=True, timeout=WAIT) == "done by another"
    limiters()


if __name__ == "__main__":
    main()
