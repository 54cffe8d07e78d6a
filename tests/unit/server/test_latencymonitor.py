"""The latency monitor: samples, drawing, advice."""
from __future__ import annotations

from array import array
from types import SimpleNamespace

import pytest

from kv._core.runtime.latencystats import calls_of, histogram_us, percentile_us
from kv.server import latencymonitor
from kv.server.latencymonitor import Event, LatencyMonitor, age, draw


@pytest.fixture
def config():
    return SimpleNamespace(latency_monitor_threshold=100, commandlog_execution_slower_than=10_000, hz=10, appendfsync="always",
                           commandlog_slow_execution_max_len=128)


@pytest.fixture
def monitor(config, monkeypatch):
    monkeypatch.setattr(latencymonitor, "huge_pages", lambda: False)
    return LatencyMonitor(config)


def test_a_second_has_one_sample_its_worst():
    event = Event()
    for ms, now in ((100, 1), (300, 1), (200, 1), (150, 2)):
        event.note(ms, now)
    assert event.samples == [(1, 300), (2, 150)]
    assert (event.worst, event.total, event.count) == (300, 750, 4)


def test_the_last_samples_are_kept():
    event = Event()
    for second in range(latencymonitor.SAMPLES + 10):
        event.note(second + 1, second)
    assert len(event.samples) == latencymonitor.SAMPLES and event.samples[0] == (10, 11)


def test_only_spikes_are_noted(monitor):
    monitor.note("fork", 99)
    monitor.note("fork", 100)
    assert monitor.events["fork"].count == 1
    monitor.config.latency_monitor_threshold = 0
    monitor.note("fork", 1000)
    assert monitor.events["fork"].count == 1


@pytest.mark.parametrize("seconds, text", [(0, "0s"), (59, "59s"), (60, "1m"), (3599, "59m"), (3600, "1h"), (172800, "2d")])
def test_age(seconds, text):
    assert age(seconds) == text


def test_drawing():
    assert draw([(0, "9s"), (50, "8s"), (100, "7s")], 0, 100) == "  #\n _|\n ||\n_||\n   \n987\nsss\n"
    assert draw([(5, "10m")], 5, 5) == " \n \n \n_\n \n1\n0\nm\n"


def test_advice_follows_the_events(monitor):
    assert "No latency spike" in monitor.doctor(0)
    monitor.note("command", 200)
    assert "COMMANDLOG" in monitor.doctor(0) and "commandlog-execution-slower-than" not in monitor.doctor(0)
    monitor.config.commandlog_execution_slower_than = -1
    assert "commandlog-execution-slower-than 100000" in monitor.doctor(0)
    monitor.note("aof-fsync-always", 200)
    assert "everysec" in monitor.doctor(0)
    monitor.config.appendfsync = "everysec"
    assert "everysec" not in monitor.doctor(0)
    monitor.note("fork", 500)
    assert "The last fork took 500ms." in monitor.doctor(500_000)
    monitor.reset([])
    monitor.config.latency_monitor_threshold = 0
    assert "latency-monitor-threshold" in monitor.doctor(0)


def test_every_event_has_its_remedies():
    assert {topic for topics in latencymonitor.EVENTS.values() for topic in topics} <= set(latencymonitor.REMEDIES)


def bucket(ns: int) -> int:
    """As runtime/latencystats.pxd draws it."""
    if ns < 32:
        return ns
    exponent = ns.bit_length() - 1
    return min((exponent - 4) * 32 + (ns >> (exponent - 5) & 31), 27 * 32 - 1)


def test_histogram_cumulates_by_powers_of_two():
    counts = [0] * (27 * 32)
    for ns, calls in ((500, 2), (1500, 1), (40_000, 3), (1 << 40, 1)):
        counts[bucket(ns)] += calls
    packed = array("I", counts).tobytes()
    assert list(histogram_us(packed).items())[:3] == [(1, 2), (2, 3), (66, 6)]
    assert list(histogram_us(packed).values())[-1] == 7 and len(histogram_us(packed)) == 4
    assert histogram_us(bytes(len(packed))) == {}
    assert calls_of(packed) == 7 and calls_of(bytes(len(packed))) == 0


def test_percentiles_are_the_tops_of_their_buckets():
    counts = [0] * (27 * 32)
    for ns, calls in ((10_000, 90), (1_000_000, 9), (50_000_000, 1)):
        counts[bucket(ns)] += calls
    packed = array("I", counts).tobytes()
    for percent, us in ((50, 10), (90, 10), (91, 1000), (99, 1000), (99.9, 50_000), (100, 50_000)):
        assert us <= percentile_us(packed, percent) <= us * 1.04
    assert percentile_us(bytes(len(packed)), 50) == 0


def test_counters_of_another_length_are_refused():
    with pytest.raises(ValueError):
        calls_of(b"1234")
