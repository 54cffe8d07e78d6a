"""What /metrics shows: the figures of INFO, LATENCY, SLOWLOG and COMMANDLOG under redis_exporter's names.

Dashboards and alerts that were made for it go on working without it. Not here are what that program says about itself
(exporter_*, go_*, process_*), and what it asks for by options, since that is keys, values or names of clients.

With histograms of all commands the text has half a megabyte, and takes longer to make than clients should wait: so it is made
in parts, between which the loop turns.
"""
from __future__ import annotations

import kv
from kv._core.engine.inspect import latency_figures
from kv._core.runtime.latencystats import calls_of, histogram_us

from ..config.option import format_float
from ..info import memory_figures, safe
from .exposition import Exposition, label_text
from .names import (
    APPEND_ONLY_GAUGES,
    CLIENT_GAUGES,
    CONFIG_GAUGES,
    CPU_COUNTERS,
    MEMORY_GAUGES,
    PERSISTENCE_GAUGES,
    PRIMARY_GAUGES,
    REPLICATION_GAUGES,
    SERVER_GAUGES,
    STATS_COUNTERS,
    STATS_GAUGES,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from kv._core.engine.commandlog import CommandLog
    from kv._core.engine.engine import Engine

    from ..config import Config
    from ..info import CommandStats, Figures
    from ..latencymonitor import LatencyMonitor
    from .names import Row

PREFIX = "redis_"
WORDS = {"ok": 1, "err": 0, True: 1, False: 0}
NO_MODULES = {"module_fork_in_progress": 0, "module_fork_last_cow_size": 0}
LOG_NAMES = {"slow": "slow", "large-request": "large_request", "large-reply": "large_reply"}


class PrometheusMetrics:
    """What the metrics are made of."""

    def __init__(self, engine: Engine, config: Config, figures: Figures, latency: LatencyMonitor, commandlog: CommandLog) -> None:
        self.engine = engine
        self.config = config
        self.figures = figures
        self.latency = latency
        self.commandlog = commandlog

    def collection(self) -> Collection:
        return Collection(self)


class Collection:
    """One text in the making: `parts` is to be iterated, which writes a part of `out` each time."""

    def __init__(self, sources: PrometheusMetrics) -> None:
        self.engine = sources.engine
        self.config = sources.config
        self.figures = sources.figures
        self.latency = sources.latency
        self.commandlog = sources.commandlog
        self.out = Exposition()
        self.parts = self.write()

    def write(self) -> Iterator[None]:
        """Each part takes a small fraction of a millisecond."""
        self.one("up", "gauge", "Whether the server answers.", 1)
        self.server()
        yield
        self.rows("gauge", CLIENT_GAUGES, self.figures.clients)
        yield
        memory = self.figures.memory
        self.rows("gauge", MEMORY_GAUGES, memory, memory_figures(memory))
        yield
        self.persistence()
        yield
        self.stats()
        yield
        self.replication()
        self.rows("counter", CPU_COUNTERS, self.figures.cpu)
        yield
        commands = {one.name: one for one in self.figures.commands}
        yield from self.commands(commands)
        yield from self.percentiles(commands)
        yield from self.histograms(commands)
        self.spikes()
        yield
        self.databases()
        yield
        self.options()
        self.logs()

    # -- ways to write ------------------------------------------------------------------------------------------------

    def family(self, name: str, kind: str, text: str, samples: Iterable[tuple[str, float]]) -> None:
        self.out.family(PREFIX + name, kind, text, samples)

    def one(self, name: str, kind: str, text: str, value: float, labels: Mapping[str, str] | None = None) -> None:
        self.family(name, kind, text, [(label_text(labels or {}), value)])

    def rows(self, kind: str, rows: tuple[Row, ...], source: object, derived: Mapping[str, Any] | None = None,
             labels: Mapping[str, str] | None = None) -> None:
        """A family for each row, from the derived figures if they have it and from the source if not."""
        derived = derived or {}
        for name, field, text in rows:
            value = derived[field] if field in derived else getattr(source, field)
            self.one(name, kind, text, WORDS[value] if isinstance(value, (bool, str)) else value, labels)

    # -- the parts ----------------------------------------------------------------------------------------------------

    def server(self) -> None:
        server, replication = self.figures.server, self.figures.replication
        self.rows("gauge", SERVER_GAUGES, server)
        self.one("start_time_seconds", "gauge", "Unix time of the start.",
                 server.server_time_usec // 1_000_000 - server.uptime_in_seconds)
        self.one("instance_info", "gauge", "What the server is.", 1, {
            "role": "slave" if replication.primary else "master", "redis_version": kv.REDIS_VERSION,
            "redis_build_id": server.build_id, "redis_mode": server.mode, "os": server.os,
            "maxmemory_policy": self.config.maxmemory_policy, "tcp_port": str(server.tcp_port), "run_id": server.run_id,
            "process_id": str(server.process_id), "master_replid": replication.master_replid,
            "valkey_version": kv.VALKEY_VERSION, "valkey_release_stage": server.release_stage, "kv_version": kv.__version__})

    def persistence(self) -> None:
        source = self.figures.persistence
        self.rows("gauge", PERSISTENCE_GAUGES, source, NO_MODULES)
        if source.append_only:
            self.rows("gauge", APPEND_ONLY_GAUGES, source.append_only)

    def stats(self) -> None:
        source = self.figures.stats
        self.rows("gauge", STATS_GAUGES, source)
        self.rows("counter", STATS_COUNTERS, source)
        self.one("latest_fork_seconds", "gauge", "Seconds that the last fork took.", source.latest_fork_usec / 1e6)
        self.family("errors_total", "counter", "Errors answered, by their first word.",
                    [(label_text({"err": safe(name)}), count) for name, count in sorted(self.figures.errors.items())])

    def replication(self) -> None:
        source = self.figures.replication
        self.rows("gauge", REPLICATION_GAUGES, source)
        replicas = [(label_text({"slave_ip": one.ip, "slave_port": str(one.port), "slave_state": one.state}), one)
                    for one in source.replicas]
        self.family("connected_slave_offset_bytes", "gauge", "The position that a replica has acknowledged.",
                    [(labels, one.offset) for labels, one in replicas])
        self.family("connected_slave_lag_seconds", "gauge", "Seconds since a replica last acknowledged.",
                    [(labels, one.lag) for labels, one in replicas])
        primary = source.primary
        if primary:
            labels = {"master_host": primary.master_host, "master_port": str(primary.master_port)}
            self.one("master_link_up", "gauge", "Whether the primary is connected.",
                     int(primary.master_link_status == "up"), labels)
            self.rows("gauge", PRIMARY_GAUGES, primary, labels=labels)
            self.one("slave_priority", "gauge", "The option replica-priority.", primary.slave_priority)
            self.one("slave_info", "gauge", "What the replica is.", 1, {**labels, "read_only": str(int(primary.slave_read_only))})

    def commands(self, commands: Mapping[str, CommandStats]) -> Iterator[None]:
        used = [(label_text({"cmd": safe(name)}), one) for name, one in commands.items()]
        yield
        for name, text, value in (
                ("commands_total", "Calls of a command.", lambda one: one.calls),
                ("commands_duration_seconds_total", "Seconds spent in a command.", lambda one: one.usec / 1e6),
                ("commands_rejected_calls_total", "Calls of a command that were refused before it ran.",
                 lambda one: one.rejected_calls),
                ("commands_failed_calls_total", "Calls of a command that it answered with an error.",
                 lambda one: one.failed_calls)):
            self.family(name, "counter", text, [(labels, value(one)) for labels, one in used])
            yield

    def percentiles(self, commands: Mapping[str, CommandStats]) -> Iterator[None]:
        name, lines = PREFIX + "latency_percentiles_usec", self.out.lines
        quantiles = [format_float(percentile) for percentile in self.config.latency_tracking_info_percentiles]
        before = len(lines)
        self.out.head(name, "summary", "Microseconds that calls of a command took at most.")
        for latency in self.figures.latencies:
            command = commands.get(latency.name)
            if command is None:
                continue
            label = f'cmd="{safe(latency.name)}"'
            lines += [f'{name}{{{label},quantile="{quantile}"}} {usec}'
                      for quantile, (_, usec) in zip(quantiles, latency.percentiles, strict=True)]
            lines.append(f"{name}_sum{{{label}}} {command.usec}\n{name}_count{{{label}}} {command.calls}")
            yield
        if len(lines) == before + 1:
            lines.pop()     # a head without samples

    def histograms(self, commands: Mapping[str, CommandStats]) -> Iterator[None]:
        name, lines = PREFIX + "commands_latencies_usec", self.out.lines
        before = len(lines)
        self.out.head(name, "histogram", "How many calls of a command took at most so many microseconds.")
        for command, counts in latency_figures(self.engine).items():
            calls = calls_of(counts)
            if not calls:
                continue
            label = f'cmd="{safe(command)}"'
            lines += [f'{name}_bucket{{{label},le="{bound}"}} {count}' for bound, count in histogram_us(counts).items()]
            spent = commands[command].usec if command in commands else 0
            lines.append(f'{name}_bucket{{{label},le="+Inf"}} {calls}\n{name}_sum{{{label}}} {spent}\n'
                         f'{name}_count{{{label}}} {calls}')
            yield
        if len(lines) == before + 1:
            lines.pop()

    def spikes(self) -> None:
        spikes = [(label_text({"event_name": event}), one.samples[-1]) for event, one in self.latency.events.items()]
        self.family("latency_spike_last", "gauge", "Unix time of an event's last latency spike.",
                    [(labels, when) for labels, (when, _) in spikes])
        self.family("latency_spike_duration_seconds", "gauge", "Seconds of an event's last latency spike.",
                    [(labels, ms / 1000) for labels, (_, ms) in spikes])

    def databases(self) -> None:
        all_of_them = [(label_text({"db": f"db{one.number}"}), one) for one in self.figures.databases]
        self.one("cluster_enabled", "gauge", "Whether the server is a node of a cluster.", int(self.figures.cluster_enabled))
        self.family("db_keys", "gauge", "Keys of a database.", [(labels, one.keys) for labels, one in all_of_them])
        self.family("db_keys_expiring", "gauge", "Keys of a database that have an expiry.",
                    [(labels, one.expires) for labels, one in all_of_them])
        self.family("db_avg_ttl_seconds", "gauge", "Seconds that keys with an expiry have on average, estimated.",
                    [(labels, one.avg_ttl / 1000) for labels, one in all_of_them if one.keys])

    def options(self) -> None:
        for name, option, text in CONFIG_GAUGES:
            self.one(name, "gauge", text, int(self.config.get(option)))
        limits = self.config.get("client-output-buffer-limit").split()
        classes = list(zip(limits[::4], limits[1::4], limits[2::4], limits[3::4], strict=True))
        self.family("config_client_output_buffer_limit_bytes", "gauge", "Bytes of output that a client may leave unread.",
                    [(label_text({"class": one, "limit": kind}), int(size)) for one, hard, soft, _ in classes
                     for kind, size in (("hard", hard), ("soft", soft))])
        self.family("config_client_output_buffer_limit_overcome_seconds", "gauge", "Seconds that the soft limit may be exceeded.",
                    [(label_text({"class": one, "limit": "soft"}), int(seconds)) for one, _, _, seconds in classes])

    def logs(self) -> None:
        entries = self.commandlog.entries
        slow = entries["slow"]
        self.one("slowlog_length", "gauge", "Entries in the log of slow commands.", len(slow))
        self.one("slowlog_last_id", "gauge", "The id of its last entry.", slow[0][0] if slow else 0)
        self.one("last_slow_execution_duration_seconds", "gauge", "Seconds that the command of its last entry took.",
                 slow[0][2] / 1e6 if slow else 0)
        for kind, name in LOG_NAMES.items():
            self.one(f"commandlog_{name}_length", "gauge", f"Entries in the log of {kind} commands.", len(entries[kind]))
