"""SCRIPT DEBUG: sessions in a forked child and in the server, what the debugger's commands answer, clients that go away or talk
nonsense, and what is left of it all in the server."""
from __future__ import annotations

import errno
import json
import os
import re
import resource
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.commands.client import Client, Failure, request
from tests.integration.faults import Faults, compiled
from tests.integration.program import Server

RECORDED = Path(__file__).parents[1] / "data" / "debugger-sessions.json"    # of Valkey 8.1.7
END = ["<endsession>"]
OUTSIDE = "ERR SCRIPT DEBUG must be called outside a pipeline"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("debugger"), appendonly="no") as started:
        yield started


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path) as started:
        yield started


class Session:
    """An EVAL that is debugged: session("n") is what the debugger shows, `first` what it showed when it began."""

    def __init__(self, server: Server, script: str, *words: Any, mode: str = "YES", command: str = "EVAL", resp: int = 2,
                 options: tuple[Any, ...] = (0,)) -> None:
        self.client = server.connect()
        if resp == 3:
            self.client("HELLO", 3)
        assert self.client("SCRIPT", "DEBUG", mode) == "OK"
        self.first = self.client(command, script, *(words or options))

    def __call__(self, *words: Any) -> list[str]:
        return self.client(*words)

    def send(self, data: bytes) -> list[str]:
        self.client.socket.sendall(data)
        return self.client.reply()

    def finish(self, *words: Any) -> Any:
        """The script's own reply, which ends the connection, after a last command."""
        lines = self(*words) if words else self.first
        assert lines[-1:] == END
        value = self.client.reply()
        self.ended()
        return value

    def ended(self) -> None:
        with pytest.raises(ConnectionError):
            self.client.reply()
        self.client.close()


def children(server: Server) -> list[int]:
    """Process ids of the server's children, zombies among them."""
    pid = server.process.pid
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def gone(server: Server) -> Callable[[], bool]:
    return lambda: not children(server)


@pytest.fixture(params=["YES", "SYNC"])
def mode(request: pytest.FixtureRequest) -> str:
    return request.param


# -- as in Valkey -----------------------------------------------------------------------------------------------------

def without_addresses(value: Any) -> Any:
    return json.loads(re.sub(r"@0x[0-9a-f]+", "@", json.dumps(value)))


def talk(server: Server, told: dict[str, Any]) -> list[Any]:
    """A recorded session, held again."""
    server("FLUSHALL")
    for words in told.get("setup", ()):
        server(*[word.encode("latin-1") for word in words])
    client = server.connect()
    if told.get("resp") == 3:
        client("HELLO", 3)
    client("SCRIPT", "DEBUG", told.get("mode", "YES"))
    client.send(told.get("command", "EVAL"), told["script"].encode("latin-1"), *told.get("words", ["0"]))
    got = []
    for words, _ in told["talk"]:
        if words is not None:
            client.send(*[word.encode("latin-1") for word in words])
        got.append([words, plain(client)])
    final = plain(client)
    client.close()
    return [got, final]


def plain(client: Client) -> Any:
    """A reply as the recording has it: bulk strings as text, simple strings and errors with their marks."""
    line = client.file.readline()
    kind, rest = line[:1], line[1:-2].decode("latin-1")
    if kind in b"+-":
        return kind.decode() + rest
    if kind == b"$" and rest != "-1":
        return client.file.read(int(rest) + 2)[:-2].decode("latin-1")
    if kind == b"*" and rest != "-1":
        return [plain(client) for _ in range(int(rest))]
    return int(rest) if kind == b":" else None


def test_sessions_are_those_of_valkey(shared: Server, mode: str) -> None:
    differing = []
    for told in json.loads(RECORDED.read_text()):
        got = without_addresses(talk(shared, {**told, "mode": mode}))
        if got != without_addresses([told["talk"], told["final"]]):
            differing.append((told["script"], got, told["talk"], told["final"]))
    assert differing == []


