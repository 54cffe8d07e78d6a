"""Commands on hashes, per encoding and RESP version."""
from __future__ import annotations

from collections import Counter

import pytest

from kv._core.engine import debug
from tests.commands.client import Failure, Map

WRONG_TYPE = Failure("WRONGTYPE Operation against a key holding the wrong kind of value")
NOT_INTEGER = Failure("ERR value is not an integer or out of range")
COMMANDS = [["HSET", "s", "f", "v"], ["HSETNX", "s", "f", "v"], ["HMSET", "s", "f", "v"], ["HGET", "s", "f"],
            ["HMGET", "s", "f"], ["HGETALL", "s"], ["HKEYS", "s"], ["HVALS", "s"], ["HLEN", "s"], ["HSTRLEN", "s", "f"],
            ["HEXISTS", "s", "f"], ["HDEL", "s", "f"], ["HINCRBY", "s", "f", 1], ["HINCRBYFLOAT", "s", "f", 1],
            ["HRANDFIELD", "s"], ["HRANDFIELD", "s", 1], ["HSCAN", "s", 0]]
LARGE = b"n" * 65


@pytest.fixture(params=["listpack", "hashtable"])
def encoding(request, kv):
    """The encoding that fill() makes."""
    yield request.param
    kv.engine.configure(hash_max_listpack_entries=512, hash_max_listpack_value=64)


def fill(kv, encoding, pairs):
    """A hash h of these pairs; a table is made by one long name, which goes again."""
    if encoding == "hashtable":
        kv("HSET", "h", LARGE, "")
    for name, value in pairs.items():
        kv("HSET", "h", name, value)
    kv("HDEL", "h", LARGE)
    kv.effects()
    assert kv("OBJECT", "ENCODING", "h") == encoding.encode()


def everything(kv, key="h"):
    reply = kv("HGETALL", key)
    return dict(reply) if isinstance(reply, Map) else dict(zip(reply[::2], reply[1::2], strict=True))


# -- set and get ----------------------------------------------------------------------------------------------------

def test_set_and_get(kv, encoding):
    fill(kv, encoding, {"a": 1})
    assert kv("HSET", "h", "a", 2, "b", 3, "b", 4) == 1
    assert kv("HMSET", "h", "c", "", "", "x") == "OK"
    assert kv("HGET", "h", "a") == b"2"
    assert kv("HMGET", "h", "b", "no", "", "c") == [b"4", None, b"x", b""]
    assert everything(kv) == {b"a": b"2", b"b": b"4", b"c": b"", b"": b"x"}
    assert sorted(kv("HKEYS", "h")) == [b"", b"a", b"b", b"c"]
    assert sorted(kv("HVALS", "h")) == [b"", b"2", b"4", b"x"]
    assert [kv("HLEN", "h"), kv("HSTRLEN", "h", ""), kv("HSTRLEN", "h", "no")] == [4, 1, 0]
    assert [kv("HEXISTS", "h", ""), kv("HEXISTS", "h", "no")] == [1, 0]
    assert [kv("HSETNX", "h", "a", 9), kv("HSETNX", "h", "d", 9), kv("HGET", "h", "a")] == [0, 1, b"2"]


def test_a_missing_key_is_an_empty_hash(kv):
    assert kv("HGET", "h", "f") is None
    assert kv("HMGET", "h", "f", "g") == [None, None]
    assert [everything(kv), kv("HKEYS", "h"), kv("HVALS", "h"), kv("HRANDFIELD", "h", 5)] == [{}, [], [], []]
    assert [kv("HLEN", "h"), kv("HSTRLEN", "h", "f"), kv("HEXISTS", "h", "f"), kv("HDEL", "h", "f")] == [0] * 4
    assert kv("HRANDFIELD", "h") is None
    assert kv("HSCAN", "h", 0, "no such option") == [b"0", []]
    assert kv("EXISTS", "h") == 0


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_other_types_are_refused(kv, words):
    kv("SET", "s", "1")
    assert kv(*words) == WRONG_TYPE


@pytest.mark.parametrize("name", ["HSET", "HMSET"])
def test_a_name_without_a_value(kv, name):
    error = Failure(f"ERR wrong number of arguments for '{name.lower()}' command")
    assert [kv(name, "h", "a"), kv(name, "h", "a", 1, "b")] == [error, error]
    assert kv("EXISTS", "h") == 0


