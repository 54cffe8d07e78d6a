"""What waits for a better moment: rewrites inside a transaction, writes without replicas, a paused EXEC; and what the
server tells of its own work."""
from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.commands.client import Failure
from tests.integration.program import Server
from tests.sanitizer import unsanitized


@pytest.fixture
def server(tmp_path):
    with Server(tmp_path, appendonly="no") as running:
        yield running


def transaction(server: Server, *commands: tuple) -> list:
    assert server("MULTI") == "OK"
    for words in commands:
        assert server(*words) == "QUEUED"
    return server("EXEC")


def forks(server: Server) -> int:
    return int(server.info("stats")["total_forks"])


def test_a_rewrite_asked_for_in_a_transaction_is_scheduled(server):
    before = forks(server)
    answers = transaction(server, ("SET", "k", 1), ("BGREWRITEAOF",), ("INFO", "stats"))
    assert answers[:2] == ["OK", "Background append only file rewriting scheduled"]
    assert f"total_forks:{before}\r\n".encode() in answers[2]
    server.until(lambda: forks(server) == before + 1)
    server.rewritten()


def test_the_file_turned_on_in_a_transaction_begins_after_it(server):
    assert transaction(server, ("SET", "k", 1), ("CONFIG", "SET", "appendonly", "yes"), ("SET", "l", 2)) == ["OK"] * 3
    assert "AOF was enabled during a transaction. An AOF background was scheduled" in server.text()
    server.rewritten()
    server("SET", "m", 3)
    assert server("DEBUG", "LOADAOF") == "OK"
    assert server("MGET", "k", "l", "m") == [b"1", b"2", b"3"]


def test_commands_of_a_transaction_go_to_the_file_as_they_were_typed(tmp_path):
    with Server(tmp_path, appendfsync="always") as server:
        transaction(server, ("set", "k", 1), ("Append", "k", 2), ("INCR", "k"))
        told = next((tmp_path / "appendonlydir").glob("*.incr.aof")).read_bytes().decode().split("\r\n")
    assert [word for word in told if word and word[0] not in "*$"] == [
        "MULTI", "SELECT", "0", "set", "k", "1", "Append", "k", "2", "INCR", "k", "EXEC"]


def logged(folder) -> list[list[str]]:
    """The commands of the increments on disk, without SELECT."""
    found = []
    for path in sorted((folder / "appendonlydir").glob("*.incr.aof")):
        lines = path.read_bytes().decode().split("\r\n")
        while lines[0]:
            count = int(lines.pop(0)[1:])
            found.append([lines[2 * number + 1] for number in range(count)])
            del lines[:2 * count]
    return [words for words in found if words[0] != "SELECT"]


def test_a_transaction_that_turns_the_file_off_is_logged_up_to_there(tmp_path):
    """Behind another write of the same turn, whose bytes were not taken yet."""
    with Server(tmp_path) as server:
        answers = server.pipe([("SET", "x", 1), ("MULTI",), ("SET", "a", 1), ("SET", "b", 2), ("CONFIG", "SET", "appendonly", "no"),
                               ("SET", "c", 3), ("SET", "d", 4), ("EXEC",), ("SET", "y", 5), ("PING",)])
        assert answers[-3:] == [["OK"] * 5, "OK", "PONG"]
        assert logged(tmp_path) == [["SET", "x", "1"], ["MULTI"], ["SET", "a", "1"], ["SET", "b", "2"], ["EXEC"]]
        assert server("CONFIG", "SET", "appendonly", "yes") == "OK"
        server.rewritten()
        assert server("DEBUG", "LOADAOF") == "OK"
        assert server("MGET", "x", "a", "b", "c", "d", "y") == [b"1", b"1", b"2", b"3", b"4", b"5"]


def test_a_transaction_that_reads_the_file_anew_loses_nothing(tmp_path):
    with Server(tmp_path) as server:
        answers = server.pipe([("SET", "x", 1), ("MULTI",), ("SET", "a", 1), ("SET", "b", 2), ("DEBUG", "LOADAOF"), ("SET", "c", 3),
                               ("INCR", "a"), ("EXEC",), ("MGET", "x", "a", "b", "c")])
        assert answers[-2:] == [["OK"] * 4 + [2], [b"1", b"2", b"2", b"3"]]
        assert logged(tmp_path) == [
            ["SET", "x", "1"], ["MULTI"], ["SET", "a", "1"], ["SET", "b", "2"], ["EXEC"],
            ["MULTI"], ["SET", "c", "3"], ["INCR", "a"], ["EXEC"]]
    with Server(tmp_path) as server:
        assert server("MGET", "x", "a", "b", "c") == [b"1", b"2", b"2", b"3"]


def test_a_walk_in_a_transaction_does_not_tear_it(tmp_path):
    with Server(tmp_path, appendfsync="always") as server:
        transaction(server, ("SET", "a", 1), ("SCAN", 0), ("RANDOMKEY",), ("SET", "b", 2))
        assert logged(tmp_path) == [["MULTI"], ["SET", "a", "1"], ["SET", "b", "2"], ["EXEC"]]


