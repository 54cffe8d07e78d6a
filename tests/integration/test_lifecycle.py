"""Starting and stopping: the command line, the configuration, signals, sockets, limits."""
from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis

from kv import VALKEY_VERSION
from tests.program import ROOT, free_port

PYTHON = [sys.executable, "-m", "kv.server"]


def run(*words: str, **options) -> subprocess.CompletedProcess:
    return subprocess.run([*PYTHON, *words], capture_output=True, text=True, timeout=30,
                          env={**os.environ, "PYTHONPATH": str(ROOT)}, **options)


def test_version_and_help() -> None:
    assert "v=8.1.7" in run("--version").stdout
    assert "Usage: kv-server" in run("--help").stdout


def test_a_bad_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "kv.conf"
    path.write_text("port 7000\nmaxmemory lots\n")
    done = run(str(path))
    assert done.returncode == 1
    assert "at line 2" in done.stderr and "'maxmemory lots'" in done.stderr


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run("--port", str(port), "--bind", "127.0.0.1", "--dir", str(tmp_path))
    assert done.returncode == 1
    assert f"Could not create server TCP listening socket 127.0.0.1:{port}: bind: Address already in use" in done.stdout


def test_a_missing_directory_is_named() -> None:
    done = run("--dir", "/no/such/directory", "--port", "0")
    assert done.returncode == 1 and "/no/such/directory" in done.stdout + done.stderr


def test_configuration_from_standard_input(tmp_path: Path) -> None:
    port = free_port()
    process = subprocess.Popen([*PYTHON, "-"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                               env={**os.environ, "PYTHONPATH": str(ROOT)})
    process.stdin.write(f"port {port}\nbind 127.0.0.1\nsave ''\ndir {tmp_path}\nmaxmemory 100mb\n".encode())
    process.stdin.close()
    client = redis.Redis("127.0.0.1", port)
    for _ in range(500):
        try:
            assert client.config_get("maxmemory") == {"maxmemory": "104857600"}
            break
        except redis.ConnectionError:
            time.sleep(0.01)
    process.terminate()
    assert process.wait(10) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it_cleanly(start_server, number: int) -> None:
    server = start_server()
    server.client().set("a", 1)
    assert server.stop(number) == 0
    text = server.text()
    assert f"Received {signal.Signals(number).name} scheduling shutdown" in text
    assert "ready to exit" in text


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGPIPE])
def test_other_signals_are_ignored(start_server, number: int) -> None:
    server = start_server()
    server.process.send_signal(number)
    time.sleep(0.1)
    assert server.client().ping()


def test_shutdown_command(start_server) -> None:
    server = start_server()
    server.client().shutdown(nosave=True)
    assert server.process.wait(10) == 0


def test_renamed_and_disabled_commands(start_server) -> None:
    server = start_server(config='rename-command FLUSHDB ""\nrename-command FLUSHALL ""\nrename-command CONFIG "secret-config"\n')
    client = server.client()
    for name in ("FLUSHALL", "FLUSHDB", "CONFIG"):
        with pytest.raises(redis.ResponseError, match="unknown command"):
            client.execute_command(name)
    assert str(server.port).encode() in str(client.execute_command("secret-config", "GET", "port")).encode()


def test_a_rename_that_makes_no_sense_stops_the_start(tmp_path: Path) -> None:
    path = tmp_path / "kv.conf"
    options = (str(path), "--port", str(free_port()), "--dir", str(tmp_path))
    for lines, complaint in (("hz 10\nrename-command NOSUCH x", "No such command in rename-command"),
                             ("hz 10\nrename-command get SET", "Target command name already exists"),
                             ("rename-command get x\nrename-command GET y", "No such command in rename-command")):
        path.write_text(lines)
        done = run(*options)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == (f"\n*** FATAL CONFIG FILE ERROR (Version {VALKEY_VERSION}) ***\n"
                               f"Reading the configuration file, at line 2\n>>> '{lines.splitlines()[1]}'\n{complaint}\n")


