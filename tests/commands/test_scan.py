"""KEYS and SCAN."""
import time

import pytest

from tests.commands.client import Failure

ENGLISH = {f"key:{number}".encode() for number in range(1000)}


def fill(kv, keys, value="v"):
    for key in keys:
        kv("SET", key, value)
    kv.effects()


def scan_all(kv, *options):
    """All keys that a scan returns, as often as it does; every call's number of keys beside."""
    cursor, keys, sizes = b"0", [], []
    while True:
        cursor, part = kv("SCAN", cursor, *options)
        keys += part
        sizes.append(len(part))
        if cursor == b"0":
            return keys, sizes


def test_returns_every_key_once_while_nothing_changes(kv):
    fill(kv, ENGLISH)
    keys, sizes = scan_all(kv)
    assert sorted(keys) == sorted(ENGLISH)
    assert len(sizes) > 20
    assert kv.effects() == []


def test_of_an_empty_database(kv):
    assert kv("SCAN", 0) == [b"0", []]
    assert kv("KEYS", "*") == []


@pytest.mark.parametrize("count", [1, 5, 10, 100, 999, 1000, 5000, 2**62, 2**63 - 1])
def test_count_bounds_the_work_of_a_call(kv, count):
    fill(kv, ENGLISH)
    keys, sizes = scan_all(kv, "COUNT", count)
    assert sorted(keys) == sorted(ENGLISH)
    assert max(sizes) <= count + 30             # the bucket that reaches COUNT is finished
    assert all(size >= min(count, 1000) for size in sizes[:-1])


def test_count_bounds_what_is_visited_and_not_what_is_returned(kv):
    fill(kv, ENGLISH)
    keys, sizes = scan_all(kv, "MATCH", "key:99?", "COUNT", 50)
    assert sorted(keys) == [b"key:99%d" % digit for digit in range(10)]
    assert len(sizes) >= 12


def test_empty_buckets_count_too(kv):
    """Of a table that is mostly empty one call visits ten times COUNT buckets, and one more."""
    fill(kv, [f"k{number}" for number in range(5000)])
    for number in range(5000):
        kv("DEL", f"k{number}")
    fill(kv, ["left"])
    keys, sizes = scan_all(kv, "COUNT", 1)
    assert keys == [b"left"]
    assert 30 < len(sizes) < 200
    assert len(scan_all(kv, "COUNT", 100)[1]) < 4


@pytest.mark.parametrize(("pattern", "wanted"), [
    ("key:1??", 100), ("*", 1000), ("key:*", 1000), ("nothing*", 0), ("key:[0-9]", 10), ("key:[^0-8]", 1),
    ("key:\\1", 1), ("**", 1000), ("", 0), ("KEY:1", 0)])
def test_match(kv, pattern, wanted):
    fill(kv, ENGLISH)
    keys, _ = scan_all(kv, "MATCH", pattern)
    assert len(keys) == wanted
    assert sorted(kv("KEYS", pattern)) == sorted(keys)


def test_the_empty_key(kv):
    fill(kv, ["", "a"])
    assert sorted(kv("KEYS", "*")) == [b"", b"a"]
    assert kv("KEYS", "**") == [b"a"]
    assert kv("KEYS", "") == [b""]
    assert sorted(scan_all(kv, "MATCH", "*")[0]) == [b"", b"a"]


def test_keys_of_any_bytes(kv):
    names = [bytes([byte]) for byte in range(256)] + [b"\0" * 300, bytes(range(256)) * 3]
    fill(kv, names)
    assert sorted(kv("KEYS", "*")) == sorted(names)
    assert sorted(scan_all(kv)[0]) == sorted(names)


def test_type(kv):
    fill(kv, ENGLISH)
    assert sorted(scan_all(kv, "TYPE", "string")[0]) == sorted(ENGLISH)
    assert sorted(scan_all(kv, "type", "STRING", "match", "key:??", "count", 3)[0]) == sorted(
        key for key in ENGLISH if len(key) == 6)
    for other in ("list", "set", "zset", "hash", "stream"):
        assert scan_all(kv, "TYPE", other)[0] == []


