"""CONFIG REWRITE: what the file says afterwards, what is left alone, and that it reads back the same."""

import io
import os
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kv.quoting import decode
from kv.server.config import Config, ConfigError, table
from kv.server.config.file import SIGNATURE, FileLines, rewritten
from kv.server.config.source import Reader

ALWAYS = ["dir", "save", "latency-tracking-info-percentiles"]


@pytest.fixture
def started(tmp_path):
    def start(text, *words):
        path = tmp_path / "kv.conf"
        path.write_text(text)
        config = Config.from_command_line(["kv-server", str(path), *words], io.BytesIO())
        assert isinstance(config, Config)
        return config, path

    return start


def new_text(old, config, **parts):
    return rewritten(
        old, config, **{"users": None, "modules": None, "sentinel": None, "everything": False, **parts}
    )


def read(text):
    config = Config()
    Reader(config).read_text(text)
    return config


def own_lines(text):
    """The lines of a file without the three that are always there."""
    return [line for line in text.splitlines() if line.split(" ")[0] not in ALWAYS]


def test_without_a_file():
    with pytest.raises(ConfigError, match="^ERR The server is running without a config file$"):
        Config().rewrite()


def test_a_file_is_kept_and_brought_up_to_date(started):
    config, path = started(
        "# my server\nport 7000\n\n\n\n# memory\nmaxmemory 1gb\ninclude none*.conf\n"
        'rename-command FLUSHALL ""\nSAVE 900 1\nsave 10 2\n'
    )
    config.set_many([("maxmemory", "2gb"), ("port", "6379"), ("hz", "50"), ("requirepass", "a b")])
    config.rewrite()
    assert path.read_text().splitlines() == [
        "# my server",
        "port 6379",
        "",
        "# memory",
        "maxmemory 2gb",
        "include none*.conf",
        'rename-command FLUSHALL ""',
        "save 900 1 10 2",
        "",
        SIGNATURE,
        f'dir "{config.dir}"',
        'requirepass "a b"',
        "latency-tracking-info-percentiles 50 99 99.9",
        "hz 50",
    ]
    assert config.notices == [("notice", "CONFIG REWRITE executed with success.")]


def test_twice_is_once(started):
    config, path = started("port 7000\n")
    config.set_many([("hz", "50")])
    config.rewrite()
    once = path.read_text()
    config.rewrite()
    assert path.read_text() == once and once.count(SIGNATURE) == 1


def test_older_names_become_present_ones_and_duplicates_go():
    config = read("hash-max-ziplist-entries 20\nhash-max-listpack-entries 21\nslave-priority 3")
    text = new_text("hash-max-ziplist-entries 20\nhash-max-listpack-entries 21\nslave-priority 3", config)
    assert own_lines(text) == ["hash-max-listpack-entries 21", "", "replica-priority 3", SIGNATURE]


def test_what_makes_no_sense_becomes_a_comment():
    text = new_text('port "1\nnosuch 1\nlist-max-ziplist-entries 5\n', Config())
    assert own_lines(text)[:3] == ['# ??? port "1', "# ??? nosuch 1", "# ??? list-max-ziplist-entries 5"]


def test_an_option_that_was_taken_away_loses_its_line():
    text = new_text("requirepass abc\nreplicaof a 1\nbind * -::*\nunixsocket x\n", Config())
    assert own_lines(text) == ["", SIGNATURE]


def test_output_limits_take_a_line_each():
    old = "client-output-buffer-limit normal 1 1 1\nclient-output-buffer-limit slave 1 1 1\n"
    text = new_text(old, read("client-output-buffer-limit pubsub 5mb 1kb 7"))
    assert own_lines(text) == [
        "client-output-buffer-limit normal 0 0 0",
        "client-output-buffer-limit replica 256mb 64mb 60",
        SIGNATURE,
        "client-output-buffer-limit pubsub 5mb 1kb 7",
    ]


def test_replicaof_and_save_where_they_do_not_belong():
    config = read("replicaof 127.0.0.1 6380\n")
    assert "replicaof 127.0.0.1 6380" in new_text("", config)
    config.force("cluster-enabled", "yes")
    assert "replicaof" not in new_text("replicaof 127.0.0.1 6380\n", config)
    assert "save" not in new_text("", Config(sentinel=True))


def test_users_and_modules_are_those_of_now():
    old = "user alice on\nuser bob on\nloadmodule x.so\n"
    assert own_lines(new_text(old, Config()))[:3] == old.splitlines()
    text = new_text(old, Config(), users=[("user alice off", True)], modules=["loadmodule y.so 1"])
    assert own_lines(text)[:3] == ["user alice off", "", "loadmodule y.so 1"]
    assert "user" not in new_text(old, read("aclfile users.acl"), users=[("user alice off", True)]).replace(
        "users.acl", ""
    )


