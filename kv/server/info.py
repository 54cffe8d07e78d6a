"""The text of INFO: sections of `field:value` lines, in an order and with names that monitoring relies on.

    Info(figures).render([])                     what INFO prints
    Info(figures).render(["everything"])         all sections

The server hands in one object whose attributes are the sources below, one for each section: raw figures, no
texts to assemble. What follows from other figures (sizes for people, percentages, ratios) is worked out
here. Only the sources of the sections asked for are touched, so the object may make them on demand, as
properties.

Where every field is a figure of its own, the source's declaration is the section: its attributes, in order,
are the fields (Clients, Stats, Cpu, Debug). The other sections list their fields below their source.

A value is printed by its type: a bool as 1 or 0, a float with two decimals.
"""
from __future__ import annotations

import kv
from kv.server.config.option import format_float

TYPE_CHECKING = False  # typing's own costs 3 ms of start-up
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any, Protocol
else:
    Protocol = object


class Listener(Protocol):
    name: str  # tcp, unix or tls
    addresses: Sequence[str]
    port: int  # 0 if it has none


class Server(Protocol):
    release_stage: str  # ga, rc1, ...
    git_sha1: str
    git_dirty: bool
    build_id: str
    redis_compatible: bool  # extended-redis-compatibility
    mode: str  # standalone, cluster or sentinel
    os: str  # system, release and machine
    arch_bits: int
    monotonic_clock: str
    multiplexing_api: str
    gcc_version: str
    process_id: int
    process_supervised: str  # no, systemd, upstart or unknown
    run_id: str
    tcp_port: int  # the TLS port if there is no other
    server_time_usec: int
    uptime_in_seconds: int
    hz: int
    clients_hz: int
    lru_clock: int
    executable: str
    config_file: str
    io_threads_active: bool
    availability_zone: str
    shutdown_in_milliseconds: int | None  # until a shutdown that waits for replicas gives up waiting
    listeners: Sequence[Listener]


SERVER = ("redis_version", "server_name", "valkey_version", "kv_version", "valkey_release_stage",
          "redis_git_sha1", "redis_git_dirty", "redis_build_id", "server_mode", "os", "arch_bits",
          "monotonic_clock", "multiplexing_api", "gcc_version", "process_id", "process_supervised", "run_id",
          "tcp_port", "server_time_usec", "uptime_in_seconds", "uptime_in_days", "hz", "configured_hz",
          "clients_hz", "lru_clock", "executable", "config_file", "io_threads_active", "availability_zone")


class Clients(Protocol):
    connected_clients: int  # without replicas
    cluster_connections: int
    maxclients: int
    client_recent_max_input_buffer: int  # bytes
    client_recent_max_output_buffer: int  # bytes
    blocked_clients: int
    tracking_clients: int
    pubsub_clients: int
    watching_clients: int
    clients_in_timeout_table: int
    total_watched_keys: int
    total_blocking_keys: int
    total_blocking_keys_on_nokey: int
    paused_reason: str  # none, client_pause, shutdown_in_progress, failover_in_progress
    paused_actions: str  # none, all or write
    paused_timeout_milliseconds: int


class Memory(Protocol):
    """In bytes, where nothing else is said."""

    used_memory: int
    used_memory_rss: int
    used_memory_peak: int
    used_memory_overhead: int  # whatever is not data: tables, buffers, clients
    used_memory_startup: int
    allocator_allocated: int
    allocator_active: int
    allocator_resident: int
    allocator_muzzy: int
    allocator_frag_bytes: int
    total_system_memory: int
    used_memory_vm_eval: int  # the interpreter of EVAL
    used_memory_scripts_eval: int
    number_of_cached_scripts: int
    number_of_functions: int
    number_of_libraries: int
    used_memory_vm_functions: int  # the interpreter of functions
    used_memory_functions: int
    maxmemory: int
    maxmemory_policy: str
    mem_not_counted_for_evict: int
    mem_replication_backlog: int
    mem_total_replication_buffers: int
    mem_clients_slaves: int
    mem_clients_normal: int
    mem_cluster_links: int
    mem_aof_buffer: int
    mem_allocator: str
    mem_overhead_db_hashtable_rehashing: int
    active_defrag_running: int  # per cent of processor time
    lazyfree_pending_objects: int  # objects
    lazyfreed_objects: int  # objects


