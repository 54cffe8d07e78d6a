"""Every figure of INFO moves when what it counts happens, or is listed here with what it waits for.

A server is put through all that it has to count, and INFO is read again and again meanwhile. A field that showed one value
only, and stands in none of the lists, is a constant that pretends to be a figure.
"""
from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.commands.client import Client, request
from tests.program import Program
from tests.sanitizer import SANITIZED, unsanitized

OF_THE_PROCESS = {  # true, and the same as long as it runs
    "redis_version", "server_name", "valkey_version", "kv_version", "valkey_release_stage", "redis_git_sha1", "redis_git_dirty",
    "redis_build_id", "server_mode", "os", "arch_bits", "monotonic_clock", "multiplexing_api", "gcc_version", "process_id",
    "process_supervised", "run_id", "tcp_port", "uptime_in_days", "executable", "config_file", "listener0",
    "used_memory_startup", "total_system_memory", "total_system_memory_human", "mem_allocator", "allocator_muzzy",
    "module_fork_in_progress", "module_fork_last_cow_size", "aof_enabled", "cluster_enabled", "role", "master_replid"}
WAITS_FOR = {
    "replication": {
        "async_loading", "total_net_repl_input_bytes", "total_net_repl_output_bytes", "instantaneous_input_repl_kbps",
        "instantaneous_output_repl_kbps", "sync_full", "sync_partial_ok", "sync_partial_err", "slave_expires_tracked_keys",
        "unexpected_error_replies", "mem_replication_backlog", "mem_total_replication_buffers", "mem_clients_slaves",
        "connected_slaves", "replicas_waiting_psync", "master_failover_state", "master_replid2",
        "second_repl_offset", "repl_backlog_active", "repl_backlog_size", "repl_backlog_first_byte_offset",
        "repl_backlog_histlen"},
    "RDB": {"dump_payload_sanitizations"},
    "scripts": {
        "used_memory_lua", "used_memory_lua_human", "used_memory_vm_eval", "used_memory_scripts_eval", "number_of_cached_scripts",
        "number_of_functions", "number_of_libraries", "used_memory_vm_functions", "used_memory_vm_total",
        "used_memory_vm_total_human", "used_memory_functions", "used_memory_scripts", "used_memory_scripts_human",
        "evicted_scripts"},
    "ACL": {"acl_access_denied_cmd", "acl_access_denied_key", "acl_access_denied_channel"},
    "client tracking": {"tracking_clients", "tracking_total_keys", "tracking_total_items", "tracking_total_prefixes"},
    "cluster": {"cluster_connections", "mem_cluster_links"},
    "I/O threads": {
        "io_threads_active", "io_threaded_reads_processed", "io_threaded_writes_processed", "io_threaded_freed_objects",
        "io_threaded_accept_processed", "io_threaded_poll_processed", "io_threaded_total_prefetch_batches",
        "io_threaded_total_prefetch_entries"},
    "active defragmentation": {
        "active_defrag_running", "active_defrag_hits", "active_defrag_misses", "active_defrag_key_hits",
        "active_defrag_key_misses", "total_active_defrag_time", "current_active_defrag_time"}}
NOT_MADE_HERE = {  # failures of the disk and passing moments, which tests of their own make (test_aof, test_rdb, test_lifecycle)
    "loading", "rdb_last_bgsave_status", "aof_last_write_status", "aof_last_bgrewrite_status", "aof_rewrites_consecutive_failures",
    "aof_pending_bio_fsync", "aof_delayed_fsync", "aof_buffer_length", "mem_aof_buffer", "mem_not_counted_for_evict",
    "lazyfree_pending_objects", "expired_time_cap_reached_count", "current_cow_size_age"}

NAMED = ("errorstat_", "cmdstat_", "latency_percentiles_", "db")    # fields whose names come from the data


