"""Reading: odd forms of the command line, files and includes, and the words of each complaint."""

import io
import os

import pytest

from kv.server.config import Config, FatalConfigError, Request

PROGRAM = "/usr/bin/kv-server"
HEADER = "\n*** FATAL CONFIG FILE ERROR (Version 8.1.7) ***\n"


@pytest.fixture(autouse=True)
def directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def start(*words, stdin=b"", program=PROGRAM):
    config = Config.from_command_line([program, *words], io.BytesIO(stdin))
    assert isinstance(config, Config)
    return config


def refused(*words, stdin=b""):
    with pytest.raises(FatalConfigError) as info:
        start(*words, stdin=stdin)
    return str(info.value)


def at_line(number, line, complaint):
    return f"{HEADER}Reading the configuration file, at line {number}\n>>> '{line}'\n{complaint}"


def write(directory, name, text):
    path = directory / name
    path.write_text(text)
    return str(path)


def test_nothing_asked_for():
    config = start()
    assert (config.port, config.file, config.sentinel_mode) == (6379, "", False)


@pytest.mark.parametrize(
    ("words", "name", "arguments"),
    [
        (["-v"], "version", []),
        (["--version"], "version", []),
        (["--help"], "help", []),
        (["-h"], "help", []),
        (["--test-memory", "64"], "test-memory", ["64"]),
        (["--test-memory"], "test-memory", []),
        (["--check-system"], "check-system", []),
    ],
)
def test_requests(words, name, arguments):
    request = Config.from_command_line([PROGRAM, *words], io.BytesIO())
    assert isinstance(request, Request) and (request.name, request.arguments) == (name, arguments)


@pytest.mark.parametrize(
    ("words", "values"),
    [
        (["--port", "0"], {"port": "0"}),
        (["--PORT", "1"], {"port": "1"}),
        (["--port 7000"], {"port": "7000"}),
        (["--port", "1", "--port", "2"], {"port": "2"}),
        (
            ["--maxmemory 700mb", "--maxmemory-policy volatile-lru"],
            {"maxmemory": "734003200", "maxmemory-policy": "volatile-lru"},
        ),
        (
            ["--proc-title-template", "--my--title--template", "--loglevel", "verbose"],
            {"proc-title-template": "--my--title--template", "loglevel": "verbose"},
        ),
        (
            ["--proc-title-template --my--title--template", "--loglevel verbose"],
            {"proc-title-template": "--my--title--template", "loglevel": "verbose"},
        ),
        (["--save", "--loglevel", "verbose"], {"save": "", "loglevel": "verbose"}),
        (["--loglevel", "verbose", "--save"], {"save": "", "loglevel": "verbose"}),
        (["--save", "", "--loglevel", "verbose"], {"save": "", "loglevel": "verbose"}),
        (["--loglevel", "verbose", "--save", ""], {"save": "", "loglevel": "verbose"}),
        (
            ["--proc-title-template", "--save", "--save", "", "--loglevel", "verbose"],
            {"proc-title-template": "--save", "save": "", "loglevel": "verbose"},
        ),
        (["--save", "900", "1"], {"save": "900 1"}),
        (["--save", "900 1 10 2"], {"save": "900 1 10 2"}),
        (["--save", "900 1", "--save", "10 2"], {"save": "900 1 10 2"}),
        (["--save", "900 1", "--save", "", "--save", "10 2"], {"save": "10 2"}),
        (
            ["--shutdown-on-sigint", "nosave", "force", "now", "--shutdown-on-sigterm", "nosave force"],
            {"shutdown-on-sigint": "nosave now force", "shutdown-on-sigterm": "nosave force"},
        ),
        (["--requirepass", 'a "b\\ \x01'], {"requirepass": 'a "b\\ \x01'}),
        (["--requirepass", ""], {"requirepass": ""}),
        (["--bind", "127.0.0.1", "-::1"], {"bind": "127.0.0.1 -::1"}),
        (["--bind", ""], {"bind": ""}),
        (["--replicaof", "127.0.0.1", "6380"], {"replicaof": "127.0.0.1 6380", "slaveof": "127.0.0.1 6380"}),
        (["--slaveof", "no", "one"], {"replicaof": ""}),
        (
            ["--client-output-buffer-limit", "replica", "1mb", "0", "10"],
            {"client-output-buffer-limit": "normal 0 0 0 slave 1048576 0 10 pubsub 33554432 8388608 60"},
        ),
        (
            ["--client-output-buffer-limit", "normal 1 2 3 pubsub 4 5 6"],
            {"client-output-buffer-limit": "normal 1 2 3 slave 268435456 67108864 60 pubsub 4 5 6"},
        ),
        (["--hz", "100000"], {"hz": "500"}),
        (["--dynamic-hz", "yes"], {"hz": "10"}),
        (["--cluster-enabled", "yes"], {"databases": "1"}),
        (["--maxmemory-clients", "5%"], {"maxmemory-clients": "5%"}),
        (["--notify-keyspace-events", "KEA"], {"notify-keyspace-events": "AKE"}),
        (["--unixsocketperm", "755"], {"unixsocketperm": "755"}),
    ],
)
def test_command_lines(words, values):
    config = start(*words)
    assert {name: config.get(name) for name in values} == values