MEMORY = ("used_memory", "used_memory_human", "used_memory_rss", "used_memory_rss_human", "used_memory_peak",
          "used_memory_peak_human", "used_memory_peak_perc", "used_memory_overhead", "used_memory_startup",
          "used_memory_dataset", "used_memory_dataset_perc", "allocator_allocated", "allocator_active",
          "allocator_resident", "allocator_muzzy", "total_system_memory", "total_system_memory_human",
          "used_memory_lua", "used_memory_vm_eval", "used_memory_lua_human", "used_memory_scripts_eval",
          "number_of_cached_scripts", "number_of_functions", "number_of_libraries",
          "used_memory_vm_functions", "used_memory_vm_total", "used_memory_vm_total_human",
          "used_memory_functions", "used_memory_scripts", "used_memory_scripts_human", "maxmemory",
          "maxmemory_human", "maxmemory_policy", "allocator_frag_ratio", "allocator_frag_bytes",
          "allocator_rss_ratio", "allocator_rss_bytes", "rss_overhead_ratio", "rss_overhead_bytes",
          "mem_fragmentation_ratio", "mem_fragmentation_bytes", "mem_not_counted_for_evict",
          "mem_replication_backlog", "mem_total_replication_buffers", "mem_clients_slaves",
          "mem_clients_normal", "mem_cluster_links", "mem_aof_buffer", "mem_allocator",
          "mem_overhead_db_hashtable_rehashing", "active_defrag_running", "lazyfree_pending_objects",
          "lazyfreed_objects")


class AppendOnly(Protocol):
    aof_current_size: int  # bytes
    aof_base_size: int  # bytes, after the last rewrite
    aof_pending_rewrite: bool
    aof_buffer_length: int  # bytes
    aof_pending_bio_fsync: int
    aof_delayed_fsync: int


class Loading(Protocol):
    loading_start_time: int  # Unix time
    loading_total_bytes: int  # 0 if the size of what is loaded is not known
    loading_rdb_used_mem: int  # what the data took where they were saved
    loading_loaded_bytes: int
    elapsed_seconds: int


class Persistence(Protocol):
    """Times are -1 where there is nothing to time; a status is ok or err."""

    loading: bool
    async_loading: bool
    current_cow_peak: int  # bytes
    current_cow_size: int  # bytes
    current_cow_size_age: int  # seconds
    current_save_keys_processed: int
    current_save_keys_total: int
    rdb_changes_since_last_save: int
    rdb_bgsave_in_progress: bool
    rdb_last_save_time: int  # Unix time
    rdb_last_bgsave_status: str
    rdb_last_bgsave_time_sec: int
    rdb_current_bgsave_time_sec: int
    rdb_saves: int
    rdb_last_cow_size: int  # bytes
    rdb_last_load_keys_expired: int
    rdb_last_load_keys_loaded: int
    aof_enabled: bool
    aof_rewrite_in_progress: bool
    aof_rewrite_scheduled: bool
    aof_last_rewrite_time_sec: int
    aof_current_rewrite_time_sec: int
    aof_last_bgrewrite_status: str
    aof_rewrites: int
    aof_rewrites_consecutive_failures: int
    aof_last_write_status: str
    aof_last_cow_size: int  # bytes
    append_only: AppendOnly | None  # None while appendonly is no
    load: Loading | None  # None unless data are being loaded


PERSISTENCE = ("loading", "async_loading", "current_cow_peak", "current_cow_size", "current_cow_size_age",
               "current_fork_perc", "current_save_keys_processed", "current_save_keys_total",
               "rdb_changes_since_last_save", "rdb_bgsave_in_progress", "rdb_last_save_time",
               "rdb_last_bgsave_status", "rdb_last_bgsave_time_sec", "rdb_current_bgsave_time_sec",
               "rdb_saves", "rdb_last_cow_size", "rdb_last_load_keys_expired", "rdb_last_load_keys_loaded",
               "aof_enabled", "aof_rewrite_in_progress", "aof_rewrite_scheduled",
               "aof_last_rewrite_time_sec", "aof_current_rewrite_time_sec", "aof_last_bgrewrite_status",
               "aof_rewrites", "aof_rewrites_consecutive_failures", "aof_last_write_status",
               "aof_last_cow_size", "module_fork_in_progress", "module_fork_last_cow_size")
LOADING = ("loading_start_time", "loading_total_bytes", "loading_rdb_used_mem", "loading_loaded_bytes",
           "loading_loaded_perc", "loading_eta_seconds")