# -- who may ------------------------------------------------------------------------------------------------------

def test_refusals(shared: Server) -> None:
    client = shared.connect()
    assert client("SCRIPT", "DEBUG", "MAYBE") == Failure("ERR Use SCRIPT DEBUG YES/SYNC/NO")
    assert client("SCRIPT", "DEBUG") == Failure("ERR wrong number of arguments for 'script|debug' command")
    client.socket.sendall(request("PING") + request("SCRIPT", "DEBUG", "YES"))
    assert [client.reply(), client.reply()] == ["PONG", OUTSIDE]
    assert client("EVAL", "return 1", 0) == 1
    client.socket.sendall(request("MULTI") + request("SCRIPT", "DEBUG", "YES") + request("EXEC"))
    assert [client.reply(), client.reply(), client.reply()] == ["OK", "QUEUED", [OUTSIDE]]
    reply = client("EVAL", "return redis.pcall('script', 'debug', 'yes').err", 0)
    assert reply == b"ERR This Redis command is not allowed from script"
    assert client("SCRIPT", "DEBUG", "yes") == client("SCRIPT", "DEBUG", "no") == "OK"
    assert client("EVAL", "return {redis.breakpoint(), redis.debug('x')}", 0) == [None]
    assert client("SCRIPT", "DEBUG", "sync") == client("RESET").replace("RESET", "OK") == "OK"
    assert client("EVAL", "return 1", 0) == 1
    client.close()


def test_only_eval_is_debugged(shared: Server) -> None:
    client = shared.connect()
    digest = client("SCRIPT", "LOAD", "return 1")
    assert client("SCRIPT", "DEBUG", "YES") == "OK"
    assert client("EVALSHA", digest, 0) == Failure("ERR Please use EVAL instead of EVALSHA for debugging")
    assert client("EVALSHA_RO", digest, 0) == Failure("ERR Please use EVAL instead of EVALSHA for debugging")
    assert client("EVALSHA", "short", 0) == Failure("NOSCRIPT No matching script. Please use EVAL.")
    client.socket.sendall(request("PING") + request("EVAL", "return 1", 0))
    assert [client.reply(), client.reply()] == ["PONG", "ERR EVAL must be called outside a pipeline for debugging"]
    assert client("EVAL", "return 1", 0)[0] == "* Stopped at 1, stop reason = step over"
    client.close()


def test_help_names_it(shared: Server) -> None:
    lines = [str(line) for line in shared("SCRIPT", "HELP")]
    assert lines[1:3] == ["DEBUG (YES|SYNC|NO)", "    Set the debug mode for subsequent scripts executed."]


# -- what Valkey does not have --------------------------------------------------------------------------------------

def test_commands_one_after_the_other(shared: Server, mode: str) -> None:
    """All are answered, in whatever pieces they come; arguments may be empty, and long."""
    session = Session(shared, "local x = 1\nreturn x", mode=mode)
    both = request("n") + request("p", "x")
    assert session.send(both)[1] == "-> 2   return x"
    assert session.client.reply() == ["<value> 1"]
    for byte in request("p", ""):
        session.client.socket.sendall(bytes([byte]))
    assert session.client.reply() == ["No such variable."]
    assert session("") == ["<error> Unknown Lua debugger command or wrong number of arguments."]
    assert session("e", "'" + "y" * 100_000 + "' == ''") == ["<retval> false"]
    assert session.send(b"\r\n" + request("h\0")) == ["<error> Unknown Lua debugger command or wrong number of arguments."]
    assert session.finish("c") == 1


