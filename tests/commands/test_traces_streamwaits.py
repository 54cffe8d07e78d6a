"""Several clients that wait for entries of streams, on a real server and on ours: everybody must get the same reply after the
same command.

Left out, because the servers differ by design: groups whose last id is set while somebody waits (here that wakes
readers, there the next entry does), and groups waited for in several streams (see test_traces_blocking for the
places in the queues). A server of 7.0 answers otherwise when a group goes, wakes a
reader for one stream though EXEC has filled several, and does not know "+": beside it none of this is asked for."""
from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest

from tests.commands.test_traces_blocking import CLIENTS, Side
from tests.commands.test_traces_streams import ask
from tests.commands.traces import two_sides
from tests.program import Program

KEYS = ["a", "b", "c"]
GROUPS = ["g", "h"]


class Waits:
    """Random commands, of which some wait."""

    def __init__(self, seed: int, modern: bool):
        self.random = random.Random(seed)
        self.modern, self.top = modern, 0

    def waiting(self) -> list[Any]:
        r = self.random
        count = r.choice([[], [], ["COUNT", r.randint(1, 3)]])
        if r.random() < 0.5:
            noack = r.choice([[], [], ["NOACK"]])
            return ["XREADGROUP", "GROUP", r.choice(GROUPS), r.choice(["bob", "alice"]), *count, "BLOCK", 0, *noack, "STREAMS",
                    r.choice(KEYS), ">"]
        keys = r.sample(KEYS, r.randint(1, 3))
        marks = ["$", "$", f"{self.top}-0", f"{self.top + 2}-0", *["+"] * self.modern]
        return ["XREAD", *count, "BLOCK", 0, "STREAMS", *keys, *(r.choice(marks) for _ in keys)]

    def add(self, keys: Sequence[str] = KEYS) -> list[Any]:
        self.top += self.random.randint(0, 1)
        return ["XADD", self.random.choice(keys), f"{self.top}-*", "n", self.top]

    def waking(self) -> list[Any]:
        r, key = self.random, self.random.choice(KEYS)
        ending = [["DEL", key], ["XGROUP", "DESTROY", key, r.choice(GROUPS)], ["RENAME", key, r.choice(KEYS)], ["SET", key, "x"],
                  ["FLUSHALL"]] if self.modern else []
        return r.choices([self.add(), ["XDEL", key, f"{self.top}-0"], ["XTRIM", key, "MAXLEN", r.randint(0, 2)],
                          ["XGROUP", "CREATE", key, r.choice(GROUPS), "$", "MKSTREAM"],
                          ["XGROUP", "CREATE", key, r.choice(GROUPS), "0", "MKSTREAM"],
                          ["XACK", key, "g", f"{self.top}-0"], *ending],
                         [12, 1, 1, 1.5, 1.5, 1, *[0.3] * len(ending)])[0]

    def commands(self, may_wait: bool) -> list[list[Any]]:
        if may_wait and self.random.random() < 0.45:
            return [self.waiting()]
        if self.random.random() < 0.15:
            keys = KEYS if self.modern else [self.random.choice(KEYS)]
            return [["MULTI"], *(self.add(keys) for _ in range(self.random.randint(1, 4))), ["EXEC"]]
        return [self.waking()]


@pytest.mark.parametrize("resp", [2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_everybody_gets_the_same(server: Program, peer: Program, resp: int, seed: int) -> None:
    with two_sides(server, peer, resp) as (ours, theirs, modern):
        sides = Side(ours, server.port, resp), Side(theirs, peer.port, resp)
        waits = Waits(seed, modern)
        for side in sides:
            for key in KEYS:
                side.main("XGROUP", "CREATE", key, "g", "$", "MKSTREAM")
        for step in range(400):
            idle = [i for i in range(CLIENTS) if not sides[0].waits[i]]
            if not idle or len(idle) < CLIENTS and waits.random.random() < 0.05:
                leaving = waits.random.choice([i for i in range(CLIENTS) if sides[0].waits[i]])
                for side in sides:
                    side.replace(leaving)
                continue
            index, run = waits.random.choice(idle), waits.commands(len(idle) > 1)
            got = [side.step(index, run) for side in sides]
            assert got[0] == got[1], (step, index, *run)
            assert sides[0].waits == sides[1].waits, (step, index, *run)
        for key in KEYS:
            words = ["XINFO", "STREAM", key, "FULL", "COUNT", 0]
            assert ask(ours, words, modern) == ask(theirs, words, modern)
        for side in sides:
            side.close()
