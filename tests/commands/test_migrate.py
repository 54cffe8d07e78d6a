"""MIGRATE: to a server of our own, to and from Debian's, to peers that answer nothing or nonsense."""
from __future__ import annotations

import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.commands.client import Client, Failure, Status
from tests.program import Program
from tests.rdbcases import CASES, build

READS = {b"string": ("GET",), b"list": ("LRANGE", 0, -1), b"set": ("SMEMBERS",), b"hash": ("HGETALL",),
         b"zset": ("ZRANGE", 0, -1, "WITHSCORES"), b"stream": ("XRANGE", "-", "+")}
UNORDERED = {b"set": 1, b"hash": 2}


def content(client: Client, key: str) -> Any:
    kind = client("TYPE", key).encode()
    if kind == b"none":
        return None
    first, *rest = READS[kind]
    found = client(first, key, *rest)
    if kind == b"zset":     # servers print scores differently
        found[1::2] = map(float, found[1::2])
    if kind in UNORDERED:
        step = UNORDERED[kind]
        found = sorted([found[at:at + step] for at in range(0, len(found), step)])
    return kind, found


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    program = Program(tmp_path_factory.mktemp("other"))
    yield program
    program.kill()


@pytest.fixture
def target(other: Program) -> Iterator[Client]:
    connected = Client(other.port)
    connected("FLUSHALL")
    connected("CONFIG", "SET", "requirepass", "")
    yield connected
    connected("CONFIG", "SET", "requirepass", "")
    connected.close()


@pytest.fixture
def plain(server: Program) -> Iterator[Client]:
    """A client of an empty server, in RESP2 whatever is tested."""
    connected = Client(server.port)
    connected("FLUSHALL")
    yield connected
    connected.close()


def to(other: Program, *words: Any, key: str = "k", database: int = 0, timeout: int = 5000) -> tuple[Any, ...]:
    return "MIGRATE", "127.0.0.1", other.port, key, database, timeout, *words


# -- what it does -----------------------------------------------------------------------------------------------------

def test_a_key_moves(client: Client, target: Client, other: Program) -> None:
    client("SET", "k", "v")
    assert client(*to(other)) == Status("OK")
    assert client("EXISTS", "k") == 0 and target("GET", "k") == b"v" and target("TTL", "k") == -1
    assert client(*to(other)) == Status("NOKEY")


def test_its_expiry_moves_along(client: Client, target: Client, other: Program) -> None:
    client("SET", "k", "v", "PX", 100_000)
    client(*to(other))
    assert 90_000 < target("PTTL", "k") <= 100_000


def test_copies_stay(client: Client, target: Client, other: Program) -> None:
    client("SET", "k", "v")
    assert client(*to(other, "copy")) == Status("OK")
    assert client("GET", "k") == target("GET", "k") == b"v"


def test_a_key_that_is_there_is_replaced_only_where_that_is_wanted(client: Client, target: Client, other: Program) -> None:
    client("SET", "k", "new")
    target("SET", "k", "old")
    assert client(*to(other)) == Failure("ERR Target instance replied with error: BUSYKEY Target key name already exists.")
    assert client("GET", "k") == b"new" and target("GET", "k") == b"old"
    assert client(*to(other, "REPLACE")) == Status("OK")
    assert client("EXISTS", "k") == 0 and target("GET", "k") == b"new"


def test_many_keys_in_one_go(client: Client, target: Client, other: Program) -> None:
    for number in range(100):
        client("SET", f"k{number}", "v" * number * 100)
    client("SET", "stays", "1")
    target("SET", "k7", "there")
    names = [f"k{number}" for number in range(100)]
    assert str(client(*to(other, "KEYS", "none", *names, key=""))).endswith("BUSYKEY Target key name already exists.")
    assert client("EXISTS", *names) == 1 and client("GET", "k7") == b"v" * 700
    assert target("EXISTS", *names) == 100 and target("GET", "k99") == b"v" * 9900
    assert client(*to(other, "REPLACE", "KEYS", *names, key="")) == Status("OK")
    assert client("DBSIZE") == 1 and target("GET", "k7") == b"v" * 700
    assert client(*to(other, "KEYS", *names, key="")) == Status("NOKEY")


def test_a_key_that_is_named_twice(client: Client, target: Client, other: Program) -> None:
    client("SET", "k", "v")
    assert str(client(*to(other, "KEYS", "k", "k", key=""))).endswith("BUSYKEY Target key name already exists.")
    assert client("EXISTS", "k") == 0 and target("GET", "k") == b"v"


