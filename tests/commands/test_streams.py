"""Commands on the entries of streams: replies in both RESP versions, errors, effects, invariants."""
from __future__ import annotations

import time
from typing import Any

import pytest

from kv._core.engine import inspect
from tests.commands.client import Client, Failure
from tests.commands.embedded import Embedded

MOST = "18446744073709551615"
WRONG_ID = "ERR Invalid stream ID specified as stream command argument"
SMALL_ID = "ERR The ID specified in XADD is equal or smaller than the target stream top item"


def add(client: Client, *ids: str, key: str = "s") -> None:
    for id in ids:
        assert client("XADD", key, id, "n", id) is not None


def ids(entries: list[Any]) -> list[str]:
    return [entry[0].decode() for entry in entries]


def left(client: Client, key: str = "s") -> list[str]:
    return ids(client("XRANGE", key, "-", "+"))


@pytest.fixture
def small_nodes(kv: Embedded):
    kv.engine.configure(stream_node_max_entries=10)
    yield kv
    kv.engine.configure(stream_node_max_entries=100)


# -- XADD ---------------------------------------------------------------------------------------------------------

def test_ids_are_the_clock_and_never_go_back(client: Client) -> None:
    before = int(time.time() * 1000)
    made = [client("XADD", "s", "*", "a", 1) for _ in range(50)]
    halves = [tuple(map(int, id.split(b"-"))) for id in made]
    assert halves == sorted(set(halves)) and before - 5 <= halves[0][0] <= time.time() * 1000 + 5
    assert client("XADD", "s", f"{halves[-1][0] + 10**9}-5", "a", 1) == b"%d-5" % (halves[-1][0] + 10**9)
    assert client("XADD", "s", "*", "a", 1) == b"%d-6" % (halves[-1][0] + 10**9)


def test_ids_in_part(client: Client) -> None:
    assert client("XADD", "s", "5", "a", 1) == b"5-0"
    assert client("XADD", "s", "5-*", "a", 1) == b"5-1"
    assert client("XADD", "s", "7-*", "a", 1) == b"7-0"
    assert client("XADD", "t", "0-*", "a", 1) == b"0-1"
    assert client("XADD", "s", "6-*", "a", 1) == Failure(SMALL_ID)
    assert client("XADD", "s", f"8-{MOST}", "a", 1) == f"8-{MOST}".encode()
    assert client("XADD", "s", "8-*", "a", 1) == Failure(SMALL_ID)
    assert client("XADD", "s", f"{MOST}-{MOST}", "a", 1) == f"{MOST}-{MOST}".encode()
    assert client("XADD", "s", "*", "a", 1) == Failure(
        "ERR The stream has exhausted the last possible ID, unable to add more items")


@pytest.mark.parametrize("words, error", [
    (["0-0", "a", 1], "ERR The ID specified in XADD must be greater than 0-0"),
    (["0", "a", 1], "ERR The ID specified in XADD must be greater than 0-0"),
    (["x", "a", 1], WRONG_ID), (["+", "a", 1], WRONG_ID), (["1-2-3", "a", 1], WRONG_ID), ([MOST + "0", "a", 1], WRONG_ID),
    (["*", "a"], "ERR wrong number of arguments for 'xadd' command"),
    (["*", "a", 1, "b"], "ERR wrong number of arguments for 'xadd' command"),
    (["MAXLEN", 5, "*"], "ERR wrong number of arguments for 'xadd' command"),
    (["MAXLEN", "x", "*", "a", 1], "ERR value is not an integer or out of range"),
    (["MAXLEN", -1, "*", "a", 1], "ERR The MAXLEN argument must be >= 0."),
    (["MAXLEN", "~", 5, "LIMIT", -1, "*", "a", 1], "ERR The LIMIT argument must be >= 0."),
    (["MAXLEN", 5, "LIMIT", 1, "*", "a", 1], "ERR syntax error, LIMIT cannot be used without the special ~ option"),
    (["LIMIT", 1, "*", "a", 1], "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy"),
    (["MINID", 1, "MAXLEN", 5, "*", "a", 1],
     "ERR syntax error, MAXLEN and MINID options at the same time are not compatible"),
])
def test_what_cannot_be_added_makes_no_key(client: Client, words: list[Any], error: str) -> None:
    assert client("XADD", "s", *words) == Failure(error)
    assert client("EXISTS", "s") == 0


