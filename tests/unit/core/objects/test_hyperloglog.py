"""Registers and opcodes of HyperLogLogs against plain models, valid ones and whatever a client may set."""
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kv._core.testing import sketches

REGISTERS = 16384
PACKED = 12288
CODES = st.lists(st.integers(0, 255) | st.sampled_from([0x7F, 0xFF, 0x40, 0x80, 0x3F]), max_size=60).map(bytes)
INDEXES = st.integers(0, REGISTERS - 1)


@pytest.fixture(params=[True, False], ids=["simd", "words"])
def simd(request):
    used = sketches.use_simd(request.param)
    if request.param and not used:
        pytest.skip("no AVX2")
    yield used
    sketches.use_simd(True)


def random_registers(seed, most=63):
    draw = random.Random(seed)
    return bytes(draw.randint(0, most) for _ in range(REGISTERS))


def packed_by_model(registers):
    fours = zip(*[iter(registers)] * 4, strict=True)
    return b"".join((a | b << 6 | c << 12 | d << 18).to_bytes(3, "little") for a, b, c, d in fours)


# Registers


@pytest.mark.parametrize("seed", range(3))
def test_pack_and_merge(simd, seed):
    registers, others = random_registers(seed), random_registers(seed + 10)
    packed = sketches.pack(registers)
    assert packed == packed_by_model(registers)
    assert sketches.merge(packed, bytes(REGISTERS)) == registers
    assert sketches.merge(packed, others) == bytes(map(max, registers, others))


@given(INDEXES, st.integers(0, 63), st.integers(0, 2**32))
@settings(max_examples=50, deadline=None)
def test_get_and_raise(index, value, seed):
    registers = bytearray(random_registers(seed % 5))
    packed = packed_by_model(registers)
    assert sketches.get(packed, index) == registers[index]
    rose, after = sketches.raised(packed, index, value)
    assert rose == (value > registers[index])
    registers[index] = max(value, registers[index])
    assert after == packed_by_model(registers)


def test_last_register_ends_with_the_last_byte():
    assert sketches.raised(bytes(PACKED), REGISTERS - 1, 63) == (True, bytes(PACKED - 1) + b"\xfc")


def test_histograms():
    registers = random_registers(1)
    counts = [registers.count(value) for value in range(64)]
    assert sketches.histograms(packed_by_model(registers), registers) == (counts, counts)


@pytest.mark.parametrize("count", [0, 1, 10, 1000, 20_000, 300_000])
def test_estimate(count):
    """Within six standard errors of what was added by a model with a hash of its own."""
    draw = random.Random(count)
    registers = bytearray(REGISTERS)
    for _ in range(count):
        bits = draw.getrandbits(64)
        index, rest = bits & (REGISTERS - 1), bits >> 14 | 1 << 50
        registers[index] = max(registers[index], (rest & -rest).bit_length())
    counts = [registers.count(value) for value in range(64)]
    assert abs(sketches.estimate(counts) - count) <= math.ceil(count * 6 * 1.04 / math.sqrt(REGISTERS))


def test_estimate_of_values_that_no_element_makes():
    assert sketches.estimate([0] * 51 + [REGISTERS] + [0] * 12) > 2**60
    assert sketches.estimate([0] * 63 + [REGISTERS]) >= 0


# Opcodes


def opcodes(codes):
    """(at, size, run, value) of each; the last one's size is None where its second byte is missing."""
    at = 0
    while at < len(codes):
        byte = codes[at]
        if byte & 0x80:
            found = (at, 1, (byte & 3) + 1, (byte >> 2 & 31) + 1)
        elif not byte & 0x40:
            found = (at, 1, byte + 1, 0)
        elif at + 1 < len(codes):
            found = (at, 2, ((byte & 63) << 8 | codes[at + 1]) + 1, 0)
        else:
            yield at, None, 0, 0
            return
        yield found
        at += found[1]


def found_by_model(codes, index):
    first, previous = 0, 0
    for at, size, run, value in opcodes(codes):
        if size is None:
            break
        if first + run > index:
            return at, previous if at else at, size, value, first, first + run
        first, previous = first + run, at
    return None


@given(CODES, st.lists(INDEXES | st.integers(0, 200), min_size=1, max_size=8))
def test_find(codes, indexes):
    for index in indexes:
        assert sketches.find(codes, [index]) == [found_by_model(codes, index)]


@given(CODES, st.lists(INDEXES | st.integers(0, 300), min_size=1, max_size=8, unique=True).map(sorted))
def test_find_goes_on(codes, indexes):
    """Searches with one cursor find the same opcodes; where one failed nothing more is asked."""
    expected = [found_by_model(codes, index) for index in indexes]
    if None in expected:
        expected, indexes = expected[:expected.index(None)], indexes[:expected.index(None)]
    found = sketches.find(codes, indexes)
    for one, other in zip(found, expected, strict=True):
        assert (one[0], *one[2:]) == (other[0], *other[2:])


@given(CODES, INDEXES | st.integers(0, 100), st.integers(1, 32))
def test_split(codes, index, value):
    """The opcodes that replace one say the same but for the one register."""
    place = found_by_model(codes, index)
    replaced = sketches.split(codes, index, value)
    if place is None:
        assert replaced is None
        return
    registers = [old for _, _, run, old in opcodes(replaced) for _ in range(run)]
    expected = [place[3]] * (place[5] - place[4])
    expected[index - place[4]] = value
    assert registers == expected


@given(CODES)
def test_join(codes):
    """The same registers, in no more opcodes; only the first five are looked at."""
    joined = sketches.join(codes, 0)
    if codes and list(opcodes(codes))[-1][1] is not None:
        assert [value for _, _, run, value in opcodes(joined) for _ in range(run)] == \
            [value for _, _, run, value in opcodes(codes) for _ in range(run)]
    assert len(joined) <= len(codes)


@pytest.mark.parametrize(("codes", "at", "joined"), [
    (b"\x80" * 4, 0, b"\x83"), (b"\x83\x80\x80", 0, b"\x83\x81"), (b"\x80\x84\x84", 1, b"\x80\x85"),
    (b"\0" * 5 + b"\x80\x80", 0, b"\0" * 5 + b"\x80\x80"), (b"\x40\x80\x80\x80", 0, b"\x40\x80\x81")])
def test_join_reaches_five_opcodes(codes, at, joined):
    assert sketches.join(codes, at) == joined


def whole(codes):
    """Opcodes that end with all registers, where they do not have more."""
    total = sum(run for _, _, run, _ in opcodes(codes))
    left = REGISTERS - total
    if left <= 0:
        return codes
    return codes + bytes([0x40 | (left - 1) >> 8, left - 1 & 255])


@given(CODES | CODES.map(whole))
def test_registers_of_opcodes(codes):
    listed = list(opcodes(codes))
    registers = [value for _, _, run, value in listed for _ in range(run)]
    good = len(registers) == REGISTERS and all(size is not None for _, size, _, _ in listed)
    found = sketches.sparse_registers(codes)
    assert (found is not None) == good
    if found is not None:
        assert found[0] == bytes(registers)
        assert found[1] == [registers.count(value) for value in range(64)]


@given(CODES)
def test_show(codes):
    words = [f"v:{value},{run}" if value else f"{'Z' if size == 2 else 'z'}:{run}"
             for _, size, run, value in opcodes(codes) if size is not None]
    assert sketches.show(codes) == " ".join(words).encode()
