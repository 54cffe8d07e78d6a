"""COMMAND: what commands there are, how they are used, and which words of a request are keys.

Everything here is read off the declarations. Clients of many kinds send COMMAND or COMMAND INFO when they
connect, so a command's entry is encoded once for each RESP version and kept; a reply is these entries joined.
COMMAND DOCS is asked by people, and kept no less: it is what takes longest to make.
"""
from __future__ import annotations

from functools import lru_cache

from kv._core.runtime.call import SYNTAX_ERROR, Encoded, OrderedSet, ReplyError, Status, encode
from kv._core.runtime.registry import by_id, command, find_keys, named

from ..config.glob import matches
from .help import declare_help

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

    from ..call import Call


def lookup(name: bytes) -> Any:
    """The declaration of "name" or "container|name" in any case, None where there is none. Renamed
    commands have the name that clients call them by."""
    head, bar, child = name.decode("latin-1").lower().partition("|")
    found = named.get(head)
    return found.subcommands.get(child) if found is not None and bar else found


# -- entries -------------------------------------------------------------------------------------------------

def statuses(words: Iterable[str]) -> OrderedSet:
    return OrderedSet([Status(word) for word in words])


def info_of(declaration: Any) -> list[Any]:
    """A command's entry in COMMAND INFO."""
    return [
        declaration.name, declaration.arity, statuses(declaration.shown_flags), *declaration.key_range,
        statuses(["@" + category for category in declaration.categories]), OrderedSet(declaration.tips),
        OrderedSet([{**spec, "flags": statuses(spec["flags"])} for spec in declaration.key_specs]),
        [info_of(child) for child in declaration.subcommands.values()] or OrderedSet()]


def docs_of(declaration: Any) -> dict[str, Any]:
    """A command's entry in COMMAND DOCS: what was not declared is not there."""
    flags = [flag for flag, is_set in (("deprecated", declaration.deprecated_since),
                                       ("syscmd", "syscmd" in declaration.flags)) if is_set]
    docs = {
        "summary": declaration.summary, "since": declaration.since, "group": declaration.group,
        "complexity": declaration.complexity, "doc_flags": statuses(flags),
        "deprecated_since": declaration.deprecated_since, "replaced_by": declaration.replaced_by,
        "history": OrderedSet(declaration.history), "arguments": arguments_of(declaration.arguments),
        "subcommands": {child.name: docs_of(child) for child in declaration.subcommands.values()}}
    return {name: value for name, value in docs.items() if value}


