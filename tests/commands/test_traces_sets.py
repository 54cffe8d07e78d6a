"""The same random set commands to a real server and to ours: replies must be equal byte for byte, what has no order
compared sorted; at the end the members, and against an 8.1 peer (KV_TEST_PEER=/path/valkey-server) the encodings.

Debian's server is 7.0, where a set is no listpack, so with it encodings are not asked for, nor are the errors of
scans and counts, which it words differently.
"""
from __future__ import annotations

import random
from typing import Any

import pytest

from tests.commands.client import Client
from tests.commands.traces import SEEDS, bulks, scan_all, two_sides, unordered
from tests.program import Program

KEYS = ["numbers", "many", "words", "long", "mixed", "target"]
COMMANDS = 2500
LIMITS = {"set-max-intset-entries": 30, "set-max-listpack-entries": 12, "set-max-listpack-value": 10}
DEFAULTS = {"set-max-intset-entries": 512, "set-max-listpack-entries": 128, "set-max-listpack-value": 64}
DRAWS = {"SPOP", "SRANDMEMBER"}
COUNTS = {0, 1, 2, 5, 10, 100, -1, -5, -50}
UNORDERED = {"SMEMBERS", "SINTER", "SUNION", "SDIFF"}


class Trace:
    """A source of random commands; the same for the same seed."""

    def __init__(self, seed: int, modern: bool):
        self.random = random.Random(seed)
        self.modern = modern

    def any(self, *choices: Any) -> Any:
        return self.random.choice(choices)

    def key(self) -> str:
        return self.any(*KEYS, "nothing") if self.random.random() < 0.95 else "string"

    def keys(self) -> list[str]:
        return [self.key() for _ in range(self.random.randint(1, self.any(1, 2, 3, 10)))]

    def member(self, key: str) -> Any:
        r = self.random
        number = r.randint(-10, 20)
        return {"numbers": self.any(number, number, number, 2**40, -2**63, 2**63 - 1), "many": r.randint(0, 200),
                "words": f"w{r.randint(0, 15)}", "long": self.any("x" * r.randint(0, 12), "y" * 254, "y" * 255, b"\0" * 4000),
                "mixed": self.any(number, number, number, number, f"w{number}", "01", "-0", "", "x" * r.randint(9, 11)),
                }.get(key, number)

    def members(self, key: str) -> list[Any]:
        return [self.member(key) for _ in range(self.random.randint(1, self.any(1, 1, 3, 15, 40)))]

    def change(self) -> list[Any]:
        key, other = self.key(), self.key()
        name = self.any("SINTERSTORE", "SUNIONSTORE", "SDIFFSTORE")
        return self.any(
            ["SADD", key, *self.members(key)], ["SADD", key, *self.members(key)], ["SADD", key, *self.members(key)],
            ["SREM", key, *self.members(key)], ["SMOVE", key, other, self.member(key)],
            [name, self.any("target", *KEYS), *self.keys()], ["COPY", key, "target", "REPLACE"])

    def look(self) -> list[Any]:
        key = self.key()
        return self.any(
            ["SISMEMBER", key, self.member(key)], ["SMISMEMBER", key, *self.members(key)], ["SCARD", key], ["SMEMBERS", key],
            [self.any("SINTER", "SUNION", "SDIFF"), *self.keys()], ["TYPE", key], ["EXISTS", key],
            *[["OBJECT", "ENCODING", key]] * self.modern, self.card(), self.scan(key),
            [self.any("SPOP", "SRANDMEMBER"), "nothing", self.any(0, 5)], ["SRANDMEMBER", key, self.any(1000, 0)])

    def card(self) -> list[Any]:
        keys = self.keys()
        limit = self.any([], ["LIMIT", self.any(0, 1, 3, 100)], ["limit", self.any(-1, "x")], ["LIMIT"], ["no"])
        return ["SINTERCARD", self.any(len(keys), len(keys), len(keys), 0, -1, "x", len(keys) + 1), *keys, *limit]

    def scan(self, key: str) -> list[Any]:
        return ["SSCAN", key, 0, *self.any([], ["MATCH", self.any("*", "w*", "?", "no*")], ["COUNT", 3])]

    def draw(self) -> list[Any]:
        key = self.key()
        return self.any([self.any("SPOP", "SRANDMEMBER"), key], ["SPOP", key, self.any(0, 1, 2, 10, 100)],
                        ["SRANDMEMBER", key, self.any(0, 1, 2, 10, 100, -1, -5, -50)])

    def odd(self) -> list[Any]:
        name = self.any("SADD", "SREM", "SISMEMBER", "SMOVE", "SPOP", "SINTER", "SMEMBERS", "SSCAN")
        wrong = [["SPOP", "words", self.any("x", -2)],
                 ["SRANDMEMBER", "words", self.any("x", -2**63)],
                 ["SSCAN", "words", self.any("x", 0), "no"]] if self.modern else []
        return self.any([name], [name, "string"], [name, "string", "1"], [name, "words", "a", "b", "c"], ["DEL", self.key()],
                        ["SDIFFSTORE", "target"], ["SDIFFSTORE", "target", "string"], *wrong)

    def command(self) -> list[Any]:
        words = self.random.choices([self.change, self.look, self.odd, self.draw], [10, 6, 1, 3])[0]()
        return ["GET", "string"] if words[0] == "DEL" and words[1] == "string" else words


