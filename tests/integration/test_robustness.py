"""What strangers do to a server: many connections, endless pipelines, not reading, garbage. It stays up, bounded,
and answers others."""
from __future__ import annotations

import os
import random
import resource
import select
import socket
import time

import pytest

CONNECTIONS = int(os.environ.get("KV_CONNECTIONS", "2000"))
PIPELINE = int(os.environ.get("KV_PIPELINE", "1000000"))
MB = 1 << 20


def command(*words: bytes) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join([b"$%d\r\n%s\r\n" % (len(word), word) for word in words])


def read_exactly(sock: socket.socket, count: int) -> bytes:
    parts = []
    while count:
        part = sock.recv(min(count, MB))
        assert part, "the connection was closed"
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def test_many_connections_are_all_answered(start_server) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS + 200
    if soft < wanted:
        if hard != resource.RLIM_INFINITY and hard < wanted:
            pytest.skip("the system allows too few open files")
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    server = start_server("--maxclients", str(CONNECTIONS + 10))
    sockets = [server.raw() for _ in range(CONNECTIONS)]
    for _ in range(3):
        for sock in sockets:
            sock.sendall(command(b"PING"))
        for sock in sockets:
            assert read_exactly(sock, 7) == b"+PONG\r\n"
    assert server.client().info("clients")["connected_clients"] == CONNECTIONS + 1
    for sock in sockets:
        sock.close()


def test_clients_beyond_maxclients_are_told(start_server) -> None:
    server = start_server("--maxclients", "3")
    time.sleep(0.2)     # the connection that saw the server start is gone by now
    kept = [server.raw() for _ in range(3)]
    kept[-1].sendall(command(b"PING"))
    assert read_exactly(kept[-1], 7) == b"+PONG\r\n"
    assert server.raw().recv(100) == b"-ERR max number of clients reached\r\n"
    kept.pop().close()
    time.sleep(0.2)
    assert server.client().ping()