def arguments_of(nodes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    members: dict[str, Callable[[Any], Any]] = {"flags": statuses, "arguments": arguments_of}
    return [{member: members[member](value) if member in members else value for member, value in node.items()}
            for node in nodes]


@lru_cache(None)
def encoded_info(index: int, resp: int) -> Encoded:
    return encode(info_of(by_id[index]), resp)


@lru_cache(None)
def encoded_docs(index: int, resp: int) -> Encoded:
    """The command's name and its documentation: a pair of the map."""
    return Encoded(encode(by_id[index].name, resp) + encode(docs_of(by_id[index]), resp))


def joined(header: bytes, entries: Iterable[bytes]) -> Encoded:
    return Encoded(header + b"".join(entries))


def all_info(call: Call) -> Encoded:
    resp = call.resp
    return joined(b"*%d\r\n" % len(named), [encoded_info(one.id, resp) for one in named.values()])


# -- commands ------------------------------------------------------------------------------------------------

@command("command", -1, "loading stale", group="server", since="2.8.13", complexity="O(N)", acl="connection",
         tips="nondeterministic_output_order", summary="Describes all commands.")
def command_(call: Call):
    return all_info(call)


@command("command|count", 2, "loading stale", group="server", since="2.8.13", complexity="O(1)",
         acl="connection", summary="The number of commands.")
def command_count(call: Call):
    return len(named)


@command("command|info", -2, "loading stale", group="server", since="2.8.13", complexity="O(N)",
         acl="connection", tips="nondeterministic_output_order",
         summary="Describes the given commands, or all.",
         history=["7.0.0 Names may be left out, which means all commands."], args="[command-name...]")
def command_info(call: Call):
    if not call.args:
        return all_info(call)
    found = [lookup(name) for name in call.args]
    return [None if one is None else encoded_info(one.id, call.resp) for one in found]


@command("command|docs", -2, "loading stale", group="server", since="7.0.0", complexity="O(N)",
         acl="connection", tips="nondeterministic_output_order",
         summary="The documentation of the given commands, or of all.", args="[command-name...]")
def command_docs(call: Call):
    resp = call.resp
    found = [lookup(name) for name in call.args] if call.args else named.values()
    entries = [encoded_docs(one.id, resp) for one in found if one is not None]
    return joined(b"%%%d\r\n" % len(entries) if resp == 3 else b"*%d\r\n" % (2 * len(entries)), entries)


@command("command|list", -2, "loading stale", group="server", since="7.0.0", complexity="O(N)",
         acl="connection", tips="nondeterministic_output_order",
         summary="The names of all commands, or of those that a filter lets through.",
         args="[FILTERBY: MODULE module-name | ACLCAT category | PATTERN pattern]")
def command_list(call: Call):
    if not call.args:
        return [one.name for one in everything()]
    if len(call.args) != 3 or call.word(0) != "filterby" or call.word(1) not in FILTERS:
        raise ReplyError(SYNTAX_ERROR)
    passes = FILTERS[call.word(1)]
    return [one.name for one in everything() if passes(one, call.args[2])]


def everything() -> Iterator[Any]:
    """Commands and subcommands."""
    for one in named.values():
        yield one
        yield from one.subcommands.values()


FILTERS: dict[str, Callable[[Any, bytes], bool]] = {
    "module": lambda one, name: False,      # every command is the server's own
    "aclcat": lambda one, name: name.decode("latin-1").lower() in one.categories,
    "pattern": lambda one, pattern: matches(pattern.decode("latin-1"), one.name),
}


@command("command|getkeys", -3, "loading stale", group="server", since="2.8.13", complexity="O(N)",
         acl="connection", summary="The keys of a request.", args="command [arg...]")
def command_getkeys(call: Call):
    return [call.args[index] for index, _ in keys_of_request(call.args)]


@command("command|getkeysandflags", -3, "loading stale", group="server", since="7.0.0", complexity="O(N)",
         acl="connection", summary="The keys of a request, and what it does to each.",
         args="command [arg...]")
def command_getkeysandflags(call: Call):
    return [[call.args[index], statuses(flags)] for index, flags in keys_of_request(call.args)]


def called_by(words: Sequence[bytes]) -> Any:
    """The declaration of the command or subcommand that a request calls, None where there is none."""
    called = None if b"|" in words[0] else lookup(words[0])
    if called is not None and called.subcommands and len(words) > 1:
        called = called.subcommands.get(words[1].decode("latin-1").lower())
    return called


def keys_of_request(words: tuple[bytes, ...]) -> list[tuple[int, list[str]]]:
    """Raises ReplyError."""
    called = called_by(words)
    if called is None:
        raise ReplyError("ERR Invalid command specified")
    if not called.has_keys:
        raise ReplyError("ERR The command has no key arguments")
    if len(words) < abs(called.arity) or (called.arity > 0 and len(words) != called.arity):
        raise ReplyError("ERR Invalid number of arguments specified for command")
    keys = find_keys(called, words)
    if not keys and "no_mandatory_keys" not in called.flags:
        raise ReplyError("ERR Invalid arguments specified for command")
    return keys


declare_help("command", "server", "5.0.0", "loading stale", acl="connection", lines=[
    "(no subcommand)", "    Describe all commands.", "COUNT", "    The number of commands.",
    "DOCS [<command-name> ...]", "    Documentation of the given commands, or of all.",
    "GETKEYS <full-command>", "    The keys of a request.",
    "GETKEYSANDFLAGS <full-command>", "    The keys of a request, and what it does to each.",
    "INFO [<command-name> ...]", "    Describe the given commands, or all.",
    "LIST [FILTERBY MODULE <name> | ACLCAT <category> | PATTERN <pattern>]",
    "    The names of all commands, or of those that a filter lets through."])
