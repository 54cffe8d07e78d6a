"""script-memory-limit, what INFO and MEMORY STATS say of scripts, and the end of Lua states in another thread."""
from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from kv._core.engine.engine import Engine
from tests.commands.client import Client
from tests.commands.embedded import run

LIMIT = 2 << 20
NO_MEMORY = "not enough memory"


def figures(client: Client) -> dict[str, str]:
    text = client("INFO", "memory") + client("INFO", "stats")
    return dict(line.split(":", 1) for line in text.decode().splitlines() if ":" in line)


def number(client: Client, name: str) -> int:
    return int(figures(client)[name])


@pytest.fixture
def limited(client: Client) -> Iterator[Client]:
    client("SCRIPT", "FLUSH", "SYNC")
    client("FUNCTION", "FLUSH", "SYNC")
    client("CONFIG", "SET", "script-memory-limit", "2mb")
    yield client
    client("CONFIG", "SET", "script-memory-limit", 0)
    client("SCRIPT", "FLUSH", "SYNC")
    client("FUNCTION", "FLUSH", "SYNC")


def library(body: str, name: str = "lib") -> str:
    return f"#!lua name={name}\n{body}"


def function(body: str, name: str = "lib") -> str:
    return library(f"redis.register_function('{name}', function(KEYS, ARGV) {body} end)", name)


LARGE = ("redis.register_function('f', (function() local s = 'x' for i = 1, 19 do s = s .. s end "
         "return function() return #s end end)())")

# Everything that can take much, by what takes it.
TAKERS = {
    "tables": "local t = {} for i = 1, 1e7 do t[i] = i end",
    "strings": "local s = 'x' while true do s = s .. s end",
    "closures": "local t = {} while true do t[#t + 1] = function() return t end end",
    "coroutines": "local t = {} while true do t[#t + 1] = coroutine.create(function() end) end",
    "rep": "return string.rep('x', 3e6)",
    "concat": "local s = string.rep('x', 4e5) return table.concat({s, s, s, s, s, s})",
    "format": "local s = string.rep('x', 6e5) return string.format('%s%s%s%s', s, s, s, s)",
    "gsub": "return string.gsub(string.rep('x', 1e4), 'x', string.rep('y', 1e3))",
    "cjson.encode": "local s = string.rep('x', 6e5) return cjson.encode({s, s, s, s})",
    "cjson.decode": "return cjson.decode('[' .. string.rep('[],', 5e4) .. '1]')",
    "cmsgpack.pack": "local s = string.rep('x', 6e5) return cmsgpack.pack({s, s, s, s})",
    "cmsgpack.unpack": r"return cmsgpack.unpack('\221\0\1\134\160' .. string.rep('\144', 1e5))",
    "struct.pack": "local s = string.rep('x', 6e5) return struct.pack('c0c0c0c0', s, s, s, s)",
    "one reply": "return redis.call('get', 'large')",
    "a reply of many": "return redis.call('lrange', 'many', 0, -1)",
    "an error": "error(string.rep('x', 3e6))",
    "load": "return loadstring(string.rep('local x = {} ', 1e5))",
    "the value": "local t = {} for i = 1, 19 do t = {t, t} end return t",
    "the value's strings": "local s, t = string.rep('x', 1e5), {} for i = 1, 100 do t[i] = s end return t",
    "the value's map": "redis.setresp(3) local t = {} for i = 1, 15 do t = {map={[1]=t, [2]=t, [3]=t}} end return t",
    "the value's set": "local s, t = string.rep('x', 1e5), {} for i = 1, 100 do t[s .. i] = true end return {set=t}",
}


@pytest.fixture
def data(limited: Client) -> Client:
    limited("SET", "large", "x" * 3_000_000)
    limited("RPUSH", "many", *range(60_000))
    return limited


