"""Two engines in one process, entered in turns, against engines that have a process of their own.

KV_TWIN_COMMANDS says how many commands each gets (a million take a minute)."""
from __future__ import annotations

import gc
import hashlib
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kv._core.engine.debug import digest
from kv._core.engine.engine import Engine
from kv._core.engine.inspect import check, database_figures, memory_figures, statistics
from kv._core.engine.rdbload import RdbLoad
from kv._core.engine.snapshot import Snapshot
from kv._core.runtime.call import ReplyError
from kv._core.testing.runtime import lazyfree_finish
from tests.commands.embedded import Embedded

ROOT = Path(__file__).resolve().parents[3]
COMMANDS = int(os.environ.get("KV_TWIN_COMMANDS", "30000"))
EAGER: dict[str, Any] = {"lazyfree_lazy_eviction": False, "lazyfree_lazy_user_del": False, "lazyfree_lazy_server_del": False,
                         "lazyfree_lazy_expire": False, "maxmemory_eviction_tenacity": 100}
KINDS: list[dict[str, Any]] = [
    {"seed": 11, "settings": {"hash_max_listpack_entries": 2, "set_max_intset_entries": 3, "list_max_listpack_size": 4,
                              "zset_max_listpack_value": 5, "maxmemory": 600_000, "maxmemory_policy": "allkeys-random"}},
    {"seed": 22, "settings": {"hash_max_listpack_entries": 64, "set_max_listpack_entries": 1, "zset_max_listpack_entries": 100,
                              "stream_node_max_entries": 3, "hll_sparse_max_bytes": 0}},
]


class Twin:
    """One engine, and the commands that it gets."""

    def __init__(self, seed: int, settings: dict[str, Any]) -> None:
        self.engine = Engine(seed=seed)
        self.engine.configure(**EAGER, **settings)
        self.draw = random.Random(seed)
        self.replies = hashlib.sha256()

    def words(self) -> list[Any]:
        draw = self.draw
        key = draw.choice("abcdef") + str(draw.randrange(400))
        value = "v" * int(draw.paretovariate(0.7) % 3000) + str(draw.randrange(100))
        field = f"f{draw.randrange(40)}"
        return draw.choice([
            ["SET", key, value], ["SETRANGE", key, draw.randrange(3000), value[:200]], ["GET", key],
            ["INCRBY", "n" + key, draw.randrange(100)],
            ["HSET", "h" + key, field, value], ["HDEL", "h" + key, field], ["HRANDFIELD", "h" + key, 3],
            ["SADD", "s" + key, draw.randrange(50)], ["SADD", "s" + key, field], ["SPOP", "s" + key], ["SMEMBERS", "s" + key],
            ["ZADD", "z" + key, draw.random(), field], ["ZRANGE", "z" + key, 0, 5, "WITHSCORES"], ["ZPOPMIN", "z" + key],
            ["RPUSH", "l" + key, value, field], ["LPOP", "l" + key], ["LRANGE", "l" + key, 0, 3],
            ["XADD", "x" + key, f"{draw.randrange(1 << 40)}-1", "a", field], ["XLEN", "x" + key],
            ["PFADD", "p" + key, field, value], ["PFCOUNT", "p" + key], ["DEL", key, "h" + key], ["RANDOMKEY"],
            ["SCAN", draw.randrange(1 << 30)], ["OBJECT", "ENCODING", draw.choice("hszlxp") + key], ["SINTER", "s" + key, "sa1"],
            ["MGET", key, "a1", "b2"], ["SELECT", draw.randrange(3)]])

    def run(self, count: int) -> None:
        for _ in range(count):
            try:
                reply: Any = self.engine.execute(*self.words())
            except ReplyError as error:
                reply = str(error)
            if isinstance(reply, set):
                reply = sorted(reply)
            self.replies.update(repr(reply).encode())

    def outcome(self) -> dict[str, Any]:
        check(self.engine)
        figures = statistics(self.engine)
        return {"replies": self.replies.hexdigest(), "digest": str(digest(self.engine)), "used": self.engine.used_memory,
                "keys": [list(row[:2]) for row in database_figures(self.engine)], "evicted": figures["evicted"],
                "commands": figures["commands"], "hits": figures["hits"]}


