"""Writing and syncing by policy, with the syncs in the test's hands."""
from __future__ import annotations

import errno
import os
import threading
import time
from pathlib import Path

import pytest

from kv._core.engine.engine import Engine
from kv._core.engine.feed import split_commands
from kv._core.engine.loop import Loop
from kv.server.aof import writer as module
from kv.server.aof.writer import ALWAYS, EVERYSEC, NO, Writer
from kv.server.worker import Worker, unlink_in_background


class Setting:
    """An engine whose log a Writer appends to a file, and what the loop does of it."""

    def __init__(self, path: Path, policy: str) -> None:
        self.path = path
        self.told: list[str | None] = []        # what the engine was told of write errors
        self.engine = Engine(seed=1)
        self.loop = Loop(self.engine)
        self.appender = self.engine.appender_of_log()
        self.writer = Writer(self.appender, self.told.append, policy)
        self.writer.append_to(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 0)

    def change(self, value: str) -> None:
        """A turn of the loop in which a key is set."""
        self.engine.execute("SET", "k", value)
        if self.appender.waits:
            self.writer.flush()
        self.loop.send()

    def values(self, path: Path | None = None) -> list[str]:
        """What the file says that was set, in order."""
        commands = split_commands((path or self.path).read_bytes())
        return [words[2].decode() for words in commands if words[0] == b"SET"]

    def waiting(self) -> list[str]:
        """The same, of what is not in the file."""
        return [words[2].decode() for words in split_commands(bytes(self.appender.waiting())) if words[0] == b"SET"]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file"


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


def test_always_syncs_each_write(path, syncs) -> None:
    setting = Setting(path, ALWAYS)
    for number in range(1, 4):
        setting.change("v")
        assert syncs.count == number
    assert setting.values() == ["v"] * 3 and setting.writer.size == setting.writer.synced == path.stat().st_size


def test_no_never_syncs(path, syncs) -> None:
    setting = Setting(path, NO)
    setting.writer.last_sync -= 100
    setting.change("v")
    setting.writer.flush()
    assert syncs.count == 0 and setting.values() == ["v"]


def test_everysec_syncs_once_a_second_in_the_thread(path, syncs) -> None:
    setting = Setting(path, EVERYSEC)
    writer = setting.writer
    setting.change("a")
    setting.change("b")
    writer.flush()
    assert writer.syncs.submitted == 0
    writer.last_sync -= 1
    writer.flush()
    size = writer.size
    writer.syncs.drain()
    setting.change("c")
    assert syncs.count == 1 and writer.synced == size and setting.values() == ["a", "b", "c"]


def test_everysec_syncs_although_nothing_more_is_written(path, syncs) -> None:
    setting = Setting(path, EVERYSEC)
    setting.change("a")
    for _ in range(2):
        setting.writer.last_sync -= 1
        setting.writer.sync_if_due()
        setting.writer.syncs.drain()
    assert syncs.count == 1


def begin_slow_sync(setting: Setting, syncs) -> None:
    syncs.gate.clear()
    setting.change("first")
    setting.writer.last_sync -= 1
    setting.writer.flush()
    assert setting.writer.syncing


def test_a_write_waits_for_the_sync(path, syncs) -> None:
    setting = Setting(path, EVERYSEC)
    begin_slow_sync(setting, syncs)
    setting.change("second")
    setting.change("third")
    setting.writer.flush()
    assert setting.values() == ["first"] and setting.waiting() == ["second", "third"]
    assert not setting.appender.waits       # nobody is called for it meanwhile
    syncs.gate.set()
    setting.writer.syncs.drain()
    setting.loop.send()
    assert setting.values() == ["first", "second", "third"] and not setting.writer.pending and setting.writer.delayed == 0


def test_a_write_does_not_wait_longer_than_two_seconds(path, syncs) -> None:
    setting = Setting(path, EVERYSEC)
    begin_slow_sync(setting, syncs)
    setting.change("second")
    setting.writer.flush()
    setting.writer.postponed_since -= 2
    setting.writer.flush()
    assert setting.values() == ["first", "second"] and setting.writer.delayed == 1
    setting.change("third")         # a new wait begins
    setting.writer.flush()
    assert setting.values() == ["first", "second"]
    syncs.gate.set()


def test_a_forced_write_does_not_wait(path, syncs) -> None:
    setting = Setting(path, EVERYSEC)
    begin_slow_sync(setting, syncs)
    setting.change("second")
    setting.writer.flush(force=True)
    assert setting.values() == ["first", "second"] and setting.writer.delayed == 0
    syncs.gate.set()


