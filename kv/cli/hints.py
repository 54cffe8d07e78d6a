"""Hints: which arguments of a command are still to be typed.

The words behind the command's name are matched against its argument tree, each node noting how much of it
they account for; the hint is then the syntax of what is left. Neighbouring optional arguments may come in any
order, so they are matched as a group, and one that was begun is hinted first. A word that fits nowhere ends
the hint: whatever is wrong there, guessing on would mislead.

tests/assets/test_cli_hint_suite.txt of Valkey says what is expected, down to the closing bracket that it
leaves behind a repeatable option once that has begun.
"""

import os
from collections.abc import Iterable, Sequence

from kv.cli.docs import Argument, Manual
from kv.cli.errors import Fatal
from kv.cli.options import Options
from kv.cli.session import Session
from kv.quoting import Unbalanced, split

NUMBERS = {"integer": int, "unix-time": int, "double": float}


def words_of(line: bytes) -> list[str]:
    """The words of a line; none of one whose quotes do not match."""
    try:
        return [os.fsdecode(word) for word in split(line)]
    except Unbalanced:
        return []


def hint_for(manual: Manual, text: str) -> str:
    """The arguments that may follow `text`. Its last word counts once there is a blank behind it."""
    words = words_of(os.fsencode(text))
    if not words:
        return ""
    if not text[-1].isspace():
        words.pop()
    entry = manual.find(words)
    if entry is None:
        return ""
    typed = words[len(entry.words) :]
    for argument in entry.arguments:
        argument.reset()
    if match_sequence(entry.arguments, typed) != len(typed):
        return ""
    return hint_sequence(entry.arguments, " ")


def syntax(arguments: Sequence[Argument]) -> str:
    """The whole syntax, as if nothing had been typed."""
    for argument in arguments:
        argument.reset()
    return hint_sequence(arguments, " ")


# ---- matching: every function returns how many words it took


def match_sequence(arguments: Sequence[Argument], words: Sequence[str]) -> int:
    """As many words as fit; 0 where a required argument does not."""
    taken = at = 0
    while taken < len(words) and at < len(arguments):
        end = _end_of_options(arguments, at)
        if end > at:
            taken += _match_options(arguments[at:end], words[taken:])
            at = end
            continue
        count = _match(arguments[at], words[taken:])
        if not count:
            return 0
        taken += count
        at += 1
    return taken


def _end_of_options(arguments: Sequence[Argument], at: int) -> int:
    while at < len(arguments) and arguments[at].optional:
        at += 1
    return at


def _match_options(options: Sequence[Argument], words: Sequence[str]) -> int:
    taken = 0
    last: Argument | None = None
    while taken < len(words):
        for option in options:
            count = 0 if option.started else _match(option, words[taken:])
            if count:
                break
        else:
            break
        if last is not None:
            last.complete = True  # the next option has begun: what this one left open stays out
        last = option
        taken += count
    return taken


def _match(argument: Argument, words: Sequence[str]) -> int:
    taken = _match_once(argument, words)
    if not argument.multiple:
        return taken
    while argument.complete and taken < len(words):
        argument.reset()
        if argument.token is None or argument.repeats_token:
            taken += _match_once(argument, words[taken:])
        else:
            taken += _match_value(argument, words[taken:])
            argument.token_seen = argument.started > 0
    argument.complete = False  # there may always be one more
    return taken


def _match_once(argument: Argument, words: Sequence[str]) -> int:
    if argument.token is None:
        return _match_value(argument, words)
    if argument.token.lower() != words[0].lower():
        return 0
    argument.token_seen = True
    argument.started = 1
    if argument.type == "pure-token":
        argument.complete = True
        return 1
    return _match_value(argument, words[1:]) if len(words) > 1 else 1


def _match_value(argument: Argument, words: Sequence[str]) -> int:
    """What follows the token, or all of an argument that has none."""
    if argument.type == "block":
        argument.started += match_sequence(argument.parts, words)
        argument.complete = all(part.complete for part in argument.parts)
    elif argument.type == "oneof":
        chosen = next((part for part in argument.parts if _match(part, words)), None)
        if chosen is not None:
            argument.started += chosen.started
            argument.complete = chosen.complete
    elif _is_a(argument.type, words[0]):
        argument.started += 1
        argument.value_seen = argument.complete = True
    else:
        argument.started = 0
    return argument.started


def _is_a(kind: str, word: str) -> bool:
    if kind in NUMBERS:
        try:
            NUMBERS[kind](word)
        except ValueError:
            return False
    return True


# ---- hinting: every function returns text, empty where nothing is left


def hint_sequence(arguments: Sequence[Argument], separator: str) -> str:
    hints = []
    at = 0
    while at < len(arguments):
        end = _end_of_options(arguments, at)
        if end == at:
            hints.append(_hint(arguments[at]))
            at += 1
            continue
        options = arguments[at:end]
        begun = [option for option in options if option.started and not option.complete]
        hints += map(_hint, begun)
        if end == len(arguments) or not arguments[end].started:
            hints += [_hint(option) for option in options if option not in begun]
        at = end
    return _join(hints, separator)


def _hint(argument: Argument) -> str:
    if argument.complete:
        return ""
    begun = argument.started > 0
    words = [] if argument.token is None or argument.token_seen else [argument.token or '""']
    words.append(_hint_value(argument))
    if argument.multiple:
        words.append(_hint_repetition(argument))
    text = _join(words, " ")
    if not argument.optional:
        return text
    return ("" if begun else "[") + text + ("" if begun and not argument.multiple else "]")


def _hint_value(argument: Argument) -> str:
    if argument.type == "block":
        return hint_sequence(argument.parts, " ")
    if argument.type == "oneof":
        begun = [_hint(part) for part in argument.parts if part.started]
        return _join(begun, "") if argument.started else hint_sequence(argument.parts, "|")
    if argument.type == "pure-token" or argument.value_seen:
        return ""
    return argument.name or '""'


def _hint_repetition(argument: Argument) -> str:
    """What may come again, whatever of it has been typed already."""
    argument.reset()
    token = [argument.token or '""'] if argument.repeats_token and argument.token is not None else []
    return "[" + _join([*token, _hint_value(argument), "..."], " ") + "]"


def _join(texts: Iterable[str], separator: str) -> str:
    return separator.join(filter(None, texts))


# ---- --test_hint and --test_hint_file


def show(session: Session, options: Options) -> int:
    print(hint_for(Manual(session), options.hint_input or ""))
    return 0


def check_file(session: Session, options: Options) -> int:
    """Lines of two quoted strings: what was typed, and the hint that it must give."""
    try:
        with open(options.hint_file or "", "rb") as stream:
            lines = [words_of(line) for line in stream if not line.startswith(b"#")]
    except OSError as error:
        raise Fatal(f"Can't open file '{options.hint_file}': {error.strerror}") from None
    manual = Manual(session)
    cases = [line for line in lines if line]
    failed = 0
    for typed, expected, *_ in cases:
        hint = hint_for(manual, typed)
        if options.verbose:
            print(f"Input: '{typed}', Expected: '{expected}', Hint: '{hint}'")
        if hint.rstrip(" ") != expected:
            print(f"Test case '{typed}' FAILED: expected '{expected}', got '{hint}'")
            failed += 1
    print(f"{'FAILURE' if failed else 'SUCCESS'}: {len(cases) - failed}/{len(cases)} passed")
    return min(failed, 255)