class Trouble(Protocol):
    """What the operating system refused (see trouble.py)."""

    system_errors: int  # since the start
    last_system_error: str  # its line in the log
    last_system_error_time: int  # unix time


class Stats(Protocol):
    total_connections_received: int
    total_commands_processed: int
    instantaneous_ops_per_sec: int
    total_net_input_bytes: int  # with replication's
    total_net_output_bytes: int  # with replication's
    total_net_repl_input_bytes: int
    total_net_repl_output_bytes: int
    instantaneous_input_kbps: float
    instantaneous_output_kbps: float
    instantaneous_input_repl_kbps: float
    instantaneous_output_repl_kbps: float
    rejected_connections: int
    sync_full: int
    sync_partial_ok: int
    sync_partial_err: int
    expired_keys: int
    expired_stale_perc: float
    expired_time_cap_reached_count: int
    expire_cycle_cpu_milliseconds: int
    evicted_keys: int
    evicted_clients: int
    evicted_scripts: int
    total_eviction_exceeded_time: int  # ms
    current_eviction_exceeded_time: int  # ms
    keyspace_hits: int
    keyspace_misses: int
    pubsub_channels: int
    pubsub_patterns: int
    pubsubshard_channels: int
    latest_fork_usec: int
    total_forks: int
    migrate_cached_sockets: int
    slave_expires_tracked_keys: int
    active_defrag_hits: int
    active_defrag_misses: int
    active_defrag_key_hits: int
    active_defrag_key_misses: int
    total_active_defrag_time: int  # ms
    current_active_defrag_time: int  # ms
    tracking_total_keys: int
    tracking_total_items: int
    tracking_total_prefixes: int
    unexpected_error_replies: int
    total_error_replies: int
    dump_payload_sanitizations: int
    total_reads_processed: int
    total_writes_processed: int
    io_threaded_reads_processed: int
    io_threaded_writes_processed: int
    io_threaded_freed_objects: int
    io_threaded_accept_processed: int
    io_threaded_poll_processed: int
    io_threaded_total_prefetch_batches: int
    io_threaded_total_prefetch_entries: int
    client_query_buffer_limit_disconnections: int
    client_output_buffer_limit_disconnections: int
    reply_buffer_shrinks: int
    reply_buffer_expands: int
    eventloop_cycles: int
    eventloop_duration_sum: int  # us
    eventloop_duration_cmd_sum: int  # us
    instantaneous_eventloop_cycles_per_sec: int
    instantaneous_eventloop_duration_usec: int
    acl_access_denied_auth: int
    acl_access_denied_cmd: int
    acl_access_denied_key: int
    acl_access_denied_channel: int
    trouble: Trouble | None  # None until there is any


class Transfer(Protocol):
    """A copy on its way from the primary; sizes in bytes."""

    master_sync_total_bytes: int  # 0 if not known yet
    master_sync_read_bytes: int
    master_sync_last_io_seconds_ago: int


class Primary(Protocol):
    """The primary, as its replica sees it."""

    master_host: str
    master_port: int
    master_link_status: str  # up or down
    master_last_io_seconds_ago: int  # -1 while there is no connection
    master_sync_in_progress: bool
    slave_read_repl_offset: int
    slave_repl_offset: int
    replicas_repl_buffer_size: int  # bytes
    replicas_repl_buffer_peak: int  # bytes
    transfer: Transfer | None  # None unless a copy is on its way
    master_link_down_since_seconds: int  # -1 if it never was up; printed while it is down
    slave_priority: int
    slave_read_only: bool
    replica_announced: bool


PRIMARY = ("master_host", "master_port", "master_link_status", "master_last_io_seconds_ago",
           "master_sync_in_progress", "slave_read_repl_offset", "slave_repl_offset",
           "replicas_repl_buffer_size", "replicas_repl_buffer_peak")
TRANSFER = ("master_sync_total_bytes", "master_sync_read_bytes", "master_sync_left_bytes",
            "master_sync_perc", "master_sync_last_io_seconds_ago")


class Replica(Protocol):
    ip: str
    port: int
    state: str  # wait_bgsave, bg_transfer, send_bulk or online
    offset: int
    lag: int  # seconds since it last acknowledged
    type: str  # replica, rdb-channel or main-channel


