"""FCALL and FUNCTION: what a library may be, what it finds while it is loaded and when it runs, and every error. The replies are
those of Valkey 8.1.7."""
from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from kv._core.engine.engine import Engine
from kv._core.runtime.call import ReplyError
from kv._core.testing.base import crc_crc64
from tests.commands.client import Client, Failure
from tests.commands.embedded import Embedded, rewritten

F1 = "redis.register_function('f1', function(keys, args) return 1 end)"
NAMES = "can only contain letters, numbers, or underscores(_) and must be at least one character long"
REGISTERING = "ERR Error registering functions: ERR "
AT = REGISTERING + "user_function:2: "
MISSING = "Script attempted to access nonexistent global variable "
READONLY = "Attempt to modify a readonly table"


@pytest.fixture
def functions(client: Client) -> Iterator[Client]:
    client("FUNCTION", "FLUSH")
    yield client
    client("FUNCTION", "FLUSH")


def library(name: str, *names: str, body: str = "return 1", flags: str = "") -> str:
    """The code of a library whose functions all do the same."""
    return f"#!lua name={name}\n" + "".join(
        [f"redis.register_function{{function_name='{one}', callback=function(keys, args) {body} end, flags={{{flags}}}}}\n"
         for one in names])


# -- the first line ---------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("first", "reply"), [
    ("#!lua name=lib", b"lib"),
    ("#!LUA name=lib", b"lib"),
    ("#!lua NAME=lib", b"lib"),
    ('#!lua name="lib"', b"lib"),
    ("#! lua name=lib", "ERR Invalid metadata value given: lua"),
    ("#!lua name=lib x=1", "ERR Invalid metadata value given: x=1"),
    ("#!lua name=lib word", "ERR Invalid metadata value given: word"),
    ("#!lua name=lib name=other", "ERR Invalid metadata value, name argument was given multiple times"),
    ("#!lua", "ERR Library name was not given"),
    ("#!", "ERR Library name was not given"),
    ('#!lua name="lib', "ERR Invalid library metadata"),
    ('#!lua name="a b"', f"ERR Library names {NAMES}"),
    ("#!lua name=''", f"ERR Library names {NAMES}"),
    ("#!lua name=a-b", f"ERR Library names {NAMES}"),
    ("#!lua name=ä", f"ERR Library names {NAMES}"),
    ("#!python name=lib", "ERR Engine 'python' not found"),
    ("#! name=lib", "ERR Engine '' not found"),
    ("#!python name=a-b", f"ERR Library names {NAMES}"),
    ("", "ERR Missing library metadata"),
    ("#lua name=lib", "ERR Missing library metadata"),
])
def test_the_first_line(functions: Client, first: str, reply: object) -> None:
    assert functions("FUNCTION", "LOAD", f"{first}\n{F1}") == reply
    assert len(functions("FUNCTION", "LIST")) == isinstance(reply, bytes)


@pytest.mark.parametrize(("words", "reply"), [
    (["#!lua name=lib"], "ERR Invalid library metadata"),
    (["#!"], "ERR Invalid library metadata"),
    (["#!\n"], "ERR Library name was not given"),
    (["x"], "ERR Missing library metadata"),
    ([""], "ERR Missing library metadata"),
    (["REPLACE"], "ERR Missing library metadata"),
    (["replace", "REPLACE", f"#!lua name=lib\n{F1}"], b"lib"),
    (["x", f"#!lua name=lib\n{F1}"], "ERR Unknown option given: x"),
    (["REPLACE", "x", f"#!lua name=lib\n{F1}"], "ERR Unknown option given: x"),
    (["#!lua name=lib\n\x1bLua"], "ERR Error compiling function: user_function:2: unexpected symbol near 'char(27)'"),
    ([], "ERR wrong number of arguments for 'function|load' command"),
])
def test_words_of_load(functions: Client, words: list[str], reply: object) -> None:
    assert functions("FUNCTION", "LOAD", *words) == reply


def test_code_is_read_up_to_a_nul_byte(functions: Client) -> None:
    code = f"#!lua name=lib\n{F1}\0 no Lua".encode()
    assert functions("FUNCTION", "LOAD", code) == b"lib" and functions("FCALL", "f1", 0) == 1
    assert as_dict(functions("FUNCTION", "LIST", "WITHCODE")[0])[b"library_code"] == code


# -- what code may do while it is loaded ------------------------------------------------------------------------------