def test_nomkstream(client: Client) -> None:
    assert client("XADD", "s", "NOMKSTREAM", "*", "a", 1) is None
    assert client("EXISTS", "s") == 0
    add(client, "1-1")
    assert client("XADD", "s", "nomkstream", "2-1", "a", 1) == b"2-1"


def test_another_type_is_refused(client: Client) -> None:
    client("SET", "s", "x")
    wrong = Failure("WRONGTYPE Operation against a key holding the wrong kind of value")
    for words in (["XADD", "s", "*", "a", 1], ["XLEN", "s"], ["XRANGE", "s", "-", "+"], ["XDEL", "s", "1-1"],
                  ["XTRIM", "s", "MAXLEN", 1], ["XSETID", "s", "1-1"], ["XREAD", "STREAMS", "s", 0], ["XACK", "s", "g", "1-1"],
                  ["XINFO", "STREAM", "s"], ["XGROUP", "CREATE", "s", "g", "$", "MKSTREAM"], ["XPENDING", "s", "g"]):
        assert client(*words) == wrong, words


def test_a_stream_is_one(client: Client) -> None:
    add(client, "1-1")
    assert (client("TYPE", "s"), client("OBJECT", "ENCODING", "s")) == ("stream", b"stream")
    assert client("XDEL", "s", "1-1") == 1
    assert (client("EXISTS", "s"), client("XLEN", "s")) == (1, 0)       # it stays though it is empty


def test_large_values_and_many_fields(client: Client) -> None:
    words = [word for n in range(500) for word in (b"field:%d" % n, b"\0\r\n" * n)]
    client("XADD", "s", "1-1", *words)
    client("XADD", "s", "1-2", "big", b"x" * 200_000)
    client("XADD", "s", "1-3", *words)
    assert client("XRANGE", "s", "-", "+") == [[b"1-1", words], [b"1-2", [b"big", b"x" * 200_000]], [b"1-3", words]]


# -- trimming -----------------------------------------------------------------------------------------------------

def test_exact_trimming(client: Client) -> None:
    add(client, *(f"{n}-1" for n in range(1, 301)))
    assert client("XTRIM", "s", "MAXLEN", "=", 290) == 10 and left(client)[0] == "11-1"
    assert client("XTRIM", "s", "MINID", 200) == 189 and left(client)[0] == "200-1"
    assert client("XTRIM", "s", "MINID", "200-2") == 1
    assert client("XADD", "s", "MAXLEN", 3, "301-1", "a", 1) == b"301-1"
    assert left(client) == ["299-1", "300-1", "301-1"]
    assert client("XADD", "s", "MINID", "=", "301", "302-1", "a", 1) and left(client) == ["301-1", "302-1"]
    assert client("XTRIM", "s", "MAXLEN", 0) == 2 and client("XTRIM", "none", "MAXLEN", 0) == 0


def test_approximate_trimming_drops_whole_nodes(small_nodes: Embedded) -> None:
    kv = small_nodes
    add(kv, *(f"{n}-1" for n in range(1, 96)))
    assert kv("XTRIM", "s", "MAXLEN", "~", 42) == 50
    assert kv("XTRIM", "s", "MINID", "~", "68-0") == 10
    assert kv("XTRIM", "s", "MAXLEN", "~", 0, "LIMIT", 19) == 10
    assert kv("XTRIM", "s", "MAXLEN", "~", 0, "LIMIT", 0) == 25 and kv("XLEN", "s") == 0
    assert kv("XTRIM", "s", "MAXLEN", 5, "x") == Failure("ERR syntax error")
    assert kv("XTRIM", "s", "LIMIT", 0, "MAXLEN") == Failure("ERR syntax error")
    assert kv("XTRIM", "s", "LIMIT", 0) == Failure("ERR syntax error, XTRIM must be called with a trimming strategy")


