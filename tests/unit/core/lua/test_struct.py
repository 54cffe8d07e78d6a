"""The library struct against Python's, and beside another server. Errors and quirks are in valkey.jsonl."""
from __future__ import annotations

import random
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kv._core.testing.lua import LuaError, State
from tests.commands.client import Client
from tests.unit.lua_peer import here, lua_peer, outcome, there  # noqa: F401

STATE = State()
EXACT = 2**53                   # as far as a double holds every integer
# Lua's option, Python's, values.
OPTIONS: dict[str, tuple[str, st.SearchStrategy[Any]]] = {
    "b": ("b", st.integers(-128, 127)), "B": ("B", st.integers(0, 255)),
    "h": ("h", st.integers(-2**15, 2**15 - 1)), "H": ("H", st.integers(0, 2**16 - 1)),
    "i": ("i", st.integers(-2**31, 2**31 - 1)), "I": ("I", st.integers(0, 2**32 - 1)),
    "i1": ("b", st.integers(-128, 127)), "I2": ("H", st.integers(0, 2**16 - 1)), "i8": ("q", st.integers(-EXACT, EXACT)),
    "l": ("q", st.integers(-EXACT, EXACT)), "L": ("Q", st.integers(0, EXACT)), "T": ("Q", st.integers(0, EXACT)),
    "f": ("f", st.floats(width=32, allow_nan=False)), "d": ("d", st.floats(allow_nan=False)),
    "c3": ("3s", st.binary(min_size=3, max_size=3)), "c": ("1s", st.binary(min_size=1, max_size=1)),
}

# What the calls beside another server are made of.
OPTION_WORDS = "b B h H l L T i I i1 i3 I5 i7 i8 i9 I12 i15 i16 i32 i33 f d s x c c0 c2 c9 < > ! !1 !2 !4 !8 !16 !3 q"
VALUES = ["1", "-1", "255", "300", "2^31", "2^53", "-2^53", "2^63", "2^64",
          "-2^63", "1e300", "-1e300", "0.5", "'abc'", "'7'", "''", "'a\\0b'", "nil"]


@st.composite
def fields(draw: st.DrawFn) -> list[tuple[str, str, Any]]:
    names = draw(st.lists(st.sampled_from(sorted(OPTIONS)), max_size=12))
    return [(name, OPTIONS[name][0], draw(OPTIONS[name][1])) for name in names]


@given(fields(), st.sampled_from("<>"))
def test_as_python_packs(chosen: list[tuple[str, str, Any]], order: str) -> None:
    form = order + " ".join(name for name, _, _ in chosen)
    values = [value for _, _, value in chosen]
    packed = struct.pack(order + "".join(code for _, code, _ in chosen), *values)
    assert STATE.run(b"return struct.pack(...)", form.encode(), *values) == [packed]
    assert STATE.run(b"return struct.unpack(...)", form.encode(), packed) == [*values, len(packed) + 1.0]
    assert STATE.run(b"return struct.unpack(...)", form.encode(), b"xyz" + packed, 4) == [*values, len(packed) + 4.0]
    assert STATE.run(b"return struct.size(...)", form.encode()) == [float(len(packed))]
    for length in range(len(packed)):
        with pytest.raises(LuaError, match="data string too short"):
            STATE.run(b"return struct.unpack(...)", form.encode(), packed[:length])


@given(fields())
def test_aligned_as_a_compiler_aligns(chosen: list[tuple[str, str, Any]]) -> None:
    """Python's @ is that; its own trailing padding it leaves out."""
    chosen = [(name, code, value) for name, code, value in chosen if name not in ("c", "c3")]
    packed = struct.pack("@" + "".join(code for _, code, _ in chosen), *[value for _, _, value in chosen])
    form = "!" + "".join(name for name, _, _ in chosen)
    assert STATE.run(b"return struct.pack(...)", form.encode(), *[value for _, _, value in chosen]) == [packed]


