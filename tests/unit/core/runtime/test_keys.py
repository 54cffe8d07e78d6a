"""The keys of requests, held to what COMMAND GETKEYSANDFLAGS of Valkey 8.1.7 replied to the same requests."""
from __future__ import annotations

import json
from pathlib import Path

import pytest

import kv._core.commands
from kv._core.runtime.registry import declarations, declare_package, find_keys
from kv._core.testing.keys import KeyTable, Specs

DATA = Path(__file__).parents[3] / "data"
REQUESTS = json.loads((DATA / "command-keys.json").read_text())
KEYS = {name: texts[0] for name, texts in json.loads((DATA / "command-syntax.json").read_text()).items()}
INVALID = "ERR Invalid arguments specified for command"
PREFETCHED = 64         # keys of a request, at most

declare_package(kv._core.commands)


def specs_of(name):
    return Specs(name, KEYS[name])


@pytest.mark.parametrize("name, words, reply", REQUESTS, ids=[" ".join(words) for _, words, _ in REQUESTS])
def test_keys_are_those_of_valkey(name, words, reply):
    request = [word.encode() for word in words]
    expected = [] if reply == INVALID else reply
    assert [[words[index], list(flags)] for index, flags in specs_of(name).find(request)] == expected
    if name in declarations:
        assert [[words[index], list(flags)] for index, flags in find_keys(declarations[name], request)] == expected


def test_which_commands_have_keys():
    assert declarations["get"].has_keys
    assert not declarations["spublish"].has_keys
    assert not declarations["ping"].has_keys


@pytest.mark.parametrize("count", ["1x", "9" * 18, "9" * 5000, "", " 1", "\u0661"])
def test_a_number_of_keys_that_is_none(count):
    assert specs_of("zunion").find([b"zunion", count.encode(), b"a"]) == []


def test_a_request_has_any_number_of_keys():
    words = [b"mget", *[b"key:%d" % number for number in range(5000)]]
    assert [index for index, _ in find_keys(declarations["mget"], words)] == list(range(1, 5001))


# -- prefetching --------------------------------------------------------------------------------------------------

def names(count):
    return [b"key:%d" % number for number in range(count)]


@pytest.mark.parametrize("name, words, expected", [
    ("mget", names(1), 1), ("mget", names(16), 16), ("del", names(PREFETCHED), PREFETCHED),
    ("exists", names(PREFETCHED + 1), PREFETCHED), ("unlink", names(100_000), PREFETCHED), ("sinter", [b"no", b"key:1"], 2),
    ("mset", names(6), 3), ("zunion", [b"2", b"key:1", b"key:2", b"WEIGHTS"], 2), ("zunion", [b"100", *names(100)], PREFETCHED),
    ("xread", [b"STREAMS", b"key:1", b"key:2", b"0", b"0"], 2), ("sort", [b"key:1", b"STORE", b"key:2"], 2),
    ("set", [b"key:1", b"v"], 1), ("ping", [], 0), ("zunion", [b"3", b"key:1"], 0), ("zunion", [b"9" * 18, b"a"], 0),
    ("mget", [], 0)])
@pytest.mark.parametrize("count", [1, 1000])
def test_all_keys_of_a_request_are_prefetched(name, words, expected, count):
    assert KeyTable(count).prefetch(specs_of(name), [name.encode(), *words]) == expected


def test_nothing_is_prefetched_from_an_empty_table():
    assert KeyTable(0).prefetch(specs_of("mget"), [b"mget", b"a", b"b"]) == 0


@pytest.mark.parametrize("ahead", [False, True])
def test_lookups_find_the_same(ahead):
    assert KeyTable(1000).lookups(specs_of("mget"), 50, 100, ahead, 1)[0] == 50 * 100
