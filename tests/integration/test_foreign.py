"""Data in the folder that the server neither wrote nor read: never cut, replaced or deleted, and never passed over in
silence."""
from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.program import Server, commands, make_files
from tests.rdbcases import CASES, build
from tests.rdbwords import string

EMPTY_SNAPSHOT = (b"REDIS0011\xfa\x09redis-ver\x057.2.4\xfa\x0aredis-bits\xc0\x40\xfa\x05ctime\xc2\x00\x01\x02\x03"
                  b"\xfa\x08aof-base\xc0\x00\xff" + bytes(8))
SNAPSHOT = b"REDIS0011\xfa\x09redis-ver\x057.2.4\xfe\x00\xfb\x01\x00\x00\x01a\x011\xff" + bytes(8)
DATA = commands("SET a old")


def content(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != "server.log"}


def refused(folder: Path, *parts: str, **options) -> None:
    """The start is refused in one line of these parts, and nothing is touched."""
    before = content(folder)
    with Server(folder, wait=False, **options) as server:
        assert server.ends() == 1
        said = [line for line in server.text().splitlines() if "Nothing was touched." in line]
        assert len(said) == 1 and all(part in said[0] for part in (str(folder), *parts)), server.text()
    assert content(folder) == before


def strays(folder: Path) -> Path:
    inside = make_files(folder, "appendonly.aof", DATA, commands("SET b old"))
    (inside / "appendonly.aof.manifest").unlink()
    return inside


# -- at the start --------------------------------------------------------------------------------------------

def test_files_without_a_manifest(tmp_path: Path) -> None:
    inside = strays(tmp_path)
    refused(tmp_path, "appendonly.aof.1.base.aof, appendonly.aof.1.incr.aof", "appendonly.aof.manifest", "move the folder away")
    # the way out that the line names
    (inside / "appendonly.aof.manifest").write_text("file appendonly.aof.1.base.aof seq 1 type b\n"
                                                    "file appendonly.aof.1.incr.aof seq 1 type i\n")
    with Server(tmp_path) as server:
        assert (server("GET", "a"), server("GET", "b")) == (b"old", b"old")


@pytest.mark.parametrize("name", ["appendonly.aof.7.incr.aof", "appendonly.aof.3.base.aof", "appendonly.aof.1.base.rdb",
                                  "appendonly.aof"])
def test_one_file_without_a_manifest(tmp_path: Path, name: str) -> None:
    inside = tmp_path / "appendonlydir"
    inside.mkdir()
    (inside / name).write_bytes(DATA)
    (tmp_path / "appendonly.aof").write_bytes(commands("SET a single"))     # which would be moved there
    refused(tmp_path, name)


def test_empty_files_and_others_are_no_data(tmp_path: Path) -> None:
    inside = tmp_path / "appendonlydir"
    inside.mkdir()
    (inside / "appendonly.aof.1.base.aof").write_bytes(b"")
    (inside / "notes.txt").write_text("x")
    with Server(tmp_path) as server:
        assert server("SET", "a", "1") == "OK"
    assert (inside / "notes.txt").read_text() == "x"


def test_leftovers_beside_a_manifest_stay(tmp_path: Path) -> None:
    """What a crash left under the names that come next: the numbers behind them are taken."""
    inside = make_files(tmp_path, "appendonly.aof", None, commands("SET a 1"))
    left = {name: commands(f"SET {name} stale") for name in
            ("appendonly.aof.2.incr.aof", "appendonly.aof.1.base.rdb", "appendonly.aof.3.incr.aof")}
    for name, data in left.items():
        (inside / name).write_bytes(data)
    with Server(tmp_path) as server:
        server("BGREWRITEAOF")
        server.rewritten()
        server("INCR", "a")
        server.crash()
    for name, data in left.items():
        assert (inside / name).read_bytes() == data
    assert (inside / "appendonly.aof.manifest").read_text() == ("file appendonly.aof.2.base.rdb seq 2 type b\n"
                                                                "file appendonly.aof.4.incr.aof seq 4 type i\n")
    with Server(tmp_path) as server:
        assert server("GET", "a") == b"2"


def test_another_appendfilename_is_told_of(tmp_path: Path) -> None:
    inside = make_files(tmp_path, "other.aof", DATA)
    before = content(inside)
    with Server(tmp_path) as server:
        assert "holds other.aof.manifest, which is of another appendfilename" in server.text()
        server("SET", "a", "1")
    assert before.items() <= content(inside).items()


