"""The two small languages of command declarations: where the keys are, and what the arguments are.

Both are read by people first, beside a command's body, and turned into what COMMAND INFO and COMMAND DOCS
reply.

Keys: specifications separated by ";", each a place, then flags, then a remark in parentheses where one is
due.

    1 RO access             the word at 1
    1..2 RO access          the words from 1 to 2
    1..-1/2 OW update       every second word from 1 to the last
    2# RW access delete     at 2 a number; so many keys follow it. At length 2#0+1/1: counted from 2, where
                            the number is and where the keys begin; and their step
    STORE@6 OW update       the word after STORE, which is looked for from word 6 on (-2: from the second last
                            backwards)
    STREAMS@1..-1%2 RO      the words after STREAMS to the last, and of these the first half
    ? RO access             nobody can tell without running the command

Arguments: the usage line that everybody knows, with types.

    key value               arguments: `key` and `pattern` have the type of that name, others are strings
    seconds:integer         a type: string integer double key pattern unix-time
    EX seconds:integer      an argument that follows a token; what has no small letter is a token
    [NX]                    may be left out; NX alone is a pure token, called "nx"
    value...                may be repeated; so may [GET pattern]... with the token, [GET pattern...] without
    (unit: M | KM | FT)     one of; [unit: M | KM | FT] where it may be left out
    (data: field value)...  a block: arguments that go together
    [LIMIT offset count]    a block called "limit" that follows the token LIMIT; [LIMIT range: offset count]
                            names it; [WITH: A | B] and [WITH name: A | B] are the same of one of
    [GET@6.2.0]             known since a version; old@-2.8.12 is deprecated since one; it stands on the first
                            word of what is meant
    limit=LIMIT count       a pure token called "limit", then an argument (`LIMIT count` is one argument);
                            limit="" is an empty token
    id<client-id>           shown to people as "client-id"
    destination:key#2       the keys of specification 2. Those of type `key` count up by themselves

A text that can't be read raises ValueError. Start-up reads keys, each text once, and imports nothing for it;
the arguments of a command are parsed, by kv/_core/runtime/arguments.py, when somebody asks for them. Tests
ask for all.
"""
from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Node = dict[str, Any]

KEY_FLAGS = ("RO", "RW", "OW", "RM", "access", "update", "insert", "delete", "not_key", "incomplete",
             "variable_flags")

_parsed: dict[str, tuple[Node, ...]] = {}


# -- keys ----------------------------------------------------------------------------------------------------

def parse_keys(text: str) -> tuple[Node, ...]:
    """Key specifications as COMMAND INFO shows them. They are shared: not to be changed."""
    specs = _parsed.get(text)
    if specs is None:
        specs = _parsed[text] = tuple([_parse_key(part.strip()) for part in text.split(";") if part.strip()])
    return specs


def _parse_key(text: str) -> Node:
    rest, parenthesis, remark = text.partition(" (")
    place, *flags = rest.split()
    unknown = set(flags) - set(KEY_FLAGS)
    if unknown or len(set(flags) & set(KEY_FLAGS[:4])) > 1:
        raise ValueError(f"bad flags of keys: {text!r}")
    spec: Node = {"notes": remark.removesuffix(")")} if parenthesis else {}
    spec["flags"] = [flag for flag in KEY_FLAGS if flag in flags]
    try:
        spec["begin_search"], spec["find_keys"] = _parse_place(place)
    except ValueError:
        raise ValueError(f"bad place of keys: {place!r}") from None
    return spec


def _parse_place(place: str) -> tuple[Node, Node]:
    if place == "?":
        return {"type": "unknown", "spec": {}}, {"type": "unknown", "spec": {}}
    begin, sharp, number = place.partition("#")
    begin, dots, span = begin.partition("..")
    if sharp and dots:
        raise ValueError
    keyword, at, start = begin.partition("@")
    if not at:
        first = _whole(begin)
        search: Node = {"type": "index", "spec": {"index": first}}
    else:
        if not (keyword.isalpha() and keyword.isupper()):
            raise ValueError
        first = 0
        search = {"type": "keyword", "spec": {"keyword": keyword, "startfrom": _whole(start, negative=True)}}
    return search, _parse_number(number) if sharp else _parse_span(span if dots else "0", first)


def _parse_number(text: str) -> Node:
    """What follows "#": nothing, or NUMBER+FIRST[/STEP]."""
    number, _, rest = (text or "0+1").partition("+")
    first, slash, step = rest.partition("/")
    return {"type": "keynum", "spec": {
        "keynumidx": _whole(number), "firstkey": _whole(first), "keystep": _whole(step) if slash else 1}}


def _parse_span(text: str, first: int) -> Node:
    """What follows "..": LAST[/STEP][%LIMIT]. A last word above 0 is counted as the first one is."""
    rest, percent, limit = text.partition("%")
    end, slash, step = rest.partition("/")
    last = _whole(end, negative=True)
    return {"type": "range", "spec": {
        "lastkey": last - first if last > 0 else last, "keystep": _whole(step) if slash else 1,
        "limit": _whole(limit) if percent else 0}}


def _whole(text: str, negative: bool = False) -> int:
    if not text.removeprefix("-" if negative else "").isdecimal():
        raise ValueError
    return int(text)


def key_range(specs: tuple[Node, ...]) -> tuple[tuple[int, int, int], bool]:
    """First key, last key and step, as the old form of COMMAND INFO has them (zeros for none); and whether
    there are keys that these do not find ("movablekeys")."""
    found: tuple[int, int, int] | None = None
    missed = any("incomplete" in spec["flags"] for spec in specs)
    for spec in specs:
        span = _plain_range(spec)
        if span is not None and found is None and (span[2] == 1 or len(specs) == 1):
            found = span
        elif span is not None and found is not None and span[2] == 1 and span[0] == found[1] + 1:
            found = found[0], span[1], 1
        else:
            missed = True
    return found or (0, 0, 0), missed


def _plain_range(spec: Node) -> tuple[int, int, int] | None:
    if spec["begin_search"]["type"] != "index" or spec["find_keys"]["type"] != "range":
        return None
    first, span = spec["begin_search"]["spec"]["index"], spec["find_keys"]["spec"]
    return first, span["lastkey"] if span["lastkey"] < 0 else first + span["lastkey"], span["keystep"]


# -- arguments -----------------------------------------------------------------------------------------------

def check_arguments(text: str) -> None:
    """What can be said about a text without parsing it: brackets come in pairs. Start-up can afford that."""
    if text.count("[") != text.count("]") or text.count("(") != text.count(")"):
        raise ValueError(f"brackets that do not match: {text!r}")


def parse_arguments(text: str) -> list[Node]:
    """The argument tree as COMMAND DOCS shows it; flags are lists of names."""
    from kv._core.runtime.arguments import Parser

    return Parser(text).parse()
