"""Consumer groups: who is given what, what is pending, claims, what XINFO tells, effects, waiting."""
from __future__ import annotations

import select
import time
from collections.abc import Iterator
from typing import Any

import pytest

from kv._core.engine import inspect
from tests.commands.client import Client, Failure
from tests.commands.embedded import Embedded
from tests.commands.test_blocking import await_blocked, info
from tests.program import Program

MOST = "18446744073709551615"
NO_GROUP = "NOGROUP No such key '{}' or consumer group '{}'"


def fill(client: Client, count: int = 5, key: str = "s", group: str = "g") -> None:
    for n in range(1, count + 1):
        client("XADD", key, f"{n}-0", "n", n)
    client("XGROUP", "CREATE", key, group, 0)


def given(reply: Any) -> Any:
    """{stream: ids} of a reply of XREAD or XREADGROUP."""
    if not isinstance(reply, list | dict):
        return reply
    pairs = reply.items() if isinstance(reply, dict) else reply
    return {name.decode(): [entry[0].decode() for entry in entries] for name, entries in pairs}


def read(client: Client, consumer: str, *options: Any, key: str = "s", after: str = ">") -> Any:
    return given(client("XREADGROUP", "GROUP", "g", consumer, *options, "STREAMS", key, after))


def pending(client: Client, *filters: Any) -> list[tuple[str, str, int]]:
    """(id, consumer, deliveries) of what is pending to g."""
    return [(id.decode(), consumer.decode(), count)
            for id, consumer, _, count in client("XPENDING", "s", "g", *(filters or ("-", "+", 100)))]


def as_map(reply: Any) -> dict[bytes, Any]:
    return reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2], strict=True))


def group_info(client: Client, key: str = "s") -> dict[bytes, Any]:
    return as_map(client("XINFO", "GROUPS", key)[0])


# -- XGROUP -------------------------------------------------------------------------------------------------------

def test_making_and_destroying_groups(client: Client) -> None:
    missing = client("XGROUP", "CREATE", "s", "g", "$")
    assert missing == Failure("ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the "
                              "MKSTREAM option to create an empty stream automatically.")
    assert client("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM") == "OK" and client("XLEN", "s") == 0
    assert client("XGROUP", "CREATE", "s", "g", "$") == Failure("BUSYGROUP Consumer Group name already exists")
    assert client("XGROUP", "CREATE", "s", "f", "5-5", "ENTRIESREAD", 3) == "OK"
    assert [as_map(one)[b"name"] for one in client("XINFO", "GROUPS", "s")] == [b"f", b"g"]
    assert client("XGROUP", "SETID", "s", "f", "9", "ENTRIESREAD", -1) == "OK"
    assert group_info(client)[b"last-delivered-id"] == b"9-0" and group_info(client)[b"entries-read"] is None
    assert client("XGROUP", "SETID", "s", "x", 0) == Failure("NOGROUP No such consumer group 'x' for key name 's'")
    assert client("XGROUP", "DESTROY", "s", "f") == 1 and client("XGROUP", "DESTROY", "s", "f") == 0


@pytest.mark.parametrize("words, error", [
    (["CREATE", "s", "h", "$", "x"],
     "ERR unknown subcommand or wrong number of arguments for 'CREATE'. Try XGROUP HELP."),
    (["create", "s", "h", "$", "ENTRIESREAD"],
     "ERR unknown subcommand or wrong number of arguments for 'create'. Try XGROUP HELP."),
    (["CREATE", "s", "h", "$", "ENTRIESREAD", -2], "ERR value for ENTRIESREAD must be positive or -1"),
    (["CREATE", "s", "h", "x"], "ERR Invalid stream ID specified as stream command argument"),
    (["CREATE", "s", "h", "-"], "ERR Invalid stream ID specified as stream command argument"),
    (["CREATE", "s", "h"], "ERR wrong number of arguments for 'xgroup|create' command"),
    (["SETID", "s", "g", "$", "MKSTREAM"],
     "ERR unknown subcommand or wrong number of arguments for 'SETID'. Try XGROUP HELP."),
    (["CREATECONSUMER", "s", "x", "c"], "NOGROUP No such consumer group 'x' for key name 's'"),
    (["DELCONSUMER", "s", "x", "c"], "NOGROUP No such consumer group 'x' for key name 's'"),
    (["nope", "s"], "ERR unknown subcommand 'nope'. Try XGROUP HELP."),
])
def test_what_xgroup_refuses(client: Client, words: list[Any], error: str) -> None:
    fill(client)
    assert client("XGROUP", *words) == Failure(error)