class Watch:
    """The values that each field of INFO had."""

    def __init__(self, program: Program) -> None:
        self.client = program.connect()
        self.values: dict[str, set[str]] = {}

    def look(self) -> dict[str, str]:
        text = self.client("INFO", "everything", "debug").decode()
        fields = dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)
        for name, value in fields.items():
            self.values.setdefault(name, set()).add(value)
        return fields

    def number(self, name: str) -> float:
        return float(self.look()[name])

    def until(self, name: str, holds: Any, seconds: float = 15) -> float:
        """Wait until a figure is as wanted."""
        deadline = time.monotonic() + seconds
        while not holds(value := self.number(name)):
            assert time.monotonic() < deadline, f"{name} is {value}"
            time.sleep(0.02)
        return value


@pytest.fixture()
def program(tmp_path: Path) -> Iterator[Program]:
    program = Program(tmp_path, "--appendonly", "yes", "--enable-debug-command", "yes", "--hz", "50")
    yield program
    program.kill()


@pytest.fixture()
def watch(program: Program) -> Watch:
    return Watch(program)


@contextlib.contextmanager
def clients(program: Program, count: int) -> Iterator[list[Client]]:
    found = [program.connect() for _ in range(count)]
    yield found
    for client in found:
        client.close()


def wait_for_clients(program: Program, watch: Watch) -> None:
    """Several clients, waiting, watching, subscribed; each figure says how many."""
    with clients(program, 7) as (blocked, timed, on_stream, watching, channel, pattern, shard):
        blocked.send("BLPOP", "nothing", "nothing else", 0)
        timed.send("BLPOP", "nothing", 30)
        watch.client("XGROUP", "CREATE", "stream", "g", "$", "MKSTREAM")
        on_stream.send("XREADGROUP", "GROUP", "g", "c", "BLOCK", 0, "STREAMS", "stream", ">")
        watching("WATCH", "a", "b", "c")
        channel.send("SUBSCRIBE", "news")
        pattern.send("PSUBSCRIBE", "n*")
        shard.send("SSUBSCRIBE", "s")
        watch.until("blocked_clients", lambda count: count == 3)
        watch.until("pubsub_clients", lambda count: count == 3)
        found = watch.look()
        assert found["connected_clients"] == "8"
        assert [found[name] for name in ("total_blocking_keys", "total_blocking_keys_on_nokey", "clients_in_timeout_table")] == [
            "3", "1", "1"]
        assert [found[name] for name in ("watching_clients", "total_watched_keys", "pubsub_channels", "pubsub_patterns",
                                         "pubsubshard_channels")] == ["1", "3", "1", "1", "1"]


def large_buffers(program: Program, watch: Watch) -> None:
    """A request that is still coming, and a reply that nobody reads."""
    with program.raw() as sender, program.raw() as deaf:
        sender.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2000000\r\n" + b"x" * 1_000_000)
        watch.until("client_recent_max_input_buffer", lambda size: 1_000_000 <= size < 4_500_000)
        watch.client("SET", "large", "x" * 1_000_000)
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.sendall(request("GET", "large") * 40)
        watch.until("client_recent_max_output_buffer", lambda size: 20_000_000 < size < 41_000_000)
    watch.client("DEL", "large")


def limits(program: Program, watch: Watch) -> None:
    """Clients that are refused, and clients that are closed for what they take."""
    client = watch.client
    client("CONFIG", "SET", "client-query-buffer-limit", "1mb")
    with program.raw() as sender, contextlib.suppress(OSError):
        sender.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$20000000\r\n" + b"x" * 4_000_000)
    watch.until("client_query_buffer_limit_disconnections", lambda count: count == 1)
    client("CONFIG", "SET", "client-query-buffer-limit", "1gb", "client-output-buffer-limit", "normal 1000000 0 0")
    client("SET", "large", "x" * 1_000_000)
    with program.raw() as deaf:
        deaf.sendall(request("GET", "large") * 40)
        watch.until("client_output_buffer_limit_disconnections", lambda count: count == 1)
    client("CONFIG", "SET", "client-output-buffer-limit", "normal 0 0 0", "maxmemory-clients", "2mb")
    with program.raw() as deaf:
        deaf.sendall(request("GET", "large") * 40)
        watch.until("evicted_clients", lambda count: count >= 1)
    client("CONFIG", "SET", "maxmemory-clients", 0, "maxclients", 1)
    watch.look()
    with program.raw() as late:
        assert late.recv(100).startswith(b"-ERR max number of clients reached")
    watch.until("rejected_connections", lambda count: count == 1)
    client("CONFIG", "SET", "maxclients", 1000)
    client("DEL", "large")


