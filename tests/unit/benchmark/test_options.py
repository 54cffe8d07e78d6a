"""The command line of kv-benchmark."""
import pytest

import kv
from kv.benchmark import program
from kv.benchmark.options import SETTERS, SWITCHES, parse


def test_options_default_to_those_of_valkey_benchmark():
    options = parse([])
    assert (options.host, options.port, options.clients, options.requests) == ("127.0.0.1", 6379, 50, 100000)
    assert (options.size, options.pipeline, options.keepalive, options.precision) == (3, 1, True, 3)
    assert (options.keyspace, options.threads, options.tests, options.command) == (None, 0, None, [])


def test_every_option_is_understood():
    line = ("-h example -p 7000 -s /tmp/x -a secret --user me -c 7 -n 11 -d 99 --dbnum 3 -3 --threads 2"
            " --enable-tracking -k 0 -r 500 -P 8 -q --csv --precision 2 -l -t SET,get -I -x --seed 9"
            " --num-functions 4 --num-keys-in-fcall 2 LPUSH list -x")
    options = parse(line.split())
    assert (options.host, options.port, options.path) == ("example", 7000, "/tmp/x")
    assert options.address == "/tmp/x"
    assert (options.password, options.user, options.clients, options.requests) == ("secret", "me", 7, 11)
    assert (options.size, options.dbnum, options.resp3, options.threads) == (99, 3, True, 2)
    assert (options.tracking, options.keepalive, options.keyspace, options.pipeline) == (True, False, 500, 8)
    assert (options.quiet, options.csv, options.precision, options.loop) == (True, True, 2, True)
    assert (options.tests, options.idle, options.stdin, options.seed) == ({"set", "get"}, True, True, 9)
    assert (options.functions, options.function_keys) == (4, 2)
    assert options.command == ["LPUSH", "list", "-x"]


@pytest.mark.parametrize("arguments, name, value", [
    ("-c 0", "clients", 1), ("-d 0", "size", 1), ("-P -4", "pipeline", 1), ("-r -4", "keyspace", 0),
    ("--precision -1", "precision", 3), ("--precision 0", "precision", 1), ("--precision 9", "precision", 4),
    ("--threads -1", "threads", 0), ("-- -x y", "command", ["-x", "y"])])
def test_options_are_limited(arguments, name, value):
    assert getattr(parse(arguments.split()), name) == value


@pytest.mark.parametrize("arguments", ["-c", "-n x", "--nothing", "-p", "-r -", "-u"])
def test_bad_options_are_named(arguments, capsys):
    assert program.main(arguments.split()) == 1
    first, _, usage = capsys.readouterr().out.partition("\n\n")
    assert first == f'Invalid option "{arguments.split()[0]}" or option argument missing'
    assert usage.startswith("Usage: kv-benchmark [OPTIONS] [COMMAND ARGS...]\n")


@pytest.mark.parametrize("arguments, words", [
    ("-p 65536", "Invalid server port."), ("-u http://x", "Invalid URI scheme"),
    ("--cluster", "--cluster is not supported"),
    ("--tls", "--tls is not supported"), ("-u rediss://x", "rediss:// is not supported")])
def test_what_cannot_be_done_is_refused_in_one_line(arguments, words, capsys):
    assert program.main(arguments.split()) == 1
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.startswith(words) and captured.err.count("\n") == 1


@pytest.mark.parametrize("uri, host, port, user, password, dbnum", [
    ("redis://", "127.0.0.1", 6379, None, None, 0),
    ("valkey://h:1/5", "h", 1, None, None, 5),
    ("REDIS://:p%40ss@redis-master:6379/0", "redis-master", 6379, None, "p@ss", 0),
    ("redis://u:p@[::1]:7/2", "::1", 7, "u", "p", 2),
    ("redis://p@h", "h", 6379, None, "p", 0)])
def test_uri(uri, host, port, user, password, dbnum):
    options = parse(["-u", uri])
    found = (options.host, options.port, options.user, options.password, options.dbnum)
    assert found == (host, port, user, password, dbnum)


def test_help_and_version(capsys):
    assert program.main(["--help"]) == 0
    usage = capsys.readouterr().out
    for name in [*SWITCHES, *SETTERS]:
        assert f" {name} " in usage
    assert program.main(["--version"]) == 0
    assert capsys.readouterr().out == f"kv-benchmark {kv.VALKEY_VERSION} (build:{kv.__version__})\n"
