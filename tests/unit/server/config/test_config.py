"""CONFIG GET and SET: what is shown, what is refused, and that a change happens as a whole or not at all."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kv.server.config import Config, ConfigError, table
from kv.server.config.option import DENY_LOADING, IMMUTABLE, PROTECTED
from kv.server.config.values import parse_text

ROOT = str(Path(__file__).parents[4])


def refused(config, *pairs, **where):
    with pytest.raises(ConfigError) as info:
        config.set_many(pairs, **where)
    return str(info.value)


def failed(name, reason):
    return f"ERR CONFIG SET failed (possibly related to argument '{name}') - {reason}"


def everything(config):
    return {option.name: config.value(option) for option in table.OPTIONS}


def test_attributes_are_typed():
    config = Config()
    config.set_many(
        [
            ("maxmemory", "1gb"),
            ("appendonly", "YES"),
            ("bind", "127.0.0.1 -::1"),
            ("save", "10 1 20 2"),
            ("maxmemory-clients", "5%"),
            ("oom-score-adj-values", "1 2 3"),
            ("maxmemory-policy", "ALLKEYS-LRU"),
            ("latency-tracking-info-percentiles", "50 99.99"),
            ("shutdown-on-sigterm", "now save"),
            ("client-output-buffer-limit", "slave 1kb 2k 3"),
        ]
    )
    assert config.maxmemory == 1 << 30
    assert config.appendonly is True
    assert config.bind == ["127.0.0.1", "-::1"]
    assert config.save == [(10, 1), (20, 2)]
    assert config.maxmemory_clients == -5
    assert config.oom_score_adj_values == [1, 2, 3]
    assert config.maxmemory_policy == "allkeys-lru"
    assert config.latency_tracking_info_percentiles == [50.0, 99.99]
    assert config.shutdown_on_sigterm == ["save", "now"]
    assert config.client_output_buffer_limit["replica"] == (1024, 2000, 3)
    assert config.client_output_buffer_limit["normal"] == (0, 0, 0)
    assert config.replicaof is None


def test_attributes_cannot_be_assigned_past_the_rules():
    config = Config()
    with pytest.raises(AttributeError):
        config.maxmemory = 5
    with pytest.raises(AttributeError):
        config.slave_priority = 5
    with pytest.raises(AttributeError):
        _ = config.no_such_option


def test_two_configs_share_nothing():
    one, other = Config(), Config()
    one.set_many([("bind", "1.2.3.4"), ("client-output-buffer-limit", "normal 1 1 1"), ("save", "")])
    assert other.match(["*"]) == Config().match(["*"])


def test_get():
    config = Config()
    assert config.get("MaxMemory") == "0" and config.get("slave-priority") == "100"
    with pytest.raises(KeyError):
        config.get("nosuch")


def test_match_of_several_patterns():
    found = Config().match(["maxmemory", "maxmemory*", "bind", "*of", "nosuch"])
    assert {"maxmemory", "maxmemory-samples", "maxmemory-clients", "bind", "slaveof", "replicaof"} <= set(
        found
    )
    assert found["bind"] == "* -::*"


def test_match_answers_a_plain_name_as_it_was_spelled():
    assert Config().match(["MaxMemory", "maxmemory", "HZ"]) == {"MaxMemory": "0", "HZ": "10"}


def test_match_hides_the_hidden_from_patterns():
    config = Config()
    assert "key-load-delay" not in config.match(["*", "key-load-dela?"])
    assert config.match(["key-load-delay"]) == {"key-load-delay": "0"}


@pytest.mark.parametrize(
    ("pairs", "reply"),
    [
        ([("nosuch", "1")], "ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'"),
        (
            [("NoSuch", "1"), ("daemonize", "yes")],
            "ERR Unknown option or number of arguments for CONFIG SET - 'NoSuch'",
        ),
        ([("Daemonize", "yes"), ("nosuch", "1")], failed("Daemonize", "can't set immutable config")),
        ([("maxmemory", "1"), ("MAXMEMORY", "2")], failed("MAXMEMORY", "duplicate parameter")),
        ([("hz", "5"), ("maxmemory", "x")], failed("maxmemory", "argument must be a memory value")),
        ([("SLAVE-Priority", "x")], failed("slave-priority", "argument couldn't be parsed into an integer")),
        (
            [
                ("maxmemory", "10000001"),
                ("maxmemory-clients", "200%"),
                ("client-query-buffer-limit", "invalid"),
            ],
            failed("maxmemory-clients", "percentage argument must be less or equal to 100"),
        ),
        ([("save", "900  1")], failed("save", "Invalid save parameters")),
        ([("save", "900")], failed("save", "Invalid save parameters")),
        ([("save", "0 1")], failed("save", "Invalid save parameters")),
        ([("save", "1 -1")], failed("save", "Invalid save parameters")),
        ([("bind", " ".join(["::1"] * 17))], failed("bind", "Too many bind addresses specified.")),
        ([("oom-score-adj-values", "1 2")], failed("oom-score-adj-values", "wrong number of arguments")),
        (
            [("oom-score-adj-values", "1 2 2001")],
            failed(
                "oom-score-adj-values",
                "Invalid oom-score-adj-values, elements must be between -2000 and 2000.",
            ),
        ),
        (
            [("shutdown-on-sigint", "")],
            failed(
                "shutdown-on-sigint",
                "argument(s) must be one of the following: default, save, nosave, now, force",
            ),
        ),
        (
            [("proc-title-template", "{title")],
            failed("proc-title-template", "template format is invalid or contains unknown variables"),
        ),
        (
            [("cluster-announce-hostname", "a" * 256)],
            failed("cluster-announce-hostname", "Hostnames must be less than 256 characters"),
        ),
        (
            [("latency-tracking-info-percentiles", "50 1_0")],
            failed(
                "latency-tracking-info-percentiles", "Invalid latency-tracking-info-percentiles parameters"
            ),
        ),
    ],
)
def test_refusals_change_nothing(pairs, reply):
    config = Config()
    before = everything(config)
    assert refused(config, *pairs) == reply
    assert everything(config) == before


def test_an_older_name_and_the_present_one_are_no_duplicates():
    config = Config()
    config.set_many([("slave-priority", "1"), ("replica-priority", "2")])
    assert config.replica_priority == 2


@pytest.mark.parametrize(
    ("setting", "local", "allowed"),
    [("no", True, False), ("local", True, True), ("local", False, False), ("yes", False, True)],
)
def test_protected_options(setting, local, allowed):
    config = Config()
    config.force("enable-protected-configs", setting)
    if allowed:
        config.set_many([("dbfilename", "x.rdb")], local=local)
        assert config.dbfilename == "x.rdb"
    else:
        assert refused(config, ("dbfilename", "x.rdb"), local=local) == failed(
            "dbfilename", "can't set protected config"
        )


def test_options_denied_while_loading():
    config = Config()
    config.set_many([("loglevel", "debug")], loading=True)
    assert (
        refused(config, ("appendonly", "yes"), loading=True)
        == "LOADING Valkey is loading the dataset in memory"
    )
    config.set_many([("extended-redis-compatibility", "yes")])
    assert (
        refused(config, ("appendonly", "yes"), loading=True)
        == "LOADING Redis is loading the dataset in memory"
    )


def test_an_empty_value_of_several():
    config = Config()
    config.set_many([("save", ""), ("bind", ""), ("latency-tracking-info-percentiles", "")])
    assert (config.save, config.bind, config.latency_tracking_info_percentiles) == ([], [], [])


def test_sensitive_names():
    config = Config()
    assert config.is_sensitive("RequirePass") and config.is_sensitive("masterauth")
    assert not config.is_sensitive("port") and not config.is_sensitive("nosuch")


class Recorder:
    """A hook that notes what it was told, and refuses some of it."""

    def __init__(self, config, names, refuse=None):
        self.names, self.refuse, self.told = names, refuse, []
        config.on_change(names, self)

    def __call__(self, config):
        values = tuple(config.get(name) for name in self.names)
        self.told.append(values)
        if self.refuse in values:
            raise ConfigError("Unable to listen on this port. Check server logs.")


def test_a_hook_is_called_once_for_several_changes():
    config = Config()
    hook = Recorder(config, ["port", "bind"])
    config.set_many([("port", "1"), ("hz", "20"), ("bind", "::1")])
    assert hook.told == [("1", "::1")]


def test_a_hook_hears_of_older_names_and_registers_by_them():
    config = Config()
    hook = Recorder(config, ["slave-priority"])
    config.set_many([("replica-priority", "1")])
    config.set_many([("slave-priority", "2")])
    assert hook.told == [("1",), ("2",)]


def test_a_hook_does_not_hear_of_what_did_not_change():
    config = Config()
    hook, certificate = Recorder(config, ["port"]), Recorder(config, ["tls-cert-file"])
    config.set_many([("port", "6379"), ("tls-cert-file", ""), ("hz", "20")])
    assert hook.told == []
    assert certificate.told == [("",)]  # the file may have


def test_a_refusing_hook_undoes_everything():
    config = Config()
    first, port = Recorder(config, ["maxmemory"]), Recorder(config, ["port"], refuse="80")
    last = Recorder(config, ["timeout"])
    before = everything(config)
    reply = refused(config, ("maxmemory", "1"), ("hz", "20"), ("port", "80"), ("timeout", "5"))
    assert reply == failed("port", "Unable to listen on this port. Check server logs.")
    assert everything(config) == before
    assert (first.told, port.told, last.told) == ([("1",), ("0",)], [("80",), ("6379",)], [])
    assert config.notices == [
        (
            "warning",
            "Failed applying new configuration. Possibly related to new port setting. "
            "Restoring previous settings.",
        )
    ]


def test_a_hook_that_cannot_go_back_either_is_logged():
    config = Config()
    Recorder(config, ["port"], refuse="6379")
    config.force("port", "80")
    config.set_many([("port", "81")])
    config.force("port", "6379")
    Recorder(config, ["port"], refuse="82")
    refused(config, ("port", "82"))
    assert config.notices[-1] == (
        "warning",
        "Failed applying restored failed CONFIG SET command: "
        "Unable to listen on this port. Check server logs.",
    )


def test_a_bug_in_a_hook_undoes_everything_and_is_not_hidden():
    config = Config()

    def broken(config):
        if config.port == 80:
            raise ZeroDivisionError

    config.on_change(["port"], broken)
    with pytest.raises(ZeroDivisionError):
        config.set_many([("hz", "20"), ("port", "80")])
    assert (config.port, config.hz) == (6379, 10)


def test_force_asks_nobody():
    config = Config()
    hook = Recorder(config, ["replicaof"])
    config.force("replicaof", "127.0.0.1 6380")
    assert (
        config.replicaof == ("127.0.0.1", 6380)
        and config.get("slaveof") == "127.0.0.1 6380"
        and not hook.told
    )
    config.force("replicaof", "no one")
    assert config.replicaof is None


def test_log_goes_where_it_is_sent():
    config = Config()
    heard = []
    config.log = lambda level, text: heard.append(level)
    config.set_many([("oom-score-adj-values", "3 2 1")])
    assert heard == ["warning"] and not config.notices


def test_crash_report_lines():
    lines = Config().debug_lines()
    assert "replica-read-only yes" in lines and "proto-max-bulk-len 512mb" in lines
    assert not [line for line in lines if line.startswith("port ")]


FREE = [option for option in table.OPTIONS if not option.flags & (IMMUTABLE | PROTECTED | DENY_LOADING)]
texts = st.one_of(
    st.sampled_from(["yes", "no", "0", "1", "5", "100", "1mb", "5%", "", "save", "900 1", "::1", "bogus"]),
    st.integers(-10, 10**12).map(str),
)


@given(
    st.lists(st.tuples(st.sampled_from(FREE), texts), min_size=1, max_size=6),
    st.sampled_from([None, "hz", "timeout"]),
)
def test_all_or_nothing(pairs, refuse):
    """Every option has what was asked for or none has changed, and hooks know which."""
    config = Config()
    believed = everything(config)

    def apply(config):
        if refuse and config.value(table.BY_NAME[refuse]) != before[refuse]:
            raise ConfigError("no")

    def believe(config):
        believed.update(everything(config))

    named = [(option.name, text) for option, text in pairs]
    config.on_change([option.name for option in FREE], believe)
    config.on_change([option.name for option in FREE], apply)
    before = everything(config)
    try:
        config.set_many(named)
    except ConfigError as error:
        assert str(error).startswith("ERR ")
        assert everything(config) == before
    else:
        for option, text in pairs:
            assert config.value(option) == parse_text(option, text, before[option.name])
    assert believed == everything(config)


def test_start_up_loads_nothing_large():
    """A few milliseconds of the time until a server answers; these modules alone would take longer."""
    program = (
        "import io, sys; from kv.server.config import Config;"
        "Config.from_command_line(['kv-server', '--port', '0', '--save', '', '--dir', '/'], io.StringIO());"
        "large = {'re', 'enum', 'typing', 'glob', 'dataclasses', 'tempfile', 'socket'};"
        "print(sorted(large & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {ROOT!r}); {program}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"
