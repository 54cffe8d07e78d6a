"""The same random commands on streams to a real server and to ours: replies must be equal, and so must what XINFO tells.

Ids are given, since clocks differ; times and idle times are left out of replies, and how many nodes there are: others keep
some of which all was trimmed. Nodes are bounded by entries, not bytes, of which ours take fewer, so that approximate
trimming stops at the same entries; the bound changes on the way.

Debian's server is 7.0. It does not know "+" of XREAD, counts entries-read and lag by older rules, checks XSETID's id against
the last entry first, says other words where a key of XREAD has no id, and makes a consumer only when that is given
something: so consumers of nothing are left out beside it. All of this is compared where the peer is 8.1
(KV_TEST_PEER=/path/valkey-server)."""
from __future__ import annotations

import random
from typing import Any

import pytest

from tests.commands.client import Client
from tests.commands.traces import SEEDS, two_sides
from tests.program import Program

KEYS = ["a", "b", "text", "none"]
COMMANDS = 2500
OWN = {b"idle", b"inactive", b"seen-time", b"active-time", b"radix-tree-keys", b"radix-tree-nodes"}
NEWER = {b"entries-read", b"lag"}
MOST = "18446744073709551615"


class Trace:
    """Random commands; a good part of what is random about them is wrong."""

    def __init__(self, seed: int, modern: bool):
        self.random = random.Random(seed)
        self.modern = modern
        self.top = 10       # about the highest ms given

    def any(self, *choices: Any) -> Any:
        return self.random.choice(choices)

    def rarely(self, *words: Any) -> list[Any]:
        return list(words) if self.random.random() < 0.05 else []

    def key(self) -> str:
        return self.random.choices(KEYS, [12, 6, 1, 1])[0]

    def known_id(self) -> str:
        return f"{self.random.randint(max(0, self.top - 30), self.top)}-{self.random.randint(0, 3)}"

    def wrong_id(self) -> str:
        return self.any("x", "", "-", "+", "1-", "-1", "1-2-3", "*", "$", ">", "1-x", " 1",
                        "01", "1 ", MOST + "0", "1--1", "(", "+5-+1")

    def id(self) -> str:
        return self.random.choices([self.known_id(), str(self.random.randint(0, self.top)), f"0-{self.random.randint(0, 3)}",
                                    f"{MOST}-{MOST}", self.wrong_id()], [30, 5, 2, 0.3, 1])[0]

    def limit(self) -> str:
        return self.any("-", "+", self.id(), self.id(), "(" + self.id(), self.known_id())

    def count(self) -> Any:
        return self.random.choices([self.random.randint(1, 8), 0, 1000, -1, "x", ""], [20, 1, 3, 1, 0.3, 0.3])[0]

    def counted(self) -> list[Any]:
        return self.any([], [], ["COUNT", self.count()], ["count", self.count()], self.rarely("COUNT"))

    def new_id(self) -> str:
        r = self.random
        if r.random() < 0.5:
            self.top += r.randint(0, 2)
        return r.choices([f"{self.top}-*", f"{self.top}-{r.randint(0, 9)}", str(self.top + 1), self.id()], [8, 6, 2, 1])[0]

    def word(self) -> Any:
        return self.any("v", self.random.randint(-70, 70), 2**40, "", "01", "x" * 130, bytes([0, 255, 13, 10]), "value", 4096)

    def fields(self) -> list[Any]:
        names = self.any(["f"], ["f", "g"], ["f", "g"], ["g", "f"], ["7", "f", "f"], [])
        return [word for name in names for word in (name, self.word())] + self.rarely("odd")

    def trim(self) -> list[Any]:
        kind, about = self.any("MAXLEN", "maxlen", "MINID"), self.any([], ["="], ["~"], ["~"])
        threshold = self.id() if kind == "MINID" else self.any(0, 3, 10, 25, 60, *self.rarely(-1, "x"))
        limit = ["LIMIT", self.any(0, 1, 5, 20, *self.rarely(-1, "x"))] if about == ["~"] and self.random.random() < 0.4 else []
        return [kind, *about, threshold, *limit, *self.rarely("LIMIT", 3), *self.rarely("MINID", "~", 3)]

    def add(self) -> list[Any]:
        options = self.any([], [], [], [], self.trim(), ["NOMKSTREAM"], self.trim() + ["nomkstream"])
        return ["XADD", self.key(), *options, self.new_id(), *self.fields()]

    def group(self) -> str:
        return self.random.choices(["g", "h", "nogroup"], [10, 4, 1])[0]

    def consumer(self) -> str:
        return self.any("alice", "bob", "bo", "")

    def odd(self) -> list[Any]:
        """A key without an id, which 7.0 complains about in other words."""
        return self.rarely("x") if self.modern else []

    def read(self) -> list[Any]:
        keys = [self.key() for _ in range(self.any(1, 1, 2, 3))]
        marks = ["$", *["+"] * self.modern]
        ids = [self.any(self.id(), "0", self.any(*marks), *self.rarely(">")) for _ in keys]
        if not self.modern:
            ids = ["0" if id == "+" else id for id in ids]
        return ["XREAD", *self.counted(), *self.rarely("NOACK"), *self.rarely("GROUP", "g", "bob"), "STREAMS", *keys, *ids,
                *self.odd()]

    def read_group(self) -> list[Any]:
        keys = [self.random.choices(KEYS, [20, 6, 1, 1])[0] for _ in range(self.any(1, 1, 1, 2))]
        ids = [self.any(">", ">", ">", "0", self.id(), *self.rarely("$")) for _ in keys]
        if not self.modern:
            ids = ["0" if id == "+" else id for id in ids]
        return ["XREADGROUP", *([] if self.rarely(1) else ["GROUP", self.group(), self.consumer()]), *self.counted(),
                *self.any([], [], ["NOACK"]), "STREAMS", *keys, *ids, *self.odd()]

    def claim(self) -> list[Any]:
        options = self.any([], [], ["JUSTID"], ["FORCE"], ["FORCE", "JUSTID"], ["RETRYCOUNT", self.any(0, 5, -3, "x")],
                           ["IDLE", self.any(0, 1000, -5, "x")], ["TIME", self.any(0, 10**15, "x")], ["LASTID", self.id()],
                           ["nope"], ["IDLE"])
        return ["XCLAIM", self.key(), self.group(), self.consumer(), self.any(0, 0, 0, 10**9, -1, "x"),
                *(self.id() for _ in range(self.random.randint(1, 5))), *options]

    def auto_claim(self) -> list[Any]:
        return ["XAUTOCLAIM", self.key(), self.group(), self.consumer(), self.any(0, 0, 10**9, -1, *self.rarely("x")),
                self.any("-", "0", self.id(), "(" + self.id()), *self.counted(), *self.any([], [], ["justid"])]

    def pending(self) -> list[Any]:
        if self.random.random() < 0.3:
            return ["XPENDING", self.key(), self.group(), *self.rarely("-")]
        idle = self.any([], [], ["IDLE", self.any(0, 10**9, *self.rarely("x"))])
        return ["XPENDING", self.key(), self.group(), *idle, self.limit(), self.limit(), self.count(),
                *self.any([], [self.consumer()], self.rarely("bob", "bob"))]

    def groups(self) -> list[Any]:
        reads = self.any([], [], ["ENTRIESREAD", self.any(0, 3, -1, -2, 50, "x")])
        at = self.any("$", "0", "0-0", self.id())
        return ["XGROUP", *self.any(
            ["CREATE", self.key(), self.group(), at, *self.any([], ["MKSTREAM"]), *reads, *self.rarely("x")],
            ["CREATE", self.key(), self.group(), at, *reads], ["SETID", self.key(), self.group(), at, *reads],
            ["DESTROY", self.key(), self.any("h", "h", "nogroup", *self.rarely("g"))],
            ["CREATECONSUMER", self.key(), self.group(), self.consumer()],
            ["DELCONSUMER", self.key(), self.group(), self.consumer()], ["SETID", self.key(), self.group(), at, "MKSTREAM"])]

    def info(self) -> list[Any]:
        return ["XINFO", *self.any(["STREAM", self.key()], ["STREAM", self.key(), "FULL", *self.counted()], ["GROUPS", self.key()],
                                   ["CONSUMERS", self.key(), self.group()], ["STREAM", self.key(), "x"])]

    def set_id(self) -> list[Any]:
        added, deleted = ["ENTRIESADDED", self.any(0, 10, 1000, -1)], ["MAXDELETEDID", self.id()]
        return ["XSETID", self.key(), self.any(f"{self.top}-50", *[self.id()] * self.modern),
                *self.any([], added + deleted, deleted + added)]

    def plain(self) -> list[Any]:
        key = self.key()
        return self.any(["XLEN", key], ["XDEL", key, *(self.id() for _ in range(self.random.randint(1, 6)))],
                        ["XDEL", key, *(f"{self.top - n}-{self.any(0, 1)}" for n in range(12))],
                        ["XTRIM", key, *self.any(self.trim(), self.trim(), self.rarely("x"))],
                        ["XRANGE", key, self.limit(), self.limit(), *self.counted()],
                        ["XREVRANGE", key, self.limit(), self.limit(), *self.counted()],
                        ["XACK", key, self.group(), *(self.id() for _ in range(self.random.randint(1, 4)))],
                        ["CONFIG", "SET", "stream-node-max-entries", self.any(1, 3, 10, 0)],
                        ["COPY", "a", "b", *self.any([], [], ["REPLACE"])], ["TYPE", key], ["OBJECT", "ENCODING", key],
                        *self.rarely(["DEL", key]), *self.rarely(["SET", "text", "x"]))

    def command(self) -> list[Any]:
        kinds = [self.add, self.plain, self.read, self.read_group, self.claim, self.auto_claim, self.pending, self.groups,
                 self.info, self.set_id]
        return self.random.choices(kinds, [30, 20, 6, 14, 5, 5, 5, 5, 4, 1])[0]()


