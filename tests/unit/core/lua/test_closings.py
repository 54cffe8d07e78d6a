"""Each hole of Lua 5.1 and of servers that embed it, tried."""
from __future__ import annotations

import gc
import resource
import subprocess
import sys
import time

import pytest

from kv._core.testing.lua import LuaError, State
from tests.sanitizer import unsanitized
from tests.unit.lua_peer import outcome


def parameters(count: int) -> bytes:
    return b", ".join(b"p%d" % number for number in range(count))


@pytest.fixture
def state() -> State:
    return State(sealed=True)


# Loading.

def test_precompiled_code_is_text(state: State) -> None:
    assert outcome(state, b"\x1bLua\x51") == b"test:1: unexpected symbol near 'char(27)'"
    assert state.run(b"return loadstring('\\27')") == [None, b"[string \"\x1b\"]:1: unexpected symbol near 'char(27)'"]
    code = b"local code = string.dump(function() return 1 end) return #code > 40, string.byte(code), (loadstring(code))"
    assert state.run(code) == [True, 27, None]


def test_precompiled_code_in_pieces(state: State) -> None:
    code = b"local pieces = {'\\27', 'Lua'} return load(function() return table.remove(pieces, 1) end)"
    assert state.run(code) == [None, b"(load):1: unexpected symbol near 'char(27)'"]


def test_a_chunk_name_is_not_collected_while_it_is_parsed(state: State) -> None:
    """CVE-2025-49844: garbage is collected at each step, and the parser makes a lot of it."""
    state.run(b"collectgarbage('setpause', 0) collectgarbage('setstepmul', 1000000)")
    body = b"".join(b"local function f%d() return 'text %d' .. {%d} end\n" % (n, n, n) for n in range(150))
    for number in range(5):
        name = b"name %d of a chunk" % number
        loaded = state.run(b"return loadstring((...), '@' .. string.sub('" + name + b"', 1))", body + b"error(")
        assert loaded == [None, name + b":151: unexpected symbol near '<eof>'"]
        with pytest.raises(LuaError, match="test:151: oops"):
            state.run(body + b"error('oops')")


@pytest.mark.parametrize(("end", "calls"), [(b"nil", 3), (b"''", 3)])
def test_a_reader_is_not_called_after_its_end(state: State, end: bytes, calls: int) -> None:
    code = (b"local calls, pieces = 0, {'return 1', '+1', " + end + b"}"
            b"local loaded = load(function() calls = calls + 1 return pieces[calls] end) return loaded(), calls")
    assert state.run(code) == [2.0, calls]


def test_a_reader_that_fails(state: State) -> None:
    assert state.run(b"return load(function() error('x') end)") == [None, b"test:1: x"]
    assert state.run(b"return load(function() return {} end)") == [None, b"test:1: reader function must return a string"]
    assert state.run(b"return load(function() local x = nil + 1 end)")[0] is None


def test_names_are_cut_at_nul(state: State) -> None:
    assert state.run(b"return loadstring('x =', '@a\\0b')") == [None, b"a:1: unexpected symbol near '<eof>'"]


@pytest.mark.parametrize("count", [0, 1, 16])
def test_vararg_functions(state: State, count: int) -> None:
    code = b"return (function(%b) return select('#', ...) end)(%b)"
    params = parameters(count) + (b", ..." if count else b"...")
    assert state.run(code % (params, b", ".join(b"1" for _ in range(count + 5)))) == [5.0]


@pytest.mark.parametrize("count", [17, 100, 190])
def test_vararg_functions_with_many_parameters_are_refused(state: State, count: int) -> None:
    """CVE-2014-5461."""
    function = b"function(" + parameters(count) + b", ...) return ... end"
    message = b"test:%d: function has more than 16 parameters before '...'"
    assert outcome(state, b"\n\nlocal f = " + function) == message % 3
    nested = (b"local a, b = 'text', 1.5\nlocal function first(x) return x, true, nil, 'y' end\n"
              b"local function second() return function() return a, b,\n" + function + b" end end\nreturn second")
    assert outcome(state, nested) == message % 4
    assert state.run(b"return loadstring((...), '=made')", b"return " + function) == [None, (message % 1).replace(b"test", b"made")]
    assert state.run(b"return (function(" + parameters(count) + b") return p1 end)(1, 2)") == [2.0]     # without ...
    state.run(b"local text = '...' return function(" + parameters(count) + b") return text end")


