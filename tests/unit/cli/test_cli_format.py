"""Each format against what valkey-cli 8.1 prints for the same reply."""

from typing import Any

import pytest

from kv.cli.format import formatter, invalidation
from kv.cli.options import CSV, JSON, QUOTED_JSON, RAW, STANDARD, Options
from kv.cli.resp import (
    ARRAY,
    BOOL,
    DOUBLE,
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


def string(data: bytes) -> Reply:
    return Reply(STRING, data)


def array(*items: Reply, kind: str = ARRAY) -> Reply:
    return Reply(kind, items=items)


ONE = Reply(INTEGER, b"1")
BINARY = string(b'tab\t nl\n cr\r q" back\\ nul\x00 high\xff bell\a bs\b')
NESTED = array(ONE, array(string(b"a"), array(string(b"b"))), array(), Reply(NIL))
MAPPED = array(string(b"a"), ONE, string(b"l"), array(ONE, ONE), ONE, array(ONE), kind=MAP)
TEN = array(*[ONE] * 9, array(ONE, ONE), kind=SET)

# reply, then the text of each format without its final newline
CASES: dict[str, tuple[Any, ...]] = {
    "status": (Reply(STATUS, b"OK"), b"OK", b"OK", b'"OK"', b'"OK"'),
    "error": (Reply(ERROR, b"ERR no"), b"(error) ERR no", b"ERR no\n", b'ERROR,"ERR no"', b'error:"ERR no"'),
    "integer": (ONE, b"(integer) 1", b"1", b"1", b"1"),
    "double": (Reply(DOUBLE, b"3.10"), b"(double) 3.10", b"3.10", b"3.10", b"3.10"),
    "nil": (Reply(NIL), b"(nil)", b"", b"NULL", b"null"),
    "true": (Reply(BOOL, b"1"), b"(true)", b"(true)", b"true", b"true"),
    "false": (Reply(BOOL, b"0"), b"(false)", b"(false)", b"false", b"false"),
    "verbatim": (Reply(VERBATIM, b'a "b"'), b'a "b"', b'a "b"', b'"a \\"b\\""', b'"a \\"b\\""'),
    "empty string": (string(b""), b'""', b"", b'""', b'""'),
    "binary": (
        BINARY,
        rb'"tab\t nl\n cr\r q\" back\\ nul\x00 high\xff bell\a bs\b"',
        BINARY.data,
        rb'"tab\t nl\n cr\r q\" back\\ nul\x00 high\xff bell\a bs\b"',
        rb'"tab\t nl\n cr\r q\" back\\ nul\u0000 high' + b"\xff" + rb' bell\u0007 bs\b"',
    ),
    "empty array": (array(), b"(empty array)", b"", b"", b"[]"),
    "empty set": (array(kind=SET), b"(empty set)", b"", b"", b"[]"),
    "empty push": (array(kind=PUSH), b"(empty push)", b"", b"", b"[]"),
    "empty map": (array(kind=MAP), b"(empty hash)", b"", b"", b"{}"),
    "nested": (
        NESTED,
        b'1) (integer) 1\n2) 1) "a"\n   2) 1) "b"\n3) (empty array)\n4) (nil)',
        b"1\na\nb\n\n",
        b'1,"a","b",,NULL',
        b'[1,["a",["b"]],[],null]',
    ),
    "map": (
        MAPPED,
        b'1# "a" => (integer) 1\n2# "l" => \n   1) (integer) 1\n   2) (integer) 1\n'
        b"3# (integer) 1 => 1) (integer) 1",
        b"a 1\nl 1\n1\n1 1",
        b'"a",1,"l",1,1,1,1',
        b'{"a":1,"l":[1,1],"1":[1]}',
    ),
    "set of ten": (
        TEN,
        b"".join(b"%2d~ (integer) 1\n" % n for n in range(1, 10)) + b"10~ 1) (integer) 1\n    2) (integer) 1",
        b"\n".join([b"1"] * 11),
        b",".join([b"1"] * 11),
        b"[" + b"1," * 9 + b"[1,1]]",
    ),
}


def render(output: str, reply: Reply) -> bytes:
    options = Options()
    options.output = output
    return formatter(options)(reply)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("column", "output"), list(enumerate((STANDARD, RAW, CSV, JSON), 1)))
def test_format(name: str, column: int, output: str) -> None:
    case = CASES[name]
    assert render(output, case[0]) == case[column] + b"\n"


def test_quoted_json_is_ascii() -> None:
    assert render(QUOTED_JSON, string(b"K\x00\xf0\n")) == b'"K\\\\x00\\\\xf0\\\\n"\n'


def test_raw_delimiters() -> None:
    options = Options()
    options.output, options.item_delimiter, options.reply_delimiter = RAW, "<>", ""
    assert formatter(options)(NESTED) == b"1<>a<>b<><>"


def test_invalidation_has_a_short_form() -> None:
    keys = array(string(b"invalidate"), array(string(b"k1"), string(b"k2")), kind=PUSH)
    assert invalidation(keys) == b"-> invalidate: 'k1', 'k2'\n"
    assert invalidation(array(string(b"invalidate"), Reply(NIL), kind=PUSH)) is None
    assert invalidation(array(string(b"message"), string(b"c"), string(b"m"), kind=PUSH)) is None
