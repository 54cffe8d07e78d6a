"""Snapshots of a live server: saved, killed, started again; what goes wrong on the way, and what is said of it."""
from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kv.server.rdb.load import ENDING, HEAD_ENDING
from tests.integration.program import Server
from tests.rdbcases import CASES, build
from tests.rdbfile import read_file
from tests.rdbwords import file_of, string
from tests.sanitizer import SANITIZED

MOMENTS = 20.0 if SANITIZED else 3.0    # seconds within which a signal is obeyed, on a machine with other work


def serve(folder: Path, **options: Any) -> Server:
    """A server without an append-only file."""
    return Server(folder, **{"appendonly": "no", **options})


def fill(server: Server) -> None:
    """Each case as a key of its own name, half of them with an expiry, and some in another database."""
    for number, name in enumerate(CASES):
        build(server, name, lambda option, value: server("CONFIG", "SET", option, value))
        server("RENAME", "k", name)
        if number % 2:
            server("PEXPIRE", name, 10_000_000 + number)
        if number % 7 == 0:
            server("MOVE", name, 9)


def idle(server: Server) -> bool:
    return server.info()["rdb_bgsave_in_progress"] == "0"


def saved(server: Server) -> None:
    """BGSAVE, and wait for its end."""
    assert server("BGSAVE") == "Background saving started"
    server.until(lambda: idle(server))


def lines(server: Server, *parts: str) -> list[str]:
    return [line for line in server.text().splitlines() if all(part in line for part in parts)]


def temporary(folder: Path) -> list[str]:
    return sorted(name for name in os.listdir(folder) if name.startswith("temp-"))


# -- saved and loaded -------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("how", ["SAVE", "BGSAVE"])
@pytest.mark.parametrize("options", [
    {}, {"rdbcompression": "no", "rdbchecksum": "no"}, {"rdb_write_version": 10}, {"dbfilename": "other.rdb"},
    {"rdb_save_incremental_fsync": "no", "sanitize_dump_payload": "yes"}], ids=str)
def test_what_was_saved_is_there_after_a_kill(tmp_path: Path, how: str, options: dict[str, Any]) -> None:
    with serve(tmp_path, **options) as server:
        fill(server)
        server("CONFIG", "SET", "rdb-key-save-delay", 0)
        digest, keys = server("DEBUG", "DIGEST"), server.info("keyspace")
        if how == "SAVE":
            assert server("SAVE") == "OK"
        else:
            saved(server)
        server("SET", "later", "1")
        server.kill()
    assert temporary(tmp_path) == []
    with serve(tmp_path, **options) as server:
        assert server("DEBUG", "DIGEST") == digest
        found = server.info("keyspace")
        assert [found[name].rsplit(",", 1)[0] for name in found] == [keys[name].rsplit(",", 1)[0] for name in keys]
        assert server.info()["rdb_last_load_keys_loaded"] == str(len(CASES))
        assert lines(server, "Loading RDB produced by Valkey version 8.1.7") and lines(server, "RDB age ")
        assert lines(server, f"Done loading RDB, keys loaded: {len(CASES)}, keys expired: 0.")
        assert lines(server, "DB loaded from disk: ") and server.info()["rdb_changes_since_last_save"] == "0"


def test_keys_whose_time_has_come_are_left_out(tmp_path: Path) -> None:
    with serve(tmp_path) as server:
        server("SET", "stays", "1", "PX", 10_000_000)
        server("DEBUG", "SET-ACTIVE-EXPIRE", 0)
        for number in range(5):
            server("SET", f"goes:{number}", "1", "PX", 1)
        time.sleep(0.05)
        server("SAVE")
        server.kill()
    assert len(read_file((tmp_path / "dump.rdb").read_bytes()).databases[0]) == 6
    with serve(tmp_path) as server:
        assert server("KEYS", "*") == [b"stays"] and 9_000_000 < server("PTTL", "stays") <= 10_000_000
        figures = server.info()
        assert (figures["rdb_last_load_keys_loaded"], figures["rdb_last_load_keys_expired"]) == ("1", "5")


