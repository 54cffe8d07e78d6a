"""What kv-benchmark prints, letter for letter what valkey-benchmark 8.1 prints, since scripts parse it.

Two things only are not the same: the mean is exact instead of a mean of slots, and latencies beyond three
seconds are shown instead of cut.
"""
from __future__ import annotations

import os
import time
from collections.abc import Iterator

from kv.benchmark.histogram import Histogram
from kv.benchmark.load import Load
from kv.benchmark.options import Options

CSV_HEADER = '"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms",' \
             '"p99_latency_ms","max_latency_ms"'


def percentile_lines(histogram: Histogram) -> Iterator[str]:
    """Latencies at 0 %, 50 %, 75 %, 87.5 % ...: every step halves what remains.

    A slot that several steps fall into is shown once, at the lowest of them; the last one at 100 % too.
    """
    seen, percent, remaining = 0, 0.0, 100.0
    for value, count in histogram.recorded():
        seen += count
        reached = 100.0 * seen / histogram.total
        if percent <= reached:
            yield distribution_line(percent, value, seen)
        while percent <= reached and remaining > 1e-9:
            remaining /= 2
            percent = 100.0 - remaining
    yield distribution_line(100.0, histogram.most, seen)


def cumulative_lines(histogram: Histogram) -> Iterator[str]:
    """Which part of the requests took up to 0.1 ms, 0.2 ms ..., and beyond 2 ms in steps of 1 ms."""
    recorded = iter(histogram.recorded())
    value, count = next(recorded, (0, 0))
    seen, shown = 0, -1
    level, step, bound = 100, 100, 0
    while seen < histogram.total or histogram.lowest(level) <= bound:
        bound = histogram.highest(level)
        while value <= bound and count:
            seen += count
            value, count = next(recorded, (0, 0))
        if seen != shown or seen == histogram.total:
            yield distribution_line(100.0 * seen / histogram.total, bound, seen)
        shown = seen
        level += step
        if bound > 2000:
            step = 1000


def distribution_line(percent: float, value_us: int, seen: int) -> str:
    return f"{percent:.3f}% <= {value_us / 1000:.3f} milliseconds (cumulative count {seen})\n"


class Report:
    """Prints one benchmark: a line that moves while it runs, and the result."""

    def __init__(self, options: Options, title: str, persistence: dict[str, str] | None) -> None:
        self.options = options
        self.title = os.fsencode(title).decode(errors="replace")
        self.persistence = persistence
        self.width = 0  # characters of the moving line, to be wiped
        self.started = self.ticked = time.monotonic()
        self.finished = 0  # requests, and (microseconds, requests) of latency, at the last tick
        self.latency = (0, 0)

    def wipe(self) -> None:
        print(f"{'':>{max(self.width, 1)}}\r", end="")

    def tick(self, load: Load) -> None:
        """Show how it goes; `overall` is since the start, the figure before it since the last tick."""
        if self.options.csv:
            return
        now, finished, latency = time.monotonic(), load.finished, load.latency_sum
        self.wipe()
        line = (f"{self.title}: rps={ratio(finished - self.finished, now - self.ticked):.1f}"
                f" (overall: {ratio(finished, now - self.started):.1f})"
                f" avg_msec={ratio(latency[0] - self.latency[0], latency[1] - self.latency[1]) / 1000:.3f}"
                f" (overall: {ratio(*latency) / 1000:.3f})\r")
        print(line, end="", flush=True)
        self.width, self.ticked, self.finished, self.latency = len(line), now, finished, latency

    def result(self, load: Load) -> None:
        histogram, rate = load.histogram(), load.finished / load.seconds
        median = histogram.percentile(50) / 1000
        if self.options.csv:
            figures = [f"{rate:.2f}", *(f"{value:.3f}" for value in summary(histogram))]
            print(",".join(f'"{cell}"' for cell in (self.title, *figures)), flush=True)
            return
        self.wipe()
        if self.options.quiet:
            print(f"{self.title}: {rate:.2f} requests per second, p50={median:.3f} msec", flush=True)
            return
        print(f"====== {self.title} ======")
        self.circumstances(load)
        print("\nLatency by percentile distribution:")
        print("".join(percentile_lines(histogram)))
        print("Cumulative distribution of latencies:")
        print("".join(cumulative_lines(histogram)))
        print(f"Summary:\n  throughput summary: {rate:.2f} requests per second\n  latency summary (msec):")
        print("   ", " ".join(f"{name:>9}" for name in ("avg", "min", "p50", "p95", "p99", "max")))
        print("   ", " ".join(f"{value:9.3f}" for value in summary(histogram)), flush=True)

    def circumstances(self, load: Load) -> None:
        options = self.options
        print(f"  {load.finished} requests completed in {load.seconds:.2f} seconds")
        print(f"  {options.clients} parallel clients")
        print(f"  {options.size} bytes payload")
        print(f"  keep alive: {int(options.keepalive)}")
        for name, value in (self.persistence or {}).items():
            print(f'  host configuration "{name}": {value}')
        print(f"  multi-thread: {'yes' if options.threads else 'no'}")
        if options.threads:
            print(f"  threads: {options.threads}")


def summary(histogram: Histogram) -> list[float]:
    """Milliseconds: mean, least, median, 95th and 99th percentile, most."""
    percentiles = (histogram.percentile(percent) for percent in (50, 95, 99))
    return [us / 1000 for us in (histogram.mean, histogram.least, *percentiles, histogram.most)]


def ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