def test_without_limit_a_hundred_nodes_are_the_most(kv: Embedded) -> None:
    kv.engine.configure(stream_node_max_entries=1)
    add(kv, *(f"{n}-1" for n in range(1, 103)))
    assert kv("XTRIM", "s", "MAXLEN", "~", 1) == 100
    kv.engine.configure(stream_node_max_entries=100)


# -- XDEL, XRANGE -------------------------------------------------------------------------------------------------

def test_deleting(client: Client) -> None:
    add(client, *(f"{n}-1" for n in range(1, 251)))
    assert client("XDEL", "s", "7-1", "7-1", "7-2", "250-1") == 2
    assert client("XDEL", "s", "8-1", "x") == Failure(WRONG_ID) and client("XLEN", "s") == 248
    assert client("XDEL", "none", "1-1") == 0
    assert client("XDEL", "s", *(f"{n}-1" for n in range(1, 200))) == 198
    assert left(client) == [f"{n}-1" for n in range(200, 250)]
    assert client("XADD", "s", "250-1", "a", 1) == Failure(SMALL_ID)


def test_ranges(client: Client) -> None:
    add(client, "1-1", "1-2", "2-0", "2-5", "3-1")

    def both(start: str, end: str, *options: Any) -> tuple[list[str], list[str]]:
        return ids(client("XRANGE", "s", start, end, *options)), ids(client("XREVRANGE", "s", end, start, *options))

    assert both("-", "+") == (["1-1", "1-2", "2-0", "2-5", "3-1"], ["3-1", "2-5", "2-0", "1-2", "1-1"])
    assert both("1", "2") == (["1-1", "1-2", "2-0", "2-5"], ["2-5", "2-0", "1-2", "1-1"])
    assert both("(1-1", "(2-5") == (["1-2", "2-0"], ["2-0", "1-2"])
    assert both("(1", "(2") == (["1-1", "1-2", "2-0", "2-5"], ["2-5", "2-0", "1-2", "1-1"])
    assert both("-", "+", "COUNT", 2) == (["1-1", "1-2"], ["3-1", "2-5"])
    assert both("3", "1") == ([], []) and both("4", "+") == ([], [])
    assert client("XRANGE", "s", "-", "+", "COUNT", 0) is None and client("XRANGE", "none", "-", "+", "COUNT", 0) == []
    assert client("XRANGE", "s", "-", "+", "COUNT") == Failure("ERR syntax error")
    assert client("XRANGE", "s", f"({MOST}-{MOST}", "+") == Failure("ERR invalid start ID for the interval")
    assert client("XRANGE", "s", "-", "(0-0") == Failure("ERR invalid end ID for the interval")
    assert client("XRANGE", "s", "(-", "+") == Failure(WRONG_ID)


@pytest.mark.parametrize("version, raw", [
    (2, b"*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\nn\r\n$3\r\n1-1\r\n"),
    (3, b"%1\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\nn\r\n$3\r\n1-1\r\n")])
def test_xread_bytes(server: Any, version: int, raw: bytes) -> None:
    client = Client(server.port, version)
    client("FLUSHALL")
    add(client, "1-1")
    assert client.raw("XREAD", "STREAMS", "s", "0") == raw
    assert client.raw("XREAD", "STREAMS", "s", "$") == (b"*-1\r\n" if version == 2 else b"_\r\n")
    client.close()


