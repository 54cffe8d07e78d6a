"""Writing and syncing by policy, with the system calls in the test's hands."""
from __future__ import annotations

import errno
import os
import threading
import time

import pytest

from kv.server.aof import writer as module
from kv.server.aof.writer import ALWAYS, EVERYSEC, NO, Worker, Writer, unlink_in_background


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file"


class Told(list):
    """What the engine was told of write errors."""


@pytest.fixture
def told() -> Told:
    return Told()


def open_writer(path, told, policy: str) -> Writer:
    writer = Writer(told.append, policy)
    writer.append_to(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 0)
    return writer


@pytest.fixture
def syncs(monkeypatch):
    """Counts fdatasync, and can hold it up or have it fail."""
    class Syncs:
        count = 0
        error: int | None = None
        gate = threading.Event()

    Syncs.gate = threading.Event()
    Syncs.gate.set()

    def fdatasync(fd: int) -> None:
        Syncs.gate.wait(10)
        Syncs.count += 1
        if Syncs.error:
            raise OSError(Syncs.error, os.strerror(Syncs.error))

    monkeypatch.setattr(module.os, "fdatasync", fdatasync)
    return Syncs


def limit_writes(monkeypatch, room: list[int]) -> None:
    """os.write takes at most room[0] bytes in all, then says that there is no space."""
    real = os.write

    def write(fd: int, data) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = real(fd, bytes(data)[:room[0]])
        room[0] -= written
        return written

    monkeypatch.setattr(module.os, "write", write)


def test_always_syncs_each_write(path, told, syncs) -> None:
    writer = open_writer(path, told, ALWAYS)
    for number in range(1, 4):
        writer.write(b"data")
        assert syncs.count == number
    assert path.read_bytes() == b"data" * 3 and writer.size == writer.synced == 12


def test_no_never_syncs(path, told, syncs) -> None:
    writer = open_writer(path, told, NO)
    writer.last_sync -= 100
    writer.write(b"data")
    writer.flush()
    assert syncs.count == 0 and path.read_bytes() == b"data"


def test_everysec_syncs_once_a_second_in_the_thread(path, told, syncs) -> None:
    writer = open_writer(path, told, EVERYSEC)
    writer.write(b"a")
    writer.write(b"b")
    assert writer.syncs.submitted == 0
    writer.last_sync -= 1
    writer.write(b"c")
    writer.syncs.drain()
    writer.write(b"d")
    assert syncs.count == 1 and writer.synced == 3 and path.read_bytes() == b"abcd"


def test_everysec_syncs_although_nothing_more_is_written(path, told, syncs) -> None:
    writer = open_writer(path, told, EVERYSEC)
    writer.write(b"a")
    writer.last_sync -= 1
    writer.sync_if_due()
    writer.syncs.drain()
    writer.last_sync -= 1
    writer.sync_if_due()
    writer.syncs.drain()
    assert syncs.count == 1


def begin_slow_sync(writer: Writer, syncs) -> None:
    syncs.gate.clear()
    writer.last_sync -= 1
    writer.write(b"first ")
    assert writer.syncing


def test_a_write_waits_for_the_sync(path, told, syncs) -> None:
    writer = open_writer(path, told, EVERYSEC)
    begin_slow_sync(writer, syncs)
    writer.write(b"second ")
    writer.write(b"third")
    writer.flush()
    assert path.read_bytes() == b"first " and bytes(writer.buffer) == b"second third"
    syncs.gate.set()
    writer.syncs.drain()
    writer.flush()
    assert path.read_bytes() == b"first second third" and not writer.buffer and writer.delayed == 0


def test_a_write_does_not_wait_longer_than_two_seconds(path, told, syncs) -> None:
    writer = open_writer(path, told, EVERYSEC)
    begin_slow_sync(writer, syncs)
    writer.write(b"second")
    writer.postponed_since -= 2
    writer.flush()
    assert path.read_bytes() == b"first second" and writer.delayed == 1
    writer.write(b" third")         # a new wait begins
    assert path.read_bytes() == b"first second"
    syncs.gate.set()


def test_a_forced_write_does_not_wait(path, told, syncs) -> None:
    writer = open_writer(path, told, EVERYSEC)
    begin_slow_sync(writer, syncs)
    writer.write(b"second", force=True)
    assert path.read_bytes() == b"first second" and writer.delayed == 0
    syncs.gate.set()


