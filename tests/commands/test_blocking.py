"""Commands that wait: who is served, in which order, with what, and how a wait ends."""
from __future__ import annotations

import select
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.commands.client import Client, Failure
from tests.program import Program


def info(client: Client, field: str) -> int:
    reply = client("INFO", "clients")
    return int(dict(line.split(":") for line in reply.decode().splitlines() if ":" in line)[field])


def await_blocked(client: Client, count: int) -> None:
    deadline = time.monotonic() + 10
    while info(client, "blocked_clients") != count:
        assert time.monotonic() < deadline, "the clients did not block"
        time.sleep(0.002)


class Crowd:
    """Clients that wait, and the one that serves them."""

    def __init__(self, server: Program, resp: int, main: Client):
        self.server, self.resp, self.main = server, resp, main
        self.waiting: list[Client] = []

    def wait(self, *words: Any) -> Client:
        """A client of its own that sends a command and is known to wait."""
        waiter = Client(self.server.port, self.resp)
        self.waiting.append(waiter)
        before = info(self.main, "blocked_clients")
        waiter.send(*words)
        await_blocked(self.main, before + 1)
        return waiter

    def idle(self, waiter: Client) -> bool:
        self.main("PING")
        return not select.select([waiter.socket], [], [], 0.02)[0]

    def close(self) -> None:
        for waiter in self.waiting:
            waiter.close()
        await_blocked(self.main, 0)


@pytest.fixture
def crowd(server: Program, client: Client) -> Iterator[Crowd]:
    gathered = Crowd(server, client.resp, client)
    yield gathered
    gathered.close()


# -- each command -------------------------------------------------------------------------------------------------

SCORE = {2: b"1.5", 3: 1.5}


@pytest.mark.parametrize(("command", "served"), [
    (["BLPOP", "a", "b", 0], [b"b", b"1"]),
    (["BRPOP", "a", "b", 0], [b"b", b"3"]),
    (["BLMPOP", 0, 2, "a", "b", "LEFT", "COUNT", 2], [b"b", [b"1", b"2"]]),
    (["BLMPOP", 0, 1, "b", "RIGHT"], [b"b", [b"3"]]),
    (["BLMOVE", "b", "a", "LEFT", "RIGHT", 0], b"1"),
    (["BRPOPLPUSH", "b", "a", 0], b"3"),
])
def test_a_list_that_appears_serves_who_waits(crowd: Crowd, client: Client, command: list[Any], served: Any) -> None:
    waiter = crowd.wait(*command)
    assert client("RPUSH", "b", 1, 2, 3) == 3
    assert waiter.reply() == served


def test_sorted_sets(crowd: Crowd, client: Client) -> None:
    score = SCORE[client.resp]
    lowest, highest = crowd.wait("BZPOPMIN", "a", "z", 0), crowd.wait("BZPOPMAX", "z", 0)
    several = crowd.wait("BZMPOP", 0, 2, "a", "z", "MAX", "COUNT", 9)
    client("ZADD", "z", 1.5, "m", 1.5, "n", 1.5, "o", 1.5, "p")
    assert lowest.reply() == [b"z", b"m", score]
    assert highest.reply() == [b"z", b"p", score]
    assert several.reply() == [b"z", [[b"o", score], [b"n", score]]]
    assert client("EXISTS", "z") == 0


def test_what_is_there_is_answered_at_once(client: Client) -> None:
    client("RPUSH", "l", 1, 2)
    client("ZADD", "z", 1.5, "m")
    assert client("BLPOP", "none", "l", 0) == [b"l", b"1"]
    assert client("BLMPOP", 0, 2, "none", "l", "LEFT", "COUNT", 5) == [b"l", [b"2"]]
    assert client("BZMPOP", 0, 1, "z", "MIN") == [b"z", [[b"m", SCORE[client.resp]]]]


# -- order --------------------------------------------------------------------------------------------------------

