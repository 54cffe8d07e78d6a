"""What the traces of random commands on collections share: two servers asked the same, answers without an order
sorted."""
from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.commands.client import Client, Map
from tests.program import Program

SEEDS = range(int(os.environ.get("KV_TRACE_SEEDS", "4")))      # of each trace; a hundred are 2.5 million commands


def is_modern(peer: Client) -> bool:
    """Whether the peer is Valkey 8.1. Its client speaks RESP3 from here on."""
    reply = peer("HELLO", 3)
    return isinstance(reply, Map) and reply.get(b"server") == b"valkey"


@contextmanager
def two_sides(server: Program, peer: Program, resp: int) -> Iterator[tuple[Client, Client, bool]]:
    """Clients of our server and of the peer, both empty; whether the peer is 8.1."""
    probe = Client(peer.port)
    modern = is_modern(probe)
    probe.close()
    sides = Client(server.port, resp), Client(peer.port, resp)
    for side in sides:
        side("FLUSHALL")
    yield sides[0], sides[1], modern
    for side in sides:
        side.close()


def bulks(raw: bytes) -> list[bytes]:
    """The strings of a flat array, set or map reply, in order."""
    found, at = [], raw.index(b"\r\n") + 2
    while at < len(raw):
        stop = raw.index(b"\r\n", at)
        length = int(raw[at + 1:stop])
        found.append(raw[stop + 2:stop + 2 + length])
        at = stop + length + 4
    return found


def unordered(raw: bytes, words: int = 1) -> Any:
    """A flat reply as its head and its units of so many strings, sorted; an error as it is."""
    if raw[:1] not in b"*~%" or raw[1:2] == b"-":
        return raw
    strings = bulks(raw)
    return raw.split(b"\r\n")[0], sorted(tuple(strings[i:i + words]) for i in range(0, len(strings), words))


def scan_all(client: Client, name: str, key: Any, *options: Any, words: int = 1) -> list[tuple[bytes, ...]]:
    """What a whole scan of a value returns, each unit once."""
    found: set[tuple[bytes, ...]] = set()
    cursor: Any = 0
    while True:
        cursor, part = client(name, key, cursor, *options)
        found.update(tuple(part[i:i + words]) for i in range(0, len(part), words))
        if cursor == b"0":
            return sorted(found)