def test_the_database_is_selected_again_only_where_it_changes(client: Client, target: Client, other: Program) -> None:
    for database in (3, 3, 0, 5):
        client("SET", "k", str(database))
        assert client(*to(other, "REPLACE", database=database)) == Status("OK")
        target("SELECT", database)
        assert target("GET", "k") == str(database).encode()
    target("SELECT", 0)
    client("SET", "k", "v")
    assert client(*to(other, database=77)) == Failure("ERR Target instance replied with error: ERR DB index is out of range")
    assert client("GET", "k") == b"v"
    assert client(*to(other, "REPLACE", database=0)) == Status("OK")


@pytest.mark.parametrize("name", CASES)
def test_every_encoding(plain: Client, target: Client, other: Program, name: str) -> None:
    build(plain, name, lambda option, value: plain("CONFIG", "SET", option, value))
    before = content(plain, "k")
    assert plain(*to(other)) == Status("OK")
    assert content(target, "k") == before and plain("EXISTS", "k") == 0


def test_links_are_kept_and_closed_ones_replaced(client: Client, target: Client, other: Program) -> None:
    client("SET", "k", "1")
    client(*to(other))
    assert b"migrate_cached_sockets:1\r\n" in client("INFO", "stats")
    target("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    client("SET", "k", "2")
    assert client(*to(other, "REPLACE")) == Status("OK")
    assert target("GET", "k") == b"2"


def test_passwords(client: Client, target: Client, other: Program) -> None:
    target("CONFIG", "SET", "requirepass", "secret")
    client("SET", "k", "v")
    target("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    assert client(*to(other)) == Failure("ERR Target instance replied with error: NOAUTH Authentication required.")
    assert client(*to(other, "AUTH", "wrong")) == Failure(
        "ERR Target instance replied with error: WRONGPASS invalid username-password pair or user is disabled.")
    assert client("GET", "k") == b"v"
    assert client(*to(other, "AUTH2", "default", "secret")) == Status("OK")
    client("SET", "k", "v")
    assert client(*to(other, "REPLACE", "AUTH", "secret", "COPY")) == Status("OK")
    assert target("GET", "k") == b"v"


def test_passwords_are_not_shown(server: Program, client: Client, other: Program, target: Client) -> None:
    client("CONFIG", "SET", "slowlog-log-slower-than", 0)
    client("SLOWLOG", "RESET")
    client("SET", "k", "v")
    client(*to(other, "AUTH2", "someone", "secret"))
    shown = repr(client("SLOWLOG", "GET", -1))
    client("CONFIG", "SET", "slowlog-log-slower-than", 10000)
    assert "(redacted)" in shown and "secret" not in shown and "someone" not in shown


def test_deletions_are_propagated_as_one_del(tmp_path: Path, target: Client, other: Program) -> None:
    program = Program(tmp_path, "--appendonly", "yes", "--appendfsync", "always")
    try:
        client = Client(program.port)
        for key in ("a", "b", "c", "taken"):
            client("SET", key, "v")
        target("SET", "taken", "v")
        client(*to(other, "KEYS", "a", "none", "taken", "b", key=""))
        client(*to(other, "COPY", key="c"))
        (log,) = tmp_path.glob("appendonlydir/*.incr.aof")
        assert log.read_bytes().endswith(b"*3\r\n$3\r\nDEL\r\n$1\r\na\r\n$1\r\nb\r\n")
        assert b"MIGRATE" not in log.read_bytes().upper()
        client.close()
    finally:
        program.kill()


def test_watchers_and_listeners_are_told(server: Program, client: Client, target: Client, other: Program) -> None:
    client("SET", "k", "v")
    client("CONFIG", "SET", "notify-keyspace-events", "KEA")
    watcher, listener = Client(server.port), Client(server.port)
    listener("SUBSCRIBE", "__keyevent@0__:del")
    watcher("WATCH", "k")
    client(*to(other))
    assert listener.reply() == [b"message", b"__keyevent@0__:del", b"k"]
    watcher("MULTI")
    watcher("PING")
    assert watcher("EXEC") is None
    client("CONFIG", "SET", "notify-keyspace-events", "")
    watcher.close()
    listener.close()


# -- what goes wrong --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("words, error", [
    (("AUTH",), "ERR syntax error"), (("AUTH2", "u"), "ERR syntax error"), (("NONSENSE",), "ERR syntax error"),
    (("KEYS", "a"), "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string")])
def test_words_that_are_wrong(client: Client, words: tuple[str, ...], error: str) -> None:
    assert client("MIGRATE", "127.0.0.1", 1, "k", 0, 10, *words) == Failure(error)


def test_numbers_that_are_none(client: Client) -> None:
    assert client("MIGRATE", "h", 1, "k", "x", 10) == Failure("ERR value is not an integer or out of range")
    assert client("MIGRATE", "h", 1, "k", 0, "x") == Failure("ERR value is not an integer or out of range")
    assert client("MIGRATE", "no.such.host.invalid", 1, "none", 0, 10) == Status("NOKEY")