@pytest.mark.parametrize(("code", "reply"), [
    ("bad code", "ERR Error compiling function: user_function:2: '=' expected near 'code'"),
    ("a = 1", AT + READONLY),
    ("redis.x = 1", AT + READONLY),
    ("server.register_function = 1", AT + READONLY),
    ("local x = nil; x()", AT + "attempt to call local 'x' (a nil value)"),
    ("return 1", "ERR No functions registered"),
    ("return x", AT + MISSING + "'x'"),
    *[(f"{name}()", AT + MISSING + f"'{name}'") for name in (
        "error", "pcall", "print", "getmetatable", "loadstring", "pairs", "setfenv", "tostring", "unpack")],
    *[(f"{name}.x()", AT + MISSING + f"'{name}'") for name in ("math", "string", "os", "_G", "cjson", "KEYS")],
    *[(f"redis.{name}()", AT + MISSING + f"'{name}'") for name in (
        "call", "pcall", "setresp", "set_repl", "acl_check_cmd", "sha1hex", "error_reply", "redis", "math")],
    ("while true do end", REGISTERING + "FUNCTION LOAD timeout"),
    ("redis.log(redis.LOG_DEBUG, 'a line')", "ERR No functions registered"),
    ("redis.log(1)", REGISTERING + "server.log() requires two arguments or more."),
    ("redis.log('x', 'y')", REGISTERING + "First argument must be a number (log level)."),
    ("redis.log(9, 'y')", REGISTERING + "Invalid log level."),
    ("redis.register_function(redis.SERVER_NAME .. redis.REDIS_VERSION_NUM .. '_' .. server.VALKEY_VERSION_NUM,"
     "function() end)", b"lib"),
])
def test_what_is_there_while_loading(functions: Client, code: str, reply: object) -> None:
    functions("FUNCTION", "LOAD", library("lib", "before"))
    assert functions("FUNCTION", "LOAD", "REPLACE", f"#!lua name=lib\n{code}") == reply
    assert functions("FCALL", "before", 0) == (1 if isinstance(reply, str) else "ERR Function not found")


@pytest.mark.parametrize(("arguments", "complaint"), [
    ("", "wrong number of arguments to server.register_function"),
    ("'f', function() end, 3", "wrong number of arguments to server.register_function"),
    ("'f'", "calling server.register_function with a single argument is only applicable to Lua table (representing named "
            "arguments)."),
    ("'f', 'x'", "second argument to server.register_function must be a function"),
    ("nil, function() end", "first argument to server.register_function must be a string"),
    ("{}", "server.register_function must get a function name argument"),
    ("{callback=function() end}", "server.register_function must get a function name argument"),
    ("{function_name='f'}", "server.register_function must get a callback argument"),
    ("{1, 2}", "unknown argument given to server.register_function"),
    ("{function_name='f', callback=function() end, more=1}", "unknown argument given to server.register_function"),
    ("{[true]=2}", "named argument key given to server.register_function is not a string"),
    ("{function_name={}}", "function_name argument given to server.register_function must be a string"),
    ("{callback='f'}", "callback argument given to server.register_function must be a function"),
    ("{description={}}", "description argument given to server.register_function must be a string"),
    ("{flags='no-writes'}", "flags argument to server.register_function must be a table representing function flags"),
    ("{flags={'x'}}", "unknown flag given"),
    ("{flags={{}}}", "unknown flag given"),
    ("{flags={1}}", "unknown flag given"),
    ("{flags={'no-writes', 'no-writes '}}", "unknown flag given"),
])
def test_arguments_of_register_function(functions: Client, arguments: str, complaint: str) -> None:
    code = f"#!lua name=lib\n{F1}\nredis.register_function({arguments})"
    assert functions("FUNCTION", "LOAD", code) == REGISTERING + complaint
    assert functions("FUNCTION", "LIST") == [] and functions("FCALL", "f1", 0) == "ERR Function not found"


@pytest.mark.parametrize(("name", "reply"), [
    ("'f-1'", f"ERR Function names {NAMES}"),
    ("''", f"ERR Function names {NAMES}"),
    ("'f\\0'", f"ERR Function names {NAMES}"),
    ("'f1'", "ERR Function already exists in the library"),
    ("'F1'", "ERR Function already exists in the library"),     # Valkey takes it, and ends when the library is deleted
    ("12", b"lib"),
    ("('x'):rep(300)", b"lib"),
])
def test_names_of_functions(functions: Client, name: str, reply: object) -> None:
    code = f"#!lua name=lib\nredis.register_function({name}, function() return 2 end)\n{F1}"
    assert functions("FUNCTION", "LOAD", code) == reply
    if reply == b"lib":
        assert functions("FCALL", "x" * 300 if "rep" in name else "12", 0) == 2
        assert functions("FUNCTION", "DELETE", "lib") == "OK"


