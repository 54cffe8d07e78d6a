"""cjson against what Valkey 8.1.7 answered, against Python's json, and with bytes that nobody would write.

cjson.json holds programs (see programs.py) and the server's answers, by EVAL in a fresh server.
"""
from __future__ import annotations

import json
import math
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kv._core.testing.lua import LuaError, State
from tests.unit.core.lua.programs import run

FACTS: list[tuple[str, str]] = json.loads((Path(__file__).parent / "cjson.json").read_text())
STATE = State()
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
FLOAT = st.floats(allow_nan=False, allow_infinity=False)
# What comes back as it went: no null (it is a userdata), no empty array (it comes back as an object), whole numbers as doubles.
VALUE = st.recursive(
    st.booleans() | FLOAT | st.integers(-2**53, 2**53) | TEXT,
    lambda inner: st.lists(inner, min_size=1, max_size=20) | st.dictionaries(TEXT, inner, max_size=20), max_leaves=60)
SAMPLE = json.dumps({
    "a": [1, -2.5e3, True, False, None, [], {}, [[1]]], "text/é\n😀": "quote \" and \\", "deep": {"x": {"y": [{"z": 0.1}]}}},
    separators=(", ", ": ")).encode()


def as_lua(value: Any) -> Any:
    """What State.run gives for it."""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, list):
        return {float(index): as_lua(item) for index, item in enumerate(value, 1)}
    if isinstance(value, dict):
        return {key.encode(): as_lua(item) for key, item in value.items()}
    return value if isinstance(value, bool) else float(value)


def decode(text: bytes) -> Any:
    return STATE.run(b"return cjson.decode(...)", text)[0]


def encode(value: Any) -> bytes:
    return STATE.run(b"return cjson.encode(...)", value)[0]


@pytest.mark.parametrize(("program", "answer"), FACTS, ids=[program[:60] for program, _ in FACTS])
def test_answers_of_the_server(program: str, answer: str) -> None:
    assert run(program.encode()) == answer.encode("latin-1")


@given(VALUE, st.booleans())
def test_decode_as_python(value: Any, ascii_only: bool) -> None:
    assert decode(json.dumps(value, ensure_ascii=ascii_only).encode()) == as_lua(value)