def use_lengths(kv, name, value):
    """Values of all kinds of lengths, one after another, in one field; nothing is left."""
    fill(kv, "hashtable", {name: value, "x": "y"})
    for text in (value, b"", b"w" * 254, b"w" * 255, b"w" * 5000, b"w" * 256, b"1", value):
        assert kv("HSET", "h", name, text) == 0
        assert kv("HGET", "h", name) == text
        assert kv("HSTRLEN", "h", name) == len(text)
    assert everything(kv) == {name: value, b"x": b"y"}
    assert kv("COPY", "h", "i") == 1
    assert everything(kv, "i") == everything(kv)
    assert kv("HDEL", "h", name, "x") == 2
    kv("DEL", "i")
    kv.effects()


@pytest.mark.parametrize("sizes", [(0, 254), (254, 255), (255, 3), (256, 254), (300, 70_000), (70_000, 0)])
def test_lengths_on_either_side_of_the_header_s(kv, sizes):
    use_lengths(kv, b"n" * sizes[0], b"v" * sizes[1])
    before = kv.used_memory()
    use_lengths(kv, b"n" * sizes[0], b"v" * sizes[1])
    assert kv.used_memory() == before


def test_memory_usage_counts_blocks(kv):
    fill(kv, "hashtable", {f"f{n}": "v" * 1000 for n in range(100)})
    assert 100 * 1000 < kv("MEMORY", "USAGE", "h") < 100 * 1200
    assert 100 * 1000 < kv("MEMORY", "USAGE", "h", "SAMPLES", 0) < 100 * 1200
    fill(kv, "hashtable", {})
    kv("DEL", "h")
    fill(kv, "listpack", {"a": 1})
    assert kv("MEMORY", "USAGE", "h") < 100


# -- encodings ------------------------------------------------------------------------------------------------------

def test_becomes_large_by_the_number_of_fields(kv, encoding):
    kv.engine.configure(hash_max_listpack_entries=4)
    kv("HSET", "h", *(word for n in range(4) for word in (n, n)))
    kv("HSET", "h", 0, "again")
    assert kv("OBJECT", "ENCODING", "h") == b"listpack"
    kv("HINCRBY", "h", "new", 1) if encoding == "listpack" else kv("HSET", "h", "new", 1)
    assert kv("OBJECT", "ENCODING", "h") == b"hashtable"
    assert everything(kv) == {b"0": b"again", b"1": b"1", b"2": b"2", b"3": b"3", b"new": b"1"}
    kv("HDEL", "h", "new", 0)
    assert kv("OBJECT", "ENCODING", "h") == b"hashtable"


@pytest.mark.parametrize("words", [
    ["HSET", "h", "x" * 65, 1], ["HSET", "h", "a", "x" * 65], ["HSETNX", "h", "n", "x" * 65], ["HMSET", "h", "a", "x" * 65],
    ["HINCRBY", "h", "x" * 65, 1], ["HINCRBYFLOAT", "h", "x" * 65, 1]])
def test_becomes_large_by_a_long_word(kv, words):
    fill(kv, "listpack", {"a": 1, "b": "x" * 64, "y" * 64: 2})
    kv(*words)
    assert kv("OBJECT", "ENCODING", "h") == b"hashtable"
    assert kv("HGET", "h", "y" * 64) == b"2"


def test_expected_to_be_large(kv):
    kv.engine.configure(hash_max_listpack_entries=4)
    kv("HSET", "h", *["same", 1] * 5)
    kv.engine.configure(hash_max_listpack_entries=512)
    assert [kv("OBJECT", "ENCODING", "h"), kv("HLEN", "h")] == [b"hashtable", 1]


def test_options_by_either_name(server, client):
    for prefix in ("listpack", "ziplist"):
        client("CONFIG", "SET", f"hash-max-{prefix}-entries", 2, f"hash-max-{prefix}-value", 3)
        client("DEL", "h")
        client("HSET", "h", "a", 1, "b", 2)
        assert client("OBJECT", "ENCODING", "h") == b"listpack"
        client("HSET", "h", "a", "long")
        assert client("OBJECT", "ENCODING", "h") == b"hashtable"
    client("CONFIG", "SET", "hash-max-listpack-entries", 512, "hash-max-listpack-value", 64)


# -- delete ---------------------------------------------------------------------------------------------------------

def test_delete(kv, encoding):
    fill(kv, encoding, {"a": 1, "b": 2, "c": 3})
    assert [kv("HDEL", "h", "no"), kv("HDEL", "h", "a", "a", "no", "b")] == [0, 2]
    assert kv.effects() == [["HDEL", "h", "a", "a", "no", "b"]]
    assert [kv("HDEL", "h", "c", "d"), kv("EXISTS", "h")] == [1, 0]


