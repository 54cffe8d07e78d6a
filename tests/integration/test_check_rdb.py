"""kv-check-rdb: sound files, files that are not, figures; beside valkey-check-rdb's lines."""
from __future__ import annotations

import csv
import io
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import kv
from kv._core.testing.base import crc_crc64
from tests.integration.program import Server
from tests.program import ROOT
from tests.rdbcases import CASES, build

VERSION_11 = b"REDIS0011"


def check(*words: Any, program: tuple[str, ...] = (sys.executable, "-m", "kv.cli.check_rdb")) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*program, *map(str, words)], capture_output=True, text=True, errors="surrogateescape",
                          env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=120, check=False)


def string(text: bytes) -> bytes:
    assert len(text) < 64
    return bytes([len(text)]) + text


def made(*parts: bytes, magic: bytes = VERSION_11, crc: bytes | None = None) -> bytes:
    data = magic + b"".join(parts) + b"\xff"
    return data + (crc_crc64(data).to_bytes(8, "little") if crc is None else crc)


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file with all kinds of values, in two databases."""
    folder = tmp_path_factory.mktemp("dump")
    with Server(folder, appendonly="no") as server:
        for number, name in enumerate(CASES):
            build(server, name, lambda option, value: server("CONFIG", "SET", option, value))
            server("RENAME", "k", f"case:{name}")
            if number % 2:
                server("PEXPIRE", f"case:{name}", 10_000_000)
            if number % 5 == 0:
                server("MOVE", f"case:{name}", 3)
        assert server("SAVE") == "OK"
    yield folder / "dump.rdb"


# -- sound files ------------------------------------------------------------------------------------------------------

def test_lines_of_a_sound_file(dump: Path) -> None:
    done = check(dump)
    lines, size = done.stdout.splitlines(), dump.stat().st_size
    assert (done.returncode, done.stderr) == (0, "")
    assert lines[0] == f"[offset 0] Checking RDB file {dump}"
    assert lines[1].endswith(f"AUX FIELD valkey-ver = '{kv.VALKEY_VERSION}'")
    assert [line.split("] ")[1] for line in lines if "Selecting" in line] == ["Selecting DB ID 0", "Selecting DB ID 3"]
    assert lines[-5:] == [
        f"[offset {size}] Checksum OK", f"[offset {size}] \\o/ RDB looks OK! \\o/", f"[info] {len(CASES)} keys read",
        f"[info] {len(CASES) // 2} expires", "[info] 0 already expired"]


def test_values_can_be_read_over(dump: Path, tmp_path: Path) -> None:
    assert check(dump, "--quick").stdout == check(dump).stdout
    assert check(dump, "--quick", "--stats").returncode == 1
    bad_pack = b"\x10" + string(b"k") + string(b"\x07\0\0\0\0\0\x01")
    (tmp_path / "file").write_bytes(made(bad_pack))
    assert (check(tmp_path / "file").returncode, check(tmp_path / "file", "--quick").returncode) == (1, 0)
    (tmp_path / "file").write_bytes(made(bad_pack, crc=b"x" * 8))
    assert "RDB CRC error" in check(tmp_path / "file", "--quick").stdout


def test_the_server_checks_under_the_names_of_other_tools(dump: Path, tmp_path: Path) -> None:
    link = tmp_path / "redis-check-rdb"
    link.write_text("import sys\nfrom kv.server.__main__ import main\nsys.exit(main())\n")
    done = check(dump, program=(sys.executable, str(link)))
    assert done.returncode == 0 and "RDB looks OK!" in done.stdout


def test_usage_and_version(tmp_path: Path) -> None:
    assert check("--version").stdout.startswith(f"kv-check-rdb {kv.VALKEY_VERSION} ")
    done = check()
    assert done.returncode == 1 and done.stderr.startswith("Usage: ")
    assert check("x", "--format", "xml").returncode == 1
    assert check("x", "--top", "0").returncode == 1
    done = check(tmp_path / "none.rdb")
    assert done.returncode == 1 and done.stderr == f"Cannot open file '{tmp_path}/none.rdb': No such file or directory\n"
    done = check(tmp_path)
    assert done.returncode == 1 and "Is a directory" in done.stderr


@pytest.mark.parametrize("parts, line", [
    ((b"\xfe\0" + b"\0" + string(b"k") + string(b"v"),), "[info] 1 keys read"),
    ((b"\xfd\1\0\0\0\0" + string(b"k") + string(b"v"),), "[info] 1 already expired"),
    ((b"\xfc" + bytes(8) + b"\xf8\5\xf9\7\0" + string(b"k") + string(b"v"),), "[info] 1 expires"),
    ((b"\xf5" + string(b"#!lua name=x\n"),), "[info] 1 functions"),
    # what modules wrote: an id of nine letters and a version, then numbers, a string and floats
    ((b"\x07" + string(b"k") + b"\x81" + (0b000000_000001 << 52).to_bytes(8, "big") + b"\x01\x05\x02\x09\x05" + string(b"text")
      + b"\x03" + bytes(4) + b"\x04" + bytes(8) + b"\0",), "[info] 1 keys read"),
    ((b"\xf7\x81" + (0b000000_000001 << 52).to_bytes(8, "big") + b"\x02\x02\x05" + string(b"text") + b"\0",),
     "MODULE AUX for: ABAAAAAAA"),
    ((b"\x02" + string(b"k") + b"\0",), "[info] 1 keys without elements, which a server leaves out")])
def test_what_may_stand_in_a_file(tmp_path: Path, parts: tuple[bytes, ...], line: str) -> None:
    (tmp_path / "file").write_bytes(made(*parts))
    done = check(tmp_path / "file")
    assert done.returncode == 0, done.stdout
    assert any(found.endswith(line) for found in done.stdout.splitlines()), done.stdout


def test_no_checksum_and_old_and_new_versions(tmp_path: Path) -> None:
    file, key = tmp_path / "file", b"\0" + string(b"k") + string(b"v")
    file.write_bytes(made(key, crc=bytes(8)))
    assert "RDB file was saved with checksum disabled: no check performed." in check(file).stdout
    file.write_bytes(b"REDIS0003" + key + b"\xff")
    assert check(file).returncode == 0
    for magic, number in ((b"VALKEY080", 80), (b"REDIS0012", 12)):
        file.write_bytes(made(key, magic=magic))
        done = check(file)
        assert done.returncode == 0
        assert (f"[offset 9] RDB version {number} is newer than 11: a server loads the file only with rdb-version-check "
                "relaxed") in done.stdout
    file.write_bytes(made(key) + b"*1\r\n")
    assert "4 bytes follow the end of the RDB" in check(file).stdout


# -- files that are not sound -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("data, offset, text", [
    (b"", 0, "Unexpected EOF reading RDB file"), (b"NOTREDIS0", 9, "Wrong signature trying to load DB from file"),
    (b"REDIS00x1", 9, "Can't handle RDB format version 0"), (b"REDIS0080", 9, "Can't handle RDB format version 80"),
    (made(b"\xf6"), 10, "Pre-release function format not supported 11"), (made(b"\xc8"), 10, "Invalid object type: 200"),
    (made(b"\x19k"), 10, "Invalid object type: 25"), (made(b"\0", string(b"k"), string(b"v"), crc=b"x" * 8), 23, "RDB CRC error")])
def test_faults_outside_of_values(tmp_path: Path, data: bytes, offset: int, text: str) -> None:
    (tmp_path / "file").write_bytes(data)
    done = check(tmp_path / "file")
    lines = done.stdout.splitlines()
    assert done.returncode == 1
    assert lines[1] == "--- RDB ERROR DETECTED ---" and lines[2] == f"[offset {offset}] {text}"


def test_a_fault_names_offset_key_and_type(tmp_path: Path) -> None:
    data = made(b"\xfe\0", b"\x10" + string(b"user:1") + string(b"\x07\0\0\0\0\0\x01"))
    (tmp_path / "file").write_bytes(data)
    done = check(tmp_path / "file")
    assert done.returncode == 1
    assert done.stdout.splitlines()[1:3] == ["[offset 11] Selecting DB ID 0", "--- RDB ERROR DETECTED ---"]
    assert done.stdout.splitlines()[3:] == [
        "[offset 27] Hash listpack integrity check failed.",
        "[additional info] While doing: read-object-value", "[additional info] Reading key 'user:1'",
        "[additional info] Reading type 16 (hash-listpack)", "[info] 1 keys read", "[info] 0 expires", "[info] 0 already expired"]


def test_files_that_are_cut_anywhere_or_hold_one_wrong_bit(dump: Path, tmp_path: Path) -> None:
    """In one process each: a crash of the core would be one of the status."""
    data, draw = dump.read_bytes(), random.Random(11)
    for number in range(25):
        broken = bytearray(data[:draw.randrange(len(data))] if number % 2 else data)
        if number % 2 == 0:
            broken[draw.randrange(len(broken))] ^= 1 << draw.randrange(8)
        (tmp_path / "broken").write_bytes(broken)
        done = check(tmp_path / "broken")
        assert done.returncode == 1 and "--- RDB ERROR DETECTED ---" in done.stdout, (number, done)


# -- figures ----------------------------------------------------------------------------------------------------------

@pytest.fixture
def figures(tmp_path: Path) -> Path:
    with Server(tmp_path, appendonly="no") as server:
        for number in range(1000):
            server("SET", f"user:{number}", "v" * (number + 1))
        server("HSET", "user:h", *"abcdef")
        server("ZADD", "rank:a", 1, "one", 2.5, "two")
        server("RPUSH", "lonely", *range(200))
        server("EXPIRE", "rank:a", 1000)
        server("SAVE")
    return tmp_path / "dump.rdb"


def test_figures_by_type_and_prefix(figures: Path) -> None:
    done = check(figures, "--stats", "--format", "json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["ok"], told["keys"], told["expires"], told["version"]) == (0, True, 1003, 1, 11)
    assert told["bytes"] == figures.stat().st_size and told["aux"]["redis-bits"] == "64"
    types = {row["type"]: row for row in told["types"]}
    strings = types["string"]
    assert strings["keys.total"] == strings["elements.total"] == 1000 and strings["elements.num.max"] == 1
    assert strings["keys.value_size"] == 500_500 and strings["elements.size.max"] == 1000
    assert abs(strings["elements.size.p50"] - 500) <= 10 and abs(strings["elements.size.p99"] - 990) <= 16
    assert strings["elements.size.avg"] == 500.5
    assert (types["hash"]["elements.total"], types["hash"]["elements.size"]) == (3, 6)
    assert (types["zset"]["elements.total"], types["zset"]["elements.size"], types["zset"]["expire_keys.total"]) == (2, 10, 1)
    assert types["list"]["elements.num.max"] == 200 and types["list"]["elements.size"] == 490
    prefixes = {(row["prefix"], row["type"]): row for row in told["prefixes"]}
    assert prefixes["user:", "string"]["keys"] == 1000 and prefixes["user:", "hash"]["elements"] == 3
    assert prefixes["rank:", "zset"]["expires"] == 1 and prefixes["", "list"]["key_bytes"] == 6
    assert prefixes["user:", "string"]["rdb_bytes"] > 10_000


def test_figures_in_other_forms(figures: Path, tmp_path: Path) -> None:
    done = check(figures, "--stats", "--format", "info")
    assert "[info] db.0.type.hash.elements.total:3\n" in done.stdout
    assert "[info] prefix.user:.type.string.keys:1000\n" in done.stdout and "RDB looks OK!" in done.stdout
    assert check(figures, "--stats", "--format", "csv", "--output", tmp_path / "out", "--top", 1).stdout.endswith("0 functions\n")
    rows = list(csv.reader(io.StringIO((tmp_path / "out").read_text())))
    assert rows[0] == ["db.0.type.name", "string", "list", "set", "zset", "hash", "module", "stream"]
    assert rows[1] == ["db.0.keys.total", "1000", "1", "0", "1", "1", "0", "0"]
    assert rows[-2][:3] == ["prefix", "type", "keys"] and rows[-1][:3] == ["user:", "string", "1000"]
    table = check(figures, "--stats").stdout
    assert "db.0.keys.total               \t1000 \t1    \t0    \t1    \t1    \t0    \t0    \n" in table
    done = check(figures, "--stats", "--output", tmp_path / "none" / "out")
    assert done.returncode == 1 and done.stderr.startswith("Cannot open output file: ")


def test_prefixes_of_other_forms(tmp_path: Path) -> None:
    keys = [b"a/b/c", b"a/b/d", b"a/x", b"plain", b"\xff/1"]
    (tmp_path / "file").write_bytes(made(*[b"\0" + string(key) + string(b"v") for key in keys]))
    told = json.loads(check(tmp_path / "file", "--stats", "--format", "json", "--separator", "/", "--depth", 2).stdout)
    assert {row["prefix"]: row["keys"] for row in told["prefixes"]} == {"a/b/": 2, "a/": 1, "": 1, "\\xff/": 1}


def test_json_of_a_file_that_is_not_sound(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(made(b"\0" + string(b"k") + string(b"v"))[:12])
    done = check(tmp_path / "file", "--format", "json")
    told = json.loads(done.stdout)
    assert done.returncode == 1 and told["ok"] is False and told["error"]["type"] == "string"
    assert told["error"]["message"] == "Unexpected EOF reading RDB file" and told["error"]["doing"] == "read-object-value"
