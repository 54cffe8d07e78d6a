"""Commands from arguments and from standard input: output, exit status, and redis-cli's word on both."""

import shutil
import subprocess
from collections.abc import Iterator
from itertools import product

import pytest

from tests.integration.cli.cli_programs import ScriptedServer, Server, environment, free_port, redis_server, run

DATA = [
    ("SET", "s", 'tab\tnl\nq"b\\'),
    ("SET", "bin", b"\x00\xff"),
    ("RPUSH", "l", *"abcdefghijk"),
    ("HSET", "h", "f1", "v1", "f2", "v2"),
    ("SADD", "one", "m"),
    ("ZADD", "z", "1.5", "a", "2", "b", "inf", "c"),
    ("XADD", "st", "1-1", "f", "v"),
]
COMMANDS = [
    "get s",
    "get bin",
    "get none",
    "lrange l 0 -1",
    "hgetall h",
    "hgetall none",
    "smembers one",
    "smembers none",
    "zscore z c",
    "zrange z 0 -1 withscores",
    "xrange st - +",
    "xinfo stream st",
    "exists s",
    "incr s",
    "nosuch command",
    "info keyspace",
    "command info get",
    "mget s none",
    "debug protocol verbatim",
    "debug protocol true",
    "debug protocol double",
    "debug protocol null",
    "debug protocol map",
    "debug protocol set",
    "select 99",
    "ping text",
]
FORMATS = [[], ["--no-raw"], ["--csv"], ["--json"], ["--quoted-json"]]
PROTOCOLS = ["-2", "-3"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with redis_server(tmp_path_factory.mktemp("server")) as running:
        for command in DATA:
            running.call(*command)
        yield running


@pytest.mark.parametrize("command", COMMANDS)
def test_same_output_as_redis_cli(server: Server, command: str) -> None:
    program = shutil.which("redis-cli")
    if program is None:
        pytest.skip("redis-cli is not installed")
    for options, protocol in product(FORMATS, PROTOCOLS):
        arguments = ["-p", str(server.port), protocol, *options, *command.split()]
        theirs = subprocess.run([program, *arguments], capture_output=True, env=environment())
        ours = run(*arguments)
        assert (ours.returncode, ours.stdout) == (theirs.returncode, theirs.stdout), (options, protocol)


def test_tty_and_pipe_differ(server: Server) -> None:
    assert server.run("exists", "s").stdout == b"1\n"
    assert server.run("exists", "s", tty=True).stdout == b"(integer) 1\n"
    assert server.run("--raw", "exists", "s", tty=True).stdout == b"1\n"


def test_standard_input_in_arguments(server: Server) -> None:
    assert server.run("-x", "set", "x", stdin=b"va\x00l\n").stdout == b"OK\n"
    assert server.call("GET", "x") == b"va\x00l\n"
    assert server.run("-X", "T", "set", "T", "v", "get", stdin=b"x").stdout == b"va\x00l\n\n"
    refused = server.run("-X", "T", "set", "x", "v", stdin=b"x")
    assert (refused.returncode, refused.stderr) == (1, b"Using -X option but stdin tag not match.\n")


def test_dump_and_restore_through_a_pipe(server: Server) -> None:
    dump = server.run("-D", "", "--raw", "dump", "l").stdout
    assert server.run("-x", "restore", "l2", "0", stdin=dump).stdout == b"OK\n"
    assert server.run("llen", "l2").stdout == b"11\n"


def test_quoted_input(server: Server) -> None:
    assert server.run("--quoted-input", "set", r'"\x00k"', "'a b'").stdout == b"OK\n"
    assert server.call("GET", b"\0k") == b"a b"
    refused = server.run("--quoted-input", "get", '"k')
    assert (refused.returncode, refused.stdout) == (1, b"Invalid quoted string\n")


def test_repeat_and_database(server: Server) -> None:
    assert server.run("-n", "5", "-r", "3", "incr", "n").stdout == b"1\n2\n3\n"
    assert server.run("-n", "5", "get", "n").stdout == b"3\n"
    assert server.run("get", "n").stdout == b"\n"
    assert server.run("-u", f"kv://127.0.0.1:{server.port}/5", "get", "n").stdout == b"3\n"


def test_unix_socket(server: Server) -> None:
    assert run("-s", str(server.unix_socket), "ping").stdout == b"PONG\n"


def test_exit_status(server: Server) -> None:
    plain = server.run("incr", "s")
    assert (plain.returncode, plain.stdout[:4], plain.stderr) == (0, b"ERR ", b"")
    strict = server.run("-e", "incr", "s")
    assert (strict.returncode, strict.stdout, strict.stderr[:4]) == (1, b"", b"ERR ")


def test_no_server() -> None:
    port = free_port()
    failed = run("-p", str(port), "ping")
    assert failed.returncode == 1
    assert failed.stdout == b""
    assert failed.stderr.decode() == f"Could not connect to KV at 127.0.0.1:{port}: Connection refused\n"
    failed = run("-s", "/nonexistent/socket", "ping")
    assert failed.stderr == b"Could not connect to KV at /nonexistent/socket: No such file or directory\n"
    assert run("-h", "host.invalid", "ping").returncode == 1


def test_lines_of_standard_input(server: Server) -> None:
    lines = b'set a 1\n\n  \nget "a"\n2 incr a\nget "a\nbad\nlast'
    ran = server.run(stdin=lines)
    assert ran.returncode == 0
    assert ran.stdout.splitlines()[:5] == [b"OK", b"1", b"2", b"3", b"Invalid argument(s)"]
    assert b"unknown command 'last'" in ran.stdout
    assert server.run(stdin=b"ping\nquit\nping\n").stdout == b"PONG\n"
    assert server.run(stdin=b"0 ping\n").stdout == b"Invalid kv-cli repeat command option value.\n"


def test_authentication() -> None:
    with ScriptedServer([b"-WRONGPASS no\r\n", b"-NOAUTH Authentication required.\r\n"]) as server:
        ran = run("-p", str(server.port), "--user", "u", "ping", VALKEYCLI_AUTH="p w")
    assert server.asked == [[b"AUTH", b"u", b"p w"], [b"ping"]]
    assert ran.stderr == b"AUTH failed: WRONGPASS no\n"
    assert ran.stdout == b"NOAUTH Authentication required.\n\n"
    with ScriptedServer([b"+OK\r\n", b"+PONG\r\n"]) as server:
        ran = run("-p", str(server.port), "--askpass", "ping", stdin=b"typed\n", KVCLI_AUTH="not this")
    assert server.asked[0] == [b"AUTH", b"typed"]
    assert (ran.stdout, ran.stderr) == (b"PONG\n", b"")


def test_json_without_resp3_still_works() -> None:
    with ScriptedServer([b"-ERR unknown command\r\n", b"*1\r\n:1\r\n"]) as server:
        ran = run("-p", str(server.port), "--json", "x")
    assert ran.stdout == b"[1]\n"
    assert ran.stderr == b"HELLO 3 failed: ERR unknown command\n"


def test_redirections() -> None:
    with ScriptedServer([b"+OK\r\n", b"+OK\r\n"]) as importing:
        ask = b"-ASK 1 127.0.0.1:%d\r\n" % importing.port
        with ScriptedServer([ask]) as owner:
            moved = b"-MOVED 1 127.0.0.1:%d\r\n" % owner.port
            with ScriptedServer([moved]) as first:
                ran = run("-p", str(first.port), "-c", "set", "a", "b")
    assert (ran.returncode, ran.stdout) == (0, b"OK\n")
    assert importing.asked == [[b"ASKING"], [b"set", b"a", b"b"]]
    assert owner.asked == first.asked == [[b"set", b"a", b"b"]]


def test_redirection_to_the_same_host() -> None:
    """`MOVED slot :port`: the endpoint is unknown to the cluster, which is where we are."""
    with (
        ScriptedServer([b"$1\r\nv\r\n"]) as owner,
        ScriptedServer([b"-MOVED 1 :%d\r\n" % owner.port]) as first,
    ):
        assert run("-p", str(first.port), "-c", "get", "a").stdout == b"v\n"


def test_redirections_are_errors_without_c() -> None:
    with ScriptedServer([b"-MOVED 1 127.0.0.1:1\r\n"]) as server:
        assert run("-p", str(server.port), "get", "a").stdout == b"MOVED 1 127.0.0.1:1\n\n"


def test_connection_lost() -> None:
    with ScriptedServer([b"$10\r\nab"]) as server:
        ran = run("-p", str(server.port), "get", "a")
    assert (ran.returncode, ran.stderr) == (1, b"Error: Server closed the connection\n")
    with ScriptedServer([b"HTTP/1.1 400\r\n"]) as server:
        ran = run("-p", str(server.port), "get", "a")
    assert (ran.returncode, ran.stderr) == (1, b"Error: Protocol error, got 'H' as reply type byte\n")


def test_shutdown_is_a_success() -> None:
    with ScriptedServer([b""]) as server:
        ran = run("-p", str(server.port), "shutdown")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, b"", b"")


