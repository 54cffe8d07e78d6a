"""The modes of kv-cli and kv-benchmark, and of redis-cli and redis-benchmark, against our own server."""

import os
import pty
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import kv
from kv.cli.resp import encode
from tests.integration.cli.cli_programs import CLI, WAIT_S, Dialogue, environment, piped_client, run
from tests.program import Program

BENCHMARK = [sys.executable, "-m", "kv.benchmark.program"]
KEYS = ["hash", "list", "set", "stream", "string", "zset"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    program = Program(tmp_path_factory.mktemp("server"))
    client = program.connect()
    for words in ("SET string value", "RPUSH list a b", "SADD set a", "HSET hash f v", "ZADD zset 1 m", "XADD stream * f v"):
        client(*words.split())
    yield program
    program.kill()


@pytest.fixture(params=["kv-cli", "redis-cli"])
def client(request: pytest.FixtureRequest) -> list[str]:
    if request.param == "kv-cli":
        return CLI
    if shutil.which(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    return [request.param]


def end(*command: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command, input=stdin, capture_output=True, timeout=6 * WAIT_S, env=environment())


def ask(client: list[str], server: Program, *options: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return end(*client, "-p", str(server.port), *options, stdin=stdin)


@pytest.mark.parametrize("mode", ["--bigkeys", "--memkeys"])
def test_searches_for_big_keys(client: list[str], server: Program, mode: str) -> None:
    ran = ask(client, server, mode)
    assert (ran.returncode, ran.stderr) == (0, b"")
    text = ran.stdout.decode()
    assert "Sampled 6 keys in the keyspace!\nTotal key length in bytes is 27 (avg len 4.50)\n" in text
    for key in KEYS:
        assert f"Biggest {key:>6} found " in text
    if mode == "--bigkeys":
        assert "1 lists with 2 items (16.67% of keys, avg size 2.00)\n" in text


def test_a_search_for_hot_keys_needs_counters(client: list[str], server: Program) -> None:
    ran = ask(client, server, "--hotkeys")
    assert ran.returncode == 1
    assert b"An LFU maxmemory policy is not selected, access frequency not tracked" in ran.stderr
    asking = server.connect()
    asking("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu")
    for _ in range(50):
        asking("GET", "string")
    try:
        ran = ask(client, server, "--hotkeys")
        assert (ran.returncode, ran.stderr) == (0, b"")
        assert b"Sampled 6 keys in the keyspace!\n" in ran.stdout
        assert re.search(rb'\nhot key found with counter: [1-9]\d*\tkeyname: "string"\n', ran.stdout)
    finally:
        asking("CONFIG", "SET", "maxmemory-policy", "noeviction")


def test_scan(client: list[str], server: Program) -> None:
    ran = ask(client, server, "--scan")
    assert (ran.returncode, sorted(ran.stdout.decode().split()), ran.stderr) == (0, KEYS, b"")
    assert ask(client, server, "--scan", "--pattern", "s*").stdout.count(b"\n") == 3


def test_latency(client: list[str], server: Program) -> None:
    ran = ask(client, server, "--latency", "-i", "0.1")
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert len(ran.stdout.split()) == 4
    assert ask(client, server, "--intrinsic-latency", "1").returncode == 0


def test_pipe(client: list[str], server: Program) -> None:
    ran = ask(client, server, "--pipe", stdin=encode((b"SET", b"string", b"value")) * 1000)
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert ran.stdout.endswith(b"errors: 0, replies: 1000\n")


@pytest.mark.parametrize("mode", [["--rdb", "copy.rdb"], ["--functions-rdb", "copy.rdb"], ["--replica"]])
def test_there_is_no_snapshot_yet(client: list[str], server: Program, mode: list[str], tmp_path: Path) -> None:
    ran = ask(client, server, *[word.replace("copy", str(tmp_path / "copy")) for word in mode])
    assert ran.returncode == 1
    assert b"ERR Replication is not part of this release: this server serves no replicas\n" in ran.stderr
    assert not (tmp_path / "copy.rdb").exists()


def test_stat(server: Program) -> None:
    with piped_client("-p", str(server.port), "--stat", "-i", "0.01") as dialogue:
        dialogue.until(b"connections          \n")
        assert dialogue.until(b"\n").split()[0] == b"6"
        dialogue.until(b"\n")
        dialogue.process.send_signal(2)
        assert dialogue.process.wait(WAIT_S) == -2      # ended by Ctrl-C, as its parent may want to know


def test_lru(server: Program) -> None:
    with piped_client("-p", str(server.port), "-n", "1", "--lru-test", "10") as dialogue:
        assert b" Gets/sec | Hits: " in dialogue.until(b"%)\n")
    server.connect()("SELECT", 1)


# -- benchmarks ---------------------------------------------------------------------------------------------------

def load(program: list[str], server: Program, *options: str) -> subprocess.CompletedProcess[bytes]:
    ran = ask(program, server, "-n", "200", "-c", "10", *options)
    asking = server.connect()
    for key in asking("KEYS", "*"):
        if key.decode() not in KEYS:
            asking("DEL", key)
    return ran


@pytest.mark.parametrize("form", [["-q"], ["--csv"], []])
def test_all_benchmarks(server: Program, form: list[str]) -> None:
    ran = load(BENCHMARK, server, *form)
    assert ran.returncode == 0 and ran.stderr == b""
    text = ran.stdout.decode()
    assert "XADD" in text and "FCALL" in text and "FUNCTION LOAD" in text


def test_redis_benchmark(server: Program) -> None:
    if shutil.which("redis-benchmark") is None:
        pytest.skip("redis-benchmark is not installed")
    ran = load(["redis-benchmark"], server, "-q")
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert b"MSET (10 keys)" in ran.stdout


def test_versions_are_those_that_the_server_reports() -> None:
    for program, name in ((CLI, "kv-cli"), (BENCHMARK, "kv-benchmark")):
        ran = end(*program, "--version")
        assert (ran.returncode, ran.stdout.decode()) == (0, f"{name} {kv.VALKEY_VERSION} (build:{kv.__version__})\n")
    assert run("help").stdout.startswith(f"kv-cli {kv.VALKEY_VERSION} ".encode())


# -- the debugger of scripts --------------------------------------------------------------------------------------

SCRIPT = "local x = 5\nredis.call('set', KEYS[1], x)\nreturn {x, redis.call('get', KEYS[1])}"
STOPS = "* Stopped at 1, stop reason = step over\n-> 1   local x = 5\n"


@pytest.fixture
def script(tmp_path: Path) -> str:
    path = tmp_path / "script.lua"
    path.write_text(SCRIPT)
    return str(path)


@pytest.mark.parametrize("mode", ["--ldb", "--ldb-sync-mode"])
def test_scripts_are_debugged(client: list[str], server: Program, script: str, mode: str) -> None:
    said = b"n\np x\ne return 'a b'\nn\nrestart\nhelp\nc\nping\nget debugged\ndel debugged\n"
    ran = ask(client, server, mode, "--eval", script, "debugged", stdin=said)
    text = ran.stdout.decode()
    assert ran.returncode == 0
    assert text.count(STOPS) == 2
    assert "\n<value> 5\n<retval> \"a b\"\n<command> set debugged 5\n<reply> \"+OK\"\n* Stopped at 3" in text
    assert "\n[s]tep               Run current line and stop again.\n" in text
    kept = mode != "--ldb"
    undone, value = ("", '"5"') if kept else (" -- dataset changes rolled back", "(nil)")
    assert text.endswith(f"(Lua debugging session ended{undone})\n\nPONG\n{value}\n(integer) {kept:d}\n")


def test_a_script_that_can_not_be_debugged(server: Program, tmp_path: Path) -> None:
    path = tmp_path / "script.lua"
    path.write_text("return {")
    ran = ask(CLI, server, "--ldb", "--eval", str(path))
    assert "\nEval debugging session can't start:\n(error) ERR Error compiling script" in ran.stdout.decode()
    ran = ask(CLI, server, "--ldb", "--eval", str(path) + "x")
    assert ran.returncode == 1 and ran.stderr.decode().startswith(f"Can't open file '{path}x'")


def test_debugging_by_hand(server: Program) -> None:
    said = b'script debug yes\neval "return 7" 0\nrestart\nc\nping\nscript debug yes\nscript debug no\neval "return 8" 0\n'
    ran = ask(CLI, server, stdin=said)
    assert ran.stdout.decode() == (
        "OK\n* Stopped at 1, stop reason = step over\n-> 1   return 7\nUse 'restart' only in Lua debugging mode.\n\n(integer) 7\n\n"
        "(Lua debugging session ended -- dataset changes rolled back)\n\nPONG\nOK\nOK\n(integer) 8\n")


def test_a_session_that_is_lost(server: Program, script: str) -> None:
    """The prompt is the server's again, and `restart` begins another session."""
    pid = server.process.pid
    with piped_client("-p", str(server.port), "--ldb", "--eval", script, "k") as debugging:
        debugging.until(b"-> 1   local x = 5\n")
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            os.kill(int(child), signal.SIGTERM)
        debugging.ask(b"n", b"Error: ")
        debugging.until(b"\n")
        debugging.ask(b"echo yes", b'"yes"\n')
        debugging.ask(b"restart", b"-> 1   local x = 5\n")


def test_the_debugger_at_a_terminal(server: Program, script: str) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen([*CLI, "-p", str(server.port), "--ldb", "--eval", script, "k"], stdin=theirs, stdout=theirs,
                               stderr=theirs, env=environment(), start_new_session=True)
    os.close(theirs)
    try:
        terminal = Dialogue(process, ours, ours)
        terminal.until(b"lua debugger> ")
        terminal.ask(b"n", b"-> 2   redis.call('set', KEYS[1], x)\r\nlua debugger> ")
        terminal.ask(b"c", b"rolled back)\r\n\r\n127.0.0.1:")
    finally:
        process.kill()
        process.wait(WAIT_S)
        os.close(ours)
