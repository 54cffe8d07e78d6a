"""Splitting and quoting are inverses, and splitting takes the forms that files have always had."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kv.quoting import Unbalanced, decode, quote_if_needed, quote_text, split_text

values = st.binary(max_size=40).map(decode)


@given(st.lists(values, max_size=5))
def test_quoted_arguments_split_into_themselves(arguments):
    assert split_text(" ".join(quote_text(argument) for argument in arguments)) == arguments


@given(st.lists(values, max_size=5))
def test_so_do_those_quoted_only_if_needed(arguments):
    assert split_text(" ".join(quote_if_needed(argument) for argument in arguments)) == arguments


@given(values)
def test_quoted_text_is_one_line_of_printable_ascii(text):
    assert quote_text(text).isascii() and quote_text(text).isprintable()


@given(st.text(max_size=60))
def test_any_line_splits_or_is_unbalanced(line):
    try:
        split_text(line)
    except Unbalanced:
        assert '"' in line or "'" in line


@pytest.mark.parametrize(
    ("line", "arguments"),
    [
        ("", []),
        (" \t \v\f ", []),
        ("port 6379", ["port", "6379"]),
        ("  port\t\t6379  ", ["port", "6379"]),
        ('save ""', ["save", ""]),
        ("save ''", ["save", ""]),
        (r'a "x\n\r\t\b\a\\\"\q"', ["a", 'x\n\r\t\b\a\\"q']),
        (r'a "\x41\xe2\x82\xac\xzz\x4"', ["a", "A€xzzx4"]),
        (r"a 'x\n\' \" \\ '", ["a", r"x\n' \" \\ "]),
        ('ab"cd" ef', ["abcd", "ef"]),
        ("ab'cd' ef", ["abcd", "ef"]),
        ('"a b"\v"c"', ["a b", "c"]),
        ("a\\b #c", ["a\\b", "#c"]),
        ('"\\xff"', ["\udcff"]),
    ],
)
def test_forms(line, arguments):
    assert split_text(line) == arguments


@pytest.mark.parametrize(
    "line", ['"', "'", '"abc', "'abc", '"abc"d', "'abc'd", '"abc\\"', r"'abc\'", r"'abc\\'", '"abc\\']
)
def test_unbalanced_quotes(line):
    with pytest.raises(Unbalanced):
        split_text(line)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("-::*", "-::*"),
        ("", '""'),
        ("a b", '"a b"'),
        ("a'b", '"a\'b"'),
        ("a\nb", '"a\\nb"'),
    ],
)
def test_quotes_appear_only_where_they_must(text, written):
    assert quote_if_needed(text) == written
