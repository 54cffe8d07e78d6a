"""LATENCY: spikes by event, histograms of commands."""
from __future__ import annotations

import pytest

from tests.commands.client import Client, Failure
from tests.program import Program


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """A server of its own: its spikes are this test's."""
    running = Program(tmp_path_factory.mktemp("latency"), "--enable-debug-command", "yes")
    yield running
    running.kill()


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def watched(program, request):
    client = Client(program.port, request.param)
    client("CONFIG", "SET", "latency-monitor-threshold", 20)
    client("LATENCY", "RESET")
    yield client
    client("CONFIG", "SET", "latency-monitor-threshold", 0, "appendonly", "no")
    client.close()


def as_dict(reply) -> dict:
    return reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2], strict=True))


def test_a_slow_command_is_a_spike(watched):
    assert watched("DEBUG", "SLEEP", "0.03") == "OK"
    assert watched("DEBUG", "SLEEP", "0.06") == "OK"
    name, when, last, worst, total, count = watched("LATENCY", "LATEST")[0]
    assert name == b"command" and count == 2
    assert worst >= 60 and total >= 90 and last <= worst <= total
    samples = watched("LATENCY", "HISTORY", "command")
    assert [when, last] == samples[-1] and len(samples) <= 2
    assert watched("LATENCY", "HISTORY", "nosuch") == []


def test_reset(watched):
    watched("DEBUG", "SLEEP", "0.03")
    assert watched("LATENCY", "RESET", "nosuch") == 0
    assert watched("LATENCY", "RESET", "nosuch", "command") == 1
    assert watched("LATENCY", "LATEST") == []
    watched("DEBUG", "SLEEP", "0.03")
    assert watched("LATENCY", "RESET") == 1 and watched("LATENCY", "RESET") == 0


def test_below_the_threshold_nothing_is_kept(watched):
    watched("CONFIG", "SET", "latency-monitor-threshold", 1000)
    watched("DEBUG", "SLEEP", "0.03")
    assert watched("LATENCY", "LATEST") == []


def test_graph(watched):
    watched("DEBUG", "SLEEP", "0.03")
    lines = watched("LATENCY", "GRAPH", "command").decode().splitlines()
    assert lines[0].startswith("txt:command - high ") or lines[0].startswith("command - high ")
    assert lines[1] == "-" * 80
    assert watched("LATENCY", "GRAPH", "nosuch") == Failure("ERR No samples available for event 'nosuch'")


def test_doctor(watched):
    assert b"No latency spike" in watched("LATENCY", "DOCTOR") or b"huge pages" in watched("LATENCY", "DOCTOR")
    watched("DEBUG", "SLEEP", "0.03")
    report = watched("LATENCY", "DOCTOR")
    assert b"1. command: 1 latency spikes (average " in report and b"COMMANDLOG GET" in report


def test_the_disk_and_forks_are_watched(watched, program):
    watched("CONFIG", "SET", "appendonly", "yes")
    program.until(lambda: b"aof_rewrite_in_progress:0" in watched("INFO", "persistence"))
    watched("CONFIG", "SET", "latency-monitor-threshold", 1)
    watched("SET", "big", b"x" * (30 << 20))
    events = {event[0] for event in watched("LATENCY", "LATEST")}
    assert b"aof-write" in events
    assert events & {b"aof-write-alone", b"aof-write-active-child", b"aof-write-pending-fsync"}
    watched("DEL", "big")


def test_histogram(watched):
    watched("CONFIG", "RESETSTAT")
    assert list(as_dict(watched("LATENCY", "HISTOGRAM"))) == [b"config|resetstat"]
    for _ in range(5):
        watched("SET", "k", "v")
    watched("GET", "k")
    watched("CLIENT", "ID")
    watched("CLIENT", "GETNAME")
    assert set(as_dict(watched("LATENCY", "HISTOGRAM", "nosuch", "set", "GET"))) == {b"set", b"get"}
    assert set(as_dict(watched("LATENCY", "HISTOGRAM", "client"))) == {b"client|id", b"client|getname"}
    figures = as_dict(as_dict(watched("LATENCY", "HISTOGRAM", "set"))[b"set"])
    assert figures[b"calls"] == 5
    counts = as_dict(figures[b"histogram_usec"])
    assert list(counts.values())[-1] == 5
    assert list(counts) == sorted(counts) and set(counts) <= {1 << n for n in range(5)} | {
        33, 66, 132, 264, 528, 1056, 2113, 4227, 8454, 16908, 33816, 67633}
    assert list(counts.values()) == sorted(set(counts.values()))
    assert watched("LATENCY", "HISTOGRAM", "nosuch") in ([], {})


def test_help_and_arity(watched):
    assert b"DOCTOR" in [line.encode() for line in watched("LATENCY", "HELP")]
    assert watched("LATENCY", "HELP", "x") == Failure("ERR wrong number of arguments for 'latency|help' command")