class Replication(Protocol):
    primary: Primary | None  # None for a primary
    replicas: Sequence[Replica]
    connected_slaves: int
    min_slaves_good_slaves: int | None  # None unless min-replicas-to-write and its lag are set
    replicas_waiting_psync: int
    master_failover_state: str
    master_replid: str
    master_replid2: str
    master_repl_offset: int
    second_repl_offset: int
    repl_backlog_active: bool
    repl_backlog_size: int  # bytes
    repl_backlog_first_byte_offset: int
    repl_backlog_histlen: int  # bytes


REPLICATION = ("replicas_waiting_psync", "master_failover_state", "master_replid", "master_replid2",
               "master_repl_offset", "second_repl_offset", "repl_backlog_active", "repl_backlog_size",
               "repl_backlog_first_byte_offset", "repl_backlog_histlen")


class Cpu(Protocol):
    """In seconds."""

    used_cpu_sys: float
    used_cpu_user: float
    used_cpu_sys_children: float
    used_cpu_user_children: float
    used_cpu_sys_main_thread: float
    used_cpu_user_main_thread: float


class CommandStats(Protocol):
    name: str  # lower case, a subcommand as config|get
    calls: int
    usec: int
    rejected_calls: int  # refused before they ran
    failed_calls: int  # ran and answered with an error


class Latency(Protocol):
    name: str  # of the command
    percentiles: Sequence[tuple[float, float]]  # (percentile, microseconds)


class Database(Protocol):
    number: int
    keys: int
    expires: int  # keys with an expiry
    avg_ttl: int  # ms, estimated


class Debug(Protocol):
    """In microseconds."""

    eventloop_duration_aof_sum: int
    eventloop_duration_cron_sum: int
    eventloop_duration_max: int
    eventloop_cmd_per_cycle_max: int  # commands


class Figures(Protocol):
    """What the server knows, a source for each section."""

    @property
    def server(self) -> Server: ...
    @property
    def clients(self) -> Clients: ...
    @property
    def memory(self) -> Memory: ...
    @property
    def persistence(self) -> Persistence: ...
    @property
    def stats(self) -> Stats: ...
    @property
    def replication(self) -> Replication: ...
    @property
    def cpu(self) -> Cpu: ...
    @property
    def commands(self) -> Iterable[CommandStats]: ...
    @property
    def errors(self) -> Mapping[str, int]: ...  # the first word of error replies -> how many
    @property
    def latencies(self) -> Iterable[Latency]: ...  # none while latency-tracking is no
    @property
    def cluster_enabled(self) -> bool: ...
    @property
    def databases(self) -> Iterable[Database]: ...
    @property
    def debug(self) -> Debug: ...


