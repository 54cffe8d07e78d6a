"""The same random commands on keys to a real server and to ours: replies must be equal byte for byte, and so
must all databases at the end.

What has no order (KEYS, SCAN) is compared sorted, RANDOMKEY by whether the key exists. Debian's server is
7.0; what 8.1 does differently is generated only for a peer that is 8.1 (KV_TEST_PEER=/path/valkey-server):
the errors of SCAN's cursor, of its newer options and of an unknown TYPE, the text of OBJECT HELP, and the
reference counts of small integers, which 7.0 shares. Where a string is embedded depends on the lengths of key
and value, by another rule in 8.1: lengths between the two rules are not generated, and the encoding under the
long key is not asked for.
"""
from __future__ import annotations

import random
from typing import Any

import pytest

from tests.commands.client import Client
from tests.commands.traces import SEEDS, two_sides
from tests.program import Program

LONG = "k" * 300
KEYS = ["a", "b", "c", "a:1", "b:22", "c:333", ""]
DATABASES = [0, 1, 2]
COMMANDS = 2500
LATE = 9_999_999_999_999    # ms


class Trace:
    """A source of random commands; the same for the same seed."""

    def __init__(self, seed: int, modern: bool):
        self.random = random.Random(seed)
        self.modern = modern
        self.names = KEYS if modern else [*KEYS, LONG]

    def any(self, *choices: Any) -> Any:
        return self.random.choice(choices)

    def key(self) -> str:
        return self.random.choice(self.names)

    def keys(self, most: int) -> list[str]:
        return [self.key() for _ in range(self.random.randint(1, most))]

    def value(self) -> Any:
        r = self.random
        return self.any(
            r.randint(-100, 100), 2**63 - 1, "", "text", b"\0\xff" * r.randint(0, 10),
            "x" * self.any(20, 45, 500), "y" * self.any(960, 1010, 1030, 5000), "z" * 50_000)

    def number(self) -> Any:
        return self.any(0, 1, 2, 3, 0, 1, 2, 15, 16, -1, "x", "", 2**31, -2**31 - 1, 2**63)

    def time(self) -> list[Any]:
        r = self.random
        ms = LATE + r.randint(-3000, 3000)
        wrong = self.any("x", "", 2**63 - 1, -2**63, 2**63 // 1000 + 1, "1.5", -(2**63 // 1000) - 1)
        return self.any(
            ["EXPIREAT", ms // 1000], ["PEXPIREAT", ms], ["PEXPIREAT", ms], ["PEXPIREAT", ms],
            [self.any("EXPIRE", "PEXPIRE", "EXPIREAT", "PEXPIREAT"), self.any(-1, 0, -2**40)],
            [self.any("EXPIRE", "PEXPIRE", "EXPIREAT"), wrong])

    def expire(self) -> list[Any]:
        name, time = self.time()
        conditions = self.any(
            "", "", "NX", "xx", "GT", "lt", "XX GT", "LT XX", "NX GT", "GT LT", "no", "NX no").split()
        return [name, self.key(), time, *conditions]

    def pattern(self) -> str:
        return self.any("*", "**", "?", "a*", "[ab]*", "[^a]*", "*:*", "?:??", "\\a", "[a-b]:[0-9]*", "",
                        "k*k", "*[", "z*")

    def scan(self) -> list[Any]:
        """A whole scan that finds what both have."""
        options = self.any(
            [], ["COUNT", self.any(1, 3, 1000)], ["MATCH", self.pattern()],
            ["TYPE", self.any("string", "hash")], ["match", self.pattern(), "count", 2, "type", "STRING"])
        return ["SCAN", 0, *options]

    def wrong_scan(self) -> list[Any]:
        options = self.any(
            ["COUNT"], ["COUNT", 0], ["COUNT", "x"], ["MATCH"], ["no"], ["COUNT", 5, "no"], ["TYPE"])
        if self.modern:
            options = self.any(options, ["NOVALUES"], ["NOSCORES"], ["TYPE", "no"])
        cursor = self.any("x", "1 ", *["", -1, 2**64] * self.modern)
        return self.any(["SCAN", 0, *options], ["SCAN", cursor, *options])

    def look(self) -> list[Any]:
        key = self.key()
        questions = ["FREQ", "no"] + ["REFCOUNT"] * self.modern
        if key != LONG:
            questions += ["ENCODING", "encoding"]
        samples = self.any([], ["SAMPLES", self.any(0, 5, -1, "x")], ["SAMPLES"])
        bare = self.any("OBJECT", "EXPIRE", "COPY", "RENAME", "MOVE", "SWAPDB", "KEYS", "SCAN", "TTL")
        return self.any(
            ["GET", key], ["EXISTS", *self.keys(5)], ["TOUCH", *self.keys(5)], ["TYPE", key], ["DBSIZE"],
            [self.any("PEXPIRETIME", "EXPIRETIME"), key], ["OBJECT", self.any(*questions), key],
            ["OBJECT", *["HELP"] * self.modern], [bare], ["MEMORY", "USAGE", "nothing", *samples])

    def copy(self) -> list[Any]:
        options = self.any([], ["REPLACE"], ["DB", self.number()], ["db", self.number(), "replace"], ["DB"],
                           ["no"])
        return ["COPY", self.key(), self.key(), *options]

    def change(self) -> list[Any]:
        key, other = self.key(), self.key()
        return self.any(
            ["APPEND", key, self.any("1", "more")], [self.any("DEL", "UNLINK"), *self.keys(2)],
            ["RENAME", key, other], ["RENAMENX", key, other], ["MOVE", key, self.number()], ["PERSIST", key])

    def database(self) -> list[Any]:
        one, other = self.any(*DATABASES), self.any(*DATABASES)
        how = self.any("SYNC", "async", "no")
        return self.any(
            ["SELECT", one], ["SELECT", one], ["SWAPDB", one, other],
            ["SWAPDB", self.number(), self.number()], ["FLUSHDB"],
            ["FLUSHDB", how], ["FLUSHALL", how], ["RANDOMKEY"], ["KEYS", self.pattern()])

    def command(self) -> list[Any]:
        kind = self.random.choices(
            [lambda: ["SET", self.key(), self.value()], self.look, self.copy, self.change, self.expire,
             self.database, self.scan, self.wrong_scan],
            [6, 3, 2, 4, 4, 2, 1, 1])[0]
        return kind()


def scan_all(client: Client, words: list[Any]) -> list[bytes]:
    """The keys of a whole scan, each once."""
    found: set[bytes] = set()
    cursor: Any = 0
    while True:
        cursor, keys = client("SCAN", cursor, *words[2:])
        found.update(keys)
        if cursor == b"0":
            return sorted(found)


def ask(client: Client, words: list[Any], wrong: bool) -> Any:
    """The reply in a form that two servers must agree on."""
    if words[0] == "KEYS" and len(words) == 2:
        return sorted(client(*words))
    if words[0] == "SCAN" and not wrong:
        return scan_all(client, words)
    if words[0] == "RANDOMKEY":
        key = client(*words)
        return key is None or client("EXISTS", key)
    return client.raw(*words)


def is_wrong_scan(words: list[Any]) -> bool:
    options = [str(word).upper() for word in words[2:]]
    return words[0] == "SCAN" and (len(words) == 1 or words[1] != 0 or len(options) % 2 != 0
                                   or "NO" in options or options[:2] in (["COUNT", "0"], ["COUNT", "X"]))


@pytest.mark.parametrize("resp", [2, 3])
@pytest.mark.parametrize("seed", SEEDS)
def test_trace(server: Program, peer: Program, seed: int, resp: int) -> None:
    with two_sides(server, peer, resp) as (ours, theirs, modern):
        trace = Trace(seed, modern)
        for number in range(COMMANDS):
            words = trace.command()
            wrong = is_wrong_scan(words)
            expected, got = ask(theirs, words, wrong), ask(ours, words, wrong)
            assert got == expected, (number, words)
        for database in DATABASES:
            ours("SELECT", database), theirs("SELECT", database)
            keys = sorted(ours("KEYS", "*"))
            assert keys == sorted(theirs("KEYS", "*"))
            for key in keys:
                for question in (["GET", key], ["PEXPIRETIME", key], *[["OBJECT", "ENCODING",
                                                                        key]] * (len(key) < 300)):
                    assert ours.raw(*question) == theirs.raw(*question), (database, question)
