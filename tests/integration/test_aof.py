"""The append-only file of a whole server: started, rewritten, switched, refused, moved."""
from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.commands.client import Client, Failure
from tests.integration.program import Server, commands, make_files

REDIS = shutil.which("redis-server")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "appendonlydir").iterdir())


def manifest(folder: Path) -> str:
    return (folder / "appendonlydir" / "appendonly.aof.manifest").read_text()


def fill(server: Server, count: int, prefix: str = "key") -> None:
    assert set(server.pipe([("SET", f"{prefix}:{n}", n) for n in range(count)])) == {"OK"}


# -- starting ------------------------------------------------------------------------------------------------

def test_a_new_folder(tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        server("SET", "a", "1")
        assert names(tmp_path) == ["appendonly.aof.1.base.rdb", "appendonly.aof.1.incr.aof",
                                   "appendonly.aof.manifest"]
        assert manifest(tmp_path) == ("file appendonly.aof.1.base.rdb seq 1 type b\nfile "
                                      "appendonly.aof.1.incr.aof seq 1 type i\n")
        increment = tmp_path / "appendonlydir" / "appendonly.aof.1.incr.aof"
        assert increment.read_bytes() == commands("SELECT 0", "SET a 1")
        assert "Creating AOF base file appendonly.aof.1.base.rdb on server start" in server.text()
        assert server.stop() == 0
    assert "Calling fsync() on the AOF file." in server.text()
    with Server(tmp_path) as server:
        assert server("GET", "a") == b"1"
        assert "Opening AOF incr file appendonly.aof.1.incr.aof on server start" in server.text()
        assert "DB loaded from incr file appendonly.aof.1.incr.aof: " in server.text()
        assert "DB loaded from append only file: " in server.text()


def test_databases_and_expiry_come_back(tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        server("SET", "a", "1", "EX", 1000)
        server("SELECT", 7)
        server("SET", "b", "2")
        server("SET", "gone", "x", "PX", 1)
        time.sleep(0.01)
        server("GET", "gone")
        server("BGREWRITEAOF")
        server.rewritten()
        server("SET", "c", "3")
        server.crash()
    with Server(tmp_path) as server:
        assert 990 < server("TTL", "a") <= 1000
        server("SELECT", 7)
        assert (server("GET", "b"), server("GET", "c"), server("GET", "gone")) == (b"2", b"3", None)


def test_an_old_single_file_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / "appendonly.aof").write_bytes(commands("SELECT 0", "SET a 1"))
    with Server(tmp_path) as server:
        assert server("GET", "a") == b"1"
        assert "Successfully migrated an old-style AOF file (appendonly.aof) into the AOF" in server.text()
    assert names(tmp_path) == ["appendonly.aof", "appendonly.aof.1.incr.aof", "appendonly.aof.manifest"]
    assert not (tmp_path / "appendonly.aof").exists()
    with Server(tmp_path) as server:
        assert server("GET", "a") == b"1"


def test_an_interrupted_takeover_is_finished(tmp_path: Path) -> None:
    inside = make_files(tmp_path)
    (inside / "appendonly.aof.manifest").write_text("file appendonly.aof seq 1 type b\n")
    (tmp_path / "appendonly.aof").write_bytes(commands("SET a 1"))
    with Server(tmp_path) as server:
        assert server("GET", "a") == b"1"


def test_a_single_file_beside_newer_ones_is_left_alone(tmp_path: Path) -> None:
    make_files(tmp_path, "appendonly.aof", commands("SET a new"))
    (tmp_path / "appendonly.aof").write_bytes(commands("SET a old"))
    with Server(tmp_path) as server:
        assert server("GET", "a") == b"new"
    assert (tmp_path / "appendonly.aof").exists()


def test_names_are_configured(tmp_path: Path) -> None:
    with Server(tmp_path, appendfilename="my data", appenddirname="files") as server:
        server("SET", "a", "1")
        server.crash()
    text = (tmp_path / "files" / "my data.manifest").read_text()
    assert text.startswith('file "my data.1.base.rdb" seq 1 type b\n')
    with Server(tmp_path, appendfilename="my data", appenddirname="files") as server:
        assert server("GET", "a") == b"1"


def test_what_a_dead_rewrite_left_is_deleted(tmp_path: Path) -> None:
    (tmp_path / "temp-rewriteaof-bg-4999999.aof").write_bytes(b"x")
    (tmp_path / "temp-other.aof").write_bytes(b"x")
    with Server(tmp_path):
        assert not (tmp_path / "temp-rewriteaof-bg-4999999.aof").exists()
        assert (tmp_path / "temp-other.aof").exists()


def test_what_no_manifest_names_is_not_read_nor_appended_to(tmp_path: Path) -> None:
    inside = make_files(tmp_path, "appendonly.aof", commands("SET a 1"))
    (inside / "appendonly.aof.1.incr.aof").write_bytes(commands("SET a stale"))
    for value in (b"1", b"2"):
        with Server(tmp_path) as server:
            assert server("GET", "a") == value
            server("INCR", "a")


def refused(folder: Path, line: str, **options) -> None:
    with Server(folder, wait=False, **options) as server:
        assert server.ends() == 1
        assert line in server.text()


def test_a_corrupt_file_is_refused(tmp_path: Path) -> None:
    good = commands("SET a 1")
    make_files(tmp_path, "appendonly.aof", None, good + b"!!!" + good)
    refused(tmp_path, "Bad file format reading the append only file appendonly.aof.1.incr.aof at offset "
                      f"{len(good)}: nothing was changed. Everything before offset {len(good)} is whole, the "
                      f"{3 + len(good)} bytes behind it can't be read. Make a backup of your AOF files, then cut the file there "
                      f"(kv-check-aof --fix '{tmp_path}/appendonlydir/appendonly.aof.manifest', or "
                      f"truncate -s {len(good)} '{tmp_path}/appendonlydir/appendonly.aof.1.incr.aof') and start again")


def test_an_unknown_command_is_refused(tmp_path: Path) -> None:
    make_files(tmp_path, "appendonly.aof", None, commands("SET a 1", "BLA x", "SET a 2"))
    refused(tmp_path, "unknown command 'BLA'")


def test_a_truncated_file_is_cut_or_refused(tmp_path: Path) -> None:
    whole = commands("SET a 1", "MULTI", "SET a 2")
    inside = make_files(tmp_path, "appendonly.aof", None, whole)
    refused(tmp_path, "Unexpected end of file reading the append only file", aof_load_truncated="no")
    with Server(tmp_path) as server:
        assert server("GET", "a") == b"1"
        assert "Revert incomplete MULTI/EXEC transaction in AOF file appendonly.aof.1" in server.text()
        length = len(commands("SET a 1"))
        assert f"Truncating the AOF appendonly.aof.1.incr.aof at offset {length}" in server.text()
        server("SET", "b", "2")
    assert (inside / "appendonly.aof.1.incr.aof").read_bytes() == commands("SET a 1", "SELECT 0", "SET b 2")


@pytest.mark.parametrize("text, line", [
    ("", "Found an empty AOF manifest"),
    ("file appendonly.aof.9.incr.aof seq 9 type i\n", "Unable to obtain the AOF file "
                                                      "appendonly.aof.9.incr.aof length"),
    ("file x seq 1 type b\nfile y seq 1 type b\n", "Found duplicate base file information"),
])
def test_a_bad_manifest_is_refused(tmp_path: Path, text: str, line: str) -> None:
    inside = make_files(tmp_path)
    (inside / "appendonly.aof.manifest").write_text(text)
    refused(tmp_path, line)


def test_clients_are_told_loading(tmp_path: Path) -> None:
    make_files(tmp_path, "appendonly.aof", commands(*[f"SET key:{n} {n}" for n in range(50_000)]))
    with Server(tmp_path, wait=False, key_load_delay=100) as server:
        server.until(lambda: connects(server))
        client = Client(server.port)
        assert str(client("GET", "key:1")).startswith("LOADING ")
        lines = client("INFO", "persistence").decode()
        assert "loading:1\r\n" in lines
        assert "loading_total_bytes:" in lines and "loading_loaded_perc:" in lines
        assert server.stop() == 0      # it does not wait for the end


def connects(server: Server) -> bool:
    try:
        Client(server.port).close()
    except ConnectionError:
        return False
    return True


# -- rewriting -----------------------------------------------------------------------------------------------

def test_a_rewrite_replaces_all_files(tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        for _ in range(3):
            fill(server, 1000)
        assert server("BGREWRITEAOF") == "Background append only file rewriting started"
        server("SET", "after", "1")
        server.rewritten()
        server.until(lambda: names(tmp_path) == ["appendonly.aof.2.base.rdb", "appendonly.aof.2.incr.aof",
                                                 "appendonly.aof.manifest"])
        assert manifest(tmp_path) == ("file appendonly.aof.2.base.rdb seq 2 type b\nfile "
                                      "appendonly.aof.2.incr.aof seq 2 type i\n")
        for line in ("Background append only file rewriting started by "
                     "pid ", "Background AOF rewrite terminated with success",
                     "Creating AOF incr file appendonly.aof.2.incr.aof on background rewrite",
                     "Successfully created the temporary AOF base file temp-rewriteaof-bg-",
                     "Background AOF rewrite finished successfully",
                     "Removing the history file appendonly.aof.1.base.rdb in the background"):
            assert line in server.text()
        figures = server.info()
        sizes = [path.stat().st_size for path in (tmp_path / "appendonlydir").glob("*.*.*.*")]
        assert int(figures["aof_current_size"]) == sum(sizes) and figures["aof_last_bgrewrite_status"] == "ok"
        server.crash()
    with Server(tmp_path) as server:
        assert server("DBSIZE") == 1001 and server("GET", "key:999") == b"999"


def test_under_load(tmp_path: Path) -> None:
    """What is written while the child lives is in the new increment alone: nothing doubles, nothing is
    lost."""
    with Server(tmp_path) as server:
        fill(server, 20_000, "filler")
        for turn in range(1, 4):
            server("BGREWRITEAOF")
            while server.info()["aof_rewrite_in_progress"] == "1":
                server.pipe([("INCR", f"counter:{n}") for n in range(100)])
            server.rewritten(turn)
        wanted = [server("GET", f"counter:{n}") for n in range(100)]
        server.crash()
    with Server(tmp_path) as server:
        assert [server("GET", f"counter:{n}") for n in range(100)] == wanted


def test_only_one_at_a_time(tmp_path: Path) -> None:
    with Server(tmp_path, rdb_key_save_delay=10_000) as server:
        fill(server, 1000)
        server("BGREWRITEAOF")
        assert server("BGREWRITEAOF") == "ERR Background append only file rewriting already in progress"
        assert isinstance(server("BGREWRITEAOF"), Failure)
        assert server.stop() == 0
        assert "There is a child rewriting the AOF. Killing it!" in server.text()
    assert not list(tmp_path.glob("temp-*"))
    with Server(tmp_path) as server:
        assert server("DBSIZE") == 1000     # base and two increments


def test_a_killed_child_is_a_failure_unless_asked_to_go(tmp_path: Path) -> None:
    with Server(tmp_path, rdb_key_save_delay=10_000) as server:
        fill(server, 1000)
        for count, number in enumerate((signal.SIGUSR1, signal.SIGKILL), 1):
            server("BGREWRITEAOF")
            server.until(lambda count=count: server.text().count("rewriting started by pid ") == count)
            pid = int(server.text().rsplit("rewriting started by pid ", 1)[1].split()[0])
            os.kill(pid, number)
            server.rewritten(count)
            assert f"Background AOF rewrite terminated by signal {int(number)}" in server.text()
            assert server.info()["aof_rewrites_consecutive_failures"] == str(count - 1)
        assert server.info()["aof_last_bgrewrite_status"] == "err"
        server("CONFIG", "SET", "rdb-key-save-delay", 0)
        server("BGREWRITEAOF")
        server.rewritten(3)
        assert server.info()["aof_last_bgrewrite_status"] == "ok"
        server.crash()
    with Server(tmp_path) as server:
        assert server("DBSIZE") == 1000


def test_growth_starts_a_rewrite(tmp_path: Path) -> None:
    with Server(tmp_path, auto_aof_rewrite_percentage=100, auto_aof_rewrite_min_size=20_000) as server:
        server.until(lambda: fill(server, 100) or server.info()["aof_rewrites"] == "1")
        assert "Starting automatic rewriting of AOF on " in server.text()


def test_history_may_be_kept(tmp_path: Path) -> None:
    with Server(tmp_path, aof_disable_auto_gc="yes") as server:
        server("SET", "a", "1")
        server("BGREWRITEAOF")
        server.rewritten()
        assert "file appendonly.aof.1.incr.aof seq 1 type h\n" in manifest(tmp_path)
        assert "appendonly.aof.1.incr.aof" in names(tmp_path)
        server.crash()
        before = {path: path.read_bytes() for path in (tmp_path / "appendonlydir").iterdir()}
    with Server(tmp_path, aof_disable_auto_gc="yes") as server:
        server("CONFIG", "SET", "aof-disable-auto-gc", "no")
        assert "appendonly.aof.1.incr.aof" not in names(tmp_path)
        assert " type h" not in manifest(tmp_path)      # as soon as it is answered
    for path, data in before.items():
        path.write_bytes(data)
    with Server(tmp_path) as server:        # a start deletes it too
        assert "appendonly.aof.1.incr.aof" not in names(tmp_path) and " type h" not in manifest(tmp_path)
        assert server("GET", "a") == b"1"


def test_timestamps(tmp_path: Path) -> None:
    with Server(tmp_path, aof_timestamp_enabled="yes", aof_use_rdb_preamble="no") as server:
        server("SET", "a", "1")
        server("SET", "a", "2")
        server("BGREWRITEAOF")
        server.rewritten()
        server("SET", "b", "1")
        server.crash()
    files = {path.name: path.read_bytes() for path in (tmp_path / "appendonlydir").glob("*.aof")}
    assert all(data.startswith(b"#TS:") for name, data in files.items() if "base" in name)
    with Server(tmp_path) as server:
        assert (server("GET", "a"), server("GET", "b")) == (b"2", b"1")


# -- on and off ----------------------------------------------------------------------------------------------

def test_switched_on_and_off(tmp_path: Path) -> None:
    with Server(tmp_path, appendonly="no") as server:
        server("SET", "a", "1")
        assert server.info()["aof_enabled"] == "0" and not (tmp_path / "appendonlydir").exists()
        server("CONFIG", "SET", "appendonly", "yes")
        server("SET", "b", "2")
        server.rewritten()
        assert manifest(tmp_path) == ("file appendonly.aof.1.base.rdb seq 1 type b\nfile "
                                      "appendonly.aof.1.incr.aof seq 1 type i\n")
        server("CONFIG", "SET", "appendonly", "no")
        server("SET", "c", "3")
        server.crash()
    with Server(tmp_path) as server:
        assert [server("GET", key) for key in "abc"] == [b"1", b"2", None]


def test_on_in_the_middle_of_a_pipeline(tmp_path: Path) -> None:
    """What came before is in the base, what comes behind in the increment."""
    with Server(tmp_path, appendonly="no") as server:
        server.pipe([("INCR", "a"), ("INCR", "a"), ("CONFIG", "SET", "appendonly", "yes"),
                     ("INCR", "a"), ("INCR", "b")])
        server.rewritten()
        server.crash()
    with Server(tmp_path) as server:
        assert (server("GET", "a"), server("GET", "b")) == (b"3", b"1")


def test_a_first_rewrite_that_fails_is_tried_again(tmp_path: Path) -> None:
    with Server(tmp_path, appendonly="no", rdb_key_save_delay=10_000) as server:
        fill(server, 1000)
        server("CONFIG", "SET", "appendonly", "yes")
        assert server("SHUTDOWN") == "ERR Errors trying to SHUTDOWN. Check logs."
        assert "Writing initial AOF, can't exit." in server.text()
        server("INCR", "counter")
        server("CONFIG", "SET", "rdb-key-save-delay", 0)
        os.kill(int(server.text().rsplit("rewriting started by pid ", 1)[1].split()[0]), signal.SIGKILL)
        server.rewritten(2)
        server("INCR", "counter")
        assert manifest(tmp_path).count("\n") == 2
        server.crash()
    with Server(tmp_path) as server:
        assert server("DBSIZE") == 1001 and server("GET", "counter") == b"2"


def test_rewritten_while_off(tmp_path: Path) -> None:
    with Server(tmp_path, appendonly="no") as server:
        server("SET", "a", "1")
        server("BGREWRITEAOF")
        server.rewritten()
    assert manifest(tmp_path) == "file appendonly.aof.1.base.rdb seq 1 type b\n"
    with Server(tmp_path) as server:
        assert server("GET", "a") == b"1"


def test_a_folder_that_cant_be_made(tmp_path: Path) -> None:
    with Server(tmp_path, appendonly="no") as server:
        (tmp_path / "appendonlydir").write_text("in the way")
        assert "Unable to turn on AOF. Check server logs." in server("CONFIG", "SET", "appendonly", "yes")
        assert server("CONFIG", "GET", "appendonly") == [b"appendonly", b"no"]
        assert server("BGREWRITEAOF") == ("ERR Can't execute an AOF background rewriting. Please check the "
                                          "server logs for more information.")
        assert "Can't open or create append-only dir appendonlydir" in server.text()


# -- DEBUG ---------------------------------------------------------------------------------------------------

def test_debug_loadaof_and_reload(tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        fill(server, 500)
        server("SET", "expiring", "1", "EX", 100)
        digest = server("DEBUG", "DIGEST")
        before = [path.stat().st_size for path in (tmp_path / "appendonlydir").glob("*.*.*.*")]
        for words in (["LOADAOF"], ["RELOAD"], ["RELOAD", "NOFLUSH", "MERGE"]):
            assert server("DEBUG", *words) == "OK"
            assert server("DEBUG", "DIGEST") == digest and server("DBSIZE") == 501
            assert server.info()["rdb_changes_since_last_save"] == "0"
        assert [path.stat().st_size for path in (tmp_path / "appendonlydir").glob("*.*.*.*")] == before
        assert not list(tmp_path.glob("temp-*"))
        assert server("DEBUG", "RELOAD", "NOSAVE") == "OK" and server("DBSIZE") == 501
        assert server("INCR", "key:1") == 2
        server.crash()
    with Server(tmp_path) as server:
        assert server("GET", "key:1") == b"2" and server("DBSIZE") == 501


def test_replies_wait_for_the_write(tmp_path: Path) -> None:
    with Server(tmp_path, appendfsync="always") as server:
        server("SET", "a", "0")
        path = tmp_path / "appendonlydir" / "appendonly.aof.1.incr.aof"
        server("DEBUG", "AOF-FLUSH-SLEEP", 50_000)
        for number in range(3):
            size, start = path.stat().st_size, time.monotonic()
            server("INCR", "a")
            assert path.stat().st_size > size and time.monotonic() - start >= 0.05, number


# -- trouble -------------------------------------------------------------------------------------------------

def test_no_space_and_space_again(tmp_path: Path) -> None:
    with Server(tmp_path, file_size_limit=20_000) as server:
        answer = fill_up(server)
        assert str(answer).startswith("MISCONF Errors writing to the AOF file: File too large")
        assert server.info()["aof_last_write_status"] == "err" and server("GET", "key:0") == b"x" * 100
        assert str(server("PING")).startswith("MISCONF")
        keys = server("DBSIZE")
        unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, unlimited)
        server.until(lambda: server.info()["aof_last_write_status"] == "ok")
        assert "AOF write error looks solved. The server can write again." in server.text()
        assert server("SET", "last", "1") == "OK"
        server.crash()
    with Server(tmp_path) as server:
        assert server("DBSIZE") == keys + 1 and "short read" not in server.text()


def fill_up(server: Server):
    for number in range(1000):
        answer = server("SET", f"key:{number}", "x" * 100)
        if answer != "OK":
            return answer
    raise AssertionError("there was space")


def test_no_space_ends_the_process_with_always(tmp_path: Path) -> None:
    with Server(tmp_path, file_size_limit=20_000, appendfsync="always") as server:
        acknowledged = 0
        with pytest.raises(ConnectionError):
            while True:
                assert server("SET", f"key:{acknowledged}", "x" * 100) == "OK"
                acknowledged += 1
        assert server.ends() == 1
        assert "Can't recover from AOF write error when the AOF fsync policy is 'always'." in server.text()
    with Server(tmp_path) as server:
        assert server("DBSIZE") == acknowledged


# -- moving between servers ----------------------------------------------------------------------------------

@pytest.mark.skipif(REDIS is None, reason="redis-server is not installed")
def test_files_move_to_redis_and_back(tmp_path: Path) -> None:
    with Server(tmp_path, rdb_write_version=10) as server:
        fill(server, 300)
        server("BGREWRITEAOF")
        server.rewritten()
        server("SELECT", 2)
        server("SET", "b", "2", "EX", 1000)
        port = server.port
        server.stop()
    program = [REDIS, "--port", str(port), "--appendonly", "yes", "--aof-use-rdb-preamble", "no",
               "--dir", str(tmp_path), "--save", ""]
    with subprocess.Popen(program, stdout=subprocess.DEVNULL) as redis:
        client = connect(port)
        assert client("DBSIZE") == 300
        client("SELECT", 2)
        assert 990 < client("TTL", "b") <= 1000
        client("SET", "c", "3")
        client("BGREWRITEAOF")
        deadline = time.monotonic() + 10
        while b"aof_rewrite_in_progress:1" in client("INFO", "persistence") and time.monotonic() < deadline:
            time.sleep(0.02)
        client("SET", "d", "4")
        redis.terminate()
    with Server(tmp_path) as server:
        assert server("DBSIZE") == 300
        server("SELECT", 2)
        assert [server("GET", key) for key in "bcd"] == [b"2", b"3", b"4"]


def connect(port: int) -> Client:
    deadline = time.monotonic() + 10
    while True:
        try:
            client = Client(port)
            if not str(client("PING")).startswith("LOADING"):
                return client
        except ConnectionError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.02)
