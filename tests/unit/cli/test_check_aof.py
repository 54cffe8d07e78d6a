"""kv-check-aof: what it says, how it ends, what it cuts; in valkey-check-aof's words."""
from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kv.cli import check_aof
from tests.integration.program import commands, make_files
from tests.program import ROOT
from tests.sanitizer import PLAIN

PEER = os.environ.get("KV_CHECK_AOF_PEER") or shutil.which("valkey-check-aof")
PEER_LIKE = PEER or shutil.which("redis-check-aof")     # of Redis 7.0: the same words
GOOD = commands("SET foo hello", "SET bar world")
TORN = commands("SET foo hello", "MULTI", "SET bar world")
STAMPED = b"".join(b"#TS:%d\r\n" % time + commands(f"SET a {time}") for time in (100, 101, 103))


@pytest.fixture
def check(monkeypatch, capsys):
    def run(*words, answer: str = "") -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["kv-check-aof", *map(str, words)])
        monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
        status = check_aof.main()
        return status, capsys.readouterr().out

    return run


def manifest_of(folder: Path, base: bytes | None, *increments: bytes) -> Path:
    return make_files(folder, "appendonly.aof", base, *increments) / "appendonly.aof.manifest"


def increment(folder: Path, number: int = 1) -> Path:
    return folder / "appendonlydir" / f"appendonly.aof.{number}.incr.aof"


# -- single files -----------------------------------------------------------------------------------------------------

def test_a_single_file(check, tmp_path: Path) -> None:
    path = tmp_path / "appendonly.aof"
    path.write_bytes(GOOD)
    assert check(path) == (0, f"Start checking Old-Style AOF\nAOF analyzed: filename={path}, size={len(GOOD)}, "
                              f"ok_up_to={len(GOOD)}, ok_up_to_line=15, diff=0\nAOF {path} is valid\n")
    path.write_bytes(b"")
    assert check(path) == (0, f"Start checking Old-Style AOF\nAOF {path} is empty\n")


def test_a_torn_transaction(check, tmp_path: Path) -> None:
    path = tmp_path / "appendonly.aof"
    path.write_bytes(TORN)
    whole = len(commands("SET foo hello"))
    status, said = check(path)
    assert status == 1
    assert said == ("Start checking Old-Style AOF\n"
                    f"0x{len(TORN) - 7:16x}: Reached EOF before reading EXEC for MULTI\n"
                    f"AOF analyzed: filename={path}, size={len(TORN)}, ok_up_to={whole}, ok_up_to_line=18, "
                    f"diff={len(TORN) - whole}\nAOF {path} is not valid. Use the --fix option to try fixing it.\n")
    assert path.read_bytes() == TORN
    status, said = check("--fix", path, answer="n\n")
    assert status == 1 and said.endswith(f"This will shrink the AOF {path} from {len(TORN)} bytes, with {len(TORN) - whole} bytes, "
                                         f"to {whole} bytes\nContinue? [y/N]: Aborting...\n")
    assert path.read_bytes() == TORN
    status, said = check("--fix", path, answer="Yes\n")
    assert status == 0 and said.endswith(f"Continue? [y/N]: Successfully truncated AOF {path}\n")
    assert path.read_bytes() == TORN[:whole]


def test_what_begins_with_neither(check, tmp_path: Path) -> None:
    path = tmp_path / "appendonly.aof"
    path.write_bytes(commands("SET foo hello") + b"!!!")
    status, said = check(path)
    assert status == 1 and f"AOF {path} format error\n" in said and "ok_up_to_line=8" in said


def test_words_that_look_like_a_manifest(check, tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"#TS:1\r\n" + commands("SET file file"))
    assert check(path)[0] == 0


# -- several files ----------------------------------------------------------------------------------------------------

