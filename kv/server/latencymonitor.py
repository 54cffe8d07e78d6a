"""Latency spikes: what took longer than latency-monitor-threshold, by kind of event.

    monitor.note("fork", 130)       milliseconds; kept if the threshold is set and reached

An event has its last 160 samples, at most one a second, which is the worst of that second. The core tells of
commands, expiry and eviction, the AOF and the children of what they wait for. LATENCY shows them; the advice of
LATENCY DOCTOR follows from which events there are.
"""
from __future__ import annotations

import time
from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .config import Config

SAMPLES = 160       # kept of an event
COLUMNS = 80        # of a graph
ROWS = 4
MARKS = "_o#"       # a third of a row, two, a whole one
HUGE_PAGES = "/sys/kernel/mm/transparent_hugepage/enabled"


class Event:
    """The spikes of one kind."""

    def __init__(self) -> None:
        self.samples: list[tuple[int, int]] = []    # unix time, ms; the oldest first
        self.worst = self.total = self.count = 0    # since the last reset, in ms

    def note(self, ms: int, now: int) -> None:
        self.worst = max(self.worst, ms)
        self.total += ms
        self.count += 1
        if self.samples and self.samples[-1][0] == now:
            self.samples[-1] = now, max(ms, self.samples[-1][1])
            return
        self.samples.append((now, ms))
        del self.samples[:-SAMPLES]

    def summary(self, now: int) -> str:
        """The sentence of LATENCY DOCTOR."""
        spikes = [ms for _, ms in self.samples]
        average = sum(spikes) // len(spikes)
        deviation = sum([abs(average - ms) for ms in spikes]) // len(spikes)
        period = max(1, now - self.samples[0][0]) / len(spikes)
        return (f"{len(spikes)} latency spikes (average {average}ms, mean deviation {deviation}ms, period {period:.2f} sec). "
                f"Worst all time event {self.worst}ms.")


class LatencyMonitor:
    def __init__(self, config: Config) -> None:
        self.config = config
        self.events: dict[str, Event] = {}

    def note(self, name: str, ms: int) -> None:
        """An event took so long."""
        if self.config.latency_monitor_threshold and ms >= self.config.latency_monitor_threshold:
            self.events.setdefault(name, Event()).note(ms, int(time.time()))

    @contextmanager
    def watch(self, name: str) -> Iterator[None]:
        """Take the time of the block."""
        start = time.monotonic()
        yield
        self.note(name, int((time.monotonic() - start) * 1000))

    def reset(self, names: list[str]) -> int:
        """Forget these events, all if none is named; how many there were."""
        return sum([self.events.pop(name, None) is not None for name in names or list(self.events)])

    def graph(self, name: str) -> str:
        event, now = self.events[name], int(time.time())
        spikes = [ms for _, ms in event.samples]
        head = f"{name} - high {max(spikes)} ms, low {min(spikes)} ms (all time high {event.worst} ms)\n{'-' * COLUMNS}\n"
        columns = [(ms, age(now - when)) for when, ms in event.samples]
        parts = [columns[start:start + COLUMNS] for start in range(0, len(columns), COLUMNS)]
        return head + "\n".join([draw(part, min(spikes), max(spikes)) for part in parts])

    def doctor(self, fork_us: int) -> str:
        """What the events say is wrong, and what to do."""
        config, now = self.config, int(time.time())
        if not self.events and not config.latency_monitor_threshold:
            return ("I can't say: the latency monitor is disabled in this instance, and was so far. \"CONFIG SET "
                    "latency-monitor-threshold <milliseconds>\" enables it.\n")
        lines = [f"{number}. {name}: {event.summary(now)}" + (f" The last fork took {fork_us // 1000}ms." if name == "fork" else "")
                 for number, (name, event) in enumerate(self.events.items(), 1)]
        advice = self.advice()
        if not lines and not advice:
            return "No latency spike was observed since this instance started, or since the last LATENCY RESET.\n"
        text = "Latency spikes are observed in this instance.\n\n" + "\n".join(lines) + "\n" if lines else ""
        if not advice:
            return text + "\nThese events have no simple remedy.\n"
        return text + "\nHere is some advice:\n\n" + "".join([f"- {line}\n" for line in advice])

    def advice(self) -> list[str]:
        """In the order of REMEDIES, each once."""
        topics = {topic for name in self.events for topic in EVENTS.get(name, ())}
        topics |= self.advice_on_log() if "command" in self.events else set()
        if "appendfsync" in topics and self.config.appendfsync != "always":
            topics.remove("appendfsync")
        if "hz" in topics and self.config.hz >= 100:
            topics.remove("hz")
        if huge_pages():
            topics.add("huge pages")
        return [text.format(us=self.config.latency_monitor_threshold * 1000)
                for topic, text in REMEDIES.items() if topic in topics]

    def advice_on_log(self) -> set[str]:
        slow = self.config.commandlog_execution_slower_than
        if slow < 0 or self.config.commandlog_slow_execution_max_len == 0:
            return {"log off"}
        return {"log too high"} if slow // 1000 > self.config.latency_monitor_threshold else set()


