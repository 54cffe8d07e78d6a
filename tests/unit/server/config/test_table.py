"""The table against what Valkey 8.1.7 answered: tests/data/config-*.json hold its replies."""

import json
import os
from pathlib import Path

import pytest

from kv.server.config import Config, FatalConfigError, table
from kv.server.config.option import HIDDEN, IMMUTABLE, PROTECTED, ULONG_MAX, Integer
from kv.server.config.source import Reader

DATA = Path(__file__).parents[3] / "data"
FACTS = json.loads((DATA / "config-defaults.json").read_text())
PROBES = json.loads((DATA / "config-complaints.json").read_text())

# Options that Valkey does not have.
OWN = {"rdb-write-version": "11", "aof-import-rdb": "no", "requirepass-file": "", "requirepass-grace": "300",
       "script-memory-limit": "0", "admin-port": "0", "admin-bind": "127.0.0.1"}
# Where we part from Valkey, and why.
DIFFERENT = {
    ("activedefrag", "yes"),  # it was built with an allocator that can do this
    ("cluster-blacklist-ttl", "-1"),  # taken there as 2**64 - 1
    ("maxmemory", "50%"), ("maxmemory", "200%"),  # a share of the container's memory here
    ("maxmemory-clients", "99999999999999999999"),  # taken there as 1%
    ("tls-port", "5"),  # TLS is not part of this release
}


def test_defaults():
    config = Config()
    expected = {**FACTS["defaults"], "dir": os.getcwd(), **OWN}
    assert config.match(["*"]) == expected
    assert config.match(FACTS["hidden"]) == FACTS["hidden"]
    assert len(table.BY_NAME) == len(expected) + len(FACTS["hidden"])


def test_hidden_options():
    hidden = {name for name, option in table.BY_NAME.items() if option.flags & HIDDEN}
    assert hidden == set(FACTS["hidden"])


def test_options_that_cannot_be_set():
    ours = {
        name: "immutable" if option.flags & IMMUTABLE else "protected"
        for name, option in table.BY_NAME.items()
        if option.flags & (IMMUTABLE | PROTECTED)
    }
    assert ours == {**FACTS["refused"], "rdma-rx-size": "immutable", "rdma-completion-vector": "immutable"}


@pytest.mark.parametrize("name", PROBES["complaints"])
def test_what_is_refused_and_with_which_words(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    expected = {
        value: complaint for complaint, values in PROBES["complaints"][name].items() for value in values
    }
    for value in PROBES["values"]:
        if (name, value) not in DIFFERENT:
            assert complaint_about(name, value) == expected.get(value, ""), value


def complaint_about(name, value):
    """What reading this option with this value says, or "" if the next line is what is refused."""
    config = Config()
    try:
        Reader(config).read_text(f"{name} {json.dumps(value)} \nbogus")
    except FatalConfigError as error:
        lines = str(error).splitlines()
        return "" if lines[3] == ">>> 'bogus'" else lines[-1]
    raise AssertionError("the line after it was accepted")


@pytest.mark.parametrize("text", [str(ULONG_MAX + 1), "99999999999999gb"])
def test_more_memory_than_64_bits_count_is_as_much_as_they_do(text):
    config = Config()
    Reader(config).read_text(f"maxmemory {text}")
    assert config.maxmemory == ULONG_MAX


def test_names_are_unique_and_lower_case():
    names = [name for option in table.OPTIONS for name in (option.name, option.alias) if name]
    assert len(names) == len(set(names)) and all(name == name.lower() for name in names)


def test_no_option_hides_a_part_of_config():
    assert not {name for name in dir(Config) if name.replace("_", "-") in table.BY_NAME}
    assert not {"file", "words", "log", "notices", "users", "modules"} & set(table.BY_NAME)


@pytest.mark.parametrize("option", table.OPTIONS, ids=lambda option: option.name)
def test_every_value_printed_is_accepted_back(option):
    value = option.initial()
    text = option.format(value)
    if option.name == "replicaof":
        return  # no primary prints as nothing, and is set with `no one`
    if option.multiple:
        assert option.parse(text.split(" ") if text else [], value) == value
    else:
        assert option.parse([text], value) == value


@pytest.mark.parametrize("option", [o for o in table.OPTIONS if isinstance(o, Integer)], ids=lambda o: o.name)
def test_defaults_of_numbers_are_in_their_range(option):
    assert option.low <= option.default <= option.high