class Info:
    """Prints the figures. Each section is a method that returns its lines without the heading."""

    def __init__(self, figures: Figures) -> None:
        self.figures = figures

    def render(self, names: Iterable[str]) -> str:
        """The sections named, in their own order, whatever the order and case of the names.

        `default` stands for those that INFO alone prints, as no name at all does; `all` and `everything` for
        all but debug, which must be named. A name that no section has is passed over.
        """
        parts = [f"# {title}\r\n" + "".join([f"{line}\r\n" for line in lines(self)])
                 for title, lines in chosen([name.lower() for name in names])]
        return "\r\n".join(parts)

    def server(self) -> list[str]:
        source = self.figures.server
        lines = fields(source, SERVER, {
            "redis_version": kv.REDIS_VERSION, "server_name": "valkey",
            "valkey_version": kv.VALKEY_VERSION, "kv_version": kv.__version__,
            "valkey_release_stage": source.release_stage,
            "redis_git_sha1": source.git_sha1, "redis_git_dirty": source.git_dirty,
            "redis_build_id": source.build_id, "server_mode": source.mode, "configured_hz": source.hz,
            "uptime_in_days": source.uptime_in_seconds // 86400})
        if source.redis_compatible:
            lines = [line.replace("server_mode:", "redis_mode:", 1) for line in lines]
        if source.shutdown_in_milliseconds is not None:
            lines.append(f"shutdown_in_milliseconds:{source.shutdown_in_milliseconds}")
        for number, listener in enumerate(source.listeners):
            binds = "".join([f",bind={address}" for address in listener.addresses])
            port = f",port={listener.port}" if listener.port else ""
            lines.append(f"listener{number}:name={listener.name}{binds}{port}")
        return lines

    def clients(self) -> list[str]:
        return fields(self.figures.clients, attributes(Clients))

    def memory(self) -> list[str]:
        source = self.figures.memory
        return fields(source, MEMORY, memory_figures(source))

    def persistence(self) -> list[str]:
        source = self.figures.persistence
        lines = fields(source, PERSISTENCE, {
            "current_fork_perc": percent(source.current_save_keys_processed, source.current_save_keys_total),
            "module_fork_in_progress": 0, "module_fork_last_cow_size": 0})
        if source.append_only:
            lines += fields(source.append_only, attributes(AppendOnly))
        if source.load:
            lines += fields(source.load, LOADING, loading_figures(source.load))
        return lines

    def stats(self) -> list[str]:
        source = self.figures.stats
        lines = fields(source, [name for name in attributes(Stats) if name != "trouble"])
        if source.trouble:
            lines += fields(source.trouble, attributes(Trouble))
        return lines

    def replication(self) -> list[str]:
        source = self.figures.replication
        lines = ["role:slave" if source.primary else "role:master"]
        if source.primary:
            lines += primary_lines(source.primary)
        lines.append(f"connected_slaves:{source.connected_slaves}")
        if source.min_slaves_good_slaves is not None:
            lines.append(f"min_slaves_good_slaves:{source.min_slaves_good_slaves}")
        for number, replica in enumerate(source.replicas):
            lines.append(f"slave{number}:ip={replica.ip},port={replica.port},state={replica.state},"
                         f"offset={replica.offset},lag={replica.lag},type={replica.type}")
        return lines + fields(source, REPLICATION)

    def cpu(self) -> list[str]:
        source = self.figures.cpu
        return [f"{name}:{getattr(source, name):.6f}" for name in attributes(Cpu)]

    def modules(self) -> list[str]:
        return []

    def commandstats(self) -> list[str]:
        return [f"cmdstat_{safe(command.name)}:calls={command.calls},usec={command.usec},"
                f"usec_per_call={ratio(command.usec, command.calls):.2f},"
                f"rejected_calls={command.rejected_calls},failed_calls={command.failed_calls}"
                for command in self.figures.commands
                if command.calls or command.rejected_calls or command.failed_calls]

    def errorstats(self) -> list[str]:
        return [f"errorstat_{safe(name)}:count={count}"
                for name, count in sorted(self.figures.errors.items())]

    def latencystats(self) -> list[str]:
        return [f"latency_percentiles_usec_{safe(latency.name)}:" + ",".join(
                    [f"p{format_float(percentile)}={usec:.3f}" for percentile, usec in latency.percentiles])
                for latency in self.figures.latencies]

    def cluster(self) -> list[str]:
        return [f"cluster_enabled:{text(self.figures.cluster_enabled)}"]

    def keyspace(self) -> list[str]:
        return [f"db{db.number}:keys={db.keys},expires={db.expires},avg_ttl={db.avg_ttl}"
                for db in self.figures.databases if db.keys or db.expires]

    def debug(self) -> list[str]:
        return fields(self.figures.debug, attributes(Debug))


if TYPE_CHECKING:
    Section = tuple[str, Callable[[Info], list[str]]]

SECTIONS: dict[str, Section] = {  # name -> its title and its lines, in the order of the text
    "server": ("Server", Info.server),
    "clients": ("Clients", Info.clients),
    "memory": ("Memory", Info.memory),
    "persistence": ("Persistence", Info.persistence),
    "stats": ("Stats", Info.stats),
    "replication": ("Replication", Info.replication),
    "cpu": ("CPU", Info.cpu),
    "modules": ("Modules", Info.modules),
    "commandstats": ("Commandstats", Info.commandstats),
    "errorstats": ("Errorstats", Info.errorstats),
    "latencystats": ("Latencystats", Info.latencystats),
    "cluster": ("Cluster", Info.cluster),
    "keyspace": ("Keyspace", Info.keyspace),
    "debug": ("Debug", Info.debug),
}
NOT_BY_DEFAULT = frozenset(("commandstats", "latencystats", "debug"))
BY_NAME_ONLY = frozenset(("debug",))
OTHER_NAMES = {"module_list": "modules"}


def chosen(names: Sequence[str]) -> list[Section]:
    """The sections that these names, in lower case, ask for."""
    wanted = {OTHER_NAMES.get(name, name) for name in names}
    if not wanted or "default" in wanted:
        wanted |= SECTIONS.keys() - NOT_BY_DEFAULT
    if "all" in wanted or "everything" in wanted:
        wanted |= SECTIONS.keys() - BY_NAME_ONLY
    return [section for name, section in SECTIONS.items() if name in wanted]


def attributes(source: type) -> list[str]:
    return list(source.__annotations__)


def fields(source: object, names: Iterable[str], figures: Mapping[str, Any] | None = None) -> list[str]:
    """A line for each name, from the figures if they have it and from the source if not."""
    figures = figures or {}
    return [f"{name}:{text(figures[name] if name in figures else getattr(source, name))}" for name in names]


def text(value: Any) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def memory_figures(memory: Memory) -> dict[str, Any]:
    """What follows from the figures of memory."""
    used, rss = memory.used_memory, memory.used_memory_rss
    peak = max(memory.used_memory_peak, used)  # it is sampled, so it may lag behind
    dataset = used - memory.used_memory_overhead
    grown = max(used - memory.used_memory_startup, 1)
    interpreters = memory.used_memory_vm_eval + memory.used_memory_vm_functions
    scripts = memory.used_memory_scripts_eval + memory.used_memory_functions
    return {
        "used_memory_human": human(used), "used_memory_rss_human": human(rss),
        "used_memory_peak": peak, "used_memory_peak_human": human(peak),
        "used_memory_peak_perc": f"{percent(used, peak):.2f}%",
        "used_memory_dataset": dataset, "used_memory_dataset_perc": f"{percent(dataset, grown):.2f}%",
        "total_system_memory_human": human(memory.total_system_memory),
        "used_memory_lua": memory.used_memory_vm_eval,
        "used_memory_lua_human": human(memory.used_memory_vm_eval),
        "used_memory_vm_total": interpreters, "used_memory_vm_total_human": human(interpreters),
        "used_memory_scripts": scripts, "used_memory_scripts_human": human(scripts),
        "maxmemory_human": human(memory.maxmemory),
        "allocator_frag_ratio": 1 + ratio(memory.allocator_frag_bytes, memory.allocator_allocated),
        "allocator_frag_bytes": memory.allocator_frag_bytes,
        "allocator_rss_ratio": ratio(memory.allocator_resident, memory.allocator_active),
        "allocator_rss_bytes": memory.allocator_resident - memory.allocator_active,
        "rss_overhead_ratio": ratio(rss, memory.allocator_resident),
        "rss_overhead_bytes": rss - memory.allocator_resident,
        "mem_fragmentation_ratio": ratio(rss, used), "mem_fragmentation_bytes": rss - used,
    }


def loading_figures(load: Loading) -> dict[str, Any]:
    """How far loading is. Where only the memory of the data is known, that is a guess: never all of it."""
    loaded = load.loading_loaded_bytes
    total = load.loading_total_bytes or load.loading_rdb_used_mem
    done, left = percent(loaded, total), total - loaded if total else 1
    if not load.loading_total_bytes:
        done, left = min(done, 99.99), max(left, 1)
    seconds = load.elapsed_seconds * left // (loaded + 1) if load.elapsed_seconds else 1
    return {"loading_loaded_perc": done, "loading_eta_seconds": seconds}


def primary_lines(primary: Primary) -> list[str]:
    lines = fields(primary, PRIMARY)
    transfer = primary.transfer
    if transfer:
        total, read = transfer.master_sync_total_bytes, transfer.master_sync_read_bytes
        lines += fields(transfer, TRANSFER, {"master_sync_left_bytes": total - read,
                                             "master_sync_perc": percent(read, total)})
    if primary.master_link_status != "up":
        lines.append(f"master_link_down_since_seconds:{primary.master_link_down_since_seconds}")
    return lines + fields(primary, ("slave_priority", "slave_read_only", "replica_announced"))


def ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def percent(part: float, whole: float) -> float:
    return ratio(part * 100, whole)


def human(size: int) -> str:
    """Bytes for people to read: 1.50K, 23.54G. What is too large for a P is left in bytes."""
    if size < 1024 or size >= 1 << 60:
        return f"{size}B"
    power = (size.bit_length() - 1) // 10
    return f"{size / (1 << 10 * power):.2f}{'KMGTP'[power - 1]}"


def safe(name: str) -> str:
    """A name that cannot be taken for the end of its field, whatever a client has put into it."""
    return name.translate(UNSAFE)


UNSAFE = {ord(character): "_" for character in "#:\n\r"}