def test_consumers(client: Client) -> None:
    fill(client)
    assert client("XGROUP", "CREATECONSUMER", "s", "g", "bob") == 1
    assert client("XGROUP", "CREATECONSUMER", "s", "g", "bob") == 0
    read(client, "alice", "COUNT", 2)
    assert client("XGROUP", "DELCONSUMER", "s", "g", "alice") == 2 and pending(client) == []
    assert client("XGROUP", "DELCONSUMER", "s", "g", "alice") == 0
    assert [as_map(one)[b"name"] for one in client("XINFO", "CONSUMERS", "s", "g")] == [b"bob"]


def test_help(client: Client) -> None:
    assert client("XGROUP", "HELP")[0] == "XGROUP <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"
    assert client("XINFO", "HELP")[-1] == "    Print this help."


# -- XREADGROUP, XACK ---------------------------------------------------------------------------------------------

def test_each_entry_is_given_once(client: Client) -> None:
    fill(client)
    assert read(client, "alice", "COUNT", 2) == {"s": ["1-0", "2-0"]}
    assert read(client, "bob") == {"s": ["3-0", "4-0", "5-0"]}
    assert read(client, "bob") is None
    assert pending(client) == [("1-0", "alice", 1), ("2-0", "alice", 1), ("3-0", "bob", 1), ("4-0", "bob", 1), ("5-0", "bob", 1)]
    assert client("XACK", "s", "g", "1-0", "1-0", "9-9", "4-0") == 2
    assert client("XACK", "s", "g", "2-0", "x") == Failure("ERR Invalid stream ID specified as stream command argument")
    assert client("XACK", "s", "nogroup", "2-0") == 0 == client("XACK", "none", "g", "2-0")
    assert client("XPENDING", "s", "g") == [3, b"2-0", b"5-0", [[b"alice", b"1"], [b"bob", b"2"]]]
    assert read(client, "bob", after="0") == {"s": ["3-0", "5-0"]}
    assert pending(client, "-", "+", 10, "bob") == [("3-0", "bob", 2), ("5-0", "bob", 2)]
    assert read(client, "bob", after="3-0") == {"s": ["5-0"]} and read(client, "carol", after="0") == {"s": []}


def test_history_of_deleted_entries(client: Client) -> None:
    fill(client)
    read(client, "bob", "COUNT", 3)
    client("XDEL", "s", "2-0")
    reply = client("XREADGROUP", "GROUP", "g", "bob", "STREAMS", "s", 0)
    entries = reply[b"s"] if isinstance(reply, dict) else reply[0][1]
    assert entries == [[b"1-0", [b"n", b"1"]], [b"2-0", None], [b"3-0", [b"n", b"3"]]]


def test_without_acknowledgement_nothing_is_pending(client: Client) -> None:
    fill(client)
    assert read(client, "bob", "NOACK") == {"s": [f"{n}-0" for n in range(1, 6)]}
    assert client("XPENDING", "s", "g") == [0, None, None, None]


def test_what_is_given_again_changes_hands(client: Client) -> None:
    fill(client)
    read(client, "alice")
    client("XGROUP", "SETID", "s", "g", "2-0")
    assert read(client, "bob", "COUNT", 2) == {"s": ["3-0", "4-0"]}
    assert [consumer for _, consumer, _ in pending(client)] == ["alice", "alice", "bob", "bob", "alice"]


