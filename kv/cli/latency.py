"""Latency: how long the server takes to answer a PING, and how long the system keeps a process waiting."""

import math
import time

from kv.cli.options import CSV, JSON, QUOTED_JSON, RAW, STANDARD, Options
from kv.cli.session import Session
from kv.cli.stat import Reconnecting

SAMPLE_EVERY_S = 0.01
HISTORY_RANGE_S = 15.0

# The spectrum's buckets: upper bound in microseconds (none for the last) and the character that is shown.
BOUNDS_US = [
    *(10, 125, 250, 500),
    *range(1_000, 10_000, 1_000),
    *range(10_000, 60_000, 10_000),
    *range(100_000, 600_000, 100_000),
    *(1_000_000, 2_000_000, 4_000_000, 8_000_000, 16_000_000, 30_000_000, 60_000_000),
]
CHARACTERS = ".-*#123456789ABCDEFGHIJKLMNOPQ?"
COLOURS = (0, 233, 234, 235, 237, 239, 241, 243, 245, 247, 144, 143, 142, 184, 226, 214, 208, 202, 196)
GREYS = (0, 233, 234, 235, 237, 239, 241, 243, 245, 247, 249, 251, 253)
RULE = "-" * 45
LEGEND = """\
. - * #          .01 .125 .25 .5 milliseconds
1,2,3,...,9      from 1 to 9     milliseconds
A,B,C,D,E        10,20,30,40,50  milliseconds
F,G,H,I,J        .1,.2,.3,.4,.5       seconds
K,L,M,N,O,P,Q,?  1,2,4,8,16,30,60,>60 seconds"""
LEGEND_EVERY = 20  # spectra


class Samples:
    """Whole milliseconds, as this mode has always shown them."""

    def __init__(self) -> None:
        self.started_s = time.monotonic()
        self.count = self.total = self.lowest = self.highest = 0

    def add(self, milliseconds: int) -> None:
        self.lowest = min(self.lowest, milliseconds) if self.count else milliseconds
        self.highest = max(self.highest, milliseconds)
        self.total += milliseconds
        self.count += 1

    @property
    def age_s(self) -> float:
        return time.monotonic() - self.started_s

    def show(self, output: str) -> str:
        low, high, average, count = self.lowest, self.highest, self.total / self.count, self.count
        return {
            STANDARD: f"min: {low}, max: {high}, avg: {average:.2f} ({count} samples)",
            CSV: f"{low},{high},{average:.2f},{count}\n",
            RAW: f"{low} {high} {average:.2f} {count}\n",
            JSON: f'{{"min": {low}, "max": {high}, "avg": {average:.2f}, "count": {count}}}\n',
        }[JSON if output == QUOTED_JSON else output]


def ping_s(server: Reconnecting) -> float:
    started = time.perf_counter()
    server.call(b"PING")
    return time.perf_counter() - started


def sample(session: Session, options: Options) -> int:
    """--latency: a running line at a terminal; elsewhere one result after the interval of -i.
    --latency-history: a new line for each interval."""
    server = Reconnecting(session)
    history = options.mode == "latency-history"
    interval = options.interval or (HISTORY_RANGE_S if history else 1.0)
    samples = Samples()
    while True:
        samples.add(int(ping_s(server) * 1000))
        if options.output == STANDARD:
            print("\x1b[0G\x1b[2K" + samples.show(STANDARD), end="", flush=True)
        due = samples.age_s > interval
        if history and due:
            ending = f" -- {samples.age_s:.2f} seconds range\n"
            print(ending if options.output == STANDARD else samples.show(options.output), end="", flush=True)
            samples = Samples()
        elif due and options.output != STANDARD:
            print(samples.show(options.output), end="", flush=True)
            return 0
        time.sleep(SAMPLE_EVERY_S)


def distribution(session: Session, options: Options) -> int:
    """--latency-dist: for each interval a line of coloured characters, one a bucket."""
    server = Reconnecting(session)
    palette = GREYS if options.mono else COLOURS
    interval = options.interval or 1.0
    shown = 0
    while True:
        counts = _sample_buckets(server, interval)
        if shown % LEGEND_EVERY == 0:
            print(legend(palette))
        print(spectrum(counts, palette), flush=True)
        shown += 1


def _sample_buckets(server: Reconnecting, interval: float) -> list[int]:
    counts = [0] * len(CHARACTERS)
    end = time.monotonic() + interval
    while time.monotonic() < end:
        counts[bucket(int(ping_s(server) * 1_000_000))] += 1
        time.sleep(SAMPLE_EVERY_S)
    return counts


def bucket(microseconds: int) -> int:
    from bisect import bisect_left

    return bisect_left(BOUNDS_US, microseconds)


def spectrum(counts: list[int], palette: tuple[int, ...]) -> str:
    """The share of a bucket chooses its colour, so that the picture does not depend on how many there are."""
    total = sum(counts) or 1
    cells = (
        f"\033[48;5;{palette[math.ceil(count / total * (len(palette) - 1))]}m{character}"
        for count, character in zip(counts, CHARACTERS, strict=True)
    )
    return "\033[38;5;0m" + "".join(cells) + "\033[0m"


def legend(palette: tuple[int, ...]) -> str:
    scale = "".join(f"\033[48;5;{colour}m " for colour in palette)
    return f"{RULE}\n{LEGEND}\nFrom 0 to 100%: {scale}\033[0m\n{RULE}"


def intrinsic(options: Options) -> int:
    """--intrinsic-latency: do a bit of work over and over; where it takes long, something else had the CPU.

    One run of the work here takes some ten microseconds, so what is reported are scheduling delays and the
    like, not this program's own pace. Ctrl-C ends the test early.
    """
    from kv.cli.scan import Interrupt

    interrupt = Interrupt()
    started = before = time.perf_counter_ns()
    end = started + options.seconds * 1_000_000_000
    runs = longest = 0
    while before < end and not interrupt.requested:
        sum(range(256))
        now = time.perf_counter_ns()
        runs += 1
        if (now - before) // 1000 > longest:
            longest = (now - before) // 1000
            print(f"Max latency so far: {longest} microseconds.", flush=True)
            now = time.perf_counter_ns()  # printing is no delay of the system's
        before = now
    average_us = (before - started) / 1000 / max(runs, 1)
    print(
        f"\n{runs} total runs (avg latency: {average_us:.4f} microseconds / "
        f"{average_us * 1000:.2f} nanoseconds per run)."
    )
    print(f"Worst run took {longest / average_us if average_us else 0:.0f}x longer than the average latency.")
    return 0
