"""Values in RDB, read back by the tests' own reader (tests/rdbvalue)."""
from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kv._core.engine.engine import Engine
from kv._core.testing import rdb
from tests import rdbvalue
from tests.commands.embedded import Embedded
from tests.rdbcases import CASES, build

VERSIONS = [9, 10, 11]
words = st.binary(max_size=80) | st.integers(-2**63, 2**63 - 1).map(lambda n: b"%d" % n)
scores = st.floats(allow_nan=False).map(lambda score: score + 0.0)  # no -0.0
ENGINE = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def kv() -> Iterator[Embedded]:
    client = Embedded(Engine(None, seed=1), 3)
    yield client
    client.close()


def read(client: Embedded, version: int = 11, compress: bool = True):
    found = rdb.value(client.engine, b"k", version, compress)
    assert found is not None
    return rdbvalue.read(*found)


def make(client: Embedded, name: str) -> None:
    build(client, name, lambda option, value: client.engine.configure(**{option.replace("-", "_"): value}))


# -- words ----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("number", "form"), [
    (0, b"\x00"), (63, b"\x3f"), (64, b"\x40\x40"), (16383, b"\x7f\xff"), (16384, b"\x80\x00\x00\x40\x00"),
    (2**32 - 1, b"\x80\xff\xff\xff\xff"), (2**32, b"\x81\x00\x00\x00\x01\x00\x00\x00\x00"), (2**64 - 1, b"\x81" + b"\xff" * 8)])
def test_lengths(number: int, form: bytes) -> None:
    assert rdb.length(number) == form


@pytest.mark.parametrize(("text", "form"), [
    (b"", b"\x00"), (b"a", b"\x01a"), (b"0", b"\xc0\x00"), (b"-128", b"\xc0\x80"), (b"128", b"\xc1\x80\x00"),
    (b"-32769", b"\xc2\xff\x7f\xff\xff"), (b"2147483647", b"\xc2\xff\xff\xff\x7f"), (b"2147483648", b"\x0a2147483648"),
    (b"-0", b"\x02-0"), (b"00", b"\x0200"), (b"+1", b"\x02+1"), (b" 1", b"\x02 1"), (b"-2147483648", b"\xc2\x00\x00\x00\x80")])
def test_strings_in_their_shortest_form(text: bytes, form: bytes) -> None:
    assert rdb.string(text) == form


@given(st.integers(-2**63, 2**63 - 1))
def test_a_number_is_the_string_of_its_digits(number: int) -> None:
    assert rdb.number(number) == rdb.string(b"%d" % number)


@given(st.binary(max_size=300) | st.binary(min_size=1, max_size=6).map(lambda part: part * 30), st.booleans())
def test_strings_come_back(text: bytes, compress: bool) -> None:
    form = rdb.string(text, compress)
    assert rdbvalue.Reader(form).string() == text
    assert len(form) <= len(rdb.string(text, False))


def test_what_repeats_is_compressed_beyond_20_bytes() -> None:
    assert rdb.string(b"x" * 20) == b"\x14" + b"x" * 20
    assert rdb.string(b"x" * 21)[0] == 0xc3
    assert rdb.string(b"x" * 21, False) == b"\x15" + b"x" * 21


# -- values ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", CASES)
def test_every_version_and_compression_holds_the_same(kv: Embedded, name: str) -> None:
    make(kv, name)
    values = [read(kv, version, compress) for version in VERSIONS for compress in (False, True)]
    if name.startswith(("stream", "trimmed", "empty stream")):
        assert [node for value in values for node in value.nodes] == values[-1].nodes * len(values)
        assert all(value.last == values[-1].last and value.groups.keys() == values[-1].groups.keys() for value in values)
    else:
        assert all(value == values[-1] for value in values)


