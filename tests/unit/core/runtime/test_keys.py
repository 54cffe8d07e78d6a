"""The keys of requests, held to what COMMAND GETKEYSANDFLAGS of Valkey 8.1.7 replied to the same requests."""
from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from kv._core.runtime.keys import find_keys, has_keys

from kv._core.runtime.syntax import parse_keys

DATA = Path(__file__).parents[3] / "data"
REQUESTS = json.loads((DATA / "command-keys.json").read_text())
KEYS = {name: texts[0] for name, texts in json.loads((DATA / "command-syntax.json").read_text()).items()}
INVALID = "ERR Invalid arguments specified for command"


def declaration(name):
    return SimpleNamespace(name=name, key_specs=parse_keys(KEYS[name]))


@pytest.mark.parametrize("name, words, reply", REQUESTS, ids=[" ".join(words) for _, words, _ in REQUESTS])
def test_keys_are_those_of_valkey(name, words, reply):
    request = [word.encode() for word in words]
    found = [[words[index], list(flags)] for index, flags in find_keys(declaration(name), request)]
    assert found == ([] if reply == INVALID else reply)


def test_which_commands_have_keys():
    assert has_keys(declaration("get"))
    assert not has_keys(declaration("spublish"))
    assert not has_keys(declaration("ping"))


@pytest.mark.parametrize("count", ["1x", "9" * 18, "9" * 5000, "", " 1", "\u0661"])
def test_a_number_of_keys_that_is_none(count):
    assert find_keys(declaration("zunion"), [b"zunion", count.encode(), b"a"]) == []
