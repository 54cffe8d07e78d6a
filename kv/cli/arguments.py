"""The command of the arguments: its words as bytes, with what comes from standard input."""

import os

from kv.cli.errors import Fatal
from kv.cli.options import Options
from kv.quoting import Unbalanced, unquote


def command_words(options: Options) -> list[bytes]:
    """The command of the arguments as bytes, with what -x or -X reads from standard input put in."""
    words = [os.fsencode(word) for word in options.command]
    if options.quoted_input:
        words = [_unquote_or_stop(word) for word in words]
    if options.stdin_last:
        words.append(read_stdin())
    elif options.stdin_tag is not None:
        tag = os.fsencode(options.stdin_tag)
        if tag not in words:
            raise Fatal("Using -X option but stdin tag not match.")
        words[words.index(tag)] = read_stdin()
    return words


def _unquote_or_stop(word: bytes) -> bytes:
    try:
        return unquote(word)
    except Unbalanced:
        print("Invalid quoted string")  # on standard output, where scripts that expect it look
        raise SystemExit(1) from None


def read_stdin() -> bytes:
    with open(0, "rb", closefd=False) as stream:
        return stream.read()