def test_a_snapshot_alone(tmp_path: Path) -> None:
    """With appendonly it is refused, as the data would be left unread; without it is loaded."""
    (tmp_path / "dump.rdb").write_bytes(SNAPSHOT)
    refused(tmp_path, "the snapshot dump.rdb", "appendonly is yes", "set dbfilename to another name")
    with Server(tmp_path, dbfilename="none.rdb") as server:
        assert server("SET", "a", "2") == "OK"
    shutil.rmtree(tmp_path / "appendonlydir")
    assert (tmp_path / "dump.rdb").read_bytes() == SNAPSHOT
    with Server(tmp_path, appendonly="no") as server:       # the way out that the line names
        assert server("GET", "a") == b"1"
        assert server("CONFIG", "SET", "appendonly", "yes") == "OK"
        server.rewritten()
        server.crash()
    with Server(tmp_path) as server:
        assert server("GET", "a") == b"1"
        assert "The snapshot dump.rdb is not read: the append-only file holds the data." in server.text()


@pytest.mark.parametrize("data", [b"", EMPTY_SNAPSHOT])
def test_a_snapshot_of_nothing(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "dump.rdb").write_bytes(data)
    with Server(tmp_path) as server:
        assert server("SET", "a", "1") == "OK"


def test_a_snapshot_beside_an_append_only_file(tmp_path: Path) -> None:
    (tmp_path / "dump.rdb").write_bytes(SNAPSHOT)
    make_files(tmp_path, "appendonly.aof", None, DATA)
    with Server(tmp_path) as server:
        assert server("GET", "a") == b"old"
        assert "The snapshot dump.rdb is not read: the append-only file holds the data." in server.text()


def test_a_snapshot_beside_an_empty_append_only_file(tmp_path: Path) -> None:
    (tmp_path / "dump.rdb").write_bytes(SNAPSHOT)
    make_files(tmp_path, "appendonly.aof", b"", b"")
    refused(tmp_path, "the snapshot dump.rdb")


def test_a_snapshot_beside_a_single_file(tmp_path: Path) -> None:
    (tmp_path / "dump.rdb").write_bytes(SNAPSHOT)
    (tmp_path / "appendonly.aof").write_bytes(DATA)
    with Server(tmp_path) as server:
        assert server("GET", "a") == b"old"


# -- at run time ---------------------------------------------------------------------------------------------

@pytest.mark.parametrize("manifest", [True, False, None])
def test_appendonly_no_over_an_append_only_file(tmp_path: Path, manifest: bool | None) -> None:
    """It is not read, which is said, and neither CONFIG SET nor BGREWRITEAOF puts another in its place. Without a manifest
    (False) or with one that can't be read (None) it is the same."""
    inside = make_files(tmp_path, "appendonly.aof", DATA, commands("SET b old"))
    if manifest is False:
        (inside / "appendonly.aof.manifest").unlink()
    with Server(tmp_path, appendonly="no") as server:
        if manifest is None:
            (inside / "appendonly.aof.manifest").write_text("nonsense\n")
        before = content(inside)
        assert "and appendonly is no: it is not read, and not touched" in server.text()
        server("SET", "a", "new")
        assert server("CONFIG", "SET", "appendonly", "yes").endswith("Unable to turn on AOF. Check server logs.")
        assert server("CONFIG", "GET", "appendonly") == [b"appendonly", b"no"]
        assert str(server("BGREWRITEAOF")).startswith("ERR Can't execute an AOF background rewriting.")
        assert "that this server neither wrote nor read" in server.text() and str(inside) in server.text()
        assert content(inside) == before and server("GET", "a") == b"new"
        inside.rename(tmp_path / "moved")       # the way out that the line names
        assert server("CONFIG", "SET", "appendonly", "yes") == "OK"
        server.until(lambda: server.info()["aof_rewrite_in_progress"] == "0" and int(server.info()["aof_rewrites"]) > 0)
        server.crash()
    assert set(before.values()) == set(content(tmp_path / "moved").values())
    with Server(tmp_path) as server:
        assert server("GET", "a") == b"new"


