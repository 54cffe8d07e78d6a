"""The same random commands on sorted sets to a real server and to ours: replies must be equal byte for byte, and so
must the data and their encodings be.

Limits of the small encoding change on the way, so that every key meets conversions. Draws are checked by what they
may answer, scans are compared sorted. Members of the key that is asked by name have one score, for which alone order
by name is defined. Debian's server is 7.0; what came later (WITHSCORE, NOSCORES, the shortest digits of a score,
today's rules for the encoding, which the sign of a zero tells) is generated only for a peer that is 8.1
(KV_TEST_PEER=/path/valkey-server).
"""
from __future__ import annotations

import random
from typing import Any

import pytest

from tests.commands.client import Client
from tests.commands.traces import SEEDS, is_modern
from tests.program import Program

KEYS = ["a", "b", "c", "text", "none"]
COMMANDS = 2500
UNORDERED = {"ZRANDMEMBER", "ZSCAN"}


class Trace:
    """Random commands; half of what is random about them is wrong."""

    def __init__(self, seed: int, modern: bool):
        self.random = random.Random(seed)
        self.modern = modern

    def any(self, *choices: Any) -> Any:
        return self.random.choice(choices)

    def key(self) -> str:
        return self.random.choices(KEYS, [6, 6, 4, 1, 1])[0]

    def score(self) -> Any:
        r = self.random
        kind = r.random()
        if kind < 0.5:
            return r.randint(-9, 9)
        if kind < 0.8:
            return r.choice([0.5, -2.25, 1e10, 3.125] + [1e-7, 0.1, 123456.789, -1e300, 2**63] * self.modern)
        return self.any("inf", "-inf", "+inf", "1e3", "0x10", ".5", "5.", 2**53, "nan", "x", "", " 1", "1e400", "1 ",
                        *["-0", "3.0e-320", 12345678901234567890] * self.modern)

    def member(self) -> Any:
        return self.any(self.random.randint(0, 30), f"m{self.random.randint(0, 30)}", "", "01", -5, "x" * 70,
                        bytes([0, 255]), 2**40)

    def limit(self) -> Any:
        return self.any("", "", "(") + str(self.score())

    def name(self) -> Any:
        return self.any("-", "+", "[m1", "(m1", "[m2", "(m28", "[", "(", "[7", "[m", "bad", "", "+x", "[zz")

    def index(self) -> Any:
        return self.any(*range(-8, 9), 0, -1, 100, -100, "x")

    def page(self) -> list[Any]:
        return self.any([], [], ["LIMIT", self.any(0, 1, 3, 50), self.any(0, 1, 2, 5, -1, -3)], ["LIMIT", 1], ["limit", "x", 1])

    def scores_word(self) -> list[str]:
        return self.any([], ["WITHSCORES"], ["withscores"])

    def pairs(self) -> list[Any]:
        count = self.random.choices([1, 2, 5, 20], [6, 3, 2, 1])[0]
        return [word for _ in range(count) for word in (self.score(), self.member())]

    def good_pairs(self) -> list[Any]:
        return [word for _ in range(self.random.randint(1, 12))
                for word in (self.random.randint(-20, 20) / 4, self.member())]

    def add(self) -> list[Any]:
        options = self.any([], [], [], ["NX"], ["xx"], ["GT"], ["LT"], ["CH"], ["CH", "GT"], ["XX", "LT", "CH"], ["NX", "XX"],
                           ["NX", "GT"], ["GT", "LT"], ["no"])
        incr = ["INCR"] * (self.random.random() < 0.15)
        pairs = self.any(self.pairs(), self.good_pairs(), self.good_pairs())
        return self.any(["ZADD", self.key(), *options, *incr, *pairs], ["ZADD", self.key(), *self.good_pairs()],
                        ["ZADD", "names", *[word for _ in range(4) for word in (0, f"m{self.random.randint(0, 30)}")]],
                        ["ZINCRBY", self.key(), self.score(), self.member()],
                        ["ZADD", self.key(), *options, *incr, 1, self.member()], ["ZADD", self.key(), 1])

    def ask(self) -> list[Any]:
        key, member = self.key(), self.member()
        more = self.any([], ["WITHSCORE"], ["withscore"], ["no"], ["WITHSCORE", 1]) if self.modern else []
        return self.any(
            ["ZSCORE", key, member], ["ZMSCORE", key, member, self.member()], ["ZCARD", key],
            [self.any("ZRANK", "ZREVRANK"), key, member, *more], ["ZCOUNT", key, self.limit(), self.limit()],
            ["ZLEXCOUNT", "names", self.name(), self.name()], ["TYPE", key], ["EXISTS", key])

    def range(self) -> list[Any]:
        key, scores, page = self.key(), self.scores_word(), self.page()
        by_rank = [self.index(), self.index()]
        by_score = [self.limit(), self.limit()]
        by_name = [self.name(), self.name()]
        reverse = self.any([], ["REV"], ["rev"])
        forms = [
            [key, *by_rank, *reverse, *scores], [key, *by_score, "BYSCORE", *reverse, *page, *scores],
            ["names", *by_name, "BYLEX", *reverse, *page], [key, *by_rank, *page, *reverse],
            ["names", *by_name, "BYLEX", *scores], [key, *by_score, "BYSCORE", "BYLEX"], [key, *by_rank, "no"]]
        if self.random.random() < 0.2:
            return ["ZRANGESTORE", self.key(), *self.any(*forms)]
        return self.any(
            *[["ZRANGE", *form] for form in forms], ["ZREVRANGE", key, *by_rank, *scores],
            [self.any("ZRANGEBYSCORE", "ZREVRANGEBYSCORE"), key, *by_score, *scores, *page],
            [self.any("ZRANGEBYLEX", "ZREVRANGEBYLEX"), "names", *by_name, *page])

    def remove(self) -> list[Any]:
        key = self.key()
        return self.any(
            ["ZREM", key, *[self.member() for _ in range(self.random.randint(1, 5))]],
            ["ZREMRANGEBYRANK", key, self.any(-3, -1, 0, 2, 5, 50), self.any(-2, -1, 3, 60, "x")],
            ["ZREMRANGEBYSCORE", key, self.limit(), self.limit()],
            ["ZREMRANGEBYLEX", "names", self.name(), self.name()],
            [self.any("ZPOPMIN", "ZPOPMAX"), key, *self.any([], [], [2], [0], [-1], ["x"], [100], [1, 2])],
            ["ZMPOP", *self.any([1, key], [2, key, self.key()], [0, key], ["x"], [3, key]), self.any("MIN", "max", "no"),
             *self.any([], ["COUNT", 2], ["COUNT", 0], ["COUNT"], ["COUNT", 1, "COUNT", 1], ["count", 50],
                       ["no", 1])])

    def combine(self) -> list[Any]:
        count = self.random.randint(1, 3)
        keys = [self.key() for _ in range(count)]
        factors = [self.any(1, 2, 0, 0.5, "inf", *[-1] * self.modern) for _ in keys]
        weights = self.any([], [], ["WEIGHTS", *factors], ["WEIGHTS", *["x"] * count], ["WEIGHTS"])
        how = self.any([], ["AGGREGATE", self.any("SUM", "min", "MAX", "no")], ["AGGREGATE"])
        number = self.random.choices([count, 0, -1, 9, "x"], [20, 1, 1, 1, 1])[0]
        verb = self.any("ZUNION", "ZINTER", "ZDIFF", "ZINTER", "ZUNION", "ZINTERCARD")
        if verb == "ZINTERCARD":
            return [verb, number, *keys, *self.any([], ["LIMIT", self.any(0, 1, 3, -1, "x")], ["no"])]
        options = [*weights, *how] if verb != "ZDIFF" or self.random.random() < 0.1 else []
        if self.random.random() < 0.5:
            return [verb + "STORE", self.key(), number, *keys, *options]
        return [verb, number, *keys, *options, *self.scores_word()]

    def draw(self) -> list[Any]:
        return ["ZRANDMEMBER", self.key(), *self.any([], [2], [-3], [0], [100], [5, "WITHSCORES"], ["x"], [2, "no"],
                                                     [-2, "withscores"], [-2**63], [-2**63 + 1, "WITHSCORES"])]

    def scan(self) -> list[Any]:
        options = self.any([], ["COUNT", 1000], ["MATCH", "m*"], ["MATCH", "*1*", "COUNT", 500], ["COUNT", 0], ["no"])
        if self.modern:
            options = self.any(options, [*options, "NOSCORES"])
        return ["ZSCAN", self.key(), 0, *["COUNT", 1000] * ("COUNT" not in options), *options]

    def other(self) -> list[Any]:
        key = self.key()
        return self.any(
            ["CONFIG", "SET", "zset-max-listpack-entries", self.any(0, 3, 10, 128)],
            ["CONFIG", "SET", "zset-max-ziplist-value", self.any(2, 64, 64, 100)], ["COPY", key, self.key(), "REPLACE"],
            ["DEL", key], ["RENAME", key, self.any("a", "b")], ["SET", "text", "x"], ["PEXPIRE", key, 10**9], ["PERSIST", key],
            ["ZADD"], ["ZMSCORE", key], ["ZRANGE", key])

    def command(self) -> list[Any]:
        kinds = [self.add, self.ask, self.range, self.remove, self.combine, self.draw, self.scan, self.other]
        return self.random.choices(kinds, [8, 5, 8, 4, 4, 1, 1, 1])[0]()


