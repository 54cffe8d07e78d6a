"""Random programs (tests/fuzz/luamaker) run by EVAL here and in another server: results and errors are the same, byte for byte.

What both write is made by show() of tests/unit/lua_peer, so no address is in it. Left out are functions whose results are of one
moment or one server (INCOMPARABLE in luamaker). KV_LUA_PROGRAMS makes the comparison longer.
"""
from __future__ import annotations

import os
import re

import pytest

from kv._core.engine.engine import Engine
from kv._core.engine.localsession import ReplyError
from tests.commands.client import Client, Failure
from tests.fuzz.luamaker import BOUNDS, Maker
from tests.unit.lua_peer import lua_peer, program  # noqa: F401

PROGRAMS = int(os.environ.get("KV_LUA_PROGRAMS", "12"))
BODIES = 20             # of a program
PARAMETERS = 3          # before a function's `...`

# What we give, where it may differ, and why. docs/scripting.md lists the same for whoever writes scripts.
DIFFERENCES = {
    r'"(user_script:\d+: )?pattern too complex"$': "patterns of thousands of items that repeat end a process elsewhere",
    r"function has more than 16 parameters before '\.\.\.'": "Lua 5.1.5 writes beyond its stack for them (CVE-2014-5461)",
    r"position out of bounds": "table.insert moves elements down to -2^31, which takes minutes elsewhere",
    r'"(user_script:\d+: )?resulting string too large"$': "string.rep of sizes that no memory has",
}


def known(ours: bytes) -> bool:
    return any(re.search(pattern.encode(), ours) for pattern in DIFFERENCES)


def here(engine: Engine, code: bytes) -> object:
    try:
        return engine.execute("EVAL", code, 0)
    except ReplyError as error:
        return str(error)


@pytest.mark.parametrize("seed", range(PROGRAMS))
def test_programs_beside_the_peer(lua_peer: Client, seed: int) -> None:  # noqa: F811
    maker = Maker(seed, PARAMETERS, comparable=True)
    bodies = [maker.comparable_body().encode() for _ in range(BODIES)]
    code = program(bodies)
    ours, theirs = here(Engine(None, seed=1), code), lua_peer("EVAL", code, 0)
    if isinstance(theirs, Failure):     # the generator made no program
        assert ours == str(theirs)
        return
    assert isinstance(ours, list) and len(ours) == len(theirs) == BODIES
    differing = [(body[len(BOUNDS):], mine, other) for body, mine, other in zip(bodies, ours, theirs, strict=True)
                 if mine != other and not known(mine)]
    assert differing == []


@pytest.mark.parametrize(("body", "ours", "theirs"), [
    (b"return ('a'):find(('a?'):rep(201))", b'false "user_script:2: pattern too complex"', b"true 1 1"),
    (b"return (" + b"function(" + b",".join(b"p%d" % i for i in range(17)) + b",...) return 1 end)()", None, b"true 1"),
    (b"return table.insert({1}, -2^20 - 1, 0)",
     b"false \"user_script:2: bad argument #2 to 'insert' (position out of bounds)\"", None),
])
def test_what_differs(lua_peer: Client, body: bytes, ours: bytes | None, theirs: bytes | None) -> None:  # noqa: F811
    """Each rule is there for something."""
    mine = here(Engine(None, seed=1), program([body]))
    assert mine == [ours] if ours is not None else known(str(mine).encode()), mine
    if theirs is not None:
        assert lua_peer("EVAL", program([body]), 0) == [theirs]