def test_a_pipeline_of_a_million_commands(start_server) -> None:
    """Sent while the replies are read, by a client that never stops to wait."""
    server = start_server()
    sock = server.raw()
    sock.setblocking(False)
    block = b"".join([command(b"INCR", b"counter")] * 1000)
    to_send = memoryview(block)
    sent_blocks, received = 0, bytearray()
    expected = sum(len(str(n)) + 3 for n in range(1, PIPELINE + 1))
    total = 0
    deadline = time.monotonic() + 120
    while total < expected:
        assert time.monotonic() < deadline
        readable, writable, _ = select.select([sock], [sock] if sent_blocks < PIPELINE // 1000 else [], [], 10)
        if writable:
            count = sock.send(to_send)
            to_send = to_send[count:]
            if not to_send:
                to_send, sent_blocks = memoryview(block), sent_blocks + 1
        if readable:
            received = sock.recv(MB)
            total += len(received)
    assert bytes(received).endswith(b":%d\r\n" % PIPELINE)


def test_a_pipeline_that_is_sent_whole_before_anything_is_read(start_server) -> None:
    server = start_server()
    sock = server.raw(60)
    count = 100_000
    sock.sendall(command(b"PING") * count)
    assert read_exactly(sock, 7 * count) == b"+PONG\r\n" * count


def test_a_client_that_does_not_read_is_cut_off_at_its_limit_and_others_go_on(start_server) -> None:
    server = start_server("--client-output-buffer-limit", "normal 20mb 0 0")
    server.client().set("big", b"x" * MB)
    before = server.resident()
    slow = server.raw()
    slow.sendall(command(b"GET", b"big") * 200)
    deadline = time.monotonic() + 20
    while server.client().info("stats")["client_output_buffer_limit_disconnections"] == 0:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert server.client().ping()
    assert server.resident() - before < 150 * MB


def test_a_slow_reader_gets_everything_in_the_end(start_server) -> None:
    server = start_server()
    value = bytes(range(256)) * 4096
    server.client().set("big", value)
    sock = server.raw(30)
    sock.sendall(command(b"GET", b"big") * 40)
    for _ in range(40):
        time.sleep(0.005)
        assert read_exactly(sock, len(value) + 12) == b"$%d\r\n%s\r\n" % (len(value), value)


def test_garbage_harms_nobody(start_server) -> None:
    server = start_server("--proto-max-bulk-len", "1mb")
    for number in range(400):
        draw = random.Random(number)
        kinds = [
            lambda r: r.randbytes(r.randrange(1, 3000)),
            lambda r: b"*" + r.randbytes(r.randrange(1, 40)),
            lambda r: b"*3\r\n$3\r\nSET\r\n$" + r.randbytes(r.randrange(1, 40)) + b"\r\n",
            lambda r: bytes(r.choice(b"*$:+-\r\n0123456789 \"'x") for _ in range(r.randrange(1, 500))),
            lambda r: command(b"SET", b"key", r.randbytes(r.randrange(100)))[:r.randrange(1, 40)],
            lambda r: b"*%d\r\n" % r.randrange(-10, 1 << 34),
            lambda r: b"*1\r\n$%d\r\n" % r.randrange(-10, 1 << 34),
        ]
        sock = server.raw()
        sock.sendall(draw.choice(kinds)(draw))
        if draw.random() < 0.5:
            sock.shutdown(socket.SHUT_WR)
        sock.settimeout(0.02)
        try:
            sock.recv(4096)
        except (TimeoutError, ConnectionError):
            pass
        sock.close()
    client = server.client()
    assert client.ping()
    assert client.info("clients")["connected_clients"] == 1


def test_a_request_may_be_cut_at_any_byte(start_server) -> None:
    server = start_server()
    request = command(b"SET", b"key", b"v" * 50) + b"GET key\r\n" + command(b"APPEND", b"key", b"!")
    expected = b"+OK\r\n$50\r\n" + b"v" * 50 + b"\r\n:51\r\n"
    sock = server.raw()
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for cut in range(1, len(request)):
        sock.sendall(request[:cut])
        time.sleep(0.0005)
        sock.sendall(request[cut:])
        assert read_exactly(sock, len(expected)) == expected


@pytest.mark.parametrize("size", [32 * 1024 - 1, 32 * 1024, 100_000, 5 * MB])
def test_large_values_come_back_whole(start_server, size: int) -> None:
    server = start_server()
    value = random.Random(size).randbytes(size)
    sock = server.raw(30)
    request = command(b"SET", b"big", value) + command(b"MSET", b"a", value, b"b", value, b"c", b"small") + command(
        b"GET", b"big") + command(b"GET", b"b") + command(b"GET", b"c")
    half = len(request) // 2
    sock.sendall(request[:half])
    time.sleep(0.05)
    sock.sendall(request[half:])
    bulk = b"$%d\r\n%s\r\n" % (size, value)
    expected = b"+OK\r\n+OK\r\n" + bulk + bulk + b"$5\r\nsmall\r\n"
    assert read_exactly(sock, len(expected)) == expected


def test_a_million_arguments_in_pieces(start_server) -> None:
    server = start_server()
    words = [b"MSET", *[b"%d" % (number // 2 if number % 2 else number) for number in range(200_000)]]
    request = command(*words)
    sock = server.raw(60)
    for start in range(0, len(request), 50_000):
        sock.sendall(request[start:start + 50_000])
    assert read_exactly(sock, 5) == b"+OK\r\n"
    assert server.client().dbsize() == 100_000


def test_a_query_that_grows_without_end_is_cut_off(start_server) -> None:
    server = start_server("--client-query-buffer-limit", "1mb")
    sock = server.raw()
    with pytest.raises((ConnectionError, TimeoutError)):
        sock.sendall(b"*100000\r\n" + b"$10000\r\n" + b"x" * 10_000 + b"\r\n")
        for _ in range(2000):
            sock.sendall(b"$10000\r\n" + b"x" * 10_000 + b"\r\n")
            time.sleep(0.0002)
    assert server.client().info("stats")["client_query_buffer_limit_disconnections"] == 1
