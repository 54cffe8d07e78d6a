"""Words: how a line is split into arguments, how bytes are quoted, and the arguments of the command line.

The quoting rules are the protocol's own (redis.conf, the inline protocol and the prompt share them): inside
double quotes \\n \\r \\t \\a \\b and \\xHH are escapes and any other escaped byte stands for itself; inside
single quotes only \\' is one; a closing quote must be followed by blank space or the end.
"""

import os

from kv.cli.errors import Fatal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kv.cli.options import Options

BLANKS = b" \t\n\r\v\f"
ESCAPES = {ord("n"): 10, ord("r"): 13, ord("t"): 9, ord("b"): 8, ord("a"): 7}
HEX = frozenset(b"0123456789abcdefABCDEF")

# What a byte becomes in a quoted string. Indexed through latin-1, where a character is a byte.
QUOTED = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 256))}
QUOTED.update({ord(k): v for k, v in {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r"}.items()})
QUOTED.update({9: "\\t", 7: "\\a", 8: "\\b"})


def quote(data: bytes) -> bytes:
    """`data` between double quotes, everything unprintable escaped."""
    return b'"' + data.decode("latin-1").translate(QUOTED).encode("ascii") + b'"'


def split(line: bytes) -> list[bytes] | None:
    """The words of a line, or None where its quotes do not match."""
    words: list[bytes] = []
    at, end = 0, len(line)
    while True:
        while at < end and line[at] in BLANKS:
            at += 1
        if at == end:
            return words
        word = bytearray()
        at = _take_word(line, at, word)
        if at < 0:
            return None
        words.append(bytes(word))


def _take_word(line: bytes, at: int, word: bytearray) -> int:
    """Append the word that begins at `at`; returns where it ends, -1 on unbalanced quotes."""
    while at < len(line) and line[at] not in BLANKS:
        byte = line[at]
        if byte == 0x22:
            at = _take_double_quoted(line, at + 1, word)
        elif byte == 0x27:
            at = _take_single_quoted(line, at + 1, word)
        else:
            word.append(byte)
            at += 1
            continue
        if at < 0 or (at < len(line) and line[at] not in BLANKS):
            return -1
    return at


def _take_double_quoted(line: bytes, at: int, word: bytearray) -> int:
    while at < len(line):
        byte = line[at]
        if byte == 0x22:
            return at + 1
        if byte == 0x5C and at + 1 < len(line):
            code = line[at + 1]
            if code == ord("x") and at + 3 < len(line) and line[at + 2] in HEX and line[at + 3] in HEX:
                word.append(int(line[at + 2 : at + 4], 16))
                at += 4
                continue
            byte = ESCAPES.get(code, code)
            at += 1
        word.append(byte)
        at += 1
    return -1


def _take_single_quoted(line: bytes, at: int, word: bytearray) -> int:
    while at < len(line):
        if line[at] == 0x27:
            return at + 1
        if line[at : at + 2] == b"\\'":
            at += 1
        word.append(line[at])
        at += 1
    return -1


def unquote(word: bytes) -> bytes | None:
    """The one word that `word` is when read as a quoted string, or None."""
    words = split(word)
    return words[0] if words is not None and len(words) == 1 else None


def command_words(options: "Options") -> list[bytes]:
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
    plain = unquote(word)
    if plain is None:
        print("Invalid quoted string")  # on standard output, where scripts that expect it look
        raise SystemExit(1)
    return plain


def read_stdin() -> bytes:
    with open(0, "rb", closefd=False) as stream:
        return stream.read()
