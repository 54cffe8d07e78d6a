"""cmsgpack against what Valkey 8.1.7 answered, against a packer of three dozen lines, and with bytes that nobody would write.

cmsgpack.json holds programs (see programs.py) and the server's answers, by EVAL in a fresh server.
"""
from __future__ import annotations

import json
import struct
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kv._core.testing.lua import LuaError, State
from tests.unit.core.lua.programs import run

FACTS: list[tuple[str, str]] = json.loads((Path(__file__).parent / "cmsgpack.json").read_text())
STATE = State()
NUMBER = (st.integers(-2**63, 2**63 - 1).map(float) | st.integers(-70000, 70000).map(float) | st.floats(allow_nan=False)
          | st.floats(allow_nan=False, width=32))
SCALAR = st.booleans() | NUMBER | st.binary(max_size=300)
# As Lua has them: arrays are dicts of 1, 2, 3.
VALUE = st.recursive(
    SCALAR, lambda inner: st.lists(inner, max_size=20).map(lambda items: {float(i): item for i, item in enumerate(items, 1)})
    | st.dictionaries(st.binary(max_size=40), inner, max_size=20), max_leaves=50)
SAMPLE = (b"\x93\x01\xd1\x80\x00\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00" b"\x82\xa1a\xd9\x03bcd\x05\xc3"
          b"\xdc\x00\x02\xc0\xca\x3f\xc0\x00\x00" b"\xde\x00\x01\x91\x01\xda\x00\x02xy"
          b"\xcf\x00\x00\x00\x01\x00\x00\x00\x00\xff\xdb\x00\x00\x00\x01z")


def packed(value: Any) -> bytes:
    """The least bytes, as the specification of MessagePack has them."""
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, bytes):
        return head(len(value), 0xa0, 31, [(0xd9, ">B"), (0xda, ">H"), (0xdb, ">I")]) + value
    if isinstance(value, dict):
        if list(value) == [float(index) for index in range(1, len(value) + 1)]:
            return head(len(value), 0x90, 15, [(0xdc, ">H"), (0xdd, ">I")]) + b"".join(map(packed, value.values()))
        parts = [packed(key) + packed(item) for key, item in value.items()]
        return head(len(value), 0x80, 15, [(0xde, ">H"), (0xdf, ">I")]) + b"".join(parts)
    if value == float("inf") or value == float("-inf") or not -2**63 <= value < 2**63 or value != int(value):
        try:
            short = struct.pack(">f", value)
        except OverflowError:
            short = b"\xff" * 4
        return b"\xca" + short if struct.unpack(">f", short)[0] == value else b"\xcb" + struct.pack(">d", value)
    if value >= 0:
        return head(int(value), 0, 127, [(0xcc, ">B"), (0xcd, ">H"), (0xce, ">I"), (0xcf, ">Q")])
    if value >= -32:
        return struct.pack(">b", int(value))
    return next(bytes([first]) + struct.pack(form, int(value)) for first, form, least in (
        (0xd0, ">b", -2**7), (0xd1, ">h", -2**15), (0xd2, ">i", -2**31), (0xd3, ">q", -2**63)) if value >= least)


def head(count: int, fix: int, most: int, forms: list[tuple[int, str]]) -> bytes:
    if count <= most:
        return bytes([fix | count])
    return next(bytes([first]) + struct.pack(form, count) for first, form in forms if count < 1 << 8 * struct.calcsize(form))


def pack(*values: Any) -> bytes:
    return STATE.run(b"return cmsgpack.pack(...)", *values)[0]


def unpack(data: bytes) -> list[Any]:
    return STATE.run(b"return cmsgpack.unpack(...)", data)


@pytest.mark.parametrize(("program", "answer"), FACTS, ids=[program[:60] for program, _ in FACTS])
def test_answers_of_the_server(program: str, answer: str) -> None:
    assert run(program.encode()) == answer.encode("latin-1")


@given(SCALAR)
@example(-0.5)
@example(2.0**63)
@example(-(2.0**63))
@example(float("inf"))
@example(1e300)
def test_scalars_take_the_fewest_bytes(value: Any) -> None:
    assert pack(value) == packed(value)
    assert unpack(packed(value)) == [value]


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 255, 256, 65535, 65536, 70000])
def test_heads_of_all_sizes(count: int) -> None:
    for value in (b"x" * count, {float(i): True for i in range(1, count + 1)}):
        assert pack(value) == packed(value)
        assert unpack(packed(value)) == [value]
    fields = {i + 0.5: {} for i in range(count)}
    data = pack(fields)
    assert data.startswith(packed(fields)[:1 if count < 16 else 3 if count < 65536 else 5])
    assert unpack(data) == [fields] and len(data) == len(packed(fields))


