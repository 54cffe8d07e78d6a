"""DELIFEQ, which Valkey has since 9.0: replies and effects as 9.1's."""
from __future__ import annotations

import time

import pytest

from tests.commands.client import Client, Failure
from tests.program import Program

WRONG_TYPE = Failure("WRONGTYPE Operation against a key holding the wrong kind of value")
VALUES = {"int": b"12345", "least int": b"-9223372036854775808", "empty": b"", "embstr": b"short", "binary": b"\x00\xff\r\n" * 5,
          "embedded": b"m" * 900, "blob": b"r" * 2000, "big": b"B" * 100_000}
every_value = pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)


@every_value
def test_it_deletes_a_key_that_holds_the_value(client: Client, value: bytes) -> None:
    client("SET", "k", value, "EX", 100)
    assert client.raw("DELIFEQ", "k", value) == b":1\r\n"
    assert client("EXISTS", "k") == 0
    assert client("DELIFEQ", "k", value) == 0


@every_value
def test_it_keeps_a_key_that_holds_another_value(client: Client, value: bytes) -> None:
    client("SET", "k", value)
    for other in (value + b"x", value[:-1] if value else b"0", b"x" + value[1:], value.swapcase() + b"!", b"0" + value):
        assert client.raw("DELIFEQ", "k", other) == b":0\r\n"
    assert client("GET", "k") == value


def test_numbers_are_compared_as_text(client: Client) -> None:
    client("SET", "k", 10)
    assert client("OBJECT", "ENCODING", "k") == b"int"
    for other in ("010", "10.0", "+10", " 10", "1e1"):
        assert client("DELIFEQ", "k", other) == 0
    client("INCR", "k")
    assert client("DELIFEQ", "k", 11) == 1


def test_a_changed_string_is_compared_by_what_it_holds_now(client: Client) -> None:
    client("SET", "k", "ab")
    client("APPEND", "k", "cd")
    assert client("DELIFEQ", "k", "ab") == 0
    assert client("DELIFEQ", "k", "abcd") == 1


def test_mistakes(client: Client) -> None:
    client("RPUSH", "l", "a")
    assert client("DELIFEQ", "l", "a") == WRONG_TYPE
    assert client("LLEN", "l") == 1
    for words in (["k"], ["k", "v", "w"]):
        assert client("DELIFEQ", *words) == Failure("ERR wrong number of arguments for 'delifeq' command")


def test_in_a_transaction(client: Client) -> None:
    client("SET", "k", "v")
    client("MULTI")
    for value in ("x", "v", "v"):
        client("DELIFEQ", "k", value)
    assert client("EXEC") == [0, 1, 0]


def test_who_watches_and_who_listens(server: Program, client: Client) -> None:
    other = Client(server.port)
    client("SET", "k", "v")
    client("CONFIG", "SET", "notify-keyspace-events", "EA")
    other("SUBSCRIBE", "__keyevent@0__:del")
    client("WATCH", "k")
    assert client("DELIFEQ", "k", "x") == 0
    client("MULTI")
    client("PING")
    assert client("EXEC") == ["PONG"]
    client("WATCH", "k")
    assert client("DELIFEQ", "k", "v") == 1
    client("MULTI")
    assert client("EXEC") is None
    assert other.reply() == [b"message", b"__keyevent@0__:del", b"k"]
    client("CONFIG", "SET", "notify-keyspace-events", "")
    other.close()


@every_value
def test_what_the_aof_and_replicas_see(kv, value: bytes) -> None:
    kv("SET", "k", value)
    kv.effects()
    dirty = kv.engine.dirty
    assert kv("DELIFEQ", "k", value + b"x") == 0
    assert kv.effects() == [] and kv.engine.dirty == dirty
    assert kv("DELIFEQ", "k", value) == 1
    assert kv.effects() == [["DEL", "k"]] and kv.engine.dirty == dirty + 1


def test_an_expired_key_holds_nothing(kv) -> None:
    kv("SET", "k", "v", "PX", 1)
    kv.effects()
    time.sleep(0.005)
    assert kv("DELIFEQ", "k", "v") == 0
    assert kv.effects() == [["DEL", "k"]]


def test_the_declaration_is_that_of_valkey(client: Client) -> None:
    name, arity, flags, first, last, step, categories, tips, specs, subcommands = client("COMMAND", "INFO", "delifeq")[0]
    assert (name, arity, set(flags), [first, last, step]) == (b"delifeq", 3, {"write", "fast"}, [1, 1, 1])
    assert set(categories) == {"@write", "@string", "@fast"}
    assert not tips and not subcommands and len(specs) == 1
    assert client("COMMAND", "GETKEYSANDFLAGS", "delifeq", "k", "v") == [[b"k", ["RM", "delete"]]]
