"""Every declared command that Valkey 8.1.7 has says what Valkey says of it; a bad declaration stops the start-up.

The facts are frozen. A command that Valkey 8.1 does not have is not compared, and says that it is newer."""
from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import kv._core.commands
import kv.server.commands
from kv._core.runtime import registry
from kv._core.runtime.registry import declarations, declare, declare_package

DATA = Path(__file__).parents[3] / "data"
FACTS = json.loads((DATA / "commands.json").read_text())
VARYING = "Depends on subcommand."      # of containers; the facts leave it out

for package in (kv._core.commands, kv.server.commands):
    declare_package(package)

DECLARED = sorted(declarations)
FROZEN = (8, 1, 7)      # the version that the facts are of


def without_notes(specs):
    return [{member: value for member, value in spec.items() if member != "notes"} for spec in specs]


@pytest.mark.parametrize("name", [name for name in DECLARED if name in FACTS])
def test_a_declaration_is_true(name):
    one, facts = declarations[name], FACTS[name]
    assert one.arity == facts["arity"]
    assert one.shown_flags == facts["flags"]
    assert list(one.key_range) == facts["keys"]
    assert ["@" + category for category in one.categories] == facts["acl"]
    assert one.tips == facts["tips"]
    assert without_notes(one.key_specs) == facts["key_specs"]
    assert one.since == facts["since"]
    assert one.group == facts["group"]
    assert one.arguments == facts.get("arguments", [])
    assert one.deprecated_since == facts.get("deprecated_since", "")
    assert one.replaced_by == facts.get("replaced_by", "")
    assert ("syscmd" in one.flags) == ("syscmd" in facts.get("doc_flags", []))
    assert [version for version, _ in one.history] == facts.get("history_since", [])


@pytest.mark.parametrize("name", DECLARED)
def test_a_command_that_valkey_does_not_have_is_newer(name):
    """Else its name is misspelled, and it was compared with nothing."""
    assert name in FACTS or tuple(map(int, declarations[name].since.split("."))) > FROZEN


@pytest.mark.parametrize("name", DECLARED)
def test_a_declaration_is_complete(name):
    one = declarations[name]
    assert one.group and len(one.since.split(".")) == 3
    assert one.complexity or name in FACTS      # Valkey has none for a few
    assert isinstance(one.arguments, list)
    assert one.summary.endswith(".") and "\n" not in one.summary
    assert one.is_container == (bool(one.subcommands) and name != "command")
    if "complexity" in FACTS.get(name, {}):
        assert one.complexity == FACTS[name]["complexity"]
    elif one.is_container:
        assert one.complexity == VARYING


@pytest.mark.parametrize("name", DECLARED)
def test_arguments_name_keys_that_exist(name):
    def indexes(nodes):
        for node in nodes:
            yield node.get("key_spec_index", -1)
            yield from indexes(node.get("arguments", []))

    one = declarations[name]
    assert max(indexes(one.arguments), default=-1) < len(one.key_specs)


GOOD = {"group": "string", "since": "1.0.0", "summary": "Nothing."}


@pytest.mark.parametrize("name, arity, flags, docs", [
    ("get", 2, "readonly", {}),                                 # declared twice
    ("bad-Name", 2, "readonly", {}),
    ("nobody|bad", 2, "readonly", {}),                          # no such container
    ("bad", 0, "readonly", {}),
    ("bad", 2, "readonly quick", {}),
    ("bad", 2, "readonly", {"keys": "one RO"}),
    ("bad", 2, "readonly", {"keys": "1 RO reads"}),
    ("bad", 2, "readonly", {"args": "key [count"}),
    ("bad", 2, "readonly", {"acl": "everybody"}),
    ("bad", 2, "readonly", {"acl": "-everybody"}),
])
def test_a_bad_declaration_is_refused(name, arity, flags, docs):
    with pytest.raises(ValueError):
        declare(0, name, arity, flags, **GOOD, **docs)
    assert name == "get" or name not in declarations


def test_bad_arguments_are_told_when_they_are_asked_for():
    one = registry.Declaration("bad", 2, "readonly", "", "string", "1.0.0", "", "", "[a b]", "", "", (), "")
    with pytest.raises(ValueError):
        one.arguments   # noqa: B018


def declaration(flags, group="string", acl="", keys=""):
    return registry.Declaration("one", 2, flags, keys, group, "1.0.0", "", "", "", acl, "", (), "")


@pytest.mark.parametrize("flags, group, acl, expected", [
    ("write fast", "sorted-set", "", "write sortedset fast"),
    ("readonly", "generic", "", "keyspace read slow"),
    ("readonly", "scripting", "", "slow scripting"),
    ("admin", "server", "", "admin slow dangerous"),
    ("blocking write", "list", "", "write list slow blocking"),
    ("fast", "connection", "-connection dangerous", "fast dangerous"),
])
def test_categories_follow_from_group_and_flags(flags, group, acl, expected):
    assert declaration(flags, group, acl).categories == expected.split()


def test_a_container_is_in_no_category_of_its_group():
    assert declarations["object"].categories == ["slow"]


def test_movable_keys_are_found_out():
    assert "movablekeys" in declaration("readonly", keys="1# RO access").flags
    assert "movablekeys" not in declaration("readonly", keys="1..-1 RO access").flags


def test_renaming_changes_the_names_that_clients_use():
    program = """
import kv._core.commands.strings
from kv._core.runtime.registry import named, rename_commands
rename_commands([("GET", "Fetch"), ("set", "")])
assert "get" not in named and "set" not in named
assert named["fetch"].name == "get"
for wrong in ([("nosuch", "x")], [("get", "mget")]):
    try:
        rename_commands(wrong)
    except ValueError:
        pass
    else:
        raise SystemExit("renamed")
rename_commands([])
assert named["get"].name == "get" and "fetch" not in named
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=DATA.parents[1])