@pytest.mark.parametrize("body", TAKERS.values(), ids=TAKERS)
def test_what_takes_more_ends_with_an_error(data: Client, body: str) -> None:
    for call in (("EVAL", body, 0), ("FCALL", "lib", 0)):
        if call[0] == "FCALL":
            assert data("FUNCTION", "LOAD", function(body)) == b"lib"
        else:
            data("EVAL", "return 1", 0)
        before = number(data, "used_memory")
        reply = data(*call)
        assert isinstance(reply, str) and reply.startswith("ERR ") and NO_MEMORY in reply, reply
        if reply.startswith("ERR Error running script"):
            assert reply.endswith(", " + NO_MEMORY)
        state = number(data, "used_memory_vm_eval" if call[0] == "EVAL" else "used_memory_vm_functions")
        assert 20_000 < state < 1 << 20, "what it took is there no more"
        assert number(data, "used_memory") < before + (2 << 20)
        assert data("EVAL", "return #string.rep('x', 500000)", 0) == 500_000


def test_a_script_may_catch_it(limited: Client) -> None:
    body = "local ok, text = pcall(string.rep, 'x', 3e6) return {tostring(ok), text}"
    assert limited("EVAL", body, 0) == [b"false", NO_MEMORY.encode()]


def test_it_is_said_as_valkey_says_what_ends_a_script(limited: Client) -> None:
    digest = limited("SCRIPT", "LOAD", "local t = {} for i = 1, 1e7 do t[i] = i end").decode()
    assert limited("EVALSHA", digest, 0) == f"ERR Error running script {digest}, not enough memory"
    limited("FUNCTION", "LOAD", function("local t = {} for i = 1, 1e7 do t[i] = i end"))
    assert limited("FCALL", "lib", 0) == "ERR Error running script lib, not enough memory"


def test_keys_and_arguments_count(limited: Client) -> None:
    digest = limited("SCRIPT", "LOAD", "return #ARGV[1]").decode()
    assert limited("EVALSHA", digest, 0, "x" * 100_000) == 100_000
    assert limited("EVALSHA", digest, 0, "x" * 3_000_000) == f"ERR Error running script {digest}, not enough memory"
    assert limited("EVALSHA", digest, 0, "x" * 100_000) == 100_000


def test_a_script_that_is_too_long(limited: Client) -> None:
    assert limited("EVAL", "x = {} " * 100_000, 0) == "ERR Error compiling script (new function): not enough memory"
    assert limited("SCRIPT", "LOAD", "return '" + "x" * 3_000_000 + "'") == (
        "ERR Error compiling script (new function): not enough memory")
    assert limited("EVAL", "return 7", 0) == 7


def test_what_was_written_before_stays(limited: Client) -> None:
    """As for any other error."""
    assert NO_MEMORY in limited("EVAL", "redis.call('set', 'written', 1) return string.rep('x', 3e6)", 0)
    assert limited("GET", "written") == b"1"


def test_runs_that_leave_much_do_not_fail_the_next(limited: Client) -> None:
    """Each leaves half of the memory; without the collector's help every other would fail."""
    for _ in range(20):
        assert limited("EVAL", "return #string.rep('x', 900000)", 0) == 900_000
        limited("FUNCTION", "LOAD", "REPLACE", function("return #string.rep('x', 900000)"))
        assert limited("FCALL", "lib", 0) == 900_000


def test_scripts_that_are_kept_make_room(limited: Client) -> None:
    """Of those that only EVAL brought the oldest are forgotten; what SCRIPT LOAD brought stays."""
    digest = limited("SCRIPT", "LOAD", "return 'kept'").decode()
    limited("CONFIG", "RESETSTAT")
    text = "local t = {" + "'x', " * 1000 + "} return "
    for i in range(300):
        assert limited("EVAL", text + str(i), 0) == i
    assert 0 < number(limited, "evicted_scripts") < 300
    assert number(limited, "used_memory_vm_eval") < LIMIT
    assert limited("EVALSHA", digest, 0) == b"kept"
    assert limited("EVAL", "return #string.rep('x', 400000)", 0) == 400_000


