"""The patterns of CONFIG GET: `*`, `?`, `[a-z]`, `[^a]`, and a backslash before anything else for itself.

Not fnmatch: there `[!a]` negates and nothing escapes. Matching keeps only the last `*` to come back to, which
is enough for a match to be found if there is one, so that no pattern takes more than pattern times text
steps."""
from __future__ import annotations

STAR = None  # a run of stars, among the tokens of a pattern; every other token is (negated, ranges)


def has_wildcard(pattern: str) -> bool:
    """Whether CONFIG GET takes this as a pattern. (A lone escape does not make one.)"""
    return any(mark in pattern for mark in "[*?")


def matches(pattern: str, text: str) -> bool:
    """Whether the whole text matches the pattern, whatever the case of either."""
    tokens = parse(pattern.lower())
    text = text.lower()
    at = place = 0
    star = resume = -1
    while at < len(text):
        token = tokens[place] if place < len(tokens) else ()
        if token is STAR:
            star, resume = place, at
            place += 1
        elif token and accepts(token, text[at]):
            place += 1
            at += 1
        elif star >= 0:
            resume += 1
            place, at = star + 1, resume
        else:
            return False
    return all(token is STAR for token in tokens[place:])


def accepts(token: tuple, character: str) -> bool:
    negated, ranges = token
    return any(low <= character <= high for low, high in ranges) != negated


def parse(pattern: str) -> list:
    tokens: list = []
    at = 0
    while at < len(pattern):
        character = pattern[at]
        at += 1
        if character == "*":
            if not tokens or tokens[-1] is not STAR:
                tokens.append(STAR)
        elif character == "?":
            tokens.append((True, ()))
        elif character == "[":
            token, at = parse_class(pattern, at)
            tokens.append(token)
        else:
            if character == "\\" and at < len(pattern):
                character = pattern[at]
                at += 1
            tokens.append((False, ((character, character),)))
    return tokens


def parse_class(pattern: str, at: int) -> tuple[tuple, int]:
    """What follows a `[`, and the place after its `]`. A class that is never closed ends with the pattern."""
    negated = pattern[at:at + 1] == "^"
    at += negated
    ranges = []
    while at < len(pattern) and pattern[at] != "]":
        if pattern[at] == "\\" and at + 1 < len(pattern):
            at += 1
            ranges.append((pattern[at], pattern[at]))
        elif pattern[at + 1:at + 2] == "-" and at + 2 < len(pattern):
            ranges.append((min(pattern[at], pattern[at + 2]), max(pattern[at], pattern[at + 2])))
            at += 2
        else:
            ranges.append((pattern[at], pattern[at]))
        at += 1
    return (negated, tuple(ranges)), at + 1
