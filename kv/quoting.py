"""Splitting a line into words, and quoting a word so that it splits back into itself.

Configuration files, the options of the command line, the manifest of the AOF and kv-cli's prompt share one language, which is
that of inline requests, too (those are read in kv/_core/resp/parser):

    word        everything up to a blank
    "text"      with the escapes \\n \\r \\t \\b \\a, \\xHH for a byte, and \\ before anything else for itself
    'text'      as it stands; \\' is the one escape

A quote may open in the middle of a word. A closing one must be followed by a blank or the end: a line in which it is not, or
in which a quote never closes, is unbalanced.

Words are bytes. Configurations hold them as str with surrogate escapes, since values may have any byte (passwords do), and
escapes are resolved in bytes: "\\xc3\\xa9" is one character. The functions of `text` are for them.
"""

BLANKS = b" \t\n\r"  # what ends a word
SKIPPED = b" \t\n\r\v\f"  # what may stand between words
ESCAPES = {ord("n"): 10, ord("r"): 13, ord("t"): 9, ord("b"): 8, ord("a"): 7}
HEX = frozenset(b"0123456789abcdefABCDEF")

# What a byte becomes in a quoted word. Indexed through latin-1, where a character is a byte.
QUOTED = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 256))}
QUOTED.update({10: "\\n", 13: "\\r", 9: "\\t", 8: "\\b", 7: "\\a", 34: '\\"', 92: "\\\\"})


class Unbalanced(ValueError):
    """A quote that is not closed, or is closed in the middle of a word."""


def split(line: bytes) -> list[bytes]:
    """The words of a line. Raises Unbalanced."""
    words = []
    at = skip_blanks(line, 0)
    while at < len(line):
        word, at = take_word(line, at)
        words.append(word)
        at = skip_blanks(line, at)
    return words


def unquote(word: bytes) -> bytes:
    """The one word that this is where it is read as a quoted one. Raises Unbalanced, also where it is none or several."""
    words = split(word)
    if len(words) != 1:
        raise Unbalanced
    return words[0]


def quote(word: bytes) -> bytes:
    """The word in double quotes, in printable ASCII alone."""
    return b'"' + word.decode("latin-1").translate(QUOTED).encode("ascii") + b'"'


# -- as text ------------------------------------------------------------------------------------------------------

def decode(data: bytes) -> str:
    """Bytes as the str that stands for them in a configuration."""
    return data.decode("utf-8", "surrogateescape")


def encode(text: str) -> bytes:
    """The inverse of decode."""
    return text.encode("utf-8", "surrogateescape")


def split_text(line: str) -> list[str]:
    """The words of a line. Raises Unbalanced."""
    return [decode(word) for word in split(encode(line))]


def quote_text(text: str) -> str:
    """Text in double quotes, in printable ASCII alone."""
    return quote(encode(text)).decode("ascii")


def quote_if_needed(text: str) -> str:
    """Text as it is where that will do, and else in quotes."""
    quoted = quote_text(text)
    return text if len(quoted) == len(text) + 2 and text and not set(text) & set(" '") else quoted


# -- reading ------------------------------------------------------------------------------------------------------

def skip_blanks(data: bytes, at: int) -> int:
    while at < len(data) and data[at] in SKIPPED:
        at += 1
    return at


def take_word(data: bytes, at: int) -> tuple[bytes, int]:
    """One word that begins at `at`, and where it ends."""
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
    if data[at] == ord("x") and len(digits) == 2 and HEX.issuperset(digits):
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