@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-lfu"])
def test_use_survives(tmp_path: Path, policy: str) -> None:
    with serve(tmp_path, maxmemory_policy=policy, lfu_log_factor=0, lfu_decay_time=0) as server:
        server("SET", "k", "v")
        for _ in range(20):
            server("GET", "k")
        used = server("OBJECT", "FREQ" if policy.endswith("lfu") else "IDLETIME", "k")
        if policy.endswith("lru"):
            time.sleep(2.1)
        server("SAVE")
        server.kill()
    with serve(tmp_path, maxmemory_policy=policy, lfu_log_factor=0, lfu_decay_time=0) as server:
        if policy.endswith("lfu"):
            assert server("OBJECT", "FREQ", "k") == used > 20
        else:
            assert server("OBJECT", "IDLETIME", "k") >= 2


def test_an_empty_folder_starts_empty(tmp_path: Path) -> None:
    with serve(tmp_path) as server:
        assert server("DBSIZE") == 0 and "DB loaded from disk" not in server.text()


def with_libraries(*codes: bytes) -> bytes:
    """A snapshot of them and nothing else."""
    return file_of(b"".join(b"\xf5" + string(code) for code in codes))


def library(name: str) -> bytes:
    """The code of a library, whose name is its first word."""
    stem = name.split()[0].encode()
    return b"#!lua name=%b\nredis.register_function('f_%b', function() return '%b' end)" % (stem, stem, name.encode())


@pytest.mark.parametrize(("options", "kept"), [
    ((), ["one", "two"]), (("MERGE",), ["one", "two"]), (("MERGE", "NOFLUSH"), ["one", "two"]),
    (("NOSAVE",), ["one 2", "three"]), (("NOSAVE", "MERGE"), ["one 2", "three"]),
    (("NOSAVE", "NOFLUSH", "MERGE"), ["two", "one 2", "three"])], ids=str)
def test_reloading_doubles_no_function_library(tmp_path: Path, options: tuple, kept: list[str]) -> None:
    """Where datasets are merged a library of the file takes the place of one with its name; else there are the file's alone."""
    codes = {name: library(name) for name in ("one", "two", "one 2", "three")}
    (tmp_path / "dump.rdb").write_bytes(with_libraries(codes["one"], codes["two"]))
    with serve(tmp_path) as server:
        if "NOSAVE" in options:
            (tmp_path / "dump.rdb").write_bytes(with_libraries(codes["one 2"], codes["three"]))
        for _ in range(2):
            assert server("DEBUG", "RELOAD", *options) == "OK"
        server("SAVE")
    assert read_file((tmp_path / "dump.rdb").read_bytes()).libraries == [codes[name] for name in kept]


def test_a_library_that_is_there_is_no_second_time(tmp_path: Path) -> None:
    code = library("one")
    (tmp_path / "dump.rdb").write_bytes(with_libraries(code))
    with serve(tmp_path) as server:
        assert server("DEBUG", "RELOAD", "NOFLUSH") == "ERR Error trying to load the RDB dump, check server logs."
        assert lines(server, "Failed loading library, Library 'one' already exists")
        server("SAVE")
    assert read_file((tmp_path / "dump.rdb").read_bytes()).libraries == [code]
    (tmp_path / "dump.rdb").write_bytes(with_libraries(code, code))
    with serve(tmp_path, wait=False) as server:
        assert server.ends() == 1 and lines(server, "Failed loading library, Library 'one' already exists")


# -- when it saves ----------------------------------------------------------------------------------------------------

def test_save_points(tmp_path: Path) -> None:
    with serve(tmp_path, save="1 3") as server:
        server("MSET", "a", "1", "b", "2")
        time.sleep(2.5)
        assert not (tmp_path / "dump.rdb").exists() and server.info()["rdb_changes_since_last_save"] == "2"
        server("SET", "c", "3")
        server.until(lambda: server.info()["rdb_saves"] == "1" and idle(server))
        figures = server.info()
        assert figures["rdb_changes_since_last_save"] == "0" and figures["rdb_last_bgsave_status"] == "ok"
        assert int(figures["rdb_last_bgsave_time_sec"]) >= 0 and int(figures["rdb_last_cow_size"]) > 0
        assert lines(server, "3 changes in 1 seconds. Saving...") and lines(server, "DB saved on disk")
        assert lines(server, "Background saving terminated with success") and lines(server, "Fork CoW for RDB: current ")
        assert server("LASTSAVE") == int(figures["rdb_last_save_time"]) > time.time() - 60
    assert len(read_file((tmp_path / "dump.rdb").read_bytes()).databases[0]) == 3


