"""The same random list commands to a real server and to ours.

Replies must be equal byte for byte, and so must the lists at the end. Limits are small for most of the traces, so
that lists change their encoding all the time, and some elements are large enough for nodes of their own.

Where SORT leaves the order of equal weights open (BY with ALPHA, sorted in part for the sake of LIMIT) nothing is
generated, nor are indices of LSET beyond 32 bits, which Valkey cuts off and takes for others.

Debian's server is 7.0, where every list is a quicklist: encodings are compared with a peer that is 8.1 only
(KV_TEST_PEER=/path/valkey-server), and while only the ends of lists change: how an element replaced in the middle parts
a node is each server's own affair.
"""
from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from tests.commands.client import Client
from tests.commands.traces import SEEDS, is_modern
from tests.program import Program

KEYS = ["a", "b", "c", "text", "none", "k" * 300]
COMMANDS = 1500
LIMITS = [(-2, 0), (4, 1), (-1, 2), (1, 0), (128, 1)]     # list-max-listpack-size, list-compress-depth


class Trace:
    """A source of random commands; the same for the same seed."""

    def __init__(self, seed: int, modern: bool):
        self.random = random.Random(seed)
        self.least = -2**63 if modern else 1 - 2**63    # 7.0 takes the one number that has no opposite

    def any(self, *choices: Any) -> Any:
        return self.random.choice(choices)

    def key(self) -> str:
        return self.random.choices(KEYS, [6, 5, 3, 0.3, 0.6, 1])[0]

    def value(self) -> Any:
        r = self.random
        small = self.any(r.randint(-3, 9), r.randint(-3, 9), "x", "", "abc", "01", "-0", b"\0\xff")
        number = self.any(r.randint(-2**63, 2**63 - 1), r.randint(-5000, 5000), r.randint(0, 2**31), 2**63)
        text = self.any("y" * r.randint(1, 100), r.randbytes(r.randint(1, 300)), "z" * r.randint(500, 3000))
        large = self.any("L" * r.randint(4000, 9000), r.randbytes(10_000))
        return r.choices([small, number, text, large], [10, 3, 3, 0.4])[0]

    def values(self) -> list[Any]:
        return [self.value() for _ in range(self.any(1, 1, 1, 2, 5, 20))]

    def index(self) -> Any:
        r = self.random
        return self.any(0, 1, -1, -2, r.randint(-15, 15), r.randint(-15, 15), r.randint(-200, 200),
                        *[self.any("x", "", 2**63 - 1, self.least, 2**63, "1.0")] * (r.random() < 0.1))

    def end(self) -> str:
        return self.random.choices(["LEFT", "RIGHT", "left", "middle"], [10, 10, 3, 0.5])[0]

    def ends(self) -> list[Any]:
        """What happens at the ends of lists."""
        r = self.random
        count = [self.any(0, 1, 2, 3, 20, -1, "x", 2**63 - 1)] * (r.random() < 0.5)
        extra = ["x"] * (r.random() < 0.03)
        keys = [self.key() for _ in range(r.randint(1, 3))]
        number = len(keys) if r.random() < 0.9 else self.any(0, -1, "x", 9, 2**40)
        option = self.any([], [], ["COUNT", self.any(1, 2, 9, 0, -1, "x")], ["COUNT"], ["COUNT", 1, "COUNT", 2], ["no"])
        return r.choices([
            [self.any("LPUSH", "RPUSH"), self.key(), *self.values()],
            [self.any("LPUSHX", "RPUSHX"), self.key(), *self.values()],
            [self.any("LPOP", "RPOP"), self.key(), *count, *extra * len(count)],
            ["LMOVE", self.key(), self.key(), self.end(), self.end()],
            ["RPOPLPUSH", self.key(), self.key()],
            ["LMPOP", number, *keys, self.end(), *option],
        ], [9, 2, 4, 2, 1, 1.5])[0]

    def element(self) -> list[Any]:
        r = self.random
        where = self.random.choices(["BEFORE", "after", "at"], [10, 10, 1])[0]
        return r.choices([
            ["LLEN", self.key()], ["LINDEX", self.key(), self.index()],
            ["LRANGE", self.key(), self.index(), self.index()],
            ["LSET", self.key(), self.any(0, 1, -1, -2, r.randint(-50, 50), "x", 2**31 - 1), self.value()],
            ["LINSERT", self.key(), where, self.value(), self.value()],
            ["LREM", self.key(), self.index(), self.value()],
            ["LTRIM", self.key(), self.any(0, 0, self.index()), self.any(-1, -1, self.index(), 300)],
        ], [1, 3, 3, 4, 6, 3, 1])[0]

    def position(self) -> list[Any]:
        options: list[Any] = []
        for _ in range(self.any(0, 0, 1, 1, 2, 3)):
            options += self.any(
                ["RANK", self.any(1, 2, -1, -2, 3, 0, "x", self.least)], ["COUNT", self.any(0, 1, 2, 9, -1, "x")],
                ["MAXLEN", self.any(0, 1, 5, 30, -1, "x")])
        return ["LPOS", self.key(), self.value(), *options, *self.any([], [], [], [], ["RANK"], ["no"], ["no", 1])]

    def sort(self) -> list[Any]:
        r = self.random
        options: list[Any] = []
        for _ in range(r.randint(0, 4)):
            options += r.choices([
                ["ALPHA"], ["DESC"], ["asc"], ["LIMIT", self.any(0, 1, 2, 5, -1), self.any(-1, 0, 1, 3, 50)],
                ["BY", self.any("w_*", "nosort", "w_*->f", "*")], ["GET", self.any("#", "w_*", "none", "*_w", "w_*->")],
                ["STORE", self.key()], [self.any("LIMIT", "no", "GET", "BY", "STORE")], ["LIMIT", "x", 1],
            ], [5, 3, 1, 3, 3, 3, 1, 0.3, 0.3])[0]
        if "ALPHA" in options and "BY" in options:
            options = [word for word in options if word != "ALPHA"]
        return [self.any("SORT", "SORT", "SORT_RO"), self.key(), *options]

    def other(self) -> list[Any]:
        r = self.random
        return r.choices([
            ["SET", f"w_{r.randint(-3, 9)}", self.any(r.randint(0, 9), "1.5", "-3e2", "abc", "")],
            ["DEL", self.any(f"w_{r.randint(-3, 9)}", self.key())], ["COPY", self.key(), self.key(), "REPLACE"],
            ["RENAME", self.key(), self.key()], ["SET", "text", "a string"], ["TYPE", self.key()],
            [self.any("LPUSH", "LPOP", "LRANGE", "LPOS", "LMOVE", "LMPOP", "SORT", "LSET", "LINSERT")],
        ], [4, 1, 1, 0.5, 1, 0.5, 0.5])[0]

    def command(self) -> list[Any]:
        kind = self.random.choices([self.ends, self.element, self.position, self.sort, self.other], [10, 10, 3, 3, 3])[0]
        return kind()