def test_the_files_of_a_manifest(check, tmp_path: Path) -> None:
    path = manifest_of(tmp_path, GOOD, GOOD, b"")
    name = "appendonly.aof"
    analyzed = f"size={len(GOOD)}, ok_up_to={len(GOOD)}, ok_up_to_line=15, diff=0\n"
    assert check(path) == (0, "Start checking Multi Part AOF\nStart to check BASE AOF (RESP format).\n"
                              f"AOF analyzed: filename={name}.1.base.aof, {analyzed}BASE AOF {name}.1.base.aof is valid\n"
                              "Start to check INCR files.\n"
                              f"AOF analyzed: filename={name}.1.incr.aof, {analyzed}INCR AOF {name}.1.incr.aof is valid\n"
                              f"INCR AOF {name}.2.incr.aof is empty\nAll AOF files and manifest are valid\n")


def test_only_the_last_one_is_cut(check, tmp_path: Path) -> None:
    path = manifest_of(tmp_path, None, TORN, GOOD)
    assert check(path)[1].endswith("AOF appendonly.aof.1.incr.aof is not valid. Use the --fix option to try fixing it.\n")
    status, said = check("--fix", path, answer="y\n")
    assert status == 1 and said.endswith("Failed to truncate AOF appendonly.aof.1.incr.aof because it is not the last file\n")
    assert increment(tmp_path).read_bytes() == TORN
    increment(tmp_path, 2).write_bytes(b"")     # nothing is read behind it: it is the last one then
    assert check("--fix", path, answer="y\n")[0] == 0
    assert increment(tmp_path).read_bytes() == commands("SET foo hello")


def test_a_bad_manifest(check, tmp_path: Path) -> None:
    path = manifest_of(tmp_path, GOOD)
    path.write_text("file appendonly.aof.1.base.aof seq 1 type b\n!!!\n")
    status, said = check(path)
    assert status == 1 and said.startswith("Start checking Multi Part AOF\n\n*** FATAL AOF MANIFEST FILE ERROR ***\n")
    assert "at line 2" in said and ">>> '!!!'" in said and said.endswith("Invalid AOF manifest file format\n")


def test_a_file_that_is_missing(check, tmp_path: Path) -> None:
    path = manifest_of(tmp_path, GOOD, GOOD)
    increment(tmp_path).unlink()
    status, said = check(path)
    assert status == 1 and said.endswith(f"Cannot open file {increment(tmp_path)}: No such file or directory, aborting...\n")
    assert check(tmp_path / "none") == (1, f"Cannot open file {tmp_path / 'none'}: No such file or directory\n")


def test_a_file_that_may_only_be_read(check, tmp_path: Path) -> None:
    """It is not to be changed, so it need not be writable."""
    path = manifest_of(tmp_path, None, GOOD)
    increment(tmp_path).chmod(0o444)
    assert check(path)[0] == 0


# -- cut at a time ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("until, left", [(102, 101), (101, 101), (100, 100)])
def test_cut_at_a_time(check, tmp_path: Path, until: int, left: int) -> None:
    path = manifest_of(tmp_path, GOOD, STAMPED)
    status, said = check("--truncate-to-timestamp", until, path)
    assert status == 0 and f"Successfully truncated AOF appendonly.aof.1.incr.aof to timestamp {until}\n" in said
    assert increment(tmp_path).read_bytes().endswith(commands(f"SET a {left}"))


def test_nothing_to_cut_and_nothing_left(check, tmp_path: Path) -> None:
    path = manifest_of(tmp_path, None, STAMPED)
    status, said = check("--truncate-to-timestamp", 103, path)
    assert status == 0 and "Truncate nothing in AOF appendonly.aof.1.incr.aof to timestamp 103\n" in said
    status, said = check("--truncate-to-timestamp", 99, path)
    assert status == 1 and said.endswith(f"AOF {increment(tmp_path)} has nothing before timestamp 99, aborting...\n")
    assert increment(tmp_path).read_bytes() == STAMPED


