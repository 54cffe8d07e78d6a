"""Saving: encoders, the file's sink, steps."""
from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator

import pytest

from kv._core.engine.engine import Engine
from kv._core.engine.snapshot import Snapshot
from kv._core.testing import persist, rdb
from kv._core.testing.base import crc_crc64
from tests.commands.client import request
from tests.commands.embedded import Embedded, rewritten, run
from tests.rdbcases import CASES, build


@pytest.fixture(scope="module")
def kv() -> Iterator[Embedded]:
    client = Embedded(Engine(None, seed=1), 3)
    yield client
    client.close()


def make(client: Embedded, name: str) -> None:
    build(client, name, lambda option, value: client.engine.configure(**{option.replace("-", "_"): value}))


# -- encoders ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", CASES)
def test_commands_in_parts_are_the_commands(kv: Embedded, name: str) -> None:
    make(kv, name)
    parts, _ = persist.commands(kv.engine, b"k", 1)
    whole, _ = persist.commands(kv.engine, b"k", 1 << 30)
    assert len(whole) == 1 and b"".join(parts) == whole[0]
    assert rewritten(kv.engine) == request("SELECT", 0) + whole[0]


@pytest.mark.parametrize("words", [
    ["RPUSH", "k"], ["SADD", "k"], ["HSET", "k"], ["ZADD", "k"]], ids=lambda words: words[0])
def test_a_large_collection_needs_a_small_buffer(words: list[str]) -> None:
    engine = Engine(None)
    run(engine, *[[*words, *[n if odd else n * 7 for n in range(start, start + 100) for odd in (0, 1)]]
                  for start in range(0, 50_000, 100)])
    parts, held = persist.commands(engine, b"k", 10_000)
    assert len(parts) > 50 and max(map(len, parts)) < 13_000 and held < 40_000


def test_a_large_stream_needs_a_small_buffer() -> None:
    engine = Engine(None)
    run(engine, *[["XADD", "k", f"1-{n}", "name", "v" * 100] for n in range(1, 3000)],
        ["XGROUP", "CREATE", "k", "group", 0], ["XREADGROUP", "GROUP", "group", "consumer", "STREAMS", "k", ">"])
    parts, held = persist.commands(engine, b"k", 10_000)
    assert len(parts) > 50 and max(map(len, parts)) < 11_000 and held < 40_000


def test_rdb_is_another_encoder_of_the_same_walk(kv: Embedded) -> None:
    kv("FLUSHALL")
    for name in CASES:
        make(kv, name)
        kv("RENAME", "k", name)
    fd = os.memfd_create("values")
    try:
        crc = persist.save_values(kv.engine, fd)
        saved = os.pread(fd, 10 << 20, 0)
    finally:
        os.close(fd)
    assert crc == crc_crc64(saved)
    left = saved
    for name in CASES:
        found = rdb.value(kv.engine, name.encode(), 11, False)
        assert found is not None
        entry = bytes([found[0]]) + rdb.string(name.encode(), False) + found[1]
        assert left.count(entry) == 1, name
        left = left.replace(entry, b"")
    assert left == b"\0"                # the number of the database, once
    kv("FLUSHALL")


# -- the sink ---------------------------------------------------------------------------------------------------------

def test_bytes_are_written_counted_and_summed(tmp_path) -> None:
    fd = os.open(tmp_path / "file", os.O_WRONLY | os.O_CREAT)
    try:
        assert persist.write(fd, b"12345", 0, 3)[:4] == (0, 15, crc_crc64(b"12345" * 3), 15)
        assert persist.write(fd, b"12345", 8, 3)[:4] == (0, 15, crc_crc64(b"12345" * 3), 5)     # synced after ten
        assert persist.write(fd, b"12345", 15, 3)[3] == 0
    finally:
        os.close(fd)
    assert (tmp_path / "file").read_bytes() == b"12345" * 9


def test_the_room_of_a_huge_value_is_given_back() -> None:
    fd = os.open("/dev/null", os.O_WRONLY)
    try:
        assert persist.write(fd, b"v" * (1 << 19))[4] >= 1 << 19
        assert persist.write(fd, b"v" * (5 << 20), times=2)[1:5:3] == (10 << 20, 0)
    finally:
        os.close(fd)


def test_a_full_disk_is_a_fault_that_stays() -> None:
    fd = os.open("/dev/full", os.O_WRONLY)
    try:
        fault, written, crc, *_ = persist.write(fd, b"12345", 0, 3)
    finally:
        os.close(fd)
    assert (fault, written) == (errno.ENOSPC, 0) and crc == crc_crc64(b"12345" * 3)