def test_save_points_by_config_set(tmp_path: Path) -> None:
    with serve(tmp_path) as server:
        server("SET", "a", "1")
        time.sleep(1.2)
        assert server.info()["rdb_saves"] == "0"
        assert server("CONFIG", "SET", "save", "3600 1 1 1") == "OK"
        server.until(lambda: server.info()["rdb_saves"] == "1" and idle(server))
        assert lines(server, "1 changes in 1 seconds. Saving...")


def slow(server: Server, keys: int = 1000, delay_us: int = 10_000) -> None:
    """What takes a child ten seconds."""
    server.pipe([("SET", f"k{number}", number) for number in range(keys)])
    server("CONFIG", "SET", "rdb-key-save-delay", delay_us)


def test_changes_during_a_save_count_for_the_next(tmp_path: Path) -> None:
    with serve(tmp_path) as server:
        slow(server, 100, 10_000)
        server("BGSAVE")
        server("MSET", "x", "1", "y", "2")
        assert server.info()["rdb_changes_since_last_save"] == "102"
        server.until(lambda: idle(server))
        assert server.info()["rdb_changes_since_last_save"] == "2"
        assert server("CONFIG", "RESETSTAT") == "OK" and server.info()["rdb_saves"] == "0"
    assert len(read_file((tmp_path / "dump.rdb").read_bytes()).databases[0]) == 100


def test_one_child_at_a_time(tmp_path: Path) -> None:
    with serve(tmp_path) as server:
        slow(server)
        assert server("BGSAVE", "CANCEL") == "ERR Background saving is currently not in progress or scheduled"
        assert server("BGSAVE", "LATER") == server("BGSAVE", "SCHEDULE", "NOW") == "ERR syntax error"
        assert server("BGSAVE") == "Background saving started"
        figures = server.info()
        assert figures["rdb_bgsave_in_progress"] == "1" and figures["rdb_current_bgsave_time_sec"] in ("0", "1")
        assert figures["current_save_keys_total"] == "1000"
        server.until(lambda: int(server.info()["current_save_keys_processed"]) > 0)
        assert server("BGSAVE") == server("SAVE") == "ERR Background save already in progress"
        assert server("BGSAVE", "SCHEDULE") == "ERR Background save already in progress"
        assert server("BGREWRITEAOF") == "Background append only file rewriting scheduled"
        assert server("BGSAVE", "CANCEL") == "Background saving cancelled"
        server.until(lambda: idle(server))
        assert temporary(tmp_path) == [] and not (tmp_path / "dump.rdb").exists()
        figures = server.info()
        assert (figures["rdb_last_bgsave_status"], figures["rdb_saves"]) == ("ok", "1")
        server.until(lambda: server.info()["aof_rewrite_in_progress"] == "1")
        assert str(server("BGSAVE")).startswith("ERR Another child process is active (AOF?): can't BGSAVE right now.")
        assert server("BGSAVE", "SCHEDULE") == "Background saving scheduled"
        assert server("BGSAVE", "CANCEL") == "Scheduled background saving cancelled"
        assert server("BGSAVE", "SCHEDULE") == "Background saving scheduled"
        server("CONFIG", "SET", "rdb-key-save-delay", 0)
        rewriting = int(lines(server, "Background append only file rewriting started by pid")[-1].rsplit(" ", 1)[1])
        os.kill(rewriting, signal.SIGKILL)
        server.until(lambda: server.info()["rdb_saves"] == "2" and idle(server))
        assert (tmp_path / "dump.rdb").exists()


def test_a_save_in_a_transaction_waits_for_its_end(tmp_path: Path) -> None:
    with serve(tmp_path) as server:
        assert server.pipe([("MULTI",), ("SET", "a", "1"), ("BGSAVE",), ("SET", "b", "2"), ("EXEC",)])[-1] == [
            "OK", "Background saving scheduled", "OK"]
        server.until(lambda: server.info()["rdb_saves"] == "1" and idle(server))
        assert server.pipe([("MULTI",), ("SAVE",)])[-1] == "ERR Command not allowed inside a transaction"
    assert len(read_file((tmp_path / "dump.rdb").read_bytes()).databases[0]) == 2


