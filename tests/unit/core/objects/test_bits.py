"""bits against Python's big integers, and BITFIELD against Valkey 8.1.7.

bits.json holds: u or i, width, overflow, the value in the field, an increment, what INCRBY answered, and what
a SET of the increment into an empty field left there; null where the server failed the operation.
"""
import json
from pathlib import Path

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from kv._core.testing import objects

FACTS = json.loads((Path(__file__).parent / "bits.json").read_text())
BYTES = st.binary(max_size=80)
PIECES = st.sampled_from([b"\0" * 9, b"\xff" * 9, b"\0", b"\xff", b"\1", b"\x7f"])
SPARSE = st.lists(PIECES, max_size=12).map(b"".join)
I64 = st.integers(-(2**63), 2**63 - 1)
OVERFLOWS = st.sampled_from(["wrap", "sat", "fail"])


def bits_of(content):
    return "".join(f"{byte:08b}" for byte in content)


@st.composite
def ranges(draw, contents):
    content = draw(contents)
    start = draw(st.integers(0, len(content) * 8))
    return content, start, draw(st.integers(0, len(content) * 8))


# Counting and finding


@given(BYTES | st.binary(min_size=200, max_size=300))
def test_count_bytes(content):
    assert objects.bits_count_of_bytes(content) == bits_of(content).count("1")


@pytest.mark.parametrize("byte", [0x00, 0x0f, 0xf0, 0xa5, 0xff])
@pytest.mark.parametrize("length", [63, 64, 1983, 1984, 1985, 2048, 4000, 10_007])
def test_count_of_many_equal_bytes(byte, length):
    assert objects.bits_count_of_bytes(bytes([byte]) * length) == byte.bit_count() * length


@given(ranges(BYTES))
@example((b"\xff", 3, 5))
@example((b"\xff\xff", 3, 9))
@example((b"\xff", 8, 8))
def test_count_range(case):
    content, start, end = case
    assert objects.bits_count_of_range(content, start, end) == bits_of(content)[start:end].count("1")


@given(ranges(SPARSE | BYTES), st.booleans())
@example((b"\0" * 8 + b"\1", 7, 72), True)
@example((b"\0" * 8 + b"\1", 7, 71), True)
@example((b"\xff" * 17, 1, 136), False)
def test_find(case, bit):
    content, start, end = case
    expected = bits_of(content).find("1" if bit else "0", start, end) if start < end else -1
    assert objects.bits_find_in(content, bit, start, end) == expected


@pytest.mark.parametrize("at", [0, 7, 63, 64, 319, 320, 2040, 2047])
def test_find_the_only_one(at):
    one = (1 << 2047 - at).to_bytes(256, "big")
    for start in range(0, at + 1, 13):
        assert objects.bits_find_in(one, True, start, 2048) == at
        assert objects.bits_find_in(bytes(byte ^ 255 for byte in one), False, start, 2048) == at
    assert objects.bits_find_in(one, True, 0, at) == objects.bits_find_in(one, True, at + 1, 2048) == -1


# Combining


@given(st.lists(BYTES, min_size=1, max_size=6), st.sampled_from(["and", "or", "xor"]))
def test_combine(contents, operation):
    size = max(map(len, contents))
    padded = [int.from_bytes(content.ljust(size, b"\0"), "big") for content in contents]
    total = padded[0]
    for number in padded[1:]:
        total = {"and": total & number, "or": total | number, "xor": total ^ number}[operation]
    assert objects.bits_combine_all(operation, contents) == total.to_bytes(size, "big")


@given(BYTES)
def test_combine_not(content):
    assert objects.bits_combine_all("not", [content]) == bytes(byte ^ 255 for byte in content)


