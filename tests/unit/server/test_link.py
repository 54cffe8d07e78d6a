"""Links to other servers: replies, timeouts, the cache."""
from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from kv.server import link as link_module
from kv.server.link import CACHED_MOST, Link, LinkCache, LinkRefusal, words

REPLIES = [(b"+OK\r\n", b"OK"), (b":-12\r\n", -12), (b"$-1\r\n", None), (b"$0\r\n\r\n", b""), (b"$4\r\na\r\nb\r\n", b"a\r\nb"),
           (b"*-1\r\n", None), (b"*2\r\n:1\r\n*1\r\n$1\r\nx\r\n", [1, [b"x"]]),
           (b"$200000\r\n" + b"v" * 200_000 + b"\r\n", b"v" * 200_000)]


class Peer:
    """Accepts connections and does with each what it is told."""

    def __init__(self, serve: Callable[[socket.socket], object]) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.accepted: list[socket.socket] = []
        self.serve = serve
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.accepted.append(connection)
            try:
                self.serve(connection)
            except OSError:
                pass

    def close(self) -> None:
        self.listener.close()
        for connection in self.accepted:
            connection.close()


@pytest.fixture
def peer() -> Iterator[Callable[[Callable[[socket.socket], object]], Peer]]:
    made: list[Peer] = []

    def make(serve: Callable[[socket.socket], object]) -> Peer:
        made.append(Peer(serve))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_replies_of_every_kind_in_pieces_of_any_size(peer) -> None:
    data = b"".join(wire for wire, _ in REPLIES)
    cuts = [*range(0, 90, 3), len(data)]
    one = peer(lambda sock: [(sock.sendall(data[a:b]), time.sleep(0.001)) for a, b in zip(cuts, cuts[1:], strict=False)])
    link = Link("127.0.0.1", one.port, 5)
    assert [link.read_reply() for _ in REPLIES] == [value for _, value in REPLIES]
    link.close()


def test_an_error_reply_is_no_exception(peer) -> None:
    one = peer(lambda sock: sock.sendall(b"-BUSYKEY Target key name already exists.\r\n"))
    link = Link("127.0.0.1", one.port, 5)
    reply = link.read_reply()
    assert isinstance(reply, LinkRefusal) and str(reply) == "BUSYKEY Target key name already exists."
    link.close()


@pytest.mark.parametrize("wire", [b"what?\r\n", b"$x\r\n", b"+" + b"x" * 200_000, b"*1\r\n" * 5000])
def test_who_is_no_server_is_left(peer, wire: bytes) -> None:
    one = peer(lambda sock: sock.sendall(wire))
    link = Link("127.0.0.1", one.port, 5)
    with pytest.raises(OSError, match="rotocol"):
        link.read_reply()
    link.close()


def test_an_end_is_an_error_and_so_is_silence(peer) -> None:
    one = peer(lambda sock: sock.close())
    with pytest.raises(ConnectionError):
        Link("127.0.0.1", one.port, 5).read_reply()
    silent = peer(lambda sock: None)
    link = Link("127.0.0.1", silent.port, 0.05)
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        link.read_reply()
    assert time.monotonic() - started < 2
    link.close()


def test_a_peer_that_reads_nothing_does_not_hold_the_sender(peer) -> None:
    silent = peer(lambda sock: None)
    link = Link("127.0.0.1", silent.port, 0.1)
    with pytest.raises(TimeoutError):
        link.send([b"x" * (64 << 20)])
    link.close()


def test_what_is_sent_arrives_in_order(peer) -> None:
    received = bytearray()
    done = threading.Event()
    parts = [words(b"SET", b"k", b"v" * size) for size in (1, 70_000, 10, 65_536, 3)]

    def serve(sock: socket.socket) -> None:
        while len(received) < sum(map(len, parts)):
            received.extend(sock.recv(1 << 16))
        done.set()

    link = Link("127.0.0.1", peer(serve).port, 5)
    link.send(parts)
    assert done.wait(10) and received == b"".join(parts)
    link.close()


@pytest.mark.parametrize("host, port", [
    ("127.0.0.1", 0), ("127.0.0.1", 70_000), ("no.such.host.invalid", 1), ("a" * 300, 1), ("", 1)])
def test_what_is_no_place_can_not_be_connected_to(host: str, port: int) -> None:
    with pytest.raises(OSError):
        Link(host, port, 2)


def test_links_are_kept_for_a_while_and_not_without_end(peer, monkeypatch: pytest.MonkeyPatch) -> None:
    one = peer(lambda sock: None)
    cache = LinkCache()
    first = cache.get("127.0.0.1", one.port, 1)
    assert cache.get("127.0.0.1", one.port, 2) is first and first.sock.gettimeout() == 2
    cache.cron()
    assert cache.links
    first.used -= 11
    cache.cron()
    assert not cache.links and first.sock.fileno() == -1
    monkeypatch.setattr(link_module, "connect", lambda host, port, timeout: socket.socket())
    for port in range(1, CACHED_MOST + 10):
        cache.get("h", port, 1)
    assert len(cache.links) == CACHED_MOST and ("h", CACHED_MOST + 9) in cache.links
    for place in list(cache.links):
        cache.drop(*place)
    cache.drop("h", 1)      # that it is not there is no error


# -- names ------------------------------------------------------------------------------------------------------------

@pytest.fixture
def slow_names(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A name server that answers nothing until the event is set, and then that there is no such name."""
    answered, lookup = threading.Event(), link_module.lookup

    def wait(host: str, port: int, flags: int = 0) -> list[tuple]:
        if not flags:
            assert answered.wait(20)
        return lookup("name.invalid" if not flags else host, port, flags | (0 if flags else socket.AI_NUMERICHOST))

    monkeypatch.setattr(link_module, "lookup", wait)
    yield answered
    answered.set()


def test_a_name_server_that_is_silent_is_waited_for_no_longer_than_said(slow_names: threading.Event, peer) -> None:
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        Link("somewhere.example", 6379, 0.2)
    assert 0.2 <= time.monotonic() - started < 5
    for host in ("127.0.0.1", "127.1"):
        Link(host, peer(lambda connection: None).port, 0.2).close()     # an address needs none


def test_names_that_nobody_answers_for_do_not_pile_up(slow_names: threading.Event) -> None:
    before = threading.active_count()
    for _ in range(link_module.LOOKUPS_MOST + 4):
        with pytest.raises(TimeoutError):
            Link("somewhere.example", 6379, 0.02)
    assert threading.active_count() - before <= link_module.LOOKUPS_MOST
    slow_names.set()
    with pytest.raises(socket.gaierror):
        Link("somewhere.example", 6379, 20)
    for thread in [thread for thread in threading.enumerate() if thread.name == "kv-lookup"]:
        thread.join(20)
    assert threading.active_count() <= before


def test_a_name_that_can_be_found(peer) -> None:
    Link("localhost", peer(lambda connection: None).port, 20).close()