def test_a_library_that_takes_more_is_not_loaded(limited: Client) -> None:
    limited("FUNCTION", "LOAD", function("return 'old'"))
    takes = ("redis.register_function('lib', function() return 'new' end) redis.register_function('more', function() end) "
             "local s = {} ")
    for end in ("for i = 1, 1e7 do s[i] = i end", "s = 'x' while true do s = s .. s end", "while true do s = {s} end"):
        reply = limited("FUNCTION", "LOAD", "REPLACE", library(takes + end))
        assert reply == "ERR Error registering functions: ERR not enough memory"
    assert limited("FUNCTION", "LOAD", "REPLACE", library("x = {} " * 100_000)) == "ERR Error compiling function: not enough memory"
    assert limited("FCALL", "lib", 0) == b"old"
    assert limited("FCALL", "more", 0) == "ERR Function not found"
    assert 20_000 < number(limited, "used_memory_vm_functions") < 1 << 20
    assert limited("FUNCTION", "LOAD", "REPLACE", function("return 'new'")) == b"lib"
    assert limited("FCALL", "lib", 0) == b"new"


def test_restore_takes_all_or_nothing(limited: Client) -> None:
    limited("CONFIG", "SET", "script-memory-limit", 0)
    for i in range(5):
        limited("FUNCTION", "LOAD", library(LARGE.replace("'f'", f"'f{i}'").replace("'x'", f"'{i}'"), f"lib{i}"))
    payload = limited("FUNCTION", "DUMP")
    limited("FUNCTION", "FLUSH", "SYNC")
    limited("FUNCTION", "LOAD", function("return 'old'"))
    limited("CONFIG", "SET", "script-memory-limit", LIMIT)
    for policy in ("APPEND", "REPLACE", "FLUSH"):
        reply = limited("FUNCTION", "RESTORE", payload, policy)
        assert NO_MEMORY in reply, reply
        assert limited("FUNCTION", "STATS")[3] == [b"LUA", [b"libraries_count", 1, b"functions_count", 1]] \
            if limited.resp == 2 else limited("FUNCTION", "STATS")[b"engines"][b"LUA"][b"libraries_count"] == 1
        assert limited("FCALL", "lib", 0) == b"old"
    limited("CONFIG", "SET", "script-memory-limit", 0)
    assert limited("FUNCTION", "RESTORE", payload) == "OK"
    assert limited("FCALL", "f4", 0) == 1 << 19


def test_functions_that_gather_reach_their_end(limited: Client) -> None:
    """What a library keeps stays until it is deleted; the server and EVAL's scripts do not mind."""
    limited("FUNCTION", "LOAD", library("local kept = {} redis.register_function('keep', function() "
                                        "kept[#kept + 1] = string.rep('x', 100000) .. #kept return #kept end)"))
    replies = [limited("FCALL", "keep", 0) for _ in range(40)]
    assert replies[:10] == list(range(1, 11)) and NO_MEMORY in replies[-1]
    assert limited("EVAL", "return 1", 0) == 1
    assert limited("FUNCTION", "DELETE", "lib") == "OK"
    assert limited("FUNCTION", "LOAD", function("return #string.rep('x', 800000)")) == b"lib"
    assert limited("FCALL", "lib", 0) == 800_000


def test_the_limit_may_be_changed_at_any_time(limited: Client) -> None:
    body = "return #string.rep('x', 5000000)"
    assert NO_MEMORY in limited("EVAL", body, 0)
    limited("CONFIG", "SET", "script-memory-limit", "20mb")
    assert limited("EVAL", body, 0) == 5_000_000
    limited("CONFIG", "SET", "script-memory-limit", "1")         # less than the state itself takes
    assert limited("EVAL", "return 1", 0) == "ERR Error compiling script (new function): not enough memory"
    assert limited("FUNCTION", "LOAD", function("return 1")).endswith(NO_MEMORY)
    assert limited("CONFIG", "GET", "script-memory-limit") in ([b"script-memory-limit", b"1"], {b"script-memory-limit": b"1"})
    limited("CONFIG", "SET", "script-memory-limit", 0)
    assert limited("EVAL", body, 0) == 5_000_000
    assert limited("CONFIG", "SET", "script-memory-limit", "-1").startswith("ERR CONFIG SET failed")


