"""Forked children: what they keep, what they report, how they end."""
from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator

import pytest

from kv._core.engine.engine import Engine
from kv.server.children import LOST, Child, Children, close_all_but
from kv.server.config import Config
from kv.server.latencymonitor import LatencyMonitor
from kv.server.progress import IDLE, Progress
from kv.server.title import ProcessTitle


@pytest.fixture
def children() -> Iterator[Children]:
    config = Config()
    config.force("set-proc-title", "no")
    made = Children(Engine(None), config, LatencyMonitor(config), ProcessTitle())
    yield made
    if made.child is not None:
        made.kill(made.child.kind)


def child(work: Callable[[int], int], ended: list[Child], **options) -> Child:
    return Child(options.pop("kind", "test"), title="kv-test", cpulist=("bgsave-cpulist", ""), work=work, ended=ended.append,
                 **options)


def reaped(children: Children, ended: list[Child]) -> Child:
    until = time.monotonic() + 10
    while not ended and time.monotonic() < until:
        children.reap()
        time.sleep(0.01)
    return ended[0]


def test_its_report_and_status_arrive(children: Children) -> None:
    ended: list[Child] = []
    children.fork(child(lambda pipe: os.write(pipe, b"x" * 100_000) and 7, ended))
    assert children.kind == "test" and children.forks == 1
    one = reaped(children, ended)
    assert (one.status, len(one.report), one.killed) == (7, 100_000, False)
    assert children.kind == "" and children.child is None


def test_only_one_lives(children: Children) -> None:
    ended: list[Child] = []
    children.fork(child(lambda pipe: time.sleep(60) or 0, ended))
    with pytest.raises(RuntimeError):
        children.fork(child(lambda pipe: 0, ended))


def test_it_keeps_what_it_was_given_and_nothing_else(children: Children, tmp_path) -> None:
    kept = os.open(tmp_path / "kept", os.O_WRONLY | os.O_CREAT)
    other = os.open(tmp_path / "other", os.O_WRONLY | os.O_CREAT)

    def work(pipe: int) -> int:
        open_ones = sorted(int(name) for name in os.listdir("/proc/self/fd"))
        os.write(kept, b"mine")
        os.write(pipe, repr([fd for fd in open_ones if fd > 2]).encode())
        return 0

    ended: list[Child] = []
    children.fork(child(work, ended, keep=[kept]))
    one = reaped(children, ended)
    listed = [int(word) for word in one.report.decode().strip("[]").split(",")]
    assert kept in listed and other not in listed
    assert len(listed) == 3         # the pipe, the one it keeps, and the folder that was listed
    assert (tmp_path / "kept").read_bytes() == b"mine"
    os.close(kept)
    os.close(other)


def test_kill_is_for_its_kind(children: Children) -> None:
    ended: list[Child] = []
    children.fork(child(lambda pipe: time.sleep(60) or 0, ended, kind="snapshot"))
    children.kill("aof")
    assert not ended
    children.kill("snapshot")
    assert (ended[0].status, ended[0].killed) == (-signal.SIGKILL, True)
    assert children.child is None


def test_a_signal_from_elsewhere(children: Children) -> None:
    ended: list[Child] = []
    one = child(lambda pipe: time.sleep(60) or 0, ended)
    children.fork(one)
    os.kill(one.pid, signal.SIGTERM)
    assert (reaped(children, ended).status, one.killed) == (-signal.SIGTERM, False)


@pytest.mark.parametrize(("report", "status"), [(b"done", 0), (b"", LOST)])
def test_where_waitpid_knows_nothing_the_pipe_tells(children: Children, report: bytes, status: int) -> None:
    ended: list[Child] = []
    one = child(lambda pipe: os.write(pipe, report) * 0, ended)
    children.fork(one)
    os.waitpid(one.pid, 0)          # somebody else took its status
    assert reaped(children, ended).status == status


def test_an_exception_is_a_failure(children: Children) -> None:
    ended: list[Child] = []
    children.fork(child(lambda pipe: 1 // 0, ended))
    assert reaped(children, ended).status == 1


def test_progress_is_the_living_childs(children: Children) -> None:
    assert children.progress_figures() == IDLE
    ended: list[Child] = []
    progress = Progress(10)

    def work(pipe: int) -> int:
        progress.note(4)
        os.write(pipe, b"noted")
        time.sleep(60)
        return 0

    children.fork(child(work, ended, progress=progress))
    until = time.monotonic() + 10
    while children.progress_figures()["current_save_keys_processed"] != 4 and time.monotonic() < until:
        time.sleep(0.01)
    figures = children.progress_figures()
    assert (figures["current_save_keys_processed"], figures["current_save_keys_total"]) == (4, 10)
    children.kill("test")
    assert children.progress_figures() == IDLE


def test_descriptors_between_those_that_are_kept() -> None:
    """In a process of its own, since everything else is closed."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            first = os.open(os.devnull, os.O_RDONLY)
            second = os.dup2(first, 700)
            os.dup2(first, 500)
            close_all_but({writing, second, 1})
            left = {int(name) for name in os.listdir("/proc/self/fd") if int(name) > 2}
            os.write(writing, b"ok" if {writing, 700} < left and len(left) == 3 else b"no")
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    assert os.read(reading, 10) == b"ok"
    os.close(reading)
    os.close(writing)
