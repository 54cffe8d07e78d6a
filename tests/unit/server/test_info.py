"""INFO: given the raw figures of a real Valkey 8.1.7, the text is that server's own, byte for byte.

tests/data/info-*.txt are its replies. The figures are taken out of them, those that Info works out are not.
"""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

import kv
from kv.server import info
from kv.server.info import Info, human

DATA = Path(__file__).parents[2] / "data"
CASTS = {"int": int, "str": str, "float": float, "bool": lambda text: text == "1"}
DEFAULT = [
    "Server",
    "Clients",
    "Memory",
    "Persistence",
    "Stats",
    "Replication",
    "CPU",
    "Modules",
    "Errorstats",
    "Cluster",
    "Keyspace",
]
# Valkey works the first three out from figures of used memory and its peak that are older than those beside
# them, and the last in single precision, which makes 2.685 come out as 2.68. test_memory_ratios has them.
DIFFERENT = (
    "used_memory_peak_perc",
    "mem_fragmentation_ratio",
    "mem_fragmentation_bytes",
    "allocator_rss_ratio",
)


def reply(name):
    return (DATA / name).read_bytes().decode()


def figures(text):
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


def source(declared, values, **more):
    """An object with every attribute that the source declares, out of a reply's fields."""
    annotations = declared.__annotations__
    raw = {name: CASTS[kind](values[name]) for name, kind in annotations.items() if name in values}
    missing = annotations.keys() - raw.keys() - more.keys()
    assert not missing
    return SimpleNamespace(**raw, **more)


def rows(values, prefix, pattern):
    found = [(name[len(prefix) :], text) for name, text in values.items() if name.startswith(prefix)]
    return [(name, re.fullmatch(pattern, text).groups()) for name, text in found]


def server_source(values):
    listeners = [
        SimpleNamespace(name="tcp", addresses=["127.0.0.1"], port=21297),
        SimpleNamespace(name="unix", addresses=["/run/valkey.sock"], port=0),
    ]
    return source(
        info.Server,
        values,
        release_stage=values["valkey_release_stage"],
        git_sha1=values["redis_git_sha1"],
        git_dirty=values["redis_git_dirty"] == "1",
        build_id=values["redis_build_id"],
        mode=values["server_mode"],
        redis_compatible=False,
        shutdown_in_milliseconds=None,
        listeners=listeners,
    )


def replication_source(values):
    primary = (
        source(info.Primary, {"master_link_down_since_seconds": "-1", **values}, transfer=None)
        if "master_host" in values
        else None
    )
    pattern = "ip=(.*),port=(.*),state=(.*),offset=(.*),lag=(.*),type=(.*)"
    names = ("ip", "port", "state", "offset", "lag", "type")
    lines = {name: text for name, text in values.items() if text.startswith("ip=")}
    replicas = [
        SimpleNamespace(**dict(zip(names, row, strict=True))) for _, row in rows(lines, "slave", pattern)
    ]
    good = values.get("min_slaves_good_slaves")
    return source(
        info.Replication,
        {name: text for name, text in values.items() if name != "min_slaves_good_slaves"},
        primary=primary,
        replicas=replicas,
        min_slaves_good_slaves=good and int(good),
    )


def command_sources(values):
    pattern = r"calls=(\d+),usec=(\d+),usec_per_call=.*,rejected_calls=(\d+),failed_calls=(\d+)"
    names = ("calls", "usec", "rejected_calls", "failed_calls")
    return [
        SimpleNamespace(name=name, **dict(zip(names, map(int, row), strict=True)))
        for name, row in rows(values, "cmdstat_", pattern)
    ]


def latency_sources(values):
    found = rows(values, "latency_percentiles_usec_", "p50=(.*),p99=(.*),p99.9=(.*)")
    return [
        SimpleNamespace(name=name, percentiles=list(zip((50.0, 99.0, 99.9), map(float, row), strict=True)))
        for name, row in found
    ]


def database_sources(values):
    found = rows(values, "db", r"keys=(\d+),expires=(\d+),avg_ttl=(\d+)")
    used = {int(number): [int(figure) for figure in row] for number, row in found}
    names = ("keys", "expires", "avg_ttl")
    return [
        SimpleNamespace(number=number, **dict(zip(names, used.get(number, (0, 0, 0)), strict=True)))
        for number in range(16)
    ]