@pytest.mark.parametrize("words, error", [
    (["GROUP", "x", "bob", "STREAMS", "s", ">"], NO_GROUP.format("s", "x") + " in XREADGROUP with GROUP option"),
    (["GROUP", "g", "bob", "STREAMS", "none", ">"], NO_GROUP.format("none", "g") + " in XREADGROUP with GROUP option"),
    (["COUNT", 1, "NOACK", "STREAMS", "s", ">"], "ERR Missing GROUP option for XREADGROUP"),
    (["GROUP", "g", "bob", "COUNT", 1, "s", ">"], "ERR syntax error"),
    (["GROUP", "g", "bob", "STREAMS", "s", "t", ">"],
     "ERR Unbalanced 'xreadgroup' list of streams: for each stream key an ID or '>' must be specified."),
    (["GROUP", "g", "bob", "STREAMS", "s", "$"],
     "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by "
     "specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set."),
    (["GROUP", "g", "bob", "BLOCK", -1, "STREAMS", "s", ">"], "ERR timeout is negative"),
    (["GROUP", "g", "bob", "BLOCK", "x", "STREAMS", "s", ">"], "ERR timeout is not an integer or out of range"),
])
def test_what_xreadgroup_refuses(client: Client, words: list[Any], error: str) -> None:
    fill(client)
    assert client("XREADGROUP", *words) == Failure(error)


def test_xpending_filters(client: Client) -> None:
    fill(client)
    read(client, "alice", "COUNT", 2)
    read(client, "bob")
    assert [id for id, _, _ in pending(client, "(1-0", "(5-0", 2)] == ["2-0", "3-0"]
    assert pending(client, "-", "+", 10, "nobody") == [] == pending(client, "-", "+", 0)
    assert pending(client, "IDLE", 10**9, "-", "+", 10) == []
    assert len(pending(client, "IDLE", 0, "-", "+", 10, "bob")) == 3
    assert client("XPENDING", "s", "g", "-") == Failure("ERR syntax error")
    assert client("XPENDING", "s", "g", "IDLE", 1, "-", "+") == Failure("ERR syntax error")
    assert client("XPENDING", "s", "x") == Failure(NO_GROUP.format("s", "x"))


# -- XCLAIM, XAUTOCLAIM -------------------------------------------------------------------------------------------

def test_claiming(client: Client) -> None:
    fill(client)
    read(client, "alice")
    assert client("XCLAIM", "s", "g", "bob", 10**9, "1-0") == []
    assert client("XCLAIM", "s", "g", "bob", 0, "1-0", "9-9") == [[b"1-0", [b"n", b"1"]]]
    assert client("XCLAIM", "s", "g", "bob", 0, "2-0", "JUSTID") == [b"2-0"]
    assert client("XCLAIM", "s", "g", "bob", 0, "3-0", "RETRYCOUNT", 7, "IDLE", 5000, "JUSTID") == [b"3-0"]
    assert pending(client, "-", "+", 3) == [("1-0", "bob", 2), ("2-0", "bob", 1), ("3-0", "bob", 7)]
    assert pending(client, "IDLE", 5000, "-", "+", 9) == [("3-0", "bob", 7)]
    client("XACK", "s", "g", "4-0")
    assert client("XCLAIM", "s", "g", "bob", 0, "4-0", "JUSTID") == []
    assert client("XCLAIM", "s", "g", "bob", 0, "4-0", "FORCE", "JUSTID") == [b"4-0"]
    client("XDEL", "s", "5-0")
    assert client("XCLAIM", "s", "g", "bob", 0, "5-0") == [] and len(pending(client)) == 4
    assert client("XCLAIM", "s", "g", "bob", 0, "1-0", "x") == Failure("ERR Unrecognized XCLAIM option 'x'")
    assert client("XCLAIM", "s", "g", "bob", "x", "1-0") == Failure("ERR Invalid min-idle-time argument for XCLAIM")
    assert client("XCLAIM", "s", "g", "bob", 0, "1-0", "TIME", "x") == Failure("ERR Invalid TIME option argument for XCLAIM")
    assert client("XCLAIM", "s", "x", "bob", 0, "1-0") == Failure(NO_GROUP.format("s", "x"))