def test_functions_are_found_in_any_case_and_libraries_are_not(functions: Client) -> None:
    assert functions("FUNCTION", "LOAD", library("lib", "Func")) == b"lib"
    assert functions("FCALL", "fUNC", 0) == functions("FCALL", "Func", 0) == 1
    assert functions("FUNCTION", "LOAD", library("LIB", "other")) == b"LIB"
    assert functions("FUNCTION", "LOAD", library("third", "FUNC")) == "ERR Function FUNC already exists"
    assert functions("FUNCTION", "DELETE", "Lib") == "ERR Library not found"
    assert functions("FUNCTION", "DELETE", "LIB") == "OK" and functions("FCALL", "func", 0) == 1


def test_all_or_nothing(functions: Client) -> None:
    functions("FUNCTION", "LOAD", library("one", "a", "b"))
    functions("FUNCTION", "LOAD", library("two", "c"))
    before = functions("FUNCTION", "LIST", "WITHCODE")
    assert functions("FUNCTION", "LOAD", library("one", "d")) == "ERR Library 'one' already exists"
    assert functions("FUNCTION", "LOAD", "REPLACE", library("one", "d", "c")) == "ERR Function c already exists"
    assert functions("FUNCTION", "LOAD", library("three", "d", "B")) == "ERR Function B already exists"
    assert functions("FUNCTION", "LIST", "WITHCODE") == before
    assert [functions("FCALL", name, 0) for name in "abcd"] == [1, 1, 1, "ERR Function not found"]
    assert functions("FUNCTION", "LOAD", "REPLACE", library("one", "b", "d", body="return 2")) == b"one"
    assert [functions("FCALL", name, 0) for name in "abcd"] == ["ERR Function not found", 2, 1, 2]


def test_what_a_library_keeps_for_its_functions(functions: Client) -> None:
    code = """#!lua name=lib
        local count = 0
        local function add(n) count = count + n return count end
        redis.register_function('add', function(keys, args) return add(args[1]) end)
        redis.register_function('get', function() return count end)"""
    functions("FUNCTION", "LOAD", code)
    assert functions("FCALL", "add", 0, 3) == 3 and functions("FCALL", "add", 0, 4) == 7 and functions("FCALL", "get", 0) == 7


# -- what functions do ------------------------------------------------------------------------------------------------

HERE = " script: f, on @user_function:4."


@pytest.mark.parametrize(("body", "reply"), [
    ("return {keys[1], args[1], #keys, #args}", [b"k", b"v", 1, 1]),
    ("return redis.call('nope')", "ERR Unknown command called from script" + HERE),
    ("return redis.pcall('nope')", "ERR Unknown command called from script"),
    ("return redis.call('set', 'k')", "ERR Wrong number of args calling command from script" + HERE),
    ("return redis.call('fcall', 'f', 0)", "ERR This Redis command is not allowed from script" + HERE),
    ("return redis.call('function', 'list')", "ERR This Redis command is not allowed from script" + HERE),
    ("x = 1", "ERR user_function:4: " + READONLY + HERE),
    ("_G.x = 1", "ERR user_function:4: " + READONLY + HERE),
    ("rawset(_G, 'x', 1)", "ERR " + READONLY + HERE),
    ("setmetatable(_G, {})", "ERR " + READONLY + HERE),
    ("getmetatable(_G).__index = 1", "ERR user_function:4: " + READONLY + HERE),
    ("return x", "ERR user_function:4: " + MISSING + "'x'" + HERE),
    ("return KEYS", "ERR user_function:4: " + MISSING + "'KEYS'" + HERE),
    ("return __redis__err__handler", "ERR user_function:4: " + MISSING + "'__redis__err__handler'" + HERE),
    ("return redis.register_function", None),
    ("return redis.replicate_commands", None),
    ("return redis.breakpoint", None),
    ("redis.register_function('a', function() end)",
     "ERR user_function:4: attempt to call field 'register_function' (a nil value)" + HERE),
    ("register('a', function() end)", "ERR server.register_function can only be called on FUNCTION LOAD command" + HERE),
    ("loading.x = 1", "ERR user_function:4: " + READONLY + HERE),
    ("return loading.call", "ERR user_function:4: " + MISSING + "'call'" + HERE),
    ("return type(loading.log)", b"function"),
    ("error('boom')", "ERR user_function:4: boom" + HERE),
    ("error({err='MY boom'})", "MY boom" + HERE),
    ("error()", "ERR nil" + HERE),
    ("return {err='MY x'}", "MY x"),
    ("return redis.error_reply('MY x')", "MY x"),
    ("return redis.sha1hex('')", b"da39a3ee5e6b4b0d3255bfef95601890afd80709"),
    ("return string.format('%s', loadstring('return 1')())", b"1"),
    ("return 3.99", 3),
    ("return {1, 2, nil, 4}", [1, 2]),
])
def test_what_a_function_answers(functions: Client, body: str, reply: object) -> None:
    functions("FUNCTION", "LOAD", "#!lua name=lib\nlocal register, loading = redis.register_function, redis\n"
              f"redis.register_function('f', function(keys, args)\n{body}\nend)")
    assert functions("FCALL", "f", 1, "k", "v") == reply