def test_breakpoints_are_kept_when_one_goes(shared: Server) -> None:
    """Valkey forgets others then."""
    session = Session(shared, "local a = 1\nlocal b = 2\nlocal c = 3\nreturn 1")
    session("b", 2, 3, 4)
    assert session("b", -2) == ["Breakpoint removed."]
    assert session("b") == ["2 breakpoints set:", "  #3   local c = 3", "  #4   return 1"]
    assert session("b", "-9223372036854775808") == ["No breakpoint in the specified line."]
    assert session("b", "9223372036854775807") == ["Wrong line number."]
    session.client.close()


def test_the_variable_that_the_script_sees(shared: Server) -> None:
    session = Session(shared, "local x = 1\nlocal x = 2\nreturn x")
    session("n")
    session("n")
    assert session("p", "x") == ["<value> 2"]
    assert session("p", "(*temporary)") == ["No such variable."]
    assert session.finish("c") == 2


def test_errors_of_evaluated_code(shared: Server, mode: str) -> None:
    session = Session(shared, "return 1", mode=mode)
    assert session("e", "redis.call('nosuch')") == ["<error> ERR Unknown command called from script"]
    assert session("e", "error({})") == ["<error> nil"]
    assert session("e", "error()") == ["<error> nil"]
    assert session("e", "string.rep('x', -1)") == ['<retval> ""']
    assert session("e", "local function f() return f() + 1 end return f()")[0].startswith("<error> ldb_eval:1: stack overflow")
    assert "has more than 16 parameters" in session("e", "return function(" + "a, " * 17 + "...) end")[0]
    assert session("e", "\x1bLua")[0].startswith("<error> ldb_eval:1: ")
    assert session("e", "redis.breakpoint()") == ["<retval> true"]
    assert session.finish("c") == 1


def test_endless_code_is_ended(shared: Server, mode: str) -> None:
    """Evaluated code has the time that a script has; no pcall of it goes on."""
    shared("CONFIG", "SET", "busy-reply-threshold", 100)
    try:
        session = Session(shared, "local n = 0\nwhile true do n = n + 1 end", mode=mode)
        for code in ("while true do end", "while true do pcall(function() while true do end end) end",
                     "while true do coroutine.wrap(function() while true do end end)() end"):
            assert session("e", code)[0].endswith("timeout reached, infinite loop?")
        assert session("e", "1") == ["<retval> 1"]
        assert session("c") == ["* Stopped at 2, stop reason = timeout reached, infinite loop?",
                                "-> 2   while true do n = n + 1 end"]
        assert session.finish("a").startswith("ERR script aborted for user request script: ")
    finally:
        shared("CONFIG", "SET", "busy-reply-threshold", 5000)


@pytest.mark.parametrize("script", [
    "pcall(function()\nlocal x = 1\nend)\nreturn 1",
    "while true do\n pcall(function()\nlocal x = 1\nend) end",
    "xpcall(function()\nlocal x = 1\nend, function() while true do end end)\nreturn 1",
    "coroutine.resume(coroutine.create(function()\nlocal x = 1\nend))\nreturn 1",
])
def test_abort_is_for_good(shared: Server, mode: str, script: str) -> None:
    session = Session(shared, script, mode=mode)
    line = ""
    while line != "-> 2   local x = 1":
        line = session("n")[-1]
        if "pcall(function()" in line and line.startswith("-> 2"):
            break
    assert session.finish("abort").startswith("ERR script aborted for user request script: ")
    assert shared("EVAL", "local n = 0 for i = 1, 1e5 do n = n + 1 end return n", 0) == 100000


@pytest.mark.parametrize("data", [
    b"hello\r\n", b"PING\r\n", b"*0\r\n", b"*-1\r\n", b"*1025\r\n", b"*99999999999\r\n", b"*\r\n", b"*1\r\n$-1\r\n",
    b"*1\r\n:1\r\n", b"*1\r\n$2\r\nabc\r\n", b"*1\r\n$99999999999\r\n", b"*2\r\n$1\r\nn\r\n+x\r\n", b"*1\r\n$1\r\nnXX",
    b"*1\rX", b"*1x\r\n", b"*1\r\n$1\r\n\r\n\r\n", b"junk*1\r\n$1\r\np\r\n", b"\0" * 100, b"*1\r\n$1 \r\nn\r\n"])
