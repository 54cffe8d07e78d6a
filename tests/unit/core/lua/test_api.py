"""Where Lua comes from, and what a state is given."""
from __future__ import annotations

import re
from pathlib import Path

import pytest

from kv._core.lua.api import SYMBOLS, lua_load
from kv._core.testing.lua import LuaError, State

DECLARED = Path(__file__).resolve().parents[4] / "kv" / "_core" / "lua" / "api.pxd"


def test_symbols_stand_in_the_order_of_the_struct() -> None:
    """The struct is filled as an array."""
    struct = DECLARED.read_text().split("cdef struct LuaApi:")[1].split("cdef LuaApi lua")[0]
    fields = re.findall(r"\(\*(\w+?)_?(?: \"\w+\")?\)\(|lua_CFunction open_(\w+)", struct)
    names = [f"luaopen_{library}" if library else f"lua{name}" if name.startswith("L_") else f"lua_{name}"
             for name, library in fields]
    assert names == SYMBOLS


def test_loading_twice_is_loading_once() -> None:
    lua_load()
    lua_load()


def test_values() -> None:
    state = State()
    assert state.run(b"return 1, 'a', true, nil, {x = {1, 2}}") == [1.0, b"a", True, None, {b"x": {1.0: 1.0, 2.0: 2.0}}]
    assert state.run(b"return ...", b"a\0b", 2.5, {b"k": False}) == [b"a\0b", 2.5, {b"k": False}]


def test_errors_name_their_place() -> None:
    with pytest.raises(LuaError, match="test:2: oops"):
        State().run(b"\nerror('oops')")


def test_what_reaches_out_of_the_state_is_not_there() -> None:
    assert State().run(b"return package, io, debug, require, module") == [None] * 5


def test_memory_is_limited_and_given_back() -> None:
    state = State(limit=1 << 20)
    before = state.used
    assert 0 < before < 60_000
    with pytest.raises(LuaError, match="not enough memory"):
        state.run(b"local t = {} for i = 1, 1e9 do t[i] = i .. 'x' end")
    assert state.run(b"return 1") == [1.0]
    state.run(b"collectgarbage()")
    assert state.used < 200_000