def test_vararg_functions_at_every_height_of_the_stack(state: State) -> None:
    """Their frames are up to 32 slots longer than Lua makes sure of; a sanitizer build would tell."""
    code = (b"local function f(n, %b, ...) if n == 0 then return select('#', ...) end return (f(n - 1, %b, ...)) + 0 end "
            b"return f(3000, ...)" % (parameters(15), parameters(15)))
    for extra in range(40):
        assert state.run(code, *range(15 + extra)) == [extra]


def test_chunks_of_256_mib_are_refused() -> None:
    """CVE-2025-46819: lengths and lines are ints."""
    state = State(sealed=True)
    assert outcome(state, b" " * (256 << 20)) == b"chunk is too large"
    gc.collect()
    code = b"local piece = string.rep(' ', 2^24) local calls = 0 return load(function() calls = calls + 1 return piece end), calls"
    assert state.run(code)[0] is None


def test_long_strings_with_many_signs(state: State) -> None:
    signs = b"=" * 100_000
    assert state.run(b"return [" + signs + b"[x]" + signs + b"]") == [b"x"]
    assert outcome(state, b"return [" + signs).startswith(b"test:1: invalid long string delimiter near ")


def test_syntax_is_nested_200_deep_at_most(state: State) -> None:
    for opened in (b"(", b"{", b"function() return ", b"- ", b"a(", b"'x' .. "):
        message = outcome(state, b"return " + opened * 100_000)
        assert isinstance(message, bytes) and b"has too many syntax levels" in message, opened


# What functions are given.

@pytest.mark.parametrize("arguments", [b"0, 2147483647", b"-2147483648, 2147483647", b"1, 1e6", b"-1e6, 1", b"2147483647 - 8000"
                                       b", 2147483647"])
def test_unpack_of_ranges_that_overflow(state: State, arguments: bytes) -> None:
    """CVE-2025-46817."""
    assert outcome(state, b"return unpack({}, " + arguments + b")") == b"test:1: too many results to unpack"


def test_unpack_at_the_ends_of_the_range(state: State) -> None:
    assert state.run(b"return unpack({}, 2147483646, 2147483647)") == [None, None]
    assert state.run(b"return select('#', unpack({}, -2147483648, -2147483640))") == [9.0]


@pytest.mark.parametrize("item", [b"a?", b"a*", b"a-", b"(a", b"()", b"[%]]?", b"%a?"])
@pytest.mark.parametrize("call", [b"string.find(s, p)", b"string.match(s, p)", b"string.gsub(s, p, '')", b"string.gmatch(s, p)()",
                                  b"s:find(p, 1, false)"])
def test_patterns_that_recurse_deep_are_refused(state: State, call: bytes, item: bytes) -> None:
    """Valkey 8.1.7 ends there."""
    code = b"local s, p = string.rep('a', 400000), string.rep('" + item + b"', 400000) return " + call
    assert outcome(state, code) == b"test:1: pattern too complex"


def test_patterns_that_are_only_long(state: State) -> None:
    assert state.run(b"local s = string.rep('ab', 50000) return s:find(s)") == [1.0, 100_000.0]
    assert state.run(b"local s = string.rep('-', 50000) return s:find(string.rep('%-', 50000))") == [1.0, 50_000.0]
    assert state.run(b"local s = string.rep('?', 50000) return s:find(s, 1, true)") == [1.0, 50_000.0]
    assert state.run(b"local s = string.rep('*', 50000) return s:find(string.rep('[*?]', 50000))") == [1.0, 50_000.0]
    assert state.run(b"return (string.rep('a', 200):gsub(string.rep('a?', 200), 'x'))") == [b"xx"]


@pytest.mark.parametrize("pattern", [b"[", b"[^", b"[]", b"[%", b"%", b"[a", b"[^]"])
def test_patterns_that_end_in_the_middle(state: State, pattern: bytes) -> None:
    message = outcome(state, b"return ('" + b"x" * 300 + b"'):find('" + b"x" * 300 + pattern + b"')")
    assert isinstance(message, bytes) and b"malformed pattern" in message


