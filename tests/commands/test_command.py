"""COMMAND: replies as Valkey 8.1.7's, byte for byte but for what is prose or in the order of a hash table."""
from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.utils import str_if_bytes

from tests.commands.client import Client, Failure
from tests.program import Program

DATA = Path(__file__).parents[1] / "data"
RECORDED = json.loads((DATA / "command-replies.json").read_text())
PROSE = ("summary", "complexity", "notes")
UNTOLD = ["$", "..."]


def typed(raw: bytes) -> list[Any]:
    """A reply as nested lists, the RESP type first, in the form of the recorded ones: prose is left out,
    subcommands are sorted."""
    return read(raw, 0)[0]


def read(raw: bytes, at: int) -> tuple[list[Any], int]:
    end = raw.index(b"\r\n", at)
    kind, rest = chr(raw[at]), raw[at + 1:end]
    at = end + 2
    if kind == "$" and rest != b"-1":
        return [kind, raw[at:at + int(rest)].decode()], at + int(rest) + 2
    if kind not in "*~%":
        return [kind, rest.decode()], at
    items = []
    for _ in range(int(rest) * (2 if kind == "%" else 1)):
        item, at = read(raw, at)
        items.append(item)
    return [kind, *settled(items)], at


def settled(items: list[Any]) -> list[Any]:
    for index, item in enumerate(items[:-1]):
        if item[0] == "$" and item[1] in PROSE:
            items[index + 1] = UNTOLD
        elif item == ["$", "subcommands"]:
            kind, *pairs = items[index + 1]
            pairs = sorted(zip(pairs[::2], pairs[1::2], strict=True), key=str)
            items[index + 1] = [kind, *[part for pair in pairs for part in pair]]
    if len(items) == 2 and items[0][1].count(".") == 2:     # an entry of the history
        items[1] = UNTOLD
    if len(items) > 1 and all(item[0] == "*" and len(item) == 11 for item in items):
        items.sort(key=str)
    return items


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def asking(server: Program, request: pytest.FixtureRequest) -> Iterator[Client]:
    connected = Client(server.port, request.param)
    yield connected
    connected.close()


@pytest.mark.parametrize("question", sorted({key.rpartition(" ")[0] for key in RECORDED}))
def test_entries_are_those_of_valkey(asking, question):
    assert typed(asking.raw("COMMAND", *question.split())) == RECORDED[f"{question} {asking.resp}"]


def test_entries_are_the_same_when_asked_again(asking):
    for form in (("COMMAND",), ("COMMAND", "DOCS"), ("COMMAND", "INFO", "get", "set")):
        assert asking.raw(*form) == asking.raw(*form)


def test_command_is_the_info_of_all(asking):
    every = asking("COMMAND")
    assert len(every) == asking("COMMAND", "COUNT")
    assert every == asking("COMMAND", "INFO")
    names = [entry[0] for entry in every]
    assert every == asking("COMMAND", "INFO", *names)
    assert len(set(names)) == len(names)


def test_docs_of_all_are_the_docs_of_each(asking):
    names = [entry[0] for entry in asking("COMMAND")]
    every = asking("COMMAND", "DOCS")
    assert every == asking("COMMAND", "DOCS", *names)
    assert (list(every) if asking.resp == 3 else every[::2]) == names


def test_what_is_not_there(asking):
    assert asking("COMMAND", "INFO", "nosuch", "get|x", "config|nosuch", "config|get|x", "") == [None] * 5
    null = b"$-1\r\n" if asking.resp == 2 else b"_\r\n"
    assert asking.raw("COMMAND", "INFO", "nosuch") == b"*1\r\n" + null
    assert asking("COMMAND", "INFO", "CONFIG|Get")[0][0] == b"config|get"
    assert len(asking("COMMAND", "DOCS", "nosuch", "get")) == (2 if asking.resp == 2 else 1)
    assert asking("COMMAND", "DOCS", "nosuch") == ([] if asking.resp == 2 else {})


def test_list(asking):
    every = set(asking("COMMAND", "LIST"))
    assert {b"get", b"config", b"config|get", b"command|list"} <= every
    assert set(asking("COMMAND", "LIST", "filterby", "Pattern", "*")) == every
    assert set(asking("COMMAND", "LIST", "FILTERBY", "PATTERN", "CONF*T")) == {
        b"config|get", b"config|set", b"config|resetstat"}
    assert {b"get", b"ttl"} <= set(asking("COMMAND", "LIST", "FILTERBY", "ACLCAT", "READ"))
    assert b"set" not in asking("COMMAND", "LIST", "FILTERBY", "ACLCAT", "read")
    assert asking("COMMAND", "LIST", "FILTERBY", "ACLCAT", "nosuch") == []
    assert asking("COMMAND", "LIST", "FILTERBY", "MODULE", "any") == []


