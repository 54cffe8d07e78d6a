"""lcs against Valkey 8.1.7 (lcs.json: a, b, the string, matches of IDX) and against the textbook's table."""
import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kv._core.testing import objects
from tests.sanitizer import unsanitized

FACTS = json.loads((Path(__file__).parent / "lcs.json").read_text())
TEXT = (st.text("ab", max_size=150) | st.text("abcd", max_size=80)).map(str.encode) | st.binary(max_size=20)


def model(a, b):
    """Fill the whole table, walk it from the end: diagonally at equal bytes, else to the greater, or left."""
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, x in enumerate(a, 1):
        for j, y in enumerate(b, 1):
            table[i][j] = table[i - 1][j - 1] + 1 if x == y else max(table[i - 1][j], table[i][j - 1])
    pairs = []
    i, j = len(a), len(b)
    while i and j:
        if a[i - 1] == b[j - 1]:
            i, j = i - 1, j - 1
            pairs.append((i, j))
        elif table[i - 1][j] > table[i][j - 1]:
            i -= 1
        else:
            j -= 1
    return bytes(a[i] for i, _ in reversed(pairs)), runs(pairs), table[-1][-1]


def runs(pairs):
    found = []
    for i, j in pairs:
        if found and found[-1][0][0] == i + 1 and found[-1][1][0] == j + 1:
            found[-1] = ((i, found[-1][0][1]), (j, found[-1][1][1]))
        else:
            found.append(((i, i), (j, j)))
    return found


@pytest.mark.parametrize(("a", "b", "text", "matches"), FACTS)
def test_as_the_server(a, b, text, matches):
    found, ranges = objects.lcs_of(a.encode(), b.encode())
    assert found == text.encode()
    assert [[list(left), list(right)] for left, right in ranges] == matches
    assert objects.lcs_length_of(a.encode(), b.encode()) == len(text)


@given(TEXT, TEXT)
@example(b"a" * 64, b"a" * 64)
@example(b"a" * 65, b"a" * 129)
@example(b"ab" * 64, b"ba" * 64)
def test_as_the_textbook(a, b):
    text, ranges, length = model(a, b)
    assert objects.lcs_of(a, b) == (text, ranges)
    assert objects.lcs_length_of(a, b) == len(text) == length


def test_long_strings():
    a = b"".join(b"%d" % (i * i) for i in range(1200))
    b = a[::2] + b"-" + a[1::2]
    text, ranges = objects.lcs_of(a, b)
    assert len(text) == objects.lcs_length_of(a, b) == objects.lcs_length_of(b, a) >= len(a) // 2
    assert sum(end - start + 1 for (start, end), _ in ranges) == len(text)
    assert all(a[i:k + 1] == b[j:m + 1] for (i, k), (j, m) in ranges)


def test_limit_is_on_the_table_of_the_server():
    a, b, size = b"a" * 10, b"b" * 20, 11 * 21 * 4
    assert objects.lcs_refusal(a, b, size) is None
    assert objects.lcs_refusal(a, b, size - 1) == "too large"
    assert objects.lcs_length_of(a, b, size) == 0
    assert objects.lcs_length_of(a, b, size - 1) == "too large"


def test_lengths_that_no_table_can_have():
    assert objects.lcs_check_of(2**32 - 2, 1, 2**64 - 1) == "too long"
    assert objects.lcs_check_of(1, 2**32 - 2, 2**64 - 1) == "too long"
    assert objects.lcs_check_of(2**32 - 3, 2**32 - 3, 2**64 - 1) == "no memory"
    assert objects.lcs_check_of(2**31 - 1, 2**31 - 2, 2**64 - 1) is None


@unsanitized
def test_no_memory():
    """The rows of these two would take 200 TB, more than an address space."""
    text = bytes(40_000_000)
    assert objects.lcs_refusal(text, text, 2**63) == "no memory"
