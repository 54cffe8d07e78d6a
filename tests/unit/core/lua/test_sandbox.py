"""What scripts can read and not change. Right values are Valkey 8.1.7's; more of them in valkey.jsonl."""
from __future__ import annotations

import pytest

from kv._core.testing.lua import State
from tests.unit.lua_peer import outcome

READONLY = b"Attempt to modify a readonly table"
TABLES = [b"_G", b"string", b"math", b"table", b"os", b"bit", b"struct", b"coroutine", b"getmetatable('')", b"getmetatable(_G)",
          b"getmetatable('').__index", b"_G._G._G", b"_G.string"]


@pytest.fixture
def state() -> State:
    return State(sealed=True)


@pytest.mark.parametrize("table", TABLES)
def test_nothing_is_written(state: State, table: bytes) -> None:
    """The message names the place where the script itself writes."""
    for key in (b"x", b"len", b"__index", b"__newindex", b"__metatable", b"__gc"):
        assert outcome(state, b"local t = " + table + b" t." + key + b" = 1") == b"test:1: " + READONLY
        assert outcome(state, b"rawset(" + table + b", '" + key + b"', 1)") == READONLY
    assert outcome(state, b"local t = " + table + b" t[1] = 1") == b"test:1: " + READONLY
    assert outcome(state, b"setmetatable(" + table + b", {})") == READONLY
    assert outcome(state, b"setmetatable(" + table + b", nil)") == READONLY
    assert outcome(state, b"table.insert(" + table + b", 1)") == READONLY
    assert outcome(state, b"table.insert(" + table + b", 1, 1)") == READONLY
    assert state.run(b"table.sort(" + table + b") return table.remove(" + table + b"), #" + table) == [None, 0.0]
    assert state.run(b"return getmetatable(" + table + b") == getmetatable(" + table + b")") == [True]


def test_what_was_refused_leaves_no_trace(state: State) -> None:
    for _ in range(3):
        for table in TABLES:
            outcome(state, b"local t = " + table + b" for i = 1, 1000 do "
                    b"pcall(rawset, t, i, i) pcall(function() t[i] = i end) end")
            assert state.run(b"local t, seen = " + table + b", 0 for k in pairs(t) do if type(k) == 'number' then "
                                                           b"seen = seen + 1 end "
                             b"end "
                             b"return seen, rawget(t, 5), #t") == [0.0, None, 0.0]
    assert state.run(b"return ('x'):len(), string.len('abc'), math.abs(-1)") == [1.0, 3.0, 1.0]


def test_globals(state: State) -> None:
    assert outcome(state, b"x = 1") == b"test:1: " + READONLY
    assert outcome(state, b"\nstring = 1") == b"test:2: " + READONLY
    assert outcome(state, b"return x") == b"test:1: Script attempted to access nonexistent global variable 'x'"
    assert outcome(state, b"return _G[7]") == b"test:1: Script attempted to access nonexistent global variable '7'"
    assert outcome(state, b"return _G[{}]") == b"test:1: Second argument to luaProtectedTableError must be a string or number"
    assert outcome(state, b"getmetatable(_G).__index(1)") == b"test:1: Wrong number of arguments to luaProtectedTableError"
    assert state.run(b"return rawget(_G, 'x')") == [None]
    assert outcome(state, b"local function f() x = 1 end f()") == b"test:1: " + READONLY
    assert outcome(state, b"loadstring('x = 1', '=c')()") == b"c:1: " + READONLY
    assert outcome(state, b"coroutine.wrap(function() x = 1 end)()") == b"test:1: test:1: " + READONLY


def test_what_is_set_behind_the_seal_is_seen(state: State) -> None:
    state.set_global(b"KEYS", {1.0: b"a"})
    assert state.run(b"KEYS[2] = 'b' return KEYS, rawget(_G, 'KEYS') == KEYS") == [{1.0: b"a", 2.0: b"b"}, True]
    assert outcome(state, b"KEYS = {}") == b"test:1: " + READONLY
    state.set_global(b"KEYS", {})
    assert state.run(b"return KEYS") == [{}]


