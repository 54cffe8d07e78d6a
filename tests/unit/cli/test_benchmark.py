"""kv-benchmark without a server: histogram, reply counter, options, tests and report."""
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kv.cli import benchmark
from kv.cli._histogram import Histogram
from kv.cli._load import Load
from kv.cli._replies import ReplyCounter

LATENCIES = st.lists(st.integers(0, 3_600_000_000), min_size=1, max_size=200)


@given(LATENCIES, st.integers(1, 4))
def test_histogram_keeps_the_promised_digits(values, precision):
    histogram = Histogram(precision)
    for value in values:
        histogram.record(value)
        low, high = histogram.lowest(value), histogram.highest(value)
        assert low <= value <= high
        assert high - low + 1 <= max(8, value / 10**precision)
        assert histogram.lowest(high + 1) == high + 1 and histogram.highest(low) == high
    assert histogram.total == len(values) == sum(count for _, count in histogram.recorded())
    assert histogram.mean == pytest.approx(sum(values) / len(values))
    assert histogram.least == histogram.lowest(min(values))
    assert histogram.most == histogram.highest(max(values))


@given(LATENCIES, st.floats(1, 100))
def test_percentile_is_the_slot_of_the_value_at_that_rank(values, percent):
    histogram = Histogram(3)
    for value in values:
        histogram.record(value)
    rank = max(1, math.floor(percent / 100 * len(values) + 0.5))
    assert histogram.percentile(percent) == histogram.highest(sorted(values)[rank - 1])


def test_histogram_counts_a_batch_at_once_and_cuts_at_an_hour():
    histogram = Histogram(2)
    histogram.record(100, 16)
    histogram.record(10**12)
    assert histogram.total == 17
    assert histogram.most == histogram.highest(3_600_000_000)
    with pytest.raises(ValueError):
        histogram.record(-1)


def test_empty_histogram_is_all_zero():
    histogram = Histogram(3)
    assert (histogram.total, histogram.mean, histogram.least, histogram.most) == (0, 0.0, 0, 0)
    assert histogram.percentile(50) == 0 and histogram.recorded() == []


@pytest.mark.parametrize("precision", [0, 6])
def test_histogram_refuses_a_precision(precision):
    with pytest.raises(ValueError):
        Histogram(precision)


SCALARS = st.sampled_from([
    b"+OK\r\n", b"+\r\n", b":-7\r\n", b"$-1\r\n", b"$0\r\n\r\n", b"$7\r\n*1\r\n$3\r\r\n", b"*-1\r\n",
    b"*0\r\n", b"_\r\n", b",-1.5e9\r\n", b"#t\r\n", b"(123456789012345678901234567890\r\n",
    b"=6\r\ntxt:ab\r\n", b"%0\r\n", b"~0\r\n"])


def aggregate(children):
    lists = st.lists(children, max_size=4)
    return st.one_of(
        lists.map(lambda items: b"*%d\r\n" % len(items) + b"".join(items)),
        lists.map(lambda items: b"~%d\r\n" % len(items) + b"".join(items)),
        lists.map(lambda items: b"%%%d\r\n" % len(items) + b"".join(item + item for item in items)),
        lists.map(lambda items: b"*%d\r\n" % (len(items) + 1) + b"".join(items) + b"-ERR inside\r\n"),
        children.map(lambda item: b"|1\r\n+note\r\n" + item + item))


REPLIES = st.recursive(SCALARS, aggregate, max_leaves=12)
PUSHES = st.lists(REPLIES, max_size=3).map(lambda items: b">%d\r\n" % len(items) + b"".join(items))


@given(st.lists(st.tuples(st.booleans(), REPLIES, PUSHES), max_size=8), st.lists(st.integers(1, 40)))
def test_counter_counts_replies_wherever_the_input_is_cut(parts, cuts):
    stream = b"".join((push if with_push else b"") + reply for with_push, reply, push in parts)
    assert ReplyCounter().feed(stream) == len(parts)
    one_by_one = ReplyCounter()
    assert sum(one_by_one.feed(stream[i:i + 1]) for i in range(len(stream))) == len(parts)
    cut, seen, at = ReplyCounter(), 0, 0
    for size in [*cuts, len(stream)]:
        seen += cut.feed(stream[at:at + size])
        at += size
    assert seen == len(parts) and cut.error is None and cut.broken is None


