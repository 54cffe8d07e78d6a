"""The admin port of a running server: pages, states, peers that behave badly, and CONFIG SET."""
from __future__ import annotations

import contextlib
import http.client
import os
import random
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kv.server.admin.endpoint import CONNECTIONS_MOST
from tests.commands.client import request
from tests.program import Program, free_port

GET = b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n"
Start = Callable[..., Program]


class Admin:
    """Asks the admin port of a server."""

    def __init__(self, port: int) -> None:
        self.port = port

    def get(self, path: str, method: str = "GET", body: bytes | None = None) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def raw(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), 10)

    def is_open(self) -> bool:
        try:
            self.raw().close()
        except ConnectionRefusedError:
            return False
        return True


def rest_of(sock: socket.socket) -> bytes:
    """All that comes until the server closes."""
    data = b""
    while more := sock.recv(65536):
        data += more
    return data


def figure(text: str, name: str) -> str:
    return next(line.split(" ")[-1] for line in text.split("\n") if line.startswith(name + " "))


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def admin(port: int) -> Admin:
    return Admin(port)


@pytest.fixture
def server(start_server: Start, port: int) -> Iterator[Program]:
    yield start_server("--admin-port", str(port), "--busy-reply-threshold", "50")


# -- pages ----------------------------------------------------------------------------------------------------------------------

def test_pages(server: Program, admin: Admin) -> None:
    assert admin.get("/healthz") == admin.get("/readyz") == (200, "ok\n")
    assert admin.get("/healthz?x=y") == (200, "ok\n")
    status, text = admin.get("/metrics")
    assert status == 200 and "\nredis_up 1\n" in text
    for path in ("/", "/metrics/", "/healthzz", "/%2e%2e/etc/passwd", "/../etc/passwd"):
        assert admin.get(path)[0] == 404
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "NONSENSE"):
        assert admin.get("/metrics", method, b"x" * 100)[0] == 405


def test_head_has_all_but_the_body(server: Program, admin: Admin) -> None:
    with admin.raw() as sock:
        sock.sendall(b"HEAD /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        head, _, body = rest_of(sock).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n") and b"\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n" in head
    assert body == b"" and int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0]) > 10_000


def test_its_peers_are_no_clients(server: Program, admin: Admin) -> None:
    client = server.client()
    before = client.info("stats")["total_connections_received"]
    with admin.raw() as sock:
        sock.sendall(GET % b"healthz")
        assert sock.recv(15) == b"HTTP/1.1 200 OK"
        assert client.info("clients")["connected_clients"] == len(client.client_list()) == 1
        assert client.info("stats")["total_connections_received"] == before


def test_a_connection_serves_one_request_after_the_other(server: Program, admin: Admin) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", admin.port, timeout=10)
    connection.connect()
    first = connection.sock
    for path, status in [("/healthz", 200), ("/metrics", 200), ("/none", 404), ("/readyz", 200)] * 3:
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
        assert response.status == status and connection.sock is first
    connection.close()