@pytest.mark.parametrize("host, port", [("127.0.0.1", 1), ("no.such.host.invalid", 6379), ("127.0.0.1", "x"), ("127.0.0.1", 99999)])
def test_nobody_is_there(client: Client, host: str, port: Any) -> None:
    client("SET", "k", "v")
    assert client("MIGRATE", host, port, "k", 0, 500) == Failure("IOERR error or timeout connecting to the client")
    assert client("GET", "k") == b"v"


class Silent:
    """Takes connections, and answers each with some bytes, or nothing, and an end where that is wanted."""

    def __init__(self, answer: bytes = b"", close: bool = False) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.answer, self.close_after = answer, close
        self.connections: list[socket.socket] = []
        threading.Thread(target=self.run, daemon=True).start()

    def run(self) -> None:
        while True:
            try:
                sock, _ = self.listener.accept()
                self.connections.append(sock)
                if self.answer or self.close_after:
                    sock.recv(1 << 16)
                sock.sendall(self.answer)
                if self.close_after:
                    sock.close()
            except OSError:
                return

    def close(self) -> None:
        self.listener.close()
        for sock in self.connections:
            sock.close()


def test_who_is_silent_is_waited_for_no_longer_than_said(client: Client) -> None:
    one = Silent()
    client("SET", "k", "v")
    started = time.monotonic()
    assert client("MIGRATE", "127.0.0.1", one.port, "k", 0, 200) == Failure("IOERR error or timeout reading to target instance")
    assert 0.15 < time.monotonic() - started < 3
    assert len(one.connections) == 1 and client("GET", "k") == b"v"       # a timeout is not tried again
    client("SET", "k", os.urandom(32 << 20))
    started = time.monotonic()
    assert client("MIGRATE", "127.0.0.1", one.port, "k", 0, 200) == Failure("IOERR error or timeout writing to target instance")
    assert time.monotonic() - started < 5
    one.close()


def test_who_ends_the_connection_is_tried_once_more(client: Client) -> None:
    one = Silent(close=True)
    client("SET", "k", "v")
    assert client("MIGRATE", "127.0.0.1", one.port, "k", 0, 2000) == Failure("IOERR error or timeout reading to target instance")
    assert len(one.connections) == 2 and client("GET", "k") == b"v"
    one.close()


def test_what_was_taken_before_the_end_is_gone_and_not_sent_again(client: Client) -> None:
    one = Silent(b"+OK\r\n+OK\r\n", close=True)
    client("MSET", "a", "1", "b", "2")
    assert client("MIGRATE", "127.0.0.1", one.port, "", 0, 2000, "KEYS", "a", "b") == Failure(
        "IOERR error or timeout reading to target instance")
    assert len(one.connections) == 1 and client("EXISTS", "a") == 0 and client("GET", "b") == b"2"
    one.close()


def test_nonsense_is_an_error_of_reading(client: Client) -> None:
    one = Silent(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    client("SET", "k", "v")
    assert client("MIGRATE", "127.0.0.1", one.port, "k", 0, 500) == Failure("IOERR error or timeout reading to target instance")
    assert client("GET", "k") == b"v"
    one.close()


# -- beside another server --------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    path = shutil.which("redis-server")
    if path is None:
        pytest.skip("no redis-server to compare with")
    program = Program(tmp_path_factory.mktemp("debian"), command=[path])
    yield program
    program.kill()


@pytest.mark.parametrize("name", CASES)
def test_to_redis_and_back(server: Program, plain: Client, debian: Program, name: str) -> None:
    theirs = Client(debian.port)
    theirs("FLUSHALL")
    build(plain, name, lambda option, value: plain("CONFIG", "SET", option, value))
    before = content(plain, "k")
    plain("PEXPIRE", "k", 1_000_000)
    plain("CONFIG", "SET", "rdb-write-version", 10)
    try:
        assert plain(*to(debian)) == Status("OK")
    finally:
        plain("CONFIG", "SET", "rdb-write-version", 11)
    assert content(theirs, "k") == before and plain("EXISTS", "k") == 0
    assert theirs("MIGRATE", "127.0.0.1", server.port, "k", 0, 5000) == Status("OK")
    assert content(plain, "k") == before and 900_000 < plain("PTTL", "k") <= 1_000_000
    theirs.close()


def test_a_version_that_redis_does_not_read_is_its_error(client: Client, debian: Program) -> None:
    client("SET", "k", "v")
    assert client(*to(debian)) == Failure(
        "ERR Target instance replied with error: ERR DUMP payload version or checksum are wrong")
    assert client("GET", "k") == b"v"
