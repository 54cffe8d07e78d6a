"""Bitmap commands, case by case, in both RESP versions."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.commands.client import Client, Failure

SYNTAX = "ERR syntax error"
BAD_OFFSET = "ERR bit offset is not an integer or out of range"
BAD_TYPE = "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is."
VALUES = [b"1234", b"foobar", b"\x00\xff\xf0" * 30, b"\xaa" * 2000, b"\xff" * 40_000]
IDS = ["int", "embstr", "embedded", "raw", "big"]


@pytest.fixture(params=VALUES, ids=IDS)
def value(request: pytest.FixtureRequest) -> bytes:
    return request.param


def bits_of(value: bytes) -> str:
    return "".join(f"{byte:08b}" for byte in value)


class TestSingleBits:
    def test_getbit(self, client: Client, value: bytes) -> None:
        client("SET", "k", value)
        bits = bits_of(value)
        for offset in (0, 1, 7, 8, 17, len(bits) - 1):
            assert client("GETBIT", "k", offset) == int(bits[offset])
        assert client("GETBIT", "k", len(bits)) == 0
        assert client("GETBIT", "k", 2**32 - 1) == 0
        assert client("GETBIT", "missing", 0) == 0

    def test_setbit(self, client: Client, value: bytes) -> None:
        client("SET", "k", value)
        bits = list(bits_of(value))
        for offset in (0, 9, len(bits) - 1, len(bits) + 11):
            bits += "0" * ((offset | 7) + 1 - len(bits))
            for bit in (1, 0, 1):
                assert client("SETBIT", "k", offset, bit) == int(bits[offset])
                bits[offset] = str(bit)
        assert bits_of(client("GET", "k")) == "".join(bits)
        assert client("OBJECT", "ENCODING", "k") == b"raw"

    def test_setbit_of_a_missing_key(self, client: Client) -> None:
        assert client("SETBIT", "k", 100, 0) == 0
        assert client("GET", "k") == bytes(13)

    def test_setbit_keeps_the_expiry(self, client: Client) -> None:
        client("SET", "k", "v", "EX", 100)
        client("SETBIT", "k", 5000, 1)
        assert client("TTL", "k") > 90

    @pytest.mark.parametrize("offset", [-1, "x", "", 2**32, 2**63, "#1"])
    def test_bad_offset(self, client: Client, offset: Any) -> None:
        assert client("SETBIT", "k", offset, 1) == Failure(BAD_OFFSET)
        assert client("GETBIT", "k", offset) == Failure(BAD_OFFSET)

    @pytest.mark.parametrize("bit", [2, -1, "x", "", 10])
    def test_bad_bit(self, client: Client, bit: Any) -> None:
        assert client("SETBIT", "k", 0, bit) == Failure("ERR bit is not an integer or out of range")
        assert client("EXISTS", "k") == 0


class TestRanges:
    def test_bitcount(self, client: Client, value: bytes) -> None:
        client("SET", "k", value)
        bits = bits_of(value)
        assert client("BITCOUNT", "k") == bits.count("1")
        assert client("BITCOUNT", "k", 1) == bits[8:].count("1")
        assert client("BITCOUNT", "k", 1, -2) == bits[8:-8].count("1")
        assert client("BITCOUNT", "k", 3, -4, "BIT") == bits[3:-3].count("1")
        assert client("BITCOUNT", "k", 5, 5, "bit") == int(bits[5])
        assert client("BITCOUNT", "k", -1, -2) == 0
        assert client("BITCOUNT", "k", 2, 1, "BYTE") == 0
        assert client("BITCOUNT", "missing", 0, -1) == 0

    def test_bitpos(self, client: Client, value: bytes) -> None:
        client("SET", "k", value)
        bits = bits_of(value)
        for bit in "01":
            found = bits.find(bit)
            assert client("BITPOS", "k", bit) == (found if found >= 0 or bit == "1" else len(bits))
            assert client("BITPOS", "k", bit, 0, -1) == found
            assert client("BITPOS", "k", bit, 2, 2) == bits.find(bit, 16, 24)
            assert client("BITPOS", "k", bit, 5, -3, "BIT") == bits.find(bit, 5, len(bits) - 2)

    def test_bitpos_beyond_the_end(self, client: Client) -> None:
        client("SET", "k", b"\xff\xff")
        assert client("BITPOS", "k", 0) == 16
        assert client("BITPOS", "k", 0, 1) == 16
        assert client("BITPOS", "k", 0, 0, -1) == -1
        assert client("BITPOS", "k", 0, 2) == -1
        assert client("BITPOS", "missing", 0) == 0
        assert client("BITPOS", "missing", 1, 0, -1, "BIT") == -1

    def test_empty_string(self, client: Client) -> None:
        client("SET", "k", "")
        assert client("BITCOUNT", "k", 0, -1) == 0
        assert client("BITPOS", "k", 0) == -1

    def test_mistakes(self, client: Client) -> None:
        assert client("BITPOS", "k", 2) == Failure("ERR The bit argument must be 1 or 0.")
        for words in (["BITCOUNT", "k"], ["BITPOS", "k", 1]):
            assert client(*words, 0, 1, "foo") == Failure(SYNTAX)
            assert client(*words, 0, 1, "BIT", 1) == Failure(SYNTAX)
            assert client(*words, "x") == Failure("ERR value is not an integer or out of range")
            assert client(*words, 0, "x", "BIT") == Failure("ERR value is not an integer or out of range")


class TestBitop:
    @pytest.mark.parametrize("operation", ["AND", "OR", "XOR"])
    @pytest.mark.parametrize("count", [1, 2, 5, 40])
    def test_against_python(self, client: Client, operation: str, count: int) -> None:
        source = random.Random(count)
        values = [source.randbytes(source.choice((0, 1, 8, 100, 3000))) for _ in range(count - 1)] + [
            b"12345"
        ]
        longest = max(map(len, values))
        numbers = [int.from_bytes(v.ljust(longest, b"\0"), "big") for v in values]
        expected = numbers[0]
        for number in numbers[1:]:
            expected = {"AND": expected & number, "OR": expected | number, "XOR": expected ^ number}[
                operation
            ]
        for i, content in enumerate(values):
            client("SET", f"s{i}", content)
        assert client("BITOP", operation, "d", *(f"s{i}" for i in range(count))) == longest
        assert client("GET", "d") == expected.to_bytes(longest, "big")
        assert client("OBJECT", "ENCODING", "d") == b"raw"

    def test_not(self, client: Client, value: bytes) -> None:
        client("SET", "k", value, "EX", 100)
        assert client("BITOP", "NOT", "k", "k") == len(value)
        assert client("GET", "k") == bytes(255 - byte for byte in value)
        assert client("TTL", "k") == -1

    def test_digits_stay_bytes(self, client: Client) -> None:
        client("SET", "k", "12")
        client("BITOP", "OR", "d", "k")
        assert client("OBJECT", "ENCODING", "d") == b"raw"
        assert client("INCR", "d") == 13

    def test_of_nothing_deletes(self, client: Client) -> None:
        client("SET", "d", "v")
        assert client("BITOP", "AND", "d", "missing", "missing") == 0
        assert client("EXISTS", "d") == 0

    def test_missing_key_is_zeros(self, client: Client) -> None:
        client("SET", "k", b"\xff\x0f")
        client("BITOP", "AND", "d", "k", "missing")
        assert client("GET", "d") == b"\0\0"

    def test_mistakes(self, client: Client) -> None:
        assert client("BITOP", "foo", "d", "k") == Failure(SYNTAX)
        assert client("BITOP", "NOT", "d", "a", "b") == Failure(
            "ERR BITOP NOT must be called with a single source key."
        )


class TestBitfield:
    def test_basics(self, client: Client) -> None:
        assert client(
            "BITFIELD",
            "k",
            "SET",
            "u8",
            0,
            255,
            "SET",
            "u8",
            0,
            100,
            "INCRBY",
            "u8",
            0,
            10,
            "GET",
            "i8",
            "#0",
        ) == [0, 255, 110, 110]
        assert client("BITFIELD", "k") == []
        assert client(
            "BITFIELD", "k", "SET", "i64", "#2", -(2**63), "GET", "i64", "#2", "GET", "u63", 129
        ) == [0, -(2**63), 0]
        assert client("STRLEN", "k") == 24

    def test_reads_do_not_make_the_key(self, client: Client) -> None:
        assert client("BITFIELD", "k", "GET", "u8", 0, "GET", "i64", 1000) == [0, 0]
        assert client("BITFIELD_RO", "k", "GET", "u63", 7) == [0]
        assert client("EXISTS", "k") == 0

    def test_number_is_read_as_its_digits(self, client: Client) -> None:
        client("SET", "k", 123)
        assert client("BITFIELD_RO", "k", "GET", "u8", "#0", "GET", "u8", "#2", "GET", "u8", "#3") == [
            49,
            51,
            0,
        ]
        assert client("OBJECT", "ENCODING", "k") == b"int"

    def test_overflow(self, client: Client) -> None:
        null = None
        assert client(
            "BITFIELD",
            "k",
            "SET",
            "u8",
            0,
            250,
            "OVERFLOW",
            "SAT",
            "INCRBY",
            "u8",
            0,
            10,
            "OVERFLOW",
            "FAIL",
            "INCRBY",
            "u8",
            0,
            1,
            "OVERFLOW",
            "WRAP",
            "INCRBY",
            "u8",
            0,
            3,
        ) == [0, 255, null, 2]
        assert client(
            "BITFIELD",
            "k",
            "SET",
            "i8",
            0,
            127,
            "OVERFLOW",
            "sat",
            "INCRBY",
            "i8",
            0,
            1,
            "overflow",
            "fail",
            "SET",
            "i8",
            0,
            300,
            "OVERFLOW",
            "WRAP",
            "INCRBY",
            "i8",
            0,
            1,
        ) == [2, 127, null, -128]

    def test_failed_write_does_not_change(self, client: Client) -> None:
        client("SET", "k", b"\xff")
        assert client("BITFIELD", "k", "OVERFLOW", "FAIL", "INCRBY", "u8", 0, 1) == [None]
        assert client("GET", "k") == b"\xff"

    @pytest.mark.parametrize("width", ["u64", "i65", "u0", "i", "8", "x8", "U8", ""])
    def test_bad_type(self, client: Client, width: str) -> None:
        assert client("BITFIELD", "k", "GET", width, 0) == Failure(BAD_TYPE)

    @pytest.mark.parametrize(
        "operation, failure",
        [
            (["GET", "u8"], SYNTAX),
            (["SET", "u8", 0], SYNTAX),
            (["INCRBY", "u8", 0], SYNTAX),
            (["foo"], SYNTAX),
            (["OVERFLOW"], SYNTAX),
            (["OVERFLOW", "foo"], "ERR Invalid OVERFLOW type specified"),
            (["GET", "u8", -1], BAD_OFFSET),
            (["GET", "u8", "#-1"], BAD_OFFSET),
            (["GET", "u8", "##1"], BAD_OFFSET),
            (["SET", "u8", 2**32, 1], BAD_OFFSET),
            (["SET", "u8", 0, "x"], "ERR value is not an integer or out of range"),
        ],
    )
    def test_mistakes_change_nothing(self, client: Client, operation: list[Any], failure: str) -> None:
        assert client("BITFIELD", "k", "SET", "u8", 0, 1, *operation) == Failure(failure)
        assert client("EXISTS", "k") == 0

    def test_read_only(self, client: Client) -> None:
        expected = Failure("ERR BITFIELD_RO only supports the GET subcommand")
        assert client("BITFIELD_RO", "k", "GET", "u8", 0, "SET", "u8", 0, 1) == expected
        assert client("BITFIELD_RO", "k", "OVERFLOW", "SAT", "GET", "u8", 0) == [0]
