"""Append-only files that move between servers: each type in each encoding, with expiry, with an RDB preamble and without, written
by one and read by the other. The peer is Debian's redis-server (which reads RDB up to version 10), or what KV_TEST_PEER names."""
from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from tests.commands.client import Client
from tests.integration.program import Server
from tests.program import Program
from tests.rdbcases import CASES, build
from tests.valuedump import Values, values_of

PEER = os.environ.get("KV_TEST_PEER") or shutil.which("redis-server")
VERSION = 11 if os.environ.get("KV_TEST_PEER") else 10
FAR_MS = 33177117420000
pytestmark = pytest.mark.skipif(PEER is None, reason="there is no redis-server")


def peer(folder: Path, preamble: str = "yes") -> tuple[Program, Client]:
    program = Program(folder, "--appendonly", "yes", "--aof-use-rdb-preamble", preamble, command=[str(PEER)])
    client = program.connect()
    program.until(lambda: not str(client("PING")).startswith("LOADING"))
    return program, client


def fill(client: Client) -> None:
    """A key of each case in database 0, and one with expiry in another."""
    for name in CASES:
        build(client, name, lambda option, value: client("CONFIG", "SET", option, value))
        client("COPY", "k", f"{name}, to expire", "DB", 9)
        client("RENAME", "k", name)
    client("SELECT", 9)
    for key in client("KEYS", "*"):
        client("PEXPIREAT", key, FAR_MS)
    client("SELECT", 0)


def go_on(client: Client) -> None:
    """What stands in the increment: changes of values that the base has."""
    client("APPEND", "text", "!")
    client("RPUSH", "list of nodes", "last")
    client("SADD", "small set", "another")
    client("HDEL", "large hash", "field 3")
    client("ZINCRBY", "small sorted set", 2, "a")
    client("XADD", "stream of nodes", "1800000000000-0", "a", "b")
    client("MULTI")
    client("INCR", "8 bits")
    client("EXPIREAT", "16 bits", FAR_MS // 1000)
    client("EXEC")


def rewrite(client: Client) -> None:
    assert str(client("BGREWRITEAOF")).startswith("Background append only file rewriting")
    deadline = time.monotonic() + 30
    while (info := client("INFO", "persistence")) and (b"aof_rewrite_in_progress:1" in info or b"aof_rewrite_scheduled:1" in info):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert b"aof_last_bgrewrite_status:ok" in client("INFO", "persistence")


def base_name(folder: Path) -> str:
    return next(path.name for path in (folder / "appendonlydir").iterdir() if ".base." in path.name)


def equal(found: Values, wanted: Values) -> None:
    assert found.keys() == wanted.keys()
    for key, value in wanted.items():
        assert found[key] == value, key
    assert len(wanted) == 2 * len(CASES)


@pytest.mark.parametrize("preamble", ["yes", "no"])
def test_from_the_peer(tmp_path: Path, preamble: str) -> None:
    program, client = peer(tmp_path, preamble)
    try:
        fill(client)
        rewrite(client)
        go_on(client)
        wanted = values_of(client)
        assert base_name(tmp_path).endswith(".rdb" if preamble == "yes" else ".aof")
    finally:
        program.stop()
    for number in range(2):
        with Server(tmp_path, aof_use_rdb_preamble=preamble) as server:
            equal(values_of(server.connect()), wanted)
            if number == 0:     # rewritten here, and read again
                server("BGREWRITEAOF")
                server.rewritten()
            server.stop()


@pytest.mark.parametrize("preamble", ["yes", "no"])
def test_to_the_peer(tmp_path: Path, preamble: str) -> None:
    with Server(tmp_path, aof_use_rdb_preamble=preamble, rdb_write_version=VERSION) as server:
        client = server.connect()
        fill(client)
        server("BGREWRITEAOF")
        server.rewritten()
        go_on(client)
        wanted = values_of(client)
        server.stop()
    assert base_name(tmp_path).endswith(".rdb" if preamble == "yes" else ".aof")
    program, client = peer(tmp_path)
    try:
        equal(values_of(client), wanted)
    finally:
        program.stop()


def test_a_single_file_of_an_older_server(tmp_path: Path) -> None:
    """An RDB preamble with commands behind it, as Redis 4 to 6 have it in one file."""
    program, client = peer(tmp_path)
    fill(client)
    rewrite(client)
    go_on(client)
    wanted = values_of(client)
    program.stop()
    inside = tmp_path / "appendonlydir"
    increments = sorted(inside.glob("*.incr.aof"))
    (tmp_path / "appendonly.aof").write_bytes(b"".join(path.read_bytes() for path in [inside / base_name(tmp_path), *increments]))
    shutil.rmtree(inside)
    for _ in range(2):
        with Server(tmp_path) as server:
            equal(values_of(server.connect()), wanted)
            server.stop()
    assert (inside / "appendonly.aof.manifest").read_text() == ("file appendonly.aof seq 1 type b\n"
                                                                "file appendonly.aof.1.incr.aof seq 1 type i\n")
    text = (tmp_path / "server.log").read_text()
    assert "Reading RDB preamble from AOF file..." in text and "Reading the remaining AOF tail..." in text