@pytest.mark.parametrize("cut", range(1, 30))
def test_counter_collects_an_error_across_reads(cut):
    stream = b":1\r\n-ERR no such thing, really\r\n+OK\r\n"
    counter = ReplyCounter()
    assert counter.feed(stream[:cut]) + counter.feed(stream[cut:]) == 1
    assert counter.error == b"ERR no such thing, really"


def test_counter_collects_a_bulk_error_and_cuts_a_long_one():
    counter = ReplyCounter()
    assert counter.feed(b"!21\r\nSYNTAX invalid syn") == 0 and counter.feed(b"tax\r\n") == 0
    assert counter.error == b"SYNTAX invalid syntax"
    counter = ReplyCounter()
    counter.feed(b"-" + b"x" * 1000 + b"\r\n")
    assert counter.error == b"x" * 255


@pytest.mark.parametrize("stream, byte", [
    (b"+OK\r\nHTTP/1.1 400\r\n", b"H"), (b"$9999999999999999999\r\n", b"$"),
    (b"*18446744073709551615\r\n", b"*")])
def test_counter_notices_what_is_no_resp(stream, byte):
    counter = ReplyCounter()
    counter.feed(stream)
    assert counter.broken == byte


def test_options_default_to_those_of_valkey_benchmark():
    options = benchmark.parse([])
    assert (options.host, options.port, options.clients, options.requests) == ("127.0.0.1", 6379, 50, 100000)
    assert (options.size, options.pipeline, options.keepalive, options.precision) == (3, 1, True, 3)
    assert (options.keyspace, options.threads, options.tests, options.command) == (None, 0, None, [])


def test_every_option_is_understood():
    line = ("-h example -p 7000 -s /tmp/x -a secret --user me -c 7 -n 11 -d 99 --dbnum 3 -3 --threads 2"
            " --enable-tracking -k 0 -r 500 -P 8 -q --csv --precision 2 -l -t SET,get -I -x --seed 9"
            " --num-functions 4 --num-keys-in-fcall 2 LPUSH list -x")
    options = benchmark.parse(line.split())
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
    assert getattr(benchmark.parse(arguments.split()), name) == value


@pytest.mark.parametrize("arguments", ["-c", "-n x", "--nothing", "-p", "-r -", "-u"])
def test_bad_options_are_named(arguments, capsys):
    assert benchmark.main(arguments.split()) == 1
    first, _, usage = capsys.readouterr().out.partition("\n\n")
    assert first == f'Invalid option "{arguments.split()[0]}" or option argument missing'
    assert usage.startswith("Usage: kv-benchmark [OPTIONS] [COMMAND ARGS...]\n")


@pytest.mark.parametrize("arguments, words", [
    ("-p 65536", "Invalid server port."), ("-u http://x", "Invalid URI scheme"),
    ("--cluster", "--cluster is not supported"),
    ("--tls", "--tls is not supported"), ("-u rediss://x", "rediss:// is not supported")])
def test_what_cannot_be_done_is_refused_in_one_line(arguments, words, capsys):
    assert benchmark.main(arguments.split()) == 1
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.startswith(words) and captured.err.count("\n") == 1


@pytest.mark.parametrize("uri, host, port, user, password, dbnum", [
    ("redis://", "127.0.0.1", 6379, None, None, 0),
    ("valkey://h:1/5", "h", 1, None, None, 5),
    ("REDIS://:p%40ss@redis-master:6379/0", "redis-master", 6379, None, "p@ss", 0),
    ("redis://u:p@[::1]:7/2", "::1", 7, "u", "p", 2),
    ("redis://p@h", "h", 6379, None, "p", 0)])
def test_uri(uri, host, port, user, password, dbnum):
    options = benchmark.parse(["-u", uri])
    found = (options.host, options.port, options.user, options.password, options.dbnum)
    assert found == (host, port, user, password, dbnum)


def test_help_and_version(capsys):
    assert benchmark.main(["--help"]) == 0
    usage = capsys.readouterr().out
    for name in [*benchmark.SWITCHES, *benchmark.SETTERS]:
        assert f" {name} " in usage
    assert benchmark.main(["--version"]) == 0
    assert capsys.readouterr().out == f"kv-benchmark {benchmark.kv.__version__}\n"