def test_loadaof_while_off(tmp_path: Path) -> None:
    with Server(tmp_path, appendonly="no") as server:
        server("SET", "a", "new")
        assert server("DEBUG", "LOADAOF") == "ERR Error trying to load the AOF files, check server logs."
        assert server("GET", "a") == b"new"
        inside = make_files(tmp_path, "appendonly.aof", None, DATA)
        assert server("DEBUG", "LOADAOF") == "OK"
        assert server("GET", "a") == b"old"
        assert server("CONFIG", "SET", "appendonly", "yes") == "OK"     # what was read may be replaced
        server.rewritten()
        server.crash()
    assert not (inside / "appendonly.aof.1.incr.aof").exists() or b"old" not in (inside / "appendonly.aof.1.incr.aof").read_bytes()
    with Server(tmp_path) as server:
        assert server("GET", "a") == b"old"


def test_loadaof_of_a_file_that_cant_be_read(tmp_path: Path) -> None:
    with Server(tmp_path, appendonly="no") as server:
        inside = make_files(tmp_path, "appendonly.aof", None, DATA + b"!!!" + DATA)
        before = content(inside)
        assert server("DEBUG", "LOADAOF") == "ERR Error trying to load the AOF files, check server logs."
        assert str(server("CONFIG", "SET", "appendonly", "yes")).endswith("Unable to turn on AOF. Check server logs.")
        assert content(inside) == before


def test_files_that_came_while_the_server_ran(tmp_path: Path) -> None:
    """Somebody put a backup into the folder after appendonly was switched off."""
    with Server(tmp_path) as server:
        server("CONFIG", "SET", "appendonly", "no")
        inside = make_files(tmp_path, "appendonly.aof", commands("SET backup 1"))
        before = content(inside)
        assert str(server("CONFIG", "SET", "appendonly", "yes")).endswith("Unable to turn on AOF. Check server logs.")
        assert content(inside) == before


def test_a_temporary_increment_of_a_crash_is_kept(tmp_path: Path) -> None:
    inside = tmp_path / "appendonlydir"
    inside.mkdir()
    (inside / "temp-appendonly.aof.incr").write_bytes(DATA)
    with Server(tmp_path, appendonly="no") as server:
        assert server("CONFIG", "SET", "appendonly", "yes") == "OK"
        server.rewritten()
        assert "is kept as temp-appendonly.aof.incr.kept" in server.text()
    assert (inside / "temp-appendonly.aof.incr.kept").read_bytes() == DATA


def test_a_torn_end_is_kept(tmp_path: Path) -> None:
    whole, torn = commands("SET a 1"), commands("SET b 2")[:-3]
    inside = make_files(tmp_path, "appendonly.aof", None, whole + torn)
    with Server(tmp_path) as server:
        name = f"appendonly.aof.1.incr.aof.cut-{len(whole)}"
        assert f"The {len(torn)} bytes cut off are kept in appendonlydir/{name}" in server.text()
        assert server("GET", "a") == b"1"
    assert (inside / name).read_bytes() == torn and (inside / "appendonly.aof.1.incr.aof").read_bytes() == whole
    with Server(tmp_path) as server:      # and is in nobody's way
        assert server("GET", "a") == b"1"


# -- aof-import-rdb --------------------------------------------------------------------------------------------------

LIBRARY = b"#!lua name=kept\nredis.register_function('f', function() return 1 end)"


def a_snapshot(folder: Path, library: bool = True) -> bytes:
    """One with a key of each case, some of which expire, one whose time has come, keys in another database, and perhaps a
    library."""
    with Server(folder, appendonly="no") as server:
        for number, name in enumerate(CASES):
            build(server, name, lambda option, value: server("CONFIG", "SET", option, value))
            server("RENAME", "k", name)
            if number % 3 == 0:
                server("PEXPIRE", name, 10_000_000)
            if number % 7 == 0:
                server("MOVE", name, 9)
        server("SET", "gone", "1", "PX", 1)
        server("SAVE")
    data = (folder / "dump.rdb").read_bytes()
    if library:
        data = data[:9] + b"\xf5" + string(LIBRARY) + data[9:-8] + bytes(8)
    (folder / "dump.rdb").write_bytes(data)
    return data


def everything(server: Server) -> tuple:
    return server("DEBUG", "DIGEST"), server.info("keyspace").keys()


@pytest.mark.parametrize(("preamble", "sync", "library", "form"), [
    ("yes", "everysec", True, "rdb"), ("no", "always", True, "aof"), ("no", "no", False, "aof")])