def rounded(value: Any) -> Any:
    """With the 14 digits that numbers are written with."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return float(f"{value:.14g}") if isinstance(value, float) else value


@given(VALUE)
def test_encode_for_python(value: Any) -> None:
    """Python reads back what was written; a list is an array there, and an empty table an object."""
    value = {"value": value}
    assert as_lua(json.loads(encode(as_lua(value)))) == rounded(as_lua(value))


@given(VALUE)
def test_round_trip(value: Any) -> None:
    text = encode(as_lua(value))
    again = decode(text)
    assert again == rounded(as_lua(value))
    assert decode(encode(again)) == again


@given(FLOAT | st.floats(allow_nan=False, allow_infinity=False, width=32) | st.integers(-10**17, 10**17).map(float)
       | st.builds(lambda digits, places: digits / 10**places, st.integers(-10**16, 10**16), st.integers(0, 20)),
       st.integers(1, 14))
@example(0.5, 1)
@example(2.5, 1)
@example(0.99999999999999994, 14)
@example(9.9999999999999995, 14)
@example(1.00000000000005, 14)
@example(-0.0, 14)
@example(5e-324, 14)
@example(2.2250738585072014e-308, 14)
def test_numbers_are_written_as_printf_does(value: float, precision: int) -> None:
    program = b"local value, precision = ... local c = cjson.new() c.encode_number_precision(precision) return c.encode(value)"
    assert STATE.run(program, value, precision) == [b"%.*g" % (precision, value)]


@given(st.from_regex(rb"\A-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,25})?([eE][-+]?[0-9]{1,3})?\Z"))
def test_numbers_are_read_exactly(text: bytes) -> None:
    got, wanted = decode(text), float(text)
    assert got == wanted and math.copysign(1, got) == math.copysign(1, wanted)


@given(st.binary(max_size=100))
def test_any_bytes_go_through_strings(data: bytes) -> None:
    assert decode(encode(data)) == data
    assert encode(data).count(b'"') == 2 + data.count(b'"') and encode(data).isascii() == data.isascii()


@pytest.mark.parametrize("length", [*range(34), 4095, 4096, 4097, 8192, 100_000])
@pytest.mark.parametrize("special", [b"", b"\n", b"/", b'"', b"\\", b"\x7f", b"\0"], ids=repr)
def test_what_is_escaped_is_found_anywhere(length: int, special: bytes) -> None:
    for place in sorted({0, length // 2, length - 1, length} & set(range(length + 1))):
        data = b"x" * place + special + b"y" * (length - place)
        text = encode(data)
        assert json.loads(text) == data.decode() and decode(text) == data


def test_a_text_that_ends_anywhere() -> None:
    """Its beginnings are errors, and nothing else happens."""
    assert isinstance(decode(SAMPLE), dict)
    for length in range(len(SAMPLE)):
        with pytest.raises(LuaError, match="Expected .* but found .* at character"):
            decode(SAMPLE[:length])


def test_a_text_with_a_wrong_bit() -> None:
    """It is an error, or what Python reads, too."""
    errors = 0
    for place in range(len(SAMPLE)):
        for bit in range(8):
            text = bytearray(SAMPLE)
            text[place] ^= 1 << bit
            try:
                got = decode(bytes(text))
            except LuaError as error:
                errors += 1
                assert b"Expected " in error.args[0] and b" at character " in error.args[0]
            else:
                assert isinstance(got, dict)
    assert errors > 100
    assert isinstance(decode(SAMPLE), dict)


@given(st.lists(st.sampled_from([
    b"{", b"}", b"[", b"]", b",", b":", b" ", b'"a"', b'"\\u00', b'"\\ud83d\\', b'"', b"\\", b"-", b"+", b"0x", b"1e",
    b"12", b"1.5", b"tr", b"true", b"null", b"nan", b"inf", b"\0", b"\xff"]), max_size=12).map(b"".join) | st.binary(max_size=30))
def test_hostile_text(text: bytes) -> None:
    """A value or an error that says where, for any bytes."""
    try:
        decode(text)
    except LuaError as error:
        assert b" at character " in error.args[0] or b"UTF-16" in error.args[0]


def test_depth_takes_nothing_of_the_c_stack() -> None:
    """Thousands of levels, in a thread that has next to no stack, and more than Lua has slots for."""
    results: list[Any] = []

    def deep() -> None:
        state = State()
        state.run(b"cjson.decode_max_depth(1e9) cjson.encode_max_depth(1e9)")
        results.append(state.run(b"return #cjson.encode(cjson.decode(string.rep('[', 7990) .. string.rep(']', 7990)))")[0])
        for program in (b"cjson.decode(string.rep('[', 1e6))", b"cjson.decode(string.rep('{\"a\":', 1e6))",
                        b"local t = {} t[1] = t cjson.encode(t)", b"local t = {} t.t = t cjson.encode(t)",
                        b"local t = {} t[1] = 1 t[2] = t t.x = t cjson.encode(t)"):
            with pytest.raises(LuaError, match="nest"):
                state.run(program)
        results.append(state.run(b"return cjson.encode({1})")[0])

    before = threading.stack_size(256 * 1024)
    try:
        thread = threading.Thread(target=deep)
        thread.start()
    finally:
        threading.stack_size(before)
    thread.join()
    assert results == [2 * 7990.0, b"[1]"]     # the innermost is {}


@pytest.mark.parametrize("table", [b"{1, t, x = 1}", b"{t, 1, [4] = 1}", b"{1, 2, t}", b"{t, t2 = 1}", b"{[2] = t, [1] = 1}"])
def test_tables_in_tables_are_written_once(table: bytes) -> None:
    """Were one written again because the table around it turned out to be an object, this would not end."""
    program = b"local t = {} for i = 1, 300 do t = " + table + b" end return #cjson.encode(t)"
    assert STATE.run(program)[0] > 600


def test_options_are_a_module_s_own() -> None:
    state = State()
    state.run(b"c = cjson.new() c.encode_number_precision(3) c.decode_max_depth(1)")
    assert state.run(b"return c.encode(1/3), cjson.encode(1/3)") == [b"0.333", b"0.33333333333333"]
    assert state.run(b"return cjson.decode('[[]]')") == [{1.0: {}}]
    with pytest.raises(LuaError, match=r"Found too many nested data structures \(2\) at character 2"):
        state.run(b"c.decode('[[]]')")
    state.run(b"cjson.encode_number_precision(5)")
    assert state.run(b"return cjson.encode(1/3), c.encode(1/3)") == [b"0.33333", b"0.333"]     # what is set stays set


def test_keep_buffer_gives_memory_back() -> None:
    """Off, there is no buffer after a call; it works the same."""
    state = State()
    assert state.run(b"return cjson.encode({1, 'x'})") == [b'[1,"x"]']
    assert state.scratch > 0
    state.run(b"cjson.encode_keep_buffer(false)")
    for _ in range(3):
        assert state.run(b"return cjson.encode({1, 'x'})") == [b'[1,"x"]']
        assert state.scratch == 0


@pytest.mark.parametrize("program", [
    b"cjson.encode(string.rep('\\n', 300000))", b"cjson.encode({string.rep('x', 300000), string.rep('y', 300000)})",
    b"cjson.decode('\"' .. string.rep('\\\\n', 300000) .. '\"')", b"cjson.decode('[' .. string.rep('[1],', 100000) .. '1]')",
    b"cjson.decode('{' .. string.rep('\"a\":[],', 100000) .. '\"b\":1}')"])
def test_memory_limit(program: bytes) -> None:
    """An error that a script may catch; then the state is as it was, and so is what it takes."""
    state = State(limit=1 << 20)
    for _ in range(3):
        with pytest.raises(LuaError, match="not enough memory"):
            state.run(program + b" error('it was enough')")
        state.collect()
        assert state.run(b"return cjson.encode(cjson.decode('[1]'))") == [b"[1]"]
        assert state.used < 200_000
        assert state.scratch <= 64 * 1024


def test_an_error_in_the_middle_leaves_nothing_behind() -> None:
    state = State()
    for _ in range(100):
        with pytest.raises(LuaError):
            state.run(b"cjson.encode({1, 2, {3, tostring}})")
        with pytest.raises(LuaError):
            state.run(b"cjson.decode('[\"a\\\\n\", {\"b\": [1, \"c\\\\n')")
        assert state.run(b"return cjson.encode({1, 2, {3}}), cjson.decode('\"\\\\n\"')") == [b"[1,2,[3]]", b"\n"]