def test_flushall_overwrites_the_snapshot(tmp_path: Path) -> None:
    with serve(tmp_path, save="3600 1000000") as server:
        slow(server)
        server("CONFIG", "SET", "rdb-key-save-delay", 0)
        server("SAVE")
        server("CONFIG", "SET", "rdb-key-save-delay", 10_000)
        server("BGSAVE")
        assert server("FLUSHALL") == "OK"
        figures = server.info()
        assert figures["rdb_changes_since_last_save"] == "0" and figures["rdb_bgsave_in_progress"] == "0"
        assert read_file((tmp_path / "dump.rdb").read_bytes()).databases == {} and temporary(tmp_path) == []
        server("CONFIG", "SET", "save", "", "rdb-key-save-delay", 0)
        server("SET", "a", "1")
        server("SAVE")
        server("FLUSHALL", "ASYNC")
        assert len(read_file((tmp_path / "dump.rdb").read_bytes()).databases[0]) == 1 and server("DBSIZE") == 0
        assert server.info()["rdb_changes_since_last_save"] == "1"


# -- what goes wrong --------------------------------------------------------------------------------------------------

REFUSED = ("MISCONF Valkey is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that may "
           "modify the data set are disabled, because this instance is configured to report errors during writes if RDB "
           "snapshotting fails (stop-writes-on-bgsave-error option). Please check the Valkey logs for details about the RDB error.")


def test_writes_stop_while_snapshots_fail(tmp_path: Path) -> None:
    (tmp_path / "dump.rdb").mkdir()
    with serve(tmp_path, save="3600 1", dbfilename="other.rdb") as server:
        assert server("CONFIG", "SET", "dbfilename", "dump.rdb").startswith("ERR CONFIG SET failed")      # it is protected
    with serve(tmp_path, save="3600 1", enable_protected_configs="yes", dbfilename="other.rdb") as server:
        assert server("CONFIG", "SET", "dbfilename", "a/b").endswith("dbfilename can't be a path, just a filename")
        assert server("CONFIG", "SET", "dbfilename", "").endswith("dbfilename can't be empty")
        server("CONFIG", "SET", "dbfilename", "dump.rdb")
        server("SET", "a", "1")
        saved(server)
        assert server.info()["rdb_last_bgsave_status"] == "err" and lines(server, "Background saving error")
        assert lines(server, "Error moving temp DB file temp-", "on the final destination dump.rdb (in server root dir",
                     "): Is a directory")
        assert server("SET", "a", "2") == server("PING") == REFUSED and server("GET", "a") == b"1"
        assert server("SAVE") == "ERR" and temporary(tmp_path) == []
        for option, value, other in (("stop-writes-on-bgsave-error", "no", "yes"), ("save", "", "3600 1")):
            assert server("CONFIG", "SET", option, value) == "OK"
            assert server("SET", "a", "2") == "OK" and server("PING") == "PONG"
            assert server("CONFIG", "SET", option, other) == "OK"
            assert server("SET", "a", "3") == REFUSED
        server("CONFIG", "SET", "dbfilename", "other.rdb")
        saved(server)
        assert server("SET", "a", "4") == "OK" and server.info()["rdb_last_bgsave_status"] == "ok"


def test_a_full_disk(tmp_path: Path) -> None:
    """A limit on the size of files stands for it."""
    with serve(tmp_path, file_size_limit=20_000) as server:
        server("SET", "a", "1")
        assert server("SAVE") == "OK"
        before = (tmp_path / "dump.rdb").read_bytes()
        server("SET", "b", os.urandom(100_000))
        assert server("SAVE") == "ERR"
        assert lines(server, "Write error while saving DB to the disk(rdbSaveRio): File too large")
        saved(server)
        assert server.info()["rdb_last_bgsave_status"] == "err" and temporary(tmp_path) == []
        assert (tmp_path / "dump.rdb").read_bytes() == before
        server("DEL", "b")
        saved(server)
        assert server.info()["rdb_last_bgsave_status"] == "ok"


