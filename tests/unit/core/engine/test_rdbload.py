"""Loading RDB files, step by step."""
from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import Any

import pytest

from kv._core.engine import debug, inspect
from kv._core.engine.engine import Engine
from kv._core.engine.rdbload import CUT_OFF, RdbFault, RdbLoad
from kv._core.engine.snapshot import Snapshot
from kv._core.testing.rdb import length, payload
from tests import rdbvalue
from tests.commands.embedded import Embedded, run
from tests.rdbcases import CASES, build
from tests.rdbwords import file_of, listpack, string
from tests.unit.core.rdb.test_complaints import CUT

KEY = b"\x00" + string(b"key") + string(b"value")
STREAM_CUTS = {complaint for _, complaint in CUT.values()}
FUTURE, PAST = 4_000_000_000_000, 1_000_000_000_000


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine(None, seed=1)
    yield engine
    inspect.check(engine)


def file(data: bytes) -> int:
    fd = os.memfd_create("rdb")
    os.write(fd, data)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def load(engine: Engine, data: bytes, **options: Any) -> RdbLoad:
    fd = file(data)
    try:
        loading = RdbLoad(engine, fd, **options)
        assert loading.step() is False
        return loading
    finally:
        os.close(fd)


def fault(engine: Engine, data: bytes, **options: Any) -> RdbFault:
    with pytest.raises(RdbFault) as caught:
        load(engine, data, **options)
    return caught.value


def saved(engine: Engine, version: int = 11) -> bytes:
    fd = os.memfd_create("rdb")
    try:
        snapshot = Snapshot(engine, fd, rdb_version=version)
        while snapshot.step():
            pass
        return os.pread(fd, snapshot.written + 1, 0)
    finally:
        os.close(fd)


@pytest.fixture(scope="module")
def filled() -> Engine:
    """Every case in database 0, some keys in others."""
    engine = Engine(None, seed=2)
    client = Embedded(engine, 2)
    for name in CASES:
        build(client, name, lambda option, value: engine.configure(**{option.replace("-", "_"): value}))
        client("RENAME", "k", name)
    client("PEXPIREAT", "text", FUTURE)
    client("PEXPIREAT", "large hash", FUTURE)
    client("SELECT", 3)
    for i in range(1000):
        client("SET", f"key {i}", i)
    client("SELECT", 15)
    client("SET", b"k" * 5000, "a long key")
    client.close()
    return engine


# -- whole datasets ---------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("version", [9, 10, 11])
def test_what_was_saved_is_loaded(engine: Engine, filled: Engine, version: int) -> None:
    loading = load(engine, saved(filled, version))
    assert (loading.keys, loading.expired, loading.empty, loading.version) == (len(CASES) + 1001, 0, 0, version)
    if version == 11:
        assert debug.digest(engine) == debug.digest(filled)
    for name in CASES:
        if not name.startswith(("stream", "trimmed", "empty stream")):
            assert debug.digest_value(engine, 0, name.encode()) == debug.digest_value(filled, 0, name.encode())
    assert run(engine, ["PEXPIRETIME", "text"], ["PEXPIRETIME", "large hash"]) == [FUTURE, FUTURE]
    assert run(engine, ["SELECT", 15], ["STRLEN", b"k" * 5000])[1] == 10


def test_in_steps_and_through_a_pipe(engine: Engine, filled: Engine) -> None:
    data = saved(filled)
    reading, writing = os.pipe()
    if os.fork() == 0:
        for at in range(0, len(data), 999):
            os.write(writing, data[at:at + 999])
        os._exit(0)
    os.close(writing)
    loading = RdbLoad(engine, reading)
    steps = 0
    while loading.step(ms=1):
        steps += 1
    os.close(reading)
    os.wait()
    assert loading.offset == len(data) and debug.digest(engine) == debug.digest(filled)