def test_claiming_on_and_on(client: Client) -> None:
    fill(client, 10)
    read(client, "alice")
    client("XDEL", "s", "2-0", "3-0")
    assert client("XAUTOCLAIM", "s", "g", "bob", 0, "-", "COUNT", 3, "JUSTID") == [b"4-0", [b"1-0"], [b"2-0", b"3-0"]]
    assert client("XAUTOCLAIM", "s", "g", "bob", 0, "4-0", "COUNT", 2)[:2] == [
        b"6-0", [[b"4-0", [b"n", b"4"]], [b"5-0", [b"n", b"5"]]]]
    assert client("XAUTOCLAIM", "s", "g", "bob", 0, "(6-0", "JUSTID") == [b"0-0", [b"7-0", b"8-0", b"9-0", b"10-0"], []]
    assert client("XAUTOCLAIM", "s", "g", "carol", 10**9, "-", "COUNT", 1) == [b"0-0", [], []]
    assert pending(client, "-", "+", 3) == [("1-0", "bob", 1), ("4-0", "bob", 2), ("5-0", "bob", 2)]
    for count in (0, -1, "x", 2**62):
        assert client("XAUTOCLAIM", "s", "g", "bob", 0, "-", "COUNT", count) == Failure("ERR COUNT must be > 0")
    assert client("XAUTOCLAIM", "s", "g", "bob", 0, "-", "x") == Failure("ERR syntax error")


def test_idle_entries_are_looked_for_ten_times_as_far(client: Client) -> None:
    fill(client, 30)
    read(client, "alice")
    client("XCLAIM", "s", "g", "alice", 0, "25-0", "IDLE", 10**6, "JUSTID")
    assert client("XAUTOCLAIM", "s", "g", "bob", 10**6, "-", "COUNT", 2, "JUSTID") == [b"21-0", [], []]
    assert client("XAUTOCLAIM", "s", "g", "bob", 10**6, "21-0", "COUNT", 2, "JUSTID") == [b"0-0", [b"25-0"], []]


# -- XINFO --------------------------------------------------------------------------------------------------------

def test_xinfo(client: Client) -> None:
    fill(client, 3)
    before = time.time() * 1000 - 5
    read(client, "bob", "COUNT", 2)
    client("XGROUP", "CREATECONSUMER", "s", "g", "alice")
    short, full = as_map(client("XINFO", "STREAM", "s")), as_map(client("XINFO", "STREAM", "s", "FULL", "COUNT", 1))
    assert list(short) == [b"length", b"radix-tree-keys", b"radix-tree-nodes", b"last-generated-id", b"max-deleted-entry-id",
                           b"entries-added", b"recorded-first-entry-id", b"groups", b"first-entry", b"last-entry"]
    assert list(short.values()) == [3, 1, 2, b"3-0", b"0-0", 3, b"1-0", 1, [b"1-0", [b"n", b"1"]], [b"3-0", [b"n", b"3"]]]
    assert full[b"entries"] == [[b"1-0", [b"n", b"1"]]]
    group = as_map(full[b"groups"][0])
    assert (group[b"pel-count"], group[b"entries-read"], group[b"lag"]) == (2, 2, 1)
    (id, name, at, count), = group[b"pending"]
    assert (id, name, count) == (b"1-0", b"bob", 1) and before < at < before + 10_000
    alice, bob = map(as_map, group[b"consumers"])
    assert (alice[b"active-time"], alice[b"pel-count"], alice[b"pending"]) == (-1, 0, [])
    assert bob[b"pending"] == [[b"1-0", at, 1]] and bob[b"seen-time"] == bob[b"active-time"] == at
    assert as_map(client("XINFO", "CONSUMERS", "s", "g")[0])[b"inactive"] == -1
    assert client("XINFO", "STREAM", "none") == Failure("ERR no such key")
    assert client("XINFO", "CONSUMERS", "s", "x") == Failure("NOGROUP No such consumer group 'x' for key name 's'")
    assert client("XINFO", "STREAM", "s", "x") == Failure(
        "ERR unknown subcommand or wrong number of arguments for 'STREAM'. Try XINFO HELP.")