def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    with serve(tmp_path, dir=str(folder)) as server:
        folder.rmdir()
        assert server("SAVE") == "ERR"
        assert lines(server, "Failed opening the temp RDB file temp-", ".rdb (in server root dir unknown) for saving: No such file")


def test_a_child_that_is_killed(tmp_path: Path) -> None:
    with serve(tmp_path, save="3600 1") as server:
        slow(server)
        for number, status in ((signal.SIGKILL, "err"), (signal.SIGUSR1, "err")):
            server("BGSAVE")
            server.until(lambda: temporary(tmp_path) != [])
            child = int(lines(server, "Background saving started by pid")[-1].rsplit(" ", 1)[1])
            os.kill(child, number)
            server.until(lambda: idle(server))
            assert lines(server, f"Background saving terminated by signal {int(number)}")
            assert server.info()["rdb_last_bgsave_status"] == status and temporary(tmp_path) == []
        server("CONFIG", "SET", "rdb-key-save-delay", 0)
        saved(server)
        server("CONFIG", "SET", "rdb-key-save-delay", 10_000)
        server("BGSAVE")
        server.until(lambda: temporary(tmp_path) != [])
        os.kill(int(lines(server, "Background saving started by pid")[-1].rsplit(" ", 1)[1]), signal.SIGUSR1)
        server.until(lambda: idle(server))
        assert server.info()["rdb_last_bgsave_status"] == "ok"      # this signal says that nothing is wrong


def test_a_save_point_waits_after_a_failure(tmp_path: Path) -> None:
    with serve(tmp_path, save="1 1", stop_writes_on_bgsave_error="no", file_size_limit=20_000) as server:
        server("SET", "b", os.urandom(100_000))
        server.until(lambda: server.info()["rdb_last_bgsave_status"] == "err")
        begun = time.monotonic()
        server.until(lambda: server.info()["rdb_saves"] == "2")
        assert 4 < time.monotonic() - begun < 9


def test_leftovers_are_removed_at_the_start(tmp_path: Path) -> None:
    gone = os.fork()
    if gone == 0:
        os._exit(0)
    os.waitpid(gone, 0)
    for name in (f"temp-{gone}.rdb", f"temp-{os.getpid()}.rdb", "temp-x.rdb"):
        (tmp_path / name).write_bytes(b"half")
    with serve(tmp_path) as server:
        assert lines(server, f"Removing the unfinished file temp-{gone}.rdb")
    assert temporary(tmp_path) == sorted([f"temp-{os.getpid()}.rdb", "temp-x.rdb"])


# -- files that can't be loaded ---------------------------------------------------------------------------------------

def a_file(folder: Path, keys: int = 100) -> bytes:
    with serve(folder) as server:
        server.pipe([("SET", f"key:{number}", f"value {number}" * 5) for number in range(keys)])
        server("SAVE")
    return (folder / "dump.rdb").read_bytes()