def test_a_callback_that_is_no_lua(functions: Client) -> None:
    functions("FUNCTION", "LOAD", "#!lua name=lib\nlocal log = redis.log redis.register_function('f', log)")
    assert functions("FCALL", "f", 0) == "ERR First argument must be a number (log level)."


@pytest.mark.parametrize(("words", "reply"), [
    (("nope", 0), "ERR Function not found"),
    (("nope", "x"), "ERR Function not found"),
    (("f", "x"), "ERR Bad number of keys provided"),
    (("f", " 1", "k"), "ERR Bad number of keys provided"),
    (("f", "1.0", "k"), "ERR Bad number of keys provided"),
    (("f", ""), "ERR Bad number of keys provided"),
    (("f", 2, "k"), "ERR Number of keys can't be greater than number of args"),
    (("f", -1), "ERR Number of keys can't be negative"),
    (("f", 0), 1),
])
def test_words_of_fcall(functions: Client, words: tuple, reply: object) -> None:
    functions("FUNCTION", "LOAD", library("lib", "f", flags="'no-writes'"))
    assert functions("FCALL", *words) == functions("FCALL_RO", *words) == reply


def test_the_keys_of_fcall(functions: Client) -> None:
    assert functions("COMMAND", "GETKEYS", "FCALL", "f", 2, "x", "y", "z") == [b"x", b"y"]
    assert functions("COMMAND", "GETKEYS", "FCALL_RO", "f", 1, "x", "y") == [b"x"]


# -- flags ------------------------------------------------------------------------------------------------------------

SET, GET = "return redis.call('set', 'k', 1)", "return redis.call('get', 'k')"
NO_WRITES = "ERR Write commands are not allowed from read-only scripts. script: f, on @user_function:2."
NOT_RO = "ERR Can not execute a script with write flag using *_ro command."
OOM = "OOM command not allowed when used memory > 'maxmemory'."


@pytest.mark.parametrize(("flags", "body", "called", "read_only"), [
    ("", SET, "OK", NOT_RO),
    ("", GET, b"0", NOT_RO),
    ("'no-writes'", SET, NO_WRITES, NO_WRITES),
    ("'NO-Writes'", GET, b"0", b"0"),
    ("'allow-oom', 'allow-stale', 'no-cluster', 'allow-cross-slot-keys'", SET, "OK", NOT_RO),
])
def test_what_flags_allow(functions: Client, flags: str, body: str, called: object, read_only: object) -> None:
    functions("SET", "k", 0)
    functions("FUNCTION", "LOAD", library("lib", "f", body=body, flags=flags))
    assert functions("FCALL", "f", 0) == called
    functions("SET", "k", 0)
    assert functions("FCALL_RO", "f", 0) == read_only


@pytest.mark.parametrize(("flags", "body", "reply"), [
    ("", "return 1", OOM), ("'allow-oom'", SET, "OK"), ("'no-writes'", GET, b"0"), ("'allow-stale'", "return 1", OOM)])