def test_writes_without_enough_replicas_are_refused(server):
    refused = Failure("NOREPLICAS Not enough good replicas to write.")
    assert server("SET", "k", 1) == "OK"
    server("MULTI")
    server("SET", "k", 2)
    other = server.connect()
    other("CONFIG", "SET", "min-replicas-to-write", 1)
    assert server("EXEC") == Failure("EXECABORT Transaction discarded because of: " + refused)
    assert server("SET", "k", 3) == refused and server("GET", "k") == b"1"
    assert transaction(server, ("GET", "k")) == [b"1"]
    other("CONFIG", "SET", "min-replicas-max-lag", 0)
    assert server("SET", "k", 3) == "OK"
    other.close()


def test_exec_of_writes_waits_while_writes_are_paused(server):
    other = server.connect()
    server("MULTI")
    server("SET", "k", 1)
    other("MULTI")
    other("GET", "k")
    server.connection.send("PING")
    server.connection.reply()
    control = server.connect()
    control("CLIENT", "PAUSE", 60_000, "WRITE")
    server.connection.send("EXEC")
    server.until(lambda: b"blocked_clients:1\r\n" in control("INFO", "clients"))
    assert other("EXEC") == [None]
    control("CLIENT", "UNPAUSE")
    assert server.connection.reply()[0] == "OK"
    for client in (other, control):
        client.close()


def test_bind_that_fails_leaves_the_listeners_alone(server):
    answer = server("CONFIG", "SET", "bind", "999.999.999.999")
    assert isinstance(answer, Failure) and answer.endswith("Failed to bind to specified addresses.")
    server.connect().close()


def test_the_loop_tells_of_its_turns(server):
    server("SET", "k", 1)
    server.pipe([("GET", "k")] * 30)
    first, first_debug = server.info("stats"), server.info("debug")
    assert int(first["eventloop_cycles"]) > 0
    assert 0 < int(first["eventloop_duration_cmd_sum"]) < int(first["eventloop_duration_sum"])
    assert int(first_debug["eventloop_cmd_per_cycle_max"]) >= 30
    assert int(first_debug["eventloop_duration_aof_sum"]) == 0
    server.until(lambda: int(server.info("debug")["eventloop_duration_cron_sum"])
                 > int(first_debug["eventloop_duration_cron_sum"]))
    last = server.info("stats")
    assert int(last["eventloop_duration_sum"]) > int(first["eventloop_duration_sum"])
    assert int(server.info("debug")["eventloop_duration_max"]) <= int(server.info("stats")["eventloop_duration_sum"])
    server.until(lambda: int(server.info("stats")["instantaneous_eventloop_duration_usec"]) > 0)
    server("CONFIG", "RESETSTAT")
    assert int(server.info("stats")["eventloop_duration_sum"]) < int(last["eventloop_duration_sum"])


@unsanitized
def test_memory_comes_back_after_a_flush_and_nobody_waits_for_it(server):
    server("DEBUG", "POPULATE", 400_000, "key", 100)
    full = server.resident()
    server("FLUSHALL", "ASYNC")
    longest = 0.0
    deadline = time.monotonic() + 25
    while server.resident() > full - (20 << 20):
        started = time.monotonic()
        assert server("PING") == "PONG" and started < deadline
        longest = max(longest, time.monotonic() - started)
        time.sleep(0.005)
    assert longest < 1


def test_tables_are_told_of_without_a_walk(server):
    server("DEBUG", "POPULATE", 100_000)
    figures = server("MEMORY", "STATS")
    figures = dict(zip(figures[::2], figures[1::2], strict=True))
    assert figures[b"keys.count"] == 100_000
    assert 100_000 * 7 < figures[b"overhead.db.hashtable.lut"] < 100_000 * 20
    rehashing = int(server.info("memory")["mem_overhead_db_hashtable_rehashing"])
    assert (figures[b"db.dict.rehashing.count"] > 0) == (figures[b"overhead.db.hashtable.rehashing"] > 0)
    assert rehashing <= figures[b"overhead.db.hashtable.lut"]


def test_what_another_thread_freed_is_told(server):
    server("SADD", "s", *range(2000))
    server("CONFIG", "RESETSTAT")
    assert server.info("memory")["lazyfreed_objects"] == "0"
    server("UNLINK", "s")
    server.until(lambda: server.info("memory")["lazyfreed_objects"] == "1")
    assert server.info("memory")["lazyfree_pending_objects"] == "0"


@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-random", "volatile-ttl"])
def test_used_memory_stays_within_maxmemory(tmp_path: Path, policy: str) -> None:
    """As INFO shows it, however small the room for keys is beside what the process takes for itself."""
    with Server(tmp_path, appendonly="no") as server:
        def used() -> int:
            return int(server.info("memory")["used_memory"])

        limit = used() + 100_000
        server("CONFIG", "SET", "maxmemory", limit, "maxmemory-policy", policy)
        for turn in range(6):
            server.pipe([("SETEX", f"key:{turn}:{number}", 10_000, "x") for number in range(1000)])
            assert used() < limit + 4096
        assert server("DBSIZE") > 500 and int(server.info("stats")["evicted_keys"]) > 1000