def state_of(text):
    values = figures(text)
    return SimpleNamespace(
        server=server_source(values),
        clients=source(info.Clients, values),
        memory=source(info.Memory, values),
        persistence=source(info.Persistence, values, append_only=source(info.AppendOnly, values), load=None),
        stats=source(info.Stats, values, trouble=None),
        replication=replication_source(values),
        cpu=source(info.Cpu, values),
        commands=command_sources(values),
        errors={"WRONGTYPE": 1, "ERR": 1},
        latencies=latency_sources(values),
        cluster_enabled=False,
        databases=database_sources(values),
        debug=source(info.Debug, values),
    )


@pytest.fixture
def state():
    return state_of(reply("info-primary.txt"))


def titles(text):
    return re.findall(r"^# (.*)\r$", text, re.MULTILINE)


def without(text, *names):
    return [line for line in text.split("\r\n") if line.split(":")[0] not in names]


def test_everything_is_what_valkey_prints(state):
    ours = Info(state).render(["everything", "debug"])
    theirs = reply("info-primary.txt")
    assert without(ours, "kv_version", *DIFFERENT) == without(theirs, *DIFFERENT)


def test_the_server_says_what_it_is_and_what_it_is_compatible_with(state):
    values = figures(Info(state).render(["server"]))
    assert list(values)[:4] == ["redis_version", "server_name", "valkey_version", "kv_version"]
    assert list(values.values())[:4] == ["7.2.4", "valkey", "8.1.7", kv.__version__]


@pytest.mark.parametrize("name", ["info-replica.txt", "info-replica-down.txt"])
def test_replicas_say_what_valkeys_say(state, name):
    state.replication = replication_source(figures(reply(name)))
    assert Info(state).render(["replication"]) == reply(name)


def test_a_copy_on_its_way(state):
    values = figures(reply("info-replica-down.txt"))
    state.replication = replication_source(values)
    state.replication.primary.transfer = SimpleNamespace(
        master_sync_total_bytes=400, master_sync_read_bytes=100, master_sync_last_io_seconds_ago=2
    )
    lines = Info(state).replication()
    start = lines.index("replicas_repl_buffer_peak:0") + 1
    assert lines[start : start + 6] == [
        "master_sync_total_bytes:400",
        "master_sync_read_bytes:100",
        "master_sync_left_bytes:300",
        "master_sync_perc:25.00",
        "master_sync_last_io_seconds_ago:2",
        "master_link_down_since_seconds:2",
    ]


def loading(total, used, loaded, elapsed):
    return SimpleNamespace(
        loading_start_time=1,
        loading_total_bytes=total,
        loading_rdb_used_mem=used,
        loading_loaded_bytes=loaded,
        elapsed_seconds=elapsed,
    )


@pytest.mark.parametrize(
    ("load", "percent", "eta"),
    [
        (loading(1000, 0, 249, 10), "24.90", "30"),
        (loading(1000, 0, 249, 0), "24.90", "1"),
        (loading(0, 1000, 500, 10), "50.00", "9"),
        (loading(0, 1000, 5000, 10), "99.99", "0"),
        (loading(0, 0, 5, 3), "0.00", "0"),
    ],
)
def test_how_far_loading_is(state, load, percent, eta):
    state.persistence.load = load
    values = figures(Info(state).render(["persistence"]))
    assert (values["loading_loaded_perc"], values["loading_eta_seconds"]) == (percent, eta)


def test_persistence_without_append_only_file(state):
    state.persistence.append_only = None
    assert "aof_current_size" not in Info(state).render(["persistence"])


def test_how_far_a_save_is(state):
    state.persistence.current_save_keys_processed = 1
    state.persistence.current_save_keys_total = 3
    assert "current_fork_perc:33.33\r\n" in Info(state).render(["persistence"])


def test_server_in_other_modes(state):
    state.server.redis_compatible = True
    state.server.mode = "cluster"
    state.server.shutdown_in_milliseconds = 500
    state.server.uptime_in_seconds = 3 * 86400 + 5
    values = figures(Info(state).render(["server"]))
    assert "server_mode" not in values and values["redis_mode"] == "cluster"
    assert values["shutdown_in_milliseconds"] == "500" and values["uptime_in_days"] == "3"


def test_peak_is_never_below_what_is_used(state):
    state.memory.used_memory_peak = 1
    values = figures(Info(state).render(["memory"]))
    assert (
        values["used_memory_peak"] == values["used_memory"] and values["used_memory_peak_perc"] == "100.00%"
    )


