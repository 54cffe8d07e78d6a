"""An engine in the test's own process and a client of it over a pair of sockets: what stands behind the
replies (effects, counters, memory, invariants) is in reach."""
from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from kv._core.engine.engine import Engine

from kv._core.engine import inspect, sessions
from tests.commands.client import Client, request


class Stream:
    """The reading side: whoever waits for bytes runs the engine."""

    def __init__(self, ours: socket.socket, engine: Engine):
        self.ours, self.engine, self.buffer = ours, engine, b""

    def fill(self) -> None:
        for _ in range(1000):
            self.engine.turn(0)
            self.engine.send()
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
        self.engine, self.resp = engine, resp
        self.file: Any = Stream(self.socket, engine)
        self.id = engine.attach(theirs.detach(), "test:1", "test:2")
        self.session = sessions.session(engine, self.id)
        self.session.resp = resp

    def send(self, *words: Any) -> None:
        data = request(*words)
        while data:
            try:
                data = data[self.socket.send(data):]
            except BlockingIOError:
                self.engine.turn(0)

    def effects(self) -> list[list[str]]:
        """What went to the AOF and replicas since the last call, without SELECTs of database 0."""
        stream = Stream(self.socket, self.engine)
        stream.buffer = bytes(self.engine.effects())
        self.engine.effects_taken()
        self.engine.effects_restart()
        found = []
        while stream.buffer:
            words = [stream.read(int(stream.readline()[1:]) + 2)[:-2].decode("latin-1")
                     for _ in range(int(stream.readline()[1:]))]
            if words != ["SELECT", "0"]:
                found.append(words)
        return found

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
    client.engine.propagating = True
    client.effects()
    yield client
    client.engine.propagating = False
    inspect.check(client.engine)
    client.close()
    client.engine.turn(0)
    client.engine.send()