def test_others_are_served_in_the_middle_of_a_value(engine: Engine) -> None:
    """A value that takes long to come is no reason to be silent."""
    reading, writing = os.pipe()
    head = b"REDIS0011\x00" + string(b"key") + length(40_000_000)
    if os.fork() == 0:
        import time
        os.write(writing, head)
        for _ in range(40):
            os.write(writing, bytes(1_000_000))
            time.sleep(0.015)
        os.write(writing, b"\xff" + bytes(8))
        os._exit(0)
    os.close(writing)
    seen: list[int] = []
    loading = RdbLoad(engine, reading, serve=lambda: seen.append(loading.offset))
    assert loading.step() is False
    os.close(reading)
    os.wait()
    assert len(seen) >= 3 and len(set(seen)) == len(seen) and run(engine, ["STRLEN", "key"]) == [40_000_000]


def test_what_serving_raises_ends_the_load(engine: Engine) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"REDIS0011")
    os.set_blocking(reading, False)

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        RdbLoad(engine, reading, serve=stop).step()
    os.close(reading)
    os.close(writing)


def test_an_error_of_the_system_is_told(engine: Engine, tmp_path: Any) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(IsADirectoryError):
        RdbLoad(engine, fd).step()
    os.close(fd)


def test_it_begins_where_the_descriptor_stands_and_ends_where_the_rdb_does(engine: Engine) -> None:
    data = file_of(KEY)
    fd = file(b"before" + data + b"*1\r\n$4\r\nPING\r\n")
    os.lseek(fd, 6, os.SEEK_SET)
    loading = RdbLoad(engine, fd)
    assert loading.step() is False and loading.offset == len(data)
    os.close(fd)


# -- what stands beside keys ------------------------------------------------------------------------------------------

def test_what_the_file_says_of_itself(engine: Engine) -> None:
    body = b"\xfa" + string(b"redis-ver") + string(b"7.2.4") + b"\xfa" + string(b"aof-base") + b"\xc0\x01" + KEY
    assert load(engine, file_of(body)).aux == {b"redis-ver": b"7.2.4", b"aof-base": b"1"}


def library(name: str, function: str, answer: int = 1) -> bytes:
    return f"#!lua name={name}\nredis.register_function('{function}', function() return {answer} end)".encode()


def libraries(*codes: bytes) -> bytes:
    return file_of(b"".join([b"\xf5" + string(code) for code in codes]) + KEY)


def test_libraries_are_loaded(engine: Engine) -> None:
    codes = [library("one", "f"), library("two", "g", 2)]
    load(engine, libraries(*codes))
    assert engine.libraries == codes and (engine.execute("FCALL", "f", 0), engine.execute("FCALL", "g", 0)) == (1, 2)
    other = Engine(None)
    load(other, saved(engine))
    assert other.libraries == codes and other.execute("FCALL", "g", 0) == 2


@pytest.mark.parametrize(("codes", "complaint"), [
    ([b"#!lua name=one\n"], "No functions registered"),
    ([b"#!lua name=one\nx = "], "Error compiling function: user_function:2: unexpected symbol near '<eof>'"),
    ([b"#!lua name=one\nx()"], "Error registering functions: ERR user_function:2: Script attempted to access nonexistent global "
                               "variable 'x'"),
    ([b"one"], "Missing library metadata"),
    ([b"#!js name=one\n"], "Engine 'js' not found"),
    ([library("one", "f"), library("one", "g")], "Library 'one' already exists"),
    ([library("one", "f"), library("two", "F")], "Function F already exists"),
])
def test_a_library_that_cant_be_loaded_is_a_fault(engine: Engine, codes: list[bytes], complaint: str) -> None:
    with pytest.raises(RdbFault) as raised:
        load(engine, libraries(*codes))
    assert str(raised.value) == f"Failed loading library, {complaint}" and raised.value.offset > 9
    assert engine.libraries == codes[:-1] and engine.execute("DBSIZE") == 0


def test_merging_replaces_libraries(engine: Engine) -> None:
    for code in (library("one", "f"), library("kept", "k")):
        engine.execute("FUNCTION", "LOAD", code)
    with pytest.raises(RdbFault, match="Library 'one' already exists"):
        load(engine, libraries(library("one", "f", 2)))
    load(engine, libraries(library("one", "f", 2), library("two", "g")), merge=True)
    assert engine.libraries == [library("kept", "k"), library("one", "f", 2), library("two", "g")]
    assert engine.execute("FCALL", "f", 0) == 2


