"""Headers and words, at every length where their form changes."""
from __future__ import annotations

import pytest

from kv._core.testing import resp


@pytest.mark.parametrize("number", [0, 1, 9, 10, 99, 100, -1, -2**63, 2**63 - 1])
@pytest.mark.parametrize("kind", b"*$:%>")
def test_headers(kind: int, number: int) -> None:
    assert resp.header(kind, number) == b"%c%d\r\n" % (kind, number)


@pytest.mark.parametrize("length", [0, 1, 9, 10, 11, 99, 100, 101, 1000, 100_000])
def test_words(length: int) -> None:
    text = (b"\0\r\n$" * length)[:length]
    assert resp.word(text) == b"$%d\r\n%b\r\n" % (length, text)


@pytest.mark.parametrize("number", [0, 7, -1, 10**9, -2**63, 2**63 - 1])
def test_numbers(number: int) -> None:
    assert resp.number(number) == b"$%d\r\n%d\r\n" % (len(str(number)), number)
