"""What INFO prints, drawn from the server: a source for each section (see info.py for what each field means).

A section's source is made when it is asked for, so INFO of one section costs only that one.
"""
from __future__ import annotations

import os
import resource
import time
from types import SimpleNamespace

from kv._core.engine import inspect
from kv._core.engine.clientlist import client_peaks
from kv._core.runtime.latencystats import calls_of, percentile_us

from .container import machine_memory
from .trouble import troubles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .config import Config
    from .parts import Parts

ARCH_BITS = 64


class ServerFigures:
    """The Figures of info.py."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.instance = parts.instance
        self.engine = parts.engine
        self.config = parts.config
        self.system = " ".join([os.uname().sysname, os.uname().release, os.uname().machine])

    @property
    def server(self):
        instance, config = self.instance, self.config
        now = time.time()
        return SimpleNamespace(
            release_stage="ga", git_sha1="00000000", git_dirty=False, build_id="0", redis_compatible=
            config.extended_redis_compatibility, mode="standalone", os=self.system, arch_bits=ARCH_BITS,
            monotonic_clock=inspect.clock_name(self.engine),
            multiplexing_api="epoll", gcc_version=inspect.compiler_version(), process_id=os.getpid(),
            process_supervised=instance.supervisor, run_id=instance.run_id, tcp_port=config.port,
            server_time_usec=int(now * 1e6), uptime_in_seconds=int(now - instance.started), hz=config.hz,
            clients_hz=config.hz, lru_clock=int(now) & 0xffffff, executable=config.executable,
            config_file=config.file, io_threads_active=False, availability_zone=config.availability_zone,
            shutdown_in_milliseconds=None, listeners=self.listeners())

    def listeners(self):
        listeners, config = self.parts.listeners, self.config
        found = []
        if listeners.tcp:
            found.append(SimpleNamespace(name="tcp", addresses=config.bind, port=config.port))
        if listeners.unix:
            found.append(SimpleNamespace(name="unix", addresses=[config.unixsocket], port=0))
        return found

    @property
    def clients(self):
        figures = inspect.statistics(self.engine)
        paused, left = self.engine.pause_state
        connected, most_input, most_output = client_peaks(self.engine)
        return SimpleNamespace(
            connected_clients=connected, cluster_connections=0, maxclients=self.config.maxclients,
            client_recent_max_input_buffer=most_input, client_recent_max_output_buffer=most_output,
            blocked_clients=figures["blocked"], tracking_clients=0, pubsub_clients=figures["subscribed"],
            watching_clients=figures["watching"],
            clients_in_timeout_table=figures["deadlines"], total_watched_keys=figures["watched_keys"],
            total_blocking_keys=figures["awaited_keys"], total_blocking_keys_on_nokey=figures["awaited_missing"],
            paused_reason="none" if paused == "none" else "client_pause", paused_actions=paused,
            paused_timeout_milliseconds=left)

    @property
    def memory(self):
        figures = inspect.memory_figures(self.engine)
        scripts = inspect.script_figures(self.engine)
        used, resident = figures["used"], figures["resident"]
        overhead = (self.instance.startup_memory + figures["tables"] + figures["clients"] + figures["arena"] + figures["effects"]
                    + scripts["scripts_bytes"] + scripts["functions_bytes"])
        return SimpleNamespace(
            used_memory=used, used_memory_rss=resident, used_memory_peak=figures["peak"],
            used_memory_overhead=min(overhead, used), used_memory_startup=self.instance.startup_memory,
            allocator_allocated=figures["allocated"], allocator_active=figures["active"],
            allocator_resident=figures["allocator_resident"], allocator_muzzy=0,
            allocator_frag_bytes=figures["active"] - figures["allocated"],
            total_system_memory=machine_memory(),
            used_memory_vm_eval=scripts["eval_state"], used_memory_scripts_eval=scripts["scripts_bytes"],
            number_of_cached_scripts=scripts["scripts"], number_of_functions=scripts["functions"],
            number_of_libraries=scripts["libraries"], used_memory_vm_functions=scripts["functions_state"],
            used_memory_functions=scripts["functions_bytes"], maxmemory=self.config.maxmemory,
            maxmemory_policy=self.config.maxmemory_policy, mem_not_counted_for_evict=self.parts.aof.buffered,
            mem_replication_backlog=0, mem_total_replication_buffers=0, mem_clients_slaves=0,
            mem_clients_normal=figures["clients"], mem_cluster_links=0, mem_aof_buffer=self.parts.aof.buffered,
            mem_allocator="slab", mem_overhead_db_hashtable_rehashing=sum(
                inspect.table_bytes(self.engine, number)[1] for number in range(self.config.databases)),
            active_defrag_running=0,
            lazyfree_pending_objects=figures["lazyfree_pending"], lazyfreed_objects=figures["lazyfreed"])

    @property
    def persistence(self):
        return SimpleNamespace(
            loading=self.engine.loading, async_loading=False, **self.parts.children.progress_figures(),
            **self.parts.snapshots.figures(), **self.parts.aof.figures(),
            load=self.parts.aof.loading or self.parts.snapshots.loader.progress)

    @property
    def stats(self):
        figures = inspect.statistics(self.engine)
        metrics = self.parts.metrics
        return SimpleNamespace(
            total_connections_received=figures["connections"], total_commands_processed=figures["commands"],
            instantaneous_ops_per_sec=round(metrics.commands.average), total_net_input_bytes=figures["bytes_in"],
            total_net_output_bytes=figures["bytes_out"], total_net_repl_input_bytes=0, total_net_repl_output_bytes=0,
            instantaneous_input_kbps=metrics.input.average / 1024,
            instantaneous_output_kbps=metrics.output.average / 1024, instantaneous_input_repl_kbps=0.0,
            instantaneous_output_repl_kbps=0.0, rejected_connections=figures["rejected_connections"], sync_full=0,
            sync_partial_ok=0, sync_partial_err=0, expired_keys=figures["expired"],
            expired_stale_perc=figures["stale_share"] * 100, expired_time_cap_reached_count=figures["expire_cap_reached"],
            expire_cycle_cpu_milliseconds=figures["expire_sweep_us"] // 1000, evicted_keys=figures["evicted"],
            evicted_clients=figures["evicted_clients"], evicted_scripts=inspect.script_figures(self.engine)["evicted"],
            total_eviction_exceeded_time=(figures["over_limit_us"] + figures["over_limit_now_us"]) // 1000,
            current_eviction_exceeded_time=figures["over_limit_now_us"] // 1000,
            keyspace_hits=figures["hits"], keyspace_misses=figures["misses"], pubsub_channels=figures["channels"],
            pubsub_patterns=figures["patterns"],
            pubsubshard_channels=figures["shard_channels"], latest_fork_usec=self.parts.children.fork_us,
            total_forks=self.parts.children.forks,
            migrate_cached_sockets=len(self.parts.links.links), slave_expires_tracked_keys=0,
            active_defrag_hits=0, active_defrag_misses=0,
            active_defrag_key_hits=0, active_defrag_key_misses=0, total_active_defrag_time=0,
            current_active_defrag_time=0, tracking_total_keys=0, tracking_total_items=0, tracking_total_prefixes=0,
            unexpected_error_replies=self.parts.aof.unexpected_errors, total_error_replies=figures["errors"],
            dump_payload_sanitizations=0,
            total_reads_processed=figures["reads"], total_writes_processed=figures["writes"],
            io_threaded_reads_processed=0, io_threaded_writes_processed=0, io_threaded_freed_objects=0,
            io_threaded_accept_processed=0, io_threaded_poll_processed=0, io_threaded_total_prefetch_batches=0,
            io_threaded_total_prefetch_entries=0,
            client_query_buffer_limit_disconnections=figures["query_limit_closed"],
            client_output_buffer_limit_disconnections=figures["output_limit_closed"],
            reply_buffer_shrinks=figures["reply_shrinks"], reply_buffer_expands=figures["reply_expands"],
            eventloop_cycles=figures["turns"], eventloop_duration_sum=figures["loop_us"],
            eventloop_duration_cmd_sum=inspect.commands_us(self.engine),
            instantaneous_eventloop_cycles_per_sec=round(metrics.cycles.average),
            instantaneous_eventloop_duration_usec=round(metrics.turn_us.average), acl_access_denied_auth=figures["auth_failures"],
            acl_access_denied_cmd=0, acl_access_denied_key=0, acl_access_denied_channel=0,
            trouble=troubles.figures())

    @property
    def replication(self):
        config = self.config
        return SimpleNamespace(
            primary=None, replicas=[], connected_slaves=0, min_slaves_good_slaves=good_replicas(config),
            replicas_waiting_psync=0, master_failover_state="no-failover",
            master_replid=self.instance.replication_id, master_replid2="0" * 40,
            master_repl_offset=self.engine.position, second_repl_offset=-1,
            repl_backlog_active=False, repl_backlog_size=config.repl_backlog_size,
            repl_backlog_first_byte_offset=0, repl_backlog_histlen=0)

    @property
    def cpu(self):
        own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
        thread = resource.getrusage(resource.RUSAGE_THREAD)
        return SimpleNamespace(
            used_cpu_sys=own.ru_stime, used_cpu_user=own.ru_utime, used_cpu_sys_children=children.ru_stime,
            used_cpu_user_children=children.ru_utime, used_cpu_sys_main_thread=thread.ru_stime,
            used_cpu_user_main_thread=thread.ru_utime)

    @property
    def commands(self):
        return [SimpleNamespace(name=name, calls=calls, usec=usec, rejected_calls=rejected, failed_calls=failed)
                for name, (calls, usec, rejected, failed) in inspect.command_figures(self.engine).items()]

    @property
    def errors(self):
        return inspect.error_figures(self.engine)

    @property
    def latencies(self):
        """One after another, as they are asked for: /metrics does other things in between."""
        config = self.config
        if not config.latency_tracking:
            return
        percentiles = config.latency_tracking_info_percentiles
        for name, counts in inspect.latency_figures(self.engine).items():
            if calls_of(counts):
                yield SimpleNamespace(name=name, percentiles=[(p, percentile_us(counts, p)) for p in percentiles])

    cluster_enabled = False

    @property
    def databases(self):
        return [SimpleNamespace(number=number, keys=keys, expires=expires, avg_ttl=ttl)
                for number, (keys, expires, ttl) in enumerate(inspect.database_figures(self.engine))]

    @property
    def debug(self):
        figures = inspect.statistics(self.engine)
        return SimpleNamespace(
            eventloop_duration_aof_sum=figures["aof_us"], eventloop_duration_cron_sum=int(self.parts.loop.cron_us),
            eventloop_duration_max=figures["loop_us_most"], eventloop_cmd_per_cycle_max=figures["turn_commands_most"])


def good_replicas(config: Config) -> int | None:
    """How many replicas keep up; None where nothing depends on it: both options must be set for that."""
    return 0 if config.min_replicas_to_write and config.min_replicas_max_lag else None