@pytest.mark.parametrize("size", [16383, 16384, 16385, 40000])
def test_combine_over_several_blocks(size):
    first = bytes(i * 7 & 255 for i in range(size))
    second = bytes(i * 11 & 255 for i in range(20000))
    a = int.from_bytes(first.ljust(max(size, 20000), b"\0"), "big")
    b = int.from_bytes(second.ljust(max(size, 20000), b"\0"), "big")
    length = max(size, 20000)
    assert objects.bits_combine_all("and", [first, second]) == (a & b).to_bytes(length, "big")
    assert objects.bits_combine_all("or", [first, second]) == (a | b).to_bytes(length, "big")
    assert objects.bits_combine_all("xor", [second, first, first]) == b.to_bytes(length, "big")


# Integers


@given(BYTES, st.integers(0, 700), st.integers(1, 64), st.booleans())
@example(b"\x80" + b"\0" * 8, 0, 64, True)
@example(b"\0" * 7 + b"\1\xff", 7, 64, False)
def test_get(content, offset, width, signed):
    field = bits_of(content)[offset:offset + width].ljust(width, "0")
    expected = int(field, 2)
    if signed and field[0] == "1":
        expected -= 1 << width
    assert objects.bits_get(content, offset, width, signed) == expected


@given(st.binary(min_size=1, max_size=20), st.integers(0, 159), st.integers(1, 64), st.integers(0, 2**64 - 1))
def test_set(content, offset, width, value):
    assume(offset + width <= len(content) * 8)
    text = bits_of(content)
    field = f"{value & (1 << width) - 1:0{width}b}"
    expected = int(text[:offset] + field + text[offset + width:], 2).to_bytes(len(content), "big")
    assert objects.bits_set_in(content, offset, width, value) == expected


def fitted(total, least, most, width, overflow):
    if least <= total <= most or overflow == "fail":
        return total if least <= total <= most else None
    if overflow == "sat":
        return most if total > most else least
    return (total - least) % (1 << width) + least


@given(st.integers(0, 2**64 - 1), I64, st.integers(1, 64), OVERFLOWS)
@example(2**63 - 1, -(2**63), 63, "sat")
def test_add_unsigned(value, increment, width, overflow):
    value &= (1 << width) - 1
    expected = fitted(value + increment, 0, (1 << width) - 1, width, overflow)
    assert objects.bits_add_unsigned_to(value, increment, width, overflow) == expected


@given(I64, I64, st.integers(1, 64), OVERFLOWS)
@example(-1, -(2**63), 64, "sat")
@example(2**63 - 1, 1, 64, "wrap")
@example(0, -(2**63), 1, "sat")
def test_add_signed(value, increment, width, overflow):
    half = 1 << (width - 1)
    value = (value + half) % (2 * half) - half
    expected = fitted(value + increment, -half, half - 1, width, overflow)
    assert objects.bits_add_signed_to(value, increment, width, overflow) == expected


@given(I64, st.integers(1, 64), OVERFLOWS)
def test_any_value_is_fitted_into_the_width(value, width, overflow):
    half = 1 << (width - 1)
    expected = fitted(value, -half, half - 1, width, overflow)
    if width < 64 and overflow == "sat" and half - 1 - value >= 2**63:
        expected = half - 1  # the server's own overflow, seen in bits.json
    assert objects.bits_add_signed_to(value, 0, width, overflow) == expected
    raw = value % 2**64  # a negative number comes as the large one with its bits
    expected = fitted(raw, 0, 2 * half - 1, width, overflow)
    assert objects.bits_add_unsigned_to(raw, 0, width, overflow) == expected


@pytest.mark.parametrize(("kind", "width", "overflow"), sorted({tuple(fact[:3]) for fact in FACTS}))
def test_overflow_as_the_server(kind, width, overflow):
    for *what, held, increment, added, stored in FACTS:
        if what != [kind, width, overflow]:
            continue
        add = objects.bits_add_signed_to if kind == "i" else objects.bits_add_unsigned_to
        assert add(held, increment, width, overflow) == added
        raw = increment if kind == "i" else increment % 2**64
        assert add(raw, 0, width, overflow) == stored
