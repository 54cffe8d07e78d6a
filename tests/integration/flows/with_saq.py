"""saq: an asynchronous worker with jobs, schedules, cron, retries, aborts, and jobs of a dead worker swept up."""
from __future__ import annotations

import asyncio
import time

from flow import SECONDS, connect, database, module, until
from saq import CronJob, Job, Queue
from saq.queue.base import JobError

queue = Queue.from_url(database(0), name="flow")


async def add(context: dict, *, left: int, right: int) -> int:
    return left + right


async def flaky(context: dict, *, key: str) -> int:
    tries = connect(2).incr(key)
    if tries < 3:
        raise RuntimeError("not yet")
    return tries


async def hold(context: dict, *, key: str) -> str:
    if connect(2).incr(key) == 1:
        await asyncio.sleep(SECONDS)
    return "done again"


async def tick(context: dict) -> None:
    connect(2).incr("ticks")


settings = {"queue": queue, "functions": [add, flaky, hold], "concurrency": 5, "dequeue_timeout": 1, "poll_interval": 0,
            "cron_jobs": [CronJob(tick, cron="* * * * * */1")], "timers": {"schedule": 1, "abort": 0.1}}


async def jobs() -> None:
    assert await queue.apply("add", left=2, right=3, timeout=SECONDS) == 5
    words = [{"left": number, "right": 1} for number in range(30)]
    assert await queue.map("add", words, timeout=SECONDS) == list(range(1, 31))
    same = [await queue.enqueue("add", key="only one", scheduled=time.time() + 600, left=1, right=1) for _ in range(2)]
    assert same[0] is not None and same[1] is None, "a job's key is unique while it waits"
    begin = time.time()
    later = await queue.enqueue("add", left=1, right=2, scheduled=int(begin) + 2)
    assert later is not None
    await later.refresh(SECONDS)
    assert later.result == 3 and time.time() > begin + 1
    retried = await queue.enqueue("flaky", key="job", retries=5, retry_delay=0.1, kwargs={"key": "tries"})
    assert retried is not None
    await retried.refresh(SECONDS)
    assert retried.result == 3 and retried.attempts == 3
    try:
        await queue.apply("flaky", timeout=SECONDS, kwargs={"key": "fails once"})
    except JobError as error:
        assert "not yet" in str(error)
    else:
        raise AssertionError("a failed job has no result")


async def aborted() -> None:
    job = await queue.enqueue(Job("hold", kwargs={"key": "aborted"}, timeout=SECONDS))
    assert job is not None
    while connect(2).get("aborted") != "1":
        await asyncio.sleep(0.02)
    await job.abort("no longer wanted")
    await job.refresh(SECONDS)
    assert job.status == "aborted" and job.error == "no longer wanted"
    info = await queue.info(jobs=True)
    assert info["workers"] and info["scheduled"] >= 1


async def swept() -> None:
    """A job whose worker is gone is overdue after a second, and is given to another one."""
    job = await queue.enqueue(Job("hold", kwargs={"key": "swept"}, timeout=1, retries=3))
    assert job is not None and await queue.dequeue(timeout=SECONDS) is not None
    await queue.update(job, status="active", started=int(time.time() * 1000) - 5000, attempts=1)
    connect(2).set("swept", 1)
    assert await queue.sweep(lock=600, abort=0.1) == [job.id]
    assert await queue.sweep(lock=600) == [], "once in ten minutes"


async def finished() -> None:
    [job] = [job async for job in queue.iter_jobs() if job.function == "hold"]
    await job.refresh(SECONDS)
    assert job.result == "done again"


async def main() -> None:
    await queue.connect()
    await swept()
    with module("saq", "with_saq.settings", "-v"):
        await finished()
        await jobs()
        await aborted()
        await asyncio.to_thread(until, lambda: int(connect(2).get("ticks") or 0) >= 2, "two runs of the cron job")
    await queue.disconnect()


if __name__ == "__main__":
    asyncio.run(main())
