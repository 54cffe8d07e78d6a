"""An engine in the test's own process and a client of it over a pair of sockets: what stands behind the
replies (effects, counters, memory, invariants) is in reach."""
from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from kv._core.engine import inspect, sessions
from kv._core.engine.engine import Engine
from kv._core.engine.feed import Feed
from kv._core.engine.loop import Loop
from kv._core.engine.snapshot import Snapshot
from tests.commands.client import Client, request

loops: dict[int, Loop] = {}      # by the engine's id; a loop keeps its engine


def loop_of(engine: Engine) -> Loop:
    """The loop that serves an engine's sockets."""
    if id(engine) not in loops:
        loops[id(engine)] = Loop(engine)
    return loops[id(engine)]


def run(engine: Engine, *commands: list) -> list:
    """Run commands in a session that begins on database 0; their replies."""
    with engine.session() as session:
        return [session.execute(*words) for words in commands]


def rewritten(engine: Engine, keys: int = 0) -> bytes:
    """The dataset as commands, saved so many keys a step (0: all in one)."""
    fd = os.memfd_create("base")
    try:
        snapshot = Snapshot(engine, fd)
        while snapshot.step(keys=keys):
            pass
        return os.pread(fd, snapshot.written + 1, 0)
    finally:
        os.close(fd)


class Stream:
    """The reading side: whoever waits for bytes runs the engine."""

    def __init__(self, ours: socket.socket, loop: Loop):
        self.ours, self.loop, self.buffer = ours, loop, b""

    def fill(self) -> None:
        for _ in range(1000):
            self.loop.turn(0)
            self.loop.send()
            try:
                data = self.ours.recv(1 << 20)
            except BlockingIOError:
                continue
            if not data:
                raise ConnectionError("the engine has closed the connection")
            self.buffer += data
            return
        raise TimeoutError("no reply")

    def read(self, length: int) -> bytes:
        while len(self.buffer) < length:
            self.fill()
        data, self.buffer = self.buffer[:length], self.buffer[length:]
        return data

    def readline(self) -> bytes:
        while b"\n" not in self.buffer:
            self.fill()
        return self.read(self.buffer.index(b"\n") + 1)

    def close(self) -> None:
        self.buffer = b""


class Embedded(Client):
    """A client whose server is `engine`."""

    def __init__(self, engine: Engine, resp: int):
        self.socket, theirs = socket.socketpair()
        self.socket.setblocking(False)
        theirs.setblocking(False)
        self.engine, self.resp, self.loop = engine, resp, loop_of(engine)
        self.feed: Feed | None = None       # of its effects, while they are gathered
        self.file: Any = Stream(self.socket, self.loop)
        self.id = self.loop.attach(theirs.detach(), "test:1", "test:2")
        self.session = sessions.session(engine, self.id)
        self.session.resp = resp

    def send(self, *words: Any) -> None:
        data = request(*words)
        while data:
            try:
                data = data[self.socket.send(data):]
            except BlockingIOError:
                self.loop.turn(0)

    def effects(self) -> list[list[str]]:
        """What went to the AOF and replicas since the last call, without SELECTs of database 0."""
        assert self.feed is not None
        commands = self.feed.commands()
        self.feed.restart()
        found = [[word.decode("latin-1") for word in words] for words in commands]
        return [words for words in found if words != ["SELECT", "0"]]

    def figures(self) -> dict[str, Any]:
        return inspect.statistics(self.engine)

    def used_memory(self) -> int:
        return inspect.memory_figures(self.engine)["used"]


@pytest.fixture(scope="module")
def embedded_engine() -> Engine:
    return Engine(None, seed=1)


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def kv(embedded_engine: Engine, request: pytest.FixtureRequest) -> Iterator[Embedded]:
    """A client of an empty engine whose effects are gathered. The databases' invariants are checked after the
    test."""
    client = Embedded(embedded_engine, request.param)
    client("FLUSHALL")
    with client.engine.feed(limit=0) as client.feed:
        yield client
    inspect.check(client.engine)
    client.close()
    client.loop.turn(0)
    client.loop.send()