BROKEN: dict[str, Callable[[bytes], bytes]] = {
    "truncated": lambda data: data[:len(data) // 2],
    "without its checksum": lambda data: data[:-8],
    "a wrong checksum": lambda data: data[:-1] + bytes([data[-1] ^ 1]),
    "another magic": lambda data: b"PARQUET01" + data[9:],
    "a newer version": lambda data: b"REDIS0012" + data[9:],
    "empty": lambda data: b"",
    "a type that there is not": lambda data: data.replace(b"\xfb\x40\x64\x00\x00", b"\xfb\x40\x64\x00\x7f", 1),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_file_ends_the_start(tmp_path: Path, kind: str) -> None:
    broken = BROKEN[kind](a_file(tmp_path))
    (tmp_path / "dump.rdb").write_bytes(broken)
    with serve(tmp_path, wait=False, save="3600 1") as server:
        assert server.ends() == 1
        said = lines(server, "Fatal error loading the DB from ", str(tmp_path / "dump.rdb"))
        assert len(said) == 1 and " at offset " in said[0], server.text()
    assert (tmp_path / "dump.rdb").read_bytes() == broken and temporary(tmp_path) == []


SAID = {    # the lines around the one with the file and the place, in order
    "truncated": (["# Short read or OOM loading DB. Unrecoverable error, aborting now.",
                   "# Internal error in RDB reading offset ", " -> Unexpected EOF reading RDB file"], ENDING),
    "a wrong checksum": (["# Wrong RDB checksum expected: (", " but got (", "). Aborting now.",
                          "# Internal error in RDB reading offset ", " -> RDB CRC error"], ENDING),
    "another magic": ([": Wrong signature trying to load DB from file. "], HEAD_ENDING),
    "a newer version": ([": Can't handle RDB format version 12. "], HEAD_ENDING),
    "a type that there is not": (["# Internal error in RDB reading offset ", " -> Unknown RDB encoding type 127"], ENDING),
}


@pytest.mark.parametrize(("appendonly", "kind"), [(way, kind) for way in ("no", "yes") for kind in SAID if (way, kind) != (
    "yes", "another magic")])       # which makes it no snapshot at all
def test_what_is_said_of_a_broken_file(tmp_path: Path, kind: str, appendonly: str) -> None:
    data = BROKEN[kind](a_file(tmp_path))
    (tmp_path / "dump.rdb").unlink()
    name = "dump.rdb"
    if appendonly == "yes":
        name = "appendonly.aof.1.base.rdb"
        folder = tmp_path / "appendonlydir"
        folder.mkdir()
        (folder / "appendonly.aof.manifest").write_text(f"file {name} seq 1 type b\n")
        (folder / name).write_bytes(data)
    else:
        (tmp_path / name).write_bytes(data)
    with serve(tmp_path, wait=False, appendonly=appendonly) as server:
        assert server.ends() == 1
        text, at = server.text(), 0
        words, ending = SAID[kind]
        for word in [*words, *([name, " at offset "] if ending == ENDING else []), "The file was not changed.\n", f"# {ending}\n"]:
            at = text.find(word, at)
            assert at >= 0, (word, text)
        assert text.endswith(f"# {ending}\n")


def test_empty_keys_and_remarks_are_told(tmp_path: Path) -> None:
    """Ten empty keys are named; what a file says of itself with % in front is logged."""
    keys = b"".join(b"\x02" + string(b"empty:%d" % number) + b"\x00" for number in range(12))
    remarks = b"\xfa" + string(b"%note") + string(b"by hand") + b"\xfa" + string(b"flavour") + string(b"plain")
    data = file_of(remarks + b"\xfe\x00" + keys + b"\x00" + string(b"k") + string(b"v"))[:-8] + bytes(8)
    (tmp_path / "dump.rdb").write_bytes(data)
    with serve(tmp_path, loglevel="debug") as server:
        assert server("DBSIZE") == 1
        named = [line.rsplit(" ", 1)[1] for line in lines(server, " * rdbLoadObject skipping empty key: ")]
        assert named == [f"empty:{number}" for number in range(10)]
        assert lines(server, "Done loading RDB, keys loaded: 1, keys expired: 0, empty keys skipped: 12.")
        assert lines(server, " * RDB '%note': by hand") and lines(server, " . Unrecognized RDB AUX field: 'flavour'")
        assert lines(server, " * RDB file was saved with checksum disabled: no check performed.")


def test_a_newer_version_is_tried_where_that_is_wished(tmp_path: Path) -> None:
    data = a_file(tmp_path)
    (tmp_path / "dump.rdb").write_bytes(b"REDIS0012" + data[9:-8] + bytes(8))
    with serve(tmp_path, rdb_version_check="relaxed") as server:
        assert server("DBSIZE") == 100


def test_a_wrong_checksum_is_no_matter_where_it_is_not_looked_at(tmp_path: Path) -> None:
    data = a_file(tmp_path)
    (tmp_path / "dump.rdb").write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with serve(tmp_path, rdbchecksum="no") as server:
        assert server("DBSIZE") == 100


def test_a_folder_in_the_place_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "dump.rdb").mkdir()
    with serve(tmp_path, wait=False) as server:
        assert server.ends() == 1 and lines(server, "dump.rdb", "Is a directory")


# -- loading ----------------------------------------------------------------------------------------------------------

def test_clients_while_it_loads(tmp_path: Path) -> None:
    a_file(tmp_path, 2000)
    with serve(tmp_path, wait=False, key_load_delay=10_000) as server:
        server.wait_ready()
        client = server.connect()
        server.until(lambda: str(client("PING")).startswith("LOADING"))
        assert client("GET", "key:1") == client("SET", "a", "1") == "LOADING Valkey is loading the dataset in memory"
        assert client("SAVE") == client("BGSAVE") == "LOADING Valkey is loading the dataset in memory"
        assert client("DEBUG", "POPULATE", 1) == "LOADING Valkey is loading the dataset in memory"
        text = client("INFO", "persistence").decode()
        figures = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
        assert figures["loading"] == "1" and figures["loading_total_bytes"] == str((tmp_path / "dump.rdb").stat().st_size)
        assert int(figures["loading_loaded_bytes"]) <= int(figures["loading_total_bytes"])
        assert int(figures["loading_rdb_used_mem"]) > 0 and "loading_eta_seconds" in figures


@pytest.mark.parametrize("how", ["SIGTERM", "SIGINT", "SHUTDOWN", "SHUTDOWN SAVE"])
def test_a_stop_while_it_loads(tmp_path: Path, how: str) -> None:
    data = a_file(tmp_path, 2000)
    with serve(tmp_path, wait=False, key_load_delay=10_000, save="3600 1") as server:
        server.wait_ready()
        client = server.connect()
        server.until(lambda: str(client("PING")).startswith("LOADING"))
        asked = time.monotonic()
        if how.startswith("SIG"):
            assert server.stop(getattr(signal, how)) == 0
        else:
            client.send(*how.split())
            assert server.ends() == 0
        assert time.monotonic() - asked < MOMENTS and lines(server, "User requested shutdown...")
    assert (tmp_path / "dump.rdb").read_bytes() == data


# -- the end ----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("save, words, kept", [
    ("3600 1", "SHUTDOWN", True), ("3600 1", "SHUTDOWN NOSAVE", False), ("3600 1", "SHUTDOWN SAVE NOW", True),
    ("", "SHUTDOWN", False), ("", "SHUTDOWN SAVE", True), ("", "SHUTDOWN NOW FORCE", False), ("3600 1", "SIGTERM", True),
    ("3600 1", "SIGINT", True), ("", "SIGTERM", False)])