@pytest.mark.parametrize("options", [[], ["MATCH", "gone:*"], ["TYPE", "string"]])
def test_expired_keys_that_are_met_are_deleted(kv, options):
    fill(kv, [f"gone:{number}" for number in range(50)] + [f"key:{number}" for number in range(50)])
    for number in range(50):
        kv("PEXPIRE", f"gone:{number}", 1)
    kv.effects()
    time.sleep(0.005)
    assert sorted(kv("KEYS", "*")) == sorted(b"key:%d" % number for number in range(50))
    assert kv("DBSIZE") == 100
    keys, _ = scan_all(kv, *options)
    assert len(keys) == (0 if "MATCH" in options else 50)
    assert kv("DBSIZE") == 50
    assert sorted(kv.effects()) == sorted(["DEL", f"gone:{number}"] for number in range(50))


@pytest.mark.parametrize("options", [["MATCH", "key:*"], ["TYPE", "list"]])
def test_expired_keys_that_do_not_match_stay(kv, options):
    fill(kv, ["gone:1", "key:1"])
    kv("PEXPIRE", "gone:1", 1)
    kv.effects()
    time.sleep(0.005)
    scan_all(kv, *options)
    assert kv("DBSIZE") == 2
    assert kv.effects() == []


def test_expired_keys_are_hidden_in_a_pause(kv):
    fill(kv, ["gone:1", "key:1"])
    kv("PEXPIRE", "gone:1", 1)
    time.sleep(0.005)
    kv.engine.pause(True, int(time.time() * 1000) + 60000)
    try:
        assert kv("SCAN", 0) == [b"0", [b"key:1"]]
        assert kv("DBSIZE") == 2
    finally:
        kv.engine.unpause()


def test_a_scan_across_growth_and_shrinking_misses_nothing(kv):
    stay = [f"stay:{number}".encode() for number in range(500)]
    fill(kv, stay)
    cursor, seen, step = b"0", set(), 0
    while True:
        cursor, part = kv("SCAN", cursor, "COUNT", 3)
        seen.update(part)
        for number in range(step * 20, step * 20 + 20):
            kv("SET", f"more:{number}", "v")
        if step >= 50:
            for number in range((step - 50) * 40, (step - 50) * 40 + 40):
                kv("DEL", f"more:{number}")
        step += 1
        if cursor == b"0":
            break
    assert seen.issuperset(stay)


@pytest.mark.parametrize("cursor", ["0", "00", "+0", " 0", "-0", "\t0", "0\0x"])
def test_spellings_of_a_cursor(kv, cursor):
    fill(kv, ["a"])
    assert kv("SCAN", cursor) == [b"0", [b"a"]]


@pytest.mark.parametrize("cursor", ["281474976710656", "18446744073709551615", "9223372036854775808",
                                    "12345678901234"])
def test_any_number_is_a_cursor(kv, cursor):
    fill(kv, ["a"])
    following, keys = kv("SCAN", cursor)
    assert following.isdigit() and keys in ([], [b"a"])


@pytest.mark.parametrize(("words", "text"), [
    (["x"], "ERR invalid cursor"), ([""], "ERR invalid cursor"), (["-1"], "ERR invalid cursor"),
    (["1x"], "ERR invalid cursor"), ([" "], "ERR invalid cursor"), (["18446744073709551616"],
                                                                    "ERR invalid cursor"),
    (["x", "WHAT"], "ERR invalid cursor"), (["1.0"], "ERR invalid cursor"),
    (["0", "WHAT"], "ERR syntax error"), (["0", "COUNT"], "ERR syntax error"), (["0", "MATCH"],
                                                                                "ERR syntax error"),
    (["0", "TYPE"], "ERR syntax error"), (["0", "COUNT", "0"], "ERR syntax error"),
    (["0", "COUNT", "-5"], "ERR syntax error"),
    (["0", "COUNT", "x"], "ERR value is not an integer or out of range"),
    (["0", "TYPE", "string1"], "ERR unknown type name 'string1'"),
    (["0", "TYPE", ""], "ERR unknown type name ''"),
    (["0", "NOVALUES"], "ERR NOVALUES option can only be used in HSCAN"),
    (["0", "NOSCORES"], "ERR NOSCORES option can only be used in ZSCAN"),
    (["0", "COUNT", "1", "MATCH", "*", "x"], "ERR syntax error"),
    ([], "ERR wrong number of arguments for 'scan' command"),
])
def test_mistakes(kv, words, text):
    assert kv("SCAN", *words) == Failure(text)
