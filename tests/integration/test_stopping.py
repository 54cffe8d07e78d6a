"""Being told to stop: while data are loaded, in the middle of a command, with data that can't be saved."""
from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.commands.client import Client, request
from tests.integration.program import Server, commands, make_files
from tests.program import ROOT, free_port
from tests.sanitizer import SANITIZED, unsanitized

# seconds within which a signal is obeyed, on a machine with other work; a load here takes longer
MOMENTS = 20.0 if SANITIZED else 2.0
SLOW = 200_000      # elements of a list that is walked by each command


def slow_commands(count: int) -> bytes:
    """A list, and commands that walk it: some milliseconds each."""
    push = request("RPUSH", "list", *range(SLOW))
    return push + request("LREM", "list", 0, "x") * count


LOADS = {
    "many": lambda: commands("SET a 1") * 50_000,
    "slow commands": lambda: slow_commands(20_000),
    "one transaction": lambda: commands("MULTI") + slow_commands(20_000) + commands("EXEC"),
    "a slow key": lambda: commands("SET a 1") * 20,
}
DELAYS = {"many": 100, "a slow key": 3_000_000}     # key-load-delay


def files_of(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*.aof*")}


def loading(server: Server) -> Client:
    """A connection to a server that loads."""
    server.wait_ready()
    client = server.connect()
    server.until(lambda: str(client("PING")).startswith("LOADING"))
    assert b"loading:1" in client("INFO", "persistence")
    return client


@pytest.mark.parametrize("kind", LOADS)
@pytest.mark.parametrize("how", ["SIGTERM", "SIGINT", "SHUTDOWN NOSAVE", "SHUTDOWN"])
def test_a_stop_while_loading(tmp_path: Path, kind: str, how: str) -> None:
    make_files(tmp_path, "appendonly.aof", None, LOADS[kind]())
    before = files_of(tmp_path)
    with Server(tmp_path, wait=False, key_load_delay=DELAYS.get(kind, 0)) as server:
        client = loading(server)
        assert client("SHUTDOWN", "ABORT") == "ERR No shutdown in progress."
        asked = time.monotonic()
        if how.startswith("SIG"):
            assert server.stop(getattr(signal, how)) == 0
            assert "Received shutdown signal during loading, scheduling shutdown." in server.text()
        else:
            client.send(*how.split())
            assert server.ends() == 0
        assert time.monotonic() - asked < MOMENTS
        assert "User requested shutdown..." in server.text() and "ready to exit, bye bye" in server.text()
        assert "Ready to accept connections" not in server.text()
    assert files_of(tmp_path) == before


def test_a_stop_while_a_taken_over_file_loads(tmp_path: Path) -> None:
    (tmp_path / "appendonly.aof").write_bytes(LOADS["many"]())
    with Server(tmp_path, wait=False, key_load_delay=100) as server:
        loading(server)
        assert server.stop() == 0
    with Server(tmp_path) as server:
        assert server("GET", "a") == b"1"


def test_clients_are_answered_while_a_huge_value_loads(tmp_path: Path) -> None:
    """Reading it takes many parts, and clients are seen to between them."""
    make_files(tmp_path, "appendonly.aof", None, request("SET", "huge", b"x" * (200 << 20)) + commands("SET a 1"))
    with Server(tmp_path, wait=False, loading_process_events_interval_bytes=1 << 20, key_load_delay=1000) as server:
        server.wait_ready()
        client = server.connect()
        longest, answers = 0.0, 0
        while True:
            asked = time.monotonic()
            loaded = client("PING") == "PONG"
            longest, answers = max(longest, time.monotonic() - asked), answers + 1
            if loaded:
                break
        assert answers > 10 and longest < MOMENTS
        assert client("STRLEN", "huge") == 200 << 20 and client("GET", "a") == b"1"


def test_a_second_sigint_ends_it_in_the_middle_of_a_command(tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        server("RPUSH", "list", *range(SLOW))
        assert server.connection is not None
        server.connection.socket.sendall(request("MULTI") + request("LREM", "list", 0, "x") * 10_000 + request("EXEC"))
        time.sleep(0.3)
        server.process.send_signal(signal.SIGINT)
        server.until(lambda: "Received SIGINT scheduling shutdown..." in server.text(), MOMENTS)
        assert server.process.poll() is None
        asked = time.monotonic()
        assert server.stop(signal.SIGINT) == 1
        assert time.monotonic() - asked < MOMENTS and "You insist... exiting now." in server.text()


def test_a_first_sigint_after_one_that_was_called_off(tmp_path: Path) -> None:
    with Server(tmp_path, appendonly="no", shutdown_on_sigint="save") as server:
        (tmp_path / "dump.rdb").mkdir()
        for times in (1, 2):
            server.process.send_signal(signal.SIGINT)
            server.until(lambda times=times: server.text().count("SIGINT received but errors trying to shut down") == times)
        assert server("PING") == "PONG" and "You insist" not in server.text()


def test_signals_that_a_parent_blocked_or_ignored(tmp_path: Path) -> None:
    def inherit() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, signal.SIG_IGN)

    with Server(tmp_path, prepare=inherit) as server:
        server("SET", "a", "1")
        server("BGREWRITEAOF")
        server.rewritten()
        assert server.info()["aof_last_bgrewrite_status"] == "ok"
        assert server.stop() == 0


# -- what can't be saved -------------------------------------------------------------------------------------

def test_shutdown_save_with_an_append_only_file(tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        server("SET", "a", "1")
        assert server.connection is not None
        server.connection.send("SHUTDOWN", "SAVE")
        assert server.ends() == 0
    with Server(tmp_path) as server:
        assert server("GET", "a") == b"1"
    assert (tmp_path / "dump.rdb").exists()


# -- the process's surroundings ------------------------------------------------------------------------------

def test_closed_standard_descriptors(tmp_path: Path) -> None:
    """What is opened next does not become the log."""
    port = free_port()
    words = [sys.executable, "-m", "kv.server", "--port", str(port), "--bind", "127.0.0.1", "--dir", str(tmp_path), "--appendonly",
             "yes", "--save", ""]
    process = subprocess.Popen(["sh", "-c", 'exec "$0" "$@" <&- >&- 2>&-', *words], env={**os.environ, "PYTHONPATH": str(ROOT)})
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                client = Client(port)
                break
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.02)
        assert client("SET", "a", "1") == "OK" and client("BGREWRITEAOF").startswith("Background")
        for fd in ("0", "1", "2"):
            assert os.readlink(f"/proc/{process.pid}/fd/{fd}") == "/dev/null"
    finally:
        process.terminate()
        assert process.wait(20) == 0
    with Server(tmp_path) as server:
        assert server("GET", "a") == b"1"


def test_a_pid_file_that_is_none_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    path.write_text("precious data\n")
    with Server(tmp_path, pidfile=path) as server:
        assert f"Failed to write PID file: {path} is there and holds something else than a process number" in server.text()
        assert server.stop() == 0
    assert path.read_text() == "precious data\n"
    path.write_text("4999999\n")
    with Server(tmp_path, pidfile=path) as server:
        assert path.read_text() == f"{server.process.pid}\n"
        path.write_text("17\n")     # another process has it by now
        assert server.stop() == 0
    assert path.read_text() == "17\n"


def test_a_file_in_the_place_of_a_unix_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    path.write_text("precious data\n")
    with Server(tmp_path, wait=False, unixsocket=path) as server:
        assert server.ends() == 1
        assert "Failed opening Unix socket: bind: Address already in use" in server.text()
    assert path.read_text() == "precious data\n"


@unsanitized
def test_debug_restart(tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        server("SET", "a", "1")
        assert server.connection is not None
        server.connection.send("DEBUG", "RESTART")
        server.until(lambda: server.text().count("Ready to accept connections") == 2)
        assert server.connect()("GET", "a") == b"1"