@pytest.mark.parametrize("policy", [EVERYSEC, NO])
def test_no_space_and_space_again(path, policy: str) -> None:
    setting = Setting(path, policy)
    writer = setting.writer
    setting.change("before")
    with open("/dev/full", "wb") as full:
        os.dup2(full.fileno(), writer.fd)
    setting.change("during")
    assert setting.told == [os.strerror(errno.ENOSPC)] and writer.failing and setting.waiting() == ["during"]
    setting.change("still")         # had it not been refused
    writer.flush()
    assert writer.failing and {*setting.told} == {os.strerror(errno.ENOSPC)}
    with path.open("ab") as file:
        os.dup2(file.fileno(), writer.fd)
    writer.flush()
    setting.change("after")
    assert setting.values() == ["before", "during", "still", "after"] and writer.size == path.stat().st_size
    assert setting.told[-1] is None and not writer.failing and not writer.pending


def test_a_part_that_cant_be_cut_off_is_not_written_again(path) -> None:
    """A pipe takes what fits, and can't be cut."""
    setting = Setting(path, NO)
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    os.dup2(writing, setting.writer.fd)
    os.close(writing)
    setting.change("x" * 200_000)
    assert setting.writer.failing and 0 < setting.writer.pending < 200_000
    data = b""
    while setting.writer.pending:
        data += os.read(reading, 1 << 20)
        setting.writer.flush()
    data += os.read(reading, 1 << 20)
    assert split_commands(data)[-1] == [b"SET", b"k", b"x" * 200_000]
    assert setting.writer.size == len(data) and not setting.writer.failing
    os.close(reading)


def test_the_time_is_annotated_once_a_second(path) -> None:
    setting = Setting(path, NO)
    setting.appender.stamped = True
    for value in "abc":
        setting.change(value)
    lines = [line for line in path.read_bytes().split(b"\r\n") if line.startswith(b"#")]
    assert 1 <= len(lines) <= 2 and abs(int(lines[0].removeprefix(b"#TS:")) - time.time()) < 10
    assert path.read_bytes().startswith(lines[0] + b"\r\n") and setting.writer.size == path.stat().st_size


class Exited(BaseException):
    pass


@pytest.fixture
def exits(monkeypatch):
    def leave(status: int) -> None:
        raise Exited(status)
    monkeypatch.setattr(module.os, "_exit", leave)


def test_always_ends_the_process_when_it_cant_write(path, exits) -> None:
    setting = Setting(path, ALWAYS)
    with open("/dev/full", "wb") as full:
        os.dup2(full.fileno(), setting.writer.fd)
    with pytest.raises(Exited):
        setting.change("v")


def test_always_ends_the_process_when_it_cant_sync(path, syncs, exits) -> None:
    setting = Setting(path, ALWAYS)
    syncs.error = errno.EIO
    with pytest.raises(Exited):
        setting.change("v")


def test_a_sync_that_fails_in_the_thread_refuses_writes(path, syncs) -> None:
    setting = Setting(path, EVERYSEC)
    for error, wanted in ((errno.EIO, os.strerror(errno.EIO)), (0, None)):
        syncs.error = error
        setting.change("v")
        setting.writer.last_sync -= 1
        setting.writer.flush()
        setting.writer.syncs.drain()
        setting.writer.note_sync_outcome()
        assert setting.told[-1] == wanted and setting.writer.failing == bool(error)
    setting.writer.note_sync_outcome()
    assert len(setting.told) == 2


def test_a_descriptor_that_was_closed_is_no_trouble(path, syncs) -> None:
    setting = Setting(path, EVERYSEC)
    syncs.error = errno.EBADF
    setting.change("v")
    setting.writer.last_sync -= 1
    setting.writer.flush()
    setting.writer.syncs.drain()
    assert not setting.writer.failing


def test_syncs_may_be_paused(path, syncs) -> None:
    setting = Setting(path, ALWAYS)
    setting.writer.sync_paused = True
    setting.change("v")
    assert syncs.count == 0
    setting.writer.sync_paused = False
    setting.writer.flush()
    assert syncs.count == 1


def test_the_next_file_takes_over(path, syncs, tmp_path) -> None:
    setting = Setting(path, EVERYSEC)
    first = setting.writer.fd
    setting.change("first")
    setting.writer.append_to(os.open(tmp_path / "next", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 0)
    setting.change("second")
    setting.writer.syncs.drain()
    assert syncs.count == 1
    assert (setting.values(), setting.values(tmp_path / "next")) == (["first"], ["second"])
    assert split_commands((tmp_path / "next").read_bytes())[0] == [b"SELECT", b"0"]
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
