"""Data in the folder that the server neither wrote nor read: never cut, replaced or deleted, and never passed over in
silence."""
from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.integration.program import Server, commands, make_files

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
            ("appendonly.aof.2.incr.aof", "appendonly.aof.1.base.aof", "appendonly.aof.3.incr.aof")}
    for name, data in left.items():
        (inside / name).write_bytes(data)
    with Server(tmp_path) as server:
        server("BGREWRITEAOF")
        server.rewritten()
        server("INCR", "a")
        server.kill()
    for name, data in left.items():
        assert (inside / name).read_bytes() == data
    assert (inside / "appendonly.aof.manifest").read_text() == ("file appendonly.aof.2.base.aof seq 2 type b\n"
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
        server.kill()
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
        server.kill()
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
        server.kill()
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