@pytest.mark.parametrize(
    ("words", "line", "complaint"),
    [
        (["--invalid"], "invalid", "Bad directive or wrong number of arguments"),
        (["--port"], "port", "wrong number of arguments"),
        (["--port", "6379", "6380"], 'port "6379" "6380"', "wrong number of arguments"),
        (["--port", "--loglevel", "verbose"], 'port "--loglevel" "verbose"', "wrong number of arguments"),
        (
            ["--port", "--bla", "--loglevel", "verbose"],
            'port "--bla"',
            "argument couldn't be parsed into an integer",
        ),
        (["--replicaof", "127.0.0.1", "abc"], 'replicaof "127.0.0.1" "abc"', "Invalid primary port"),
        (["--replicaof", "--127.0.0.1", "abc"], 'replicaof "--127.0.0.1" "abc"', "Invalid primary port"),
        (["--replicaof", "--127.0.0.1", "--abc"], 'replicaof "--127.0.0.1"', "wrong number of arguments"),
        (
            ["--shutdown-on-sigint"],
            "shutdown-on-sigint",
            "argument(s) must be one of the following: default, save, nosave, now, force",
        ),
        (["--dir", "/nonexistent"], 'dir "/nonexistent"', "No such file or directory"),
        (["--a.b"], "a.b", "Module config specified without value"),
        (["--user"], "user", "Bad directive or wrong number of arguments"),
        (["--include"], "include", "Bad directive or wrong number of arguments"),
        (['--port "1'], 'port "1', "Unbalanced quotes in configuration line"),
    ],
)
def test_refused_command_lines(words, line, complaint):
    assert refused(*words) == at_line(2, line, complaint)


def test_the_second_option_is_the_third_line():
    expected = at_line(3, "loglevel", "wrong number of arguments")
    assert refused("--port", "6380", "--loglevel") == expected


def test_a_path_may_have_values_after_it_without_a_name(directory):
    path = write(directory, "kv.conf", "port 7000\n")
    config = start(path, "loglevel", "verbose", "--maxmemory '700mb'", "--maxmemory-policy 'volatile-lru'")
    assert (config.loglevel, config.maxmemory, config.maxmemory_policy) == (
        "verbose",
        734003200,
        "volatile-lru",
    )


def test_options_come_after_stdin_and_stdin_after_the_file(directory):
    path = write(directory, "kv.conf", "port 1\nhz 11\ntimeout 1\n")
    config = start("kv.conf", "--port", "3", "-", stdin=b"port 2\nhz 22\n")
    assert (config.port, config.hz, config.timeout) == (3, 22, 1)
    assert config.file == path
    assert config.words == [PROGRAM, path, "--port", "3", "-"]
    assert config.notices == [("notice", "Reading config from stdin")]


def test_a_dash_reads_stdin_first_or_last_only():
    assert start("-", stdin=b"port 2").port == 2
    assert start("-", "--hz", "20", stdin=b"port 2").port == 2
    assert start("--hz", "20", "-", stdin=b"port 2").port == 2
    assert start("--logfile", "-", "--hz", "20", stdin=b"port 2").logfile == "-"
    assert start("--hz", "20", stdin=b"port 2").port == 6379


def test_stdin_may_be_text():
    config = Config.from_command_line([PROGRAM, "-"], io.StringIO("port 5"))
    assert isinstance(config, Config) and config.port == 5


def test_file_with_everything(directory):
    path = write(
        directory,
        "kv.conf",
        """
        # a comment
        port   7000\t\r
          BIND 127.0.0.1 -::1

        requirepass "caf\\xc3\\xa9 \\x00\\xff"
        user alice on >secret ~* +@all
        rename-command FLUSHALL ""
        rename-command DEBUG 'secret debug'
        loadmodule /lib/x.so a b
        x.limit 10 20
        slave-priority 5
        replica-priority 6
        hash-max-ziplist-entries 7
    """,
    )
    config = start(path)
    assert (config.port, config.bind, config.requirepass) == (7000, ["127.0.0.1", "-::1"], "café \x00\udcff")
    assert [user.arguments for user in config.users] == [["user", "alice", "on", ">secret", "~*", "+@all"]]
    assert [line.arguments[1:] for line in config.renamed_commands] == [
        ["FLUSHALL", ""],
        ["DEBUG", "secret debug"],
    ]
    assert [line.arguments[1:] for line in config.modules] == [["/lib/x.so", "a", "b"]]
    assert config.module_options == {"x.limit": "10 20"}
    assert (config.replica_priority, config.slave_priority, config.hash_max_listpack_entries) == (6, 6, 7)


