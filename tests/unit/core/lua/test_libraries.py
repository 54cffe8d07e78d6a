"""Programs over all libraries, with what Valkey 8.1.7 gives for them (valkey.jsonl: a program and its result a line, as
tests.unit.lua_peer writes them), and random calls beside another server."""
from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from tests.commands.client import Client
from tests.unit.lua_peer import here, lua_peer, there  # noqa: F401

RECORDED = [[text.encode("latin-1") for text in json.loads(line)]
            for line in Path(__file__).with_name("valkey.jsonl").read_text().splitlines()]

# What random calls are made of. Not among them: what gives an address, a time or an order, runs for minutes, or Redis 7.0 has not.
FUNCTION_WORDS = """
    struct.pack struct.unpack struct.size
    bit.tobit bit.tohex bit.bnot bit.band bit.bor bit.bxor bit.lshift bit.rshift bit.arshift bit.rol bit.ror bit.bswap
    string.byte string.char string.find string.format string.gsub string.len string.lower string.match string.reverse string.sub
    string.upper string.gmatch
    table.concat table.foreach table.foreachi table.getn table.maxn table.remove table.sort
    math.abs math.ceil math.floor math.fmod math.frexp math.ldexp math.max math.min math.modf math.mod math.sqrt math.random
    math.randomseed
    select unpack rawget rawset rawequal getmetatable setmetatable tonumber type assert error pcall xpcall loadstring load
    pairs ipairs coroutine.resume coroutine.wrap coroutine.status coroutine.create
"""
ARGUMENT_WORDS = """
    nil true false 0 1 2 -1 3 5 7.5 -0.5 255 256 65536 4294967295 4294967296 -2147483648 2147483647 2147483648
    9007199254740993 1e15 1e300 -1e300 1/0 -1/0 0/0 '' 'a' 'abc' '5' '-7' '0x10' '1e3' 'a\\0b' '%a' '%d+' '(%w)(%w)'
    '.-' '[a-c]*' '^b' 'c$' '%b()' '%f[%w]' '[' '%' '(' ')' '%1' 'b' 'i' '>I3' '<i2' '!4bi' 'c0' 'bc0' 's' 'x' 'd' 'f'
    'L' 'i16' 'q' '!3' '\\1\\2\\3\\4\\5\\6\\7\\8' '\\255\\254\\253\\252' '%5.1f' '%s' '%q' '%c' '%y' '\\27Lua'
    'return_1' '=' '#' {} {1,2,3} {3,1,2} {a=1} {'x','y'} {1,nil,3} {{}} math string coroutine string.len
    (function()end) (function(...)return(...)end) (function()error('e')end) (function()error({err='t'})end)
    setmetatable({},{__index=math}) getmetatable('') getmetatable(_G) coroutine.create(string.len)
    coroutine.create(function(a)return(a)end)
"""
FUNCTIONS, ARGUMENTS = FUNCTION_WORDS.split(), ARGUMENT_WORDS.split()


@pytest.mark.parametrize(("body", "expected"), RECORDED, ids=range(len(RECORDED)))
def test_recorded(body: bytes, expected: bytes) -> None:
    assert here([body]) == [expected]


def test_recorded_beside_the_peer(lua_peer: Client) -> None:  # noqa: F811
    """Redis 7.0 has no os.clock, and one name for what Valkey has two of."""
    bodies = [body for body, _ in RECORDED if b"os" not in body]
    assert here(bodies) == there(lua_peer, bodies)


def random_call(draws: random.Random) -> bytes:
    count = draws.choice([0, 1, 1, 2, 2, 2, 3, 3, 4])
    return f"return {draws.choice(FUNCTIONS)}({', '.join(draws.choice(ARGUMENTS) for _ in range(count))})".encode()


@pytest.mark.parametrize("seed", range(40))
def test_random_calls_beside_the_peer(lua_peer: Client, seed: int) -> None:  # noqa: F811
    draws = random.Random(seed)
    bodies = [b"math.randomseed(%d)" % seed, *(random_call(draws) for _ in range(200))]
    for body, ours, theirs in zip(bodies, here(bodies), there(lua_peer, bodies), strict=True):
        assert ours == theirs, body
