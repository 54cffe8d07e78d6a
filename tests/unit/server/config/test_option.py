"""The numbers that options are written in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kv.server.config import Config
from kv.server.config.option import (
    LONG_MAX,
    LONG_MIN,
    ULONG_MAX,
    format_float,
    format_memory,
    parse_c_integer,
    parse_integer,
    parse_memory,
)


@given(st.integers(LONG_MIN, LONG_MAX))
def test_an_integer_is_parsed_from_how_it_is_printed(number):
    assert parse_integer(str(number)) == parse_c_integer(str(number)) == number


@given(st.text("0123456789-+ _x", max_size=22))
def test_an_integer_has_one_way_to_be_written(text):
    number = parse_integer(text)
    assert number is None or str(number) == text


@pytest.mark.parametrize(
    "text", ["", "-", "-0", "00", "+1", " 1", "1 ", "1_0", "٣", "9223372036854775808", "1e3"]
)
def test_what_is_no_integer(text):
    assert parse_integer(text) is None


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("", 0),
        (" 5", 5),
        ("+5", 5),
        ("-5", -5),
        ("007", 7),
        ("5 ", None),
        (" ", None),
        ("-", None),
        ("1_0", None),
    ],
)
def test_integers_as_c_reads_them(text, number):
    assert parse_c_integer(text) == number


def test_octal_integers():
    assert parse_c_integer("0755", "01234567") == 0o755
    assert parse_c_integer("8", "01234567") is None and parse_c_integer("0o7", "01234567") is None


@given(st.integers(0, ULONG_MAX))
def test_memory_is_parsed_from_how_files_spell_it(number):
    assert parse_memory(format_memory(number)) == number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1", 1),
        ("1b", 1),
        ("1k", 1000),
        ("1KB", 1024),
        ("2m", 2000000),
        ("2Mb", 2 << 20),
        ("3g", 3 * 10**9),
        ("3gB", 3 << 30),
        ("", 0),
        ("gb", 0),
        ("-1", None),
        ("1bk", None),
        ("1t", None),
        ("1.5gb", None),
        ("1 gb", None),
        ("²", None),
    ],
)
def test_memory(text, number):
    assert parse_memory(text) == number


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (1, "1"), (1024, "1kb"), (1025, "1025"), (3 << 20, "3mb"), (2048 << 20, "2gb")],
)
def test_memory_in_files(number, text):
    assert format_memory(number) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(50.0, "50"), (99.9, "99.9"), (0.0, "0"), (100.0, "100"), (50.123456789, "50.123457")],
)
def test_floats(number, text):
    assert format_float(number) == text


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("hz", "0", 1),
        ("hz", "100", 100),
        ("hz", "501", 500),
        ("repl-backlog-size", "1", 16384),
        ("repl-backlog-size", "1mb", 1 << 20),
        ("oom-score-adj", "Relative", "yes"),
        ("maxmemory-clients", "100%", -100),
        ("maxmemory-clients", "1mb", 1 << 20),
        ("unixsocketperm", "0755", 0o755),
        ("rdbchecksum", "NO", False),
    ],
)
def test_what_a_text_comes_to(name, text, value):
    config = Config()
    config.force(name, text)
    assert config.__getattribute__(name.replace("-", "_")) == value