def test_nonsense_ends_the_script(shared: Server, mode: str, data: bytes) -> None:
    session = Session(shared, "pcall(function()\nlocal x = 1\nend)\nreturn 1", mode=mode)
    session("n")
    session.client.socket.sendall(data)
    session.first = session.client.reply()
    assert session.finish().startswith("ERR protocol error script: ")
    assert shared("PING") == "PONG"


def test_input_without_an_end(shared: Server, mode: str) -> None:
    session = Session(shared, "return 1", mode=mode)
    session.client.socket.sendall(b"*1000\r\n" + b"$4000\r\n" + b"x" * 4000 + b"\r\n")
    try:
        for _ in range(400):
            session.client.socket.sendall(b"$4000\r\n" + b"x" * 4000 + b"\r\n")
    except OSError:
        pass        # it ended the session in the middle of that
    shared.until(lambda: shared("PING") == "PONG")
    session.client.close()


def test_much_to_show(shared: Server, mode: str) -> None:
    """Tables that contain themselves many times over, replies and texts of megabytes: time and memory are bounded."""
    script = ("local t = {}\nfor i = 1, 100 do t[i] = t t['k' .. i] = t end\nlocal s = string.rep('\\0', 3e7)\n"
              "redis.debug(s, s, t)\nredis.call('set', 'k', s)\nredis.call('get', 'k')\nreturn 1")
    session = Session(shared, script, mode=mode)
    session("b", 4, 7)
    session("c")
    started = time.monotonic()
    assert len(session("p", "t")[0]) == 256 + len(" ...")
    session("maxlen", 1000)
    assert len(session("p", "t")[0]) == 1000 + len(" ...")
    session("maxlen", 0)
    assert session("p", "t") == ["<hint> There was more, which was left out."]
    assert session("p", "s") == ["<hint> There was more, which was left out."]
    lines = session("c")
    assert lines[-2].startswith("* Stopped at 7") and "<hint> There was more, which was left out." in lines
    assert time.monotonic() - started < 30
    assert session.finish("c") == 1
    shared("DEL", "k")


def test_libraries_are_shown_as_they_are(shared: Server) -> None:
    session = Session(shared, "local b = bit\nreturn 1")
    session("n")
    assert '["band"]="function@0x' in session("p", "b")[0] or '["' in session("p", "b")[0]
    session("m", 0)
    assert '["bxor"]="function@0x' in session("p", "b")[0]
    assert session.finish("c") == 1


def test_with_resp3(shared: Server, mode: str) -> None:
    shared("HSET", "h", "f", "v")
    session = Session(shared, "redis.setresp(3)\nlocal x = redis.call('hgetall', 'h')\nreturn x", mode=mode, resp=3)
    session("n")
    assert session("n")[:2] == ["<command> hgetall h", '<reply> {"f" => "v"}']
    assert session.finish("n") == {b"f": b"v"}
    shared("DEL", "h")


# -- the dataset and its files ----------------------------------------------------------------------------------------

WRITES = "redis.call('set', 'a', '1')\nredis.call('incr', 'n')\nreturn redis.call('get', 'a')"


def log_of(server: Server) -> bytes:
    server.until(lambda: server.info().get("aof_buffer_length", "0") == "0")
    return b"".join(path.read_bytes() for path in sorted((server.directory / "appendonlydir").glob("*.incr.aof")))


def test_a_child_changes_nothing(server: Server) -> None:
    server("SET", "a", "0")
    before = log_of(server)
    session = Session(server, WRITES)
    session("n")
    assert session("r", "flushall")[:2] == ["<command> flushall", '<reply> "+OK"']
    assert server("GET", "a") == b"0"                   # the server serves meanwhile
    assert session("r", "set", "k", "v")[1] == '<reply> "+OK"'
    assert session.finish("c") is None
    assert [server("GET", key) for key in ("a", "n", "k")] == [b"0", None, None]
    assert log_of(server) == before
    server.until(gone(server))
    server.crash()
    server.start()
    server.wait_loaded()
    assert server("GET", "a") == b"0" and server("DBSIZE") == 1