def test_memory_ratios(state):
    state.memory.used_memory, state.memory.used_memory_peak, state.memory.used_memory_rss = 1000, 4000, 2500
    state.memory.allocator_resident, state.memory.allocator_active = 300, 200
    values = figures(Info(state).render(["memory"]))
    assert [values[name] for name in DIFFERENT] == ["25.00%", "2.50", "1500", "1.50"]


def test_a_server_that_knows_nothing_yet_divides_by_nothing(state):
    for name in info.Memory.__annotations__:
        if isinstance(getattr(state.memory, name), int):
            setattr(state.memory, name, 0)
    assert figures(Info(state).render(["memory"]))["mem_fragmentation_ratio"] == "0.00"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], DEFAULT),
        (["default"], DEFAULT),
        (["DEFAULT", "Commandstats"], DEFAULT[:8] + ["Commandstats"] + DEFAULT[8:]),
        (["all"], DEFAULT[:8] + ["Commandstats", "Errorstats", "Latencystats", "Cluster", "Keyspace"]),
        (["everything"], DEFAULT[:8] + ["Commandstats", "Errorstats", "Latencystats", "Cluster", "Keyspace"]),
        (["KEYSPACE", "cpu", "cpu"], ["CPU", "Keyspace"]),
        (["nosuch"], []),
        (["nosuch", "server"], ["Server"]),
        (["modules"], ["Modules"]),
        (["module_list"], ["Modules"]),
        (["debug"], ["Debug"]),
        (
            ["all", "debug"],
            DEFAULT[:8] + ["Commandstats", "Errorstats", "Latencystats", "Cluster", "Keyspace", "Debug"],
        ),
    ],
)
def test_which_sections(state, names, expected):
    assert titles(Info(state).render(names)) == expected


def test_sections_are_separated_by_an_empty_line(state):
    assert Info(state).render(["cluster", "modules"]) == "# Modules\r\n\r\n# Cluster\r\ncluster_enabled:0\r\n"
    assert Info(state).render(["nosuch"]) == ""


def test_only_what_is_asked_for_is_gathered():
    class Reluctant:
        cluster_enabled = True

    assert Info(Reluctant()).render(["cluster"]) == "# Cluster\r\ncluster_enabled:1\r\n"


def test_formats_of_rows(state):
    command = SimpleNamespace(name="get", calls=1, usec=2, rejected_calls=0, failed_calls=0)
    unused = SimpleNamespace(name="set", calls=0, usec=0, rejected_calls=0, failed_calls=0)
    state.commands = [command, unused]
    state.latencies = [SimpleNamespace(name="get", percentiles=[(50.0, 1.003), (99.99, 2.0)])]
    state.errors = {"ERR": 1}
    state.databases = [SimpleNamespace(number=0, keys=1, expires=0, avg_ttl=0)]
    assert Info(state).commandstats() == [
        "cmdstat_get:calls=1,usec=2,usec_per_call=2.00,rejected_calls=0,failed_calls=0"
    ]
    assert Info(state).latencystats() == ["latency_percentiles_usec_get:p50=1.003,p99.99=2.000"]
    assert Info(state).errorstats() == ["errorstat_ERR:count=1"]
    assert Info(state).keyspace() == ["db0:keys=1,expires=0,avg_ttl=0"]


def test_trouble_is_shown_from_the_first_on(state):
    state.stats.trouble = SimpleNamespace(system_errors=2, last_system_error="Writing: why", last_system_error_time=7)
    assert Info(state).stats()[-3:] == ["system_errors:2", "last_system_error:Writing: why", "last_system_error_time:7"]


def test_an_error_cannot_forge_a_field(state):
    state.errors = {"X\r\nrole:master#": 1}
    assert Info(state).errorstats() == ["errorstat_X__role_master_:count=1"]


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0B"),
        (1023, "1023B"),
        (1024, "1.00K"),
        (924744, "903.07K"),
        (1 << 20, "1.00M"),
        ((1 << 20) - 1, "1024.00K"),
        (25276502016, "23.54G"),
        (1 << 40, "1.00T"),
        (3 << 50, "3.00P"),
        (1 << 60, "1152921504606846976B"),
    ],
)
def test_sizes_for_people(size, text):
    assert human(size) == text
