"""The same random hash commands to a real server and to ours: replies must be equal byte for byte, what has no order
compared sorted; at the end the values and their encodings.

Debian's server is 7.0. NOVALUES and the errors of scans are generated only for a peer that is 8.1
(KV_TEST_PEER=/path/valkey-server), and so are commands with more pairs than a listpack may have, by which 8.1
makes a large hash though some names be equal.
"""
from __future__ import annotations

import random
from typing import Any

import pytest

from tests.commands.client import Client
from tests.commands.traces import SEEDS, scan_all, two_sides, unordered
from tests.program import Program

KEYS = ["small", "wide", "long", "other"]
COMMANDS = 2000
ENTRIES, VALUE = 40, 30


class Trace:
    """A source of random commands; the same for the same seed."""

    def __init__(self, seed: int, modern: bool):
        self.random = random.Random(seed)
        self.modern = modern

    def any(self, *choices: Any) -> Any:
        return self.random.choice(choices)

    def key(self) -> str:
        return self.any(*KEYS)

    def field(self, key: str) -> Any:
        r = self.random
        names = {"small": 12, "wide": 150, "long": 20, "other": 3}[key]
        long = ["n" * self.any(30, 31, 254, 255, 256, 3000)] if key == "long" else []
        return self.any(r.randint(0, names), f"field:{r.randint(0, names)}", "", *long)

    def value(self, key: str) -> Any:
        r = self.random
        long = [b"\0v" * self.any(16, 127, 128, 40_000), "v" * r.randint(0, 300)] if key == "long" else []
        return self.any(r.randint(-5, 5), r.randint(-2**63, 2**63 - 1), "1.25", "", "text", "x" * r.randint(0, 30), *long)

    def pairs(self, key: str) -> list[Any]:
        most = ENTRIES * 2 if self.modern else 8
        return [word for _ in range(self.random.randint(1, self.any(1, 3, most)))
                for word in (self.field(key), self.value(key))]

    def fields(self, key: str) -> list[Any]:
        return [self.field(key) for _ in range(self.random.randint(1, self.any(1, 3, 12)))]

    def change(self, key: str) -> list[Any]:
        by = self.any(0, 1, -1, 2**62, -2**62, 2**63, "x", "", "1.5", "1e400", "inf", "nan", 0.1, -3.25)
        return self.any(
            ["HSET", key, *self.pairs(key)], ["HSET", key, *self.pairs(key)], ["HMSET", key, *self.pairs(key)],
            ["HSETNX", key, self.field(key), self.value(key)], ["HDEL", key, *self.fields(key)],
            ["HINCRBY", key, self.field(key), by], ["HINCRBYFLOAT", key, self.field(key), by])

    def look(self, key: str) -> list[Any]:
        field = self.field(key)
        return self.any(
            ["HGET", key, field], ["HMGET", key, *self.fields(key)], ["HGETALL", key], ["HKEYS", key], ["HVALS", key],
            ["HLEN", key], ["HSTRLEN", key, field], ["HEXISTS", key, field], ["EXISTS", key], ["TYPE", key],
            ["OBJECT", "ENCODING", key], ["HRANDFIELD", key, self.any(1000, 0, "x", 2**63, -2**63)],
            ["HRANDFIELD", key, self.any(1000, 2**63 - 1, 2**62 - 1, -2**63, 0), self.any("WITHVALUES", "withvalues", "no")],
            ["HSCAN", key, 0, *self.any([], ["MATCH", self.any("*", "field:*", "?", "no*")], ["COUNT", 3])])

    def odd(self, key: str) -> list[Any]:
        name = self.any("HSET", "HMSET", "HSETNX", "HGET", "HMGET", "HDEL", "HINCRBY", "HRANDFIELD", "HSCAN", "HLEN")
        wrong = [["HSCAN", key, 0, *self.any(["NOVALUES"], ["NOVALUES", "COUNT", 2])],
                 ["HSCAN", key, 0, self.any("NOSCORES", "TYPE", "no")], ["HSCAN", key, "x"]] if self.modern else []
        return self.any(
            [name, key], [name, key, "1"], [name, "string", "1", "2"], [name, "string"], [name, "nothing", "1"],
            ["COPY", key, self.key(), "REPLACE"], ["RENAME", key, self.key()], ["DEL", key], *wrong)

    def command(self) -> list[Any]:
        kind = self.random.choices([self.change, self.look, self.odd], [8, 5, 1])[0]
        return kind(self.key())


def ask(client: Client, words: list[Any]) -> Any:
    """The reply in a form that two servers must agree on."""
    name = words[0]
    if name == "HSCAN" and len(words) > 2 and client("EXISTS", words[1]) and words[1] != "string" and not {
            "no", "TYPE", "NOSCORES", "x"} & set(words[2:]):
        return scan_all(client, name, words[1], *words[3:], words=1 if "NOVALUES" in words else 2)
    raw = client.raw(*words)
    if name == "HGETALL":
        return unordered(raw, 2)
    if name == "HRANDFIELD" and (len(words) == 2 or words[2] == "1"):
        drawn = [raw] if raw[:1] == b"$" else [b"$" + part for part in raw.split(b"$")[1:]]
        return raw[:2] if raw[:1] == b"*" else raw[:1], all(one in client.raw("HKEYS", words[1]) for one in drawn)
    if name == "HRANDFIELD" and raw.count(b"*") == 1:
        return unordered(raw, 2 if len(words) == 4 and client.resp == 2 else 1)
    if name == "HRANDFIELD" and raw[:1] == b"*":
        return sorted(raw.split(b"*2\r\n"))
    return unordered(raw) if name in ("HKEYS", "HVALS") else raw


@pytest.mark.parametrize("resp", [2, 3])
@pytest.mark.parametrize("seed", SEEDS)
def test_trace(server: Program, peer: Program, seed: int, resp: int) -> None:
    with two_sides(server, peer, resp) as (ours, theirs, modern):
        for side in ours, theirs:
            side("CONFIG", "SET", "hash-max-listpack-entries", ENTRIES, "hash-max-listpack-value", VALUE)
            side("SET", "string", "s")
        trace = Trace(seed, modern)
        for number in range(COMMANDS):
            words = trace.command()
            expected, got = ask(theirs, words), ask(ours, words)
            assert got == expected, (number, words)
        for key in KEYS:
            assert ask(ours, ["HGETALL", key]) == ask(theirs, ["HGETALL", key])
            assert ours("OBJECT", "ENCODING", key) == theirs("OBJECT", "ENCODING", key)
        for side in ours, theirs:
            side("CONFIG", "SET", "hash-max-listpack-entries", 512, "hash-max-listpack-value", 64)