def test_a_time_in_a_file_that_is_not_the_last(check, tmp_path: Path) -> None:
    path = manifest_of(tmp_path, None, STAMPED, GOOD)
    status, said = check("--truncate-to-timestamp", 101, path)
    assert status == 1 and "because it is not the last file.\nIf you insist, please delete all files after this file" in said
    assert increment(tmp_path).read_bytes() == STAMPED


# -- the command line, and others ---------------------------------------------------------------------------------------

def test_the_command_line(check, tmp_path: Path) -> None:
    usage = "Usage: kv-check-aof [--fix|--truncate-to-timestamp $timestamp] <file.manifest|file.aof>\n"
    for words in ((), ("a", "b"), ("--fix", "a", "b"), ("--fixx", "a"), ("--truncate-to", "1", "a"), ("a", "b", "c", "d")):
        assert check(*words) == (1, usage)
    assert check("--help") == (0, usage)
    assert check("-v")[1].startswith("kv-check-aof 8.")
    assert check("--truncate-to-timestamp", "soon", "a") == (1, "Invalid timestamp, aborting...\n")
    assert check("x" * 5000)[1].startswith("Error: filepath is too long (exceeds PATH_MAX)\n")


def test_a_file_that_somebody_writes_to_is_not_cut(check, tmp_path: Path) -> None:
    path = tmp_path / "appendonly.aof"
    path.write_bytes(TORN)
    with path.open("ab"), subprocess.Popen(["sleep", "30"], stdout=path.open("ab")) as other:
        try:
            status, said = check("--fix", path, answer="y\n")
            assert status == 1 and f"process {other.pid} has it open" in said and path.read_bytes() == TORN
        finally:
            other.kill()
    assert check("--fix", path, answer="y\n")[0] == 0


def test_it_runs_as_a_program(tmp_path: Path) -> None:
    path = tmp_path / "appendonly.aof"
    path.write_bytes(GOOD)
    done = subprocess.run([sys.executable, "-m", "kv.cli.check_aof", str(path)], capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False)
    assert done.returncode == 0 and done.stdout.endswith("is valid\n")


@pytest.mark.skipif(PEER_LIKE is None, reason="there is no redis-check-aof")
@pytest.mark.parametrize("data", [
    GOOD, TORN, TORN[:-1], TORN[:-2], TORN[:-9], GOOD + b"!!!", GOOD + b"*2\r\n!3\r\n", GOOD + b"*2\r\n$3\r\nabcd\r\n", STAMPED,
    TORN + commands("MULTI"), GOOD + commands("EXEC"), GOOD + b"*1\r\n$9\r\nabc", GOOD + b"*1\r\n$3\r", GOOD + b"*1\r\n", b""])
@pytest.mark.parametrize("words", [(), ("--fix",), ("--truncate-to-timestamp", "101")])
def test_the_same_as_the_peer(check, tmp_path: Path, data: bytes, words: tuple) -> None:
    """Output, exit status and what is left in the file."""
    outcomes = []
    for name in ("ours", "peer"):
        folder = tmp_path / name
        folder.mkdir()
        path = manifest_of(folder, GOOD, data)
        if name == "ours":
            status, said = check(*words, path, answer="y\n")
        else:
            done = subprocess.run([str(PEER_LIKE), *words, str(path)], input="y\n", capture_output=True, text=True, check=False,
                                  env=PLAIN)
            status, said = done.returncode, done.stdout.replace("redis-check-aof", "kv-check-aof")
        said = said.replace(str(folder), "")
        if not PEER:        # lines were not told before 7.2, and counted over all files
            said = "\n".join(line for line in said.splitlines() if not line.startswith("AOF analyzed"))
        outcomes.append((status, "".join(strip_lines(said)), increment(folder).read_bytes()))
    assert outcomes[0] == outcomes[1]


def strip_lines(said: str) -> list[str]:
    """Without the count of lines, which the peer goes on with from file to file."""
    return [word if not word.startswith("ok_up_to_line=") else "" for word in said.split(" ")]