def test_a_sync_that_fails_is_a_fault() -> None:
    reading, writing = os.pipe()        # fdatasync of a pipe: EINVAL
    try:
        assert persist.write(writing, b"12345", 5, 2)[:2] == (errno.EINVAL, 5)
    finally:
        os.close(reading)
        os.close(writing)


@pytest.mark.parametrize("blocking", [True, False])
def test_a_pipe_takes_it_in_parts(blocking: bool) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, blocking)
    data, got = os.urandom(1 << 20), bytearray()

    def read() -> None:
        while part := os.read(reading, 100_000):
            got.extend(part)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        assert persist.write(writing, data)[:2] == (0, len(data))
    finally:
        os.close(writing)
        reader.join()
        os.close(reading)
    assert got == data


def test_a_reader_that_went_away_is_a_fault() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        assert persist.write(writing, b"1")[0] == errno.EPIPE
    finally:
        os.close(writing)


# -- steps ------------------------------------------------------------------------------------------------------------

def test_steps_of_so_many_keys() -> None:
    engine = Engine(None)
    run(engine, *[["SET", f"key:{n}", n] for n in range(10_000)])
    fd = os.memfd_create("base")
    try:
        snapshot, counts = Snapshot(engine, fd), [0]
        while snapshot.step(keys=100):
            counts.append(snapshot.keys)
        assert snapshot.keys == 10_000 and not snapshot.step() and snapshot.keys == 10_000
        assert os.fstat(fd).st_size == snapshot.written
    finally:
        os.close(fd)
    gains = [after - before for before, after in zip(counts, counts[1:], strict=False)]
    assert 60 < len(gains) <= 100 and min(gains) >= 100 and max(gains) < 180


def test_steps_of_so_much_time() -> None:
    engine = Engine(None)
    run(engine, *[["SET", f"key:{n}", "v" * 1000] for n in range(20_000)])
    fd = os.open("/dev/null", os.O_WRONLY)
    try:
        snapshot, steps = Snapshot(engine, fd), 1
        while snapshot.step(ms=1):
            steps += 1
        assert steps > 1 and snapshot.keys == 20_000
    finally:
        os.close(fd)


def test_a_fault_is_an_error_of_the_step() -> None:
    engine = Engine(None)
    run(engine, ["SET", "a", 1])
    fd = os.open("/dev/full", os.O_WRONLY)
    try:
        with pytest.raises(OSError) as raised:
            Snapshot(engine, fd).step()
    finally:
        os.close(fd)
    assert raised.value.errno == errno.ENOSPC and raised.value.strerror == "No space left on device"


# -- the file's thread ------------------------------------------------------------------------------------------------

PIECE = bytes(range(256)) * 1024        # 256 KiB


def test_parts_that_a_thread_writes_arrive_whole_and_in_order(tmp_path) -> None:
    with open(tmp_path / "file", "w+b") as file:
        fault, written, crc, _, kept = persist.write(file.fileno(), PIECE, 3 << 20, 101, False)
        assert (fault, written, kept) == (0, 101 * len(PIECE), kept) and crc == crc_crc64(PIECE * 101)
        file.seek(0)
        assert file.read() == PIECE * 101


def test_what_a_thread_can_not_write_is_told_and_the_rest_dropped() -> None:
    with open("/dev/full", "wb", buffering=0) as full:
        fault, written, crc, *_ = persist.write(full.fileno(), PIECE, 0, 40, False)
    assert (fault, written) == (errno.ENOSPC, 0) and crc == crc_crc64(PIECE * 40)


def test_huge_parts_leave_no_huge_buffers() -> None:
    fd = os.memfd_create("parts")
    try:
        assert persist.write(fd, PIECE * 24, 0, 5, False)[1:5:3] == (5 * 24 * len(PIECE), 0)
    finally:
        os.close(fd)


def test_a_slow_reader_is_waited_for() -> None:
    reading, writing = os.pipe()
    received = bytearray()

    def drain() -> None:
        while part := os.read(reading, 1 << 16):
            received.extend(part)

    reader = threading.Thread(target=drain)
    reader.start()
    try:
        assert persist.write(writing, PIECE, 0, 20, False)[:2] == (0, 20 * len(PIECE))
    finally:
        os.close(writing)
        reader.join()
        os.close(reading)
    assert received == PIECE * 20