def test_xread(client: Client) -> None:
    add(client, "1-1", "2-1", "3-1")
    add(client, "5-1", key="t")

    def read(*words: Any) -> Any:
        reply = client("XREAD", *words)
        return None if reply is None else [(name, ids(entries)) for name, entries in
                                           (reply.items() if isinstance(reply, dict) else reply)]

    assert read("STREAMS", "s", "t", "none", "1-1", "0", "0") == [(b"s", ["2-1", "3-1"]), (b"t", ["5-1"])]
    assert read("COUNT", 1, "STREAMS", "s", "t", "0", "5-1") == [(b"s", ["1-1"])]
    assert read("STREAMS", "s", "+") == [(b"s", ["3-1"])]
    assert read("STREAMS", "s", "3") == [(b"s", ["3-1"])]       # 3-0, that is
    assert read("STREAMS", "s", "t", "$", "$") is None
    assert client("XREAD", "STREAMS", "s", "t", "0") == Failure(
        "ERR Unbalanced 'xread' list of streams: for each stream key an ID or '$' must be specified.")
    assert client("XREAD", "STREAMS", "s", ">") == Failure(
        "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.")
    assert client("XREAD", "COUNT", 1, "s", 0) == Failure("ERR syntax error")
    assert client("XREAD", "NOACK", "STREAMS", "s", 0) == Failure(
        "ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.")


# -- XSETID -------------------------------------------------------------------------------------------------------

def test_setting_the_last_id(client: Client) -> None:
    assert client("XSETID", "s", "1-1") == Failure("ERR no such key")
    add(client, "5-1", "6-1")
    assert client("XSETID", "s", "9-1", "ENTRIESADDED", 50, "MAXDELETEDID", "8-0") == "OK"
    info = client("XINFO", "STREAM", "s")
    info = info if isinstance(info, dict) else dict(zip(info[::2], info[1::2], strict=True))
    assert (info[b"last-generated-id"], info[b"entries-added"], info[b"max-deleted-entry-id"]) == (b"9-1", 50, b"8-0")
    for words, error in [
            (["5-0"], "The ID specified in XSETID is smaller than current max_deleted_entry_id"),
            (["9-1", "ENTRIESADDED", 1], "The entries_added specified in XSETID is smaller than the target stream length"),
            (["9-1", "ENTRIESADDED", -1], "entries_added must be positive"), (["9-1", "x"], "syntax error"),
            (["9-1", "MAXDELETEDID", "9-2"],
             "The ID specified in XSETID is smaller than the provided max_deleted_entry_id")]:
        assert client("XSETID", "s", *words) == Failure("ERR " + error)


# -- effects, changes ---------------------------------------------------------------------------------------------

def test_effects_say_what_came_out(small_nodes: Embedded) -> None:
    kv = small_nodes
    id = kv("XADD", "s", "*", "a", 1).decode()
    add(kv, f"{int(id.split('-')[0]) + 5}-*")
    ahead = int(id.split("-")[0]) + 5
    assert kv.effects() == [["XADD", "s", id, "a", "1"], ["XADD", "s", f"{ahead}-0", "n", f"{ahead}-*"]]
    kv("XADD", "t", "1-1", "a", 1)
    assert kv.effects() == [["XADD", "t", "1-1", "a", "1"]]
    add(kv, *(f"{n}-1" for n in range(2, 36)), key="t")
    kv.effects()
    kv("XADD", "t", "MAXLEN", "~", 12, "LIMIT", 10, "99-1", "a", 1)
    assert kv.effects() == [["XADD", "t", "MAXLEN", "=", "26", "LIMIT", "10", "99-1", "a", "1"]]
    kv("XTRIM", "t", "MINID", "~", "25")
    assert kv.effects() == [["XTRIM", "t", "MINID", "=", "21-1"]]
    kv("XTRIM", "t", "MINID", "~", "25")
    kv("XDEL", "t", "1-1")
    assert kv.effects() == []
    kv("XTRIM", "t", "MAXLEN", "3")
    kv("XDEL", "t", "99-1", "98-1")
    assert kv.effects() == [["XTRIM", "t", "MAXLEN", "3"], ["XDEL", "t", "99-1", "98-1"]]


