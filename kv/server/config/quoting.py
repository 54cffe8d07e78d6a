"""Splitting a line into arguments, and quoting one argument so that it splits back into itself.

The language of configuration files and of the command line's options:

    word        everything up to a blank
    "text"      with the escapes \\n \\r \\t \\b \\a, \\xHH for a byte, and \\ before anything else for itself
    'text'      as it stands; \\' is the one escape

A closing quote must be followed by a blank or the end. Values may hold any byte (passwords do), so
text travels as str with surrogate escapes, and escapes are resolved in bytes: "\\xc3\\xa9" is one character.
"""
from __future__ import annotations

BLANKS = b" \t\n\r"  # what ends a word
SKIPPED = b" \t\n\r\v\f"  # what may stand between words
ESCAPES = {ord("n"): 10, ord("r"): 13, ord("t"): 9, ord("b"): 8, ord("a"): 7}
NAMES = {10: "\\n", 13: "\\r", 9: "\\t", 8: "\\b", 7: "\\a", 34: '\\"', 92: "\\\\"}
HEX = b"0123456789abcdefABCDEF"


class Unbalanced(ValueError):
    """A quote that is not closed, or is closed in the middle of a word."""


def decode(data: bytes) -> str:
    """Bytes as the str that stands for them in a configuration."""
    return data.decode("utf-8", "surrogateescape")


def encode(text: str) -> bytes:
    """The inverse of decode."""
    return text.encode("utf-8", "surrogateescape")


def split_arguments(line: str) -> list[str]:
    """The arguments of a line. Raises Unbalanced."""
    data = encode(line)
    arguments = []
    at = skip_blanks(data, 0)
    while at < len(data):
        argument, at = take_argument(data, at)
        arguments.append(decode(argument))
        at = skip_blanks(data, at)
    return arguments


def quote(text: str) -> str:
    """Text in double quotes, in printable ASCII alone."""
    return '"' + "".join([NAMES.get(byte) or printable(byte) for byte in encode(text)]) + '"'


def quote_if_needed(text: str) -> str:
    """Text as it is where that will do, and else in quotes."""
    quoted = quote(text)
    return text if len(quoted) == len(text) + 2 and text and not set(text) & set(" '") else quoted


def printable(byte: int) -> str:
    return chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}"


def skip_blanks(data: bytes, at: int) -> int:
    while at < len(data) and data[at] in SKIPPED:
        at += 1
    return at


def take_argument(data: bytes, at: int) -> tuple[bytes, int]:
    """One argument that begins at `at`, and where it ends. A quote may open in the middle of a word."""
    start = at
    while at < len(data) and data[at] not in BLANKS:
        if data[at] in b"\"'":
            take = take_double_quoted if data[at] == ord('"') else take_single_quoted
            quoted, end = take(data, at + 1)
            if end < len(data) and data[end] not in SKIPPED:
                raise Unbalanced
            return data[start:at] + quoted, end
        at += 1
    return data[start:at], at


def take_double_quoted(data: bytes, at: int) -> tuple[bytes, int]:
    """What follows an opening double quote, and the place after the closing one."""
    out = bytearray()
    while at < len(data):
        byte = data[at]
        if byte == ord('"'):
            return bytes(out), at + 1
        if byte == ord("\\") and at + 1 < len(data):
            byte, at = take_escape(data, at + 1)
        else:
            at += 1
        out.append(byte)
    raise Unbalanced


def take_escape(data: bytes, at: int) -> tuple[int, int]:
    """The byte that the escape at `at` (after its backslash) stands for, and the place after it."""
    digits = data[at + 1:at + 3]
    if data[at] == ord("x") and len(digits) == 2 and digits[0] in HEX and digits[1] in HEX:
        return int(digits, 16), at + 3
    return ESCAPES.get(data[at], data[at]), at + 1


def take_single_quoted(data: bytes, at: int) -> tuple[bytes, int]:
    """What follows an opening single quote, and the place after the closing one."""
    out = bytearray()
    while at < len(data):
        if data[at] == ord("'"):
            return bytes(out), at + 1
        if data[at:at + 2] == b"\\'":
            at += 1
        out.append(data[at])
        at += 1
    raise Unbalanced
