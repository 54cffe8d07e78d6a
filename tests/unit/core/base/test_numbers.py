"""numbers against Python's own int and float, and against what Valkey 8.1.7 answered.

numbers.json holds the server's answers: to ZADD then ZSCORE ("doubles", with zset-max-listpack-entries 0),
to SET then INCRBYFLOAT ("float_sums") and to SET then DECRBY 0 ("integers"); null where it refused.
"""
import json
import math
import platform
import re
import struct
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kv._core.testing import base

FACTS = json.loads((Path(__file__).parent / "numbers.json").read_text())
I64 = st.integers(-(2**63), 2**63 - 1)
CANONICAL = re.compile(rb"0|-?[1-9][0-9]*")
ANY_BITS = st.integers(0, 2**64 - 1).map(lambda bits: struct.unpack("<d", struct.pack("<Q", bits))[0])
NUMERIC_TEXT = st.text("0123456789+-.eExXinfaINFA \0_", max_size=24).map(str.encode)
x86_long_double = pytest.mark.skipif(
    platform.machine() != "x86_64", reason="facts are of 80 bit long doubles")


def as_reply(text):
    return None if text is None else text.encode()


# Integers


@pytest.mark.parametrize(("text", "reply"), FACTS["integers"])
def test_parse_i64_as_the_server(text, reply):
    value = base.numbers_parse_i64(text.encode())
    assert value == (None if reply is None else int(reply))


@given(st.binary(max_size=24) | st.text("0123456789-", max_size=22).map(str.encode))
@example(b"9223372036854775808")
@example(b"-9223372036854775809")
@example(b"18446744073709551617")
def test_parse_i64_accepts_canonical_text_only(text):
    value = int(text) if CANONICAL.fullmatch(text) else None
    if value is not None and not -(2**63) <= value < 2**63:
        value = None
    assert base.numbers_parse_i64(text) == value


@given(I64)
@example(-(2**63))
@example(2**63 - 1)
def test_format_i64_round_trip(value):
    text = base.numbers_format_i64(value)
    assert text == b"%d" % value
    assert base.numbers_parse_i64(text) == value


@given(st.integers(0, 2**64 - 1))
def test_format_u64(value):
    assert base.numbers_format_u64(value) == b"%d" % value


def test_format_u64_at_every_change_of_length():
    for power in range(20):
        for value in (10**power - 1, 10**power, 10**power + 1):
            assert base.numbers_format_u64(value) == b"%d" % value
    for shift in range(64):
        assert base.numbers_format_u64(1 << shift) == b"%d" % (1 << shift)


# Doubles


@pytest.mark.parametrize(("text", "reply"), FACTS["doubles"])
def test_doubles_as_the_server(text, reply):
    value = base.numbers_parse_double(text.encode())
    assert (value is None) == (reply is None)
    if value is not None:
        assert base.numbers_format_double(value) == as_reply(reply)


@given(NUMERIC_TEXT)
@example(b"9007199254740993")
@example(b"9007199254740993e22")
@example(b"1e23")
@example(b"1" * 19 + b".5")
@example(b"9" * 400)
@example(b"." + b"0" * 300 + b"17")
def test_parse_double_like_python(text):
    """Python's float takes the same decimals, but also spaces, underscores and NaN, and overflows to inf."""
    try:
        value = float(text)
    except ValueError:
        value = None
    if value is not None and (re.search(rb"[\s_\0]|nan", text, re.I) or loses_all(text, value)):
        value = None
    if not re.search(rb"0[xX]", text):
        assert base.numbers_parse_double(text) == value


def loses_all(text, value):
    digits = re.split(rb"[eE]", text)[0]
    overflows = math.isinf(value) and not re.search(rb"inf", text, re.I)
    vanishes = value == 0 and re.search(rb"[1-9]", digits) is not None
    return overflows or vanishes


@given(ANY_BITS | st.floats())
def test_format_double_round_trip(value):
    text = base.numbers_format_double(value)
    if math.isnan(value):
        assert text == b"nan"
        return
    assert struct.pack("<d", base.numbers_parse_double(text)) == struct.pack("<d", value)
    assert len(text) <= 24
    digits = re.split(rb"e", text.lstrip(b"-"))[0].replace(b".", b"").strip(b"0")
    assert len(digits) <= 19 if b"." not in text and b"e" not in text else len(digits) <= 17


@given(st.integers(-(10**9), 10**9), st.integers(0, 9))
def test_short_decimals_print_as_written(mantissa, places):
    text = repr(mantissa / 10**places)
    if "e" not in text and abs(mantissa) >= 10**places:
        plain = text.removesuffix(".0").encode()
        got = base.numbers_format_double(mantissa / 10**places)
        assert got == plain or (b"e+" in got and float(got) == float(plain))