@pytest.mark.parametrize("name", CASES)
def test_types_are_those_that_the_version_knows(kv: Embedded, name: str) -> None:
    make(kv, name)
    known = {9: {0, 1, 2, 4, 5, 11, 15}, 10: {0, 2, 4, 5, 11, 16, 17, 18, 19}, 11: {0, 2, 4, 5, 11, 16, 17, 18, 20, 21}}
    for version in VERSIONS:
        assert rdb.value(kv.engine, b"k", version)[0] in known[version]


@pytest.mark.parametrize("name", ["large set", "large hash", "list of nodes", "large sorted set", "stream of nodes"])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_large_value_is_drained_as_it_goes(kv: Embedded, name: str, version: int) -> None:
    make(kv, name)
    parts, held = rdb.drained(kv.engine, b"k", 256, version)
    assert b"".join(parts) == rdb.value(kv.engine, b"k", version)[1]
    assert len(parts) > 3 and held < 20_000


def test_a_key_that_is_not_there(kv: Embedded) -> None:
    assert rdb.payload(kv.engine, b"nothing") is None


@ENGINE
@given(st.lists(words, min_size=1, max_size=60), st.sampled_from(VERSIONS))
def test_lists(kv: Embedded, elements: list[bytes], version: int) -> None:
    kv("DEL", "k")
    kv("RPUSH", "k", *elements)
    assert read(kv, version) == elements


@ENGINE
@given(st.sets(words, min_size=1, max_size=60), st.sampled_from(VERSIONS))
def test_sets(kv: Embedded, members: set[bytes], version: int) -> None:
    kv("DEL", "k")
    kv("SADD", "k", *members)
    assert read(kv, version) == members


@ENGINE
@given(st.dictionaries(words, words, min_size=1, max_size=60), st.sampled_from(VERSIONS))
def test_hashes(kv: Embedded, fields: dict[bytes, bytes], version: int) -> None:
    kv("DEL", "k")
    kv("HSET", "k", *[word for pair in fields.items() for word in pair])
    assert read(kv, version) == fields


@ENGINE
@given(st.dictionaries(words, scores, min_size=1, max_size=60), st.sampled_from(VERSIONS))
def test_sorted_sets(kv: Embedded, members: dict[bytes, float], version: int) -> None:
    kv("DEL", "k")
    kv("ZADD", "k", *[word for member, score in members.items() for word in (repr(score), member)])
    found = read(kv, version)
    assert found == members
    if rdb.value(kv.engine, b"k", version)[0] == rdbvalue.ZSET_2:
        assert list(found.values()) == sorted(found.values(), reverse=True)


entries = st.lists(st.lists(st.tuples(words, words), min_size=1, max_size=4), min_size=1, max_size=20)


@ENGINE
@given(entries, st.sets(st.integers(0, 19)), st.sampled_from(VERSIONS), st.data())
def test_streams(kv: Embedded, items: list, gone: set[int], version: int, data: st.DataObject) -> None:
    kv("DEL", "k")
    ids, last = [], (0, 0)
    for item in items:
        last = data.draw(st.tuples(st.just(last[0]), st.integers(last[1] + 1, 2**64 - 2))
                         | st.tuples(st.integers(last[0] + 1, 2**62), st.integers(0, 2**64 - 2)))
        ids.append(last)
        kv("XADD", "k", f"{last[0]}-{last[1]}", *[word for pair in item for word in pair])
        if last[1] > 2**64 - 30 or last[0] > 2**61:
            break
    deleted = {ids[i] for i in gone if i < len(ids)}
    for id in deleted:
        kv("XDEL", "k", f"{id[0]}-{id[1]}")
    stream = read(kv, version)
    live = [(id, fields) for node in stream.nodes for id, dead, _, fields in node.entries if not dead]
    assert live == [(id, item) for id, item in zip(ids, items, strict=False) if id not in deleted]
    assert (stream.length, stream.last) == (len(live), ids[-1])
    if version > 9:
        assert (stream.first, stream.added) == (live[0][0] if live else (0, 0), len(ids))
        assert stream.max_deleted == max(deleted, default=(0, 0))