def test_the_first_to_come_is_the_first_served(crowd: Crowd, client: Client) -> None:
    waiters = [crowd.wait("BLPOP", "l", 0) for _ in range(4)]
    client("RPUSH", "l", 1, 2)
    assert [waiter.reply() for waiter in waiters[:2]] == [[b"l", b"1"], [b"l", b"2"]]
    assert crowd.idle(waiters[2])
    client("RPUSH", "l", 3, 4, 5)
    assert [waiter.reply() for waiter in waiters[2:]] == [[b"l", b"3"], [b"l", b"4"]]
    assert client("LRANGE", "l", 0, -1) == [b"5"]


def test_who_is_tried_in_vain_keeps_its_place(crowd: Crowd, client: Client) -> None:
    """A key that came and went inside EXEC wakes nobody, and nobody loses his place for it."""
    first, second = crowd.wait("BLPOP", "l", 0), crowd.wait("BLPOP", "l", 0)
    for words in (["MULTI"], ["RPUSH", "l", 1], ["DEL", "l"], ["EXEC"]):
        client(*words)
    assert crowd.idle(first)
    client("RPUSH", "l", 2)
    assert first.reply() == [b"l", b"2"]
    assert crowd.idle(second)


def test_keys_are_served_in_the_order_of_their_changes(crowd: Crowd, client: Client) -> None:
    waiter = crowd.wait("BLPOP", "a", "b", 0)
    for words in (["MULTI"], ["RPUSH", "b", 1], ["RPUSH", "a", 2], ["EXEC"]):
        client(*words)
    assert waiter.reply() == [b"a", b"2"]       # tried from its first key on, as if it came now
    assert client("LRANGE", "b", 0, -1) == [b"1"]


def test_a_chain_of_moves(crowd: Crowd, client: Client) -> None:
    last = crowd.wait("BLPOP", "c", 0)
    crowd.wait("BLMOVE", "b", "c", "LEFT", "LEFT", 0)
    crowd.wait("BLMOVE", "a", "b", "LEFT", "LEFT", 0)
    client("RPUSH", "a", "x")
    assert last.reply() == [b"c", b"x"]
    assert client("EXISTS", "a", "b", "c") == 0


def test_the_command_behind_is_run_when_the_wait_ends(crowd: Crowd, client: Client) -> None:
    waiter = crowd.wait("BLPOP", "l", 0)
    waiter.send("LLEN", "l")
    client("RPUSH", "l", 1, 2)
    assert [waiter.reply(), waiter.reply()] == [[b"l", b"1"], 1]


# -- what counts as there -----------------------------------------------------------------------------------------

def test_another_type_wakes_nobody(crowd: Crowd, client: Client) -> None:
    waiter = crowd.wait("BLPOP", "k", 0)
    client("ZADD", "k", 1, "m")
    client("SET", "k", 1)
    assert crowd.idle(waiter)
    client("DEL", "k")
    client("LPUSH", "k", "x")
    assert waiter.reply() == [b"k", b"x"]


@pytest.mark.parametrize("how", ["RENAME", "COPY", "SORT", "MOVE", "SWAPDB"])
def test_ways_for_a_key_to_appear(crowd: Crowd, client: Client, how: str) -> None:
    waiter = crowd.wait("BLPOP", "k", 0)
    other = Client(crowd.server.port)
    if how in ("MOVE", "SWAPDB"):
        other("SELECT", 1)
        other("RPUSH", "k", 7)
        other("MOVE", "k", 0) if how == "MOVE" else other("SWAPDB", 0, 1)
    else:
        other("RPUSH", "from", 7)
        other(how, "from", "k") if how != "SORT" else other("SORT", "from", "STORE", "k")
    assert waiter.reply() == [b"k", b"7"]
    other.close()