def test_reading_sees_through(state: State) -> None:
    assert state.run(b"local names = {} for name in pairs(bit) do names[#names + 1] = name end table.sort(names) "
                     b"return unpack(names)") == [
        b"arshift", b"band", b"bnot", b"bor", b"bswap", b"bxor", b"lshift", b"rol", b"ror", b"rshift", b"tobit", b"tohex"]
    assert state.run(b"local n = 0 for _ in next, bit do n = n + 1 end return n") == [12.0]
    assert state.run(b"local n = 0 table.foreach(bit, function() n = n + 1 end) return n") == [12.0]
    assert state.run(b"return next(os)")[0] == b"clock"
    assert state.run(b"return rawget(math, 'pi') == math.pi, rawget(_G, 'math') == math, rawequal(_G, _G._G), _G.math "
                     b"== math") == [True] * 4
    assert state.run(b"local found for k, v in pairs(_G) do if k == '_G' then found = v end end return found == _G") == [True]
    assert state.run(b"return setmetatable({}, {__index = math}).pi == math.pi") == [True]
    assert state.run(b"return getmetatable(math), getmetatable(getmetatable(_G)), getmetatable(getmetatable(''))") == [None] * 3
    assert state.run(b"local s = getmetatable('') return s.__index == string, rawget(s, '__index') == string, "
                     b"('x').len == string.len") == [True] * 3


def test_no_real_table_is_reached(state: State) -> None:
    """Whatever a walk from all that scripts can see finds refuses to be written, and so do metatables that were passed on."""
    walk = (b"local seen, count = {}, 0\n"
            b"local function visit(t) if seen[t] then return end seen[t] = true count = count + 1\n"
            b"  assert(not pcall(rawset, t, 'x', 1)) assert(not pcall(function() t.x = 1 end)) assert(not "
            b"pcall(setmetatable, t, {}))\n"
            b"  for _, v in pairs(t) do if type(v) == 'table' then visit(v) end end\n"
            b"  for _, v in next, t do if type(v) == 'table' then visit(v) end end\n"
            b"  table.foreach(t, function(_, v) if type(v) == 'table' then visit(v) end end)\n"
            b"  local m = getmetatable(t) if m then visit(m) end\n"
            b"end\n"
            b"visit(_G) visit(getmetatable(''))\n"
            b"for _, m in ipairs({getmetatable(_G), getmetatable('')}) do visit(getmetatable(setmetatable({}, m))) end\n"
            b"local t = setmetatable({}, getmetatable('')) assert(t.len == string.len)\n"
            b"assert(not pcall(function() return setmetatable({}, getmetatable(_G)).len end))\n"
            b"return count")
    assert state.run(walk)[0] >= 10


def test_ordinary_tables_are_as_ever(state: State) -> None:
    assert state.run(b"local t = setmetatable({}, {__index = {x = 1}, __metatable = 'm'}) return t.x, "
                     b"getmetatable(t)") == [1.0, b"m"]
    assert outcome(state, b"setmetatable(setmetatable({}, {__metatable = 1}), {})") == (
        b"test:1: cannot change a protected metatable")
    assert state.run(b"local m = {} return getmetatable(setmetatable({}, m)) == m") == [True]
    assert state.run(b"local t = {} rawset(t, 1, 'a') table.insert(t, 'c') table.insert(t, 2, 'b') return "
                     b"table.concat(t)") == [b"abc"]
    assert state.run(b"local t = {} table.insert(t, -3, 'x') return t[-3]") == [b"x"]
    assert state.run(b"local t = setmetatable({}, {__newindex = math}) return pcall(function() t.x = 1 end)") == [
        False, b"test:1: " + READONLY]


def test_two_names_of_one_table_are_one_proxy() -> None:
    state = State()
    state.run(b"api = {call = type} alias = api api.self = api one = {inner = {deep = {}}} setmetatable(one, {__index = api})")
    sealed = b"local api, one = seal(api), seal(one) "
    assert state.run(sealed + b"return api == seal(alias), api.self == api, seal(api) == api, one.call == type") == [True] * 4
    for target in (b"api.x", b"api.self.x", b"one.inner.x", b"one.inner.deep.x", b"one.x"):
        assert outcome(state, sealed + target + b" = 1") == b"test:1: " + READONLY


def test_a_proxy_may_show_another_table() -> None:
    """As the environment of a library does once it is loaded."""
    state = State()
    state.run(b"first, second = {x = 1, t = {}}, {x = 2, t = {}}")
    code = b"local shown = seal(first) local before = shown.x %b return before, shown.x"
    assert state.run(code % b"") == [1.0, 1.0]
    assert state.run(code % b"seal(first, second)") == [1.0, 2.0]
    assert outcome(state, b"local shown = seal(first) shown.t.x = 1") == b"test:1: " + READONLY