def test_a_table_shrinks(kv):
    fill(kv, "hashtable", {f"f{n}": n for n in range(3000)})
    full = kv("MEMORY", "USAGE", "h", "SAMPLES", 0)
    kv("HDEL", "h", *(f"f{n}" for n in range(2990)))
    assert kv("MEMORY", "USAGE", "h", "SAMPLES", 0) < full / 20
    assert everything(kv) == {b"f%d" % n: b"%d" % n for n in range(2990, 3000)}


# -- numbers --------------------------------------------------------------------------------------------------------

def test_increment(kv, encoding):
    fill(kv, encoding, {"n": 5, "text": "x", "space": " 1", "float": "1.5", "most": 2**63 - 1, "least": -2**63})
    assert [kv("HINCRBY", "h", "n", -7), kv("HINCRBY", "h", "new", 3), kv("HGET", "h", "n")] == [-2, 3, b"-2"]
    for name in ("text", "space", "float"):
        assert kv("HINCRBY", "h", name, 1) == Failure("ERR hash value is not an integer")
    assert kv("HINCRBY", "h", "most", 1) == kv("HINCRBY", "h", "least", -1) == Failure(
        "ERR increment or decrement would overflow")
    assert kv("HINCRBY", "h", "n", "x") == NOT_INTEGER
    assert kv("HINCRBY", "h", "most", -1) == 2**63 - 2


def test_increment_by_float(kv, encoding):
    fill(kv, encoding, {"n": 5, "text": "x", "large": "1e308", "null": "1\0"})
    assert [kv("HINCRBYFLOAT", "h", "n", "0.1"), kv("HINCRBYFLOAT", "h", "new", "3.0e3")] == [b"5.1", b"3000"]
    assert kv.effects() == [["HSET", "h", "n", "5.1"], ["HSET", "h", "new", "3000"]]
    assert kv("HINCRBYFLOAT", "h", "text", 1) == kv("HINCRBYFLOAT", "h", "null", 1) == Failure("ERR hash value is not a float")
    assert kv("HINCRBYFLOAT", "h", "n", "x") == Failure("ERR value is not a valid float")
    for text in ("inf", "-inf", "+inf"):
        assert kv("HINCRBYFLOAT", "h", "n", text) == Failure("ERR value is NaN or Infinity")
    assert kv.effects() == []


def test_effects_and_dirty(kv):
    before = kv.engine.dirty
    kv("HSET", "h", "a", 1, "b", 2)
    kv("HSETNX", "h", "a", 2)
    kv("HINCRBY", "h", "a", 1)
    kv("HDEL", "h", "no")
    assert kv.engine.dirty - before == 3
    assert kv.effects() == [["HSET", "h", "a", "1", "b", "2"], ["HINCRBY", "h", "a", "1"]]


# -- drawing --------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("count", [1, 2, 30, 90, 99])
def test_different_fields_are_drawn_fairly(kv, encoding, count):
    fill(kv, encoding, {f"f{n}": n for n in range(100)})
    drawn, rounds = Counter(), 20_000 // count + 200
    for _ in range(rounds):
        part = kv("HRANDFIELD", "h", count)
        assert len(set(part)) == count
        drawn.update(part)
    expected = rounds * count / 100
    spread = (expected * (1 - count / 100)) ** 0.5
    assert len(drawn) == 100
    assert max(abs(times - expected) for times in drawn.values()) < 5 * spread + 1


@pytest.mark.parametrize("words", [["HRANDFIELD", "h"], ["HRANDFIELD", "h", -1], ["HRANDFIELD", "h", -2000]])
def test_fields_are_drawn_again_fairly(kv, encoding, words):
    fill(kv, encoding, {f"f{n}": n for n in range(20)})
    drawn, total = Counter(), 0
    while total < 6000:
        part = kv(*words)
        part = part if isinstance(part, list) else [part]
        drawn.update(part)
        total += len(part)
    assert len(drawn) == 20
    assert max(abs(times - total / 20) for times in drawn.values()) < 5 * (total / 20) ** 0.5


def test_with_values(kv, encoding):
    fill(kv, encoding, {f"f{n}": n for n in range(10)})
    for count in (0, 3, 9, 10, 50, -4, -30):
        reply = kv("HRANDFIELD", "h", count, "WITHVALUES")
        pairs = reply if kv.resp == 3 else [reply[i:i + 2] for i in range(0, len(reply), 2)]
        assert len(pairs) == (min(count, 10) if count >= 0 else -count)
        assert all(name == b"f" + value for name, value in pairs)


