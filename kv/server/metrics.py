"""Rates: how much a second, averaged over the last 16 samples of 100 ms."""
from __future__ import annotations

import time

from kv._core.engine.inspect import statistics

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kv._core.engine.engine import Engine

SAMPLES = 16
SAMPLE_SECONDS = 0.1


class Rate:
    """A counter's increase a second."""

    __slots__ = ("samples", "last_value", "last_time", "position")

    def __init__(self) -> None:
        self.samples = [0.0] * SAMPLES
        self.position = 0
        self.last_value = 0
        self.last_time = 0.0

    def note(self, value: int, now: float) -> None:
        elapsed = now - self.last_time
        if self.last_time and elapsed > 0:
            self.samples[self.position] = max(0, value - self.last_value) / elapsed
            self.position = (self.position + 1) % SAMPLES
        self.last_value, self.last_time = value, now

    @property
    def average(self) -> float:
        return sum(self.samples) / SAMPLES


class Share:
    """A counter's increase for each increase of another one: microseconds a turn."""

    __slots__ = ("samples", "last_value", "last_count", "position")

    def __init__(self) -> None:
        self.samples = [0.0] * SAMPLES
        self.position = 0
        self.last_value = self.last_count = 0

    def note(self, value: int, count: int) -> None:
        if count > self.last_count:
            self.samples[self.position] = max(0, value - self.last_value) / (count - self.last_count)
            self.position = (self.position + 1) % SAMPLES
        self.last_value, self.last_count = value, count

    @property
    def average(self) -> float:
        return sum(self.samples) / SAMPLES


class Metrics:
    """The rates that INFO stats shows, sampled from the cron."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.commands, self.input, self.output, self.cycles = Rate(), Rate(), Rate(), Rate()
        self.turn_us = Share()
        self.next_sample = 0.0

    def sample(self) -> None:
        now = time.monotonic()
        if now < self.next_sample:
            return
        self.next_sample = now + SAMPLE_SECONDS
        figures = statistics(self.engine)
        self.commands.note(figures["commands"], now)
        self.input.note(figures["bytes_in"], now)
        self.output.note(figures["bytes_out"], now)
        self.cycles.note(figures["turns"], now)
        self.turn_us.note(figures["loop_us"], figures["turns"])

    def reset(self) -> None:
        self.commands, self.input, self.output, self.cycles = Rate(), Rate(), Rate(), Rate()
        self.turn_us = Share()