def test_what_a_group_has_read_is_found_again(client: Client) -> None:
    fill(client)
    assert (group_info(client)[b"entries-read"], group_info(client)[b"lag"]) == (None, 5)
    read(client, "bob", "COUNT", 1)
    assert (group_info(client)[b"entries-read"], group_info(client)[b"lag"]) == (1, 4)
    client("XDEL", "s", "3-0")      # a gap before it: nobody can tell
    assert group_info(client)[b"lag"] is None
    read(client, "bob", "COUNT", 1)
    assert (group_info(client)[b"entries-read"], group_info(client)[b"lag"]) == (None, None)
    read(client, "bob")
    assert (group_info(client)[b"entries-read"], group_info(client)[b"lag"]) == (5, 0)


# -- effects ------------------------------------------------------------------------------------------------------

def test_reading_is_told_as_claims(kv: Embedded) -> None:
    fill(kv, 2)
    kv.effects()
    read(kv, "bob")
    effects = kv.effects()
    time_of = effects[1][7]
    claim = ["XCLAIM", "s", "g", "bob", "0", "1-0", "TIME", time_of, "RETRYCOUNT", "1", "FORCE", "JUSTID", "LASTID", "1-0"]
    second = ["2-0" if word == "1-0" else word for word in claim]
    assert effects == [["MULTI"], claim, second, ["XGROUP", "SETID", "s", "g", "2-0", "ENTRIESREAD", "2"], ["EXEC"]]
    read(kv, "bob")
    assert kv.effects() == []
    kv("XADD", "s", "3-0", "a", 1)
    kv.effects()
    read(kv, "carol", "NOACK")
    assert kv.effects() == [["MULTI"], ["XGROUP", "CREATECONSUMER", "s", "g", "carol"],
                            ["XGROUP", "SETID", "s", "g", "3-0", "ENTRIESREAD", "3"], ["EXEC"]]
    kv("XACK", "s", "g", "1-0")
    assert kv.effects() == [["XACK", "s", "g", "1-0"]]
    inspect.check(kv.engine)


def test_claiming_is_told_as_claims(kv: Embedded) -> None:
    fill(kv, 2)
    read(kv, "bob")
    kv("XDEL", "s", "2-0")
    kv.effects()
    kv("XAUTOCLAIM", "s", "g", "alice", 0, "-")
    effects = kv.effects()
    assert [effect[:6] for effect in effects[1:-1]] == [
        ["XCLAIM", "s", "g", "alice", "0", "1-0"], ["XCLAIM", "s", "g", "bob", "0", "2-0"]]
    kv("XCLAIM", "s", "g", "bob", 0, "7-7", "LASTID", "9-0")
    assert kv.effects() == [["XGROUP", "SETID", "s", "g", "9-0", "ENTRIESREAD", "2"]]


# -- waiting ------------------------------------------------------------------------------------------------------

class Waiters:
    """Clients that wait, and what they are answered."""

    def __init__(self, server: Program, resp: int, main: Client):
        self.server, self.resp, self.main, self.clients = server, resp, main, list[Client]()

    def wait(self, *words: Any) -> Client:
        waiter = Client(self.server.port, self.resp)
        self.clients.append(waiter)
        before = info(self.main, "blocked_clients")
        waiter.send(*words)
        await_blocked(self.main, before + 1)
        return waiter

    def waits(self, waiter: Client) -> bool:
        self.main("PING")
        return not select.select([waiter.socket], [], [], 0.02)[0]


@pytest.fixture
def waiters(server: Program, client: Client) -> Iterator[Waiters]:
    made = Waiters(server, client.resp, client)
    yield made
    for waiter in made.clients:
        waiter.close()
    await_blocked(client, 0)


