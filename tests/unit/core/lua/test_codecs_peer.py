"""Random programs of cjson and cmsgpack, here in a State and by EVAL in Debian's redis-server (or what KV_TEST_PEER names).

Results are the same bytes, errors included. KV_LUA_PROGRAMS=100000 makes it longer.

Not asked, since answers differ for reasons: tables and functions as keys and strings of more than 31 bytes as keys (the order of
pairs is by address, or by another hash), and keys from 2^31 on (an array with one loses elements there, here it is an object).
Valkey 8.1 hashes strings with a seed, so there only what has one order is compared.
"""
from __future__ import annotations

import json
import os
import random
import shutil
import struct
from collections.abc import Iterator

import pytest

from tests.commands.client import Client
from tests.program import Program
from tests.unit.core.lua.programs import plain, run, wrapped

PEER = os.environ.get("KV_TEST_PEER") or shutil.which("redis-server")
PROGRAMS = int(os.environ.get("KV_LUA_PROGRAMS", "1500"))
SEEDS = 3
pytestmark = pytest.mark.skipif(PEER is None, reason="there is no redis-server")

NUMBERS = """0 -0 1 2 3 5 10 12 100 1.5 -1 1e14 1e15 123456789012345 0.1 1/3 1e300 5e-324 1/0 -1/0 0/0 2^31 2^31-1 2^32 2^53
    2^63 -2^63 2^64 -32 -33 -128 -129 127 128 255 256 65535 65536 -32768 -32769 -2^31 -2^31-1 3.4e38 1e39 0.5 1e-7 1e-5 0.0001234"""
LENGTHS = [1, 7, 8, 9, 15, 16, 17, 31, 32, 40, 255, 256, 300]
TOKENS = r"""{ } [ ] , : "a" "b" "" "\u0041" "\ud83d\ude00" "\ud83d" "\udc00" "\ud83d\u0041" "\x" "\ " 1 -1 0 00 01 -01 0x1F 0x1p4
    0X 1. 1.e5 .5 -.5 - --1 +1 + 1e5 1e 1e+ 1E-400 1e400 12345678901234567890 123456789012345678 9007199254740993
    0.1234567890123456789 true false null tru nul nan NaN -nan nan(12) inf Infinity -inf infx nano a N n \ "abcdefgh\nijklmnop" 0e1
    -0 -0.0 1e22 1e23 123e-22 0x 0xg 1_0 1e99999"""
OTHER_TOKENS = [b" ", b"\n", b"\0", b"\x01", b"\xff", b"1\0", b"0." + b"0" * 30 + b"1"]
OPTIONS = [
    "c.encode_sparse_array({switch}, {small}, {number})", "c.encode_max_depth({small} + 1)", "c.decode_max_depth({small} + 1)",
    "c.encode_number_precision({number} % 14 + 1)", "c.encode_keep_buffer({switch})", "c.encode_invalid_numbers({way})",
    "c.decode_invalid_numbers({switch})"]
FIXED = [b"\xc0", b"\xc2", b"\xc3", b"\xc1", b"\xc4\x01a", b"\xc7\1\1a", b"\xd4\1a", b"\xd8" + b"a" * 17, b"\xa3abc", b"\xd9\x02hi",
         b"\xda\0\2hi", b"\xdb\0\0\0\2hi"]


