"""A reply leaves when the position in the log that it depends on is safe."""
from __future__ import annotations

import os
import random
import socket
from pathlib import Path

import pytest

from kv._core.engine.appender import CALLED, DIRECT
from kv._core.engine.engine import Engine
from kv._core.engine.feed import split_commands
from kv._core.engine.loop import Loop
from kv._core.runtime.registry import declare_package
from kv.server import commands
from tests.commands.client import request

declare_package(commands)       # those that are written in Python


class Peer:
    """A client of a loop in this process."""

    def __init__(self, loop: Loop) -> None:
        self.socket, theirs = socket.socketpair()
        self.socket.setblocking(False)
        theirs.setblocking(False)
        loop.attach(theirs.detach(), "test:1", "test:2")

    def received(self) -> bytes:
        try:
            return self.socket.recv(1 << 20)
        except BlockingIOError:
            return b""


@pytest.fixture
def loop(tmp_path: Path) -> Loop:
    loop = Loop(Engine(seed=1))
    appender = loop.engine.appender_of_log()
    appender.begin(os.open(tmp_path / "file", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 0)
    appender.set_mode(CALLED)
    appender.hold(appender.position)
    return loop


def turn(loop: Loop, *requests: tuple[Peer, tuple]) -> None:
    for peer, words in requests:
        peer.socket.sendall(request(*words))
    loop.turn(0)
    loop.send()


def test_a_reply_waits_for_its_position(loop: Loop) -> None:
    appender = loop.engine.appender_of_log()
    writer, reader = Peer(loop), Peer(loop)
    turn(loop, (reader, ("GET", "k")))
    assert reader.received() == b"$-1\r\n"
    turn(loop, (writer, ("SET", "k", "v")))
    assert appender.waits and writer.received() == b""
    turn(loop, (reader, ("GET", "k")))      # it has seen what may be lost
    assert reader.received() == b""
    assert appender.write() == 0
    loop.send()
    assert writer.received() == reader.received() == b""    # written is not synced
    appender.hold(appender.position)
    loop.turn(0)
    loop.send()
    assert (writer.received(), reader.received()) == (b"+OK\r\n", b"$1\r\nv\r\n")


def test_messages_wait_too(loop: Loop) -> None:
    appender = loop.engine.appender_of_log()
    subscriber, writer = Peer(loop), Peer(loop)
    turn(loop, (subscriber, ("SUBSCRIBE", "c")))
    subscriber.received()
    turn(loop, (writer, ("MULTI",)), (writer, ("SET", "k", "v")), (writer, ("PUBLISH", "c", "m")), (writer, ("EXEC",)))
    assert subscriber.received() == b""
    appender.write()
    appender.hold(appender.position)
    turn(loop)
    assert subscriber.received().endswith(b"m\r\n")


def test_a_client_that_leaves_meanwhile(loop: Loop) -> None:
    appender = loop.engine.appender_of_log()
    peers = [Peer(loop) for _ in range(5)]
    for number, peer in enumerate(peers):
        turn(loop, (peer, ("SET", f"k{number}", "v")))
    peers[2].socket.close()
    turn(loop, (peers[4], ("QUIT",)))       # it goes when it has its reply
    turn(loop)
    assert loop.engine.session_count == 4
    appender.write()
    appender.hold(appender.position)
    turn(loop)
    assert [peers[i].received() for i in (0, 1, 3, 4)] == [b"+OK\r\n"] * 3 + [b"+OK\r\n+OK\r\n"]
    assert loop.engine.session_count == 3


@pytest.mark.parametrize("seed", range(5))
def test_no_reply_is_there_before_its_write_is_safe(loop: Loop, tmp_path: Path, seed: int) -> None:
    """At any time what clients were told is in the file up to the safe position."""
    draw = random.Random(seed)
    appender = loop.engine.appender_of_log()
    peers = [Peer(loop) for _ in range(4)]
    told, sent, got = 0, [0] * 4, [0] * 4
    for number in range(400):
        what = draw.random()
        if what < 0.5:
            peer = draw.randrange(4)
            turn(loop, (peers[peer], ("INCR", "n")))
            sent[peer] += 1
        elif what < 0.7:
            appender.write()
        elif what < 0.9:
            appender.hold(appender.position)
            turn(loop)
        else:
            turn(loop)
        for index, peer in enumerate(peers):
            replies = peer.received().split()
            got[index] += len(replies)
            told = max([told, *[int(reply[1:]) for reply in replies]])
        written = [words for words in split_commands((tmp_path / "file").read_bytes()) if words[0] == b"INCR"]
        assert told <= len(written), number
    appender.write()
    appender.hold(appender.position)
    turn(loop)
    for index, peer in enumerate(peers):
        got[index] += len(peer.received().split())
    assert got == sent


def test_where_the_core_writes_nothing_is_held(loop: Loop, tmp_path: Path) -> None:
    appender = loop.engine.appender_of_log()
    appender.set_mode(DIRECT)
    appender.release()
    peer = Peer(loop)
    turn(loop, (peer, ("SET", "k", "v")))
    assert peer.received() == b"+OK\r\n" and not appender.waits and appender.pending == 0
    assert split_commands((tmp_path / "file").read_bytes())[-1] == [b"SET", b"k", b"v"]
