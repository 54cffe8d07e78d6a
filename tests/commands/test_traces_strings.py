"""The same random string and bitmap commands to a real server and to ours.

Replies must be equal byte for byte, and so must the values, their encodings and expiries at the end.

Debian's server is 7.0. What 8.1 does differently is generated only for a peer that is 8.1
(KV_TEST_PEER=/path/valkey-server):

- SET with IFEQ: new in 8.1;
- BITCOUNT with a start but no end: a syntax error before 8.0;
- mistakes in the ranges of BITCOUNT and BITPOS: 7.0 does not see them where the key is missing.

8.1 calls a string embstr while key, expiry and value fit 64 bytes together, 7.0 while the value alone has up
to 44 bytes: with 7.0 embstr and raw count as the same.
"""

from __future__ import annotations

import random
import time
from typing import Any

import pytest

from tests.commands.client import Client
from tests.commands.traces import SEEDS
from tests.program import Program

KEYS = ["a", "b", "c", "d", "k" * 300]
COMMANDS = 1500


class Trace:
    """A source of random commands; the same for the same seed."""

    def __init__(self, seed: int, modern: bool):
        self.random = random.Random(seed)
        self.modern = modern
        self.later = int(time.time()) + 100_000

    def any(self, *choices: Any) -> Any:
        return self.random.choice(choices)

    def key(self) -> str:
        return self.random.choice(KEYS)

    def keys(self, most: int) -> list[str]:
        return [self.key() for _ in range(self.random.randint(1, most))]

    def integer(self) -> Any:
        r = self.random
        return self.any(
            0,
            1,
            -1,
            r.randint(-20, 20),
            r.randint(-(2**63), 2**63 - 1),
            2**63 - 1,
            -(2**63),
            2**63,
            "x",
            "1.5",
            " 1",
            "01",
            "",
        )

    def index(self) -> Any:
        return self.integer() if self.random.random() < 0.2 else self.random.randint(-40, 40)

    def value(self) -> Any:
        r = self.random
        size = self.any(0, 1, 3, 19, 43, 44, 45, 100, 500, 980, 1010, 1024, 1100, 3000)
        return (
            self.any(
                self.integer(),
                r.randbytes(size),
                bytes(size),
                b"\xff" * size,
                b"abcab"[:size] * 3,
                r.randint(0, 10**20),
                "3.0e3",
                "inf",
                "0x1p3",
                "5.",
            )
            if r.random() < 0.95
            else r.randbytes(40_000)
        )

    def expiry(self) -> list[Any]:
        late = self.any(self.later, self.later + 1)
        return self.any(
            [],
            [],
            ["EXAT", late],
            ["pxat", late * 1000 + 7],
            ["KEEPTTL"],
            ["PERSIST"],
            ["PXAT", 1],
            ["EXAT", 1000],
            [self.any("EX", "PX", "EXAT", "PXAT"), self.any(0, -1, "x", 2**63 - 1, 2**63 // 1000, 2**62)],
            ["EX"],
            ["EXAT", late, "PXAT", late],
            ["EXAT", late, "EXAT", late + 1],
            ["KEEPTTL", "KEEPTTL"],
        )

    def set_options(self) -> list[Any]:
        r = self.random
        options: list[list[Any]] = [[], [], ["NX"], ["XX"], ["NX", "XX"], ["nx", "NX"], ["bad"]]
        if self.modern:
            options += [["IFEQ", self.value()], ["IFEQ"], ["IFEQ", 0, "XX"], ["IFEQ", 0, "IFEQ", 0]] * 2
        parts = [r.choice(options), self.expiry(), self.any([], [], ["GET"], ["get", "GET"])]
        r.shuffle(parts)
        return [word for part in parts for word in part]

    def offset(self) -> Any:
        return self.any(self.index(), self.random.randint(0, 9000), self.random.randint(0, 70), 2**32)

    def field(self) -> list[Any]:
        r = self.random
        width = self.any("i64", "u64", "i65", "u0", "i", "x8", "I8", "i08")
        offset = self.any(r.randint(0, 300), f"#{r.randint(0, 9)}", r.randint(0, 5000), "#", -1, "#-1", "x")
        operand = self.any(self.integer(), r.randint(-300, 300), r.randint(-(2**63), 2**63 - 1))
        good = r.random() < 0.93
        if good:
            width, offset = (
                f"{self.any('i', 'u')}{r.randint(1, 63)}",
                self.any(r.randint(0, 300), f"#{r.randint(0, 9)}"),
            )
            operand = self.any(r.randint(-300, 300), r.randint(-(2**63), 2**63 - 1), 2**63 - 1, -(2**63))
        return self.any(
            ["GET", width, offset],
            ["SET", width, offset, operand],
            ["INCRBY", width, offset, operand],
            ["OVERFLOW", self.any("wrap", "SAT", "FAIL", "FAIL" if good else "no"), "GET", "u8", 0],
        )

    def fields(self) -> list[Any]:
        return [word for _ in range(self.random.randint(0, 5)) for word in self.field()]

    def span(self) -> list[Any]:
        number = self.index if self.modern else lambda: self.random.randint(-40, 40)
        parts = [number(), number(), self.any("BIT", "byte", "BIT", "BYTE", "no" if self.modern else "bit")]
        parts = parts[: self.random.randint(0, 3)]
        if len(parts) == 3 and parts[2] == "BIT":
            parts[:2] = [self.any(p, self.random.randint(-300, 300)) for p in parts[:2]]
        return parts

    def bitcount_span(self) -> list[Any]:
        span = self.span()
        return span if self.modern or len(span) != 1 else []

    def lcs_options(self) -> list[Any]:
        return [
            word
            for _ in range(self.random.randint(0, 3))
            for word in self.any(
                ["IDX"],
                ["len"],
                ["WITHMATCHLEN"],
                ["MINMATCHLEN", self.any(0, 2, 4, -1, "x")],
                ["MINMATCHLEN"],
                ["bad"],
                ["IDX"],
            )
        ]

    def command(self) -> list[Any]:
        r, key = self.random, self.key()
        return self.any(
            lambda: ["GET", key],
            lambda: ["SET", key, self.value()],
            lambda: ["SET", key, self.value(), *self.set_options()],
            lambda: ["SET", key, self.value(), *self.set_options()],
            lambda: ["SETNX", key, self.value()],
            lambda: ["SETEX", key, self.any(0, "x", -5, 2**63 - 1, 2**61), self.value()],
            lambda: ["PSETEX", key, self.any(0, "", -5, 2**63 - 1, 2**63), self.value()],
            lambda: ["GETSET", key, self.value()],
            lambda: ["GETEX", key, *self.expiry()],
            lambda: ["GETDEL", key],
            lambda: ["MGET", *self.keys(40)],
            lambda: ["STRLEN", key],
            lambda: [self.any("MSET", "MSETNX"), *(w for k in self.keys(30) for w in (k, self.value()))],
            lambda: ["MSET", key, 1, key],
            lambda: ["APPEND", key, self.value()],
            lambda: ["SETRANGE", key, self.any(self.index(), r.randint(0, 1200), 2**29, 2**62), self.value()],
            lambda: [self.any("GETRANGE", "SUBSTR"), key, self.index(), self.index()],
            lambda: ["INCR", key],
            lambda: ["DECR", key],
            lambda: ["INCRBY", key, self.integer()],
            lambda: ["DECRBY", key, self.integer()],
            lambda: [
                "INCRBYFLOAT",
                key,
                self.any(self.integer(), 1.5, "3e2", "-1e-5", "nan", "inf", "1e5000", "0x10", "1e4000"),
            ],
            lambda: ["LCS", key, self.key(), *self.lcs_options()],
            lambda: ["GETBIT", key, self.offset()],
            lambda: ["SETBIT", key, self.offset(), self.any(0, 1, 1, 2, "x")],
            lambda: ["BITCOUNT", key, *self.bitcount_span()],
            lambda: ["BITPOS", key, self.any(0, 1, 1, 2, "x"), *self.span()],
            lambda: [
                "BITOP",
                self.any("AND", "or", "XOR", "not", "NOT", "bad"),
                *self.keys(1),
                *self.keys(20),
            ],
            lambda: ["BITOP", "NOT", self.key(), self.key()],
            lambda: ["BITFIELD", key, *self.fields()],
            lambda: ["BITFIELD_RO", key, *self.fields()],
            lambda: ["BITFIELD_RO", key, "GET", "i9", r.randint(0, 40), "GET", "u63", "#1"],
            lambda: [self.any("GET", "SET", "INCR", "MGET", "BITOP", "SETEX", "GETEX", "LCS"), *self.keys(1)],
            lambda: ["DEL", *self.keys(2)],
        )()


def is_modern(peer: Program) -> bool:
    probe = Client(peer.port, 3)
    server = probe("HELLO")[b"server"]
    probe.close()
    return server == b"valkey"


def encoding(side: Client, key: str, modern: bool) -> Any:
    name = side("OBJECT", "ENCODING", key)
    return name if modern or name != b"embstr" else b"raw"


@pytest.mark.parametrize("resp", [2, 3])
@pytest.mark.parametrize("seed", SEEDS)
def test_trace(server: Program, peer: Program, seed: int, resp: int) -> None:
    modern = is_modern(peer)
    ours, theirs = Client(server.port, resp), Client(peer.port, resp)
    for side in ours, theirs:
        side("FLUSHALL")
    trace = Trace(seed, modern)
    for number in range(COMMANDS):
        words = trace.command()
        expected, got = theirs.raw(*words), ours.raw(*words)
        assert got == expected, (number, words)
    for key in KEYS:
        for question in (["GET", key], ["PEXPIRETIME", key]):
            assert ours.raw(*question) == theirs.raw(*question), question
        assert encoding(ours, key, modern) == encoding(theirs, key, modern), key
    ours.close()
    theirs.close()
