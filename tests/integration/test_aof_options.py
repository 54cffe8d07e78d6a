"""What the options of the append-only file do to a server at work: when it syncs, when it rewrites, how."""
from __future__ import annotations

import errno
import time
from pathlib import Path

import pytest

from tests.integration.faults import Faults, compiled
from tests.integration.program import Server


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Path:
    return compiled(tmp_path_factory.mktemp("faults"))


def fill(server: Server, count: int, size: int = 10) -> None:
    assert set(server.pipe([("SET", f"key:{n}", "x" * size) for n in range(count)])) == {"OK"}


@pytest.mark.parametrize("paused", ["yes", "no"])
@pytest.mark.parametrize("policy", ["always", "everysec"])
def test_no_appendfsync_on_rewrite(tmp_path: Path, library: Path, paused: str, policy: str) -> None:
    """While a child writes nothing is synced, and after it everything is."""
    faults = Faults(library, tmp_path)
    with Server(tmp_path, environment=faults.environment, appendfsync=policy, no_appendfsync_on_rewrite=paused,
                rdb_key_save_delay=100_000) as server:
        fill(server, 100)
        server("BGREWRITEAOF")
        server.until(lambda: "rewriting started by pid" in server.text())
        server("SET", "a", "1")
        time.sleep(0.3)     # the syncs of the increment before are over
        faults.count("fdatasync", "2.incr.aof")
        deadline = time.monotonic() + 1.5
        while time.monotonic() < deadline:
            assert server("INCR", "counter") > 0
            time.sleep(0.05)
        assert server.info()["aof_rewrite_in_progress"] == "1"
        assert (faults.counted() == 0) == (paused == "yes")
        server("CONFIG", "SET", "rdb-key-save-delay", "0")
        faults.count("fdatasync", "2.incr.aof")
        server.until(lambda: server.info()["aof_rewrite_in_progress"] == "0")
        for _ in range(30):
            server("INCR", "counter")
            time.sleep(0.05)
        assert faults.counted() > 0


@pytest.mark.parametrize("preamble", ["yes", "no"])
@pytest.mark.parametrize("bit_by_bit", ["yes", "no"])
def test_aof_rewrite_incremental_fsync(tmp_path: Path, library: Path, bit_by_bit: str, preamble: str) -> None:
    """With it a sync on the way can fail, and the rewrite with it."""
    faults = Faults(library, tmp_path)
    with Server(tmp_path, environment=faults.environment, aof_rewrite_incremental_fsync=bit_by_bit, rdbcompression="no",
                aof_use_rdb_preamble=preamble) as server:
        fill(server, 1000, 10_000)
        faults.fail("fdatasync", errno.EIO, path="temp-rewriteaof")
        server("BGREWRITEAOF")
        server.rewritten()
        assert (faults.lift() > 0) == (bit_by_bit == "yes")
        assert server.info()["aof_last_bgrewrite_status"] == ("err" if bit_by_bit == "yes" else "ok")


def test_growth_by_percentage_and_least_size(tmp_path: Path) -> None:
    with Server(tmp_path, auto_aof_rewrite_percentage=0, auto_aof_rewrite_min_size=1000) as server:
        fill(server, 1000)
        time.sleep(0.3)
        assert server.info()["aof_rewrites"] == "0"     # 0 per cent is never
        server("CONFIG", "SET", "auto-aof-rewrite-min-size", 10_000_000)
        server("CONFIG", "SET", "auto-aof-rewrite-percentage", 10)
        time.sleep(0.3)
        assert server.info()["aof_rewrites"] == "0"     # it is too small
        server("CONFIG", "SET", "auto-aof-rewrite-min-size", 1000)
        server.rewritten()
        assert "Starting automatic rewriting of AOF on " in server.text()
        size = int(server.info()["aof_base_size"])
        fill(server, 1)
        time.sleep(0.3)
        assert server.info()["aof_rewrites"] == "1" and int(server.info()["aof_base_size"]) == size
        server.crash()
    with Server(tmp_path, auto_aof_rewrite_percentage=0) as server:
        base = next((tmp_path / "appendonlydir").glob("*.base.rdb"))
        assert int(server.info()["aof_base_size"]) == base.stat().st_size


def test_the_form_of_a_base_is_fixed_when_its_child_starts(tmp_path: Path) -> None:
    with Server(tmp_path, aof_use_rdb_preamble="no", rdb_key_save_delay=1_000_000) as server:
        assert (tmp_path / "appendonlydir" / "appendonly.aof.1.base.aof").exists()
        server("SET", "a", "1")
        server("SET", "b", "1")
        server("BGREWRITEAOF")
        server.until(lambda: "rewriting started by pid" in server.text())
        server("CONFIG", "SET", "aof-use-rdb-preamble", "yes")
        server("CONFIG", "SET", "rdb-key-save-delay", "0")
        server.rewritten()
        assert (tmp_path / "appendonlydir" / "appendonly.aof.2.base.aof").read_bytes().startswith(b"*2\r\n$6\r\nSELECT")
        server("BGREWRITEAOF")
        server.rewritten(2)
        assert (tmp_path / "appendonlydir" / "appendonly.aof.3.base.rdb").read_bytes().startswith(b"REDIS0011")
        server.crash()
    with Server(tmp_path) as server:
        assert server("DBSIZE") == 2


def test_a_first_start_that_was_killed_is_no_data(tmp_path: Path) -> None:
    """The base of nothing, without the manifest that would name it."""
    with Server(tmp_path) as server:
        server.crash()
    inside = tmp_path / "appendonlydir"
    (inside / "appendonly.aof.manifest").unlink()
    (inside / "appendonly.aof.1.incr.aof").unlink()
    with Server(tmp_path) as server:
        assert server("SET", "a", "1") == "OK"
        server.crash()
    with Server(tmp_path) as server:
        assert server("GET", "a") == b"1"