@given(st.floats(-(2.0**53), 2.0**53).map(float.__trunc__))
def test_whole_doubles_print_as_integers(value):
    assert base.numbers_format_double(float(value)) == b"%d" % value


def test_every_binary_exponent_round_trips():
    for biased in range(0x7FF):
        for fraction in (0, 1, 2, (1 << 51), (1 << 52) - 1):
            value = struct.unpack("<d", struct.pack("<Q", biased << 52 | fraction))[0]
            assert base.numbers_parse_double(base.numbers_format_double(value)) == value


def test_zero_keeps_its_sign():
    assert base.numbers_format_double(0.0) == b"0"
    assert base.numbers_format_double(-0.0) == b"-0"
    assert math.copysign(1, base.numbers_parse_double(b"-0")) == -1


# Long doubles


@x86_long_double
@pytest.mark.parametrize(("first", "second", "reply"), FACTS["float_sums"])
def test_float_sums_as_the_server(first, second, reply):
    total = base.numbers_add_long_doubles(first.encode(), second.encode())
    if total is not None and total.strip(b"-") in (b"inf", b"nan"):
        total = None  # INCRBYFLOAT refuses these by itself
    assert total == as_reply(reply)


def test_long_double_of_the_longest_text():
    assert base.numbers_add_long_doubles(b"1" + b"0" * 4000 + b"." + b"0" * 1117, b"0") is not None
    assert base.numbers_add_long_doubles(b"1" + b"0" * 4000 + b"." + b"0" * 1118, b"0") is None


@given(I64, I64)
def test_whole_sums_are_exact(first, second):
    total = base.numbers_add_long_doubles(b"%d" % first, b"%d" % second)
    if abs(first + second) < 2**53:
        assert total == b"%d" % (first + second)


def test_infinities_and_nan_are_printed_plainly():
    assert base.numbers_add_long_doubles(b"inf", b"1") == b"inf"
    assert base.numbers_add_long_doubles(b"-inf", b"1") == b"-inf"
    assert base.numbers_add_long_doubles(b"inf", b"-inf") == b"nan"


# printf's %g, and numbers that others follow


@given(ANY_BITS | st.floats(-1e6, 1e6) | st.integers(-10**17, 10**17).map(float)
       | st.builds(lambda digits, places: digits / 10**places, st.integers(-10**16, 10**16), st.integers(0, 20)),
       st.integers(1, 14))
@example(0.5, 1)
@example(0.25, 1)
@example(2.5, 1)
@example(99999999999999.5, 14)
@example(9999999999999.95, 14)
@example(0.00009999999999999999, 14)
@example(-0.0, 14)
@example(5e-324, 14)
@example(1.7976931348623157e308, 14)
def test_format_general_is_printf(value, precision):
    text = base.numbers_format_general(value, precision)
    assert text.replace(b"-nan", b"nan") == b"%.*g" % (precision, value)


def test_format_general_rounds_halves_to_even():
    """Values that stand exactly in the middle of two texts, which their shortest digits do not tell from others."""
    for precision in range(1, 15):
        for value in range(5, 2**16, 10):
            for power in (-8, -4, -1, 0, 3):
                exact = value * 2.0**power
                assert base.numbers_format_general(exact, precision) == b"%.*g" % (precision, exact)


PREFIX = re.compile(rb"[ \t-\r]*[-+]?(0x(?=\.?[0-9a-f])[0-9a-f]*\.?[0-9a-f]*(p[-+]?[0-9]+)?"
                    rb"|([0-9]+\.?[0-9]*|\.[0-9]+)(e[-+]?[0-9]+)?|inf(inity)?|nan(\(\w*\))?)", re.I)


@given(st.text("0123456789+-.eExXp,]} \0", max_size=30).map(str.encode)
       | st.floats().map(lambda value: repr(value).encode() + b",1"))
@example(b"12345678901234567890,")
@example(b"1234567890123456789012345")
@example(b"0x")
@example(b"0xg")
@example(b"1e")
@example(b"1e+")
@example(b"1e5e5")
@example(b"1.5.5")
@example(b"nan(12)")
@example(b"infinit")
@example(b"-")
@example(b" 0")
@example(b"")
def test_scan_double_reads_what_strtod_reads(text):
    found = PREFIX.match(text)
    got = base.numbers_scan_double(text)
    if found is None:
        assert got is None
        return
    value, length = got
    assert length == found.end()
    if b"x" not in found[0].lower() and b"n" not in found[0].lower():
        assert value == float(found[0]) and math.copysign(1, value) == math.copysign(1, float(found[0]))
    elif b"x" in found[0].lower() and b"p" not in found[0].lower():     # Python refuses an exponent that is too large
        assert value == float.fromhex(found[0].decode())