def test_flags_without_memory(functions: Client, flags: str, body: str, reply: object) -> None:
    functions("SET", "k", 0)
    functions("FUNCTION", "LOAD", library("lib", "f", body=body, flags=flags))
    payload = functions("FUNCTION", "DUMP")
    try:
        functions("CONFIG", "SET", "maxmemory", 1)
        assert functions("FCALL", "f", 0) == reply
        functions("MULTI")
        assert functions("FCALL", "f", 0) == (OOM if reply == OOM else "QUEUED")
        assert functions("EXEC") == ("EXECABORT Transaction discarded because of previous errors." if reply == OOM else [reply])
        assert functions("FUNCTION", "LOAD", library("more", "g")) == OOM
        assert functions("FUNCTION", "RESTORE", payload, "REPLACE") == OOM
        assert functions("FUNCTION", "DELETE", "lib") == functions("FUNCTION", "FLUSH") == "OK"
    finally:
        functions("CONFIG", "SET", "maxmemory", 0)


def test_a_queued_function_is_as_dangerous_as_it_says(functions: Client, server: Any) -> None:
    """EXEC is refused for what its functions may do, and not for what FCALL may do as such."""
    functions("FUNCTION", "LOAD", library("lib", "writes", flags=""))
    functions("FUNCTION", "LOAD", library("ro", "reads", flags="'no-writes'"))
    other = Client(server.port)
    try:
        for name, reply in (("writes", f"EXECABORT Transaction discarded because of: {OOM}"), ("reads", [1])):
            functions("MULTI")
            functions("FCALL", name, 0)
            other("CONFIG", "SET", "maxmemory", 1)
            assert functions("EXEC") == reply
            other("CONFIG", "SET", "maxmemory", 0)
    finally:
        other("CONFIG", "SET", "maxmemory", 0)
        other.close()


# -- what there is ----------------------------------------------------------------------------------------------------

def as_dict(reply: Any) -> dict:
    """A map of either version."""
    return dict(reply) if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2], strict=True))


def test_list(functions: Client) -> None:
    code = """#!lua name=lib
        redis.register_function{function_name='b', callback=function() end, description='what it does',
                                flags={'allow-cross-slot-keys', 'no-writes', 'no-writes', 'ALLOW-OOM'}}
        redis.register_function('A', function() end)"""
    functions("FUNCTION", "LOAD", code)
    functions("FUNCTION", "LOAD", library("other", "c"))
    first, second = [as_dict(one) for one in functions("FUNCTION", "LIST")]
    assert (first[b"library_name"], first[b"engine"], second[b"library_name"]) == (b"lib", b"LUA", b"other")
    b, a = [as_dict(one) for one in first[b"functions"]]
    assert (b[b"name"], b[b"description"]) == (b"b", b"what it does") and (a[b"name"], a[b"description"]) == (b"A", None)
    assert sorted(b[b"flags"]) == ["allow-cross-slot-keys", "allow-oom", "no-writes"] and not a[b"flags"]
    assert list(first) == [b"library_name", b"engine", b"functions"]
    assert as_dict(functions("FUNCTION", "LIST", "withcode", "libraryname", "LI*")[0])[b"library_code"] == code.encode()
    assert functions("FUNCTION", "LIST", "LIBRARYNAME", "x*") == []
    assert len(functions("FUNCTION", "LIST", "LIBRARYNAME", "*", "WITHCODE")) == 2


def test_the_bytes_of_list(functions: Client) -> None:
    functions("FUNCTION", "LOAD", library("lib", "f", flags="'no-writes'"))
    function = b"$4\r\nname\r\n$1\r\nf\r\n$11\r\ndescription\r\n%b$5\r\nflags\r\n%b1\r\n+no-writes\r\n"
    head = b"$12\r\nlibrary_name\r\n$3\r\nlib\r\n$6\r\nengine\r\n$3\r\nLUA\r\n$9\r\nfunctions\r\n*1\r\n"
    wanted = (b"*1\r\n%3\r\n" + head + b"%3\r\n" + function % (b"_\r\n", b"~") if functions.resp == 3
              else b"*1\r\n*6\r\n" + head + b"*6\r\n" + function % (b"$-1\r\n", b"*"))
    assert functions.raw("FUNCTION", "LIST") == wanted


