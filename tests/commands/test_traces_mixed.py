"""Random commands of all types on the same few keys, some of them in transactions, to a real server and to ours.

The traces beside this one know a type each, with its odd arguments. Here types meet: keys change their type, are renamed,
copied, moved, sorted, expire in a far future, and most commands that are sent to a key of another type are refused. What
draws at random is left out; sets and hashes are compared without their order.

KV_TRACE_SEEDS=100 makes this, as all traces, a hundred seeds long instead of four.
"""
from __future__ import annotations

import random
from typing import Any

import pytest

from tests.commands.client import Client
from tests.commands.traces import SEEDS, two_sides, unordered
from tests.program import Program

KEYS = ["k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7"]
COMMANDS = 2500
PAIRS = {"HGETALL"}
UNORDERED = {"HKEYS", "HVALS", "SMEMBERS", "SUNION", "SINTER", "SDIFF"}


class Trace:
    """A source of random commands; the same for the same seed."""

    def __init__(self, seed: int):
        self.random = random.Random(seed)
        self.inside = 0         # commands to come before EXEC

    def any(self, *choices: Any) -> Any:
        return self.random.choice(choices)

    def key(self) -> str:
        return self.random.choice(KEYS)

    def keys(self) -> list[str]:
        return [self.key() for _ in range(self.random.randint(1, 3))]

    def small(self) -> int:
        return self.random.randint(-5, 20)

    def word(self) -> Any:
        r = self.random
        return self.any(r.randint(0, 40), f"m{r.randint(0, 30)}", f"m{r.randint(0, 30)}", "x" * r.randint(0, 80))

    def words(self) -> list[Any]:
        return [self.word() for _ in range(self.any(1, 1, 2, 5, 12))]

    def pairs(self) -> list[Any]:
        return [word for _ in range(self.any(1, 2, 6)) for word in (self.word(), self.word())]

    def scored(self) -> list[Any]:
        return [word for _ in range(self.any(1, 2, 6)) for word in (self.any(self.small(), 1.5, "-inf"), self.word())]

    def points(self) -> list[Any]:
        r = self.random
        return [word for _ in range(self.any(1, 3))
                for word in (round(r.uniform(-180, 180), 4), round(r.uniform(-80, 80), 4), self.word())]

    def identifier(self) -> str:
        return f"{self.random.randint(0, 50)}-{self.random.randint(0, 3)}"

    # -- a type each ----------------------------------------------------------------------------------------------

    def string(self) -> list[Any]:
        key = self.key()
        return self.any(
            ["SET", key, self.word()], ["SET", key, self.word(), self.any("NX", "XX", "KEEPTTL", "GET")], ["GET", key],
            ["GETDEL", key], ["APPEND", key, self.word()], ["INCRBY", key, self.small()], ["INCRBYFLOAT", key, 0.5],
            ["MGET", *self.keys()], ["MSET", key, 1, self.key(), "two"], ["SETRANGE", key, 3, "abc"], ["STRLEN", key],
            ["SETBIT", key, self.random.randint(0, 200), 1], ["BITCOUNT", key], ["BITOP", "OR", key, *self.keys()],
            ["PFADD", key, *self.words()], ["PFCOUNT", *self.keys()], ["PFMERGE", key, *self.keys()], ["GETSET", key, 7],
            ["BITFIELD", key, "INCRBY", "u5", 3, 1], ["LCS", key, self.key()])

    def list(self) -> list[Any]:
        key = self.key()
        return self.any(
            ["RPUSH", key, *self.words()], ["LPUSH", key, *self.words()], ["RPUSHX", key, *self.words()], ["LPOP", key],
            ["RPOP", key, 2], ["LRANGE", key, self.small(), self.small()], ["LINSERT", key, "BEFORE", self.word(), "new"],
            ["LSET", key, self.small(), self.word()], ["LREM", key, self.any(0, 1, -1), self.word()], ["LLEN", key],
            ["LTRIM", key, self.any(0, 1), self.any(-1, 9)], ["LMOVE", key, self.key(), "LEFT", "RIGHT"], ["LPOS", key, "m1"],
            ["LMPOP", 2, key, self.key(), "LEFT", "COUNT", 2], ["LINDEX", key, self.small()])

    def hash(self) -> list[Any]:
        key = self.key()
        return self.any(
            ["HSET", key, *self.pairs()], ["HSET", key, *self.pairs()], ["HGETALL", key], ["HDEL", key, *self.words()],
            ["HGET", key, self.word()], ["HMGET", key, *self.words()], ["HKEYS", key], ["HVALS", key], ["HLEN", key],
            ["HINCRBY", key, self.word(), 3], ["HINCRBYFLOAT", key, "f", 0.25], ["HSETNX", key, self.word(), 1],
            ["HSTRLEN", key, self.word()])

    def set(self) -> list[Any]:
        key = self.key()
        return self.any(
            ["SADD", key, *self.words()], ["SADD", key, *self.words()], ["SREM", key, *self.words()], ["SMEMBERS", key],
            ["SISMEMBER", key, self.word()], ["SMISMEMBER", key, *self.words()], ["SCARD", key],
            ["SMOVE", key, self.key(), self.word()], ["SUNION", *self.keys()], ["SINTER", *self.keys()],
            ["SDIFF", *self.keys()], [self.any("SUNIONSTORE", "SINTERSTORE", "SDIFFSTORE"), key, *self.keys()],
            ["SINTERCARD", 2, key, self.key()])

    def zset(self) -> list[Any]:
        key = self.key()
        return self.any(
            ["ZADD", key, *self.scored()], ["ZADD", key, *self.scored()], ["ZADD", key, self.any("NX", "XX", "GT"), *self.scored()],
            ["ZREM", key, *self.words()], ["ZRANGE", key, self.small(), self.small(), "WITHSCORES"],
            ["ZRANGEBYSCORE", key, self.small(), self.small()], ["ZSCORE", key, self.word()], ["ZRANK", key, self.word()],
            ["ZINCRBY", key, 2, self.word()], ["ZPOPMIN", key], ["ZPOPMAX", key, 2], ["ZCARD", key],
            [self.any("ZUNIONSTORE", "ZINTERSTORE", "ZDIFFSTORE"), key, 2, *[self.key(), self.key()]],
            [self.any("ZUNION", "ZINTER", "ZDIFF"), 2, key, self.key(), "WITHSCORES"], ["ZCOUNT", key, "-inf", self.small()],
            ["ZRANGESTORE", self.key(), key, 0, 5], ["ZREMRANGEBYRANK", key, 0, 0], ["GEOADD", key, *self.points()],
            ["GEOPOS", key, self.word()], ["GEODIST", key, self.word(), self.word()], ["GEOHASH", key, self.word()])

    def stream(self) -> list[Any]:
        key = self.key()
        return self.any(
            ["XADD", key, self.identifier(), *self.pairs()], ["XADD", key, self.identifier(), *self.pairs()],
            ["XADD", key, "MAXLEN", 5, self.identifier(), "f", 1], ["XLEN", key], ["XRANGE", key, "-", "+"],
            ["XREVRANGE", key, "+", self.identifier(), "COUNT", 2], ["XDEL", key, self.identifier()],
            ["XTRIM", key, "MAXLEN", self.random.randint(0, 8)], ["XREAD", "COUNT", 2, "STREAMS", key, self.identifier()],
            ["XGROUP", "CREATE", key, "g", self.any("$", 0)], ["XREADGROUP", "GROUP", "g", "c", "COUNT", 2, "STREAMS", key, ">"],
            ["XACK", key, "g", self.identifier()], ["XPENDING", key, "g"], ["XGROUP", "DESTROY", key, "g"])

    def any_type(self) -> list[Any]:
        key, other = self.key(), self.key()
        return self.any(
            ["DEL", *self.keys()], ["UNLINK", key], ["TYPE", key], ["EXISTS", *self.keys()], ["RENAME", key, other],
            ["RENAMENX", key, other], ["COPY", key, other, *self.any([], ["REPLACE"])], ["EXPIRE", key, 100_000],
            ["PERSIST", key], ["EXPIRE", key, -1], ["TOUCH", *self.keys()], ["DBSIZE"], ["SORT", key, "ALPHA", "LIMIT", 0, 5],
            ["SORT", key, "BY", "nosort", "STORE", other], ["SORT", key, "ALPHA", "STORE", other], ["OBJECT", "REFCOUNT", "none"])

    def command(self) -> list[Any]:
        if self.inside:
            self.inside -= 1
            if self.inside == 0:
                return [self.any("EXEC", "EXEC", "EXEC", "DISCARD")]
        elif self.random.random() < 0.03:
            self.inside = self.random.randint(1, 8)
            return ["MULTI"]
        elif self.random.random() < 0.02:
            return self.any(["WATCH", *self.keys()], ["UNWATCH"])
        kinds = [self.string, self.list, self.hash, self.set, self.zset, self.stream, self.any_type]
        return self.random.choices(kinds, [3, 3, 3, 3, 3, 2, 4])[0]()


