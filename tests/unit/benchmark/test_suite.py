"""The default tests: their names, titles and requests."""
from kv.benchmark.options import parse
from kv.benchmark.suite import Data, suite


def selected(names):
    options = parse(["-t", names] if names else [])
    return [test.title for test in suite(options, b"xxx")
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
    tests = {test.title: test.request for test in suite(parse([]), b"xxx")}
    assert tests["PING_INLINE"] == b"PING\r\n"
    assert tests["SET"] == b"*3\r\n$3\r\nSET\r\n$16\r\nkey:__rand_int__\r\n$3\r\nxxx\r\n"
    assert tests["ZADD"].count(b"__rand_int__") == 1 and b"$1\r\n0\r\n" in tests["ZADD"]
    assert tests["MSET (10 keys)"].count(b"key:__rand_int__") == 10
    assert tests["FUNCTION LOAD"].count(b"register_function") == 10
    keyed = {test.title: test.request for test in suite(parse(["-r", "9"]), b"xxx")}
    assert keyed["ZADD"].count(b"__rand_int__") == 2


def test_values_are_the_same_in_every_run():
    data = Data()
    assert data.take(8) == b"VXKeHogK"
    assert data.take(8) != b"VXKeHogK"
    assert len(Data().take(1000)) == 1000