@pytest.mark.parametrize(("words", "reply"), [
    (("LIST", "x"), "ERR Unknown argument x"),
    (("LIST", "libraryname"), "ERR library name argument was not given"),
    (("LIST", "withcode", "withcode"), "ERR Unknown argument withcode"),
    (("LIST", "libraryname", "a", "libraryname", "b"), "ERR Unknown argument libraryname"),
    (("DELETE", "none"), "ERR Library not found"),
    (("FLUSH", "x"), "ERR FUNCTION FLUSH only supports SYNC|ASYNC option"),
    (("flush", "sync", "x"), "ERR unknown subcommand or wrong number of arguments for 'flush'. Try FUNCTION HELP."),
    (("RESTORE", "x"), "ERR DUMP payload version or checksum are wrong"),
    (("RESTORE", "x", "y"), "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE."),
    (("RESTORE", "x", "y", "z"), "ERR unknown subcommand or wrong number of arguments for 'RESTORE'. Try FUNCTION HELP."),
    (("none",), "ERR unknown subcommand 'none'. Try FUNCTION HELP."),
    (("STATS", "x"), "ERR wrong number of arguments for 'function|stats' command"),
    (("DUMP", "x"), "ERR wrong number of arguments for 'function|dump' command"),
    ((), "ERR wrong number of arguments for 'function' command"),
])
def test_complaints(functions: Client, words: tuple, reply: str) -> None:
    assert functions("FUNCTION", *words) == reply


def stats(client: Client) -> tuple[Any, int, int]:
    found = as_dict(client("FUNCTION", "STATS"))
    engines = as_dict(found[b"engines"])
    lua = as_dict(engines.pop(b"LUA"))
    assert not engines
    return found[b"running_script"], lua[b"libraries_count"], lua[b"functions_count"]


def test_stats(functions: Client) -> None:
    assert stats(functions) == (None, 0, 0)
    functions("FUNCTION", "LOAD", library("lib", "a", "b"))
    functions("FUNCTION", "LOAD", library("other", "c"))
    functions("FUNCTION", "LOAD", library("lib", "d"))
    assert stats(functions) == (None, 2, 3)
    functions("FUNCTION", "DELETE", "lib")
    assert stats(functions) == (None, 1, 1)
    functions("FUNCTION", "FLUSH", "ASYNC")
    assert stats(functions) == (None, 0, 0)


@pytest.mark.parametrize("how", [(), ("SYNC",), ("async",)])
def test_flush(functions: Client, how: tuple) -> None:
    functions("SET", "k", 1)
    functions("FUNCTION", "LOAD", library("lib", "f"))
    assert functions("FLUSHALL") == functions("FLUSHDB") == "OK" and functions("FCALL", "f", 0) == 1
    assert functions("FUNCTION", "FLUSH", *how) == "OK"
    assert functions("FUNCTION", "LIST") == [] and functions("FCALL", "f", 0) == "ERR Function not found"
    assert functions("FUNCTION", "LOAD", library("lib", "f")) == b"lib" and functions("FCALL", "f", 0) == 1


def test_help(functions: Client) -> None:
    lines = functions("FUNCTION", "HELP")
    assert lines[0] == "FUNCTION <subcommand> [<arg> [value] [opt] ...]. Subcommands are:" and lines[-1] == "    Print this help."
    assert len(lines) == 39 and "RESTORE <PAYLOAD> [FLUSH|APPEND|REPLACE]" in lines


# -- DUMP and RESTORE -------------------------------------------------------------------------------------------------

def test_dump_as_valkey_writes_it(functions: Client) -> None:
    code = '#!lua name=l1\nlocal a=redis.log redis.register_function("x",a)'
    assert functions("FUNCTION", "DUMP") == sealed(b"")
    functions("FUNCTION", "LOAD", code)
    payload = b"\xf5>" + code.encode() + b"\x0b\x00\x8aI\xb3\xfa\t\x1559"
    assert functions("FUNCTION", "DUMP") == payload
    for policy in ("FLUSH", "replace"):
        assert functions("FUNCTION", "RESTORE", payload, policy) == "OK" and stats(functions) == (None, 1, 1)
    for at in range(len(payload)):
        broken = bytearray(payload)
        broken[at] ^= 1
        assert functions("FUNCTION", "RESTORE", bytes(broken), "REPLACE") == "ERR DUMP payload version or checksum are wrong"
        assert functions("FUNCTION", "RESTORE", payload[:at], "REPLACE") == "ERR DUMP payload version or checksum are wrong"