def test_what_a_stop_saves(tmp_path: Path, save: str, words: str, kept: bool) -> None:
    with serve(tmp_path, save=save) as server:
        server("SET", "a", "1")
        if words.startswith("SIG"):
            assert server.stop(getattr(signal, words)) == 0
        else:
            assert server.connection is not None
            server.connection.send(*words.split())
            assert server.ends() == 0
        assert bool(lines(server, "Saving the final RDB snapshot before exiting.")) == kept
    assert (tmp_path / "dump.rdb").exists() == kept
    with serve(tmp_path) as server:
        assert server("GET", "a") == (b"1" if kept else None)


@pytest.mark.parametrize("words, kept", [("nosave", False), ("save", True), ("default", False)])
def test_what_a_signal_saves_by_option(tmp_path: Path, words: str, kept: bool) -> None:
    with serve(tmp_path, shutdown_on_sigterm=words) as server:
        server("SET", "a", "1")
        assert server.stop() == 0
    assert (tmp_path / "dump.rdb").exists() == kept


def test_a_stop_that_cant_save_is_refused(tmp_path: Path) -> None:
    with serve(tmp_path, save="3600 1", file_size_limit=20_000) as server:
        server("SET", "b", os.urandom(100_000))
        assert server("SHUTDOWN") == "ERR Errors trying to SHUTDOWN. Check logs."
        assert lines(server, "Error trying to save the DB, can't exit.")
        server.process.send_signal(signal.SIGTERM)
        server.until(lambda: "SIGTERM received but errors trying to shut down the server" in server.text())
        assert server("STRLEN", "b") == 100_000 and temporary(tmp_path) == []
        assert server.connection is not None
        server.connection.send("SHUTDOWN", "FORCE")
        assert server.ends() == 0 and lines(server, "Error trying to save the DB. Exit anyway.")
    assert not (tmp_path / "dump.rdb").exists()