def test_a_snapshot_is_imported(tmp_path: Path, preamble: str, sync: str, library: bool, form: str) -> None:
    options = {"aof_use_rdb_preamble": preamble, "appendfsync": sync}
    data = a_snapshot(tmp_path, library)
    with Server(tmp_path, appendonly="no") as server:
        expected = everything(server)
    with Server(tmp_path, aof_import_rdb="yes", **options) as server:
        assert everything(server) == expected and "An append-only file with these data is begun." in server.text()
        figures = server.info()
        assert (figures["rdb_last_load_keys_loaded"], figures["rdb_last_load_keys_expired"]) == (str(len(CASES)), "1")
        assert figures["aof_enabled"] == "1" and int(figures["aof_base_size"]) > 1000
        server("SET", "later", "1")
        expected = everything(server)
        server.crash()      # what was imported is on disk by now
    assert (b"#!lua name=kept" in (tmp_path / "appendonlydir" / f"appendonly.aof.1.base.{form}").read_bytes()) == library
    assert (tmp_path / "dump.rdb").read_bytes() == data
    for again in ("yes", "no"):         # the option may stay: from now on the append-only file is what is read
        with Server(tmp_path, aof_import_rdb=again, **options) as server:
            assert everything(server) == expected
            assert "The snapshot dump.rdb is not read: the append-only file holds the data." in server.text()
            server("SET", f"by {again}", "1")
            expected = everything(server)
            server.stop()


def test_an_import_beside_empty_files(tmp_path: Path) -> None:
    """An append-only file that holds nothing is replaced by one with the snapshot's data."""
    (tmp_path / "dump.rdb").write_bytes(SNAPSHOT)
    make_files(tmp_path, "appendonly.aof", b"", b"")
    with Server(tmp_path, aof_import_rdb="yes") as server:
        server("SET", "b", "2")
        server.stop()
    with Server(tmp_path) as server:
        assert (server("GET", "a"), server("GET", "b")) == (b"1", b"2")
    assert sorted(content(tmp_path / "appendonlydir")) == sorted(str(tmp_path / "appendonlydir" / name) for name in (
        "appendonly.aof.2.base.rdb", "appendonly.aof.2.incr.aof", "appendonly.aof.manifest"))


@pytest.mark.parametrize("beside", ["append-only file", "single file", "nothing", "appendonly no"])
def test_nothing_is_imported_where_there_is_no_need(tmp_path: Path, beside: str) -> None:
    if beside != "nothing":
        (tmp_path / "dump.rdb").write_bytes(SNAPSHOT)
    if beside == "append-only file":
        make_files(tmp_path, "appendonly.aof", None, DATA)
    elif beside == "single file":
        (tmp_path / "appendonly.aof").write_bytes(DATA)
    with Server(tmp_path, aof_import_rdb="yes", appendonly="no" if beside == "appendonly no" else "yes") as server:
        assert server("GET", "a") == {"nothing": None, "appendonly no": b"1"}.get(beside, b"old")
        assert "is begun" not in server.text()
        assert (tmp_path / "appendonlydir").exists() == (beside != "appendonly no")


@pytest.mark.parametrize(("damage", "why"), [
    (lambda data: data[:-20], "Unexpected EOF reading RDB file"), (lambda data: b"REDIS0099" + data[9:], "RDB format version 99"),
    (lambda data: data[:-8] + b"12345678", "RDB CRC error"), (lambda data: b"no snapshot", "Wrong signature")])
def test_a_damaged_snapshot_is_not_imported(tmp_path: Path, damage: Callable[[bytes], bytes], why: str) -> None:
    """The start ends, and nothing was made or changed: the next one meets the same folder."""
    (tmp_path / "dump.rdb").write_bytes(damage(SNAPSHOT))
    before = content(tmp_path)
    for _ in range(2):
        with Server(tmp_path, wait=False, aof_import_rdb="yes") as server:
            assert server.ends() == 1
            said = [line for line in server.text().splitlines() if "Fatal error loading the DB from " in line]
            assert why in said[-1] and str(tmp_path / "dump.rdb") in said[-1], server.text()
        assert content(tmp_path) == before and not (tmp_path / "appendonlydir").exists()


@pytest.mark.parametrize("how", ["killed", "told to stop"])
def test_an_import_that_is_broken_off_is_done_again(tmp_path: Path, how: str) -> None:
    a_snapshot(tmp_path)
    with Server(tmp_path, appendonly="no") as server:
        expected = everything(server)
    before = content(tmp_path)
    with Server(tmp_path, wait=False, aof_import_rdb="yes", key_load_delay=100_000) as server:
        server.wait_ready()
        if how == "killed":
            server.kill()
        else:
            server.process.terminate()
            server.ends()
    assert content(tmp_path) == before
    with Server(tmp_path, aof_import_rdb="yes") as server:
        assert everything(server) == expected