def test_counts_of_nothing(state: State) -> None:
    """Valkey 8.1.7 counts for minutes in the last of these."""
    began = time.monotonic()
    assert state.run(b"return string.rep('', 2147483647), (''):rep(2^31 - 1), string.rep('x', -1), "
                     b"string.rep('x', 2^32)") == [b""] * 4
    message = outcome(state, b"table.insert({}, -2147483648, 1)")
    assert message == b"test:1: bad argument #2 to 'insert' (position out of bounds)"
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("count", [1, 2, 3, 100, 65536, 65537, 300_001])
def test_rep(state: State, count: int) -> None:
    assert state.run(b"return string.rep('abc', ...)", count) == [b"abc" * count]


def test_nested_gsub_meets_the_limit_of_c_calls(state: State) -> None:
    code = b"local function f(s) return (string.gsub(s, '.', f)) end return f('x')"
    message = outcome(state, code)
    assert isinstance(message, bytes) and message.endswith(b"C stack overflow")


@pytest.mark.parametrize("code", [
    b"local function f() return pcall(f) end return f()",
    b"local function f() return xpcall(f, f) end return f()",
    b"local f f = function() return coroutine.wrap(f)() end return f()",
    b"local f f = function() return coroutine.resume(coroutine.create(f)) end return f()",
    b"local f f = function() return load(f) end return f()",
    b"local t = {} setmetatable(t, {__index = function(_, k) return t[k + 1] end}) return t[1]",
    b"local t = setmetatable({}, {}) getmetatable(t).__index = t return t.x",
    b"local t = setmetatable({}, {}) getmetatable(t).__newindex = t t.x = 1",
    b"local function f(a, b) table.sort({3, 1, 2}, f) return a < b end table.sort({3, 1, 2}, f)",
    b"local function f() table.foreach({1}, f) end f()",
    b"local function f() return 1 + f() end return f()",
    b"local s = '' for i = 1, 7999 do s = s .. ',0' end return loadstring('return ' .. string.sub(s, 2))()",
    b"return string.format(string.rep('%99.99f', 1000), unpack({}, 1, 1000))",
    b"return table.concat(setmetatable({}, {__index = function() return 'x' end}), ',', 1, 10)",
    b"return string.gsub('x', 'x', setmetatable({}, {__index = error}))",
    b"local t = {} for i = 1, 100 do t[i] = i end return table.sort(t, function() return true end)",
])
def test_what_goes_too_deep_ends_as_an_error_or_a_value(state: State, code: bytes) -> None:
    outcome(state, code)
    assert state.run(b"return 1") == [1.0]


def test_errors_that_are_hostile_tables(state: State) -> None:
    """Valkey 8.1.7 ends when it looks at such an error. pcall looks with the script's own rights: what is raised then is the
    script's error."""
    hostile = b"error(setmetatable({}, {__index = function() error('x') end}))"
    assert outcome(state, b"pcall(function() " + hostile + b" end)") == b"test:1: x"
    assert state.run(b"return (xpcall(function() " + hostile + b" end, type))") == [False]


# What reaches out of the state.

def test_what_is_not_there(state: State) -> None:
    """CVE-2022-0543, CVE-2022-24735, CVE-2024-46981."""
    for name in (b"package", b"require", b"module", b"io", b"debug", b"dofile", b"loadfile", b"print", b"getfenv", b"setfenv",
                 b"newproxy"):
        assert state.run(b"return rawget(_G, ...)", name) == [None]
        assert outcome(state, b"return " + name) == b"test:1: Script attempted to access nonexistent global variable '%b'" % name
    assert set(state.run(b"local names = {} for name in pairs(os) do names[name] = true end return names")[0]) == {b"clock"}


def test_a_body_can_not_close_its_wrapper(state: State) -> None:
    """CVE-2022-24736: there is none."""
    assert outcome(state, b"return 1 end print('x') do") == b"test:1: '<eof>' expected near 'end'"


