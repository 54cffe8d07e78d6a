"""WAIT and WAITAOF without replicas: what is answered at once, how long they wait, how a wait ends."""
from __future__ import annotations

import time
from typing import Any

import pytest

from tests.commands.client import Client, Failure
from tests.commands.test_blocking import Crowd, await_blocked, crowd, info  # noqa: F401

NOT_INTEGER = "ERR value is not an integer or out of range"
AT_ONCE: list[tuple[str, Any]] = [
    ("WAIT 0 0", 0), ("WAIT 0 100000", 0), ("WAIT -1 0", 0),
    ("WAIT x 10", Failure(NOT_INTEGER)),
    ("WAIT 99999999999999999999 1", Failure(NOT_INTEGER)),
    ("WAIT 1 x", Failure("ERR timeout is not an integer or out of range")),
    ("WAIT 1 0.5", Failure("ERR timeout is not an integer or out of range")),
    ("WAIT 1 -1", Failure("ERR timeout is negative")),
    ("WAIT 1 9223372036854775807", Failure("ERR timeout is out of range")),
    ("WAIT 1", Failure("ERR wrong number of arguments for 'wait' command")),
    ("WAITAOF 0 0 0", [0, 0]),
    ("WAITAOF 1 0 0", Failure("ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.")),
    ("WAITAOF 2 0 0", Failure("ERR value is out of range, value must between 0 and 1")),
    ("WAITAOF -1 0 0", Failure("ERR value is out of range, value must between 0 and 1")),
    ("WAITAOF x 0 0", Failure(NOT_INTEGER)),
    ("WAITAOF 0 -1 0", Failure("ERR value is out of range, must be positive")),
    ("WAITAOF 0 x 0", Failure("ERR value is out of range, must be positive")),
    ("WAITAOF 0 0 -1", Failure("ERR timeout is negative")),
    ("WAITAOF 1 0 x", Failure("ERR timeout is not an integer or out of range")),
]


@pytest.mark.parametrize(("words", "reply"), AT_ONCE, ids=[words for words, _ in AT_ONCE])
def test_what_is_answered_at_once(client: Client, words: str, reply: Any) -> None:
    assert client(*words.split()) == reply


@pytest.mark.parametrize(("words", "reply"), [("WAIT 1 60", 0), ("WAITAOF 0 1 60", [0, 0])])
def test_the_whole_timeout_is_waited_for(client: Client, words: str, reply: Any) -> None:
    began = time.monotonic()
    assert client(*words.split()) == reply
    assert 0.06 <= time.monotonic() - began < 5


@pytest.mark.parametrize("words", ["WAIT 1 0", "WAITAOF 0 1 0", "WAIT 3 100000"])
def test_a_client_that_waits_is_a_blocked_one(crowd: Crowd, words: str) -> None:  # noqa: F811
    waiter = crowd.wait(*words.split())
    reply = 0 if words.startswith("WAIT ") else [0, 0]
    line = [line for line in crowd.main("CLIENT", "LIST").decode().splitlines() if " flags=b " in line]
    assert len(line) == 1 and f" cmd={words.split()[0].lower()} " in line[0]
    number = int(line[0].split()[0].removeprefix("id="))
    assert info(crowd.main, "clients_in_timeout_table") == (1 if words.endswith("00000") else 0)
    assert info(crowd.main, "total_blocking_keys") == 0
    crowd.main("SET", "a", "b")
    assert crowd.idle(waiter)
    assert crowd.main("CLIENT", "UNBLOCK", number) == 1
    assert waiter.reply() == reply
    waiter.send(*words.split())
    await_blocked(crowd.main, 1)
    waiter.send("PING")
    assert crowd.main("CLIENT", "UNBLOCK", number, "ERROR") == 1
    assert waiter.reply() == Failure("UNBLOCKED client unblocked via CLIENT UNBLOCK")
    assert waiter.reply() == "PONG"
    assert crowd.main("CLIENT", "UNBLOCK", number) == 0


def test_many_wait_and_leave_in_any_order(crowd: Crowd) -> None:  # noqa: F811
    waiters = [crowd.wait("WAIT", 1, timeout) for timeout in (0, 300, 0, 100, 0)]
    waiters[2].close()                  # from the middle, the ends, one whose time is over, and the last
    await_blocked(crowd.main, 4)
    waiters[0].close()
    await_blocked(crowd.main, 3)
    assert [waiters[3].reply(), waiters[1].reply()] == [0, 0]
    waiters[4].close()
    await_blocked(crowd.main, 0)
    assert crowd.wait("WAIT", 1, 50).reply() == 0


def test_a_transaction_does_not_wait(client: Client) -> None:
    client("MULTI")
    client("SET", "a", "b")
    client("WAIT", 1, 0)
    client("WAITAOF", 0, 1, 0)
    client("WAITAOF", 1, 0, 0)
    assert client("EXEC") == [
        "OK", 0, [0, 0], Failure("ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.")]


def test_a_wait_counts_once(client: Client) -> None:
    client("CONFIG", "RESETSTAT")
    client("WAIT", 1, 20)
    stats = client("INFO", "commandstats").decode()
    assert "cmdstat_wait:calls=1," in stats and stats.partition("cmdstat_wait:")[2].splitlines()[0].endswith("failed_calls=0")


@pytest.mark.parametrize("mode", ["OFF", "SKIP"])
@pytest.mark.parametrize("words", [
    "WAIT 1 20", "WAIT 1 300", "WAITAOF 0 1 20", "BLPOP nosuch 0.02", "XREAD BLOCK 20 STREAMS nosuch 0"])
def test_a_wait_without_a_reply(client: Client, mode: str, words: str) -> None:
    """However often the command was tried again."""
    client.send("CLIENT", "REPLY", mode)
    client.send(*words.split())
    assert client("CLIENT", "REPLY", "ON") == "OK"
    assert client("PING") == "PONG"


def test_waits_under_a_pause(crowd: Crowd) -> None:  # noqa: F811
    """A timeout counts while the server is paused."""
    waiter = crowd.wait("WAIT", 1, 100)
    began = time.monotonic()
    crowd.main("CLIENT", "PAUSE", 500, "ALL")
    assert waiter.reply() == 0
    assert time.monotonic() - began < 0.5
    assert crowd.main("PING") == "PONG"
    assert time.monotonic() - began >= 0.4
