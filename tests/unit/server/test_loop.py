"""The loop's descriptors and jobs."""
from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator

import pytest

from kv._core.engine.engine import Engine
from kv.server.config import Config
from kv.server.loop import Loop
from kv.server.trouble import troubles


@pytest.fixture
def loop() -> Loop:
    return Loop(Engine(None), Config())


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)
    os.close(writing)


def turn(loop: Loop) -> None:
    for fd in loop.core.turn(0):
        loop.handle(fd)
    loop.core.send()


def test_a_handler_is_called_while_there_is_something_to_read(loop: Loop, pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    got: list[bytes] = []
    loop.watch(reading, lambda: got.append(os.read(reading, 1)))
    turn(loop)
    assert got == []
    os.write(writing, b"ab")
    turn(loop)
    turn(loop)
    assert got == [b"a", b"b"]
    loop.unwatch(reading)
    os.write(writing, b"c")
    turn(loop)
    assert got == [b"a", b"b"]


def refuse() -> None:
    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


def test_a_handler_that_fails_rests_until_the_next_cron(loop: Loop, pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    calls: list[int] = []

    def handler() -> None:
        calls.append(1)
        refuse()

    loop.watch(reading, handler, "Trying it")
    os.write(writing, b"x")
    turn(loop)
    turn(loop)
    assert len(calls) == 1 and loop.resting == {reading} and troubles.last == "Trying it: Too many open files"
    loop.cron()
    turn(loop)
    assert len(calls) == 2
    loop.unwatch(reading)
    assert not loop.resting


def test_jobs_in_their_order_and_times(loop: Loop) -> None:
    done: list[str] = []
    loop.each_cron("First", lambda: done.append("first"))
    loop.each_cron("Failing", refuse)
    loop.each_cron("Seldom", lambda: done.append("seldom"), period_ms=300)     # hz 10: each third run
    for _ in range(6):
        loop.cron()
    assert done == ["first", "first", "first", "seldom"] * 2
    assert troubles.last == "Failing: Too many open files"


def test_a_pause_holds_jobs_back_but_not_the_watchdog(loop: Loop) -> None:
    done: list[str] = []
    loop.before_jobs = lambda: done.append("rewound")
    loop.each_cron("Job", lambda: done.append("job"))
    loop.cron_paused = True
    loop.cron()
    assert done == ["rewound"] and loop.cron_runs == 0


def test_while_data_are_loaded_only_some_jobs_run(loop: Loop) -> None:
    done: list[str] = []
    loop.each_cron("Job", lambda: done.append("job"))
    loop.each_cron("Stop", lambda: done.append("stop"), while_loading=True)
    loop.serve_while_loading()
    assert done == ["stop"]


def test_a_bug_in_a_job_is_no_trouble_of_the_system(loop: Loop) -> None:
    loop.each_cron("Job", lambda: {}["missing"])
    with pytest.raises(KeyError):
        loop.cron()


def test_it_sleeps_until_the_cron_is_due(loop: Loop) -> None:
    assert loop.wait_ms() == 0
    loop.run_due()
    assert loop.cron_runs == 1 and 50 < loop.wait_ms() <= 101
    loop.run_due()
    assert loop.cron_runs == 1
    loop.cron_soon()
    assert loop.wait_ms() == 0
    loop.run_due()
    assert loop.cron_runs == 2


def test_stopping(loop: Loop) -> None:
    assert loop.running
    loop.stop(3)
    assert not loop.running and loop.exit_status == 3


def test_a_poller_that_is_none_any_longer_ends_it(loop: Loop) -> None:
    with pytest.raises(OSError, match="Bad file descriptor"):
        loop.poller_failed(OSError(errno.EBADF, os.strerror(errno.EBADF)))
    started = time.monotonic()
    loop.poller_failed(OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)))
    assert time.monotonic() > started
