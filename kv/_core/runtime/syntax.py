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

A text that can't be read raises ValueError. Reading is lazy: the arguments of a command are parsed when
somebody asks for them (tests ask for all), keys once for each text.
"""
from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

Node = dict[str, Any]

KEY_FLAGS = ("RO", "RW", "OW", "RM", "access", "update", "insert", "delete", "not_key", "incomplete",
             "variable_flags")
ARGUMENT_TYPES = ("string", "integer", "double", "key", "pattern", "unix-time")
PLACE = re.compile(r"""
    (?: (?P<unknown>\?) | (?P<index>\d+) | (?P<keyword>[A-Z]+) @ (?P<start>-?\d+) )
    (?: \.\. (?P<last>-?\d+) (?: / (?P<step>\d+) )? (?: % (?P<limit>\d+) )?
      | \# (?: (?P<number>\d+) \+ (?P<first>\d+) (?: / (?P<stride>\d+) )? )? )?""", re.VERBOSE)


# -- keys ----------------------------------------------------------------------------------------------------

@lru_cache(None)
def parse_keys(text: str) -> tuple[Node, ...]:
    """Key specifications as COMMAND INFO shows them. They are shared: not to be changed."""
    return tuple([_parse_key(part.strip()) for part in text.split(";") if part.strip()])


def _parse_key(text: str) -> Node:
    rest, parenthesis, remark = text.partition(" (")
    place, *flags = rest.split()
    match = PLACE.fullmatch(place)
    if match is None:
        raise ValueError(f"bad place of keys: {place!r}")
    unknown = set(flags) - set(KEY_FLAGS)
    if unknown or len(set(flags) & set(KEY_FLAGS[:4])) > 1:
        raise ValueError(f"bad flags of keys: {text!r}")
    spec: Node = {"notes": remark.removesuffix(")")} if parenthesis else {}
    spec["flags"] = [flag for flag in KEY_FLAGS if flag in flags]
    spec["begin_search"], spec["find_keys"] = _begin_search(match), _find_keys(match)
    return spec


def _begin_search(place: re.Match[str]) -> Node:
    if place["unknown"]:
        return {"type": "unknown", "spec": {}}
    if place["index"]:
        return {"type": "index", "spec": {"index": int(place["index"])}}
    return {"type": "keyword", "spec": {"keyword": place["keyword"], "startfrom": int(place["start"])}}


def _find_keys(place: re.Match[str]) -> Node:
    if place["unknown"]:
        return {"type": "unknown", "spec": {}}
    if "#" in place[0]:
        spec = {"keynumidx": place["number"] or 0, "firstkey": place["first"] or 1,
                "keystep": place["stride"] or 1}
        return {"type": "keynum", "spec": {name: int(number) for name, number in spec.items()}}
    last = int(place["last"] or 0)
    if last > 0:    # the declaration counts from the command's name, the specification from the first key
        last -= int(place["index"] or 0)
    return {"type": "range", "spec": {
        "lastkey": last, "keystep": int(place["step"] or 1), "limit": int(place["limit"] or 0)}}


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

LEXEME = re.compile(r"""[\[(|] | [\])] (?:\.\.\.)? | [^\s\[\]()|]+""", re.VERBOSE)
WORD = re.compile(r"""
    (?: (?P<name>[a-z][a-z0-9_-]*) (?: < (?P<shown>[^>]+) > )? (?: : (?P<type>[a-z-]+) )?
        (?: \# (?P<spec>\d+) )? (?: = (?P<pure>[^@a-z.]+?) )?
      | (?P<token>[^@a-z.]+?) )
    (?: @ (?=-?\d) (?P<since>[0-9.]+)? (?: - (?P<deprecated>[0-9.]+) )? )?
    (?P<colon>:)? (?P<more>\.\.\.)?""", re.VERBOSE)
MEMBERS = ("name", "type", "display_text", "key_spec_index", "token", "since", "deprecated_since", "flags",
           "arguments")           # of a node, in the order of COMMAND DOCS
EMPTY_TOKEN = '""'
END = ""


def check_arguments(text: str) -> None:
    """What can be said about a text without parsing it: brackets come in pairs. Start-up can afford that."""
    if text.count("[") != text.count("]") or text.count("(") != text.count(")"):
        raise ValueError(f"brackets that do not match: {text!r}")


def parse_arguments(text: str) -> list[Node]:
    """The argument tree as COMMAND DOCS shows it; flags are lists of names."""
    return _Arguments(text).parse()


class _Arguments:
    """Recursive descent, one method a rule. A node's members come in the order of COMMAND DOCS."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lexemes = LEXEME.findall(text)
        self.at = 0
        self.next_spec = 0      # of the next argument of type `key`

    def parse(self) -> list[Node]:
        nodes = self.sequence(END)
        if self.at != len(self.lexemes):
            raise self.bad()
        return nodes

    def sequence(self, *ends: str) -> list[Node]:
        """Arguments up to one of the lexemes that may end them, which is left to read."""
        nodes = []
        while self.peek() not in ends:
            nodes.append(self.argument())
        return nodes

    def argument(self) -> Node:
        lexeme = self.peek()
        if lexeme in ("[", "("):
            return self.bracket(None)
        word = self.word()
        if word["colon"]:
            raise self.bad()
        if word["token"] is None:
            return self.pure(word, word["name"], word["pure"]) if word["pure"] else self.value(word, None)
        if self.peek() == "(":
            return self.bracket(word)
        if self.is_value(self.peek()):
            return self.value(self.word(), word)
        return self.pure(word, word["token"].lower(), word["token"])

    def bracket(self, outer: re.Match[str] | None) -> Node:
        """[...] or (...): a group, or one optional argument. A token before the bracket is not repeated."""
        opening = self.take()
        close = "]" if opening == "[" else ")"
        node = self.group(close) or self.single(close)
        closing = self.take()
        if outer is not None:
            node = self.with_token(node, outer)
        if opening == "[":
            node.setdefault("flags", []).insert(0, "optional")
        if closing.endswith("..."):
            node.setdefault("flags", []).append("multiple")
            if outer is None and "token" in node:
                node["flags"].append("multiple_token")
        return self.ordered(node)

    def single(self, close: str) -> Node:
        node = self.argument()
        if self.peek().rstrip(".") != close or close == ")":
            raise self.bad()
        return node

    def group(self, close: str) -> Node | None:
        """What is between brackets, if it is a group: `name: ...`, `TOKEN: ...`, `TOKEN name: ...`, `TOKEN`
        and at least two arguments."""
        if not self.is_word(self.peek()):
            return None
        start, spec = self.at, self.next_spec
        first = self.word()
        if first["colon"]:
            return self.named(first["name"] or first["token"].lower(), first, close)
        if first["token"] is not None and self.is_value(self.peek()):
            second = self.word()
            if second["colon"]:
                return self.named(second["name"], first, close)
            self.at = start + 1
            parts = self.sequence(close, close + "...", "|")
            if len(parts) > 1 and self.peek() != "|":
                block = {"name": first["token"].lower(), "type": "block", "arguments": parts}
                return self.with_token(block, first)
        self.at, self.next_spec = start, spec
        return None

    def named(self, name: str, first: re.Match[str], close: str) -> Node:
        """A group after its head: a block, or one of the arguments between bars."""
        ends = close, close + "...", "|"
        type_, parts, bars = "block", self.sequence(*ends), 0
        while self.peek() == "|" and len(parts) == bars + 1:
            self.take()
            type_, bars = "oneof", bars + 1
            parts += self.sequence(*ends)
        if not parts or (bars and len(parts) != bars + 1):
            raise self.bad()
        return self.with_token({"name": name, "type": type_, "arguments": parts}, first)

    def value(self, word: re.Match[str], token: re.Match[str] | None) -> Node:
        type_ = word["type"] or (word["name"] if word["name"] in ("key", "pattern") else "string")
        if type_ not in ARGUMENT_TYPES or word["name"] is None or word["pure"] or word["colon"]:
            raise self.bad()
        node: Node = {"name": word["name"], "type": type_, "display_text": word["shown"] or word["name"]}
        if type_ == "key" or word["spec"]:
            node["key_spec_index"] = int(word["spec"] or self.next_spec)
            self.next_spec = max(self.next_spec, node["key_spec_index"] + 1)
        if word["more"]:
            node["flags"] = ["multiple"]
        return self.ordered(self.with_token(node, token if token is not None else word))

    def pure(self, word: re.Match[str], name: str, token: str) -> Node:
        node: Node = {"name": name, "type": "pure-token", "display_text": name,
                      "token": "" if token == EMPTY_TOKEN else token}
        if word["more"]:
            node["flags"] = ["multiple"]
        return self.ordered(self.with_versions(node, word))

    def with_token(self, node: Node, word: re.Match[str]) -> Node:
        """The token and the versions that the first word of an argument tells."""
        if word["token"] is not None:
            node["token"] = word["token"]
        return self.with_versions(node, word)

    @staticmethod
    def with_versions(node: Node, word: re.Match[str]) -> Node:
        if word["since"]:
            node["since"] = word["since"]
        if word["deprecated"]:
            node["deprecated_since"] = word["deprecated"]
        return node

    @staticmethod
    def ordered(node: Node) -> Node:
        return {member: node[member] for member in MEMBERS if member in node}

    # -- lexemes --

    def peek(self) -> str:
        return self.lexemes[self.at] if self.at < len(self.lexemes) else END

    def take(self) -> str:
        lexeme = self.peek()
        self.at += 1
        return lexeme

    def word(self) -> re.Match[str]:
        match = WORD.fullmatch(self.peek()) if self.is_word(self.peek()) else None
        if match is None:
            raise self.bad()
        self.at += 1
        return match

    @staticmethod
    def is_word(lexeme: str) -> bool:
        return lexeme != END and lexeme[0] not in "[]()|"

    def is_value(self, lexeme: str) -> bool:
        """Whether a lexeme is an argument's or a group's name: what may follow its token."""
        match = WORD.fullmatch(lexeme) if self.is_word(lexeme) else None
        return match is not None and match["name"] is not None and match["pure"] is None

    def bad(self) -> ValueError:
        rest = " ".join(self.lexemes[self.at:]) or "the end"
        return ValueError(f"arguments that can't be read, before {rest}: {self.text!r}")
