"""The dataset as an RDB file: what stands in it, and in which order."""
from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator

import pytest

from kv import VALKEY_VERSION
from kv._core.engine.engine import Engine
from kv._core.engine.snapshot import Snapshot
from kv._core.testing import rdb
from tests import rdbvalue
from tests.commands.embedded import Embedded, run
from tests.rdbcases import CASES, build
from tests.rdbfile import File, read_file


def saved(engine: Engine, version: int = 11, keys: int = 0, **options: bool) -> bytes:
    """The dataset as a file, so many keys a step (0: all in one)."""
    fd = os.memfd_create("rdb")
    try:
        snapshot = Snapshot(engine, fd, rdb_version=version, **options)
        while snapshot.step(keys=keys):
            pass
        assert not snapshot.step() and os.fstat(fd).st_size == snapshot.written
        return os.pread(fd, snapshot.written, 0)
    finally:
        os.close(fd)


def file_of(engine: Engine, version: int = 11, **options: bool) -> File:
    return read_file(saved(engine, version, **options))


@pytest.fixture
def engine() -> Engine:
    engine = Engine(None, seed=1)
    run(engine, ["SET", "a", "1"], ["SET", "b", "2", "PXAT", 1 << 50], ["RPUSH", "l", "x"],
        ["SELECT", 3], ["SET", "c", "v" * 100], ["SELECT", 15], ["SADD", "s", "m"], ["DEL", "s"])
    return engine


@pytest.fixture(scope="module")
def kv() -> Iterator[Embedded]:
    client = Embedded(Engine(None, seed=1), 2)
    yield client
    client.close()


def test_what_the_file_says_of_itself(engine: Engine) -> None:
    aux = file_of(engine).aux
    assert [name for name, _ in aux] == [b"valkey-ver", b"redis-bits", b"ctime", b"used-mem", b"aof-base"]
    values = dict(aux)
    assert values[b"valkey-ver"] == VALKEY_VERSION.encode() and values[b"redis-bits"] == b"64"
    assert abs(int(values[b"ctime"]) - time.time()) < 100 and 1000 < int(values[b"used-mem"]) < 100_000_000
    assert values[b"aof-base"] == b"0" and (b"aof-base", b"1") in file_of(engine, aof_base=True).aux


def test_databases_and_expiries(engine: Engine) -> None:
    found = file_of(engine)
    assert found.version == 11 and list(found.databases) == [0, 3] and found.sizes == {0: (3, 1), 3: (1, 0)}
    keys = found.databases[0]
    assert {name: (key.value, key.expiry_ms) for name, key in keys.items()} == {
        b"a": (b"1", None), b"b": (b"2", 1 << 50), b"l": ([b"x"], None)}
    assert all(key.idle_seconds is None and key.frequency is None for key in keys.values())


def test_an_empty_dataset() -> None:
    found = file_of(Engine(None))
    assert found.databases == {} and found.checksum


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("version", [9, 10, 11])
def test_each_value_in_each_version(kv: Embedded, name: str, version: int) -> None:
    build(kv, name, lambda option, value: kv.engine.configure(**{option.replace("-", "_"): value}))
    found = file_of(kv.engine, version).databases[0][b"k"]
    kind, value = rdb.value(kv.engine, b"k", version)
    assert (found.kind, found.value) == (kind, rdbvalue.read(kind, value))


def test_steps_make_the_same_file(engine: Engine) -> None:
    for number in range(1000):
        engine.execute("SET", f"key:{number}", number)
    whole, parts = saved(engine), saved(engine, keys=10)
    ctime = whole.index(b"ctime")
    assert whole[:ctime] == parts[:ctime] and read_file(whole).databases == read_file(parts).databases
    assert len(read_file(parts).databases[0]) == 1003


def test_the_version_of_the_magic(engine: Engine) -> None:
    assert [saved(engine, version)[:9] for version in (9, 10, 11)] == [b"REDIS0009", b"REDIS0010", b"REDIS0011"]
    for version in (-1, 8, 12):
        with pytest.raises(ValueError):
            Snapshot(engine, 1, rdb_version=version)


def test_compression_and_checksum(engine: Engine) -> None:
    plain, packed = saved(engine, compress=False), saved(engine)
    assert b"v" * 100 in plain and b"v" * 100 not in packed
    assert read_file(plain).databases == read_file(packed).databases
    assert file_of(engine, checksum=False).checksum == 0 and file_of(engine).checksum


@pytest.mark.parametrize("policy, idle, counted", [
    ("allkeys-lru", True, False), ("volatile-lru", True, False), ("allkeys-lfu", False, True), ("volatile-lfu", False, True),
    ("volatile-ttl", False, False), ("allkeys-random", False, False), ("noeviction", False, False)])
def test_use_is_written_where_the_policy_goes_by_it(policy: str, idle: bool, counted: bool) -> None:
    engine = Engine(None)
    engine.configure(maxmemory_policy=policy)
    engine.execute("SET", "a", "1")
    key = file_of(engine).databases[0][b"a"]
    assert (key.idle_seconds is not None, key.frequency is not None) == (idle, counted)
    if idle:
        assert key.idle_seconds == 0
    if counted:
        assert key.frequency == engine.execute("OBJECT", "FREQ", "a") == 5


def test_function_libraries_are_written(engine: Engine) -> None:
    codes = [f"#!lua name={name}\nserver.register_function('{name}', function() return 1 end)".encode() for name in ("one", "two")]
    for code in codes:
        engine.execute("FUNCTION", "LOAD", code)
    assert file_of(engine).libraries == file_of(engine, 10).libraries == codes
    assert file_of(engine, 9).libraries == []       # the servers that read 9 know none


def test_a_fault_is_an_error_of_the_step(engine: Engine) -> None:
    fd = os.open("/dev/full", os.O_WRONLY)
    try:
        with pytest.raises(OSError) as raised:
            Snapshot(engine, fd, rdb_version=11).step()
    finally:
        os.close(fd)
    assert raised.value.errno == errno.ENOSPC