def test_requests_that_come_together_are_answered_in_order(server: Program, admin: Admin) -> None:
    paths = [b"healthz", b"metrics", b"none", b"readyz", b"metrics"] * 20
    with admin.raw() as sock:
        sock.sendall(b"".join([GET % path for path in paths]) + b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        file = sock.makefile("rb")
        for path in [*paths, b"healthz"]:
            assert file.readline() == (b"HTTP/1.1 404 Not Found\r\n" if path == b"none" else b"HTTP/1.1 200 OK\r\n")
            headers = dict(line.split(b": ") for line in iter(file.readline, b"\r\n"))
            body = file.read(int(headers[b"Content-Length"]))
            assert body.startswith(b"# HELP redis_up" if path == b"metrics" else b"There" if path == b"none" else b"ok\n")
        assert file.read() == b""


# -- states ---------------------------------------------------------------------------------------------------------------------

def test_while_it_loads(start_server: Start, port: int, admin: Admin) -> None:
    server = start_server("--appendonly", "yes", "--admin-port", str(port))
    client = server.client()
    for number in range(100):
        client.set(f"key:{number}", "v")
    server.kill()
    server.options += ("--key-load-delay", "20000")
    server.start(wait=False)
    server.until(admin.is_open)
    assert admin.get("/readyz") == (503, "loading\n") and admin.get("/healthz") == (200, "ok\n")
    status, text = admin.get("/metrics")
    assert status == 200 and figure(text, "redis_loading_dump_file") == "1"
    server.until(lambda: admin.get("/readyz") == (200, "ok\n"))
    assert figure(admin.get("/metrics")[1], 'redis_db_keys{db="db0"}') == "100"


def test_while_a_script_keeps_it_busy(server: Program, admin: Admin) -> None:
    runner = server.connect()
    runner.socket.sendall(request("EVAL", "redis.call('set', 'k', 'v') while true do end", 0))
    server.until(lambda: admin.get("/readyz") == (503, "busy with a script\n"))
    assert admin.get("/healthz") == (200, "ok\n")
    status, text = admin.get("/metrics")
    assert status == 200 and figure(text, 'redis_db_keys{db="db0"}') == "1"
    server.process.send_signal(signal.SIGTERM)      # the script has written: it is waited for
    server.until(lambda: admin.get("/readyz") == (503, "stopping\n"))
    assert admin.get("/healthz") == (200, "ok\n")
    runner.close()


def test_a_server_that_refuses_writes_is_ready(server: Program, admin: Admin) -> None:
    client = server.client()
    (server.directory / "dump.rdb").mkdir()     # nothing can be renamed to it
    client.config_set("save", "3600 1")
    client.set("k", "v")
    client.bgsave()
    server.until(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err")
    with pytest.raises(Exception, match="MISCONF"):
        client.set("k", "w")
    assert admin.get("/readyz") == (200, "ok\n")
    assert figure(admin.get("/metrics")[1], "redis_rdb_last_bgsave_status") == "0"


# -- peers that behave badly ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("sent, status", [
    (b"PING\r\n\r\n", 400), (b"*1\r\n$4\r\nPING\r\n\r\n", 400), (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    (b"GET / HTTP/1.1\r\n\r\n", 400), (b"GET /" + b"x" * 20_000, 414), (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 5000, 431)])
def test_what_is_no_request_is_answered_and_closed(server: Program, admin: Admin, sent: bytes, status: int) -> None:
    with admin.raw() as sock:
        sock.sendall(sent)
        answer = rest_of(sock)
    assert answer.startswith(b"HTTP/1.1 %d " % status) and b"\r\nConnection: close\r\n" in answer
    assert admin.get("/healthz") == (200, "ok\n")


def test_a_body_is_not_taken_for_the_next_request(server: Program, admin: Admin) -> None:
    body = GET % b"metrics"
    with admin.raw() as sock:
        sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        answer = rest_of(sock)
    assert answer.count(b"HTTP/1.1") == 1 and answer.endswith(b"\r\n\r\nok\n")


def test_noise_does_no_harm(server: Program, admin: Admin) -> None:
    rng = random.Random(7)
    whole = GET % b"metrics" + b"HEAD /readyz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
    for _ in range(300):
        data = bytearray(whole * rng.randrange(1, 4))
        for _ in range(rng.randrange(6)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        with admin.raw() as sock:
            sock.sendall(data[:rng.randrange(len(data) + 1)])
            if rng.random() < 0.3:
                sock.settimeout(0.02)
                with contextlib.suppress(TimeoutError):     # it may be a request that is not whole
                    sock.recv(100)
            if rng.random() < 0.3:      # a reset
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    assert admin.get("/healthz") == (200, "ok\n") and server.client().ping()
    assert "Traceback" not in server.text() and "Serving" not in server.text().split("Ready to accept")[1]


def test_idle_peers_keep_nobody_out(server: Program, admin: Admin) -> None:
    before = len(os.listdir(f"/proc/{server.process.pid}/fd"))
    idle = [admin.raw() for _ in range(3 * CONNECTIONS_MOST)]
    for sock in idle[::2]:
        sock.sendall(b"GET /metr")
    assert admin.get("/healthz") == (200, "ok\n")
    assert len(os.listdir(f"/proc/{server.process.pid}/fd")) <= before + CONNECTIONS_MOST
    assert admin.get("/readyz") == (200, "ok\n")
    for sock in idle:
        sock.close()


def test_a_flood_of_scrapes_takes_little_of_the_loop(server: Program, admin: Admin) -> None:
    client = server.client()
    sockets = [admin.raw() for _ in range(8)]
    for sock in sockets:
        sock.sendall(GET % b"metrics" * 100)    # and nothing is read
    worst = 0.0
    for _ in range(200):
        started = time.monotonic()
        client.ping()
        worst = max(worst, time.monotonic() - started)
    assert worst < 0.5
    for sock in sockets:
        sock.close()


# -- CONFIG SET -----------------------------------------------------------------------------------------------------------------

def test_it_is_opened_moved_and_closed(start_server: Start) -> None:
    first, second, taken = free_port(), free_port(), free_port()
    server = start_server(config="# a file\n")
    client = server.client()
    assert client.config_get("admin-*") == {"admin-port": "0", "admin-bind": "127.0.0.1"} and not Admin(first).is_open()
    client.config_set("admin-port", first)
    with Admin(first).raw() as connected:
        assert Admin(first).get("/healthz") == (200, "ok\n")
        with socket.create_server(("127.0.0.1", taken)):
            for refused in (taken, server.port):
                with pytest.raises(Exception, match="Unable to listen on the admin port. Check server logs."):
                    client.config_set("admin-port", refused)
                assert f"Could not create server TCP listening socket 127.0.0.1:{refused}: bind: Address already in use" \
                    in server.text()
        assert Admin(first).get("/healthz") == (200, "ok\n") and client.config_get("admin-port") == {"admin-port": str(first)}
        connected.sendall(GET % b"healthz")
        assert connected.recv(15) == b"HTTP/1.1 200 OK"     # nor has who was connected noticed
    client.config_set("admin-port", second)
    assert not Admin(first).is_open() and Admin(second).get("/healthz") == (200, "ok\n")
    client.config_set("admin-bind", "127.0.0.1 127.0.0.2")
    with socket.create_connection(("127.0.0.2", second), 10):
        assert Admin(second).get("/healthz") == (200, "ok\n")
    with pytest.raises(Exception, match="Unable to listen on the admin port"):
        client.config_set("admin-bind", "203.0.113.1")
    assert Admin(second).get("/healthz") == (200, "ok\n")
    client.config_rewrite()
    text = (server.directory / "kv.conf").read_text()
    assert f"admin-port {second}\n" in text and "admin-bind 127.0.0.1 127.0.0.2\n" in text
    client.config_set("admin-port", 0)
    assert not Admin(second).is_open()


def test_a_child_does_not_keep_the_port(server: Program, admin: Admin) -> None:
    client = server.client()
    client.config_set("rdb-key-save-delay", 100_000)
    for number in range(100):
        client.set(f"k{number}", "v")
    client.bgsave()
    client.config_set("admin-port", 0)
    client.config_set("admin-port", admin.port)
    assert admin.get("/healthz") == (200, "ok\n") and client.info("persistence")["rdb_bgsave_in_progress"] == 1


def test_a_port_in_use_at_the_start_is_one_clear_error(tmp_path: Path, port: int) -> None:
    with socket.create_server(("127.0.0.1", port)):
        server = Program(tmp_path, "--admin-port", str(port), wait=False)
        assert server.ends() == 1
    assert server.text().count("Address already in use") == 1
    assert f"Could not create server TCP listening socket 127.0.0.1:{port}: bind: Address already in use" in server.text()


def test_who_listens_for_others_is_told(start_server: Start, port: int) -> None:
    server = start_server("--admin-port", str(port), "--admin-bind", "0.0.0.0")
    server.until(lambda: "The admin port answers everybody who reaches it" in server.text())
    assert Admin(port).get("/healthz") == (200, "ok\n")
