"""The dataset as commands, and the limit of retries."""
from __future__ import annotations

import errno
import os
import resource
from types import SimpleNamespace

import pytest

from kv._core.engine.aofreplay import AofReplay, empty_dataset
from kv._core.engine.engine import Engine
from kv.server import saving
from kv.server.aof.manifest import COMMANDS, RDB
from kv.server.aof.rewrite import RetryLimit, base_form, write_dataset
from tests.commands.client import request
from tests.commands.embedded import rewritten, run


def config(**options) -> SimpleNamespace:
    return SimpleNamespace(**{"aof_timestamp_enabled": False, "rdb_key_save_delay": 0, "aof_rewrite_incremental_fsync": True,
                              "rdb_write_version": 11, "rdbcompression": True, "rdbchecksum": True, "aof_use_rdb_preamble": True,
                              **options})


def test_an_empty_dataset_is_no_commands() -> None:
    assert rewritten(Engine(None)) == b""


def test_the_form_is_valkeys() -> None:
    engine = Engine(None)
    run(engine, ["SELECT", 3], ["SET", "key", "value"])
    assert rewritten(engine) == request("SELECT", 3) + request("SET", "key", "value")
    run(engine, ["SELECT", 3], ["PEXPIREAT", "key", 33177117420000])
    assert rewritten(engine) == (request("SELECT", 3) + request("SET", "key", "value")
                                 + request("PEXPIREAT", "key", 33177117420000))


@pytest.mark.parametrize("keys", [1, 100, 0])
def test_every_key_once_and_back_again(keys: int) -> None:
    engine = Engine(seed=1)
    values = [b"", b"0", b"-9223372036854775808", b"01", b"\0\r\n$", b"x" * 1500, b"y" * 100_000]
    for database in (0, 1, 15):
        run(engine, ["SELECT", database], *[["SET", f"k{n}", value] for n, value in enumerate(values)],
            *[["SET", f"n{n}", n] for n in range(3000)])
    data = rewritten(engine, keys)
    assert data.count(b"$3\r\nSET\r\n") == 3 * (3000 + len(values))
    other = Engine(seed=1)     # whose order is the same
    assert AofReplay(other).feed(data) == len(data)
    for database in (0, 1, 15):
        for n, value in enumerate(values):
            reply = run(other, ["SELECT", database], ["GET", f"k{n}"])
            assert reply == ["OK", value]
    assert sorted(request_lines(rewritten(other))) == sorted(request_lines(data))


def request_lines(data: bytes) -> list[bytes]:
    return data.split(b"*3\r\n")


def test_while_the_table_is_being_resized() -> None:
    """Each size passes through every stage of an incremental rehash."""
    engine = Engine(None)
    for count in range(1, 400):
        run(engine, ["SET", f"key:{count}", count])
        assert rewritten(engine).count(b"$3\r\nSET\r\n") == count


def test_emptied() -> None:
    engine = Engine(None)
    run(engine, ["SET", "a", 1], ["SELECT", 5], ["SET", "b", 1])
    empty_dataset(engine)
    assert rewritten(engine) == b""


def test_written_to_a_file(tmp_path) -> None:
    engine = Engine(None)
    run(engine, *[["SET", f"key:{n}", n] for n in range(1000)])
    path = tmp_path / "base"
    write_dataset(engine, str(path), COMMANDS, config())
    assert path.read_bytes() == rewritten(engine)
    write_dataset(engine, str(path), COMMANDS, config(aof_timestamp_enabled=True))
    assert path.read_bytes().startswith(b"#TS:") and path.read_bytes().endswith(rewritten(engine))


@pytest.mark.parametrize("version", [9, 10, 11])
def test_written_as_a_snapshot(tmp_path, version: int) -> None:
    engine = Engine(None)
    run(engine, *[["SET", f"key:{n}", n] for n in range(1000)])
    path = tmp_path / "base"
    write_dataset(engine, str(path), RDB, config(rdb_write_version=version, aof_timestamp_enabled=True))
    data = path.read_bytes()
    assert data.startswith(b"REDIS%04d" % version) and b"aof-base\xc0\x01" in data and not data.endswith(bytes(8))
    write_dataset(engine, str(path), RDB, config(rdbchecksum=False))
    assert path.read_bytes().endswith(bytes(8))


def test_the_form_of_a_base() -> None:
    engine = Engine(None)
    assert base_form(engine, config()) == RDB
    assert base_form(engine, config(aof_use_rdb_preamble=False)) == COMMANDS
    assert base_form(engine, config(rdb_write_version=9)) == RDB
    engine.execute("FUNCTION", "LOAD", "#!lua name=a\nredis.register_function('f', function() end)")
    assert base_form(engine, config(rdb_write_version=9)) == COMMANDS       # RDB 9 has no libraries
    assert base_form(engine, config(rdb_write_version=10)) == base_form(engine, config()) == RDB
    assert base_form(engine, config(aof_use_rdb_preamble=False)) == COMMANDS


def test_a_failed_write_leaves_no_file(tmp_path) -> None:
    """Files may not grow beyond 4,000 bytes here; Python has SIGXFSZ ignored."""
    engine = Engine(None)
    run(engine, *[["SET", f"key:{n}", n] for n in range(1000)])
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, limits[1]))
    try:
        with pytest.raises(OSError) as raised:
            write_dataset(engine, str(tmp_path / "base"), COMMANDS, config())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert raised.value.errno == errno.EFBIG and raised.value.strerror == os.strerror(errno.EFBIG)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("delay, seconds", [(1000, 0.1), (-10, 1e-5)])
def test_slowed_down(tmp_path, monkeypatch, delay: int, seconds: float) -> None:
    slept: list[float] = []
    monkeypatch.setattr(saving, "time", SimpleNamespace(sleep=slept.append))
    engine = Engine(None)
    run(engine, *[["SET", f"key:{n}", n] for n in range(100)])
    write_dataset(engine, str(tmp_path / "base"), COMMANDS, config(rdb_key_save_delay=delay))
    assert sum(slept) == pytest.approx(seconds)


def test_retries_are_made_ever_more_rarely() -> None:
    limit = RetryLimit()
    now, waits = 1000.0, []
    assert not any(limit.holds_back(failures, now) for failures in range(3))
    for failures in range(3, 13):
        assert limit.holds_back(failures, now)
        waits.append((limit.until - now) / 60)
        assert limit.holds_back(failures, limit.until - 1)
        now = limit.until
        assert not limit.holds_back(failures, now)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60, 60]
    assert not limit.holds_back(0, now)
    assert limit.holds_back(3, now) and limit.delay_minutes == 1
