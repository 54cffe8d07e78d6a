"""The documentation that kv-cli has without a server: of every command of Valkey 8.1.7, and of what is declared besides."""
from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kv.cli.docs import OTHER_SERVERS, declared, offline

ROOT = Path(__file__).parents[3]
FACTS: dict[str, Any] = json.loads((ROOT / "tests" / "data" / "commands.json").read_text())
HIDDEN = ("key_spec_index", "deprecated_since")     # of an argument: no part of its syntax
DOCS = offline(None)


def entry(name: str) -> dict[str, Any]:
    docs: dict[str, Any] = {"subcommands": DOCS}
    for part in name.split("|"):
        docs = docs["subcommands"][part]
    return docs


def shown(nodes: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """An argument tree without what does not show."""
    for node in nodes:
        kept = {member: value for member, value in node.items() if member not in HIDDEN}
        if kept.get("display_text") == node["name"]:
            del kept["display_text"]
        if "arguments" in node:
            kept["arguments"] = list(shown(node["arguments"]))
        yield kept


@pytest.mark.parametrize("name", FACTS)
def test_every_command_of_valkey_is_there(name: str) -> None:
    docs, facts = entry(name), FACTS[name]
    assert (docs["group"], docs["since"]) == (facts["group"], facts["since"])
    assert list(shown(docs.get("arguments", []))) == list(shown(facts.get("arguments", [])))


def test_what_is_declared_is_there_and_wins() -> None:
    own = declared()
    assert own and all(DOCS[name] == docs for name, docs in own.items())
    assert DOCS["get"]["summary"] == "Returns the string value of a key."
    assert set(DOCS) == set(own) | set(json.loads(Path(OTHER_SERVERS).read_text()))


def test_a_client_with_a_server_imports_no_commands() -> None:
    """A health probe stays cheap."""
    program = "import sys, kv.cli.client, kv.cli.docs, kv.cli.repl\nprint(*[m for m in sys.modules if m.startswith('kv.')])"
    ran = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd=ROOT)
    assert not [name for name in ran.stdout.split() if name.startswith(("kv._core", "kv.server"))]
