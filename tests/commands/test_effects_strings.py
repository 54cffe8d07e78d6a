"""What string and bitmap commands tell the AOF and replicas.

Nothing that depends on their clock, and nothing for a command that changed nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from kv._core.engine.engine import Engine
from kv._core.runtime.call import ReplyError

FUTURE = 4_102_444_800    # the year 2100; the same in every process, since it is part of test names


class Embedded:
    """An engine without sockets whose effects are read."""

    def __init__(self) -> None:
        self.engine = Engine(None)
        self.feed = self.engine.feed()

    def run(self, *words: Any) -> list[list[bytes]]:
        """Run a command; its effects."""
        with contextlib.suppress(ReplyError):
            self.engine.execute(*words)
        found = self.feed.commands()
        return [effect for effect in found if effect[0] != b"SELECT"]

    def dirty(self, *words: Any) -> int:
        before = self.engine.dirty
        self.run(*words)
        return self.engine.dirty - before


def words(*given: Any) -> list[bytes]:
    return [str(word).encode() for word in given]


@pytest.fixture
def embedded() -> Iterator[Embedded]:
    yield Embedded()


AT = str(FUTURE * 1000)
CASES: list[tuple[list[Any], list[Any], list[list[Any]]]] = [
    # before, command, effects
    ([], ["SET", "k", "v"], [["SET", "k", "v"]]),
    ([], ["SET", "k", "v", "EXAT", FUTURE], [["SET", "k", "v", "PXAT", AT]]),
    ([], ["SET", "k", "v", "NX", "EXAT", FUTURE, "GET"], [["SET", "k", "v", "PXAT", AT]]),
    ([], ["SET", "k", "v", "PXAT", AT, "NX"], [["SET", "k", "v", "PXAT", AT, "NX"]]),
    (
        ["SET", "k", "get"],
        ["SET", "k", "v", "get", "IFEQ", "get", "KEEPTTL"],
        [["SET", "k", "v", "IFEQ", "get", "KEEPTTL"]],
    ),
    (["SET", "k", "v"], ["SET", "k", "w", "NX"], []),
    (["SET", "k", "v"], ["SET", "k", "w", "IFEQ", "x"], []),
    (["SET", "k", "v"], ["SET", "k", "w", "PXAT", 1], [["DEL", "k"]]),
    ([], ["SET", "k", "w", "PXAT", 1], []),
    ([], ["SETNX", "k", "v"], [["SETNX", "k", "v"]]),
    (["SET", "k", "v"], ["SETNX", "k", "v"], []),
    (["SET", "k", "v"], ["GETSET", "k", "w"], [["SET", "k", "w"]]),
    (["SET", "k", "v"], ["GETDEL", "k"], [["DEL", "k"]]),
    ([], ["GETDEL", "k"], []),
    (["SET", "k", "v"], ["GETEX", "k"], []),
    (["SET", "k", "v"], ["GETEX", "k", "EXAT", FUTURE], [["PEXPIREAT", "k", AT]]),
    (["SET", "k", "v"], ["GETEX", "k", "EXAT", 1], [["DEL", "k"]]),
    (["SET", "k", "v"], ["GETEX", "k", "PERSIST"], []),
    (["SET", "k", "v", "EXAT", FUTURE], ["GETEX", "k", "PERSIST"], [["PERSIST", "k"]]),
    ([], ["MSET", "a", 1, "b", 2], [["MSET", "a", 1, "b", 2]]),
    (["SET", "b", 1], ["MSETNX", "a", 1, "b", 2], []),
    ([], ["INCRBYFLOAT", "k", "0.50"], [["SET", "k", "0.5", "KEEPTTL"]]),
    ([], ["APPEND", "k", "v"], [["APPEND", "k", "v"]]),
    ([], ["SETRANGE", "k", 1, ""], []),
    ([], ["SETBIT", "k", 7, 0], [["SETBIT", "k", 7, 0]]),
    (["SETBIT", "k", 7, 0], ["SETBIT", "k", 5, 0], []),
    (["SET", "k", "v"], ["BITFIELD", "k", "SET", "u8", 0, 118], []),
    (["SET", "k", "v"], ["BITFIELD", "k", "SET", "u8", 0, 119], [["BITFIELD", "k", "SET", "u8", 0, 119]]),
    (["SET", "d", "v"], ["BITOP", "AND", "d", "k"], [["BITOP", "AND", "d", "k"]]),
    ([], ["BITOP", "AND", "d", "k"], []),
]


@pytest.mark.parametrize(
    "before, command, effects", CASES, ids=[" ".join(map(str, c[0] + ["/"] + c[1])) for c in CASES]
)
def test_effects(embedded: Embedded, before: list[Any], command: list[Any], effects: list[list[Any]]) -> None:
    if before:
        embedded.run(*before)
    assert embedded.run(*command) == [words(*effect) for effect in effects]


def test_time_to_live_becomes_a_time(embedded: Embedded) -> None:
    for command in (["SETEX", "k", 100, "v"], ["PSETEX", "k", 100_000, "v"], ["SET", "k", "v", "EX", 100]):
        [[*head, expiry]] = embedded.run(*command)
        assert head == words("SET", "k", "v", "PXAT")
        assert abs(int(expiry) - (embedded.engine.now_ms + 100_000)) < 5000


def test_big_values_are_told_whole(embedded: Embedded) -> None:
    """Values in blocks of their own are the keys' by the time they are told."""
    values = [bytes([65 + i]) * 40_000 for i in range(3)]
    assert embedded.run("SET", "k", values[0]) == [[b"SET", b"k", values[0]]]
    pairs = [b"k", values[0], b"j", values[1], b"k", values[2]]
    assert embedded.run("MSET", *pairs) == [[b"MSET", *pairs]]
    [effect] = embedded.run("SET", "k", values[1], "EXAT", FUTURE)
    assert effect[2] == values[1]


def test_changes_are_counted(embedded: Embedded) -> None:
    assert embedded.dirty("MSET", "a", 1, "b", 2) == 2
    assert embedded.dirty("SET", "a", 1, "EX", 100) == 1
    assert embedded.dirty("SET", "a", 1, "NX") == 0
    assert embedded.dirty("GETEX", "a", "PERSIST") == 1
    assert embedded.dirty("BITFIELD", "a", "SET", "u8", 0, 1, "SET", "u8", 8, 1) == 2
    assert embedded.dirty("GET", "a") == 0