@given(st.lists(st.binary(max_size=20).filter(lambda text: 0 not in text), max_size=5))
def test_terminated_texts(texts: list[bytes]) -> None:
    packed = b"".join(text + b"\0" for text in texts)
    assert STATE.run(b"return struct.pack(...)", b"s" * len(texts), *texts) == [packed]
    assert STATE.run(b"return struct.unpack(...)", b"s" * len(texts), packed) == [*texts, len(packed) + 1.0]


@given(st.lists(st.binary(max_size=200), max_size=5))
def test_counted_texts(texts: list[bytes]) -> None:
    """As Redisson writes them."""
    packed = b"".join(struct.pack("<Q", len(text)) + text for text in texts)
    arguments = [part for text in texts for part in (len(text), text)]
    assert STATE.run(b"return struct.pack(...)", b"<" + b"Lc0" * len(texts), *arguments) == [packed]
    assert STATE.run(b"return struct.unpack(...)", b"<" + b"Lc0" * len(texts), packed) == [*texts, len(packed) + 1.0]


@given(st.integers(0, 32), st.integers(-EXACT, EXACT), st.sampled_from("<>"))
def test_integers_of_any_size(size: int, value: int, order: str) -> None:
    """Above 64 bits there are zeros, also of what is negative."""
    body = (value % 2**64).to_bytes(8, "little")[:size].ljust(size, b"\0")
    assert STATE.run(b"return struct.pack(...)", b"%bi%d" % (order.encode(), size), value) == [body if order == "<" else body[::-1]]


@given(st.text("bBhHlLTiIfdsxcq0123456789<>=! \0?", max_size=20), st.binary(max_size=40), st.integers(-50, 50))
def test_hostile_formats(form: str, data: bytes, offset: int) -> None:
    """Whatever they are, they end as a value or as Lua's error; a sanitizer build would tell more."""
    for body in (b"return struct.unpack(...)", b"return struct.pack((...), 1, 2, 'x', 'yy', 5, 'z')", b"return struct.size((...))"):
        try:
            STATE.run(body, form.encode(), data, offset)
        except LuaError as error:
            assert isinstance(error.args[0], bytes)


def test_sizes_that_overflow() -> None:
    """CVE-2020-14147."""
    state = State(limit=1 << 22)
    for form in (b"c2147483648", b"i2147483648", b"!4294967304", b"c99999999999999999999"):
        assert b"integral size overflow" in outcome(state, b"return struct.unpack('" + form + b"', 'abc')")
    assert outcome(state, b"return struct.pack('!2147483647i', 1)") == b"test:1: alignment 2147483647 is not a power of 2"
    assert state.run(b"return struct.pack('!1073741824i3', 1)") == [b"\0\0\1\0\0"]
    assert b"data string too short" in outcome(state, b"return struct.unpack('c2147483647', 'abc')")
    assert b"data string too short" in outcome(state, b"return struct.unpack('b', 'abc', 2^53)")
    assert b"too many results" in outcome(state, b"return struct.unpack(string.rep('b', 9000), string.rep('x', 9000))")


@pytest.mark.parametrize("seed", range(5))
def test_beside_the_peer(lua_peer: Client, seed: int) -> None:  # noqa: F811
    draws = random.Random(seed)

    def form() -> str:
        return "".join(draws.choice(OPTION_WORDS.split()) for _ in range(draws.randint(1, 5)))

    bodies = []
    for _ in range(200):
        arguments = "".join(", " + draws.choice(VALUES) for _ in range(draws.randint(0, 5)))
        bodies.append(f"return struct.pack('{form()}'{arguments})".encode())
        data = "".join(f"\\{draws.choice([0, 1, 2, 3, 127, 128, 200, 254, 255])}" for _ in range(draws.randint(0, 40)))
        bodies.append(f"return struct.unpack('{form()}', '{data}', {draws.choice([1, 1, 1, 2, 0, -1, 7])})".encode())
        bodies.append(f"return struct.size('{form()}')".encode())
    assert here(bodies) == there(lua_peer, bodies)