@pytest.mark.parametrize("policy", [EVERYSEC, NO])
@pytest.mark.parametrize("room", [0, 3])
def test_no_space_and_space_again(path, told, monkeypatch, policy: str, room: int) -> None:
    writer = open_writer(path, told, policy)
    writer.write(b"before")
    left = [room]
    limit_writes(monkeypatch, left)
    writer.write(b"during")
    assert path.read_bytes() == b"before"       # the part that fitted is cut off again
    assert told == [os.strerror(errno.ENOSPC)] and writer.failing and bytes(writer.buffer) == b"during"
    writer.flush()
    assert path.read_bytes() == b"before" and writer.failing
    left[0] = 100
    writer.write(b" after")
    assert path.read_bytes() == b"beforeduring after" and writer.size == 18
    assert told[-1] is None and not writer.failing and not writer.buffer


def test_a_part_that_cant_be_cut_off_is_not_written_again(path, told, monkeypatch) -> None:
    writer = open_writer(path, told, NO)
    left = [3]
    limit_writes(monkeypatch, left)

    def ftruncate(fd: int, size: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(module.os, "ftruncate", ftruncate)
    writer.write(b"during")
    assert path.read_bytes() == b"dur" and bytes(writer.buffer) == b"ing" and writer.size == 3
    left[0] = 2
    writer.flush()
    assert path.read_bytes() == b"durin" and bytes(writer.buffer) == b"g"
    left[0] = 100
    writer.flush()
    assert path.read_bytes() == b"during" and writer.size == 6


class Exited(BaseException):
    pass


@pytest.fixture
def exits(monkeypatch):
    def leave(status: int) -> None:
        raise Exited(status)
    monkeypatch.setattr(module.os, "_exit", leave)


def test_always_ends_the_process_when_it_cant_write(path, told, monkeypatch, exits) -> None:
    writer = open_writer(path, told, ALWAYS)
    limit_writes(monkeypatch, [2])
    with pytest.raises(Exited):
        writer.write(b"data")
    assert path.read_bytes() == b""


def test_always_ends_the_process_when_it_cant_sync(path, told, syncs, exits) -> None:
    writer = open_writer(path, told, ALWAYS)
    syncs.error = errno.EIO
    with pytest.raises(Exited):
        writer.write(b"data")


def test_a_sync_that_fails_in_the_thread_refuses_writes(path, told, syncs) -> None:
    writer = open_writer(path, told, EVERYSEC)
    for error, wanted in ((errno.EIO, os.strerror(errno.EIO)), (0, None)):
        syncs.error = error
        writer.last_sync -= 1
        writer.write(b"data")
        writer.syncs.drain()
        writer.note_sync_outcome()
        assert told[-1] == wanted and writer.failing == bool(error)
    writer.note_sync_outcome()
    assert len(told) == 2


def test_a_descriptor_that_was_closed_is_no_trouble(path, told, syncs) -> None:
    writer = open_writer(path, told, EVERYSEC)
    syncs.error = errno.EBADF
    writer.last_sync -= 1
    writer.write(b"data")
    writer.syncs.drain()
    assert not writer.failing


def test_syncs_may_be_paused(path, told, syncs) -> None:
    writer = open_writer(path, told, ALWAYS)
    writer.sync_paused = True
    writer.write(b"data")
    assert syncs.count == 0
    writer.sync_paused = False
    writer.flush()
    assert syncs.count == 1


def test_the_next_file_takes_over(path, told, syncs, tmp_path) -> None:
    writer = open_writer(path, told, EVERYSEC)
    first = writer.fd
    writer.write(b"first")
    writer.append_to(os.open(tmp_path / "next", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 0)
    writer.write(b"second")
    writer.syncs.drain()
    assert syncs.count == 1
    assert (path.read_bytes(), (tmp_path / "next").read_bytes()) == (b"first", b"second")
    with pytest.raises(OSError):
        os.fstat(first)


def test_unlinked_at_once(tmp_path) -> None:
    worker = Worker("test")
    path = tmp_path / "file"
    path.write_bytes(b"x")
    unlink_in_background(str(path), worker)
    assert not path.exists()
    unlink_in_background(str(path), worker)     # not there: no error
    worker.drain()
    assert worker.pending == 0


def test_a_job_that_raises_does_not_end_the_worker(capfd) -> None:
    worker = Worker("test")
    done = threading.Event()
    worker.submit(lambda: 1 / 0)
    worker.submit(done.set)
    assert done.wait(5)
    deadline = time.monotonic() + 5
    while worker.pending and time.monotonic() < deadline:
        time.sleep(0.001)
    assert worker.pending == 0
    assert "ZeroDivisionError" in capfd.readouterr().out
