"""Several clients that wait and wake each other, on a real server and on ours: everybody must get the same reply after the
same command.

After each command both servers are asked to PING, so that who was served by it has its reply; who has none waits.
What is left out, since the servers differ by design: in Valkey and Redis a client that is tried in vain goes to
the end of its key's queue; here it keeps its place. So no change wakes a client that still finds nothing: keys whose
lists vanish inside a transaction are not made.
"""
from __future__ import annotations

import random
import select
import time
from typing import Any

import pytest

from tests.commands.client import Client
from tests.commands.traces import SEEDS, two_sides
from tests.program import Program

CLIENTS = 6
KEYS = ["a", "b", "c", "d"]
SETS = ["x", "y", "z"]


class Side:
    """A server with its clients, some of which wait."""

    def __init__(self, main: Client, port: int, resp: int):
        self.main, self.port, self.resp = main, port, resp
        self.clients = [Client(port, resp) for _ in range(CLIENTS)]
        self.ids = [client("CLIENT", "ID") for client in self.clients]
        self.waits = [False] * CLIENTS

    def waiting(self, index: int) -> bool:
        """Whether a client that was sent a command waits; it has its reply where not."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if select.select([self.clients[index].socket], [], [], 0)[0]:
                return False
            line = self.main("CLIENT", "LIST", "ID", self.ids[index]).decode()
            if "flags=b" in line:
                return not select.select([self.clients[index].socket], [], [], 0)[0]
        raise AssertionError("the client neither waits nor answers")

    def step(self, index: int, commands: list[list[Any]]) -> dict[int, list[bytes]]:
        """Have a client run commands, the last of which may wait; the replies that anybody got."""
        client = self.clients[index]
        got: dict[int, list[bytes]] = {index: [client.raw(*words) for words in commands[:-1]]}
        client.send(*commands[-1])
        self.waits[index] = True
        self.waiting(index)
        self.main("PING")
        for other, waiter in enumerate(self.clients):
            if self.waits[other] and not self.waiting(other):
                got.setdefault(other, []).append(waiter.raw_reply())
                self.waits[other] = False
        return got

    def replace(self, index: int) -> None:
        """The client leaves, and another one takes its place."""
        self.clients[index].close()
        while f"id={self.ids[index]} " in self.main("CLIENT", "LIST").decode():
            time.sleep(0.001)
        self.clients[index] = Client(self.port, self.resp)
        self.ids[index] = self.clients[index]("CLIENT", "ID")
        self.waits[index] = False

    def close(self) -> None:
        for client in self.clients:
            client.close()


def waiting_command(r: random.Random, modern: bool) -> list[Any]:
    timeout = 0
    keys = r.sample(KEYS, r.randint(1, 3))
    sets = r.sample(SETS, r.randint(1, 2))
    target = r.choice(KEYS) if modern else "sink"
    return r.choice([
        [r.choice(["BLPOP", "BRPOP"]), *keys, timeout],
        [r.choice(["BLPOP", "BRPOP"]), keys[0], keys[0], timeout],
        ["BLMOVE", keys[0], target, r.choice(["LEFT", "RIGHT"]), r.choice(["LEFT", "RIGHT"]), timeout],
        ["BRPOPLPUSH", keys[0], target, timeout],
        ["BLMPOP", timeout, len(keys), *keys, r.choice(["LEFT", "RIGHT"]), "COUNT", r.randint(1, 3)],
        [r.choice(["BZPOPMIN", "BZPOPMAX"]), *sets, timeout],
        ["BZMPOP", timeout, len(sets), *sets, r.choice(["MIN", "MAX"]), "COUNT", r.randint(1, 3)],
    ])


def waking_command(r: random.Random) -> list[Any]:
    key, name = r.choice(KEYS), r.choice(SETS)
    return r.choices([
        [r.choice(["LPUSH", "RPUSH"]), key, *[r.randint(0, 99) for _ in range(r.randint(1, 4))]],
        ["ZADD", name, *[x for _ in range(r.randint(1, 3)) for x in (r.randint(0, 5), f"m{r.randint(0, 9)}")]],
        ["RENAME", r.choice(KEYS), key], ["LPOP", key], ["ZPOPMIN", name], ["DEL", key], ["SET", "text", 1],
        ["ZUNIONSTORE", name, 2, *r.sample(SETS, 2)], ["LMOVE", r.choice(KEYS), key, "LEFT", "RIGHT"],
        ["LPUSH", "text", 1], ["COPY", r.choice(KEYS), key],
    ], [8, 6, 2, 1, 1, 1, 0.3, 1, 2, 0.3, 1])[0]


def commands(r: random.Random, may_wait: bool, modern: bool) -> list[list[Any]]:
    """7.0 serves who waits for several keys from the one that changed first, 8.1 from the first that he named: beside 7.0
    no command makes more than one ready."""
    if may_wait and r.random() < 0.45:
        return [waiting_command(r, modern)]
    if r.random() < 0.15:
        pushes = [["RPUSH", key, r.randint(0, 99)] for key in r.sample(KEYS, r.randint(1, 3) if modern else 1)]
        return [["MULTI"], *pushes, ["EXEC"]]
    return [waking_command(r)]


@pytest.mark.parametrize("resp", [2, 3])
@pytest.mark.parametrize("seed", SEEDS)
def test_everybody_gets_the_same(server: Program, peer: Program, resp: int, seed: int) -> None:
    r = random.Random(seed)
    with two_sides(server, peer, resp) as (ours, theirs, modern):
        sides = Side(ours, server.port, resp), Side(theirs, peer.port, resp)
        for step in range(400):
            idle = [i for i in range(CLIENTS) if not sides[0].waits[i]]
            if len(idle) < CLIENTS and r.random() < 0.05:
                leaving = r.choice([i for i in range(CLIENTS) if sides[0].waits[i]])
                for side in sides:
                    side.replace(leaving)
                continue
            index, run = r.choice(idle), commands(r, len(idle) > 1, modern)
            got = [side.step(index, run) for side in sides]
            assert got[0] == got[1], (step, index, run)
            assert sides[0].waits == sides[1].waits, (step, index, run)
        for key in KEYS + SETS:
            name = ["LRANGE", key, 0, -1] if key in KEYS else ["ZRANGE", key, 0, -1, "WITHSCORES"]
            assert ours.raw(*name) == theirs.raw(*name)
        for side in sides:
            side.close()
