"""The output formats: what a reply looks like.

    standard      for a person at a terminal: types shown, strings quoted, aggregates numbered and indented
    raw           for the next program in a pipe: bytes as they are, elements separated by the -d delimiter
    csv           one line, strings quoted
    json          one line; a string that is not UTF-8 passes through as it is
    quoted-json   one line of pure ASCII; unprintable bytes show as \\\\xHH

All of them work on bytes, since what users store need not be text.
"""

from collections.abc import Callable, Iterator

from kv.cli.options import CSV, JSON, QUOTED_JSON, RAW, STANDARD, Options
from kv.cli.resp import (
    AGGREGATES,
    ARRAY,
    BOOL,
    ERROR,
    INTEGER,
    MAP,
    NIL,
    PUSH,
    SET,
    STATUS,
    STRING,
    VERBATIM,
    Reply,
)
from kv.quoting import quote

EMPTY = {ARRAY: b"(empty array)\n", MAP: b"(empty hash)\n", SET: b"(empty set)\n", PUSH: b"(empty push)\n"}
MARKS = {SET: b"~", MAP: b"#"}  # behind an element's number; pushes and arrays have ")"
LABELS = {ERROR: b"(error) ", INTEGER: b"(integer) ", ",": b"(double) ", "(": b"(big number) "}


def formatter(options: Options) -> Callable[[Reply], bytes]:
    """The function that renders a whole reply, with the newline or delimiter that ends it."""
    if options.output == STANDARD:
        return standard
    if options.output == RAW:
        between = options.item_delimiter.encode("utf-8", "surrogateescape")
        end = options.reply_delimiter.encode("utf-8", "surrogateescape")
        return lambda reply: raw(reply, between) + end
    if options.output == CSV:
        return lambda reply: csv(reply) + b"\n"
    text = {JSON: json_string, QUOTED_JSON: quoted_json_string}[options.output]
    return lambda reply: json(reply, text) + b"\n"


# ---- standard


def standard(reply: Reply, indent: bytes = b"") -> bytes:
    if reply.kind not in AGGREGATES:
        return _standard_scalar(reply)
    if not reply.items:
        return EMPTY[reply.kind]
    return b"".join(_standard_items(reply, indent))


def _standard_scalar(reply: Reply) -> bytes:
    if reply.kind == STRING:
        return quote(reply.data) + b"\n"
    if reply.kind == NIL:
        return b"(nil)\n"
    if reply.kind == BOOL:
        return b"(true)\n" if reply.data == b"1" else b"(false)\n"
    return LABELS.get(reply.kind, b"") + reply.data + b"\n"


def _standard_items(reply: Reply, indent: bytes) -> Iterator[bytes]:
    """Numbered elements. The first one has no indent, as the number of the element around stands there."""
    step = 2 if reply.kind == MAP else 1
    count = len(reply.items) // step
    width = len(str(count))
    mark = MARKS.get(reply.kind, b")")
    inner = indent + b" " * (width + 2)
    for number in range(count):
        if number:
            yield indent
        yield b"%*d%b " % (width, number + 1, mark)
        text = standard(reply.items[number * step], inner)
        if step == 1:
            yield text
            continue
        yield text[:-1]
        value = reply.items[number * 2 + 1]
        yield b" => "
        if _is_multiline(value):
            yield b"\n" + inner
        yield standard(value, inner)


def _is_multiline(reply: Reply) -> bool:
    if reply.kind not in AGGREGATES or not reply.items:
        return False
    single = 2 if reply.kind == MAP else 1
    return len(reply.items) > single or _is_multiline(reply.items[-1])


def invalidation(reply: Reply) -> bytes | None:
    """The short form in which `standard` shows a client tracking push; None for other pushes."""
    if len(reply.items) != 2 or reply.items[0].data != b"invalidate" or reply.items[1].kind != ARRAY:
        return None
    return b"-> invalidate: " + b", ".join(b"'%b'" % key.data for key in reply.items[1].items) + b"\n"


# ---- raw and CSV


def raw(reply: Reply, between: bytes = b"\n") -> bytes:
    if reply.kind in AGGREGATES:
        parts = [raw(item, between) for item in reply.items]
        if reply.kind == MAP:
            parts = [key + b" " + value for key, value in zip(parts[::2], parts[1::2], strict=True)]
        return between.join(parts)
    if reply.kind == BOOL:
        return b"(true)" if reply.data == b"1" else b"(false)"
    return reply.data + b"\n" if reply.kind == ERROR else reply.data


def csv(reply: Reply) -> bytes:
    if reply.kind in AGGREGATES:  # a map too: CSV has no word for it
        return b",".join(map(csv, reply.items))
    if reply.kind in (STATUS, STRING, VERBATIM):
        return quote(reply.data)
    if reply.kind == ERROR:
        return b"ERROR," + quote(reply.data)
    if reply.kind == NIL:
        return b"NULL"
    return _bare(reply)


def _bare(reply: Reply) -> bytes:
    """A number or a boolean, as CSV and JSON write it."""
    if reply.kind == BOOL:
        return b"true" if reply.data == b"1" else b"false"
    return reply.data


# ---- JSON

JSON_ESCAPES = {code: f"\\u{code:04x}" for code in range(32)}
JSON_ESCAPES.update({ord(k): v for k, v in {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r"}.items()})
JSON_ESCAPES.update({12: "\\f", 9: "\\t", 8: "\\b"})


def json_string(data: bytes) -> bytes:
    return b'"' + data.decode("latin-1").translate(JSON_ESCAPES).encode("latin-1") + b'"'


def quoted_json_string(data: bytes) -> bytes:
    return quote(data).replace(b"\\", b"\\\\")


def json(reply: Reply, text: Callable[[bytes], bytes]) -> bytes:
    if reply.kind == MAP:
        keys = (_json_key(key, text) for key in reply.items[::2])
        pairs = zip(keys, reply.items[1::2], strict=True)
        return b"{" + b",".join(key + b":" + json(value, text) for key, value in pairs) + b"}"
    if reply.kind in AGGREGATES:
        return b"[" + b",".join(json(item, text) for item in reply.items) + b"]"
    if reply.kind in (STATUS, STRING, VERBATIM):
        return text(reply.data)
    if reply.kind == ERROR:
        return b"error:" + text(reply.data)
    if reply.kind == NIL:
        return b"null"
    return _bare(reply)


def _json_key(key: Reply, text: Callable[[bytes], bytes]) -> bytes:
    """JSON wants strings for keys; RESP3 allows anything."""
    rendered = json(key, text)
    if key.kind == ERROR or rendered.startswith(b'"'):
        return rendered
    return b'"' + rendered + b'"'