def test_a_second_sigint_ends_the_last_save(tmp_path: Path) -> None:
    with serve(tmp_path, save="3600 1") as server:
        slow(server, 100, 100_000)
        server.process.send_signal(signal.SIGINT)
        server.until(lambda: temporary(tmp_path) != [])
        assert server.stop(signal.SIGINT) == 1
    assert temporary(tmp_path) == [] and not (tmp_path / "dump.rdb").exists()


def test_a_stop_during_a_save(tmp_path: Path) -> None:
    with serve(tmp_path, save="3600 1") as server:
        slow(server, 1000, 10_000)
        server("BGSAVE")
        server.until(lambda: temporary(tmp_path) != [])
        server("CONFIG", "SET", "rdb-key-save-delay", 0)
        asked = time.monotonic()
        assert server.stop() == 0 and time.monotonic() - asked < MOMENTS
        assert lines(server, "There is a child saving an .rdb. Killing it!")
    assert temporary(tmp_path) == [] and len(read_file((tmp_path / "dump.rdb").read_bytes()).databases[0]) == 1000


# -- DEBUG ------------------------------------------------------------------------------------------------------------

def test_reload(tmp_path: Path) -> None:
    with serve(tmp_path) as server:
        fill(server)
        digest = server("DEBUG", "DIGEST")
        assert server("DEBUG", "RELOAD") == "OK" and server("DEBUG", "DIGEST") == digest
        assert server.info()["rdb_changes_since_last_save"] == "0" and lines(server, "DB reloaded by DEBUG RELOAD")
        server("SET", "new", "1")
        assert server("DEBUG", "RELOAD", "NOSAVE") == "OK" and server("DEBUG", "DIGEST") == digest
        server("SET", "new", "1")
        assert server("DEBUG", "RELOAD", "NOSAVE", "NOFLUSH", "MERGE") == "OK"
        assert server("GET", "new") == b"1" and server("DEL", "new") == 1 and server("DEBUG", "DIGEST") == digest
        assert server("DEBUG", "RELOAD", "NOW") == "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options."
        assert server("DEBUG", "RELOAD", "NOSAVE", "NOFLUSH") == "ERR Error trying to load the RDB dump, check server logs."
        (tmp_path / "dump.rdb").unlink()
        assert server("DEBUG", "RELOAD", "NOSAVE", "NOFLUSH") == "ERR Error trying to load the RDB dump, check server logs."


def test_restart_saves_and_a_crash_does_not(tmp_path: Path) -> None:
    with serve(tmp_path, save="3600 1") as server:
        for words, found in ((("DEBUG", "RESTART"), b"1"), (("DEBUG", "CRASH-AND-RECOVER"), b"1")):
            server("SET", "a", "1" if words[1] == "RESTART" else "2")
            assert server.connection is not None
            server.connection.send(*words)
            time.sleep(0.5)
            server.wait_loaded()
            assert server("GET", "a") == found


def test_populate_counts_no_change(tmp_path: Path) -> None:
    with serve(tmp_path) as server:
        server("DEBUG", "POPULATE", 1000)
        assert server("DBSIZE") == 1000 and server.info()["rdb_changes_since_last_save"] == "0"


@pytest.mark.parametrize("command", ["BGSAVE", "BGREWRITEAOF"])
def test_a_child_ends_with_its_server(tmp_path: Path, command: str) -> None:
    """What it still wrote would be older than the files of the server that is started next."""
    with Server(tmp_path, rdb_key_save_delay=20_000) as server:
        server.pipe([("SET", f"key:{number}", number) for number in range(1000)])
        manifest = (tmp_path / "appendonlydir" / "appendonly.aof.manifest").read_text()
        assert str(server(command)).endswith("started")
        running = ("rdb_bgsave_in_progress", "aof_rewrite_in_progress")
        server.until(lambda: "1" in [server.info()[name] for name in running])
        children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
        assert len(children) == 1
        server.kill()
        server.until(lambda: not Path(f"/proc/{children[0]}").exists()
                     or " Z " in Path(f"/proc/{children[0]}/stat").read_text())
    assert not (tmp_path / "dump.rdb").exists()
    if command == "BGSAVE":
        assert (tmp_path / "appendonlydir" / "appendonly.aof.manifest").read_text() == manifest
    with Server(tmp_path) as again:
        assert again("DBSIZE") == 1000
