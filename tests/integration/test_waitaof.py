"""WAITAOF: until what the caller wrote is on disk, by each appendfsync, and around rewrites and switches of the AOF."""
from __future__ import annotations

import select
import time
from pathlib import Path

import pytest

from tests.commands.client import Client, Failure
from tests.integration.program import Server

OFF = Failure("ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.")


def waiting(server: Server) -> Client:
    """A client that has written and waits for that to be on disk, and does so still."""
    client = server.connect()
    assert client("INCR", "n") > 0
    client.send("WAITAOF", 1, 0, 0)
    server.until(lambda: server.info("clients")["blocked_clients"] != "0")
    assert not select.select([client.socket], [], [], 0.3)[0]
    return client


@pytest.mark.parametrize("policy", ["always", "everysec"])
def test_it_waits_for_the_sync(tmp_path: Path, policy: str) -> None:
    with Server(tmp_path, appendfsync=policy) as server:
        assert server("WAITAOF", 1, 0, 0) == [1, 0]     # nothing was written
        began = time.monotonic()
        for n in range(3):
            assert server.pipe([("SET", "a", n), ("WAITAOF", 1, 0, 0), ("GET", "a")]) == ["OK", [1, 0], str(n).encode()]
        assert time.monotonic() - began < 5
        server("MULTI")
        server("SET", "a", "b")
        server("WAITAOF", 1, 0, 0)
        assert server("EXEC")[0] == "OK"                # and did not wait
        assert server("WAITAOF", 1, 0, 0) == [1, 0]
        assert server("WAITAOF", 1, 1, 20) == [1, 0]
        assert server("WAITAOF", 0, 0, 0) == [1, 0]


def test_always_has_synced_before_anyone_waits(tmp_path: Path) -> None:
    with Server(tmp_path, appendfsync="always") as server:
        server("SET", "a", "b")
        server("MULTI")
        server("WAITAOF", 1, 0, 0)
        assert server("EXEC") == [[1, 0]]


def test_without_syncs_it_waits_its_time(tmp_path: Path) -> None:
    with Server(tmp_path, appendfsync="no") as server:
        assert server("WAITAOF", 1, 0, 0) == [1, 0]
        server("SET", "a", "b")
        assert server("WAITAOF", 0, 0, 0) == [0, 0]
        began = time.monotonic()
        assert server("WAITAOF", 1, 0, 50) == [0, 0]
        assert time.monotonic() - began >= 0.05
        reader = server.connect()
        assert reader("WAITAOF", 1, 0, 0) == [1, 0]     # it has written nothing
        assert server.pipe([("SET", "a", "c"), ("CONFIG", "SET", "appendfsync", "everysec"), ("WAITAOF", 1, 0, 0)]) == [
            "OK", "OK", [1, 0]]


def test_each_client_waits_for_its_own_writes(tmp_path: Path) -> None:
    with Server(tmp_path, appendfsync="no") as server:
        early = server.connect()
        early("SET", "a", "b")
        server("CONFIG", "SET", "appendfsync", "always")
        server("SET", "x", "y")
        server("CONFIG", "SET", "appendfsync", "no")
        server("SET", "x", "z")
        assert early("WAITAOF", 1, 0, 0) == [1, 0]
        assert server("WAITAOF", 1, 0, 20) == [0, 0]


def test_turning_the_aof_off_ends_the_wait(tmp_path: Path) -> None:
    with Server(tmp_path, appendfsync="no") as server:
        client = waiting(server)
        assert server.pipe([("CONFIG", "SET", "appendonly", "no"), ("WAITAOF", 1, 0, 0)]) == ["OK", OFF]
        assert client.reply() == OFF
        assert server.info("clients")["blocked_clients"] == "0"


def test_a_new_policy_ends_the_wait(tmp_path: Path) -> None:
    with Server(tmp_path, appendfsync="no") as server:
        client = waiting(server)
        server("CONFIG", "SET", "appendfsync", "always")
        assert client.reply() == [1, 0]


def test_a_rewrite_syncs_what_was_written_before_it(tmp_path: Path) -> None:
    with Server(tmp_path, appendfsync="no") as server:
        client = waiting(server)
        server("BGREWRITEAOF")
        assert client.reply() == [1, 0]


def test_turning_it_on_waits_for_the_first_base(tmp_path: Path) -> None:
    with Server(tmp_path, appendonly="no") as server:
        server("DEBUG", "POPULATE", 1000)
        server("SET", "before", 1)
        assert server("WAITAOF", 1, 0, 0) == OFF
        server("CONFIG", "SET", "rdb-key-save-delay", 200)
        assert server.pipe([("CONFIG", "SET", "appendonly", "yes"), ("SET", "after", 1), ("WAITAOF", 1, 0, 0)]) == [
            "OK", "OK", [1, 0]]
        assert server.info()["aof_rewrite_in_progress"] == "0"
        assert server("WAITAOF", 1, 0, 0) == [1, 0]
        server.kill()
        server.start(wait=False)
        server.wait_loaded()


def test_what_was_confirmed_is_there_after_a_crash(tmp_path: Path) -> None:
    with Server(tmp_path, appendfsync="everysec") as server:
        server("SET", "a", "confirmed")
        assert server("WAITAOF", 1, 0, 0) == [1, 0]
        server.kill()
        server.start(wait=False)
        server.wait_loaded()
        assert server("GET", "a") == b"confirmed"
