"""The keys of a request: which of its words are keys, and what becomes of them.

A declaration's key specifications tell it for nearly every command. A few commands are beyond them: where
SORT stores depends on a word that may stand anywhere, MIGRATE has two forms, and whether SET and BITFIELD
read depends on options. For these there is a finder each, asked where the specifications say of themselves
that they do not suffice (unknown, incomplete, variable_flags) or do not fit the request.
"""
from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    Words = Sequence[bytes]
    Key = tuple[int, list[str]]     # index of the word, flags as in the specification

COUNT_DIGITS = 18                   # of a number of keys; all that follow it could not be more


class BadRequest(Exception):
    """A specification does not fit the request, or can't tell."""


def has_keys(declaration: Any) -> bool:
    """Whether requests of a command have keys at all."""
    return any("not_key" not in spec["flags"] for spec in declaration.key_specs)


def find_keys(declaration: Any, words: Words) -> list[Key]:
    """The keys of a request, whose words begin with its name. Empty where it is malformed, or has none."""
    specs = [spec for spec in declaration.key_specs if "not_key" not in spec["flags"]]
    if not any("variable_flags" in spec["flags"] for spec in specs):
        try:
            return [key for spec in specs for key in _keys_of(spec, words)]
        except BadRequest:
            pass
    finder = FINDERS.get(declaration.name)
    return finder(words) if finder else []


# -- specifications ------------------------------------------------------------------------------------------

def _keys_of(spec: dict[str, Any], words: Words) -> list[Key]:
    if spec["begin_search"]["type"] == "unknown":
        raise BadRequest
    first = _begin(spec["begin_search"], words)
    if not first:
        return []
    if "incomplete" in spec["flags"]:
        raise BadRequest
    first, last, step = _span(spec["find_keys"], first, words)
    if not first <= last < len(words):
        raise BadRequest
    return [(index, spec["flags"]) for index in range(first, last + 1, step)]


def _begin(search: dict[str, Any], words: Words) -> int:
    """Where a specification's keys begin; 0 where its keyword is not there."""
    if search["type"] == "index":
        return search["spec"]["index"]
    start = search["spec"]["startfrom"]
    places = range(start, len(words) - 1) if start > 0 else range(len(words) + start, 1, -1)
    keyword = search["spec"]["keyword"].encode()
    return next((index + 1 for index in places if words[index].upper() == keyword), 0)


def _span(find: dict[str, Any], first: int, words: Words) -> tuple[int, int, int]:
    """First and last index, and step."""
    spec = find["spec"]
    if find["type"] == "keynum":
        count = _count(words, first + spec["keynumidx"])
        first += spec["firstkey"]
        return first, first + (count - 1) * spec["keystep"], spec["keystep"]
    if spec["lastkey"] >= 0:
        return first, first + spec["lastkey"], spec["keystep"]
    if spec["limit"]:
        return first, first + (len(words) - first) // spec["limit"] - 1, spec["keystep"]
    return first, len(words) + spec["lastkey"], spec["keystep"]


def _count(words: Words, index: int) -> int:
    if index >= len(words) or not words[index].isdigit() or len(words[index]) > COUNT_DIGITS:
        raise BadRequest
    return int(words[index])


# -- finders -------------------------------------------------------------------------------------------------

READ, READ_WRITE, OVERWRITE = ["RO", "access"], ["RW", "access", "update"], ["OW", "update"]
SORT_OPTIONS = {b"limit": 2, b"get": 1, b"by": 1}           # words that follow
MIGRATE_OPTIONS = {b"auth": 1, b"auth2": 2}
BITFIELD_READS = {b"get": 2, b"overflow": 1}


def _sort(words: Words) -> list[Key]:
    """The key to sort, and the last STORE."""
    stored: list[Key] = []
    index = 2
    while index < len(words):
        word = words[index].lower()
        if word == b"store" and index + 1 < len(words):
            stored = [(index + 1, OVERWRITE)]
        index += 1 + SORT_OPTIONS.get(word, 0)
    return [(1, READ), *stored]


def _sort_ro(words: Words) -> list[Key]:
    return [(1, READ)]


def _migrate(words: Words) -> list[Key]:
    """The third word, or, where that is empty, those after KEYS."""
    moved = ["RW", "access", "delete"]
    index = 6
    while index < len(words):
        word = words[index].lower()
        if word == b"keys":
            return [] if words[3] else [(key, moved) for key in range(index + 1, len(words))]
        index += 1 + MIGRATE_OPTIONS.get(word, 0)
    return [(3, moved)]


def _set(words: Words) -> list[Key]:
    return [(1, READ_WRITE if b"get" in [word.lower() for word in words[3:]] else OVERWRITE)]


def _bitfield(words: Words) -> list[Key]:
    """Read only where every subcommand is."""
    index = 2
    while index < len(words):
        more = BITFIELD_READS.get(words[index].lower(), len(words))
        if index + more >= len(words):
            return [(1, READ_WRITE)]
        index += 1 + more
    return [(1, READ)]


FINDERS: dict[str, Callable[[Words], list[Key]]] = {
    "sort": _sort, "sort_ro": _sort_ro, "migrate": _migrate, "set": _set, "bitfield": _bitfield,
}