def figures(reply: Any, modern: bool) -> Any:
    """XINFO's names and figures without what is each server's own and, beside an old server, what is told otherwise."""
    if isinstance(reply, dict):
        reply = [part for pair in reply.items() for part in pair]
    if not isinstance(reply, list):
        return reply
    if reply and reply[0] in (b"name", b"length"):
        found = [(name, figures(value, modern)) for name, value in zip(reply[::2], reply[1::2], strict=True)
                 if name not in OWN and (modern or name not in NEWER)]
        if not modern:
            found = [(name, [one for one in value if (b"pel-count", 0) not in one]
                      if name == b"consumers" and isinstance(value, list) else value)
                     for name, value in found if not (name == b"consumers" and isinstance(value, int))]
        return found
    return [figures(part, modern) for part in reply]


def without_times(pending: Any) -> Any:
    """The pending entries that XINFO STREAM FULL lists: [id, consumer, time, count] or [id, time, count]."""
    if isinstance(pending, list):
        if len(pending) in (3, 4) and isinstance(pending[-1], int) and isinstance(pending[-2], int):
            return [*pending[:-2], pending[-1]]
        return [without_times(part) for part in pending]
    if isinstance(pending, tuple):
        return tuple(without_times(part) for part in pending)
    return pending


def ask(client: Client, words: list[Any], modern: bool) -> Any:
    if words[0] == "XINFO":
        shown = without_times(figures(client(*words), modern))
        if words[1] == "CONSUMERS" and not modern and isinstance(shown, list):
            return [one for one in shown if (b"pending", 0) not in one]
        return shown
    if words[1] == "CREATECONSUMER" and not modern:
        return isinstance(client(*words), int)
    if words[0] == "XPENDING":
        return without_times(client(*words))
    return client.raw(*words)


def contents(client: Client, modern: bool) -> Any:
    return [ask(client, ["XINFO", "STREAM", key, "FULL", "COUNT", 0], modern) for key in ("a", "b")]


@pytest.mark.parametrize("resp", [2, 3])
@pytest.mark.parametrize("seed", SEEDS)
def test_trace(server: Program, peer: Program, seed: int, resp: int) -> None:
    with two_sides(server, peer, resp) as (ours, theirs, modern):
        for side in ours, theirs:
            side("CONFIG", "SET", "stream-node-max-entries", 10, "stream-node-max-bytes", 0)
            side("SET", "text", "x")
        trace = Trace(seed, modern)
        for number in range(COMMANDS):
            words = trace.command()
            assert ask(ours, words, modern) == ask(theirs, words, modern), (number, *words)
            if number % 50 == 0:
                assert contents(ours, modern) == contents(theirs, modern), number
        assert contents(ours, modern) == contents(theirs, modern)
        ours("CONFIG", "SET", "stream-node-max-entries", 100, "stream-node-max-bytes", 4096)
