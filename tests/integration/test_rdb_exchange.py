"""Snapshots that move between this server and another: each type in each encoding, expiry, and how keys were used, both ways.

The other is Debian's redis-server, which reads up to version 10, or the one that KV_TEST_PEER names.
"""
from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.commands.client import Client
from tests.integration.program import Server
from tests.program import Program
from tests.rdbcases import CASES, build

READS = {b"string": ("GET",), b"list": ("LRANGE", 0, -1), b"set": ("SMEMBERS",), b"hash": ("HGETALL",),
         b"zset": ("ZRANGE", 0, -1, "WITHSCORES"), b"stream": ("XRANGE", "-", "+")}
OURS = {"small set": b"listpack", "list": b"listpack", "digits that were appended": b"int"}     # as 7.2 and later have it
UNORDERED = {b"set": 1, b"hash": 2}     # elements that belong together


@pytest.fixture(scope="module")
def command() -> str:
    path = os.environ.get("KV_TEST_PEER") or shutil.which("redis-server")
    if path is None:
        pytest.skip("no redis-server to compare with")
    return path


def content(client: Callable[..., Any], key: str) -> Any:
    """All that can be asked of a key."""
    kind = client("TYPE", key).encode()
    first, *rest = READS[kind]
    found = client(first, key, *rest)
    if kind in UNORDERED:
        step = UNORDERED[kind]
        found = sorted([found[at:at + step] for at in range(0, len(found), step)])
    elif kind == b"zset":       # servers print the same number with 16 digits or with 17
        found = [float(word) if at % 2 else word for at, word in enumerate(found)]
    details = client("XINFO", "STREAM", key, "FULL", "COUNT", 0) if kind == b"stream" else None
    return kind, found, without_times(details), client("PEXPIRETIME", key)


def without_times(details: Any) -> Any:
    """What XINFO STREAM FULL says, less what depends on the server: how it stores the stream, and moments."""
    if not isinstance(details, list):
        return details
    found = []
    for at in range(0, len(details), 2):
        if isinstance(details[at], bytes) and details[at] in (b"radix-tree-keys", b"radix-tree-nodes", b"seen-time", b"active-time",
                                                              b"pel"):
            continue
        found += [without_times(part) for part in details[at:at + 2]]
    return found


def everything(client: Callable[..., Any]) -> dict[str, Any]:
    return {key.decode(): content(client, key.decode()) for key in client("KEYS", "*")}


def fill(client: Callable[..., Any]) -> None:
    for number, name in enumerate(CASES):
        build(client, name, lambda option, value: client("CONFIG", "SET", option, value))
        client("RENAME", "k", name)
        if number % 2:
            client("PEXPIREAT", name, 4_000_000_000_000 + number)


class Peer(Program):
    def __init__(self, folder: Path, command: str, *options: str) -> None:
        super().__init__(folder, *options, command=[command])
        self.connection = self.connect()
        self.until(lambda: not str(self.connection("PING")).startswith("LOADING"))


@pytest.fixture
def peers(tmp_path: Path, command: str) -> Iterator[Callable[..., Client]]:
    """start(*options): the other server in the test's folder; its client."""
    started: list[Peer] = []

    def start(*options: str) -> Client:
        started.append(Peer(tmp_path, command, *options))
        return started[-1].connection

    yield start
    for program in started:
        program.kill()


@pytest.mark.parametrize("compression", ["yes", "no"])
def test_ours_loads_there(tmp_path: Path, peers: Callable[..., Client], compression: str) -> None:
    with Server(tmp_path, appendonly="no", rdb_write_version=10, rdbcompression=compression) as server:
        fill(server)
        wanted = everything(server)
        assert server("SAVE") == "OK"
    peer = peers()
    assert everything(peer) == wanted and len(wanted) == len(CASES)


@pytest.mark.parametrize("compression", ["yes", "no"])
def test_theirs_loads_here(tmp_path: Path, peers: Callable[..., Client], compression: str) -> None:
    peer = peers("--rdbcompression", compression)
    fill(peer)
    wanted = everything(peer)
    encodings = {name: peer("OBJECT", "ENCODING", name) for name in wanted}
    peer("SAVE")
    peer.send("SHUTDOWN", "NOSAVE")
    with Server(tmp_path, appendonly="no") as server:
        found = everything(server)
        assert found == wanted and len(found) == len(CASES)
        assert {name: server("OBJECT", "ENCODING", name) for name in found} == {
            name: OURS.get(name, encoding) for name, encoding in encodings.items()}


@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-lfu"])
def test_use_goes_both_ways(tmp_path: Path, peers: Callable[..., Client], policy: str) -> None:
    asked = ("OBJECT", "IDLETIME" if policy.endswith("lru") else "FREQ", "k")
    options = {"maxmemory-policy": policy, "lfu-log-factor": "0", "lfu-decay-time": "0"}
    with Server(tmp_path, appendonly="no", rdb_write_version=10, **options) as server:
        server("SET", "k", "v")
        for _ in range(20):
            server("GET", "k")
        time.sleep(2.1 if policy.endswith("lru") else 0)
        wanted = server(*asked)
        server("SAVE")
    peer = peers(*[word for name, value in options.items() for word in ("--" + name, value)])
    used = peer(*asked)
    assert wanted <= used <= wanted + 5 and used >= 2
    peer("SAVE")
    peer.send("SHUTDOWN", "NOSAVE")
    with Server(tmp_path, appendonly="no", **options) as server:
        assert used <= server(*asked) <= used + 5


def test_their_checker_finds_nothing_wrong(tmp_path: Path) -> None:
    import subprocess

    checker = shutil.which("redis-check-rdb")
    if checker is None:
        pytest.skip("no redis-check-rdb")
    with Server(tmp_path, appendonly="no", rdb_write_version=10) as server:
        fill(server)
        server("SAVE")
    ran = subprocess.run([checker, str(tmp_path / "dump.rdb")], capture_output=True, text=True)
    assert ran.returncode == 0 and "RDB looks OK!" in ran.stdout