def test_buffers_of_large_replies_are_given_back(client: Client) -> None:
    """Without a limit, too."""
    client("SET", "large", "x" * 20_000_000)
    client("EVAL", "return 1", 0)
    before = number(client, "used_memory")
    assert client("EVAL", "return #redis.call('get', 'large')", 0) == 20_000_000
    assert client("EVAL", "return #cjson.encode(redis.call('get', 'large'))", 0) == 20_000_002
    assert number(client, "used_memory") < before + (3 << 20)
    client("SCRIPT", "FLUSH", "SYNC")


def test_what_a_file_brings_is_loaded_whatever_it_takes(limited: Client) -> None:
    """A server whose limit was lowered has its functions when it starts again, though they may find no memory."""
    limited("FUNCTION", "LOAD", library(LARGE))
    limited("CONFIG", "SET", "script-memory-limit", 300_000)
    assert limited("FUNCTION", "LOAD", "REPLACE", library(LARGE)) == "ERR Error registering functions: ERR not enough memory"
    assert limited("DEBUG", "RELOAD") == "OK"
    assert limited("FUNCTION", "LOAD", "REPLACE", library(LARGE)) == "ERR Error registering functions: ERR not enough memory"
    limited("CONFIG", "SET", "script-memory-limit", 0)
    assert limited("FCALL", "f", 0) == 1 << 19


def test_collectors_that_scripts_stop_run_again(client: Client) -> None:
    """collectgarbage() sets what the next script finds, too, as in Valkey, but not for long."""
    client("SCRIPT", "FLUSH", "SYNC")
    for _ in range(300):
        client("EVAL", "collectgarbage('stop') collectgarbage('setpause', 1e9) return #string.rep('x', 100000)", 0)
    assert number(client, "used_memory_vm_eval") < 20 << 20
    client("SCRIPT", "FLUSH", "SYNC")


# -- the end of states --------------------------------------------------------------------------------------------------

def eventually(client: Client, name: str, wanted: int) -> None:
    end = time.monotonic() + 20
    while number(client, name) != wanted:
        assert time.monotonic() < end, (name, number(client, name), wanted)
        time.sleep(0.01)


def fill(client: Client, count: int) -> None:
    for i in range(count):
        client("SCRIPT", "LOAD", f"return {i}")
    client("FUNCTION", "LOAD", "REPLACE", library("\n".join(
        f"redis.register_function('f{i}', function() return {i} end)" for i in range(count))))


@pytest.mark.parametrize("kind", ["SCRIPT", "FUNCTION"])
@pytest.mark.parametrize(("count", "mode", "freed"), [
    (65, ["ASYNC"], 65), (65, [], 65), (64, ["ASYNC"], 0), (65, ["SYNC"], 0)])
def test_flush_by_another_thread(client: Client, kind: str, count: int, mode: list[str], freed: int) -> None:
    """As in Valkey: where there are more than 64 scripts or functions, and lazyfree-lazy-user-flush says nothing else."""
    client("SCRIPT", "FLUSH", "SYNC")
    client("FUNCTION", "FLUSH", "SYNC")
    fill(client, count)
    client("CONFIG", "RESETSTAT")
    name = "used_memory_vm_eval" if kind == "SCRIPT" else "used_memory_vm_functions"
    assert number(client, name) > 20_000
    assert client(kind, "FLUSH", *mode) == "OK"
    assert number(client, name) == 0, "another state is made when it is needed"
    eventually(client, "lazyfree_pending_objects", 0)
    assert number(client, "lazyfreed_objects") == freed
    fill(client, count)
    assert client("EVALSHA", client("SCRIPT", "LOAD", "return 5"), 0) == client("FCALL", "f5", 0) == 5
    client("SCRIPT", "FLUSH", "SYNC")
    client("FUNCTION", "FLUSH", "SYNC")


