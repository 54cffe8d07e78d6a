"""The parser of the argument language of command declarations, which kv/_core/runtime/syntax.py describes.

A text is cut into lexemes: brackets, bars, and words, which carry all that is said of one argument without
spaces. What a bracket holds is known by its head: `name:` begins a group, so does `TOKEN name:`, and a token
that two or more arguments follow is a group's as well. That last form is the one place where the parser has
to go back.
"""
from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kv._core.runtime.syntax import Node

ARGUMENT_TYPES = ("string", "integer", "double", "key", "pattern", "unix-time")
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


class Parser:
    """Recursive descent over one text, a method for each rule. Raises ValueError for what can't be read."""

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
        flags = node.setdefault("flags", [])
        repeats = self.take().endswith("...")
        if (opening == "[" and "optional" in flags) or (repeats and "multiple" in flags):
            raise self.bad()
        if opening == "[":
            flags.insert(0, "optional")
        if repeats:
            flags += ["multiple", "multiple_token"] if "token" in node else ["multiple"]
        if outer is not None:
            if "token" in node or outer["more"]:
                raise self.bad()
            node = self.with_token(node, outer)
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
            self.check_head(first)
            return self.named(first["name"] or first["token"].lower(), first, close)
        if first["token"] is not None and self.is_value(self.peek()):
            second = self.word()
            if second["colon"]:
                self.check_head(first)
                self.check_head(second, versions=False)
                return self.named(second["name"], first, close)
            self.at = start + 1
            parts = self.sequence(close, close + "...", "|")
            if len(parts) > 1 and self.peek() != "|":
                block = {"name": first["token"].lower(), "type": "block", "arguments": parts}
                return self.with_token(block, first)
        self.at, self.next_spec = start, spec
        return None

    def check_head(self, word: re.Match[str], versions: bool = True) -> None:
        """A group's head has nothing that only arguments have."""
        if any(word[part] for part in ("shown", "type", "spec", "pure", "more")) or not (
                versions or (word["since"] is None and word["deprecated"] is None)):
            raise self.bad()

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
        if type_ not in ARGUMENT_TYPES or word["name"] is None or word["pure"] or word["colon"] or (
                token is not None and (token["more"] or word["since"] or word["deprecated"])):
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
        return {member: node[member] for member in MEMBERS if node.get(member) not in (None, [])}

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