def test_expiries(engine: Engine) -> None:
    body = (b"\xfc" + struct.pack("<q", PAST) + KEY + b"\xfc" + struct.pack("<q", FUTURE) + KEY.replace(b"key", b"ms.")
            + b"\xfd" + struct.pack("<I", 4_000_000_00) + KEY.replace(b"key", b"old")
            + b"\xfd" + struct.pack("<I", 2_000_000_000) + KEY.replace(b"key", b"s.."))
    loading = load(engine, file_of(body))
    assert (loading.keys, loading.expired) == (2, 2)
    assert run(engine, ["PEXPIRETIME", "ms."], ["EXPIRETIME", "s.."]) == [FUTURE, 2_000_000_000]
    assert load(Engine(None), file_of(body), keep_expired=True).keys == 4


def test_idle_times_and_frequencies(engine: Engine) -> None:
    body = b"\xf8" + length(100) + KEY + b"\xf9\x07" + KEY.replace(b"key", b"two") + KEY.replace(b"key", b"new")
    load(engine, file_of(body))
    assert [run(engine, ["OBJECT", "IDLETIME", key])[0] // 10 for key in ("key", "two", "new")] == [10, 0, 0]
    other = Engine(None)
    other.configure(maxmemory_policy="allkeys-lfu")
    load(other, file_of(body))
    assert [run(other, ["OBJECT", "FREQ", key])[0] for key in ("key", "two", "new")] == [5, 7, 5]


def test_a_table_is_made_for_as_many_keys_as_there_can_be(engine: Engine) -> None:
    before = inspect.memory_figures(engine)["used"]
    load(engine, file_of(b"\xfe\x00\xfb\x81" + b"\x7f" * 8 + b"\x00" + KEY))
    assert inspect.memory_figures(engine)["used"] < before + 10_000


def test_values_without_elements_are_left_out(engine: Engine) -> None:
    loading = load(engine, file_of(b"\x01" + string(b"list") + b"\x00" + KEY + b"\x10" + string(b"hash") + string(listpack([]))))
    assert (loading.keys, loading.empty) == (1, 2)


# -- merging ----------------------------------------------------------------------------------------------------------

def test_a_key_that_is_there(engine: Engine) -> None:
    data = file_of(KEY)
    load(engine, data)
    found = fault(engine, data)
    assert "RDB has duplicated key 'key' in DB 0" in str(found)
    run(engine, ["SET", "key", "other"], ["SET", "more", "1"])
    assert load(engine, data, merge=True).keys == 1
    assert run(engine, ["GET", "key"], ["GET", "more"]) == [b"value", b"1"]
    assert "duplicated" in str(fault(Engine(None), file_of(KEY + KEY)))


# -- versions ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("magic", "strict", "relaxed"), [
    (b"REDIS0001", True, True), (b"REDIS0011", True, True), (b"VALKEY011", True, True), (b"REDIS0012", False, True),
    (b"VALKEY080", False, True), (b"VALKEY081", False, True), (b"REDIS0080", False, False), (b"REDIS0000", False, False),
    (b"REDIS00x1", False, False)])
def test_versions(magic: bytes, strict: bool, relaxed: bool) -> None:
    for options, good in (({}, strict), ({"relaxed": True}, relaxed)):
        if good:
            assert load(Engine(None), file_of(KEY, magic), **options).version == int(magic[6:])
        else:
            assert "Can't handle RDB format version" in str(fault(Engine(None), file_of(KEY, magic), **options))


def test_no_rdb(engine: Engine) -> None:
    assert str(fault(engine, b"*1\r\n$4\r\nPING\r\n")) == "Wrong signature trying to load DB from file"


def hash_2(expiry: int) -> bytes:
    return b"\x16" + string(b"hash") + b"\x01" + string(b"f") + string(b"v") + struct.pack("<q", expiry)