@pytest.mark.parametrize("words", [
    ["x"], ["FILTERBY"], ["FILTERBY", "PATTERN"], ["FILTERBY", "NAME", "x"],
    ["FILTERBY", "PATTERN", "x", "y"]])
def test_bad_filters(asking, words):
    assert asking("COMMAND", "LIST", *words) == Failure("ERR syntax error")


def test_getkeys(asking):
    assert asking("COMMAND", "GETKEYS", "MSET", "a", "1", "b", "2") == [b"a", b"b"]
    assert asking("COMMAND", "GETKEYS", "memory", "USAGE", "k") == [b"k"]
    assert asking("COMMAND", "GETKEYSANDFLAGS", "set", "k", "v", "get") == [
        [b"k", ["RW", "access", "update"]]]
    kind = b"~" if asking.resp == 3 else b"*"
    assert asking.raw("COMMAND", "GETKEYSANDFLAGS", "get", "k") == (
        b"*1\r\n*2\r\n$1\r\nk\r\n" + kind + b"2\r\n+RO\r\n+access\r\n")


@pytest.mark.parametrize("words, error", [
    (["nosuch", "a"], "ERR Invalid command specified"),
    (["config|get", "a"], "ERR Invalid command specified"),
    (["config", "nosuch"], "ERR Invalid command specified"),
    (["config"], "ERR The command has no key arguments"),
    (["ping"], "ERR The command has no key arguments"),
    (["debug", "a"], "ERR The command has no key arguments"),
    (["get"], "ERR Invalid number of arguments specified for command"),
    (["get", "a", "b"], "ERR Invalid number of arguments specified for command"),
    (["mset", "a"], "ERR Invalid number of arguments specified for command"),
])
@pytest.mark.parametrize("subcommand", ["GETKEYS", "GETKEYSANDFLAGS"])
def test_requests_that_have_no_keys(asking, subcommand, words, error):
    assert asking("COMMAND", subcommand, *words) == Failure(error)


def test_mistakes(asking):
    assert asking("COMMAND", "nosuch") == Failure("ERR unknown subcommand 'nosuch'. Try COMMAND HELP.")
    for words in (["COUNT", "x"], ["GETKEYS"]):
        assert asking("COMMAND", *words) == Failure(
            f"ERR wrong number of arguments for 'command|{words[0].lower()}' command")
    lines = asking("COMMAND", "HELP")
    assert lines[0] == "COMMAND <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"
    assert lines[-2:] == ["HELP", "    Print this help."]


@pytest.mark.parametrize("protocol", [2, 3])
def test_redis_py_reads_it(server, protocol):
    with redis.Redis(port=server.port, protocol=protocol) as client:
        get = client.command()["get"]
        assert (get["arity"], get["first_key_pos"], get["last_key_pos"], get["step_count"]) == (2, 1, 1, 1)
        assert {str_if_bytes(flag) for flag in get["flags"]} == {"readonly", "fast"}
        assert client.command_count() == len(client.command())
        keys = client.command_getkeys("MSET", "a", "b", "c", "d")
        assert [str_if_bytes(key) for key in keys] == ["a", "c"]
        assert str_if_bytes(client.command_getkeysandflags("GET", "k")[0][0]) == "k"
        assert "ttl" in [str_if_bytes(name) for name in client.command_list(category="read")]


def test_renamed_and_disabled_commands(tmp_path):
    """They are found by the name that clients use, and shown with their own."""
    renames = [("get", "Fetch"), ("set", ""), ("config", "setup")]
    options = [word for names in renames for word in ("--rename-command", *names)]
    program = Program(tmp_path, *options)
    try:
        client = Client(program.port)
        assert client("COMMAND", "INFO", "get", "set", "config|get") == [None, None, None]
        found = client("COMMAND", "INFO", "fetch", "setup|get")
        assert [entry[0] for entry in found] == [b"get", b"config|get"]
        names = [entry[0] for entry in client("COMMAND")]
        assert b"get" in names and b"set" not in names and b"fetch" not in names
        assert client("COMMAND", "COUNT") == len(names)
        assert client("COMMAND", "DOCS", "get", "fetch")[0::2] == [b"get"]
        assert client("COMMAND", "GETKEYS", "FETCH", "k") == [b"k"]
        assert client("COMMAND", "GETKEYS", "get", "k") == Failure("ERR Invalid command specified")
        client.close()
    finally:
        program.kill()


def test_every_text_is_ready_when_it_is_asked_for():
    """COMMAND DOCS parses lazily: here all of it, in a process of its own."""
    program = "import kv.server.commands.command as c\nfor one in c.by_id: c.encoded_docs(one.id, 2)\n"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=DATA.parents[1])