def test_a_directive_can_be_complained_about_later(directory):
    config = start(write(directory, "kv.conf", "\nrename-command nosuch x\n"))
    assert str(config.renamed_commands[0].error("No such command in rename-command")) == at_line(
        2, "rename-command nosuch x", "No such command in rename-command"
    )


def test_save_lines_of_a_file_replace_the_default_and_add_up(directory):
    path = write(directory, "kv.conf", "save 900 1\n")
    assert start(path).save == [(900, 1)]
    assert start(path, "--save", "100", "100").save == [(900, 1), (100, 100)]
    assert start(path, "--save", "").save == []


def test_relative_dirs_add_up_and_includes_are_relative_to_them(directory):
    (directory / "a" / "b").mkdir(parents=True)
    write(directory / "a" / "b", "x.conf", "port 9\n")
    config = start("--dir", "a", "--dir", "b", "--include", "x.conf")
    assert config.dir == os.path.realpath(directory / "a" / "b")
    assert config.port == 9
    assert os.getcwd() == os.path.realpath(directory)


def test_dir_must_be_a_directory(directory):
    write(directory, "file", "")
    assert refused("--dir", "file").endswith("\nNot a directory")
    assert refused("--dir", "").endswith("\ndir can't be empty")


def test_include_with_wildcards(directory):
    write(directory, "1.inc", "port 1\nhz 20")
    write(directory, "2.inc", "port 2")
    path = write(directory, "kv.conf", "include *.inc\ninclude none*.inc\ntimeout 3\n")
    config = start(path)
    assert (config.port, config.hz, config.timeout) == (2, 20, 3)


def test_include_of_what_is_not_there(directory):
    path = write(directory, "kv.conf", "include none.inc\n")
    missing = directory / "none.inc"
    assert refused(path) == f"Fatal error, can't open config file '{missing}': No such file or directory"
    assert (
        refused(str(missing)) == f"Fatal error, can't open config file '{missing}': No such file or directory"
    )
    assert refused("--include", str(directory)).endswith("Is a directory")


def test_include_that_includes_itself(directory):
    path = write(directory, "kv.conf", "include kv.conf\n")
    assert refused(path) == at_line(1, "include kv.conf", "Too many nested includes")


def test_an_included_line_is_counted_in_its_own_file(directory):
    write(directory, "a.inc", "\n\nfoo bar\n")
    assert refused("--include", "a.inc") == at_line(
        3, "foo bar", "Bad directive or wrong number of arguments"
    )


def test_log_file_must_be_writable(directory):
    assert refused("--logfile", "none/log") == f"{HEADER}Can't open the log file: No such file or directory"
    start("--logfile", "kv.log")
    assert (directory / "kv.log").exists()


def test_no_replica_in_a_cluster():
    expected = f"{HEADER}replicaof directive not allowed in cluster mode"
    assert refused("--cluster-enabled", "yes", "--replicaof", "a", "1") == expected


def test_one_database_in_a_cluster_is_said_aloud():
    config = start("--cluster-enabled", "yes")
    assert config.notices == [
        ("warning", "WARNING: Changing databases number from 16 to 1 since we are in cluster mode")
    ]


def test_scores_that_decrease_are_said_aloud():
    level, text = start("--oom-score-adj-values", "3 2 1").notices[0]
    assert level == "warning" and text.startswith("The oom-score-adj-values configuration may not work")
    assert not start("--oom-score-adj-values", "1 2 3").notices


@pytest.mark.parametrize(
    "words", [["--sentinel"], ["s.conf", "--sentinel"], ["s.conf", "--sentinel", "--hz", "20"]]
)
def test_sentinel_mode(directory, words):
    write(directory, "s.conf", "sentinel monitor a 127.0.0.1 6379 2\n")
    config = start(*words)
    assert config.sentinel_mode and config.port == 26379 and config.protected_mode is False
    lines = [line.arguments for line in config.sentinel_lines]
    assert lines == ([["sentinel", "monitor", "a", "127.0.0.1", "6379", "2"]] if config.file else [])


def test_a_program_called_sentinel_is_one():
    assert start(program="/usr/bin/kv-sentinel").sentinel_mode
    assert start(program="redis-sentinel").sentinel_mode
    assert not start(program="/opt/sentinel/kv-server").sentinel_mode


def test_sentinel_lines_need_sentinel_mode(directory):
    path = write(directory, "kv.conf", "sentinel monitor a 127.0.0.1 6379 2\n")
    assert refused(path).endswith("\nsentinel directive while not in sentinel mode")
