"""Quoting and splitting, and that one undoes the other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kv.quoting import Unbalanced, quote, split, unquote


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"", []),
        (b" \t ", []),
        (b"set key value", [b"set", b"key", b"value"]),
        (b"  a\tb \n", [b"a", b"b"]),
        (b'"a b" c', [b"a b", b"c"]),
        (rb'"\x41\n\r\t\a\b\q\"\\"', [b'A\n\r\t\a\bq"\\']),
        (rb'"\xZZ\x4"', [b"xZZx4"]),
        (rb"'a\'b\n'", [rb"a'b\n"]),
        (b'key"" x', [b"key", b"x"]),
        (b'k"a b"', [b"ka b"]),
        (b"''", [b""]),
        (b'"\xff\x00"', [b"\xff\x00"]),
    ],
)
def test_split(line: bytes, words: list[bytes]) -> None:
    assert split(line) == words


@pytest.mark.parametrize("line", [b'"a', b"'a", b'"a"b', b"'a'b", b'""key', b'x "', b'"a\\"'])
def test_unbalanced(line: bytes) -> None:
    with pytest.raises(Unbalanced):
        split(line)


def test_unquote_takes_one_word() -> None:
    assert unquote(rb'"\x00\x00"') == b"\0\0"
    for word in (b'"a" "b"', b'"a', b""):
        with pytest.raises(Unbalanced):
            unquote(word)


@given(st.lists(st.binary(), max_size=5))
def test_quoted_words_split_back(words: list[bytes]) -> None:
    line = b" ".join(map(quote, words))
    assert line.isascii()
    assert split(line) == words