def keys_come_and_go(watch: Watch) -> None:
    """Hits, misses, errors, expiry, lazy freeing, growth of the table."""
    client = watch.client
    client("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    for number in range(8000):
        client.send("SET", f"short:{number}", number, "PX", 20)
    for _ in range(8000):
        client.reply()
    client("MSET", *[word for number in range(2000) for word in (f"k{number}", number)])
    time.sleep(0.05)
    watch.look()
    client("DEBUG", "SET-ACTIVE-EXPIRE", 1)
    watch.until("expired_keys", lambda count: count == 8000)
    client("GET", "k1")
    client("GET", "no such key")
    client("LPUSH", "k1", "x")
    assert watch.number("keyspace_hits") >= 1 and watch.number("keyspace_misses") >= 1
    assert watch.number("total_error_replies") >= 1
    client("AUTH", "wrong", "password")
    assert watch.number("acl_access_denied_auth") >= 1
    client("CONFIG", "SET", "activerehashing", "no")
    for number in range(20_000):
        client("SETNX", f"more:{number}", number)
        if watch.values["mem_overhead_db_hashtable_rehashing"] == {"0"} and number % 200 == 0:
            watch.look()
    client("CONFIG", "SET", "activerehashing", "yes")
    client("SADD", "set", *range(5000))
    client("UNLINK", "set")
    watch.until("lazyfreed_objects", lambda count: count >= 1)
    assert client("CLIENT", "PAUSE", 300, "WRITE") == "OK"
    assert watch.look()["paused_reason"] == "client_pause"
    client("CLIENT", "UNPAUSE")


def memory(watch: Watch) -> None:
    """Eviction, and the time over maxmemory."""
    client = watch.client
    client("DEBUG", "POPULATE", 50_000, "filler", 400)
    used = int(watch.number("used_memory"))
    client("CONFIG", "SET", "maxmemory-policy", "noeviction", "maxmemory", used // 2)
    assert str(client("SET", "k", "v")).startswith("OOM")
    watch.until("current_eviction_exceeded_time", lambda ms: ms >= 200)
    assert 200 <= watch.number("total_eviction_exceeded_time") < 20_000
    client("CONFIG", "SET", "maxmemory", 0)
    watch.until("current_eviction_exceeded_time", lambda ms: ms == 0)
    total = watch.number("total_eviction_exceeded_time")
    assert 200 <= total < 20_000
    time.sleep(0.05)
    assert watch.number("total_eviction_exceeded_time") == total
    client("CONFIG", "SET", "maxmemory-policy", "allkeys-lru", "maxmemory", used - (used - 1_000_000) // 3)
    watch.until("evicted_keys", lambda count: count > 1000)
    client("CONFIG", "SET", "maxmemory", 0)


def check_memory(watch: Watch) -> None:
    """The figures of memory agree with each other, here and in MEMORY STATS."""
    found = {name: float(value) for name, value in watch.look().items() if value.replace(".", "", 1).isdigit()}
    allocated, active, resident = found["allocator_allocated"], found["allocator_active"], found["allocator_resident"]
    assert found["used_memory"] <= allocated <= active <= resident <= found["used_memory_rss"]
    assert found["allocator_frag_bytes"] == active - allocated and found["allocator_rss_bytes"] == resident - active
    assert found["allocator_frag_ratio"] == pytest.approx(active / allocated, abs=0.006)
    assert found["rss_overhead_bytes"] == found["used_memory_rss"] - resident
    assert 10e6 < found["rss_overhead_bytes"] < 120e6 or SANITIZED  # the interpreter and its modules
    stats = watch.client("MEMORY", "STATS")
    stats = dict(zip(stats[::2], stats[1::2], strict=True))
    assert 0.9 * active < stats[b"allocator.active"] < 1.1 * active
    assert stats[b"allocator-fragmentation.bytes"] == stats[b"allocator.active"] - stats[b"allocator.allocated"]


def holes(watch: Watch) -> None:
    """Every second of many keys goes: what they took stays with the allocator."""
    client = watch.client
    client("FLUSHALL", "SYNC")
    client("DEBUG", "POPULATE", 100_000, "h", 300)
    full = watch.look()
    for start in range(0, 100_000, 2000):
        client("DEL", *[f"h:{number}" for number in range(start, start + 2000, 2)])
    found = watch.look()
    freed = int(full["used_memory"]) - int(found["used_memory"])
    assert freed > 15_000_000
    assert SANITIZED or int(found["allocator_frag_bytes"]) - int(full["allocator_frag_bytes"]) > 0.9 * freed
    check_memory(watch)
    assert SANITIZED or b"High allocator fragmentation" in client("MEMORY", "DOCTOR")
    allocated = int(client("MEMORY", "MALLOC-STATS").partition(b"Allocated: ")[2].partition(b",")[0])
    assert abs(allocated - int(found["allocator_allocated"])) < 200_000
    client("FLUSHALL", "SYNC")
    client("MEMORY", "PURGE")
    assert SANITIZED or int(watch.look()["allocator_frag_bytes"]) < 2_000_000


def rewrite(watch: Watch) -> None:
    """A rewrite of the AOF, slow enough to be watched, and one that must wait for it."""
    client = watch.client
    client("MSET", *[word for number in range(30_000) for word in (f"k{number}", number)])
    client("CONFIG", "SET", "rdb-key-save-delay", 60)
    client("BGREWRITEAOF")
    found = watch.look()
    assert found["aof_rewrite_in_progress"] == "1" and found["current_save_keys_total"] == "30000"
    watch.until("current_save_keys_processed", lambda keys: 0 < keys < 30_000)
    assert 0 < watch.number("current_fork_perc") < 100
    assert watch.number("current_cow_peak") >= watch.number("current_cow_size") > 0
    watch.until("aof_current_rewrite_time_sec", lambda seconds: seconds >= 1)
    watch.until("aof_rewrite_in_progress", lambda running: running == 0, 30)
    client("CONFIG", "SET", "rdb-key-save-delay", 0)
    assert watch.number("current_save_keys_processed") == watch.number("current_fork_perc") == 0
    assert watch.number("aof_last_rewrite_time_sec") >= 1 and watch.number("aof_last_cow_size") > 0
    assert watch.number("latest_fork_usec") > 0 and watch.number("total_forks") == watch.number("aof_rewrites")
    client("MULTI")
    client("BGREWRITEAOF")
    client("INFO", "persistence")
    text = client("EXEC")[1].decode()
    assert "aof_rewrite_scheduled:1" in text and "aof_pending_rewrite:1" in text
    watch.values["aof_rewrite_scheduled"].add("1")
    watch.values["aof_pending_rewrite"].add("1")
    watch.until("aof_rewrites", lambda count: count >= 2)
    watch.until("aof_rewrite_in_progress", lambda running: running == 0, 30)


def snapshots(watch: Watch) -> None:
    """One that is slow enough to be watched, and one that is read back."""
    client = watch.client
    client("CONFIG", "SET", "rdb-key-save-delay", 60)
    client("BGSAVE")
    found = watch.look()
    assert found["rdb_bgsave_in_progress"] == "1" and found["aof_rewrite_in_progress"] == "0"
    assert found["current_save_keys_total"] == str(client("DBSIZE"))
    watch.until("rdb_current_bgsave_time_sec", lambda seconds: seconds >= 1)
    watch.until("rdb_bgsave_in_progress", lambda running: running == 0, 30)
    client("CONFIG", "SET", "rdb-key-save-delay", 0)
    assert watch.number("rdb_last_bgsave_time_sec") >= 1 and watch.number("rdb_last_cow_size") > 0
    assert watch.number("rdb_saves") == 1 and watch.number("rdb_last_save_time") == client("LASTSAVE")
    client("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    client("SET", "soon gone", "1", "PX", 1)
    time.sleep(0.01)
    keys = client("DBSIZE")
    assert client("DEBUG", "RELOAD") == "OK"
    client("DEBUG", "SET-ACTIVE-EXPIRE", 1)
    assert (watch.number("rdb_last_load_keys_loaded"), watch.number("rdb_last_load_keys_expired")) == (keys - 1, 1)


def reply_rooms(program: Program, watch: Watch) -> None:
    """The room for a client's replies grows with them, and shrinks when they have been small for a while."""
    watch.client("DEBUG", "REPLYBUFFER", "PEAK-RESET-TIME", 100)
    with clients(program, 1) as (client,):
        for _ in range(20):
            client("ECHO", "x" * 15_000)
        watch.until("reply_buffer_expands", lambda count: count > 0)
        watch.until("reply_buffer_shrinks", lambda count: count > 0)


def links(watch: Watch) -> None:
    """A key moves to somebody who takes everything, over a link that is kept."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def take() -> None:
            taker, _ = listener.accept()
            taker.recv(1 << 16)
            taker.sendall(b"+OK\r\n+OK\r\n")
            taken.wait(30)
            taker.close()

        taken = threading.Event()
        other = threading.Thread(target=take)
        other.start()
        watch.client("SET", "moves", "1")
        assert watch.client("MIGRATE", "127.0.0.1", listener.getsockname()[1], "moves", 0, 5000) == "OK"
        assert watch.number("migrate_cached_sockets") == 1
        taken.set()
        other.join()


@unsanitized
def test_every_figure_of_info_moves(program: Program, watch: Watch) -> None:
    client = watch.client
    watch.look()
    client("CONFIG", "SET", "availability-zone", "here")
    wait_for_clients(program, watch)
    keys_come_and_go(watch)
    large_buffers(program, watch)
    limits(program, watch)
    memory(watch)
    check_memory(watch)
    holes(watch)
    rewrite(watch)
    snapshots(watch)
    reply_rooms(program, watch)
    links(watch)
    client("CONFIG", "SET", "hz", 20)
    watch.look()
    waiting = set().union(*WAITS_FOR.values())
    known = OF_THE_PROCESS | NOT_MADE_HERE | waiting
    alike = {name for name, values in watch.values.items() if len(values) == 1 and not name.startswith(NAMED)}
    assert alike - known == set(), "constants, or figures that this test should move"
    assert known - watch.values.keys() == set(), "fields that are no more"
    assert waiting - alike == set(), "they move by now"


# -- CLIENT LIST and MEMORY STATS -------------------------------------------------------------------------------------

CLIENT_WAITS = {"user": "ACL", "redir": "client tracking"}
CLIENT_ALWAYS = {"id", "addr", "laddr", "fd"}   # of a connection


def test_every_figure_of_client_list_moves(program: Program, watch: Watch) -> None:
    values: dict[str, set[str]] = {}

    def look(line: bytes) -> dict[str, str]:
        found = dict(pair.split("=", 1) for pair in line.decode().split())
        for name, value in found.items():
            values.setdefault(name, set()).add(value)
        return found

    with clients(program, 1) as (client,):
        number = client("CLIENT", "ID")

        def seen() -> dict[str, str]:
            return look(watch.client("CLIENT", "LIST", "ID", number))

        seen()
        watch.client("DEBUG", "REPLYBUFFER", "PEAK-RESET-TIME", 100)
        watch.until("reply_buffer_shrinks", lambda count: count > 0)
        client("HELLO", 3, "SETNAME", "someone")
        client("CLIENT", "SETINFO", "LIB-NAME", "lib")
        client("CLIENT", "SETINFO", "LIB-VER", "1.0")
        client("CLIENT", "CAPA", "redirect")
        client("SELECT", 3)
        client("SUBSCRIBE", "a", "b")
        client.reply()  # of b
        client("PSUBSCRIBE", "c*")
        client("SSUBSCRIBE", "d")
        found = seen()
        assert [found[name] for name in ("sub", "psub", "ssub", "db", "resp", "capa")] == ["2", "1", "1", "3", "3", "r"]
        client("WATCH", "k")
        client("MULTI")
        client("SET", "k", "v" * 3000)
        found = seen()
        assert [found[name] for name in ("watch", "multi")] == ["1", "1"] and int(found["multi-mem"]) > 3000
        client("DISCARD")
        client.socket.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$400000\r\n" + b"x" * 300_000)
        watch.until("client_recent_max_input_buffer", lambda size: size > 300_000)
        found = seen()
        assert int(found["qbuf"]) >= 300_000 and int(found["argv-mem"]) > 0
        client.socket.sendall(b"x" * 100_000 + b"\r\n")
        assert client.reply() == "OK"
        client.socket.sendall(request("ECHO", "y" * 500) + request("CLIENT", "LIST", "ID", number))
        client.reply()
        assert int(look(client.reply())["obl"]) >= 500
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.socket.sendall(request("GET", "k") * 40)
        watch.until("client_recent_max_output_buffer", lambda size: size > 1_000_000)
        found = seen()
        assert int(found["omem"]) > 1_000_000 and int(found["oll"]) > 0 and found["events"] == "rw"
        assert int(found["tot-mem"]) > int(found["omem"])
        assert int(found["tot-net-in"]) > 400_000 and int(found["tot-net-out"]) > 1000 and int(found["tot-cmds"]) > 10
        time.sleep(1.1)
        assert int(seen()["age"]) >= 1
    alike = {name for name, found in values.items() if len(found) == 1}
    assert alike - CLIENT_WAITS.keys() - CLIENT_ALWAYS == set()


STATS_WAIT = {b"replication.backlog": "replication", b"clients.slaves": "replication", b"cluster.links": "cluster",
              b"lua.caches": "scripts", b"functions.caches": "scripts"}
STATS_ALWAYS = {
    b"startup.allocated", b"allocator.muzzy",   # true
    b"aof.buffer"}                              # a passing moment


@unsanitized
def test_every_figure_of_memory_stats_moves(program: Program, watch: Watch) -> None:
    client = watch.client
    values: dict[bytes, set[Any]] = {}

    def look() -> dict[bytes, Any]:
        flat = client("MEMORY", "STATS")
        found = dict(zip(flat[::2], flat[1::2], strict=True))
        for name, value in found.items():
            values.setdefault(name, set()).add(str(value))
        return found

    first = look()
    client("CONFIG", "SET", "activerehashing", "no")
    for number in range(20_000):
        client("SET", f"k:{number}", "v" * 100)
        if number % 200 == 0:
            look()
    full = look()
    assert full[b"keys.count"] == 20_000 and 120 <= full[b"keys.bytes-per-key"] < 200
    assert full[b"dataset.bytes"] - first[b"dataset.bytes"] > 2_000_000
    tables = dict(zip(full[b"db.0"][::2], full[b"db.0"][1::2], strict=True))
    assert tables[b"overhead.hashtable.main"] == full[b"overhead.db.hashtable.lut"] > 20_000 * 64 / 9
    another = Client(program.port)
    look()
    another.close()
    for size in range(100, 20_000, 200):    # what is resident beside what is in use differs only while pages wait to be given back
        client("FLUSHALL", "SYNC")
        look()
        if len(values[b"allocator-rss.bytes"]) > 1:
            break
        for number in range(2000):
            client("SET", f"k:{number}", "v" * size)
    alike = {name for name, found in values.items() if len(found) == 1}
    assert alike - STATS_WAIT.keys() - STATS_ALWAYS == set()
    assert STATS_WAIT.keys() - alike == set(), "they move by now"