def contents(client: Client, modern: bool) -> list[Any]:
    """All of it; with the encodings, where both have the same rules for them."""
    keys = sorted(client("KEYS", "*"))
    return [(key, modern and client("OBJECT", "ENCODING", key), client("PTTL", key) == -1,
             client.raw("ZRANGE", key, 0, -1, "WITHSCORES")) for key in keys if key not in (b"text", b"names")]


def drawn(client: Client, words: list[Any]) -> Any:
    """How many there are, and whether each is a member with its score, as often as it may be."""
    reply = client(*words)
    if isinstance(reply, str) or reply is None:
        return reply
    if isinstance(reply, bytes):
        return client("ZSCORE", words[1], reply) is not None
    members = [client(words[0], words[1], 1)] and reply
    if len(words) > 3:
        members = [pair[0] for pair in reply] if client.resp == 3 else reply[::2]
    known = all(client("ZSCORE", words[1], member) is not None for member in members)
    return len(reply), known, str(words[2]).startswith("-") or len(set(members)) == len(members)


def scanned(client: Client, words: list[Any]) -> Any:
    reply = client(*words)
    if isinstance(reply, str):
        return reply
    cursor, found = reply
    if "NOSCORES" in words:
        return cursor, sorted(found)
    return cursor, sorted(zip(found[::2], found[1::2], strict=True))


def ask(client: Client, words: list[Any]) -> Any:
    if words[0] == "ZRANDMEMBER":
        return drawn(client, words)
    if words[0] == "ZSCAN":
        return scanned(client, words)
    return client.raw(*words)


@pytest.mark.parametrize("resp", [2, 3])
@pytest.mark.parametrize("seed", SEEDS)
def test_trace(server: Program, peer: Program, seed: int, resp: int) -> None:
    probe = Client(peer.port)
    modern = is_modern(probe)
    probe.close()
    ours, theirs = Client(server.port, resp), Client(peer.port, resp)
    for side in ours, theirs:
        side("FLUSHALL")
        side("CONFIG", "SET", "zset-max-listpack-entries", 128, "zset-max-listpack-value", 64)
        side("SET", "text", "x")
    trace = Trace(seed, modern)
    for number in range(COMMANDS):
        words = trace.command()
        assert ask(ours, words) == ask(theirs, words), (number, words)
        if number % 50 == 0:
            assert contents(ours, modern) == contents(theirs, modern), number
    assert contents(ours, modern) == contents(theirs, modern)
    ours("CONFIG", "SET", "zset-max-listpack-entries", 128, "zset-max-listpack-value", 64)
    ours.close()
    theirs.close()