def test_an_expired_key_is_not_there(crowd: Crowd, client: Client) -> None:
    waiter = crowd.wait("BLPOP", "k", 0)
    for words in (["MULTI"], ["RPUSH", "k", 1], ["PEXPIRE", "k", 1], ["DEBUG", "SLEEP", 0.02], ["EXEC"]):
        client(*words)
    assert crowd.idle(waiter)


def test_a_destination_of_another_type(crowd: Crowd, client: Client) -> None:
    waiter = crowd.wait("BLMOVE", "a", "text", "LEFT", "LEFT", 0)
    client("SET", "text", "x")
    client("RPUSH", "a", 1)
    assert waiter.reply() == Failure("WRONGTYPE Operation against a key holding the wrong kind of value")
    assert client("LRANGE", "a", 0, -1) == [b"1"]


# -- how a wait ends ----------------------------------------------------------------------------------------------

def test_a_timeout(client: Client) -> None:
    start = time.monotonic()
    for words in (["BLPOP", "l", 0.05], ["BLMOVE", "l", "m", "LEFT", "LEFT", 0.01], ["BZPOPMIN", "z", 0.01]):
        assert client.raw(*words) == (b"*-1\r\n" if client.resp == 2 else b"_\r\n")
    assert time.monotonic() - start >= 0.07
    assert info(client, "clients_in_timeout_table") == 0
    assert info(client, "total_blocking_keys") == 0


def test_the_nearest_deadline_comes_first(crowd: Crowd, client: Client) -> None:
    delays = [1.2, 0.4, 0.8, 0.6, 1.0, 0.2]
    waiters = {crowd.wait("BLPOP", f"k{delay}", delay).socket: delay for delay in delays}
    assert info(client, "clients_in_timeout_table") == len(delays)
    ended: list[float] = []
    while waiters:
        for readable in select.select(list(waiters), [], [], 5)[0]:
            ended.append(waiters.pop(readable))
    assert ended == sorted(delays)


@pytest.mark.parametrize(("timeout", "text"), [
    ("x", "ERR timeout is not a float or out of range"), ("nan", "ERR timeout is not a float or out of range"),
    (-1, "ERR timeout is negative"), ("-0.5", "ERR timeout is negative"), ("inf", "ERR timeout is out of range"),
    ("1e300", "ERR timeout is out of range"), (2**63, "ERR timeout is out of range"),
])
def test_timeouts_that_are_none(client: Client, timeout: Any, text: str) -> None:
    for words in (["BLPOP", "l", timeout], ["BRPOPLPUSH", "l", "m", timeout], ["BZPOPMAX", "l", timeout],
                  ["BLMPOP", timeout, 1, "l", "LEFT"], ["BZMPOP", timeout, 1, "l", "MIN"]):
        assert client(*words) == Failure(text)


def test_client_unblock(crowd: Crowd, client: Client) -> None:
    waiters = []
    for _ in range(2):
        waiter = crowd.wait("BLPOP", "l", 0)
        waiters.append(waiter)
    ids = [int(line.split()[0].partition("=")[2]) for line in client("CLIENT", "LIST").decode().splitlines()
           if "cmd=blpop" in line]
    assert client("CLIENT", "UNBLOCK", ids[0]) == 1
    assert client("CLIENT", "UNBLOCK", ids[1], "ERROR") == 1
    assert client("CLIENT", "UNBLOCK", ids[1]) == 0
    assert waiters[0].reply() is None
    assert waiters[1].reply() == Failure("UNBLOCKED client unblocked via CLIENT UNBLOCK")
    assert waiters[0]("PING") == "PONG"


def test_who_leaves_is_forgotten(crowd: Crowd, client: Client) -> None:
    leaving, staying = crowd.wait("BLPOP", "l", 0), crowd.wait("BLPOP", "l", "l", 0)
    leaving.close()
    await_blocked(client, 1)
    client("RPUSH", "l", 1)
    assert staying.reply() == [b"l", b"1"]
    assert info(client, "total_blocking_keys") == 0


