"""String commands, case by case, in both RESP versions; each value in every encoding."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.commands.client import Client, Failure, Map
from tests.program import Program

WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
NOT_INTEGER = "ERR value is not an integer or out of range"
SYNTAX = "ERR syntax error"
VALUES = [
    b"12345",
    b"-9223372036854775808",
    b"",
    b"short",
    b"\x00\xff" * 10,
    b"m" * 900,
    b"r" * 2000,
    b"B" * 40_000,
]
IDS = ["int", "least-int", "empty", "embstr", "binary", "embedded", "raw", "big"]


def later() -> int:
    return int(time.time()) + 1000


@pytest.fixture(params=VALUES, ids=IDS)
def value(request: pytest.FixtureRequest) -> bytes:
    return request.param


class TestSet:
    def test_round_trip(self, client: Client, value: bytes) -> None:
        assert client("SET", "k", value) == "OK"
        assert client("GET", "k") == value
        assert client("STRLEN", "k") == len(value)
        assert client("GETRANGE", "k", 1, 3) == value[1:4]

    @pytest.mark.parametrize("old", VALUES, ids=IDS)
    def test_over_every_other(self, client: Client, value: bytes, old: bytes) -> None:
        client("SET", "k", old, "EXAT", later())
        assert client("SET", "k", value, "GET") == old
        assert client("GET", "k") == value
        assert client("PEXPIRETIME", "k") == -1
        client("SET", "k", old)
        client("SET", "k", value, "PXAT", later() * 1000)
        assert client("GET", "k") == value
        assert client("PTTL", "k") > 900_000

    @pytest.mark.parametrize(
        "key, text, encoding",
        [
            ("k", "12", b"int"),
            ("k", "9223372036854775807", b"int"),
            ("k", "9223372036854775808", b"embstr"),
            ("k", "012", b"embstr"),
            ("k", "x" * 40, b"embstr"),
            ("k", "x" * 41, b"raw"),
            ("k" * 300, "x", b"raw"),
        ],
    )
    def test_encoding(self, client: Client, key: str, text: str, encoding: bytes) -> None:
        client("SET", key, text)
        assert client("OBJECT", "ENCODING", key) == encoding

    def test_expiry_counts_as_eight_bytes_of_embstr(self, client: Client) -> None:
        client("SET", "k", "x" * 32, "EX", 100)
        assert client("OBJECT", "ENCODING", "k") == b"embstr"
        client("SET", "k", "x" * 33, "EX", 100)
        assert client("OBJECT", "ENCODING", "k") == b"raw"

    def test_nx_and_xx(self, client: Client) -> None:
        assert client("SET", "k", 1, "XX") is None
        assert client("GET", "k") is None
        assert client("SET", "k", 1, "NX") == "OK"
        assert client("SET", "k", 2, "NX") is None
        assert client("GET", "k") == b"1"
        assert client("SET", "k", 2, "XX") == "OK"
        assert client("GET", "k") == b"2"
        assert client("SETNX", "k", 3) == 0
        assert client("SETNX", "new", 3) == 1

    def test_get_with_conditions(self, client: Client) -> None:
        assert client("SET", "k", 1, "XX", "GET") is None
        assert client("GET", "k") is None
        assert client("SET", "k", 1, "NX", "GET") is None
        assert client("SET", "k", 2, "NX", "GET") == b"1"
        assert client("SET", "k", 2, "GET", "XX") == b"1"
        assert client("GET", "k") == b"2"

    def test_ifeq(self, client: Client, value: bytes) -> None:
        assert client("SET", "k", "new", "IFEQ", value) is None
        client("SET", "k", value)
        assert client("SET", "k", "new", "IFEQ", value + b"x") is None
        assert client("SET", "k", "new", "ifeq", value, "GET") == value
        assert client("SET", "k", "newer", "IFEQ", value, "GET") == b"new"
        assert client("GET", "k") == b"new"

    def test_keepttl(self, client: Client, value: bytes) -> None:
        client("SET", "k", "old", "EX", 1000)
        client("SET", "k", value, "KEEPTTL")
        assert client("GET", "k") == value
        assert 990 <= client("TTL", "k") <= 1000
        client("SET", "k", value)
        assert client("TTL", "k") == -1
        assert client("SET", "other", value, "KEEPTTL") == "OK"
        assert client("TTL", "other") == -1

    @pytest.mark.parametrize("options, ttl", [(("EX", 100), 100), (("PX", 100_000), 100)])
    def test_relative_expiry(self, client: Client, options: tuple[Any, ...], ttl: int) -> None:
        assert client("SET", "k", "v", *options) == "OK"
        assert ttl - 2 <= client("TTL", "k") <= ttl
        assert client("P" * (options[0] == "PX") + "SETEX", "j", options[1], "v") == "OK"
        assert ttl - 2 <= client("TTL", "j") <= ttl

    def test_absolute_expiry(self, client: Client) -> None:
        moment = later()
        client("SET", "k", "v", "EXAT", moment)
        client("SET", "j", "v", "PXAT", moment * 1000 + 7)
        assert client("PEXPIRETIME", "k") == moment * 1000
        assert client("PEXPIRETIME", "j") == moment * 1000 + 7

    def test_passed_expiry_deletes(self, client: Client) -> None:
        client("SET", "k", "v")
        assert client("SET", "k", "w", "EXAT", 1000, "GET") == b"v"
        assert client("EXISTS", "k") == 0
        assert client("SET", "k", "w", "PXAT", 1) == "OK"
        assert client("EXISTS", "k") == 0

    def test_expires(self, client: Client) -> None:
        client("SET", "k", "v", "PX", 1)
        time.sleep(0.01)
        assert client("GET", "k") is None
        client("SET", "k", "v", "PX", 1)
        time.sleep(0.01)
        assert client("SET", "k", "w", "NX") == "OK"
        assert client("TTL", "k") == -1

    @pytest.mark.parametrize("time_given", [0, -1, 2**63 - 1, 2**63 // 1000 + 1])
    def test_invalid_expiry(self, client: Client, time_given: int) -> None:
        client("SET", "k", "v")
        for name, words in (
            ("set", ["SET", "k", "w", "EX", time_given]),
            ("setex", ["SETEX", "k", time_given, "w"]),
            ("getex", ["GETEX", "k", "EX", time_given]),
        ):
            assert client(*words) == Failure(f"ERR invalid expire time in '{name}' command")
        assert client("GET", "k") == b"v"
        assert client("TTL", "k") == -1

    def test_expiry_that_overflows_when_now_is_added(self, client: Client) -> None:
        assert client("PSETEX", "k", 2**63 - 1, "v") == "ERR invalid expire time in 'psetex' command"
        assert client("SET", "k", "v", "PXAT", 2**63 - 1) == "OK"
        assert client("PEXPIRETIME", "k") == 2**63 - 1

    @pytest.mark.parametrize(
        "options",
        [
            ["NX", "XX"],
            ["EX"],
            ["EX", 1, "PX", 1],
            ["EX", 1, "KEEPTTL"],
            ["KEEPTTL", "PX", 1],
            ["PERSIST"],
            ["IFEQ"],
            ["NX", "IFEQ", 1],
            ["IFEQ", 1, "IFEQ", 1],
            ["IFEQ", 1, "XX"],
            ["foo"],
        ],
    )
    def test_syntax(self, client: Client, options: list[Any]) -> None:
        assert client("SET", "k", "v", *options) == Failure(SYNTAX)
        assert client("EXISTS", "k") == 0

    def test_repeated_options(self, client: Client) -> None:
        assert client("SET", "k", "v", "NX", "nx", "EX", 5, "ex", 500, "GET", "get") is None
        assert client("TTL", "k") > 400


class TestGetThatChanges:
    def test_getset(self, client: Client, value: bytes) -> None:
        assert client("GETSET", "k", value) is None
        client("SET", "k", value, "EX", 100)
        assert client("GETSET", "k", "new") == value
        assert client("GET", "k") == b"new"
        assert client("TTL", "k") == -1

    def test_getdel(self, client: Client, value: bytes) -> None:
        client("SET", "k", value)
        assert client("GETDEL", "k") == value
        assert client("GETDEL", "k") is None
        assert client("EXISTS", "k") == 0

    def test_getex(self, client: Client, value: bytes) -> None:
        moment = later()
        client("SET", "k", value)
        assert client("GETEX", "k") == value
        assert client("TTL", "k") == -1
        assert client("GETEX", "k", "EXAT", moment) == value
        assert client("PEXPIRETIME", "k") == moment * 1000
        assert client("GETEX", "k", "PX", 50_000) == value
        assert 45 <= client("TTL", "k") <= 50
        assert client("GETEX", "k", "PERSIST") == value
        assert client("TTL", "k") == -1
        assert client("GETEX", "k", "PXAT", 1) == value
        assert client("EXISTS", "k") == 0

    def test_getex_mistakes(self, client: Client) -> None:
        assert client("GETEX", "k", "EX", 0) is None
        assert client("GETEX", "k", "KEEPTTL") == Failure(SYNTAX)
        assert client("GETEX", "k", "PERSIST", "EX", 1) == Failure(SYNTAX)
        client("SET", "k", "v")
        assert client("GETEX", "k", "EX", "x") == Failure(NOT_INTEGER)


class TestMany:
    def test_mset_and_mget(self, client: Client) -> None:
        pairs = {f"key:{i}": VALUES[i % len(VALUES)] + b"%d" % i for i in range(50)}
        words = [word for pair in pairs.items() for word in pair]
        for _ in range(2):
            assert client("MSET", *words) == "OK"
            assert client("MGET", *pairs, "missing") == [*pairs.values(), None]

    def test_mset_of_one_key_many_times(self, client: Client) -> None:
        """The last value wins, also where values came in blocks of their own."""
        words = [word for i in range(20) for word in ("k", b"%d" % i * 40_000)]
        assert client("MSET", *words) == "OK"
        assert client("GET", "k") == b"19" * 40_000

    def test_mset_drops_the_expiry(self, client: Client) -> None:
        client("SET", "a", 1, "EX", 100)
        client("MSET", "a", 2, "b", 3)
        assert client("TTL", "a") == -1

    def test_msetnx(self, client: Client) -> None:
        assert client("MSETNX", "a", 1, "b", 2, "a", 3) == 1
        assert client("MGET", "a", "b") == [b"3", b"2"]
        assert client("MSETNX", "c", 1, "b", 9) == 0
        assert client("MGET", "b", "c") == [b"2", None]

    @pytest.mark.parametrize("command", ["mset", "msetnx"])
    def test_odd_words(self, client: Client, command: str) -> None:
        expected = Failure(f"ERR wrong number of arguments for '{command}' command")
        assert client(command, "a", 1, "b") == expected
        assert client("EXISTS", "a") == 0


class TestCounters:
    def test_incr_and_decr(self, client: Client) -> None:
        assert [
            client("INCR", "k"),
            client("INCRBY", "k", 41),
            client("DECR", "k"),
            client("DECRBY", "k", -9),
        ] == [1, 42, 41, 50]
        assert client("OBJECT", "ENCODING", "k") == b"int"

    def test_bytes_become_a_number(self, client: Client) -> None:
        client("SETRANGE", "k", 0, "17")
        assert client("OBJECT", "ENCODING", "k") == b"raw"
        assert client("INCR", "k") == 18
        assert client("OBJECT", "ENCODING", "k") == b"int"

    def test_expiry_stays(self, client: Client) -> None:
        client("SET", "k", 1, "EX", 100)
        client("INCR", "k")
        client("INCRBYFLOAT", "k", 0.5)
        client("APPEND", "k", "0")
        client("SETRANGE", "k", 0, "3")
        assert client("GET", "k") == b"3.50"
        assert client("TTL", "k") > 90

    @pytest.mark.parametrize(
        "text", [b"x", b" 1", b"1 ", b"01", b"+1", b"", b"1.0", b"9223372036854775808", b"1" * 2000]
    )
    def test_not_an_integer(self, client: Client, text: bytes) -> None:
        client("SET", "k", text)
        assert client("INCR", "k") == Failure(NOT_INTEGER)
        assert client("INCRBY", "other", text) == Failure(NOT_INTEGER)
        assert client("GET", "k") == text

    def test_overflow(self, client: Client) -> None:
        client("MSET", "most", 2**63 - 1, "least", -(2**63))
        assert client("INCR", "most") == Failure("ERR increment or decrement would overflow")
        assert client("DECR", "least") == Failure("ERR increment or decrement would overflow")
        assert client("DECRBY", "zero", -(2**63)) == Failure("ERR decrement would overflow")
        assert client("DECRBY", "zero", 2**63 - 1) == -(2**63) + 1
        assert client("DECRBY", "zero", 1) == -(2**63)
        assert client("MGET", "most", "least") == [b"%d" % (2**63 - 1), b"%d" % -(2**63)]

    @pytest.mark.parametrize(
        "start, by, result",
        [
            (None, 1.5, b"1.5"),
            (3, "-3", b"0"),
            ("10.50", "0.1", b"10.6"),
            ("5.0e3", "2.0e2", b"5200"),
            ("1.5", "1.5", b"3"),
        ],
    )
    def test_incrbyfloat(self, client: Client, start: Any, by: Any, result: bytes) -> None:
        if start is not None:
            client("SET", "k", start)
        assert client("INCRBYFLOAT", "k", by) == result
        assert client("GET", "k") == result
        assert client("OBJECT", "ENCODING", "k") == b"embstr"

    def test_incrbyfloat_mistakes(self, client: Client) -> None:
        client("SET", "k", " 1")
        assert client("INCRBYFLOAT", "k", 1) == Failure("ERR value is not a valid float")
        client("SET", "k", 1)
        assert client("INCRBYFLOAT", "k", "x") == Failure("ERR value is not a valid float")
        assert client("INCRBYFLOAT", "k", "inf") == Failure("ERR increment would produce NaN or Infinity")
        assert client("GET", "k") == b"1"


class TestParts:
    def test_append(self, client: Client, value: bytes) -> None:
        assert client("APPEND", "k", value) == len(value)
        assert client("APPEND", "k", "tail") == len(value) + 4
        assert client("GET", "k") == value + b"tail"
        assert client("OBJECT", "ENCODING", "k") == b"raw"

    def test_append_grows_through_every_encoding(self, client: Client) -> None:
        expected = b""
        for i in range(300):
            expected += b"%d," % i * 3
            assert client("APPEND", "k", b"%d," % i * 3) == len(expected)
        assert client("GET", "k") == expected

    def test_append_of_nothing_to_a_number_makes_it_raw(self, client: Client) -> None:
        client("SET", "k", 12)
        assert client("APPEND", "k", "") == 2
        assert client("OBJECT", "ENCODING", "k") == b"raw"

    def test_setrange(self, client: Client, value: bytes) -> None:
        client("SET", "k", value)
        assert client("SETRANGE", "k", len(value) + 3, "ab") == len(value) + 5
        assert client("GET", "k") == value + b"\0\0\0ab"
        assert client("SETRANGE", "k", 0, "xy") == len(value) + 5
        assert client("GET", "k") == b"xy" + (value + b"\0\0\0ab")[2:]

    def test_setrange_of_a_missing_key(self, client: Client) -> None:
        assert client("SETRANGE", "k", 3, "") == 0
        assert client("EXISTS", "k") == 0
        assert client("SETRANGE", "k", 3, "v") == 4
        assert client("GET", "k") == b"\0\0\0v"

    def test_limits(self, client: Client) -> None:
        client("SET", "k", "v")
        too_long = Failure("ERR string exceeds maximum allowed size (proto-max-bulk-len)")
        for key in ("k", "missing"):
            assert client("SETRANGE", key, 512 * 1024 * 1024 - 4, "world") == too_long
            assert client("SETRANGE", key, 2**63 - 1, "world") == too_long
            assert client("SETRANGE", key, -1, "world") == Failure("ERR offset is out of range")
        assert client("GET", "k") == b"v"
        assert client("EXISTS", "missing") == 0

    def test_append_up_to_the_configured_limit(self, client: Client) -> None:
        client("CONFIG", "SET", "proto-max-bulk-len", 1 << 20)
        try:
            client("SET", "k", bytes(1 << 20))
            assert client("APPEND", "k", "x") == Failure(
                "ERR string exceeds maximum allowed size (proto-max-bulk-len)"
            )
            client("SET", "k", bytes((1 << 20) - 1))
            assert client("APPEND", "k", "x") == 1 << 20
        finally:
            client("CONFIG", "SET", "proto-max-bulk-len", 512 << 20)

    @pytest.mark.parametrize("command", ["GETRANGE", "SUBSTR"])
    def test_getrange(self, client: Client, value: bytes, command: str) -> None:
        client("SET", "k", value)
        size = len(value)
        for start in (0, 1, -1, -3, size, size + 1, -size - 5):
            for end in (0, 2, -1, -2, size, -size, -(2**63), 2**63 - 1):
                first = max(start + size, 0) if start < 0 else start
                last = max(end + size, 0) if end < 0 else end
                empty = start < 0 and end < 0 and start > end
                expected = b"" if empty else value[first : last + 1]
                assert client(command, "k", start, end) == expected, (start, end)
        assert client(command, "missing", 0, -1) == b""


class TestLcs:
    def test_forms(self, client: Client) -> None:
        client("MSET", "a", "ohmytext", "b", "mynewtext")
        assert client("LCS", "a", "b") == b"mytext"
        assert client("LCS", "a", "b", "LEN") == 6
        matches = [[[4, 7], [5, 8]], [[2, 3], [0, 1]]]
        answer = client("LCS", "a", "b", "IDX")
        expected = [b"matches", matches, b"len", 6]
        assert answer == (expected if client.resp == 2 else Map({b"matches": matches, b"len": 6}))
        assert isinstance(answer, Map) == (client.resp == 3)
        answer = client("LCS", "a", "b", "IDX", "MINMATCHLEN", 4, "WITHMATCHLEN")
        assert list(answer.values() if client.resp == 3 else answer[1::2]) == [[[[4, 7], [5, 8], 4]], 6]

    def test_numbers_and_missing_keys(self, client: Client) -> None:
        client("MSET", "a", 12345, "b", "2x45")
        assert client("LCS", "a", "b") == b"245"
        assert client("LCS", "a", "missing") == b""
        assert client("LCS", "missing", "missing", "LEN") == 0

    def test_mistakes(self, client: Client) -> None:
        assert client("LCS", "a", "b", "MINMATCHLEN") == Failure(SYNTAX)
        assert client("LCS", "a", "b", "LEN", "IDX") == Failure(
            "ERR If you want both the length and indexes, please just use IDX."
        )
        client("SET", "a", bytes(20_000))
        assert client("LCS", "a", "a") == Failure(
            "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len"
        )


@pytest.mark.parametrize(
    "words",
    [
        ["GET", "l"],
        ["SET", "l", "v", "GET"],
        ["SET", "l", "v", "IFEQ", "v"],
        ["GETSET", "l", "v"],
        ["GETEX", "l"],
        ["GETDEL", "l"],
        ["STRLEN", "l"],
        ["APPEND", "l", "v"],
        ["GETRANGE", "l", 0, 1],
        ["SETRANGE", "l", 0, "v"],
        ["INCR", "l"],
        ["INCRBYFLOAT", "l", 1],
        ["GETBIT", "l", 0],
        ["SETBIT", "l", 0, 1],
        ["BITCOUNT", "l"],
        ["BITPOS", "l", 1],
        ["BITOP", "NOT", "d", "l"],
        ["BITFIELD", "l", "GET", "u8", 0],
        ["BITFIELD", "l", "SET", "u8", 0, 1],
        ["BITFIELD_RO", "l", "GET", "u8", 0],
    ],
    ids=lambda words: "-".join(map(str, words)),
)
def test_wrong_type(client: Client, words: list[Any]) -> None:
    if "unknown command" in str(client("RPUSH", "l", "item")):
        pytest.skip("this server has no other types")
    assert client(*words) == Failure(WRONG_TYPE)
    assert client("TYPE", "l") == "list"


def test_other_types_are_overwritten(client: Client) -> None:
    for words in (["SET", "l", "v"], ["SETEX", "l", 100, "v"], ["MSET", "l", "v"]):
        client("DEL", "l")
        if "unknown command" in str(client("RPUSH", "l", "item")):
            pytest.skip("this server has no other types")
        assert client("MGET", "l") == [None]
        assert client("LCS", "l", "k") == Failure("ERR The specified keys must contain string values")
        assert client(*words) == "OK"
        assert client("GET", "l") == b"v"


def test_replies_of_pipelined_big_values(server: Program) -> None:
    """A big value that is stored in the block it was received into stays when its request is gone."""
    client = Client(server.port)
    values = [bytes([65 + i]) * (33_000 + i) for i in range(8)]
    for i, content in enumerate(values):
        client.send("SET", f"big{i}", content)
        client.send("GET", f"big{i}")
        client.send("APPEND", f"big{i}", content)
    for content in values:
        assert [client.reply(), client.reply(), client.reply()] == ["OK", content, 2 * len(content)]
    for i, content in enumerate(values):
        assert client("GET", f"big{i}") == content * 2
    client.close()