def ask(client: Client, words: list[Any]) -> Any:
    """The reply in a form that two servers must agree on."""
    if words[0] == "SSCAN" and words[2:3] == [0] and "no" not in words and client("TYPE", words[1]) != "string":
        return scan_all(client, words[0], words[1], *words[3:])
    raw = client.raw(*words)
    return unordered(raw) if words[0] in UNORDERED or words[0] in DRAWS else raw


def check_draw(ours: Client, theirs: Client, words: list[Any], modern: bool) -> None:
    """Both draw as many members that are there; what was popped goes from both."""
    key = words[1]
    members = set(bulks(theirs.raw("SMEMBERS", key))) if theirs("TYPE", key) == "set" else set()
    answers = [side.raw(*words) for side in (ours, theirs)]
    if not members:
        assert answers[0] == answers[1]
        return
    drawn = [bulks(raw) if raw[:1] in b"*~" else bulks(b"\r\n" + raw) for raw in answers]
    assert len(drawn[0]) == len(drawn[1]) and answers[0][:1] == answers[1][:1]
    assert members.issuperset(drawn[0])
    if words[0] == "SPOP" or (len(words) == 3 and words[2] > 0):
        assert len(set(drawn[0])) == len(drawn[0])
    if words[0] == "SPOP":
        assert ours("SCARD", key) == theirs("SCARD", key)
        if modern and ours("SCARD", key) and all(len(member) <= 10 for member in members):
            assert ours("OBJECT", "ENCODING", key) == theirs("OBJECT", "ENCODING", key)
        for side in ours, theirs:
            side("DEL", key)


@pytest.mark.parametrize("resp", [2, 3])
@pytest.mark.parametrize("seed", SEEDS)
def test_trace(server: Program, peer: Program, seed: int, resp: int) -> None:
    with two_sides(server, peer, resp) as (ours, theirs, modern):
        for name, value in LIMITS.items():
            ours("CONFIG", "SET", name, value), theirs("CONFIG", "SET", name, value)
        ours("SET", "string", "s"), theirs("SET", "string", "s")
        trace = Trace(seed, modern)
        for number in range(COMMANDS):
            words = trace.command()
            if words[0] in DRAWS and (len(words) == 2 or len(words) == 3 and words[2] in COUNTS):
                check_draw(ours, theirs, words, modern)
                continue
            expected, got = ask(theirs, words), ask(ours, words)
            assert got == expected, (number, words)
        for key in KEYS:
            assert ask(ours, ["SMEMBERS", key]) == ask(theirs, ["SMEMBERS", key])
            assert not modern or ours("OBJECT", "ENCODING", key) == theirs("OBJECT", "ENCODING", key)
        for name, value in DEFAULTS.items():
            ours("CONFIG", "SET", name, value), theirs("CONFIG", "SET", name, value)
