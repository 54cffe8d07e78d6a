"""Ctrl-C reaches a wait even where the signal itself came before it."""

import _thread
import os
import signal
import threading
from collections.abc import Iterator

import pytest

from kv.cli.interrupts import wait_readable

WAIT_S = 20.0


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


@pytest.fixture(autouse=True)
def interrupts_raise() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_what_can_be_read_is_told(pipe: tuple[int, int]) -> None:
    read_end, write_end = pipe
    os.write(write_end, b"x")
    assert wait_readable(read_end) == [read_end]


def test_a_noted_interrupt_ends_a_wait_that_no_signal_breaks_off(pipe: tuple[int, int]) -> None:
    """interrupt_main() notes the signal and sends none: what is left of one that came just before the wait."""

    interrupt = threading.Timer(0.05, _thread.interrupt_main)  # by then the wait has begun
    rescue = threading.Timer(WAIT_S, os.write, (pipe[1], b"x"))  # ends the test where the interrupt does not
    interrupt.start()
    rescue.start()
    with pytest.raises(KeyboardInterrupt):
        wait_readable(pipe[0])
    rescue.cancel()
    rescue.join()
    interrupt.join()


def test_other_signals_go_unnoticed(pipe: tuple[int, int]) -> None:
    seen = []
    before = signal.signal(signal.SIGUSR1, lambda *_: seen.append(True))
    try:
        killer = threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGUSR1))
        writer = threading.Timer(0.1, os.write, (pipe[1], b"x"))
        killer.start()
        writer.start()
        assert wait_readable(pipe[0]) == [pipe[0]]
        killer.join()
        writer.join()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert seen
    assert signal.set_wakeup_fd(-1) == -1