def age(seconds: int) -> str:
    """How long ago, in the largest unit: 5s, 3m, 2h, 9d."""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def draw(columns: list[tuple[int, str]], low: int, high: int) -> str:
    """Bars from below, three steps a row, with their labels written downwards underneath."""
    steps = [min(len(MARKS) * ROWS - 1, (ms - low) * len(MARKS) * ROWS // max(1, high - low)) for ms, _ in columns]
    lines = []
    for row in range(ROWS - 1, -1, -1):
        lines.append("".join([mark(step - row * len(MARKS)) for step in steps]))
    lines.append(" " * len(columns))
    for index in range(max([len(label) for _, label in columns])):
        lines.append("".join([label[index:index + 1] or " " for _, label in columns]))
    return "\n".join(lines) + "\n"


def mark(step: int) -> str:
    return " " if step < 0 else MARKS[step] if step < len(MARKS) else "|"


def huge_pages() -> bool:
    """Whether the system gives this process huge pages without being asked: forks then copy 2 MiB a page."""
    try:
        with open("/proc/self/smaps_rollup", "rb") as file:
            return any(int(line.split()[1]) > 0 for line in file if line.startswith(b"AnonHugePages:"))
    except OSError:
        return False


EVENTS = {      # what to say of each event
    "command": ("log", "large values"), "fast-command": ("scheduler",), "fork": ("machine",),
    "aof-write-pending-fsync": ("local disk", "disk contention", "ssd", "writeback"),
    "aof-write-active-child": ("no-appendfsync-on-rewrite", "writeback", "ssd"),
    "aof-write-alone": ("local disk", "writeback", "ssd"), "aof-fsync-always": ("appendfsync",),
    "aof-fstat": ("local disk", "disk contention"), "aof-rename": ("write load", "writeback", "ssd", "local disk"),
    "expire-cycle": ("hz", "large values"), "eviction-del": ("large values",), "eviction-cycle": ("mass eviction",),
}
REMEDIES = {
    "machine": "Forks are slow. On a virtual machine the hypervisor makes most of the difference: try another kind of instance.",
    "log off": "Commands may be slow, and the log of slow ones is off: CONFIG SET commandlog-execution-slower-than {us}.",
    "log too high": "The log of slow commands has only those far above the latency threshold: CONFIG SET "
                    "commandlog-execution-slower-than {us}.",
    "log": "COMMANDLOG GET 10 slow tells which commands are slow.",
    "scheduler": "Commands that do little were slow: the process did not get the processor. Look for load on the machine, for "
                 "neighbours of a virtual one, and at what kv-cli --intrinsic-latency 100 measures.",
    "local disk": "Keep the append-only file on a local disk: remote ones are slow to write and sync.",
    "ssd": "A solid-state disk shortens fsync.",
    "writeback": "ext4 mounted with data=writeback is faster than data=ordered; after a crash of the machine the end of the "
                 "append-only file may then need a repair.",
    "disk contention": "Other processes, or other servers on this machine, keep the disk busy.",
    "no-appendfsync-on-rewrite": "Where a rewrite's time may be lost in a crash, no-appendfsync-on-rewrite yes spares the loop the "
                                 "syncs while a child writes.",
    "appendfsync": "appendfsync always waits for the disk with every turn: everysec loses a second at most.",
    "write load": "Renaming the append-only file was slow: a high load of writes makes it so.",
    "hz": "A higher hz makes expiry more even: CONFIG SET hz 100.",
    "large values": "Deleting, expiring and evicting very large values takes long: split them, or use UNLINK and the lazyfree "
                    "options.",
    "mass eviction": "A smaller maxmemory, or a very large new value, has many keys evicted at once.",
    "huge pages": "This process has transparent huge pages, which make it slow after a fork. \"echo never > "
                  f"{HUGE_PAGES}\" disables them; then restart.",
}
