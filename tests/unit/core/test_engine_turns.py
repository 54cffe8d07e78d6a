"""Turns of the engine: what the poller may tell of."""
from __future__ import annotations

import socket

from kv._core.engine import inspect
from kv._core.engine.engine import Engine
from kv._core.engine.loop import Loop
from tests.commands.client import request


def test_a_closed_session_is_not_heard_of_again() -> None:
    """Somebody else, like a child that was just forked, may still have its socket open."""
    engine = Engine()
    loop = Loop(engine)
    near, far = socket.socketpair()
    far.setblocking(False)
    still_open = far.dup()
    loop.attach(far.detach(), "test:1", "test:2")
    near.sendall(b"*no number\r\n")
    loop.turn(0)
    loop.send()
    assert near.recv(100).startswith(b"-ERR Protocol error")
    assert engine.session_count == 0
    reads = inspect.statistics(engine)["reads"]
    near.sendall(request("PING"))
    loop.turn(0)
    assert inspect.statistics(engine)["reads"] == reads
    still_open.close()
    near.close()


def test_turns_come_back_when_their_time_is_over() -> None:
    engine = Engine()
    loop = Loop(engine)
    near, far = socket.socketpair()
    far.setblocking(False)
    loop.attach(far.detach(), "test:1", "test:2")
    near.sendall(request("ECHO", "x"))
    assert not loop.turns(30)
    loop.send()
    assert near.recv(100) == b"$1\r\nx\r\n"
    near.close()
