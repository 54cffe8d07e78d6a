"""The library bit against what words of 32 bits are, and beside another server. Errors and quirks are in valkey.jsonl."""
from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kv._core.testing.lua import State
from tests.commands.client import Client
from tests.unit.lua_peer import here, lua_peer, there  # noqa: F401

STATE = State()
NUMBERS = st.integers(-2**51 + 1, 2**51 - 1)
MASK = 0xffffffff


def signed(word: int) -> int:
    word &= MASK
    return word - 2**32 if word >> 31 else word


def call(name: str, *arguments: object) -> object:
    return STATE.run(b"return bit.%b(...)" % name.encode(), *arguments)[0]


@given(NUMBERS, st.integers(-100, 100))
def test_one_word(number: int, count: int) -> None:
    word, n = number & MASK, count & 31
    assert call("tobit", number) == signed(word)
    assert call("bnot", number) == signed(~word)
    assert call("bswap", number) == signed(int.from_bytes(word.to_bytes(4, "little"), "big"))
    assert call("lshift", number, count) == signed(word << n)
    assert call("rshift", number, count) == signed(word >> n)
    assert call("arshift", number, count) == signed(signed(word) >> n)
    assert call("rol", number, count) == signed(word << n | word >> (32 - n))
    assert call("ror", number, count) == signed(word >> n | word << (32 - n))


@given(st.lists(NUMBERS, min_size=1, max_size=6))
def test_several_words(numbers: list[int]) -> None:
    every, some, odd = -1, 0, 0
    for number in numbers:
        every, some, odd = every & number, some | number, odd ^ number
    assert [call(name, *numbers) for name in ("band", "bor", "bxor")] == [signed(every), signed(some), signed(odd)]


@given(NUMBERS, st.integers(-20, 20))
def test_tohex(number: int, count: int) -> None:
    digits = b"%08x" % (number & MASK)
    expected = digits[8 - min(abs(count), 8):]
    assert call("tohex", number, count) == (expected.upper() if count < 0 else expected)
    assert call("tohex", number) == digits


@given(st.floats(-2.0**50, 2.0**50))
def test_numbers_are_rounded_to_the_nearest_even(number: float) -> None:
    assert call("tobit", number) == signed(round(number))


@pytest.mark.parametrize("seed", range(5))
def test_beside_the_peer(lua_peer: Client, seed: int) -> None:  # noqa: F811
    """Any double, also those that have no 32 bits."""
    draws = random.Random(seed)

    def number() -> str:
        value = draws.choice([draws.uniform(-1, 1) * 2.0 ** draws.randint(-5, 1000), float(draws.randint(-2**53, 2**53)),
                              draws.randint(-40, 40)])
        assert math.isfinite(value)
        return repr(value)

    names = ["tobit", "bnot", "bswap", "band", "bor", "bxor", "lshift", "rshift", "arshift", "rol", "ror", "tohex"]
    bodies = [f"return bit.{draws.choice(names)}({', '.join(number() for _ in range(draws.randint(1, 3)))})".encode()
              for _ in range(300)]
    assert here(bodies) == there(lua_peer, bodies)
