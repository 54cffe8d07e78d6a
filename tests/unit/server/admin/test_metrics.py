"""The text of /metrics, made of figures as INFO's tests have them."""
from __future__ import annotations

import re
from types import SimpleNamespace

import pytest

from kv._core.engine.engine import Engine
from kv.server.admin.exposition import Exposition, label_text
from kv.server.admin.metrics import PrometheusMetrics
from kv.server.config import Config
from kv.server.latencymonitor import Event, LatencyMonitor
from tests.unit.server import test_info

SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-z_]+="(?:[^"\\\n]|\\[\\"n])*",?)+\})? (\S+)')
EMPTY = {"slow": [], "large-request": [], "large-reply": []}


@pytest.fixture
def state():
    return test_info.state_of(test_info.reply("info-primary.txt"))


def text_of(state, latency: LatencyMonitor | None = None, entries: dict | None = None) -> str:
    config = Config()
    log = SimpleNamespace(entries=entries or EMPTY)
    collection = PrometheusMetrics(Engine(None), config, state, latency or LatencyMonitor(config), log).collection()
    for _ in collection.parts:
        pass
    return collection.out.render()


def samples(text: str) -> dict[str, str]:
    """Name with labels -> value; and that the text is as the format has it."""
    found: dict[str, str] = {}
    kinds: dict[str, str] = {}
    helped: set[str] = set()
    family = ""
    assert text.endswith("\n")
    for line in text.removesuffix("\n").split("\n"):
        if line.startswith("# HELP "):
            family = line.split(" ")[2]
            assert family not in helped and len(line.split(" ", 3)) == 4
            helped.add(family)
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name == family and kind in ("gauge", "counter", "summary", "histogram")
            kinds[name] = kind
        else:
            matched = SAMPLE.fullmatch(line)
            assert matched, line
            float(matched[3])
            suffixes = {"summary": ("", "_sum", "_count"), "histogram": ("_bucket", "_sum", "_count")}.get(kinds[family], ("",))
            assert matched[1] in [family + suffix for suffix in suffixes], line
            assert matched[1] + (matched[2] or "") not in found
            found[matched[1] + (matched[2] or "")] = matched[3]
    assert helped == set(kinds)
    return found


def test_labels_are_escaped() -> None:
    assert label_text({"a": 'b"c\\d\ne', "f": "ä"}) == '{a="b\\"c\\\\d\\ne",f="ä"}' and label_text({}) == ""


def test_a_family_without_samples_has_no_head() -> None:
    out = Exposition()
    out.family("a", "gauge", "A.", [])
    out.family("b", "counter", "B.", [("", 1), ('{c="d"}', 2.5)])
    assert out.render() == '# HELP b B.\n# TYPE b counter\nb 1\nb{c="d"} 2.5\n'


def test_figures_of_a_primary(state) -> None:
    values = test_info.figures(test_info.reply("info-primary.txt"))
    found = samples(text_of(state))
    assert found["redis_up"] == "1"
    assert found["redis_memory_used_bytes"] == values["used_memory"]
    assert found["redis_rdb_last_bgsave_status"] == "1" and found["redis_loading_dump_file"] == "0"
    assert found["redis_connections_received_total"] == values["total_connections_received"]
    databases = {f'redis_db_keys{{db="db{number}"}}' for number in range(16)}
    assert {name for name in found if name.startswith("redis_db_keys{")} == databases
    assert found['redis_errors_total{err="WRONGTYPE"}'] == "1"
    for command in state.commands:
        assert float(found[f'redis_commands_duration_seconds_total{{cmd="{command.name}"}}']) == command.usec / 1e6
    for latency in state.latencies:
        name = f'redis_latency_percentiles_usec{{cmd="{latency.name}",quantile="99.9"}}'
        assert float(found[name]) == latency.percentiles[2][1]
    assert sum("connected_slave_lag" in name for name in found) == len(state.replication.replicas)
    assert not any("master_link" in name or "spike" in name for name in found)


@pytest.mark.parametrize("name, up", [("info-replica.txt", 1), ("info-replica-down.txt", 0)])
def test_a_replica_tells_of_its_primary(state, name: str, up: int) -> None:
    values = test_info.figures(test_info.reply(name))
    state.replication = test_info.replication_source(values)
    found = samples(text_of(state))
    labels = f'master_host="{values["master_host"]}",master_port="{values["master_port"]}"'
    assert float(found[f"redis_master_link_up{{{labels}}}"]) == up
    assert found[f"redis_slave_repl_offset{{{labels}}}"] == values["slave_repl_offset"]
    assert found[f'redis_slave_info{{{labels},read_only="1"}}'] == "1" and found["redis_slave_priority"] == "100"
    assert any(one.startswith("redis_instance_info{role=\"slave\"") for one in found)


def test_replicas(state) -> None:
    state.replication.replicas = [SimpleNamespace(ip="10.0.0.1", port=6379, state="online", offset=5, lag=1, type="replica"),
                                  SimpleNamespace(ip="::1", port=6380, state="send_bulk", offset=0, lag=0, type="replica")]
    found = samples(text_of(state))
    assert found['redis_connected_slave_offset_bytes{slave_ip="10.0.0.1",slave_port="6379",slave_state="online"}'] == "5"
    assert found['redis_connected_slave_lag_seconds{slave_ip="::1",slave_port="6380",slave_state="send_bulk"}'] == "0"


def test_spikes_and_the_slow_log(state) -> None:
    monitor = LatencyMonitor(Config())
    event = monitor.events["fork"] = Event()
    event.note(130, 1700000000)
    event.note(20, 1700000001)
    slow = [[7, 1700000000, 1500, [b"GET"], "127.0.0.1:1", b""], [6, 1700000000, 1, [b"GET"], "127.0.0.1:1", b""]]
    found = samples(text_of(state, monitor, {**EMPTY, "slow": slow}))
    assert found['redis_latency_spike_last{event_name="fork"}'] == "1700000001"
    assert found['redis_latency_spike_duration_seconds{event_name="fork"}'] == "0.02"
    assert (found["redis_slowlog_length"], found["redis_slowlog_last_id"]) == ("2", "7")
    assert found["redis_last_slow_execution_duration_seconds"] == "0.0015" and found["redis_commandlog_slow_length"] == "2"


def test_codes_that_scripts_make_up_do_no_harm(state) -> None:
    state.errors = {'A"B\\': 1, "C\nD": 2}
    found = samples(text_of(state))
    assert found['redis_errors_total{err="A\\"B\\\\"}'] == "1" and found['redis_errors_total{err="C_D"}'] == "2"