def test_events(server: Any) -> None:
    client, listener = Client(server.port), Client(server.port)
    client("FLUSHALL")
    client("CONFIG", "SET", "notify-keyspace-events", "Etg")
    listener("PSUBSCRIBE", "__keyevent@0__:*")
    for words in (["XADD", "s", "1-1", "a", 1], ["XADD", "s", "MAXLEN", 1, "2-1", "a", 1], ["XDEL", "s", "2-1"],
                  ["XDEL", "s", "2-1"], ["XADD", "s", "3-1", "a", 1], ["XTRIM", "s", "MAXLEN", 0], ["XSETID", "s", "9-1"],
                  ["XGROUP", "CREATE", "s", "g", "$"], ["XGROUP", "SETID", "s", "g", "0"],
                  ["XREADGROUP", "GROUP", "g", "bob", "STREAMS", "s", ">"], ["XGROUP", "CREATECONSUMER", "s", "g", "alice"],
                  ["XGROUP", "DELCONSUMER", "s", "g", "bob"], ["XGROUP", "DESTROY", "s", "g"], ["DEL", "s"]):
        client(*words)
    heard = [listener.reply()[2].decode().partition(":")[2] for _ in range(14)]
    client("CONFIG", "SET", "notify-keyspace-events", "")
    assert heard == ["xadd", "xadd", "xtrim", "xdel", "xadd", "xtrim", "xsetid", "xgroup-create", "xgroup-setid",
                     "xgroup-createconsumer", "xgroup-createconsumer", "xgroup-delconsumer", "xgroup-destroy", "del"]
    client.close()
    listener.close()


def test_a_transaction_watches_streams(client: Client, server: Any) -> None:
    other = Client(server.port)
    add(client, "1-1")
    client("WATCH", "s")
    add(other, "2-1")
    client("MULTI")
    client("XADD", "s", "3-1", "a", 1)
    assert client("EXEC") is None and client("XLEN", "s") == 2
    client("MULTI")
    for words in (["XADD", "s", "3-1", "a", 1], ["XREAD", "BLOCK", 0, "STREAMS", "s", "$"], ["XLEN", "s"]):
        client(*words)
    assert client("EXEC") == [b"3-1", None, 3]
    other.close()


def grouped(kv: Embedded) -> None:
    add(kv, *(f"{n}-{n % 3}" for n in range(1, 1000)))
    kv("XGROUP", "CREATE", "s", "g", 0)
    kv("XREADGROUP", "GROUP", "g", "bob", "COUNT", 500, "STREAMS", "s", ">")
    kv("XREADGROUP", "GROUP", "g", "alice", "COUNT", 10, "STREAMS", "s", ">")
    kv("XDEL", "s", *(f"{n}-{n % 3}" for n in range(100, 300)))


def test_a_copy_is_equal_and_shares_nothing(kv: Embedded) -> None:
    grouped(kv)
    assert kv("COPY", "s", "t") == 1
    inspect.check(kv.engine)
    for words in (["XRANGE", "%", "-", "+"], ["XPENDING", "%", "g"], ["XINFO", "STREAM", "%", "FULL", "COUNT", 0]):
        first, second = (kv(*(key if word == "%" else word for word in words)) for key in "st")
        assert first == second
    kv("XADD", "s", "5000-0", "a", 1)
    kv("XACK", "s", "g", "1-1")
    assert kv("XLEN", "t") == 799 and kv("XPENDING", "t", "g")[0] == 510


def test_memory_is_counted_and_given_back(kv: Embedded) -> None:
    for _ in range(2):      # buffers have grown after the first time
        grouped(kv)
        kv.effects()
        empty = kv.used_memory()
        size = kv("MEMORY", "USAGE", "s", "SAMPLES", 0)
        assert 0 < size < 120_000 and abs(kv("MEMORY", "USAGE", "s") - size) < size / 3
        kv("DEL", "s")
        kv.effects()
    assert abs(empty - kv.used_memory() - size) < size / 8
