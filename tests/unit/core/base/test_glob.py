"""glob against KEYS of Valkey 8.1.7 (glob.json) and against a model that tries everything.

The model turns a pattern into a list of stars and of sets of the bytes each part takes, then asks for every
prefix of the text whether the parts so far can take it. It shares nothing with the matcher but the rules.
"""
import json
import time
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kv._core.testing import base

FACTS = json.loads((Path(__file__).parent / "glob.json").read_text())
STAR = "star"
PATTERNS = st.text("abAB*?[]^-\\", max_size=10).map(str.encode) | st.binary(max_size=8)
TEXTS = st.text("abAB*?[]^-\\", max_size=10).map(str.encode) | st.binary(max_size=8)


def signed(byte):
    return byte - 256 if byte > 127 else byte


def lower(number):
    if number < -1:
        number += 256
    return number + 32 if 65 <= number <= 90 else number


def literal(byte, nocase):
    return {b for b in range(256) if b == byte or (nocase and bytes([b]).lower() == bytes([byte]).lower())}


def span(first, last, nocase):
    low, high = sorted((signed(first), signed(last)))
    fold = lower if nocase else int
    return {b for b in range(256) if fold(low) <= fold(signed(b)) <= fold(high)}


def read_class(pattern, nocase):
    """The bytes taken by a class and what follows it; pattern starts behind the [."""
    inverted = pattern[:1] == b"^"
    pattern = pattern[inverted:]
    taken = set()
    while pattern and pattern[:1] != b"]":
        if pattern[0] == ord("\\") and len(pattern) > 1:
            taken.add(pattern[1])
            pattern = pattern[2:]
        elif len(pattern) > 2 and pattern[1] == ord("-"):
            taken |= span(pattern[0], pattern[2], nocase)
            pattern = pattern[3:]
        else:
            taken |= literal(pattern[0], nocase)
            pattern = pattern[1:]
    return (set(range(256)) - taken if inverted else taken), pattern[1:]


def parts_of(pattern, nocase):
    while pattern:
        first, pattern = pattern[:1], pattern[1:]
        if first == b"*":
            yield STAR
        elif first == b"?":
            yield set(range(256))
        elif first == b"[":
            taken, pattern = read_class(pattern, nocase)
            yield taken
        else:
            if first == b"\\" and pattern:
                first, pattern = pattern[:1], pattern[1:]
            yield literal(first[0], nocase)


def model(pattern, text, nocase):
    if not text:
        return not pattern
    reachable = {0}
    for part in parts_of(pattern, nocase):
        if part is STAR:
            reachable = set(range(min(reachable), len(text) + 1)) if reachable else set()
        else:
            reachable = {at + 1 for at in reachable if at < len(text) and text[at] in part}
    return len(text) in reachable


@pytest.mark.parametrize(("pattern", "matched"), FACTS["matches"])
def test_as_keys_of_the_server(pattern, matched):
    for text in FACTS["texts"]:
        if (pattern, text) == ("*", ""):
            continue  # KEYS takes a lone star for everything without matching
        assert base.glob_match_bytes(pattern.encode(), text.encode()) == (text in matched), text


@given(PATTERNS, TEXTS, st.booleans())
@example(b"*", b"", False)
@example(b"[a-\xff]", b"\x00", False)
@example(b"[\x80-z]", b"\x80", True)
@example(b"[Z-a]", b"z", True)
@example(b"[\\A]", b"a", True)
def test_like_the_model(pattern, text, nocase):
    assert base.glob_match_bytes(pattern, text, nocase) == model(pattern, text, nocase)


@given(st.lists(st.sampled_from([b"a", b"b", b"*", b"?"]), max_size=12).map(b"".join),
       st.text("ab", max_size=14).map(str.encode))
def test_many_stars_like_the_model(pattern, text):
    assert base.glob_match_bytes(pattern, text) == model(pattern, text, False)


def test_hostile_patterns_take_bounded_time():
    began = time.process_time()
    text = b"a" * 20_000
    assert not base.glob_match_bytes(b"a*" * 900 + b"b", text)
    assert not base.glob_match_bytes(b"*[a]" * 900 + b"b", text, True)
    assert not base.glob_match_bytes(b"?*" * 900 + b"b", text, True)
    assert time.process_time() - began < 2


def test_no_more_than_a_thousand_stars():
    text = b"a" * 1500
    assert base.glob_match_bytes(b"*a" * 1000, text)
    assert not base.glob_match_bytes(b"*a" * 1001, text)
    assert base.glob_match_bytes(b"*a" * 1000 + b"*", text)
    assert base.glob_match_bytes(b"*" * 5000, text)
