"""The same random commands on HyperLogLogs to a real server and to ours: replies, and the values byte for byte.

What is asked about a value by GET says more than its estimate does: which opcodes it has, and whether the estimate
kept in it is stale. hll-sparse-max-bytes changes on the way, so values get dense early and late. Corrupt values are
made of valid ones by SETRANGE; what a server says to an opcode without its second byte is its own affair, so the last
byte of such a value is never an XZERO's first.
"""
from __future__ import annotations

import random
from typing import Any

import pytest

from tests.commands.client import Client, Failure
from tests.commands.traces import SEEDS, two_sides
from tests.program import Program

KEYS = ["a", "b", "c", "d", "text", "number", "set", "none"]
COMMANDS = 1200


class Trace:
    def __init__(self, seed: int):
        self.random = random.Random(seed)

    def any(self, *choices: Any) -> Any:
        return self.random.choice(choices)

    def key(self) -> str:
        return self.random.choices(KEYS, [8, 6, 4, 4, 1, 1, 1, 2])[0]

    def element(self) -> Any:
        r = self.random
        return self.any(r.randint(0, 50), r.random(), r.randbytes(r.randint(0, 40)), "x" * r.randint(0, 9), r.getrandbits(60))

    def elements(self) -> list[Any]:
        count = self.random.choices([0, 1, 5, 60, 900], [1, 8, 4, 2, 1])[0]
        return [self.element() for _ in range(count)]

    def command(self) -> list[Any]:
        key = self.key()
        kind = self.random.choices(["add", "count", "merge", "inside", "other"], [10, 6, 3, 2, 2])[0]
        if kind == "add":
            return ["PFADD", key, *self.elements()]
        if kind == "count":
            return ["PFCOUNT", key, *self.any([], [], [], [self.key()], [self.key(), self.key(), key])]
        if kind == "merge":
            return ["PFMERGE", key, *[self.key() for _ in range(self.random.randint(0, 3))]]
        if kind == "inside":
            return ["PFDEBUG", self.any("ENCODING", "decode", "DECODE", "todense", "GETREG", "no"), key]
        return self.any(
            ["CONFIG", "SET", "hll-sparse-max-bytes", self.any(0, 30, 100, 600, 3000, 3000, 10000, 20000)],
            ["DEL", self.key()], ["COPY", key, self.any("a", "b", "c"), "REPLACE"], ["PFADD"], ["PFCOUNT"], ["PFDEBUG", "ENCODING"],
            ["STRLEN", key], ["OBJECT", "ENCODING", key], ["PEXPIRE", key, 10**9])


def set_up(side: Client) -> None:
    side("FLUSHALL")
    side("CONFIG", "SET", "hll-sparse-max-bytes", 3000)
    side("SET", "text", "HYL")
    side("SET", "number", 1234567890123456789)
    side("SADD", "set", 1)


@pytest.mark.parametrize("resp", [2, 3])
@pytest.mark.parametrize("seed", SEEDS)
def test_trace(server: Program, peer: Program, seed: int, resp: int) -> None:
    with two_sides(server, peer, resp) as (ours, theirs, _):
        set_up(ours)
        set_up(theirs)
        trace = Trace(seed)
        for number in range(COMMANDS):
            words = trace.command()
            assert ours.raw(*words) == theirs.raw(*words), (number, words[:4])
            if words[0].startswith("PF") and len(words) > 2:
                key = words[2 if words[0] == "PFDEBUG" else 1]
                assert ours("GET", key) == theirs("GET", key), (number, words[:4])
        set_up(ours)
        set_up(theirs)


@pytest.mark.parametrize("seed", range(3))
def test_trace_of_corrupt_values(server: Program, peer: Program, seed: int) -> None:
    draw = random.Random(seed)
    with two_sides(server, peer, 2) as sides:
        both = sides[:2]
        for side in both:
            set_up(side)
        for number in range(300):
            elements = [draw.random() for _ in range(draw.choice([0, 3, 50, 1000]))]
            changes = [["SETRANGE", "k", draw.randrange(len(elements) * 2 + 19), draw.randbytes(draw.randint(1, 3))]
                       for _ in range(draw.randint(1, 3))]
            for side in both:
                side("DEL", "k", "other")
                side("PFADD", "k", *elements)
                side("PFADD", "other", 1, 2, 3)
                for change in changes:
                    side(*change)
            if ours_ends_within_an_opcode(both[0]("GET", "k")):
                continue
            for words in (["PFCOUNT", "k"], ["PFCOUNT", "k", "other"], ["PFADD", "k", number, "x"], ["PFMERGE", "other", "k"],
                          ["PFDEBUG", "ENCODING", "k"], ["PFDEBUG", "TODENSE", "k"], ["GET", "k"], ["GET", "other"]):
                answers = [side(*words) for side in both]
                assert answers[0] == answers[1], (number, words, changes)


def ours_ends_within_an_opcode(value: bytes) -> bool:
    """Whether the last opcode is an XZERO without its second byte."""
    at = 16
    while at < len(value):
        at += 2 if value[at] & 0xC0 == 0x40 else 1
    return value[4:5] == b"\1" and at != len(value)


@pytest.mark.parametrize("resp", [2, 3])
def test_values_travel(server: Program, peer: Program, resp: int) -> None:
    """A value of one server, put into the other, estimates the same and goes on growing the same."""
    with two_sides(server, peer, resp) as (ours, theirs, _):
        for source, target in ((ours, theirs), (theirs, ours)):
            for count in (0, 10, 700, 5000):
                source("DEL", "k")
                source("PFADD", "k", *range(count))
                target("SET", "k", source("GET", "k"))
                assert source("PFCOUNT", "k") == target("PFCOUNT", "k")
                for side in (source, target):
                    assert not isinstance(side("PFADD", "k", *range(count, count + 500)), Failure)
                assert source("GET", "k") == target("GET", "k")
                assert source("PFCOUNT", "k") == target("PFCOUNT", "k")