def start(client: Client, limits: tuple[int, int]) -> None:
    client("FLUSHALL")
    client("CONFIG", "SET", "list-max-listpack-size", limits[0])
    client("CONFIG", "SET", "list-compress-depth", limits[1])
    client("SET", "text", "a string")


def agree(ours: Client, theirs: Client, encodings: bool = False) -> None:
    """The same lists on both sides, kept the same way."""
    assert sorted(ours("KEYS", "*")) == sorted(theirs("KEYS", "*"))
    for key in KEYS:
        questions: list[list[Any]] = [["TYPE", key], ["LRANGE", key, 0, -1]]
        questions += [["OBJECT", "ENCODING", key]] * (encodings and theirs("TYPE", key) == "list")
        for question in questions:
            assert ours.raw(*question) == theirs.raw(*question), question


@pytest.fixture(params=LIMITS, ids=str)
def limits(request: pytest.FixtureRequest, server: Program, peer: Program) -> Iterator[tuple[int, int]]:
    """Limits that hold on both sides during a test."""
    sides = Client(server.port), Client(peer.port)
    for side in sides:
        start(side, request.param)
    yield request.param
    for side in sides:
        start(side, LIMITS[0])
        side.close()


@pytest.mark.parametrize("resp", [2, 3])
@pytest.mark.parametrize("seed", SEEDS)
def test_trace(server: Program, peer: Program, limits: tuple[int, int], resp: int, seed: int) -> None:
    ours, theirs = Client(server.port, resp), Client(peer.port, resp)
    trace = Trace(seed * 100 + LIMITS.index(limits) * 10 + resp, is_modern(theirs))
    ours("HELLO", resp), theirs("HELLO", resp)
    for number in range(COMMANDS):
        words = trace.command()
        assert ours.raw(*words) == theirs.raw(*words), (number, words)
        if number % 10 == 0:
            agree(ours, theirs)
    agree(ours, theirs)
    ours.close()
    theirs.close()


def test_ends(server: Program, peer: Program, limits: tuple[int, int]) -> None:
    """Lists that grow and shrink at their ends: encodings too."""
    ours, theirs = Client(server.port), Client(peer.port)
    modern = is_modern(theirs)
    ours("HELLO", 2), theirs("HELLO", 2)
    trace = Trace(LIMITS.index(limits), modern)
    for number in range(COMMANDS):
        words = trace.any(trace.ends, trace.ends, lambda: ["LTRIM", trace.key(), trace.any(0, 1, 2), trace.any(-1, -3, 60)])()
        assert ours.raw(*words) == theirs.raw(*words), (number, words)
        agree(ours, theirs, modern)
    ours.close()
    theirs.close()