class Grammar:
    """Programs with their arguments, from a seed."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.tokens = [token.encode() for token in TOKENS.split()] + OTHER_TOKENS

    def program(self) -> tuple[bytes, list[bytes]]:
        make = self.draw.choice([
            self.encoding, self.encoding, self.decoding, self.decoding, self.packing, self.unpacking, self.setting])
        code, arguments = make()
        return code.encode(), arguments

    # Lua's values, as source

    def number(self) -> str:
        draw = self.draw
        return draw.choice([
            draw.choice(NUMBERS.split()), repr(draw.uniform(-1e6, 1e6)), str(draw.randint(-10**6, 10**6)),
            repr(draw.randint(-2**62, 2**62) / 2**draw.randint(0, 70)),
            repr(struct.unpack("d", struct.pack("Q", draw.getrandbits(52) | draw.randint(1, 2046) << 52))[0])])

    def string(self, most: int = 300) -> str:
        draw = self.draw
        length = draw.choice([size for size in LENGTHS if size <= most]) if draw.random() < 0.2 else draw.randrange(12)
        data = [draw.choice([draw.randrange(256), 34, 92, 47, 127, 10, 0, 97]) for _ in range(length)]
        return '"' + "".join(f"\\{byte:03}" for byte in data) + '"'

    def value(self, depth: int) -> str:
        draw = self.draw
        if depth == 0 or draw.random() < 0.5:
            return draw.choice([self.number, self.number, self.string, self.string, lambda: draw.choice(
                ["true", "false", "nil", "cjson.null"] if draw.random() < 0.98 else ["tostring", "coroutine.create(tostring)"])])()
        count = draw.choice([15, 16, 17, 33]) if draw.random() < 0.1 else draw.randrange(6)
        entry = draw.choice([
            lambda: self.value(depth - 1), lambda: f"[{self.string(31)}]={self.value(depth - 1)}",
            lambda: f"[{draw.randrange(-1, 12)}]={self.value(depth - 1)}", lambda: self.entry(depth)])
        return "{" + ",".join(entry() for _ in range(count)) + "}"

    def entry(self, depth: int) -> str:
        draw = self.draw
        key = draw.choice([
            str(draw.randrange(1, 8)), self.string(31), draw.choice(["-1", "0", "1.5", "true", "false", "1e-7", "2^31-1"])])
        return draw.choice([self.value(depth - 1), f"[{key}]={self.value(depth - 1)}"])

    # cjson

    def options(self) -> str:
        draw = self.draw
        chosen = draw.sample(OPTIONS, draw.choice([0, 0, 1, 2]))
        return "local c = cjson.new() " + " ".join(option.format(
            switch=draw.choice(["true", "false", '"on"', '"off"', "nil"]), way=draw.choice(["true", "false", '"null"', '"on"']),
            small=draw.randrange(5), number=draw.randrange(14)) for option in chosen)

    def encoding(self) -> tuple[str, list[bytes]]:
        return f"{self.options()} return c.encode({self.value(3)})", []

    def decoding(self) -> tuple[str, list[bytes]]:
        call = self.draw.choice(["c.decode(ARGV[1])", "c.decode(ARGV[1])", "c.encode(c.decode(ARGV[1]))"])
        return f"{self.options()} return {call}", [self.text()]

    def text(self) -> bytes:
        draw = self.draw
        if draw.random() < 0.4:
            return b"".join(draw.choice(self.tokens) for _ in range(draw.randrange(1, 9)))
        separators = draw.choice([(",", ":"), (", ", ": ")])
        text = bytearray(json.dumps(self.json(4), ensure_ascii=draw.random() < 0.5, separators=separators).encode())
        for _ in range(draw.choice([0, 1, 2])):
            place = draw.randrange(len(text) + 1)
            change = draw.choice([b"", draw.choice(self.tokens), bytes([draw.randrange(256)])])
            text[place:place + draw.randrange(3)] = change
        return bytes(text if draw.random() < 0.9 else text[:draw.randrange(len(text) + 1)])

    def json(self, depth: int) -> object:
        draw = self.draw
        if depth == 0 or draw.random() < 0.45:
            return draw.choice([
                draw.randint(-10**6, 10**6), draw.uniform(-1e3, 1e3), "x" * draw.randrange(12),
                'é😀"\\/\n\x7f'[:draw.randrange(8)], True, False, None, draw.random() * 10.0**draw.randint(-20, 20)])
        if draw.random() < 0.5:
            return [self.json(depth - 1) for _ in range(draw.randrange(6))]
        names = [draw.choice(["a", "b", "cc", f"key{draw.randrange(30)}", "é"]) for _ in range(draw.randrange(8))]
        return {name: self.json(depth - 1) for name in names}

    def setting(self) -> tuple[str, list[bytes]]:
        draw = self.draw
        arguments = ", ".join(draw.choice([self.number(), self.string(), "true", "nil", "{}", '"on"', '"null"', '"5"'])
                              for _ in range(draw.randrange(4)))
        name = draw.choice([option[2:option.index("(")] for option in OPTIONS] + ["encode", "decode"])
        return f"local c = cjson.new() return c.{name}({arguments})", []

    # cmsgpack

    def packing(self) -> tuple[str, list[bytes]]:
        return f"return cmsgpack.pack({', '.join(self.value(3) for _ in range(self.draw.randrange(4)))})", []

    def unpacking(self) -> tuple[str, list[bytes]]:
        draw = self.draw
        call = draw.choice([
            "unpack(ARGV[1])", "unpack(ARGV[1])", f"unpack_one(ARGV[1], {draw.randrange(-1, 8)})",
            f"unpack_limit(ARGV[1], {draw.randrange(-1, 4)}, {draw.randrange(-1, 6)})"])
        data = bytearray(b"".join(self.data(3) for _ in range(draw.randrange(4))))
        if data and draw.random() < 0.3:
            data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        return f"return cmsgpack.{call}", [bytes(data if draw.random() < 0.8 else data[:draw.randrange(len(data) + 1)])]

    def data(self, depth: int) -> bytes:
        draw = self.draw
        if depth == 0 or draw.random() < 0.6:
            first, size = draw.choice([(0xcc, 1), (0xcd, 2), (0xce, 4), (0xcf, 8), (0xd0, 1), (0xd1, 2), (0xd2, 4), (0xd3, 8),
                                       (0xca, 4), (0xcb, 8), (draw.randrange(128), 0), (draw.randrange(224, 256), 0)])
            return draw.choice([bytes([first]) + draw.randbytes(size), draw.choice(FIXED)])
        count = draw.randrange(5)
        if draw.random() < 0.5:
            form = draw.choice([bytes([0x90 | count]), struct.pack(">BH", 0xdc, count), struct.pack(">BI", 0xdd, count)])
            return form + b"".join(self.data(depth - 1) for _ in range(count))
        form = draw.choice([bytes([0x80 | count]), struct.pack(">BH", 0xde, count), struct.pack(">BI", 0xdf, count)])
        return form + b"".join(self.data(0) + self.data(depth - 1) for _ in range(count))


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    program = Program(tmp_path_factory.mktemp("peer"), command=[str(PEER)])
    yield program.connect()
    program.kill()


def comparable(result: bytes, seeded: bool) -> bytes:
    """Of a server that hashes with a seed only what is there, in any order, and whether it is an error: two may be in a table."""
    if not seeded:
        return result
    return b"error" if result.startswith(b"error") else bytes(sorted(result))


@pytest.mark.parametrize("seed", range(SEEDS))
def test_the_same_as_the_peer(peer: Client, seed: int) -> None:
    grammar = Grammar(seed)
    seeded = b"valkey_version" in peer("INFO", "server")
    errors = 0
    for _ in range(PROGRAMS // SEEDS):
        body, arguments = grammar.program()
        ours, theirs = run(body, *arguments), plain(peer("EVAL", wrapped(body), 0, *arguments))
        assert comparable(ours, seeded) == comparable(theirs, seeded), (body, arguments)
        errors += ours.startswith(b"error")
    assert PROGRAMS // SEEDS // 10 < errors < PROGRAMS // SEEDS * 2 // 3      # both kinds are asked for
