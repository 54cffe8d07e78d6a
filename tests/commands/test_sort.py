"""SORT and SORT_RO over lists: orders, limits, what BY and GET name, STORE."""
from __future__ import annotations

from typing import Any

import pytest

from tests.commands.client import Failure
from tests.commands.embedded import Embedded

NOT_A_NUMBER = Failure("ERR One or more scores can't be converted into double")


def sort(kv: Embedded, *words: Any) -> list[str | None]:
    return [value if value is None else value.decode() for value in kv("SORT", *words)]


@pytest.fixture
def people(kv: Embedded) -> Embedded:
    """A list of names, and keys with their ages and cities; one has no age."""
    kv("RPUSH", "people", "dan", "ann", "eve", "bob")
    kv("MSET", "age_dan", 40, "age_ann", 9, "age_bob", 7.5, "city_ann", "Rome", "city_bob", "Oslo", "city_dan", "Bonn")
    kv.effects()
    return kv


def test_numbers(kv: Embedded) -> None:
    kv("RPUSH", "a", 10, 9, "-1.5", "1e1", "", "0x10", " 2", 2**62)
    assert sort(kv, "a") == ["-1.5", "", " 2", "9", "10", "1e1", "0x10", str(2**62)]
    assert sort(kv, "a", "desc") == sort(kv, "a")[::-1]
    assert sort(kv, "a", "LIMIT", 1, 2) == ["", " 2"]


@pytest.mark.parametrize("text", ["x", "1x", "nan", "1e999", "1 "])
def test_what_is_no_number(kv: Embedded, text: str) -> None:
    kv("RPUSH", "a", 1, text)
    kv("RPUSH", "b", 1)
    kv.effects()
    assert kv("SORT", "a") == kv("SORT", "a", "STORE", "b") == NOT_A_NUMBER
    assert kv.effects() == [] and kv("LLEN", "b") == 1
    assert len(sort(kv, "a", "ALPHA")) == 2


def test_texts(people: Embedded) -> None:
    assert sort(people, "people", "ALPHA") == ["ann", "bob", "dan", "eve"]
    assert sort(people, "people", "ALPHA", "DESC", "LIMIT", 0, 1) == ["eve"]
    assert sort(people, "people", "ASC", "ALPHA", "LIMIT", 3, 100) == ["eve"]
    assert sort(people, "people", "ALPHA", "LIMIT", 4, 1) == sort(people, "people", "ALPHA", "LIMIT", 0, 0) == []
    assert sort(people, "people", "ALPHA", "LIMIT", -5, -1) == sort(people, "people", "ALPHA")


def test_by(people: Embedded) -> None:
    assert sort(people, "people", "BY", "age_*") == ["eve", "bob", "ann", "dan"]        # no weight counts as 0
    assert sort(people, "people", "BY", "city_*", "ALPHA") == ["eve", "dan", "bob", "ann"]
    assert sort(people, "people", "BY", "city_*", "ALPHA", "DESC") == ["ann", "bob", "dan", "eve"]
    assert people("SORT", "people", "BY", "city_*") == NOT_A_NUMBER


def test_equal_weights_keep_their_places(people: Embedded) -> None:
    assert sort(people, "people", "BY", "none_*", "ALPHA") == ["dan", "ann", "eve", "bob"]
    assert sort(people, "people", "BY", "none_*", "ALPHA", "DESC") == ["dan", "ann", "eve", "bob"]
    assert sort(people, "people", "BY", "none_*") == ["ann", "bob", "dan", "eve"]       # numbers: then by text


def test_unsorted(people: Embedded) -> None:
    assert sort(people, "people", "BY", "nosort") == ["dan", "ann", "eve", "bob"]
    assert sort(people, "people", "BY", "nosort", "DESC") == ["bob", "eve", "ann", "dan"]
    assert sort(people, "people", "BY", "nosort", "LIMIT", 1, 2) == ["ann", "eve"]
    assert sort(people, "people", "BY", "nosort", "DESC", "LIMIT", 1, 2) == ["eve", "ann"]
    assert sort(people, "people", "BY", "nosort", "LIMIT", 3, 9, "GET", "age_*", "GET", "#") == ["7.5", "bob"]


