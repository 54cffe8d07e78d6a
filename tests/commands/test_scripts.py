"""EVAL and its kin: what scripts are given, what they may do, how their values and errors are answered."""
from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tests.commands.client import Client, request
from tests.program import Program

RECORDED = Path(__file__).parents[1] / "data" / "script-replies.json"     # of Valkey 8.1.7: script, words, in RESP2, in RESP3
END = b"$3\r\nend\r\n"
WRITES = "redis.call('set', KEYS[1], ARGV[1])"


def raw_reply(client: Client, *words: object) -> bytes:
    """The bytes of a reply."""
    client.socket.sendall(request(*words) + request("ECHO", "end"))
    reply = b""
    while not reply.endswith(END):
        reply += client.socket.recv(65536)
    return reply[:-len(END)]


def sha(script: str) -> str:
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()


def figures(client: Client, section: str) -> dict[str, str]:
    text = client("INFO", section)
    return dict(line.split(":", 1) for line in text.decode().splitlines() if ":" in line)


def test_replies_are_those_of_valkey(client: Client) -> None:
    """One after the other: later ones see what earlier ones wrote."""
    differing = []
    for script, words, *replies in json.loads(RECORDED.read_text()):
        wanted = replies[-1 if client.resp == 3 else 0].encode("latin-1")
        got = raw_reply(client, "EVAL", script.encode("latin-1"), *[word.encode("latin-1") for word in words])
        if got != wanted:
            differing.append((script, words, got, wanted))
    assert differing == []


def test_scripts_are_found_by_their_sha(client: Client) -> None:
    client("SCRIPT", "FLUSH")
    digest = sha("return 'a script'")
    assert client("EVALSHA", digest, 0) == "NOSCRIPT No matching script. Please use EVAL."
    assert client("SCRIPT", "LOAD", "return 'a script'") == digest.encode()
    assert client("EVALSHA", digest, 0) == client("EVALSHA", digest.upper(), 0) == client("EVALSHA_RO", digest, 0) == b"a script"
    assert client("SCRIPT", "EXISTS", digest, digest.upper(), "0" * 40, "short") == [1, 1, 0, 0]
    assert client("SCRIPT", "SHOW", digest) == b"return 'a script'"
    assert client("SCRIPT", "SHOW", "0" * 40) == "NOSCRIPT No matching script. Please use EVAL."
    assert client("SCRIPT", "FLUSH", "SYNC") == client("SCRIPT", "FLUSH", "async") == "OK"
    assert client("SCRIPT", "FLUSH", "NOW") == "ERR SCRIPT FLUSH only support SYNC|ASYNC option"
    assert client("SCRIPT", "EXISTS", digest) == [0]
    assert client("EVAL", "return 'a script'", 0) == b"a script"
    assert client("SCRIPT", "EXISTS", digest) == [1]
    assert client("SCRIPT", "LOAD", "return (") == (
        "ERR Error compiling script (new function): user_script:1: unexpected symbol near '<eof>'")


def test_scripts_that_only_eval_brought_are_evicted(client: Client) -> None:
    client("SCRIPT", "FLUSH")
    client("CONFIG", "RESETSTAT")
    client("SCRIPT", "LOAD", "return 'pinned'")
    for number in range(600):
        client("EVAL", f"return {number}", 0)
        client("EVAL", "return 0", 0)           # used again and again, so it stays
    assert figures(client, "memory")["number_of_cached_scripts"] == "501"
    assert figures(client, "stats")["evicted_scripts"] == "100"
    known = client("SCRIPT", "EXISTS", sha("return 'pinned'"), sha("return 0"), sha("return 1"), sha("return 100"),
        sha("return 101"))
    assert known == [1, 1, 0, 0, 1]
    client("SCRIPT", "FLUSH")
    client("CONFIG", "RESETSTAT")
    assert figures(client, "stats")["evicted_scripts"] == figures(client, "memory")["number_of_cached_scripts"] == "0"


def test_the_figures_of_errors(client: Client) -> None:
    """An error is counted once, where it arose; the script that ends with it has failed, too."""
    client("SET", "text", "x")
    client("CONFIG", "RESETSTAT")
    client("EVAL", "return redis.call('incr', 'text')", 0)
    assert figures(client, "errorstats") == {"errorstat_ERR": "count=1"}
    assert "failed_calls=1" in figures(client, "commandstats")["cmdstat_incr"]
    assert "failed_calls=1" in figures(client, "commandstats")["cmdstat_eval"]
    client("EVAL", "return redis.call('select', 1, 2)", 0)
    assert "calls=0" in figures(client, "commandstats")["cmdstat_select"]
    assert "rejected_calls=1" in figures(client, "commandstats")["cmdstat_select"]
    client("EVAL", "redis.pcall('incr', 'text') return 1", 0)
    assert figures(client, "errorstats") == {"errorstat_ERR": "count=3"}
    assert b"calls=3," in client("INFO", "commandstats")
    assert "failed_calls=2" in figures(client, "commandstats")["cmdstat_eval"]
    client("EVAL", "return {err = 'MINE x'}", 0)
    assert figures(client, "errorstats") == {"errorstat_ERR": "count=3", "errorstat_MINE": "count=1"}