@pytest.mark.parametrize(("words", "text"), [
    (["x"], NOT_INTEGER), ([1, "no"], "ERR syntax error"), ([1, "WITHVALUES", "x"], "ERR syntax error"),
    ([2**63 - 1, "WITHVALUES"], "ERR value is out of range"), ([-2**62 - 1, "WITHVALUES"], "ERR value is out of range"),
    ([-2**63], "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807")])
def test_mistakes_of_drawing(kv, words, text):
    fill(kv, "listpack", {"a": 1})
    assert kv("HRANDFIELD", "h", *words) == Failure(text)


# -- HSCAN ----------------------------------------------------------------------------------------------------------

def scan(kv, *options):
    cursor, found, sizes = b"0", [], []
    while True:
        cursor, part = kv("HSCAN", "h", cursor, *options)
        found += part
        sizes.append(len(part))
        if cursor == b"0":
            return found, sizes


@pytest.mark.parametrize("count", [1, 10, 1000])
def test_scan(kv, encoding, count):
    wanted = {b"f%d" % n: b"%d" % n for n in range(400)}
    fill(kv, encoding, wanted)
    found, sizes = scan(kv, "COUNT", count)
    assert dict(zip(found[::2], found[1::2], strict=True)) == wanted and len(found) == 800
    assert len(sizes) == 1 if encoding == "listpack" else max(sizes) <= 2 * (count + 30)
    assert sorted(scan(kv, "NOVALUES", "COUNT", count)[0]) == sorted(wanted)
    assert sorted(scan(kv, "match", "f39?", "count", count)[0]) == sorted(
        word for n in range(390, 400) for word in (b"f%d" % n, b"%d" % n))
    assert sorted(scan(kv, "MATCH", "f?", "NOVALUES")[0]) == [b"f%d" % n for n in range(10)]


@pytest.mark.parametrize(("options", "text"), [
    (["x"], "ERR invalid cursor"), ([0, "no"], "ERR syntax error"), ([0, "COUNT", 0], "ERR syntax error"),
    ([0, "TYPE", "hash"], "ERR syntax error"), ([0, "NOSCORES"], "ERR NOSCORES option can only be used in ZSCAN")])
def test_mistakes_of_scanning(kv, options, text):
    fill(kv, "listpack", {"a": 1})
    assert kv("HSCAN", "h", *options) == Failure(text)


def test_a_scan_across_growth_misses_nothing(kv):
    stay = {b"stay:%d" % n: b"" for n in range(300)}
    fill(kv, "hashtable", stay)
    cursor, seen, step = b"0", set(), 0
    while True:
        cursor, part = kv("HSCAN", "h", cursor, "COUNT", 3, "NOVALUES")
        seen.update(part)
        kv("HSET", "h", *(word for n in range(20) for word in (f"more:{step}:{n}", "")))
        if step > 40:
            kv("HDEL", "h", *(f"more:{2 * (step - 40) + k}:{n}" for k in (0, 1) for n in range(20)))
        step += 1
        if cursor == b"0":
            break
    assert seen.issuperset(stay)


# -- beside other commands ------------------------------------------------------------------------------------------

def test_in_a_transaction(kv, encoding):
    fill(kv, encoding, {"a": 1})
    kv("MULTI")
    for words in (["HSET", "h", "b", 2], ["HINCRBY", "h", "a", 1], ["HGET", "h", "a"], ["HINCRBYFLOAT", "h", "a", "0.5"]):
        assert kv(*words) == "QUEUED"
    assert kv("EXEC") == [1, 2, b"2", b"2.5"]
    effects = [[name.upper(), *rest] for name, *rest in kv.effects()]
    assert effects == [["MULTI"], ["HSET", "h", "b", "2"], ["HINCRBY", "h", "a", "1"], ["HSET", "h", "a", "2.5"], ["EXEC"]]


def test_a_digest_survives_a_copy(kv, encoding):
    fill(kv, encoding, {f"f{n}": n for n in range(100)})
    kv("COPY", "h", "i")
    assert debug.digest_value(kv.engine, 0, b"h") == debug.digest_value(kv.engine, 0, b"i")
    kv("HSET", "i", "f5", "other")
    assert debug.digest_value(kv.engine, 0, b"h") != debug.digest_value(kv.engine, 0, b"i")


def test_overwriting_obeys_a_lowered_limit(client):
    client("HSET", "h", "a", 1, "b", 2, "c", 3)
    client("CONFIG", "SET", "hash-max-listpack-entries", 2)
    client("HSET", "h", "a", 4)
    assert client("OBJECT", "ENCODING", "h") == b"hashtable"
    client("CONFIG", "SET", "hash-max-listpack-entries", 512)
