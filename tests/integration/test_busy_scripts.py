"""Scripts that do not end: others are served, the script can be ended, and the data are as if it had not run."""
from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands.client import Client, request
from tests.integration.program import Server

BUSY = "BUSY Valkey is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
ENDLESS = "while true do end"
WRITES = "redis.call('set', 'written', 'half') redis.call('incr', 'n') "


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path, busy_reply_threshold=50, appendfsync="always") as started:
        yield started


def start(server: Server, script: str) -> Client:
    """A client whose script runs for ever, once it is known to be busy."""
    runner = server.connect()
    runner.socket.sendall(request("EVAL", script, 0))
    server.until(lambda: server("PING") == BUSY)
    return runner


@pytest.mark.parametrize("script", [
    ENDLESS,
    "while true do pcall(function() while true do end end) end",
    "while true do xpcall(function() while true do end end, function() while true do end end) end",
    "while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
    "while true do redis.pcall('get', 'x') end",
    "local f f = function() pcall(f) while true do end end f()",
    "return string.gsub(string.rep('x', 1e6), 'x', function() while true do end end)",
    "setmetatable({}, {__index = function() while true do end end}).x = 1 local t = setmetatable({}, {__tostring = "
    "function() while true do end end}) return tostring(t)",
])
def test_a_script_that_is_killed(server: Server, script: str) -> None:
    server("SET", "x", "1")
    runner = start(server, script)
    assert server("GET", "x") == BUSY
    assert server("SHUTDOWN") == BUSY
    assert server("SCRIPT", "KILL") == "OK"
    assert runner.reply().startswith("ERR Script killed by user with SCRIPT KILL. script: ")
    assert server("GET", "x") == b"1"
    assert server("SCRIPT", "KILL") == "NOTBUSY No scripts in execution right now."
    assert server("EVAL", "local n = 0 for i = 1, 1e5 do n = n + 1 end return n", 0) == 100000      # its state is whole
    runner.close()


def test_one_that_has_written_is_not_killed(server: Server, tmp_path: Path) -> None:
    server("SET", "before", "1")
    runner = start(server, WRITES + ENDLESS)
    assert server("SCRIPT", "KILL").startswith("UNKILLABLE Sorry the script already executed write commands against the dataset.")
    server.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    assert server("PING") == BUSY           # as long as it runs it is waited for
    server.connection.socket.sendall(request("SHUTDOWN", "NOSAVE"))
    server.process.wait(10)
    runner.close()
    with Server(tmp_path, appendfsync="always") as again:
        assert again("GET", "before") == b"1"
        assert again("EXISTS", "written", "n") == 0


def test_sigterm_ends_one_that_has_not(server: Server) -> None:
    start(server, ENDLESS)
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(10) == 0


def test_clients_come_and_go_meanwhile(server: Server) -> None:
    """New ones are answered, pipelines too; the script's own client may go away, and what it sent behind is dropped."""
    waiting = server.connect()
    waiting.socket.sendall(request("SET", "a", 1) + request("GET", "a"))
    assert (waiting.reply(), waiting.reply()) == ("OK", b"1")
    runner = server.connect()
    runner.socket.sendall(request("SET", "b", 1) + request("EVAL", ENDLESS, 0) + request("SET", "c", 1))
    server.until(lambda: server("PING") == BUSY)
    for _ in range(20):
        other = server.connect()
        other.socket.sendall(request("GET", "a") + request("MULTI") + request("GET", "a") + request("DISCARD"))
        assert [other.reply() for _ in range(4)] == [BUSY, "OK", BUSY, "OK"]
        other.close()
    runner.close()
    time.sleep(0.1)
    assert server("PING") == BUSY
    assert server("SCRIPT", "KILL") == "OK"
    server.until(lambda: server("PING") == "PONG")
    assert server("GET", "b") == b"1"
    server.until(lambda: len(server("CLIENT", "LIST").splitlines()) == 2)


def test_who_waits_is_served_when_the_script_has_ended(server: Server) -> None:
    """It sees all that the script did, and no BUSY: it asked before."""
    server("DEBUG", "SET-DISABLE-DENY-SCRIPTS", 1)
    waiting = server.connect()
    waiting.socket.sendall(request("BLPOP", "list", 0))
    server.until(lambda: server.info("clients")["blocked_clients"] == "1")
    runner = start(server, "redis.call('lpush', 'list', 'y') while not redis.call('client', 'list'):find('name=enough') do end "
                           "redis.call('lpush', 'list', 'z')")
    time.sleep(0.1)
    assert server("HELLO", 2, "SETNAME", "enough")
    assert runner.reply() is None
    assert waiting.reply() == [b"list", b"z"]
    runner.close()
    waiting.close()


def test_a_script_within_a_transaction(server: Server, tmp_path: Path) -> None:
    runner = server.connect()
    runner.socket.sendall(request("MULTI") + request("SET", "first", 1) + request("EVAL", ENDLESS, 0) + request("INCR", "last")
                          + request("EXEC"))
    server.until(lambda: server("PING") == BUSY)
    assert server("SCRIPT", "KILL") == "OK"
    assert [runner.reply() for _ in range(4)] == ["OK", "QUEUED", "QUEUED", "QUEUED"]
    first, killed, last = runner.reply()
    assert (first, last) == ("OK", 1) and killed.startswith("ERR Script killed by user with SCRIPT KILL.")
    server.kill()
    with Server(tmp_path, appendfsync="always") as again:
        assert (again("GET", "first"), again("GET", "last")) == (b"1", b"1")
    runner.close()


def test_many_others_are_answered_soon(server: Server) -> None:
    runner = start(server, ENDLESS)
    slowest: list[float] = []

    def ask() -> None:
        client = server.connect()
        for _ in range(5):
            began = time.monotonic()
            assert client("PING") == BUSY
            slowest.append(time.monotonic() - began)
        client.close()

    threads = [threading.Thread(target=ask) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(slowest) == 500
    assert server("SCRIPT", "KILL") == "OK"
    runner.close()


def test_the_threshold_may_be_none(server: Server) -> None:
    """busy-reply-threshold 0: nobody is served before the script ends."""
    server("CONFIG", "SET", "busy-reply-threshold", 0)
    runner = server.connect()
    runner.socket.sendall(request("EVAL", "for i = 1, 2e7 do end return 1", 0))
    time.sleep(0.05)
    assert server("PING") == "PONG"
    assert runner.reply() == 1
    runner.close()