def test_waiting_for_entries(waiters: Waiters) -> None:
    client = waiters.main
    fill(client, 2, key="t")
    first = waiters.wait("XREAD", "BLOCK", 0, "STREAMS", "s", "t", "$", "$")
    second = waiters.wait("XREAD", "COUNT", 1, "BLOCK", 10_000, "STREAMS", "s", "5")
    client("XADD", "s", "1-0", "a", 1)
    assert given(first.reply()) == {"s": ["1-0"]} and waiters.waits(second)
    client("MULTI")
    for id in ("5-0", "6-0", "7-0"):
        client("XADD", "s", id, "a", 1)
    client("EXEC")
    assert given(second.reply()) == {"s": ["6-0"]}
    assert client("XREAD", "BLOCK", 20, "STREAMS", "s", "$") is None


def test_what_is_gone_again_wakes_nobody(waiters: Waiters) -> None:
    client = waiters.main
    waiter = waiters.wait("XREAD", "BLOCK", 0, "STREAMS", "s", "$")
    client("MULTI")
    client("XADD", "s", "1-0", "a", 1)
    client("DEL", "s")
    client("LPUSH", "s", "x")
    client("EXEC")
    assert waiters.waits(waiter)
    client("DEL", "s")
    client("XADD", "s", "1-0", "a", 1)
    assert given(waiter.reply()) == {"s": ["1-0"]}


def test_the_last_entry_is_that_of_the_moment_it_comes(waiters: Waiters) -> None:
    client = waiters.main
    waiter = waiters.wait("XREAD", "BLOCK", 0, "STREAMS", "s", "+")
    client("MULTI")
    client("XADD", "s", "1-0", "a", 1)
    client("XADD", "s", "2-0", "a", 1)
    client("EXEC")
    assert given(waiter.reply()) == {"s": ["2-0"]}


def test_consumers_wait_in_turn(waiters: Waiters) -> None:
    client = waiters.main
    client("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
    words = ["BLOCK", 0, "COUNT", 1, "STREAMS", "s", ">"]
    first, second = (waiters.wait("XREADGROUP", "GROUP", "g", name, *words) for name in ("bob", "alice"))
    client("XADD", "s", "1-0", "a", 1)
    assert given(first.reply()) == {"s": ["1-0"]} and waiters.waits(second)
    client("XADD", "s", "2-0", "a", 1)
    assert given(second.reply()) == {"s": ["2-0"]}
    assert pending(client) == [("1-0", "bob", 1), ("2-0", "alice", 1)]
    assert read(client, "bob", "BLOCK", 0, after="0") == {"s": ["1-0"]}     # history is there at once


@pytest.mark.parametrize("change, error", [
    (["DEL", "s"], NO_GROUP.format("s", "g") + " in XREADGROUP with GROUP option"),
    (["XGROUP", "DESTROY", "s", "g"], NO_GROUP.format("s", "g") + " in XREADGROUP with GROUP option"),
    (["SET", "s", "x"], "WRONGTYPE Operation against a key holding the wrong kind of value"),
    (["FLUSHALL"], NO_GROUP.format("s", "g") + " in XREADGROUP with GROUP option"),
])
def test_a_group_that_goes_ends_the_wait(waiters: Waiters, change: list[str], error: str) -> None:
    client = waiters.main
    client("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
    waiter = waiters.wait("XREADGROUP", "GROUP", "g", "bob", "BLOCK", 0, "STREAMS", "s", ">")
    client(*change)
    assert waiter.reply() == Failure(error)


def test_groups_are_no_change_to_a_watcher(client):
    client("XADD", "s", "1-1", "f", "v")
    client("WATCH", "s")
    client("XGROUP", "CREATE", "s", "g", 0)
    client("XGROUP", "SETID", "s", "g", "1-1")
    client("XGROUP", "CREATECONSUMER", "s", "g", "c")
    client("XGROUP", "DELCONSUMER", "s", "g", "c")
    client("XGROUP", "DESTROY", "s", "g")
    client("XSETID", "s", "2-1")
    client("MULTI")
    assert client("EXEC") == []


def test_a_zero_byte_ends_an_id(client):
    client("XADD", "s", b"1-1\x00x", "f", "v")
    assert client("XRANGE", "s", b"1\x00", "+") == [[b"1-1", [b"f", b"v"]]]