def test_codes_that_scripts_make_up_are_bounded(client: Client) -> None:
    """After 128 codes those that are new are counted as one, but only those of scripts."""
    client("CONFIG", "RESETSTAT")
    for number in range(200):
        client("EVAL", "return redis.error_reply(ARGV[1] .. ' mine')", 0, f"E{number}")
    found = figures(client, "errorstats")
    assert len(found) == 129 and found["errorstat_E127"] == "count=1" and found["errorstat_ERRORSTATS_OVERFLOW"] == "count=72"
    assert "errorstat_ERR" not in found
    client("SET", "a", "b", "c")
    client("EVALSHA", "0" * 40, 0)
    client("EVAL", "return redis.call('get')", 0)
    client("EVAL", "error({err = 'E1 again'})", 0)
    client("EVAL", "return {err = 'ANOTHER one'}", 0)
    found = figures(client, "errorstats")
    assert found["errorstat_ERR"] == "count=2" and found["errorstat_NOSCRIPT"] == "count=1"
    assert found["errorstat_E1"] == "count=2" and found["errorstat_ERRORSTATS_OVERFLOW"] == "count=73"


def test_what_scripts_call_is_counted_for_the_caller(client: Client) -> None:
    def count() -> int:
        return int(client("CLIENT", "INFO").split(b"tot-cmds=")[1].split()[0])

    before = count()
    client("EVAL", "redis.call('ping') redis.pcall('get')", 0)
    assert count() == before + 3


@pytest.mark.parametrize("verb", ["EVAL_RO", "EVALSHA_RO"])
def test_read_only(client: Client, verb: str) -> None:
    client("SCRIPT", "LOAD", WRITES)
    reply = client(verb, WRITES if verb == "EVAL_RO" else sha(WRITES), 1, "k", "v")
    assert reply == ("ERR Write commands are not allowed from read-only scripts. "
                     f"script: {sha(WRITES)}, on @user_script:1.")
    assert client("EXISTS", "k") == 0


def test_memory_is_looked_at_before_the_first_write_only(client: Client) -> None:
    try:
        client("CONFIG", "SET", "maxmemory", 1)
        refused = "OOM command not allowed when used memory > 'maxmemory'."
        assert client("EVAL", WRITES, 1, "k", "v").startswith(refused + " script: ")
        assert client("EVAL", "redis.call('del', 'k') redis.call('set', 'k', 'v') return 1", 0) == 1
        assert client("EVAL", "#!lua\nreturn 1", 0) == refused
        assert client("EVAL", f"#!lua flags=allow-oom\n{WRITES} return 2", 1, "k", "v") == 2
        assert client("EVAL", "#!lua flags=no-writes\nreturn 3", 0) == 3
    finally:
        client("CONFIG", "SET", "maxmemory", 0)


def test_effects_are_one_unit(client: Client, server: Program) -> None:
    """A transaction with a script in it, and a script, watch and touch keys as commands do."""
    other = Client(server.port)
    client("WATCH", "a")
    other("EVAL", "redis.call('set', 'a', 1)", 0)
    client("MULTI")
    client("GET", "a")
    assert client("EXEC") is None
    client("MULTI")
    client("EVAL", "return redis.call('incr', KEYS[1])", 1, "a")
    client("EVALSHA", "0" * 40, 0)
    assert client("EXEC") == [2, "NOSCRIPT No matching script. Please use EVAL."]
    other.close()


def test_a_script_serves_who_waits(client: Client, server: Program) -> None:
    other = Client(server.port)
    other.socket.sendall(request("BLPOP", "list", 0))
    while figures(client, "clients")["blocked_clients"] != "1":
        pass
    assert client("EVAL", "redis.call('rpush', 'list', 'x') return redis.call('llen', 'list')", 0) == 1
    assert other.reply() == [b"list", b"x"]
    other.close()


def test_time_stands_still(client: Client) -> None:
    script = ("redis.call('set', 'k', 'v', 'px', 1) local t = redis.call('time') "
              "for i = 1, 3e6 do end "
              "return {redis.call('exists', 'k'), redis.call('time')[1] == t[1] and redis.call('time')[2] == t[2]}")
    assert client("EVAL", script, 0) == [1, 1]


def test_databases_are_the_scripts_own(client: Client) -> None:
    assert client("EVAL", "redis.call('select', 5) redis.call('set', 'there', 1) return redis.call('get', 'there')", 0) == b"1"
    assert client("GET", "there") is None
    assert client("EVAL", "return redis.call('exists', 'there')", 0) == 0
    client("SELECT", 5)
    assert client("EVAL", "return redis.call('del', 'there')", 0) == 1
    client("SELECT", 0)


