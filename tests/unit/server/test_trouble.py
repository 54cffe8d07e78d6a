"""How errors of the system are told of."""
from __future__ import annotations

import errno
import os

import pytest

from kv.server import trouble
from kv.server.aof.foreign import snapshot_has_data
from kv.server.trouble import LOG_SECONDS, TOLD_MOST, Troubles, reason


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(trouble, "time", clock)
    return clock


@pytest.fixture
def lines(monkeypatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(trouble, "log", lambda level, line: lines.append(line))
    return lines


FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
BROKEN = OSError(errno.EIO, os.strerror(errno.EIO))


def test_the_same_is_told_once_in_a_while(clock: Clock, lines: list[str]) -> None:
    troubles = Troubles()
    assert troubles.figures() is None
    for _ in range(100):
        troubles.report("Writing", FULL)
    troubles.report("Writing", BROKEN)
    troubles.report("Reading", FULL)
    assert lines == ["Writing: No space left on device", "Writing: Input/output error", "Reading: No space left on device"]
    clock.now += LOG_SECONDS
    troubles.report("Writing", FULL)
    troubles.report("Writing", BROKEN)
    assert lines[3:] == ["Writing: No space left on device (99 more times since it was logged last)", "Writing: Input/output error"]
    figures = troubles.figures()
    assert figures is troubles and figures.system_errors == 104
    assert (figures.last_system_error, figures.last_system_error_time) == ("Writing: Input/output error", 1030)


def test_what_was_told_takes_bounded_memory(clock: Clock, lines: list[str]) -> None:
    troubles = Troubles()
    for number in range(10 * TOLD_MOST):
        troubles.report(f"Writing {number}", FULL)
    assert len(troubles.told) <= TOLD_MOST and len(lines) == troubles.system_errors == 10 * TOLD_MOST


def test_a_line_is_one_line_in_info(clock: Clock, lines: list[str]) -> None:
    troubles = Troubles()
    troubles.report("Removing a\r\nname", FULL)
    assert "\n" not in troubles.last_system_error and "\r" not in troubles.last_system_error


def test_reasons() -> None:
    assert reason(FULL) == "No space left on device" and reason(MemoryError()) == "Cannot allocate memory"
    assert reason(RuntimeError("can't start new thread")) == "can't start new thread"
    assert reason(OSError("of our own")) == "of our own" and reason(OSError()) == "OSError"


@pytest.mark.parametrize("rest, data", [
    (b"\xff", False), (b"\xfa\x01a\xc0\x01\xff", False), (b"\xfa\x01a\xc1\x01\x02\xff", False),
    (b"\xfa\x41\x00" + b"x" * 256 + b"\xc2\x01\x02\x03\x04\xff", False), (b"\xfe\x00", True), (b"\xfa\x01a\x01b\xfe", True),
    (b"\xfa\x01a", True), (b"\xfa\xc3\x01", True), (b"\xf5\x01", True), (b"", True),
])
def test_whether_a_snapshot_holds_data(rest: bytes, data: bool) -> None:
    """What is cut off or not understood may hold some."""
    for signature in (b"REDIS0011", b"VALKEY080"):
        assert snapshot_has_data(signature + rest) == data
    assert not snapshot_has_data(b"")