def ask(client: Client, words: list[Any], queued: list[list[Any]]) -> Any:
    """The reply in a form that two servers must agree on. EXEC replies with what was queued."""
    if words[0] != "EXEC" or not queued:
        return settled(client.raw(*words), words)
    client.send("EXEC")
    head = client.file.readline()
    if not head.startswith(b"*") or head == b"*-1\r\n":
        return head
    return [settled(client.raw_reply(), inner) for inner in queued]


def settled(raw: bytes, words: list[Any]) -> Any:
    if words[0] in PAIRS:
        return unordered(raw, 2)
    return unordered(raw) if words[0] in UNORDERED else raw


def contents(client: Client) -> list[Any]:
    """All keys with their values and expiries."""
    found = []
    for key in sorted(client("KEYS", "*")):
        words = {"string": ["GET", key], "list": ["LRANGE", key, 0, -1], "hash": ["HGETALL", key], "set": ["SMEMBERS", key],
                 "zset": ["ZRANGE", key, 0, -1, "WITHSCORES"], "stream": ["XRANGE", key, "-", "+"]}[client("TYPE", key)]
        found.append((key, settled(client.raw(*words), words), client("TTL", key) > 0))
    return found


@pytest.mark.parametrize("resp", [2, 3])
@pytest.mark.parametrize("seed", SEEDS)
def test_trace(server: Program, peer: Program, seed: int, resp: int) -> None:
    with two_sides(server, peer, resp) as (ours, theirs, _modern):
        trace = Trace(seed)
        queued: list[list[Any]] = []
        for number in range(COMMANDS):
            words = trace.command()
            if "nosort" in words and (trace.inside or ours("TYPE", words[1]) == "set"):
                continue        # its order is each server's own
            expected, got = ask(theirs, words, queued), ask(ours, words, queued)
            assert got == expected, (number, words)
            if words[0] in ("MULTI", "EXEC", "DISCARD"):
                queued = []
            elif got == b"+QUEUED\r\n":
                queued.append(words)
            if number % 250 == 0 and trace.inside == 0:
                assert contents(ours) == contents(theirs), number
        for side in ours, theirs:
            side("DISCARD")
        assert contents(ours) == contents(theirs)