def test_monitors_see_what_scripts_call(client: Client, server: Program) -> None:
    watching = Client(server.port)
    watching("MONITOR")
    client("EVAL", "return redis.call('set', KEYS[1], 1)", 1, "k")
    first, second = watching.reply(), watching.reply()
    assert '"EVAL"' in first and first.split("] ")[0].endswith(":" + first.split("] ")[0].rsplit(":", 1)[1])
    assert second.endswith('[0 lua] "set" "k" "1"')
    watching.close()


def test_the_slow_log_names_the_caller(client: Client) -> None:
    client("CLIENT", "SETNAME", "caller")
    client("CONFIG", "SET", "slowlog-log-slower-than", 0)
    client("SLOWLOG", "RESET")
    client("EVAL", "return redis.call('set', 'k', 'v')", 0)
    entries = client("SLOWLOG", "GET", 10)
    client("CONFIG", "SET", "slowlog-log-slower-than", 10000)
    found = [entry for entry in entries if entry[3][0] == b"set"]
    assert len(found) == 1 and found[0][5] == b"caller"


def test_large_replies_and_many_words(client: Client) -> None:
    client("SET", "big", "x" * (4 << 20))
    assert client("EVAL", "return #redis.call('get', 'big')", 0) == 4 << 20
    assert client("EVAL", "return redis.call('get', 'big')", 0) == b"x" * (4 << 20)
    script = "local t = {} for i = 1, 7000 do t[i] = i end return redis.call('rpush', 'list', unpack(t))"
    assert client("EVAL", script, 0) == 7000
    assert client("EVAL", "return #redis.call('lrange', 'list', 0, -1)", 0) == 7000
    deep = raw_reply(client, "EVAL", "local t = {} for i = 1, 9000 do t = {t} end return t", 0)
    assert deep.startswith(b"*1\r\n*1\r\n") and deep.endswith(b"*1\r\n-ERR reached lua stack limit\r\n")


def test_what_tests_may_let_scripts_call(client: Client) -> None:
    """DEBUG SET-DISABLE-DENY-SCRIPTS: never what runs scripts, changes the session or the dataset as a whole, ends the server."""
    barred = "ERR This Redis command is not allowed from script"
    program = "local reply = redis.pcall(unpack(ARGV)) return reply.err or 'ran'"
    never = ("EVAL 'return 1' 0", "FCALL f 0", "SCRIPT FLUSH", "FUNCTION FLUSH", "MULTI", "EXEC", "WATCH a", "SUBSCRIBE a",
             "HELLO 3", "AUTH a", "RESET", "QUIT", "MONITOR", "SHUTDOWN NOSAVE", "SAVE", "CLIENT SETNAME a", "CLIENT REPLY OFF",
             "DEBUG RELOAD", "DEBUG LOADAOF", "SYNC")
    for command in (*never, "CLIENT LIST", "DEBUG SLEEP 0", "CONFIG GET save"):
        assert client("EVAL", program, 0, *command.split()) == barred.encode()
    assert client("DEBUG", "SET-DISABLE-DENY-SCRIPTS", 1) == "OK"
    try:
        for command in never:
            assert client("EVAL", program, 0, *command.split()) == barred.encode(), command
        assert client("EVAL", program, 0, "DEBUG", "SLEEP", "0") == b"ran"
        assert b"cmd=eval" in client("EVAL", "return redis.call('CLIENT', 'LIST')", 0)
    finally:
        client("DEBUG", "SET-DISABLE-DENY-SCRIPTS", 0)
    assert client("EVAL", program, 0, "CLIENT", "LIST") == barred.encode()


def test_what_only_reads_runs_while_writes_are_paused(client: Client, server: Program) -> None:
    digest = client("SCRIPT", "LOAD", "#!lua flags=no-writes\nreturn 2")
    client("FUNCTION", "LOAD", "REPLACE", "#!lua name=reads\n"
           "redis.register_function{function_name='reads', callback=function() return 3 end, flags={'no-writes'}}")
    client("SET", "x", "y")
    client("CLIENT", "PAUSE", 60_000, "WRITE")
    try:
        assert client("EVAL_RO", "return redis.call('get', 'x')", 1, "x") == b"y"
        assert client("EVAL", "#!lua flags=no-writes\nreturn 1", 0) == 1
        assert client("EVALSHA", digest, 0) == client("EVALSHA_RO", digest, 0) == 2
        assert client("FCALL", "reads", 0) == client("FCALL_RO", "reads", 0) == 3
        writing = Client(server.port)
        writing.socket.sendall(request("EVAL", "return 4", 0))
        while b"cmd=eval" not in client("CLIENT", "LIST"):
            pass
    finally:
        client("CLIENT", "UNPAUSE")
    assert writing.reply() == 4
    writing.close()
    client("FUNCTION", "FLUSH")