def test_the_server_keeps_what_is_done_in_it(server: Server) -> None:
    session = Session(server, WRITES, mode="SYNC")
    session("n")
    session("r", "set", "k", "v")
    assert session.finish("a").startswith("ERR script aborted for user request")
    assert [server("GET", key) for key in ("a", "n", "k")] == [b"1", None, b"v"]
    assert Session(server, WRITES, mode="SYNC").finish("c") == b"1"
    written = log_of(server)
    assert written.count(b"\r\nMULTI\r\n") == 2 and written.count(b"\r\nEXEC\r\n") == 2
    server.crash()
    server.start()
    server.wait_loaded()
    assert [server("GET", key) for key in ("a", "n", "k")] == [b"1", b"1", b"v"]


def test_snapshots_are_the_servers(server: Server) -> None:
    """BGSAVE while sessions are there; a child that empties its dataset touches no file of the server."""
    server("CONFIG", "SET", "save", "3600 1")
    server("SET", "a", "1")
    sessions = [Session(server, WRITES) for _ in range(3)]
    assert len(children(server)) == 3
    assert server("BGSAVE") == "Background saving started"
    server.until(lambda: server.info()["rdb_bgsave_in_progress"] == "0")
    assert server.info()["rdb_last_bgsave_status"] == "ok"
    before = (server.directory / "dump.rdb").stat()
    sessions[0]("r", "flushall")
    assert sessions[0].finish("c") is not None
    after = (server.directory / "dump.rdb").stat()
    assert (before.st_mtime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ino)
    assert server("BGREWRITEAOF").startswith("Background append only file rewriting started")
    server.rewritten()
    assert server("GET", "a") == b"1"
    assert [session.finish("c") for session in sessions[1:]] == [b"1", b"1"]
    server.until(gone(server))


# -- how sessions end -------------------------------------------------------------------------------------------------

def test_a_client_that_goes_away(server: Server) -> None:
    session = Session(server, WRITES)
    assert len(children(server)) == 1
    session.client.close()
    server.until(gone(server))
    assert server("EXISTS", "a") == 0
    session = Session(server, WRITES, mode="SYNC")
    session.client.close()
    assert server("GET", "a") == b"1"                   # the script ran on
    assert server("CLIENT", "LIST").count(b"\n") == 1


def test_a_script_that_would_run_on_for_ever(server: Server, mode: str) -> None:
    server("CONFIG", "SET", "busy-reply-threshold", 100)
    session = Session(server, "redis.call('set', 'a', '1')\nwhile true do pcall(function() while true do end end) end", mode=mode)
    session.client.close()
    assert server("GET", "a") == (b"1" if mode == "SYNC" else None)
    server.until(gone(server))
    session = Session(server, "while true do redis.breakpoint() end", mode=mode)
    session.client.socket.sendall(request("c"))
    session.client.close()
    assert server("PING") == "PONG"
    server.until(gone(server))


def test_one_who_reads_nothing(server: Server) -> None:
    """What is shown fills the socket: the client is taken for gone after some seconds."""
    session = Session(server, "local s = string.rep('x', 2e7)\nreturn s")
    session("n")
    session("m", 0)
    session.client.socket.sendall(request("p", "s") * 3)
    server.until(gone(server), 20)
    session.client.close()