def test_a_set_that_is_not_sorted_is_in_scripts(kv: Embedded) -> None:
    """What a script returns must not depend on how the set is kept."""
    kv("SADD", "set", "z", "b", "aa", "c", "a")
    kv("RPUSH", "list", "z", "b", "a")
    script = "return redis.call('SORT', KEYS[1], 'BY', 'nosort', unpack(ARGV))"
    assert kv("EVAL", script, 1, "set") == [b"a", b"aa", b"b", b"c", b"z"]
    assert kv("EVAL", script, 1, "set", "DESC", "LIMIT", 1, 2) == [b"c", b"b"]
    assert kv("EVAL", script, 1, "set", "GET", "#", "GET", "none_*")[:4] == [b"a", None, b"aa", None]
    assert kv("EVAL", script, 1, "list") == [b"z", b"b", b"a"]
    assert kv("EVAL", script.replace("SORT", "SORT_RO"), 1, "set") == [b"a", b"aa", b"b", b"c", b"z"]
    assert kv("SORT", "set", "BY", "nosort", "STORE", "to") == 5 and kv("LRANGE", "to", 0, -1) == [b"a", b"aa", b"b", b"c", b"z"]


def test_get(people: Embedded) -> None:
    assert sort(people, "people", "ALPHA", "GET", "city_*") == ["Rome", "Oslo", "Bonn", None]
    assert sort(people, "people", "ALPHA", "LIMIT", 0, 2, "GET", "#", "GET", "age_*", "GET", "age_dan") == [
        "ann", "9", None, "bob", "7.5", None]
    nothing = [word for pattern in ("people", "*->f", "city_*->f", "city_*->") for word in ("GET", pattern)]
    assert sort(people, "people", "ALPHA", "LIMIT", 0, 1, *nothing) == [None] * 4
    people("SET", "city_ann->", "x")
    assert sort(people, "people", "ALPHA", "LIMIT", 0, 1, "GET", "city_*->") == ["x"]


def test_store(people: Embedded) -> None:
    people("SET", "to", "text", "EX", 100)
    people.effects()
    assert people("SORT", "people", "BY", "age_*", "GET", "city_*", "STORE", "to") == 4
    assert people("LRANGE", "to", 0, -1) == [b"", b"Oslo", b"Rome", b"Bonn"]
    assert people("TTL", "to") == -1 and people("OBJECT", "ENCODING", "to") == b"listpack"
    assert people("SORT", "none", "STORE", "to") == 0 and people("EXISTS", "to") == 0
    assert people("SORT", "none", "STORE", "to") == 0
    assert people.effects() == [["SORT", "people", "BY", "age_*", "GET", "city_*", "STORE", "to"], ["SORT", "none", "STORE", "to"]]
    assert people("SORT", "people", "ALPHA", "DESC", "STORE", "people") == 4
    assert people("LRANGE", "people", 0, -1) == [b"eve", b"dan", b"bob", b"ann"]


def test_many(kv: Embedded) -> None:
    numbers = [number * 7919 % 5003 for number in range(5000)]
    kv("RPUSH", "a", *numbers)
    assert sort(kv, "a") == [str(number) for number in sorted(numbers)]
    assert kv("SORT", "a", "LIMIT", 100, 4000, "STORE", "b") == 4000
    assert kv("OBJECT", "ENCODING", "b") == b"quicklist"
    assert sort(kv, "b", "BY", "nosort") == [str(number) for number in sorted(numbers)[100:4100]]


def test_mistakes(kv: Embedded) -> None:
    kv("SET", "s", "text")
    assert kv("SORT", "s") == Failure("WRONGTYPE Operation against a key holding the wrong kind of value")
    for words in (("LIMIT", 1), ("BY",), ("GET",), ("STORE",), ("no",)):
        assert kv("SORT", "a", *words) == Failure("ERR syntax error")
    assert kv("SORT", "a", "LIMIT", "x", 1) == Failure("ERR value is not an integer or out of range")
    assert kv("SORT_RO", "a", "STORE", "b") == Failure("ERR syntax error")
    assert kv("SORT_RO", "a") == []