def test_inside_a_transaction_nobody_waits(client: Client) -> None:
    client("MULTI")
    for words in (["BLPOP", "l", 0], ["BLMOVE", "l", "m", "LEFT", "LEFT", 0], ["BZPOPMIN", "z", 0],
                  ["BLMPOP", 0, 1, "l", "LEFT"], ["BZMPOP", 0, 1, "z", "MIN"], ["RPUSH", "l", 1], ["BLPOP", "l", 0]):
        client(*words)
    assert client("EXEC") == [None, None, None, None, None, 1, [b"l", b"1"]]


def test_a_pause_holds_back_who_is_served(crowd: Crowd, client: Client) -> None:
    waiter = crowd.wait("BLPOP", "l", 0)
    for words in (["MULTI"], ["RPUSH", "l", 1], ["CLIENT", "PAUSE", 100_000, "WRITE"], ["EXEC"]):
        client(*words)
    assert crowd.idle(waiter)
    client("CLIENT", "UNPAUSE")
    assert waiter.reply() == [b"l", b"1"]


# -- what others see ----------------------------------------------------------------------------------------------

def test_figures(crowd: Crowd, client: Client) -> None:
    client("CONFIG", "RESETSTAT")
    crowd.wait("BLPOP", "a", "b", "a", 0)
    waiter = crowd.wait("BLPOP", "b", 100)
    assert info(client, "total_blocking_keys") == 2
    assert info(client, "clients_in_timeout_table") == 1
    assert "flags=b" in next(line for line in client("CLIENT", "LIST").decode().splitlines() if "cmd=blpop" in line)
    client("RPUSH", "b", 1, 2)
    assert waiter.reply() == [b"b", b"2"]
    statistics = client("INFO", "commandstats").decode()
    assert "cmdstat_blpop:calls=2," in statistics
    assert info(client, "total_blocking_keys") == 0


def test_the_aof_is_told_of_plain_pops(client: Client, tmp_path_factory: pytest.TempPathFactory) -> None:
    """What waited in a server with an AOF is there as what it came to."""
    folder = tmp_path_factory.mktemp("aof")
    program = Program(folder, "--appendonly", "yes")
    try:
        main = Client(program.port)
        crowd = Crowd(program, 2, main)
        for words in (["BLPOP", "l", 0], ["BLMOVE", "l", "m", "LEFT", "RIGHT", 0], ["BLMPOP", 0, 1, "l", "RIGHT", "COUNT", 9],
                      ["BZPOPMAX", "z", 0], ["BZMPOP", 0, 1, "z", "MIN", "COUNT", 2]):
            crowd.wait(*words)
        main("RPUSH", "l", 1, 2, 3, 4)
        main("ZADD", "z", 1, "a", 2, "b", 3, "c")
        for waiter in crowd.waiting:
            waiter.reply()
        told = next((folder / "appendonlydir").glob("*.incr.aof")).read_bytes().decode().split("\r\n")
        words = [word for word in told if word and word[0] not in "*$"]
        assert " ".join(words) == ("SELECT 0 RPUSH l 1 2 3 4 LPOP l LMOVE l m LEFT RIGHT RPOP l 2 "
                                   "ZADD z 1 a 2 b 3 c ZPOPMAX z ZPOPMIN z 2")
        crowd.close()
        main.close()
    finally:
        program.kill()


def test_monitor_shows_a_command_that_waits_once(client: Client, server: Program) -> None:
    monitor, waiter = Client(server.port), Client(server.port)
    monitor("MONITOR")
    for key, end in (("a", ["RPUSH", "a", "1"]), ("b", None)):
        waiter.send("BLPOP", key, 0 if end else "0.05")
        shown = monitor.reply()
        assert f'"BLPOP" "{key}"' in shown
        if end:
            client(*end)
            assert '"RPUSH" "a"' in monitor.reply()
        waiter.reply()
    client("GET", "last")
    assert '"GET" "last"' in monitor.reply()
    for one in (monitor, waiter):
        one.close()