def test_sentinel_lines_keep_their_places():
    old = "sentinel monitor a 1.1.1.1 1 1\nsentinel failover-timeout a 5\nsentinel monitor b 2.2.2.2 2 2\n"
    text = new_text(
        old,
        Config(sentinel=True),
        sentinel=["sentinel myid 0", "sentinel monitor a 1.1.1.1 9 1", "sentinel monitor b 2.2.2.2 9 2"],
    )
    assert own_lines(text)[:3] == ["sentinel monitor a 1.1.1.1 9 1", "", "sentinel monitor b 2.2.2.2 9 2"]
    assert "sentinel myid 0" in text


def test_values_cannot_smuggle_in_a_line():
    config = Config()
    config.force("replicaof", "host\nport 6380")
    config.set_many([("bind", "a\nport")])
    assert "port" not in [line.split(" ")[0] for line in new_text("", config).splitlines()]


def test_everything_is_a_line_for_each_option():
    text = new_text("", Config(), everything=True)
    names = {line.split(" ")[0] for line in text.splitlines()}
    absent = {o.name for o in table.OPTIONS if not o.lines(o.initial())}
    assert names == {o.name for o in table.OPTIONS} - absent | {"#"}
    assert read(text).match(["*"]) == Config().match(["*"])


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o640])
def test_permissions_are_kept(started, mode):
    config, path = started("port 7000\n")
    path.chmod(mode)
    config.rewrite()
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_file_that_went_away_is_written_anew(started):
    config, path = started("port 7000\n")
    path.unlink()
    config.rewrite()
    assert "port 7000" in path.read_text()
    assert not stat.S_IMODE(path.stat().st_mode) & 0o133


def test_a_link_stays_a_link(started, tmp_path):
    config, path = started("port 7000\n")
    real = tmp_path / "real.conf"
    path.rename(real)
    path.symlink_to(real)
    config.set_many([("hz", "50")])
    config.rewrite()
    assert path.is_symlink() and "hz 50" in real.read_text()


def test_a_failure_leaves_the_old_file_and_nothing_else(started, monkeypatch, tmp_path):
    config, path = started("port 7000\n")

    def no_space(descriptor):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(ConfigError, match="^ERR Rewriting config file: No space left on device$"):
        config.rewrite()
    assert path.read_text() == "port 7000\n" and os.listdir(tmp_path) == ["kv.conf"]
    assert config.notices == [("warning", "CONFIG REWRITE failed: No space left on device")]


def test_the_file_is_durable_before_it_has_the_name(started, monkeypatch):
    config, path = started("port 7000\n")
    order = []
    fsync, rename = os.fsync, os.rename
    monkeypatch.setattr(os, "fsync", lambda fd: (order.append("fsync"), fsync(fd)))
    monkeypatch.setattr(os, "rename", lambda *names: (order.append("rename"), rename(*names)))
    config.rewrite()
    assert order == ["fsync", "rename", "fsync"]


secrets = st.binary(max_size=12).map(decode)
settings_of = st.fixed_dictionaries(
    {},
    optional={
        "requirepass": secrets,
        "primaryauth": secrets,
        "aclfile": secrets,
        "availability-zone": secrets,
        "maxmemory": st.integers(0, 2**64 - 1).map(str),
        "maxmemory-clients": st.sampled_from(["0", "7%", "100%", "3mb"]),
        "save": st.sampled_from(["", "1 0", "10 1 20 2"]),
        "bind": st.sampled_from(["", "* -::*", "127.0.0.1 -::1"]),
        "port": st.integers(0, 65535).map(str),
        "appendonly": st.sampled_from(["yes", "no"]),
        "unixsocketperm": st.integers(0, 0o777).map("{:o}".format),
        "hz": st.integers(0, 1000).map(str),
        "notify-keyspace-events": st.text("Ag$lshzxeKEtmdn", max_size=6),
        "oom-score-adj": st.sampled_from(["no", "yes", "relative", "absolute"]),
        "oom-score-adj-values": st.sampled_from(["0 200 800", "-5 0 5"]),
        "shutdown-on-sigint": st.sampled_from(["default", "save now", "nosave force"]),
        "replicaof": st.sampled_from(["no one", "localhost 1", "::1 65535"]),
        "client-output-buffer-limit": st.sampled_from(["normal 1 2 3", "replica 1mb 1kb 0 pubsub 0 0 0", ""]),
        "latency-tracking-info-percentiles": st.sampled_from(["", "0 100", "99.999999"]),
    },
)


@given(settings_of, settings_of)
def test_reading_what_was_written_gives_the_configuration(first, second):
    """Whatever the file said before, and as often as it is rewritten."""
    text = ""
    for changes in (first, second):
        config = Config()
        for name, value in changes.items():
            config.force(name, value)
        text = new_text(text, config)
        assert read(text).match(["*"]) == config.match(["*"])


@given(st.text("ab# \t\"'\\\n", max_size=60))
def test_any_file_is_taken_and_comes_out_the_same_the_second_time(text):
    once = FileLines(text).text()
    assert FileLines(once).text() == once