def test_eval_of_a_file(server: Server, tmp_path) -> None:
    script = tmp_path / "script.lua"
    script.write_text("return {#KEYS, KEYS[1], ARGV}")
    path = str(script)
    assert server.run("--eval", path, "k1", "k2", ",", "a1", ",").stdout == b"2\nk1\na1\n,\n"
    assert server.run("--eval", path, "k1", tty=True).stdout == b'1) (integer) 1\n2) "k1"\n3) (empty array)\n'
    missing = server.run("--eval", path + "x")
    assert missing.returncode == 1
    assert missing.stderr.decode() == f"Can't open file '{path}x': No such file or directory\n"


def test_debugger(server: Server, tmp_path) -> None:
    script = tmp_path / "script.lua"
    script.write_text("local x = 5\nreturn x")
    ran = server.run("--ldb", "--eval", str(script), stdin=b"n\np x\ne return 'a b'\nrestart\nn\nc\nping\n")
    assert ran.stdout.count(b"-> 1   local x = 5") == 2
    assert b"<value> 5" in ran.stdout
    assert b'<retval> "a b"' in ran.stdout
    assert ran.stdout.endswith(b"(Lua debugging session ended -- dataset changes rolled back)\n\nPONG\n")
    script.write_text("return {")
    ran = server.run("--ldb", "--eval", str(script))
    assert b"Eval debugging session can't start:\n(error) ERR" in ran.stdout