@pytest.mark.parametrize("how", ["SHUTDOWN", "SIGTERM", "SIGINT", "SIGKILL"])
def test_they_end_with_the_server(server: Server, how: str) -> None:
    sessions = [Session(server, WRITES), Session(server, "while true do end")]
    sessions[1].client.socket.sendall(request("c"))
    pids = children(server)
    assert len(pids) == 2
    if how == "SHUTDOWN":
        server.connection.send("SHUTDOWN")
    else:
        server.process.send_signal(getattr(signal, how))
    server.process.wait(10)
    server.until(lambda: not any(alive(pid) for pid in pids), 10)
    sessions[0].ended()
    for session in sessions[1:]:
        session.client.close()


def alive(pid: int) -> bool:
    """Whether a process that may not be our own child runs."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_signal_ends_one_in_the_server(server: Server, tmp_path: Path) -> None:
    session = Session(server, WRITES, mode="SYNC")
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(10) == 0
    session.client.close()
    with Server(tmp_path) as again:
        assert [again("GET", key) for key in ("a", "n")] == [b"1", b"1"]


def test_a_child_that_is_killed(server: Server) -> None:
    session = Session(server, WRITES)
    os.kill(children(server)[0], signal.SIGTERM)
    session.ended()
    server.until(gone(server))
    assert server("PING") == "PONG"


def test_no_process_is_to_be_had(tmp_path: Path) -> None:
    """The client is told, and goes on without a debugger."""
    faults = Faults(compiled(tmp_path), tmp_path)
    with Server(tmp_path, environment=faults.environment) as server:
        faults.fail("fork", errno.EAGAIN)
        client = server.connect()
        client("SCRIPT", "DEBUG", "YES")
        assert client("EVAL", "return 1", 0) == Failure(
            f"ERR Fork() failed: can't run EVAL in debugging mode: {os.strerror(errno.EAGAIN)}")
        assert client("EVAL", "return 1", 0) == 1
        client.close()


def test_lua_that_can_not_be_opened(server: Server) -> None:
    """For want of descriptors, the first time; later it can."""
    limit = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (3, limit[1]))
    assert server("EVAL", "return 1", 0) == Failure("ERR Too many open files")
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, limit)
    assert server("EVAL", "return 1", 0) == 1


def test_the_log_tells_of_sessions(server: Server) -> None:
    assert Session(server, "return 1").finish("c") == 1
    assert Session(server, "return 1", mode="SYNC").finish("c") == 1
    server.until(gone(server))
    text = server.log.read_text()
    assert re.search(r":C .* KV forked for debugging eval", text) and re.search(r":C .* Lua debugging session child exiting", text)
    assert "synchronous debugging eval session started" in text and "synchronous debugging eval session ended" in text
    figures = server.info("stats")
    assert figures["total_forks"] == "1"


def test_monitors_see_what_is_debugged(server: Server, mode: str) -> None:
    monitor = server.connect()
    assert monitor("MONITOR") == "OK"
    assert Session(server, "return 'seen'", mode=mode).finish("c") == b"seen"
    assert monitor.reply().endswith(f'"SCRIPT" "DEBUG" "{mode}"')
    assert monitor.reply().endswith('"EVAL" "return \'seen\'" "0"')
    monitor.close()


def test_others_run_scripts_meanwhile(server: Server) -> None:
    """No session's hook is left behind, nor does another connection's EVAL become one."""
    session = Session(server, "return 1")
    assert server("EVAL", "return redis.breakpoint() and 1 or 0", 0) == 0
    assert session.finish("c") == 1
    kept = "local c = coroutine.wrap(function() coroutine.yield(1) return 2 end) KEYS[1] = c return c()"
    assert Session(server, kept, mode="SYNC").finish("c") == 1
    server("CONFIG", "SET", "busy-reply-threshold", 50)
    runner = server.connect()
    runner.send("EVAL", "while true do end", 0)
    server.until(lambda: str(server("PING")).startswith("BUSY"))
    assert server("SCRIPT", "KILL") == "OK"
    assert runner.reply().startswith("ERR Script killed by user with SCRIPT KILL.")
    runner.close()