def test_what_newer_files_have(engine: Engine) -> None:
    assert load(engine, file_of(hash_2(-1), b"VALKEY080"), relaxed=True).keys == 1
    assert run(engine, ["HGET", "hash", "f"]) == [b"v"]
    found = fault(Engine(None), file_of(hash_2(FUTURE), b"VALKEY080"), relaxed=True)
    assert found.key == b"hash" and "expiry" in str(found)
    assert fault(Engine(None), file_of(hash_2(-1), b"REDIS0012"), relaxed=True).key == b"hash"
    assert load(Engine(None), file_of(b"\xf4\x01\x02\x03" + KEY, b"REDIS0012"), relaxed=True).keys == 1


# -- what is wrong ----------------------------------------------------------------------------------------------------

def test_checksums(engine: Engine) -> None:
    data = file_of(KEY)
    wrong = data[:-1] + bytes([data[-1] ^ 1])
    found = fault(engine, wrong)
    assert str(found).startswith("Wrong RDB checksum expected: (") and str(found).endswith("Aborting now.")
    assert load(Engine(None), wrong, checksum=False).keys == 1
    assert load(Engine(None), data[:-8] + bytes(8)).keys == 1
    assert load(Engine(None), b"REDIS0004" + KEY + b"\xff").keys == 1


@pytest.mark.parametrize(("body", "complaint"), [
    (b"\xfe\x10", "more than 16 databases"), (b"\xf6", "Pre-release function format not supported."),
    (b"\xf7" + b"\x81" + struct.pack(">Q", 0x08d8ae1d7c2d8001), "The RDB file contains AUX module data I can't load"),
    (b"\x07" + string(b"key") + b"\x81" + struct.pack(">Q", 1 << 10), "no matching module type 'AAAAAAAAB'"),
    (b"\x1e" + string(b"key"), "Unknown RDB encoding type 30"), (b"\xf3", "Unknown RDB encoding type 243"),
    (b"\x10" + string(b"key") + string(b"no pack"), "Hash listpack integrity check failed."),
    (b"\x02" + string(b"key") + b"\x02" + 2 * string(b"a"), "Duplicate set members detected")])
def test_faults_name_the_place(engine: Engine, body: bytes, complaint: str) -> None:
    found = fault(engine, file_of(KEY.replace(b"key", b"one") + body))
    assert complaint in str(found) and 9 < found.offset <= len(file_of(KEY + body))
    assert found.key == (b"key" if b"key" in body else b"")
    assert run(engine, ["DBSIZE"]) == [1]


def test_a_file_that_ends_too_soon_is_never_taken_for_whole(filled: Engine) -> None:
    data = saved(filled)
    for end in [*range(200), *range(200, len(data), 997), *range(len(data) - 20, len(data))]:
        engine = Engine(None, seed=3)
        found = fault(engine, data[:end])       # in a stream's parts it is said which one could not be read
        assert found.kind == CUT_OFF or (str(found) in STREAM_CUTS and b"stream" in found.key)
        inspect.check(engine)


def test_no_flipped_bit_harms(filled: Engine) -> None:
    data = saved(filled)
    for place in range(0, 8 * len(data), 8 * len(data) // 300):
        wrong = bytearray(data)
        wrong[place // 8] ^= 1 << place % 8
        engine = Engine(None, seed=3)
        for checksum in (True, False):
            try:
                load(engine, bytes(wrong), checksum=checksum, merge=True)
                assert not checksum, f"bit {place}"
            except RdbFault:
                pass
            inspect.check(engine)


def test_payloads_of_a_loaded_file_are_those_of_the_saved_one(engine: Engine, filled: Engine) -> None:
    load(engine, saved(filled))
    for name in CASES:
        loaded, made = payload(engine, name.encode()), payload(filled, name.encode())
        if "stream" in name:
            assert rdbvalue.living(loaded) == rdbvalue.living(made), name
        elif name not in ("large set", "large hash", "set of a long member", "hash of a long value"):
            assert loaded == made, name