def test_flush_as_the_option_says(client: Client) -> None:
    client("CONFIG", "SET", "lazyfree-lazy-user-flush", "no")
    try:
        fill(client, 100)
        client("CONFIG", "RESETSTAT")
        assert client("SCRIPT", "FLUSH") == client("FUNCTION", "FLUSH") == "OK"
        assert number(client, "lazyfreed_objects") == 0
    finally:
        client("CONFIG", "SET", "lazyfree-lazy-user-flush", "yes")


def test_an_engine_ends_while_its_states_are_freed() -> None:
    for _ in range(20):
        engine = Engine(None, seed=1)
        run(engine, *[["SCRIPT", "LOAD", f"return {i}"] for i in range(100)], ["SCRIPT", "FLUSH", "ASYNC"], ["EVAL", "return 1", 0])
        del engine


# -- figures ------------------------------------------------------------------------------------------------------------

def stats(client: Client) -> dict[bytes, int]:
    found = client("MEMORY", "STATS")
    return found if isinstance(found, dict) else dict(zip(found[::2], found[1::2], strict=True))


def test_figures(client: Client) -> None:
    """What each counts is Valkey's: *_vm_* the interpreters, *_scripts_eval and *_functions what the server keeps beside them."""
    client("SCRIPT", "FLUSH", "SYNC")
    client("FUNCTION", "FLUSH", "SYNC")
    client("EVAL", "return 1", 0)
    before = figures(client)
    text = "return '" + "x" * 100_000 + "'"
    client("SCRIPT", "LOAD", text)
    client("FUNCTION", "LOAD", library(f"redis.register_function('f', function() {text} end) "
                                       "redis.register_function('g', function() end)"))
    after = figures(client)

    def grown(name: str) -> int:
        return int(after[name]) - int(before[name])

    assert (grown("number_of_cached_scripts"), grown("number_of_functions"), grown("number_of_libraries")) == (1, 2, 1)
    assert 100_000 < grown("used_memory_scripts_eval") < 120_000
    assert 100_000 < grown("used_memory_functions") < 120_000
    assert grown("used_memory_scripts") == grown("used_memory_scripts_eval") + grown("used_memory_functions")
    assert 100_000 < grown("used_memory_vm_eval") < 400_000
    assert 100_000 < int(after["used_memory_vm_functions"]) < 400_000
    assert int(after["used_memory_vm_total"]) == int(after["used_memory_vm_eval"]) + int(after["used_memory_vm_functions"])
    assert after["used_memory_lua"] == after["used_memory_vm_eval"]
    assert after["used_memory_lua_human"].endswith("K") and after["used_memory_vm_total_human"].endswith("K")
    assert 200_000 < grown("used_memory") < 500_000, "the scripts are in it, the interpreters are not"
    assert stats(client)[b"lua.caches"] == int(after["used_memory_scripts_eval"])
    assert stats(client)[b"functions.caches"] == int(after["used_memory_functions"])
    client("SCRIPT", "FLUSH", "SYNC")
    client("FUNCTION", "FLUSH", "SYNC")
    empty = figures(client)
    names = ["number_of_cached_scripts", "number_of_functions", "number_of_libraries", "used_memory_vm_total"]
    assert [empty[name] for name in names] == ["0"] * 4


def test_replies_that_nest_deep_are_values_of_python() -> None:
    """To take them apart does not recurse, in an embedding program either."""
    found = run(Engine(None, seed=1), ["EVAL", "local t = {7} for i = 1, 9000 do t = {t} end return t", 0])[0]
    depth = 0
    while isinstance(found, list):
        found, depth = found[0], depth + 1
    assert depth > 1000 and str(found) == "ERR reached lua stack limit"
