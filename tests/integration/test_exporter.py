"""redis_exporter: its figures of the server are those that /metrics shows by itself, and nothing that it asks is an error.

The program is Debian's prometheus-redis-exporter 1.45. What later ones ask beside that is asked here as they do.
"""
from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.program import Program, free_port

EXPORTER = shutil.which("prometheus-redis-exporter")
needs_exporter = pytest.mark.skipif(EXPORTER is None, reason="there is no prometheus-redis-exporter")
SAMPLE = re.compile(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
SELF = re.compile(r"go_|process_|promhttp_|redis_exporter_|redis_target_scrape_|redis_last_key_groups_scrape")     # of itself
# What the scrapes themselves and the time between them move, and by how much at most.
MOVING = {
    "redis_uptime_in_seconds": 3, "redis_start_time_seconds": 2, "redis_connected_clients": 2,
    "redis_commands_processed_total": 40, "redis_connections_received_total": 5, "redis_total_reads_processed": 60,
    "redis_total_writes_processed": 60, "redis_net_input_bytes_total": 20_000, "redis_net_output_bytes_total": 200_000,
    "redis_cpu_sys_seconds_total": 1, "redis_cpu_user_seconds_total": 1, "redis_cpu_sys_main_thread_seconds_total": 1,
    "redis_cpu_user_main_thread_seconds_total": 1, "redis_db_avg_ttl_seconds": 5, "redis_rdb_current_bgsave_duration_sec": 1}
MEMORY = re.compile(r"redis_(memory_used|allocator|mem_clients|mem_fragmentation|client_recent_max)_?\w*")  # each scrape takes some
ITS_COMMANDS = re.compile(r"client\||info|config\||slowlog\||latency\||select|ping|hello|command")
NEWER = {   # names that 1.45 does not have, and later ones do
    "redis_pubsub_clients", "redis_watching_clients", "redis_total_watched_keys", "redis_total_blocking_keys",
    "redis_total_blocking_keys_on_nokey", "redis_memory_used_vm_eval_bytes", "redis_memory_used_scripts_eval_bytes",
    "redis_memory_used_vm_functions_bytes", "redis_memory_used_vm_total", "redis_memory_used_functions_bytes",
    "redis_number_of_functions", "redis_number_of_libraries", "redis_allocator_muzzy_bytes", "redis_mem_replication_backlog_bytes",
    "redis_mem_total_replication_buffers_bytes", "redis_mem_cluster_links_bytes", "redis_mem_aof_buffer_bytes",
    "redis_mem_overhead_db_hashtable_rehashing_bytes", "redis_lazyfreed_objects", "redis_async_loading", "redis_rdb_saves_total",
    "redis_rdb_last_load_expired_keys", "redis_rdb_last_load_loaded_keys", "redis_current_eviction_exceeded_time_ms",
    "redis_pubsubshard_channels", "redis_instantaneous_eventloop_cycles_per_sec", "redis_instantaneous_eventloop_duration_usec",
    "redis_net_repl_input_bytes_total", "redis_net_repl_output_bytes_total", "redis_expire_cycle_cpu_time_ms_total",
    "redis_evicted_clients_total", "redis_evicted_scripts_total", "redis_eviction_exceeded_time_ms_total",
    "redis_eventloop_cycles_total", "redis_eventloop_duration_sum_usec_total", "redis_eventloop_duration_cmd_sum_usec_total",
    "redis_client_query_buffer_limit_disconnections_total", "redis_client_output_buffer_limit_disconnections_total",
    "redis_reply_buffer_shrinks_total", "redis_reply_buffer_expands_total", "redis_acl_access_denied_auth_total",
    "redis_acl_access_denied_cmd_total", "redis_acl_access_denied_key_total", "redis_acl_access_denied_channel_total",
    "redis_hz", "redis_configured_hz", "redis_max_clients", "redis_config_repl_backlog_size",
    "redis_commands_latencies_usec_bucket",
    "redis_commands_latencies_usec_sum", "redis_commands_latencies_usec_count", "redis_config_client_output_buffer_limit_bytes",
    "redis_config_client_output_buffer_limit_overcome_seconds", "redis_commandlog_slow_length",
    "redis_commandlog_large_request_length", "redis_commandlog_large_reply_length", "redis_commandlog_execution_slower_than",
    "redis_commandlog_slow_execution_max_len", "redis_commandlog_request_larger_than", "redis_commandlog_large_request_max_len",
    "redis_commandlog_reply_larger_than", "redis_commandlog_large_reply_max_len",
    "redis_total_system_memory_bytes"}  # and this one it has with an option

Samples = dict[tuple[str, frozenset], float]


def scrape(port: int) -> Samples:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as response:
        text = response.read().decode()
    found: Samples = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            matched = SAMPLE.fullmatch(line)
            assert matched, line
            found[matched[1], frozenset(LABEL.findall(matched[2] or ""))] = float(matched[3])
    return found


@contextlib.contextmanager
def exporter(folder: Path, server: Program, *options: str) -> Iterator[int]:
    """Its port. Its log, at its end, has no error."""
    port, path = free_port(), folder / "exporter.log"
    with path.open("wb") as log:
        process = subprocess.Popen([EXPORTER or "", f"-redis.addr=redis://127.0.0.1:{server.port}",
                                    f"-web.listen-address=127.0.0.1:{port}", *options], stderr=log, stdout=log)
    try:
        server.until(lambda: b"Providing metrics" in path.read_bytes())
        time.sleep(0.1)
        yield port
    finally:
        process.kill()
        process.wait()
    text = path.read_text()
    assert "level=error" not in text and "level=warn" not in text, text


def work(server: Program) -> None:
    """Something of each kind that has figures."""
    client = server.client()
    for number in range(200):
        client.set(f"key:{number}", "v", ex=1000 if number % 2 else None)
        client.get(f"key:{number * 2}")
    client.lpush("list", *range(100))
    client.xadd("stream", {"a": "b"})
    client.xgroup_create("stream", "group", 0)
    client.xreadgroup("group", "consumer", {"stream": ">"})
    client.hset("hash", mapping={"a": 1, "b": 2})
    client.zadd("zset", {"a": 1})
    client.sadd("set", "a", "b")
    client.pfadd("hll", "a", "b")
    for command in (["LPUSH", "key:1", "x"], ["NOSUCH"], ["GET"], ["EVAL", "return redis.error_reply('MINE \"quoted\\\\')", 0]):
        with contextlib.suppress(Exception):
            client.execute_command(*command)
    client.config_set("slowlog-log-slower-than", 0)
    client.keys("*")
    client.config_set("slowlog-log-slower-than", 10_000)
    client.execute_command("DEBUG", "SLEEP", "0.02")
    client.bgsave()
    server.until(lambda: client.info("persistence")["rdb_bgsave_in_progress"] == 0)
    client.bgrewriteaof()
    server.until(lambda: client.info("persistence")["aof_rewrite_in_progress"] == 0)
    client.close()


@pytest.fixture
def server(start_server) -> Iterator[Program]:
    yield start_server("--admin-port", str(free_port()), "--appendonly", "yes", "--latency-monitor-threshold", "10",
                       "--enable-debug-command", "yes")


def admin_port(server: Program) -> int:
    return int(server.options[server.options.index("--admin-port") + 1])


@needs_exporter
def test_names_labels_and_values_are_those_of_the_exporter(server: Program, tmp_path: Path) -> None:
    work(server)
    time.sleep(0.3)
    with exporter(tmp_path, server) as port:
        scrape(port)
        theirs = {key: value for key, value in scrape(port).items() if not SELF.match(key[0])}
        ours = scrape(admin_port(server))
    named = {name for name, _ in ours}
    assert sorted({name for name, _ in theirs} - named) == []
    assert sorted(named - {name for name, _ in theirs} - NEWER) == []
    assert sorted(NEWER - named) == []
    for (name, labels), value in theirs.items():
        if name == "redis_instance_info":       # the newer ones' labels are more, and redis_mode is there
            [(_, mine)] = [key for key in ours if key[0] == name]
            assert {label for label in labels if label[0] != "redis_mode"} <= mine and ("redis_mode", "standalone") in mine
            continue
        assert (name, labels) in ours, (name, labels)
        if not of_the_scrapes(name, dict(labels)):
            assert abs(ours[name, labels] - value) <= MOVING.get(name, rounding(name)), (name, labels, ours[name, labels], value)
    extra = {(name, labels) for name, labels in ours if name not in NEWER} - set(theirs)
    assert {name for name, labels in extra if not of_the_scrapes(name, dict(labels))} <= {"redis_instance_info"}


def of_the_scrapes(name: str, labels: dict[str, str]) -> bool:
    """Whether a value is moved by the scrapes themselves, in ways that no bound is good for."""
    return bool(MEMORY.fullmatch(name)) or bool(ITS_COMMANDS.match(labels.get("cmd", "")))


def rounding(name: str) -> float:
    """INFO shows ratios with two decimals, which is what the exporter has."""
    return 0.0051 if name.endswith(("_ratio", "_percentage")) else 1e-9


@needs_exporter
def test_all_that_it_can_ask_for(server: Program, tmp_path: Path) -> None:
    """Without an error in either log."""
    work(server)
    client = server.client()
    client.config_resetstat()
    script = tmp_path / "script.lua"
    script.write_text('return {"keys", tostring(redis.call("DBSIZE")), "two", "2"}')
    with exporter(tmp_path, server, "-check-keys=db0=key:*,db0=*", "-check-single-keys=list,db0=hash,db0=hll,zset,set",
                  "-check-streams=db0=str*", "-check-single-streams=stream", "-count-keys=db0=key:*,db3=x*",
                  "-check-key-groups=^(key):,^(li)", f"-script={script}", "-include-system-metrics", "-include-config-metrics",
                  "-export-client-list", "-export-client-port", "-ping-on-connect", "-config-command=CONFIG",
                  "-is-cluster=false", "-redis-only-metrics") as port:
        found = scrape(port)
    names = {name for name, _ in found}
    assert {"redis_key_size", "redis_keys_count", "redis_stream_length", "redis_stream_groups",
            "redis_stream_group_consumers", "redis_stream_group_messages_pending", "redis_script_values", "redis_key_group_count",
            "redis_connected_clients_details", "redis_total_system_memory_bytes", "redis_config_key_value"} <= names
    assert found["redis_script_values", frozenset({("key", "two")})] == 2
    assert found["redis_keys_count", frozenset({("db", "db0"), ("key", "key:*")})] == 200
    assert found["redis_exporter_last_scrape_error", frozenset({("err", "")})] == 0
    # It finds out by PFCOUNT whether a string is a HyperLogLog, and by EVALSHA whether its script is here.
    failed = {name for name, one in client.info("commandstats").items() if one["failed_calls"] or one["rejected_calls"]}
    assert failed == {"cmdstat_pfcount", "cmdstat_evalsha"}
    assert set(client.info("errorstats")) == {"errorstat_WRONGTYPE", "errorstat_NOSCRIPT"}
    assert not re.search(r"\d+:M .* # (?!WARNING Memory overcommit)", server.text()), server.text()


def test_what_later_ones_ask(server: Program) -> None:
    """The commands of 1.74 and after that 1.45 does not send, as they send them."""
    work(server)
    raw = server.connect()
    assert raw("PING") == "PONG" and raw("CLIENT", "SETNAME", "redis_exporter") == "OK"
    assert b"# Keyspace" in raw("INFO", "ALL") and b"# Modules" in raw("INFO", "MODULES")
    assert len(raw("CONFIG", "GET", "commandlog-*")) == 12 and len(raw("CONFIG", "GET", "*")) > 200
    [described] = raw("COMMAND", "INFO", "COMMANDLOG")
    assert described[0] == b"commandlog"
    for kind in ("slow", "large-request", "large-reply"):
        assert raw("COMMANDLOG", "LEN", kind) >= 0
    assert all(len(event) >= 4 for event in raw("LATENCY", "LATEST"))
    histogram = raw("LATENCY", "HISTOGRAM")
    assert b"set" in histogram[::2] and [len(one) for one in histogram[1::2]] == [4] * (len(histogram) // 2)
    assert raw("SLOWLOG", "LEN") >= 1 and len(raw("SLOWLOG", "GET", "1")) == 1
    assert raw("EVAL_RO", "return {'a', '1'}", "0", "0") == [b"a", b"1"]
    for command in (["XINFO", "STREAM", "stream"], ["XINFO", "GROUPS", "stream"], ["XINFO", "CONSUMERS", "stream", "group"],
                    ["MEMORY", "USAGE", "list"], ["TYPE", "list"], ["SCAN", "0", "MATCH", "key:*", "COUNT", "1000"],
                    ["PFCOUNT", "hll"], ["STRLEN", "key:1"], ["CLIENT", "LIST"]):
        assert raw(*command) not in (None, b"", [])
    raw.close()