@pytest.mark.parametrize("line, complaint", [
    ("user alice on >secret ~* +@all", "ACL users are not part of this release"),
    ("loadmodule /lib/x.so a", "Modules are not part of this release"),
    ("tls-port 6380", "TLS is not part of this release"),
    ("rdma-port 6380", "No RDMA building support."),
    ("aclfile /no/users.acl", "Error loading ACLs, opening file '/no/users.acl': No such file or directory"),
])
def test_what_this_release_cannot_shut_or_open_stops_the_start(tmp_path: Path, line: str, complaint: str) -> None:
    path = tmp_path / "kv.conf"
    path.write_text(line)
    done = run(str(path), "--port", str(free_port()), "--dir", str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith(f"{complaint}\n") and "*** FATAL CONFIG FILE ERROR" in done.stderr


def test_sentinel_mode_stops_the_start(tmp_path: Path) -> None:
    path = tmp_path / "sentinel.conf"
    path.write_text("sentinel monitor main 127.0.0.1 6379 2\n")
    done = run(str(path), "--sentinel")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "kv-server: Sentinel mode is not part of this release\n"


def test_what_this_release_leaves_out_is_said(start_server) -> None:
    text = start_server("--replicaof", "127.0.0.1 1", "--save", "60 1").text()
    assert "replicaof has no effect" in text and "Snapshots" not in text
    assert "cluster-enabled has no effect" in start_server("--cluster-enabled", "yes").text()


def test_tls_port_cannot_be_set(start_server) -> None:
    with pytest.raises(redis.ResponseError, match="TLS is not part of this release"):
        start_server().client().config_set("tls-port", 6380)


def test_a_line_in_no_encoding_is_shown_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "kv.conf"
    path.write_bytes(b"\xff\xfe x\n")
    done = subprocess.run([*PYTHON, str(path)], cwd=ROOT, capture_output=True, timeout=30)
    assert done.returncode == 1 and b">>> '\xff\xfe x'\nBad directive or wrong number of arguments\n" in done.stderr


def test_a_server_that_nobody_could_reach_does_not_start(tmp_path: Path) -> None:
    done = run("--port", "0", "--dir", str(tmp_path))
    assert done.returncode == 1 and "Configured to not listen anywhere, exiting." in done.stdout


def test_an_unknown_collation_stops_the_start(tmp_path: Path) -> None:
    done = run("--port", str(free_port()), "--dir", str(tmp_path), "--locale-collate", "xx_YY.none")
    assert done.returncode == 1 and "Failed to configure LOCALE for invalid locale name." in done.stdout


def test_addresses_change_on_the_same_port(start_server) -> None:
    server = start_server("--bind", "127.0.0.1")
    client = server.connect()
    for addresses in ("127.0.0.1 127.0.0.2", "*", "127.0.0.1"):
        assert client("CONFIG", "SET", "bind", addresses) == "OK"
        assert server.connect()("PING") == "PONG"
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.2", server.port))
    assert client("CONFIG", "SET", "bind", "no-such-host.invalid").endswith("Failed to bind to specified addresses.")
    assert client("CONFIG", "GET", "bind") == [b"bind", b"127.0.0.1"]
    assert server.connect()("PING") == "PONG"


def test_what_a_browser_sends_closes_the_connection(start_server) -> None:
    server = start_server()
    for line in (b"POST / HTTP/1.1\r\n", b"Host: example.org\r\nPING\r\n", b"*1\r\n$4\r\npost\r\n"):
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as browser:
            browser.sendall(line)
            assert browser.recv(100) == b""
    assert server.log.read_text().count("Possible SECURITY ATTACK detected") == 1


def test_unix_socket(start_server, tmp_path: Path) -> None:
    path = tmp_path / "kv.sock"
    server = start_server("--unixsocket", str(path), "--unixsocketperm", "700")
    client = redis.Redis(unix_socket_path=str(path))
    assert client.ping()
    assert path.stat().st_mode & 0o777 == 0o700
    assert client.client_list()[0]["addr"] == f"{path}:0"
    server.stop()
    assert not path.exists()


def test_protected_mode_lets_only_loopback_in(start_server) -> None:
    server = start_server("--bind", "0.0.0.0", "--protected-mode", "yes")
    assert server.client().ping()
    own = socket.gethostbyname(socket.gethostname())
    if own.startswith("127."):
        pytest.skip("this machine has no address but loopback")
    with socket.create_connection((own, server.port), 5) as stranger:
        assert stranger.recv(1000).startswith(b"-DENIED Running in protected mode")


def test_idle_clients_are_closed(start_server) -> None:
    server = start_server("--timeout", "1")
    sock = server.raw(10)
    assert sock.recv(10) == b""


def test_pidfile_and_daemon(tmp_path: Path) -> None:
    port, pidfile = free_port(), tmp_path / "kv.pid"
    done = run("--port", str(port), "--bind", "127.0.0.1", "--dir", str(tmp_path), "--daemonize", "yes", "--pidfile",
               str(pidfile), "--logfile", str(tmp_path / "log"), "--save", "")
    assert done.returncode == 0
    client = redis.Redis("127.0.0.1", port)
    for _ in range(500):
        try:
            assert client.info("server")["process_id"] == int(pidfile.read_text())
            break
        except (redis.ConnectionError, FileNotFoundError):
            time.sleep(0.01)
    client.shutdown(nosave=True)
    for _ in range(500):
        if not pidfile.exists():
            break
        time.sleep(0.01)
    assert not pidfile.exists()
    assert "Ready to accept connections" in (tmp_path / "log").read_text()


def test_many_addresses_and_an_optional_one(start_server) -> None:
    server = start_server("--bind", "127.0.0.1", "-::1", "-192.0.2.1")
    assert server.client().ping()


def test_port_and_maxclients_change_while_running(start_server) -> None:
    server = start_server()
    other = free_port()
    client = server.client()
    client.config_set("port", other)
    assert redis.Redis("127.0.0.1", other).ping()
    with pytest.raises(OSError):
        server.raw()
    with pytest.raises(redis.ResponseError):
        client.config_set("maxclients", "0")


def test_title(start_server) -> None:
    server = start_server("--proc-title-template", "{title} {listen-addr} {config-file} " + "x" * 200)
    shown = Path(f"/proc/{server.process.pid}/cmdline").read_bytes().rstrip(b"\0").decode()
    assert shown.endswith(f"__main__.py 127.0.0.1:{server.port} - " + "x" * 200)
    server.client().config_set("proc-title-template", "short {port}")
    assert Path(f"/proc/{server.process.pid}/cmdline").read_bytes().rstrip(b"\0").decode() == f"short {server.port}"
    with pytest.raises(redis.ResponseError, match="template format is invalid"):
        server.client().config_set("proc-title-template", "{no}")


@pytest.mark.parametrize("words", [("systemd",), ("auto",), ("systemd", "--daemonize", "yes")])
def test_supervised_systemd_is_told(tmp_path: Path, words: tuple[str, ...]) -> None:
    path, port = tmp_path / "notify", free_port()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(path))
        notify.settimeout(20)
        process = subprocess.Popen([*PYTHON, "--port", str(port), "--dir", str(tmp_path), "--save", "", "--pidfile", "kv.pid",
                                    "--supervised", *words], stdout=subprocess.DEVNULL,
                                   env={**os.environ, "PYTHONPATH": str(ROOT), "NOTIFY_SOCKET": str(path)})
        assert notify.recv(1000) == b"STATUS=Server is loading...\n"
        assert b"READY=1" in notify.recv(1000)
        assert redis.Redis(port=port).info("server")["process_supervised"] == "systemd"
        assert int((tmp_path / "kv.pid").read_text()) == process.pid      # and no daemon of its own
        process.terminate()
        process.wait(10)


