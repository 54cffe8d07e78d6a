"""The manual: what commands there are and which arguments they take.

It is asked of the server (COMMAND DOCS), so it is right for whatever server this is. Where that cannot be
had - no connection, a server before 7.0, an ACL that forbids it - the declarations of this package's own server
stand in, with other_servers.json for what Valkey 8.1 has and that server has not; both are cut down to the server's
version where that is known. Reading the declarations imports every module of commands, a quarter of a second, so it
is done only then.
"""

import json
import os
from collections.abc import Iterator
from typing import Any

from kv.cli.errors import Disconnected
from kv.cli.resp import ARRAY, MAP, Connection, Reply
from kv.cli.session import Session

OTHER_SERVERS = os.path.join(os.path.dirname(__file__), "other_servers.json")


class Argument:
    """A node of a command's argument tree, with how much of it the words typed so far account for."""

    __slots__ = (
        "complete",  # nothing of it is left to type
        "multiple",
        "name",
        "optional",
        "parts",  # arguments below a `oneof` or `block`
        "repeats_token",  # the token comes again with every repetition
        "started",  # number of words matched so far
        "token",
        "token_seen",
        "type",
        "value_seen",
    )

    def __init__(self, doc: dict[str, Any]) -> None:
        flags = doc.get("flags", ())
        self.name: str = doc.get("display_text") or doc["name"]
        self.type: str = doc["type"]
        self.token: str | None = doc.get("token")
        self.optional = "optional" in flags
        self.multiple = "multiple" in flags
        self.repeats_token = "multiple_token" in flags
        self.parts = [Argument(part) for part in doc.get("arguments", ())]
        self.reset()

    def reset(self) -> None:
        self.started = 0
        self.token_seen = False
        self.value_seen = False
        self.complete = False
        for part in self.parts:
            part.reset()


class Entry:
    """One command or subcommand."""

    def __init__(self, name: str, doc: dict[str, Any]) -> None:
        self.name = name
        self.words = name.split(" ")
        self.summary: str = doc.get("summary", "")
        self.since: str = doc.get("since", "")
        self.group: str = doc.get("group", "")
        self.arguments = [Argument(part) for part in doc.get("arguments", ())]


class Manual:
    """The entries, fetched when first asked for and again when the session has moved to another server."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._origin: tuple[str, bool] | None = None  # where the entries are from
        self._entries: list[Entry] = []

    @property
    def entries(self) -> list[Entry]:
        """All commands and subcommands, sorted by name."""
        # At a prompt that is not connected, no key press may wait for a server that does not answer.
        reachable = self.session.connection is not None or not self.session.interactive
        origin = (self.session.address(), reachable)
        if origin != self._origin:
            docs = self._fetch() if reachable else offline(None)
            self._entries = sorted(_entries(docs), key=lambda entry: entry.name)
            self._origin = origin
        return self._entries

    def names(self, groups: bool) -> Iterator[str]:
        yield from (entry.name for entry in self.entries)
        if groups:
            yield from sorted({"@" + entry.group for entry in self.entries if entry.group})

    def find(self, words: list[str]) -> Entry | None:
        """The entry with the longest name that `words` begin with."""
        upper = [word.upper() for word in words]
        found = [entry for entry in self.entries if entry.words == upper[: len(entry.words)]]
        return max(found, key=lambda entry: len(entry.words), default=None)

    def _fetch(self) -> dict[str, Any]:
        connection = self.session.open_beside()
        if connection is None:
            return offline(None)
        try:
            reply = connection.call(b"COMMAND", b"DOCS")
            if reply.kind in (ARRAY, MAP):
                return {name: document(doc) for name, doc in pairs(reply)}
            return offline(server_version(connection))
        except Disconnected:
            return offline(None)
        finally:
            connection.close()


def pairs(reply: Reply) -> Iterator[tuple[str, Reply]]:
    """A map in RESP3; the same thing flat in an array in RESP2."""
    return ((key.text, value) for key, value in zip(reply.items[::2], reply.items[1::2], strict=True))


def document(reply: Reply) -> dict[str, Any]:
    """A command's or an argument's documentation as plain values."""
    doc: dict[str, Any] = {}
    for key, value in pairs(reply):
        if key == "arguments":
            doc[key] = [document(argument) for argument in value.items]
        elif key == "subcommands":
            doc[key] = {name.rpartition("|")[2]: document(sub) for name, sub in pairs(value)}
        elif value.items:
            doc[key] = [item.text for item in value.items]
        else:
            doc[key] = value.text
    return doc


def server_version(connection: Connection) -> tuple[int, ...] | None:
    info = connection.call(b"INFO", b"server").text
    for field in ("valkey_version:", "redis_version:"):
        _, found, rest = info.partition("\n" + field)
        numbers = rest.partition("\r")[0].split(".")
        if found and all(number.isdigit() for number in numbers):
            return tuple(map(int, numbers))
    return None


def offline(version: tuple[int, ...] | None) -> dict[str, Any]:
    """The documentation without a server to ask: of the declared commands, and of those that only other servers have.
    Only what a server of `version` knows, where one is given."""
    with open(OTHER_SERVERS, encoding="utf-8") as stream:
        docs: dict[str, Any] = json.load(stream)
    for name, one in declared().items():
        one["subcommands"] = {**docs.get(name, {}).get("subcommands", {}), **one["subcommands"]}
        docs[name] = one
    return docs if version is None else _known_to(version, docs)


def declared() -> dict[str, Any]:
    """The documentation of every command that this package's server declares, in the form of document()."""
    import kv._core.commands
    import kv.server.commands
    from kv._core.runtime.registry import declarations, declare_package

    for package in (kv._core.commands, kv.server.commands):
        declare_package(package)
    return {name: _documentation_of(one) for name, one in declarations.items() if "|" not in name}


def _documentation_of(declaration: Any) -> dict[str, Any]:
    return {
        "summary": declaration.summary, "since": declaration.since, "group": declaration.group,
        "arguments": declaration.arguments,
        "subcommands": {name: _documentation_of(one) for name, one in declaration.subcommands.items()}}


def _known_to(version: tuple[int, ...], docs: dict[str, Any]) -> dict[str, Any]:
    def known(doc: dict[str, Any]) -> bool:
        return tuple(map(int, doc.get("since", "0").split("."))) <= version

    def cut(doc: dict[str, Any]) -> dict[str, Any]:
        doc = dict(doc)
        if "arguments" in doc:
            doc["arguments"] = [cut(part) for part in doc["arguments"] if known(part)]
        if "subcommands" in doc:
            doc["subcommands"] = {name: cut(sub) for name, sub in doc["subcommands"].items() if known(sub)}
        return doc

    return {name: cut(doc) for name, doc in docs.items() if known(doc)}


def _entries(docs: dict[str, Any], prefix: str = "") -> Iterator[Entry]:
    for name, doc in docs.items():
        full = prefix + name.upper()
        yield Entry(full, doc)
        yield from _entries(doc.get("subcommands", {}), full + " ")