def test_what_lua_enable_insecure_api_brings() -> None:
    state = State(sealed=True, insecure=True)
    assert state.run(b"return type(getfenv), type(setfenv), type(newproxy)") == [b"function"] * 3
    assert state.run(b"return getfenv() == _G, getfenv(0) == _G, getfenv(string.len) == _G") == [True] * 3
    assert state.run(b"local f = setfenv(function() return x end, {x = 5}) return f()") == [5.0]
    assert state.run(b"setfenv(1, {}) return x") == [None]
    assert state.run(b"return rawget(_G, 'print')") == [None]
    for level in (b"0", b"'0'", b"0.0"):
        message = outcome(state, b"setfenv(" + level + b", {})")
        assert message == b"test:1: 'setfenv' cannot change environment of given object"
    assert outcome(state, b"getfenv().x = 1") == b"test:1: Attempt to modify a readonly table"
    assert outcome(state, b"getfenv(0).string.len = 1") == b"test:1: Attempt to modify a readonly table"


def test_collectors_of_a_state_that_ends() -> None:
    """CVE-2024-46981: a collector's function runs while the state is whole, whatever it does."""
    for body in (b"error('x')", b"local t = {} for i = 1, 1000 do t[i] = newproxy(true) end", b"coroutine.wrap(function() end)()",
                 b"getmetatable(newproxy(true)).__gc = function() end", b"string.rep('x', 1e6)"):
        state = State(sealed=True, insecure=True)
        state.run(b"for i = 1, 10 do local proxy = newproxy(true) getmetatable(proxy).__gc = function(it) " + body + b" end end")
        del state
        gc.collect()


# Killing.

LOOPS = [
    b"while true do end",
    b"while true do pcall(function() while true do end end) end",
    b"while true do pcall(pcall, function() while true do end end) end",
    b"while true do xpcall(function() while true do end end, function() end) end",
    b"xpcall(error, function() while true do end end)",
    b"while true do xpcall(error, function() while true do end end) end",
    b"while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
    b"while true do pcall(coroutine.wrap(function() while true do end end)) end",
    b"while true do load(function() while true do end end) end",
    b"while true do load(function() return ' ' end) end",
    b"while true do pcall(string.gsub, 'x', 'x', function() while true do end end) end",
    b"while true do pcall(table.sort, {1, 2, 3}, function() while true do end end) end",
    b"local t = setmetatable({}, {__index = function() while true do end end}) while true do pcall(function() return t.x end) end",
    b"local t = setmetatable({}, {__tostring = function() while true do end end}) while true do pcall(tostring, t) end",
    b"while true do pcall(error, setmetatable({}, {__index = function() while true do end end})) end",
    b"local function f() pcall(f) while true do pcall(f) end end f()",
    b"local function f() xpcall(f, f) end while true do f() end",
]


@pytest.mark.parametrize("loop", LOOPS)
def test_nothing_goes_on_once_it_is_killed(state: State, loop: bytes) -> None:
    began = time.monotonic()
    state.kill_after(100_000)
    assert outcome(state, loop) == b"killed"
    assert time.monotonic() - began < 5
    state.kill_after(0)
    assert state.run(b"return pcall(error, 'x', 0)") == [False, b"x"]


@pytest.mark.parametrize("make", [b"coroutine.wrap(loop)", b"(function() local it = coroutine.create(loop) return function() "
                                  b"return coroutine.resume(it) end end)()"])
def test_a_coroutine_of_an_earlier_run_is_killed(make: bytes) -> None:
    """Functions may keep one from when they were loaded: it had no hook then."""
    state = State()                             # not sealed: it is kept in a global
    state.run(b"local function loop() coroutine.yield() while true do end end kept = " + make + b" kept()")
    state.kill_after(100_000)
    assert outcome(state, b"while true do pcall(kept) end") == b"killed"


def test_a_kill_ends_coroutines_in_coroutines(state: State) -> None:
    state.kill_after(100_000)
    code = (b"local function nest(n) if n == 0 then while true do end end "
            b"while true do coroutine.resume(coroutine.create(nest), n - 1) end end nest(20)")
    assert outcome(state, code) == b"killed"


