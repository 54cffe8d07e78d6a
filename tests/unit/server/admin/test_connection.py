"""Connections of the admin port in a loop without a server: what slow peers are given, and what is kept of them."""
from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pytest

from kv._core.engine.engine import Engine
from kv.server.admin.connection import CLOSE_SECONDS, KEEP_SECONDS, READ_SECONDS, SEND_SECONDS
from kv.server.admin.endpoint import ADMIN_FILES, CONNECTIONS_MOST, AdminEndpoint, is_loopback
from kv.server.admin.http import MOST_BYTES, Request, Response, text_response
from kv.server.admin.pages import SLICE_SECONDS, MetricsText
from kv.server.config import Config
from kv.server.loop import Loop
from kv.server.serversettings import RESERVED_FILES, client_limit, reserved_files

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
Reply = Callable[[Response], object]


class Clock:
    """What every module here takes for the monotonic clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        for module in ("connection", "endpoint", "pages"):
            monkeypatch.setattr(f"kv.server.admin.{module}.time.monotonic", lambda: self.now)


class World:
    def __init__(self, answer: Callable[[Request, Reply], object]) -> None:
        self.loop = Loop(Engine(None), Config())
        self.endpoint = AdminEndpoint(self.loop.config, self.loop, answer)

    def connect(self) -> socket.socket:
        """A peer; its server's end is a connection."""
        peer, ours = socket.socketpair(socket.AF_UNIX)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)     # the least there is
        ours.setblocking(False)
        self.endpoint.admit(ours)
        peer.setblocking(False)
        return peer

    def turn(self, count: int = 1) -> None:
        for _ in range(count):
            for fd in self.loop.core.turn(0):
                self.loop.handle(fd)
            self.loop.core.send()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def world(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr("socket.socket.setsockopt", lambda *_: None)    # these are no sockets of TCP
    world = World(lambda request, reply: reply(text_response(200, "x" * 1_000_000)))
    yield world
    world.endpoint.close()


def later(world: World, clock: Clock, seconds: float) -> None:
    clock.now += seconds
    world.endpoint.cron()


def test_an_idle_peer_is_closed(world: World, clock: Clock) -> None:
    world.connect()
    later(world, clock, KEEP_SECONDS - 1)
    assert len(world.endpoint.connections) == 1
    later(world, clock, 2)
    assert not world.endpoint.connections


def test_one_that_sends_a_byte_now_and_then_has_no_more_time(world: World, clock: Clock) -> None:
    peer = world.connect()
    for byte in GET[:int(READ_SECONDS)]:
        assert world.endpoint.connections
        peer.send(bytes([byte]))
        world.turn()
        later(world, clock, 1)
    later(world, clock, 1)
    assert not world.endpoint.connections and peer.recv(1) == b""


def test_one_that_does_not_read_is_closed_and_little_is_kept_of_it(world: World, clock: Clock) -> None:
    peer = world.connect()
    peer.send(GET * 100)
    world.turn(50)
    [connection] = world.endpoint.connections
    assert 0 < len(connection.output) < 1_000_200 and len(connection.input) < 2 * MOST_BYTES
    later(world, clock, SEND_SECONDS + 1)
    assert not world.endpoint.connections


def test_what_is_sent_behind_the_last_response_is_not_kept(world: World, clock: Clock) -> None:
    peer = world.connect()
    peer.send(b"no request\r\n\r\n" * 100)
    world.turn(3)
    assert peer.recv(100).startswith(b"HTTP/1.1 400 Bad Request\r\n")
    [connection] = world.endpoint.connections
    for _ in range(3):
        peer.send(b"x" * 1000)
        world.turn()
    assert not connection.input and world.endpoint.connections
    later(world, clock, CLOSE_SECONDS + 1)
    assert not world.endpoint.connections


def test_a_response_that_comes_later_finds_its_peer_or_nobody(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.socket.setsockopt", lambda *_: None)
    waiting: list[Reply] = []
    world = World(lambda request, reply: waiting.append(reply))
    stays, leaves = world.connect(), world.connect()
    for peer in (stays, leaves):
        peer.send(GET)
    world.turn(3)
    leaves.close()
    world.turn(3)       # nothing is read of it meanwhile
    assert len(waiting) == 2
    for reply in waiting:
        reply(text_response(200, "here"))
    world.turn(3)
    assert stays.recv(1000).endswith(b"\r\n\r\nhere\n") and len(world.endpoint.connections) == 1
    later(world, clock, KEEP_SECONDS + 1)
    waiting[0](text_response(200, "again"))     # it is closed by now
    world.endpoint.close()


def test_a_new_peer_takes_the_place_of_the_one_whose_time_ends_first(world: World, clock: Clock) -> None:
    peers = [world.connect() for _ in range(CONNECTIONS_MOST)]
    peers[3].send(b"GET ")
    world.turn()
    world.connect()
    assert len(world.endpoint.connections) == CONNECTIONS_MOST and peers[3].recv(1) == b""
    clock.now += 1
    world.connect()
    assert peers[0].recv(1) == b""


class Slow:
    """A text that takes ten slices."""

    begun = 0

    def __init__(self, clock: Clock) -> None:
        Slow.begun += 1
        self.out = self
        self.parts = self.work(clock)

    def work(self, clock: Clock) -> Iterator[None]:
        for _ in range(20):
            clock.now += 0.6 * SLICE_SECONDS
            yield

    def render(self) -> str:
        return f"text {Slow.begun}"


def test_a_text_is_made_in_slices_for_all_who_wait(clock: Clock) -> None:
    Slow.begun = 0
    world = World(lambda request, reply: None)
    metrics = MetricsText(lambda: Slow(clock), world.loop)
    got: list[bytes] = []
    for _ in range(3):
        metrics.give(lambda response: got.append(response.body))
    turns = 0
    while not got:
        world.turn()
        turns += 1
    assert got == [b"text 1"] * 3 and turns == 10
    metrics.give(lambda response: got.append(response.body))
    assert got[3:] == [b"text 1"]       # for twenty times as long as it took
    clock.now += 300 * SLICE_SECONDS
    metrics.give(lambda response: got.append(response.body))
    world.turn(20)
    assert got[4:] == [b"text 2"]


@pytest.mark.parametrize("address, alone", [
    ("127.0.0.1", True), ("-::1", True), ("127.9.9.9", True), ("localhost", True), ("*", False), ("0.0.0.0", False), ("::*", False),
    ("10.0.0.1", False), ("-::", False), ("kv.example", False)])
def test_addresses_that_only_this_machine_reaches(address: str, alone: bool) -> None:
    assert is_loopback(address) is alone


def test_descriptors_are_kept_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    config, wanted = Config(), []
    monkeypatch.setattr("kv.server.serversettings.process.raise_file_limit", lambda number: wanted.append(number) or number)
    client_limit(config)
    config.force("admin-port", "9121")
    client_limit(config)
    assert wanted == [10_000 + RESERVED_FILES, 10_000 + RESERVED_FILES + ADMIN_FILES]
    assert reserved_files(config) == RESERVED_FILES + ADMIN_FILES