def test_greeting_comes_in_the_order_of_valkey_benchmark():
    options = benchmark.parse(["-a", "p", "--user", "u", "--enable-tracking", "--dbnum", "3", "-3"])
    lines = [b" ".join(request.split(b"\r\n")[2::2]) for request in benchmark.greeting(options)]
    assert lines == [b"AUTH u p", b"CLIENT TRACKING on", b"SELECT 3", b"HELLO 3"]


def selected(names):
    options = benchmark.parse(["-t", names] if names else [])
    return [test.title for test in benchmark.suite(options, b"xxx")
            if options.tests is None or options.tests & set(test.names.split())]


def test_suite_titles():
    assert selected("") == [
        "PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "LPUSH", "RPUSH", "LPOP", "RPOP", "SADD", "HSET",
        "SPOP", "ZADD", "ZPOPMIN", "LPUSH (needed to benchmark LRANGE)", "LRANGE_100 (first 100 elements)",
        "LRANGE_300 (first 300 elements)", "LRANGE_500 (first 500 elements)",
        "LRANGE_600 (first 600 elements)",
        "MSET (10 keys)", "XADD", "FUNCTION LOAD", "FCALL"]
    assert selected("ping") == ["PING_INLINE", "PING_MBULK"]
    assert selected("LRANGE_300,get") == ["GET", "LPUSH (needed to benchmark LRANGE)",
                                          "LRANGE_300 (first 300 elements)"]


def test_suite_requests():
    tests = {test.title: test.request for test in benchmark.suite(benchmark.parse([]), b"xxx")}
    assert tests["PING_INLINE"] == b"PING\r\n"
    assert tests["SET"] == b"*3\r\n$3\r\nSET\r\n$16\r\nkey:__rand_int__\r\n$3\r\nxxx\r\n"
    assert tests["ZADD"].count(b"__rand_int__") == 1 and b"$1\r\n0\r\n" in tests["ZADD"]
    assert tests["MSET (10 keys)"].count(b"key:__rand_int__") == 10
    assert tests["FUNCTION LOAD"].count(b"register_function") == 10
    keyed = {test.title: test.request for test in benchmark.suite(benchmark.parse(["-r", "9"]), b"xxx")}
    assert keyed["ZADD"].count(b"__rand_int__") == 2


def test_values_are_the_same_in_every_run():
    data = benchmark.Data()
    assert data.take(8) == b"VXKeHogK"
    assert data.take(8) != b"VXKeHogK"
    assert len(benchmark.Data().take(1000)) == 1000


# Latencies of ten requests, and what valkey-benchmark 8.1.7 printed about them.
TEN = [3040, 3075, 3075, 3079, 3072, 3096, 3100, 3105, 3120, 3127]
TEN_PERCENTILES = """\
0.000% <= 3.047 milliseconds (cumulative count 1)
50.000% <= 3.079 milliseconds (cumulative count 5)
75.000% <= 3.111 milliseconds (cumulative count 8)
87.500% <= 3.127 milliseconds (cumulative count 10)
100.000% <= 3.127 milliseconds (cumulative count 10)
"""
TEN_CUMULATIVE = """\
0.000% <= 0.103 milliseconds (cumulative count 0)
70.000% <= 3.103 milliseconds (cumulative count 7)
100.000% <= 4.103 milliseconds (cumulative count 10)
"""


def test_distributions_are_those_of_valkey_benchmark():
    histogram = Histogram(3)
    for value in TEN:
        histogram.record(value)
    assert "".join(benchmark.percentile_lines(histogram)) == TEN_PERCENTILES
    assert "".join(benchmark.cumulative_lines(histogram)) == TEN_CUMULATIVE


@given(LATENCIES)
def test_distributions_end_with_everything(values):
    histogram = Histogram(3)
    for value in values:
        histogram.record(min(value, 5_000_000))
    for lines in (benchmark.percentile_lines(histogram), benchmark.cumulative_lines(histogram)):
        lines = list(lines)
        assert lines[-1].startswith("100.000% <= ")
        assert lines[-1].endswith(f"(cumulative count {len(values)})\n")
        counts = [int(line.split()[-1].rstrip(")")) for line in lines]
        assert counts == sorted(counts)


def test_load_refuses_a_path_that_no_socket_can_have():
    with pytest.raises(OSError, match="too long"):
        Load(b"", target=b"/" + b"x" * 200)
