"""Flask-Limiter, and limits below it: an application whose routes answer 429 past their limit, by each strategy."""
from __future__ import annotations

import asyncio
import threading

import limits.aio.storage
import limits.aio.strategies
from flask import Flask
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flow import database, until

STRATEGIES = ["fixed-window", "moving-window", "sliding-window-counter"]


def application(strategy: str) -> tuple[Flask, Limiter]:
    app = Flask(strategy)
    limiter = Limiter(get_remote_address, app=app, storage_uri=database(0), strategy=strategy, headers_enabled=True,
                      key_prefix=strategy, swallow_errors=False)

    @app.get("/hour")
    @limiter.limit("3/hour")
    def hour() -> str:
        return "ok"

    @app.get("/second")
    @limiter.limit("2/second")
    def second() -> str:
        return "ok"

    @app.get("/dear")
    @limiter.limit("10/hour", cost=4)
    def dear() -> str:
        return "ok"

    @app.get("/crowd")
    @limiter.limit("50/hour")
    def crowd() -> str:
        return "ok"

    return app, limiter


def one_strategy(strategy: str) -> None:
    app, limiter = application(strategy)
    client = app.test_client()
    replies = [client.get("/hour") for _ in range(5)]
    assert [reply.status_code for reply in replies] == [200, 200, 200, 429, 429], strategy
    assert [reply.headers["X-RateLimit-Remaining"] for reply in replies[:3]] == ["2", "1", "0"]
    assert 0 < int(replies[3].headers["Retry-After"]) <= 3600
    assert app.test_client().get("/hour", environ_base={"REMOTE_ADDR": "10.0.0.1"}).status_code == 200
    assert [client.get("/dear").status_code for _ in range(3)] == [200, 200, 429]
    until(lambda: client.get("/second").status_code == 429, "a request too many in a second")
    until(lambda: client.get("/second").status_code == 200, "the next second")

    codes: list[int] = []

    def visit() -> None:
        visitor = app.test_client()
        codes.extend([visitor.get("/crowd").status_code for _ in range(20)])

    threads = [threading.Thread(target=visit) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (codes.count(200), codes.count(429)) == (50, 30), strategy
    limiter.reset()
    assert client.get("/hour").status_code == 200


async def asynchronously() -> None:
    """The same limits by redis.asyncio."""
    storage = limits.aio.storage.RedisStorage(f"async+{database(0)}", implementation="redispy")
    assert await storage.check()
    item = limits.parse("5/hour")
    for strategy in (limits.aio.strategies.FixedWindowRateLimiter, limits.aio.strategies.MovingWindowRateLimiter,
                     limits.aio.strategies.SlidingWindowCounterRateLimiter):
        limiter = strategy(storage)
        hits = await asyncio.gather(*[limiter.hit(item, strategy.__name__) for _ in range(8)])
        assert hits.count(True) == 5, strategy
        assert not await limiter.test(item, strategy.__name__)
        assert (await limiter.get_window_stats(item, strategy.__name__)).remaining == 0
        await limiter.clear(item, strategy.__name__)
        assert await limiter.test(item, strategy.__name__)
    await storage.reset()


def main() -> None:
    for strategy in STRATEGIES:
        one_strategy(strategy)
    asyncio.run(asynchronously())


if __name__ == "__main__":
    main()