@given(st.lists(VALUE, min_size=1, max_size=4))
def test_round_trip(values: list[Any]) -> None:
    data = pack(*values)
    assert unpack(data) == values
    assert unpack(pack(*unpack(data))) == values     # not always the same bytes: the order of a map's fields is the table's
    assert data == b"".join(pack(value) for value in values)


@given(VALUE)
def test_what_others_pack_is_read(value: Any) -> None:
    assert unpack(packed(value)) == [value]


@given(st.lists(VALUE, max_size=5), st.integers(1, 6))
def test_by_offsets(values: list[Any], limit: int) -> None:
    """Value by value, or some at a time: all come, and the last call says -1."""
    data = pack(*values) if values else b""
    for program, most in ((b"return cmsgpack.unpack_one(...)", 1), (b"local text, offset = ... "
                          b"return cmsgpack.unpack_limit(text, %d, offset)" % limit, limit)):
        found, offset = [], 0.0
        while offset >= 0:
            offset, *some = STATE.run(program, data, offset)
            assert len(some) <= most
            found += some
        assert found == values and offset == -1


def test_data_that_end_anywhere() -> None:
    """Beginnings give the values that are whole, or say that bytes are missing."""
    whole = unpack(SAMPLE)
    for length in range(len(SAMPLE)):
        try:
            assert unpack(SAMPLE[:length]) == whole[:len(unpack(SAMPLE[:length]))]
        except LuaError as error:
            assert error.args[0] == b"test:1: Missing bytes in input."


def test_data_with_a_wrong_bit() -> None:
    errors = set()
    for place in range(len(SAMPLE)):
        for bit in range(8):
            data = bytearray(SAMPLE)
            data[place] ^= 1 << bit
            try:
                unpack(bytes(data))
            except LuaError as error:
                errors.add(error.args[0])
    assert errors <= {b"test:1: Missing bytes in input.", b"test:1: Bad data format in input.", b"table index is nil"}
    assert len(errors) > 1


@given(st.binary(max_size=40) | st.lists(st.sampled_from([
    b"\x81", b"\x92", b"\xc0", b"\xc1", b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff",
    b"\xdc\0\1", b"\xde\0\1", b"\x01", b"\xa1x", b"\xd9", b"\xca\x7f\xc0\0\0", b"\xcb", b"\xc7\1\1x"]), max_size=12).map(b"".join))
def test_hostile_data(data: bytes) -> None:
    try:
        unpack(data)
    except LuaError as error:
        assert error.args[0] in (b"test:1: Missing bytes in input.", b"test:1: Bad data format in input.", b"table index is nil",
                                 b"table index is NaN")


def test_counts_are_not_believed() -> None:
    """Four billion elements that are not there take no memory."""
    state = State(limit=1 << 20)
    for first in b"\xdb\xdd\xdf":
        with pytest.raises(LuaError, match="Missing bytes in input"):
            state.run(b"cmsgpack.unpack(...)", bytes([first]) + b"\xff\xff\xff\xff\1\1")


def test_depth_takes_nothing_of_the_c_stack() -> None:
    results: list[Any] = []

    def deep() -> None:
        state = State()
        for level in (b"'\\145'", b"'\\129\\1'", b"'\\129'"):
            with pytest.raises(LuaError, match="stack overflow"):
                state.run(b"cmsgpack.unpack(string.rep(" + level + b", 1e6))")
        results.append(state.run(b"return #cmsgpack.unpack(string.rep('\\145', 3990) .. '\\144')")[0])
        results.append(state.run(b"local t = {} t[t] = t return #cmsgpack.pack(t)")[0])

    before = threading.stack_size(256 * 1024)
    try:
        thread = threading.Thread(target=deep)
        thread.start()
    finally:
        threading.stack_size(before)
    thread.join()
    assert results == [1.0, 2.0**17 - 1]       # a map of two in each of 16 levels, and what is nil below


@pytest.mark.parametrize("program", [
    b"cmsgpack.pack(string.rep('x', 600000), string.rep('y', 600000))",
    b"cmsgpack.unpack('\\221\\0\\1\\255\\255' .. string.rep('\\145\\1', 130000))"])
def test_memory_limit(program: bytes) -> None:
    state = State(limit=1 << 20)
    for _ in range(3):
        with pytest.raises(LuaError, match="not enough memory"):
            state.run(program + b" error('it was enough')")
        state.collect()
        assert state.run(b"return cmsgpack.unpack(cmsgpack.pack(1, 'x'))") == [1.0, b"x"]
        assert state.used < 200_000
