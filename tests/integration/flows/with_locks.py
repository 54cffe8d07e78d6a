"""Locks of redis-py (both its clients), python-redis-lock and aiocache: taken, waited for, extended, expired, lost."""
from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import aiocache
import redis.asyncio
import redis_lock
from aiocache.lock import OptimisticLock, OptimisticLockError, RedLock
from flow import SECONDS, URL, connect, database, until
from redis.exceptions import LockError, LockNotOwnedError


def refused(error: type[Exception], call: Callable[[], Any]) -> None:
    try:
        call()
    except error:
        return
    raise AssertionError(f"no {error.__name__}")


def crowd(lock: Callable[[], Any]) -> None:
    """Eight threads add up a number, each reading it, then writing it."""
    client = connect()
    client.set("sum", 0)

    def work() -> None:
        for _ in range(10):
            with lock():
                client.set("sum", int(client.get("sum")) + 1)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.get("sum") == "80"


def redis_py() -> None:
    client = connect()
    crowd(lambda: client.lock("crowd", timeout=SECONDS, sleep=0.001))
    lock, other = client.lock("one", timeout=10), client.lock("one", blocking=False)
    assert lock.acquire() and lock.owned() and lock.locked()
    assert not other.acquire() and not other.owned()
    assert lock.extend(50) and 50 < client.ttl("one") <= 60
    assert lock.extend(30, replace_ttl=True) and client.ttl("one") <= 30
    assert lock.reacquire() and client.ttl("one") <= 10
    client.set("one", "taken over")
    for call in (lock.reacquire, lambda: lock.extend(10), lock.release):
        refused(LockNotOwnedError, call)
    refused(LockError, client.lock("one").release)
    client.delete("one")
    short = client.lock("short", timeout=0.05)
    assert short.acquire()
    until(lambda: not client.exists("short"), "its end")
    refused(LockNotOwnedError, short.release)


async def redis_py_asyncio() -> None:
    client = redis.asyncio.Redis.from_url(database(0))
    await client.set("sum", 0)

    async def work() -> None:
        for _ in range(10):
            async with client.lock("async", timeout=SECONDS, sleep=0.001):
                await client.set("sum", int(await client.get("sum")) + 1)

    await asyncio.gather(*[work() for _ in range(8)])
    assert await client.get("sum") == b"80"
    lock = client.lock("async", timeout=10)
    assert await lock.acquire() and await lock.owned() and await lock.extend(10) and await lock.reacquire()
    await lock.release()
    assert not await lock.locked()
    await client.aclose()


def python_redis_lock() -> None:
    client = redis.Redis.from_url(URL)
    crowd(lambda: redis_lock.Lock(client, "crowd", expire=SECONDS))
    lock, other = redis_lock.Lock(client, "two", expire=20), redis_lock.Lock(client, "two")
    assert lock.acquire() and lock.locked() and not other.acquire(blocking=False)
    assert lock.get_owner_id() == lock.id
    lock.extend(expire=100)
    assert 20 < client.ttl("lock:two") <= 100
    refused(redis_lock.NotAcquired, other.release)
    waiter = threading.Thread(target=other.acquire)
    waiter.start()
    lock.release()      # wakes the one who waits for an element of a list
    waiter.join(SECONDS)
    assert other.get_owner_id() == other.id
    other.reset()
    refused(redis_lock.NotAcquired, other.release)
    held = [redis_lock.Lock(client, f"held {number}") for number in range(3)]
    assert all(each.acquire() for each in held)
    redis_lock.reset_all(client)
    assert not any(each.locked() for each in held)
    renewed = redis_lock.Lock(client, "renewed", expire=SECONDS, auto_renewal=True)
    renewed._lock_renewal_interval = 0.1
    with renewed:
        client.expire("lock:renewed", SECONDS // 2)
        until(lambda: client.ttl("lock:renewed") > SECONDS // 2, "that it is renewed")


async def aiocache_locks() -> None:
    address = redis.connection.parse_url(URL)
    where = {"cache": aiocache.Cache.REDIS, "endpoint": address["host"], "port": address["port"]}
    cache = aiocache.Cache(where["cache"], endpoint=where["endpoint"], port=where["port"])
    calls = 0
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def make(word: str) -> str:
        nonlocal calls
        calls += 1
        begun.set()
        await go_on.wait()
        return word

    async def once(call: Callable[[], Any]) -> list[str]:
        """What ten get who ask while the first one's value is being made."""
        begun.clear()
        go_on.clear()
        first = asyncio.create_task(call())
        await begun.wait()
        others = [asyncio.create_task(call()) for _ in range(9)]
        await asyncio.sleep(0.05)
        go_on.set()
        return await asyncio.gather(first, *others)

    async def expensive() -> str:
        async with RedLock(cache, "value", lease=SECONDS):
            if (found := await cache.get("value")) is None:
                await cache.set("value", found := await make("made"))
            return found

    assert await once(expensive) == ["made"] * 10 and calls == 1
    async with OptimisticLock(cache, "value") as lock:
        assert await lock.cas("changed")
    async with OptimisticLock(cache, "value") as lock:
        await cache.set("value", "by another")
        try:
            await lock.cas("mine")
        except OptimisticLockError:
            pass
        else:
            raise AssertionError("it was changed meanwhile")
    assert await cache.get("value") == "by another"
    assert await cache.multi_set([("a", "1"), ("b", "2")], ttl=100) and await cache.multi_get(["a", "b"]) == ["1", "2"]
    assert await cache.increment("number", 5) == 5 and await cache.expire("number", 100)

    @aiocache.cached_stampede(lease=SECONDS, **where)
    async def stampede() -> str:
        return await make("made again")

    assert await once(stampede) == ["made again"] * 10 and calls == 2
    await cache.close()


def main() -> None:
    redis_py()
    asyncio.run(redis_py_asyncio())
    python_redis_lock()
    asyncio.run(aiocache_locks())


if __name__ == "__main__":
    main()