def test_restore(functions: Client) -> None:
    functions("FUNCTION", "LOAD", library("one", "a"))
    functions("FUNCTION", "LOAD", library("two", "b", "c"))
    payload = functions("FUNCTION", "DUMP")
    whole = functions("FUNCTION", "LIST", "WITHCODE")
    functions("FUNCTION", "DELETE", "one")
    functions("FUNCTION", "LOAD", "REPLACE", library("two", "b", body="return 2"))
    for policy in ((), ("APPEND",)):
        assert functions("FUNCTION", "RESTORE", payload, *policy) == "ERR Library two already exists"
    assert functions("FCALL", "a", 0) == "ERR Function not found" and functions("FCALL", "b", 0) == 2
    functions("FUNCTION", "LOAD", library("three", "C", body="return 3"))
    assert functions("FUNCTION", "RESTORE", payload, "REPLACE") == "ERR Function c already exists"
    assert [functions("FCALL", name, 0) for name in "abc"] == ["ERR Function not found", 2, 3]
    assert functions("FUNCTION", "RESTORE", payload, "FLUSH") == "OK"
    assert functions("FUNCTION", "LIST", "WITHCODE") == whole
    functions("FUNCTION", "FLUSH")
    assert functions("FUNCTION", "RESTORE", payload) == "OK" and functions("FUNCTION", "LIST", "WITHCODE") == whole
    assert functions("FUNCTION", "RESTORE", payload, "REPLACE") == "OK" and stats(functions) == (None, 2, 3)


def test_restore_may_move_a_function_between_libraries(functions: Client) -> None:
    functions("FUNCTION", "LOAD", library("one", "a"))
    functions("FUNCTION", "LOAD", library("two", "b"))
    payload = functions("FUNCTION", "DUMP")
    functions("FUNCTION", "FLUSH")
    functions("FUNCTION", "LOAD", library("one", "b", body="return 2"))
    functions("FUNCTION", "LOAD", library("two", "a", body="return 2"))
    assert functions("FUNCTION", "RESTORE", payload, "REPLACE") == "OK"
    assert functions("FCALL", "a", 0) == functions("FCALL", "b", 0) == 1 and stats(functions) == (None, 2, 2)


# -- without a server -------------------------------------------------------------------------------------------------

def sealed(body: bytes, version: int = 11) -> bytes:
    """A payload with this body, as RESTORE takes it."""
    body += version.to_bytes(2, "little")
    return body + crc_crc64(body).to_bytes(8, "little")


def string(text: bytes) -> bytes:
    return b"\x80" + len(text).to_bytes(4, "big") + text


@pytest.mark.parametrize(("body", "complaint"), [
    (b"\xf6", "ERR Pre-GA function format not supported"),
    (b"\x00", "ERR given type is not a function"),
    (b"\xf5", "ERR Failed loading library payload"),
    (b"\xf5\x0aabc", "ERR Failed loading library payload"),
    (b"\xf5" + string(b"x"), "ERR Missing library metadata"),
    (b"\xf5" + string(library("lib", "f").encode()) + b"\xf5" + string(library("lib", "g").encode()),
     "ERR Library 'lib' already exists"),
    (b"\xf5" + string(library("lib", "f").encode()) + b"\xf5" + string(library("other", "F").encode()),
     "ERR Function F already exists"),
    (b"\xf5" + string(b"#!lua name=lib\nwhile true do end"), REGISTERING + "FUNCTION LOAD timeout"),
])
@pytest.mark.parametrize("policy", ["FLUSH", "APPEND", "REPLACE"])
def test_payloads_that_hold_something_else(body: bytes, complaint: str, policy: str) -> None:
    engine = Engine()
    engine.execute("FUNCTION", "LOAD", library("before", "e"))
    with pytest.raises(ReplyError) as raised:
        engine.execute("FUNCTION", "RESTORE", sealed(body), policy)
    assert str(raised.value) == complaint and engine.libraries == [library("before", "e").encode()]
    assert engine.execute("FCALL", "e", 0) == 1


def test_an_engine_without_functions_makes_no_state() -> None:
    engine = Engine()

    def ask() -> int:
        for words in (("LIST",), ("STATS",), ("DUMP",), ("FLUSH",), ("HELP",)):
            engine.execute("FUNCTION", *words)
        with pytest.raises(ReplyError, match="Library not found"):
            engine.execute("FUNCTION", "DELETE", "lib")
        with pytest.raises(ReplyError, match="Function not found"):
            engine.execute("FCALL", "f", 0)
        return engine.used_memory

    before = ask()                  # the figures of a command are made when it is first called
    assert ask() == before and engine.libraries == []
    engine.execute("FUNCTION", "LOAD", library("lib", "f"))
    assert engine.used_memory > before


