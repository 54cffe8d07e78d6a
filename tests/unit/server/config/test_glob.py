"""The patterns of CONFIG GET."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kv.server.config.glob import has_wildcard, matches


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("*", "", True),
        ("", "", True),
        ("", "a", False),
        ("a", "", False),
        ("max*", "maxmemory", True),
        ("MAX*", "maxmemory", True),
        ("*of", "replicaof", True),
        ("*of", "replicaof2", False),
        ("m?x*", "maxmemory", True),
        ("?", "", False),
        ("hz?", "hz", False),
        ("h[a-z]", "hz", True),
        ("h[z-a]", "hz", True),
        ("h[^a-y]", "hz", True),
        ("h[^z]", "hz", False),
        ("h[z", "hz", True),
        ("h[", "hz", False),
        ("h[]z", "hz", False),
        (r"h[\z]", "hz", True),
        (r"h[\]z]", "h]", True),
        ("h[a-]", "h^", True),  # a range, whose end the bracket is
        (r"\*", "*", True),
        (r"\*", "a", False),
        ("a\\", "a\\", True),
        ("**a**", "bab", True),
        ("a*b*c", "aXbXbXc", True),
        ("a*b*c", "aXbXbX", False),
    ],
)
def test_forms(pattern, text, expected):
    assert matches(pattern, text) is expected


@given(st.text("ab*?", max_size=8), st.text("ab", max_size=8))
def test_stars_and_question_marks_mean_what_they_mean_as_regular_expressions(pattern, text):
    expression = pattern.replace("*", ".*").replace("?", ".")
    assert matches(pattern, text) is bool(re.fullmatch(expression, text))


def test_no_pattern_takes_forever():
    assert not matches("*a" * 60 + "b", "a" * 60)


def test_an_escape_alone_is_no_wildcard():
    assert has_wildcard("a*") and has_wildcard("[a") and has_wildcard("a?") and not has_wildcard("a\\b")
