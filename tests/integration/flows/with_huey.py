"""huey: its consumer with tasks, a schedule, retries, locks, priorities, pipelines and a rate limit."""
from __future__ import annotations

import time

from flow import SECONDS, connect, database, module, until
from huey import PriorityRedisExpireHuey, RedisHuey
from huey.exceptions import RateLimitExceeded, TaskException, TaskLockedException

huey = RedisHuey("flow", url=database(0), notify_result=True)


@huey.task()
def add(left: int, right: int) -> int:
    return left + right


@huey.task(retries=3, retry_delay=1)
def flaky(key: str) -> int:
    tries = connect(2).incr(key)
    if tries < 2:
        raise RuntimeError("not yet")
    return tries


@huey.task()
@huey.lock_task("one at a time")
def alone() -> str:
    connect(2).incr("alone")
    until(lambda: connect(2).exists("go on"), "the word to go on")
    return "was alone"


@huey.periodic_task(lambda moment: True)
def tick() -> None:
    connect(2).incr("ticks")


def tasks() -> None:
    assert add(2, 3)(blocking=True, timeout=SECONDS) == 5
    assert add.map([(number, 1) for number in range(30)]).get(blocking=True, timeout=SECONDS) == list(range(1, 31))
    begin = time.time()
    later = add.schedule((1, 2), delay=1)
    until(lambda: huey.scheduled_count() == 1 or later.is_ready(), "the schedule")
    assert later(blocking=True, timeout=SECONDS) == 3 and time.time() - begin > 0.9
    flaky("tries")
    until(lambda: connect(2).get("tries") == "2", "the second try")
    chained = huey.enqueue(add.s(1, 2).then(add, 10).then(add, 100))
    assert chained.get(blocking=True, timeout=SECONDS) == [3, 13, 113]
    doomed = add.schedule((1, 1), delay=600)
    doomed.revoke()
    assert doomed.is_revoked()
    until(lambda: connect(2).exists("ticks"), "the periodic task")


def locks() -> None:
    first = alone()
    until(lambda: connect(2).get("alone") == "1", "the one with the lock")
    second = alone()
    try:
        second(blocking=True, timeout=SECONDS)
    except TaskException as error:
        assert TaskLockedException.__name__ in str(error)
    else:
        raise AssertionError("two had the lock")
    connect(2).set("go on", 1)
    assert first(blocking=True, timeout=SECONDS) == "was alone"
    with huey.lock_task("mine"):
        assert huey.is_locked("mine")
    assert not huey.is_locked("mine")


def priorities() -> None:
    """Queues that are sorted sets, taken from without a consumer."""
    queue = PriorityRedisExpireHuey("sorted", url=database(1), blocking=False)

    @queue.task()
    def note(word: str) -> str:
        return word

    results = [note(word, priority=priority) for word, priority in [("low", 1), ("high", 9), ("middle", 5)]]
    order = []
    while (task := queue.dequeue()) is not None:
        order.append(queue.execute(task))
    assert order == ["high", "middle", "low"]
    assert [result() for result in results] == ["low", "high", "middle"]
    limit = queue.rate_limit("calls", 2, per=3600)
    for _ in range(2):
        with limit:
            pass
    try:
        with limit:
            raise AssertionError("one call too many")
    except RateLimitExceeded:
        pass


def main() -> None:
    with module("huey.bin.huey_consumer", "with_huey.huey", "-w", "3", "-s", "1", "-d", "0.05"):
        tasks()
        locks()
    priorities()


if __name__ == "__main__":
    import with_huey  # the consumer finds tasks by the name of their module

    with_huey.main()
