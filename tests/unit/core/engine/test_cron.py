"""The core's share of the cron: how long a part of the sweep takes, and what it leaves to the next."""
from __future__ import annotations

import time

import pytest

from kv._core.engine import inspect
from kv._core.engine.cron import engine_cron, engine_sweep
from kv._core.engine.engine import Engine
from kv._core.testing import memory
from tests.commands.embedded import Embedded

KEYS = 120_000


def fill(client: Embedded, lead_s: float) -> float:
    """Set all keys, to expire in so many seconds; when that is, in seconds. One that is set too late is not there at all."""
    at = int((time.time() + lead_s) * 1000)
    for start in range(0, KEYS, 1000):
        for number in range(start, start + 1000):
            client.send("SET", f"key:{number:012d}", "x", "PXAT", at)
        assert [client.reply() for _ in range(1000)] == ["OK"] * 1000
    return at / 1000


@pytest.fixture
def expired() -> Engine:
    """An engine with keys whose time has come."""
    engine = Engine(None)
    client = Embedded(engine, 2)
    for lead_s in (4, 20, 100):     # as much time as the machine needs
        at = fill(client, lead_s)
        if client("DBSIZE") == KEYS:
            break
        client("FLUSHALL")
    assert client("DBSIZE") == KEYS
    time.sleep(max(0, at - time.time()) + 0.01)
    return engine


@pytest.mark.skipif(memory.SANITIZED, reason="under a sanitizer times say nothing")
def test_what_is_left_of_a_sweep_is_swept_in_short_parts(expired: Engine) -> None:
    parts, pause = 1, engine_cron(expired, 10)
    while pause:
        assert 0.01 <= pause <= 0.02        # 25 ms of each 100, in parts of 5
        pause = engine_sweep(expired, 10)
        parts += 1
    assert inspect.statistics(expired)["expired"] == KEYS
    assert parts > 2


def test_a_short_sweep_is_not_parted(expired: Engine) -> None:
    """Where the cron comes round 200 times a second its share is no longer than a part."""
    assert engine_cron(expired, 200) == 0.0


def test_nothing_is_swept_that_must_not_be(expired: Engine) -> None:
    expired.configure(active_expire=False)
    assert engine_cron(expired, 10) == engine_sweep(expired, 10) == 0.0
    assert inspect.statistics(expired)["expired"] == 0