def test_engines_have_functions_of_their_own() -> None:
    """Also where one is entered in the middle of another's loading."""
    one, other = Engine(seed=1), Engine(seed=2)
    one.on_script_log = lambda level, text: other.execute("FUNCTION", "LOAD", "REPLACE", library("lib", "f", body="return 2"))
    logging = library("lib", "f") + "redis.log(redis.LOG_NOTICE, 'x')"
    assert one.execute("FUNCTION", "LOAD", logging) == b"lib"
    assert (one.execute("FCALL", "f", 0), other.execute("FCALL", "f", 0)) == (1, 2)
    assert one.execute("FUNCTION", "DELETE", "lib") == "OK" and other.execute("FCALL", "f", 0) == 2


def test_memory_is_given_back() -> None:
    engine = Engine()

    def fill() -> int:
        for i in range(50):
            engine.execute("FUNCTION", "LOAD", library(f"lib{i}", *[f"f{i}_{j}" for j in range(10)]))
        return engine.used_memory

    engine.execute("FUNCTION", "LOAD", library("lib", "f"))
    engine.execute("FUNCTION", "DELETE", "lib")
    engine.execute("FUNCTION", "FLUSH")
    least = engine.used_memory
    most = fill()
    engine.execute("FUNCTION", "FLUSH")
    assert engine.used_memory == least < most
    assert fill() == most
    for i in range(50):
        engine.execute("FUNCTION", "LOAD", "REPLACE", library(f"lib{i}", *[f"f{i}_{j}" for j in range(10)]))
    assert abs(engine.used_memory - most) < 10_000      # tables may be larger on the way
    for i in range(50):
        engine.execute("FUNCTION", "DELETE", f"lib{i}")
    assert engine.used_memory - least < 1000


def test_what_is_propagated(kv: Embedded) -> None:
    """What changes libraries, as it came; what functions do; and nothing that failed."""
    code = library("lib", "f", body="return redis.call('incr', keys[1])")
    kv("FUNCTION", "LOAD", code)
    kv("FCALL", "f", 1, "n")
    kv("FUNCTION", "LOAD", code)
    payload = kv("FUNCTION", "DUMP")
    kv("FUNCTION", "DELETE", "lib")
    kv("FUNCTION", "DELETE", "lib")
    kv("FUNCTION", "RESTORE", payload)
    kv("FUNCTION", "RESTORE", payload)
    kv("FUNCTION", "FLUSH", "SYNC")
    kv("FUNCTION", "LIST")
    assert kv.effects() == [
        ["FUNCTION", "LOAD", code], ["incr", "n"], ["FUNCTION", "DELETE", "lib"],
        ["FUNCTION", "RESTORE", payload.decode("latin-1")], ["FUNCTION", "FLUSH", "SYNC"]]


def test_a_base_of_commands() -> None:
    engine = Engine()
    codes = [library("one", "f").encode(), library("two", "g").encode()]
    for code in codes:
        engine.execute("FUNCTION", "LOAD", code)
    engine.execute("SET", "k", "v")
    data = rewritten(engine)
    start = b"".join([b"*3\r\n$8\r\nFUNCTION\r\n$4\r\nLOAD\r\n$%d\r\n%b\r\n" % (len(code), code) for code in codes])
    assert data.startswith(start) and data.endswith(b"$1\r\nk\r\n$1\r\nv\r\n")


def test_a_library_that_takes_long_is_ended_in_time() -> None:
    engine = Engine()
    started = time.monotonic()
    with pytest.raises(ReplyError, match="FUNCTION LOAD timeout"):
        engine.execute("FUNCTION", "LOAD", "#!lua name=lib\nwhile true do end")
    assert 0.5 <= time.monotonic() - started < 5
    assert engine.execute("FUNCTION", "LOAD", library("lib", "f")) == b"lib" and engine.execute("FCALL", "f", 0) == 1


def test_errors_are_failures(functions: Client) -> None:
    """A client library tells errors by their type."""
    functions("FUNCTION", "LOAD", library("lib", "f", body="return redis.error_reply('MY x')"))
    assert isinstance(functions("FCALL", "f", 0), Failure) and isinstance(functions("FUNCTION", "LOAD", "x"), Failure)