def alone(number: int, count: int) -> dict[str, Any]:
    """The outcome in a process of its own."""
    script = ("import json, sys; from tests.unit.core.test_isolation import KINDS, Twin; "
              "twin = Twin(**KINDS[int(sys.argv[1])]); twin.run(int(sys.argv[2])); print(json.dumps(twin.outcome()))")
    done = subprocess.run([sys.executable, "-c", script, str(number), str(count)], cwd=ROOT, capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_each_is_as_if_it_were_alone() -> None:
    twins = [Twin(**kind) for kind in KINDS]
    draw = random.Random(3)
    left = [COMMANDS, COMMANDS]
    while any(left):
        number = draw.choice([0, 1])
        count = min(left[number], int(draw.paretovariate(0.6)))
        twins[number].run(count)
        left[number] -= count
    outcomes = [twin.outcome() for twin in twins]
    assert outcomes[0]["evicted"] > 0 and outcomes[1]["evicted"] == 0
    for number, outcome in enumerate(outcomes):
        expected = alone(number, COMMANDS)
        assert abs(outcome.pop("used") - expected.pop("used")) < 5000       # glibc's blocks have the size that was left there
        assert outcome == expected


@pytest.fixture
def engines() -> Iterator[list[Engine]]:
    yield [Engine(seed=1), Engine(seed=2)]


def test_limits_are_each_ones_own(engines: list[Engine]) -> None:
    one, other = engines
    one.configure(hash_max_listpack_entries=1)
    for engine in engines:
        engine.execute("HSET", "h", "a", 1, "b", 2)
    assert [engine.execute("OBJECT", "ENCODING", "h") for engine in engines] == [b"hashtable", b"listpack"]
    third = Engine(seed=3)
    third.execute("HSET", "h", "a", 1, "b", 2)
    assert third.execute("OBJECT", "ENCODING", "h") == b"listpack"      # a new one begins with the defaults


def test_memory_is_each_ones_own(engines: list[Engine]) -> None:
    one, other = engines
    before = other.used_memory
    one.execute("SET", "k", "v" * 1_000_000)
    assert one.used_memory > 1_000_000 and other.used_memory == before
    for engine in engines:
        assert memory_figures(engine)["used"] == engine.used_memory     # what INFO shows is what maxmemory is held against
    other.configure(maxmemory=before + 100_000)
    one.execute("SET", "l", "v" * 1_000_000)
    assert other.execute("SET", "k", "v") == "OK"
    with pytest.raises(ReplyError, match="^OOM"):
        other.execute("SET", "k", "v" * 200_000)
        other.execute("SET", "l", "v")
    used = one.used_memory
    one.execute("UNLINK", "k", "l")
    del other
    engines.pop()
    gc.collect()
    lazyfree_finish()
    assert one.used_memory < used - 1_900_000       # counted for the one whose they were, though another was entered meanwhile


def test_values_that_are_being_sent_are_each_ones_own(engines: list[Engine]) -> None:
    """A large value is held by what sends it, beyond its key's end, and freed in its own engine's account."""
    value = random.Random(5).randbytes(3_000_000)
    clients = [Embedded(engine, 2) for engine in engines]
    used = [engine.used_memory for engine in engines]
    for engine, client in zip(engines, clients, strict=True):
        engine.configure(**EAGER)
        engine.execute("SET", "k", value)
        client.send("GET", "k")
        client.loop.turn(0)
        client.loop.send()
    for engine in reversed(engines):
        engine.execute("DEL", "k")
    assert all(engine.used_memory > 2_900_000 for engine in engines)
    assert [client.reply() == value for client in clients] == [True, True]
    assert [abs(engine.used_memory - before) < 500_000 for engine, before in zip(engines, used, strict=True)] == [True, True]


def test_statistics_are_each_ones_own(engines: list[Engine]) -> None:
    from kv._core.engine.inspect import command_figures

    one, other = engines
    one.execute("SET", "k", 1)
    assert "set" in command_figures(one) and "set" not in command_figures(other)


def test_an_engine_that_goes_leaves_the_others_alone(engines: list[Engine]) -> None:
    """A finalizer runs in the middle of anything."""
    one = engines[0]
    one.configure(set_max_intset_entries=1)
    for number in range(50):
        gone = Engine(seed=number)
        gone.execute("SADD", "s", *range(1000))
        gone.execute("SET", "k", "v" * 100_000)
        session, feed = gone.session(), gone.feed()
        session.execute("SUBSCRIBE", "c")
        one.execute("SADD", f"s{number}", 1, 2)
        del gone, session, feed
        gc.collect()
        assert one.execute("OBJECT", "ENCODING", f"s{number}") == b"listpack"
    check(one)
    assert one.execute("DBSIZE") == 50 and one.used_memory < 2_000_000


def test_each_is_saved_and_loaded_while_the_other_works(engines: list[Engine]) -> None:
    """Steps of a snapshot of one and of a load into the other, in turns, under other limits and other hash keys."""
    one, other = engines
    one.configure(hash_max_listpack_entries=1)
    other.configure(hash_max_listpack_entries=1000)
    for number in range(3000):
        one.execute("HSET", f"hash:{number}", *[word for field in range(4) for word in (f"field {field}", number)])
    codes = [b"#!lua name=%b\nredis.register_function('f_%b', function() return 1 end)" % (name, name)
             for name in (b"one", b"other")]
    one.execute("FUNCTION", "LOAD", codes[0])
    other.execute("FUNCTION", "LOAD", codes[1])
    other.execute("SET", "own", "1")
    own = digest(one)
    fd = os.memfd_create("rdb")
    try:
        snapshot = Snapshot(one, fd, rdb_version=11)
        while snapshot.step(keys=50):
            other.execute("INCR", "turns")
        os.lseek(fd, 0, os.SEEK_SET)
        load = RdbLoad(other, fd, serve=lambda: one.execute("HSET", "hash:0", "field 0", 0), merge=True)
        while load.step(1):
            assert one.execute("HSET", "hash:1", "field 1", 1) == 0
    finally:
        os.close(fd)
    assert digest(one) == own and one.libraries == codes[:1]
    assert other.libraries == [codes[1], codes[0]]
    assert other.execute("DEL", "own", "turns") == 2 and digest(other) == own
    assert [engine.execute("OBJECT", "ENCODING", "hash:7") for engine in engines] == [b"hashtable", b"listpack"]
    for engine in engines:
        check(engine)
