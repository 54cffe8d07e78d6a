"""Reading over an append-only file: whole units, annotations, and what is wrong, whatever the stretches it is fed in."""
from __future__ import annotations

import pytest

from kv._core.engine.aofreplay import AofFault, AofReplay
from kv._core.engine.engine import Engine
from kv._core.persist.aofscan import AofScan
from tests.commands.client import request
from tests.integration.program import commands

UNITS = [b"#TS:5\r\n", commands("SET a 1"), b"#other\r\n", commands("MULTI", "SET a 3", "SET a 4", "EXEC"),
         request("SET", "a", b"\r\n*1\r\n$4\r\nEXEC"), request("PING"), request("multi") + request("SET", "", "") + request("eXeC"),
         request("SET", "long", b"x" * 5000)]
WHOLE = b"".join(UNITS)


def scan(data: bytes, stretch: int = 1 << 20, **options) -> AofScan:
    scan = AofScan(**options)
    for at in range(0, len(data), stretch):
        scan.feed(data[at:at + stretch])
    scan.end()
    return scan


@pytest.mark.parametrize("stretch", [1, 2, 3, 7, 1000, 1 << 20])
def test_every_truncation_is_found(stretch: int) -> None:
    ends = [sum(map(len, UNITS[:count])) for count in range(len(UNITS) + 1)]
    lengths = range(len(WHOLE) + 1) if stretch < 4 else [*range(0, len(WHOLE) + 1, 97), *ends]
    for length in lengths:
        one = scan(WHOLE[:length], stretch)
        assert one.whole == max(end for end in ends if end <= length)
        assert one.offset == length and not one.unmarked
        if length in ends:
            assert one.fault == "" and not one.in_transaction
    assert scan(WHOLE, stretch).commands == 11


def test_an_offset_to_begin_at() -> None:
    one = AofScan(100)
    one.feed(WHOLE)
    assert one.whole == one.offset == 100 + len(WHOLE)


SET_A = commands("SET a 1")


@pytest.mark.parametrize("data, fault, began, lines", [
    (SET_A + b"*2\r\n!3\r\n", "Expected prefix '$', got: '!'", 4, 9),
    (SET_A + b"*2\r\n$3\r\nabcd\r\n", "Expected \\r\\n, got: 640d", 8, 10),
    (SET_A + b"*2\n$3\r\n", "Expected \\r\\n, got: 0a24", 0, 8),
    (SET_A + b"*1\r\n$-1\r\n", "Expected \\r\\n, got: 2d31", 4, 9),
    (SET_A + b"*1\r\n$\r\n\r\n", "Expected the length of an argument, got none", 4, 10),
    (SET_A + b"*0\r\n", "Expected a command of one argument at least, got none", 0, 9),
    (SET_A + b"*\r\n", "Expected a command of one argument at least, got none", 0, 9),
    (SET_A + b"*1\r\n$99999999999999999999\r\n", "Expected \\r\\n, got: 3939", 4, 9),
    (SET_A + b"*1\r\n$9\r\nabc", "Expected to read 11 bytes, got 3 bytes", 8, 10),
    (SET_A + b"*1\r\n$3\r\nabc\r", "Expected to read 5 bytes, got 4 bytes", 8, 10),
    (SET_A + b"*1\r\n$3", "Expected \\r\\n, got: 0000", 4, 9),
    (SET_A + b"*1\r\n$3\r", "Expected \\r\\n, got: 0d00", 4, 9),
    (SET_A + b"#TS:1", "Reached EOF before the end of an annotation", 0, 8),
    (SET_A + b"*1\r\n", "", 4, 9),
    (SET_A + commands("MULTI", "SET a 1", "MULTI"), "Unexpected MULTI", None, 21),
    (SET_A + commands("EXEC"), "Unexpected EXEC", 8, 11),
    (SET_A + commands("MULTI", "SET a 1"), "Reached EOF before reading EXEC for MULTI", None, 18),
])
def test_what_is_wrong(data: bytes, fault: str, began: int | None, lines: int) -> None:
    for stretch in (1, 5, 1000):
        one = scan(data, stretch)
        assert (one.fault, one.whole, one.lines, one.unmarked) == (fault, len(SET_A), lines, False)
        if began is not None:
            assert one.began == len(SET_A) + began


@pytest.mark.parametrize("bad", [b"!!!", b"SET a 1\r\n", b"\0", b"$3\r\n"])
def test_what_is_neither(bad: bytes) -> None:
    one = scan(SET_A + bad + SET_A)
    assert one.unmarked and one.stopped and one.whole == len(SET_A) and one.fault == ""


def test_a_time_is_met() -> None:
    stamped = [b"#TS:10\r\n" + SET_A, b"#TS:11\r\n" + commands("MULTI", "SET a 2") + b"#TS:13\r\n" + commands("SET a 3", "EXEC"),
               b"#TS:14\r\n" + SET_A]
    data = b"".join(stamped)
    ends = [0, len(stamped[0]), len(stamped[0] + stamped[1])]
    for stretch in (1, 9, 1000):
        assert [scan(data, stretch, until=until).past for until in (9, 10, 11, 12, 13, 14)] == [True] * 5 + [False]
        assert [scan(data, stretch, until=until).whole for until in (9, 10, 13)] == ends
        # inside a transaction: all of it goes
        assert scan(data, stretch, until=12).whole == ends[1] + len(b"#TS:11\r\n")
    assert scan(b"#TS:1x\r\n", until=5).fault == scan(b"#TS:\r\n", until=5).fault == "Invalid timestamp annotation"
    assert scan(b"#TS:1x\r\n").fault == ""


def test_what_is_whole_here_is_whole_to_the_loader() -> None:
    """One damaged byte at every place: both find the same, but for commands that don't exist."""
    data = b"#TS:1\r\n" + commands("SET key value", "MULTI", "SET number 12", "DEL key", "EXEC", "APPEND key more")
    for at in range(len(data)):
        for mask in (1, 2, 4, 16, 32, 128, 255):
            damaged = data[:at] + bytes([data[at] ^ mask]) + data[at + 1:]
            one = scan(damaged)
            try:
                whole = AofReplay(Engine(None)).feed(damaged)
            except AofFault as fault:
                if fault.refusal:
                    continue
                whole = fault.whole
            assert whole == one.whole, damaged