@pytest.mark.parametrize("reader", [b"collectgarbage", b"function() return ' ' end",
                                    b"coroutine.wrap(function() while true do coroutine.yield(' ') end end)"])
def test_a_reader_that_never_ends_is_killed(state: State, reader: bytes) -> None:
    """Where it is no Lua, it executes no instruction that is counted: Valkey 8.1.7 hangs in load(collectgarbage)."""
    state.kill_after(1000)
    assert outcome(state, b"pcall(load, " + reader + b") return 'it goes on'") == b"killed"


# Memory.

@pytest.mark.parametrize("code", [
    b"string.rep('x', 1e8)", b"string.rep('abc', 1e6)", b"('x'):rep(2^31 - 1)",
    b"local t = {} for i = 1, 1e6 do t[i] = 'x' end", b"local s = string.rep('x', 4e5) table.concat({s, s, s, s})",
    b"struct.pack(string.rep('c0', 10), unpack({}))", b"local s = string.rep('x', 4e5) struct.pack('c0c0c0', s, s, s)",
    b"local s = string.rep('x', 4e5) return s .. s .. s", b"local s = string.rep('x', 9e5) return s:upper()",
    b"local s = string.rep('x', 9e5) return s:reverse()", b"local s = string.rep('x', 5e5) return s:gsub('x', 'xx')",
    b"local s = string.rep('x', 5e5) return string.format('%s%s%s', s, s, s)",
    b"local s = string.rep('\\0', 5e5) return ('%q'):format(s)",
    b"assert(load(function() return string.rep(' ', 1e5) end))", b"loadstring(string.rep('local x = {} ', 1e5))",
    b"local function f() f() return 1 end f()", b"local t = {} while true do t = {t} end",
    b"local t = {} while true do t[#t + 1] = coroutine.create(function() end) end",
    b"local t = {} while true do t[#t + 1] = function() return t end end",
    b"local t = {} for i = 1, 1e9 do t[i] = struct.pack('dd', i, i) end",
    b"local t = {} for i = 1, 1e9 do t[i] = bit.tohex(i) .. i end",
    b"local t = {} for i = 1, 1e9 do t[i] = loadstring('return ' .. i) end",
    b"local t = {} for i = 1, 1e9 do t[i] = load(string.gmatch('x', 'y')) end",
    b"string.gsub(string.rep('x', 1e5), '', string.rep('y', 1e4))",
    b"return unpack({}, 1, 7900), string.byte(string.rep('x', 1e6), 1, -1)",
])
def test_memory_is_limited_in_all_that_builds(code: bytes) -> None:
    state = State(limit=1 << 20, sealed=True)
    message = outcome(state, code)
    assert isinstance(message, bytes), message
    assert b"not enough memory" in message or code.startswith((b"local function f()", b"struct.pack(", b"return unpack"))
    assert state.used <= 1 << 20
    assert state.run(b"return string.rep('x', 1000)") == [b"x" * 1000]


def test_catching_the_end_of_memory_gives_it_no_more() -> None:
    state = State(limit=1 << 20, sealed=True)
    code = (b"local t, failed = {}, 0 local function add(i) t[#t + 1] = string.rep('x', 1000) .. i end "
            b"for i = 1, 1e5 do if not pcall(add, i) then failed = failed + 1 end end return failed")
    assert state.run(code)[0] > 90_000
    assert state.used <= 1 << 20


@unsanitized
def test_a_script_that_asks_for_more_than_there_is_does_not_end_the_process() -> None:
    """The system refuses: 1 GiB of addresses for it all."""
    code = ("from kv._core.testing.lua import State; from tests.unit.lua_peer import outcome; state = State(sealed=True)\n"
            "for code in (b\"string.rep('x', 2^31 - 1)\", b\"local s = string.rep('x', 2^27) struct.pack(string.rep('c0', 20), "
            "s, s, s, s, s, s, s, s, s, s)\","
            "b\"local s = string.rep('x', 2^27) return s .. s .. s .. s .. s .. s\"):\n"
            "    assert outcome(state, code) == b'not enough memory', code\n"
            "assert state.run(b'return 1') == [1.0]")
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60,
                   preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30)))