def test_supervised_upstart_is_told(tmp_path: Path) -> None:
    port = free_port()
    process = subprocess.Popen([*PYTHON, "--port", str(port), "--dir", str(tmp_path), "--save", "", "--supervised", "upstart"],
                               stdout=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(ROOT), "UPSTART_JOB": "kv"})
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status) and os.WSTOPSIG(status) == signal.SIGSTOP
    process.send_signal(signal.SIGCONT)
    for _ in range(500):
        with contextlib.suppress(redis.ConnectionError):
            assert redis.Redis(port=port).info("server")["process_supervised"] == "upstart"
            break
        time.sleep(0.02)
    else:
        raise AssertionError("the server did not start")
    process.terminate()
    process.wait(10)


def test_supervised_by_nobody(start_server) -> None:
    assert "upstart supervision requested, but UPSTART_JOB not found!" in start_server("--supervised", "upstart").text()
    assert start_server("--supervised", "systemd").client().info("server")["process_supervised"] == "no"


def test_the_log_tells_whose_connection_was_closed_and_why(start_server) -> None:
    server = start_server()
    control = server.connect()
    assert control("CONFIG", "SET", "client-output-buffer-limit", "normal 100000 0 0") == "OK"
    assert control("CONFIG", "SET", "client-query-buffer-limit", "1mb") == "OK"
    control("SET", "big", b"x" * 50_000)
    reader, writer = server.connect(), server.connect()
    for client, name in ((reader, "reader"), (writer, "writer")):
        client("CLIENT", "SETNAME", name)
    with contextlib.suppress(OSError):
        for _ in range(1000):
            reader.send("MGET", *["big"] * 10)
    with contextlib.suppress(OSError):
        writer.socket.sendall(b"*3000\r\n" + b"$1000\r\n%b\r\n" % (b"x" * 1000) * 2900)
    server.until(lambda: "max query buffer length: id=" in server.text()
                 and "scheduled to be closed ASAP for overcoming of output buffer limits." in server.text())
    assert "name=*redacted*" in server.text() and "name=reader" not in server.text()


def test_the_log_tells_who_asked_for_a_shutdown(start_server) -> None:
    server = start_server("--hide-user-data-from-log", "no")
    client = server.connect()
    client("CLIENT", "SETNAME", "operator")
    client.send("SHUTDOWN", "NOSAVE")
    assert server.process.wait(10) == 0
    assert "User requested shutdown... (user request from 'id=" in server.text()
    assert "name=operator user=default lib-name= lib-ver=')" in server.text()
