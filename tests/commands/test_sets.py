"""Commands on sets, per encoding and RESP version."""
from __future__ import annotations

from collections import Counter

import pytest

from kv._core.engine import debug
from tests.commands.client import Failure
from tests.sanitizer import SANITIZED

WRONG_TYPE = Failure("WRONGTYPE Operation against a key holding the wrong kind of value")
SYNTAX = Failure("ERR syntax error")
RANGE = "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807"
COMMANDS = [["SADD", "s", 1], ["SREM", "s", 1], ["SISMEMBER", "s", 1], ["SMISMEMBER", "s", 1], ["SCARD", "s"],
            ["SMEMBERS", "s"], ["SPOP", "s"], ["SPOP", "s", 0], ["SRANDMEMBER", "s"], ["SRANDMEMBER", "s", 0],
            ["SMOVE", "s", "t", 1], ["SINTER", "no", "s"], ["SUNION", "no", "s"], ["SDIFF", "no", "s"],
            ["SINTERSTORE", "d", "no", "s"], ["SUNIONSTORE", "d", "s"], ["SDIFFSTORE", "d", "s"],
            ["SINTERCARD", 2, "no", "s"], ["SSCAN", "s", 0]]
ENCODINGS = ["intset", "listpack", "hashtable"]


@pytest.fixture(params=ENCODINGS)
def encoding(request, kv):
    """The encoding that fill() makes."""
    yield request.param
    limits(kv)


def limits(kv, intset=512, listpack=128, value=64):
    kv.engine.configure(set_max_intset_entries=intset, set_max_listpack_entries=listpack, set_max_listpack_value=value)


def fill(kv, encoding, members, key="s"):
    """A set of these integers; another member, which goes again, makes it a listpack or a table."""
    limits(kv, 10_000, 10_000)
    extra = {"intset": [], "listpack": ["x"], "hashtable": ["x" * 65]}[encoding]
    kv("SADD", key, *members)
    for member in extra:
        kv("SADD", key, member)
        kv("SREM", key, member)
    kv.effects()
    assert kv("OBJECT", "ENCODING", key) == encoding.encode()


def members(kv, key="s"):
    found = kv("SMEMBERS", key)
    assert len(found) == len(set(found)) == kv("SCARD", key)
    return sorted(int(member) if member.lstrip(b"-").isdigit() else member for member in found)


# -- add, ask, remove -----------------------------------------------------------------------------------------------

def test_add_ask_remove(kv, encoding):
    fill(kv, encoding, [1, -2, 2**40])
    assert [kv("SADD", "s", 1), kv("SADD", "s", 1, 5, 5, 6)] == [0, 2]
    assert members(kv) == [-2, 1, 5, 6, 2**40]
    assert [kv("SISMEMBER", "s", 5), kv("SISMEMBER", "s", "05"), kv("SISMEMBER", "s", "x")] == [1, 0, 0]
    assert kv("SMISMEMBER", "s", 5, "no", -2, 5) == [1, 0, 1, 1]
    assert [kv("SREM", "s", "no", "05"), kv("SREM", "s", 5, 5, -2, "no")] == [0, 2]
    assert members(kv) == [1, 6, 2**40]
    assert kv("OBJECT", "ENCODING", "s") == encoding.encode()
    assert [kv("SREM", "s", 1, 6, 2**40, 7), kv("EXISTS", "s")] == [3, 0]


def test_a_missing_key_is_an_empty_set(kv):
    assert [kv("SISMEMBER", "s", 1), kv("SCARD", "s"), kv("SREM", "s", 1), kv("SMOVE", "s", "t", 1)] == [0] * 4
    assert [kv("SMISMEMBER", "s", 1, 2), kv("SMEMBERS", "s"), kv("SPOP", "s", 3), kv("SRANDMEMBER", "s", 3)] == [[0, 0], [], [], []]
    assert [kv("SPOP", "s"), kv("SRANDMEMBER", "s")] == [None, None]
    assert kv("SSCAN", "s", 0, "no such option") == [b"0", []]
    assert kv.effects() == []


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_other_types_are_refused(kv, words):
    kv("SET", "s", "1")
    assert kv(*words) == WRONG_TYPE


@pytest.mark.parametrize(("command", "name"), [
    (["SMEMBERS", "s"], "set"), (["SUNION", "s"], "set"), (["SPOP", "s", 1], "set"), (["SRANDMEMBER", "s", 1], "array"),
    (["SINTER", "s", "s"], "set"), (["SDIFF", "s", "no"], "set"), (["SMEMBERS", "no"], "set"), (["SPOP", "no", 1], "set"),
    (["SDIFF", "no"], "set")])
def test_types_of_replies(kv, command, name):
    kv("SADD", "s", 1, 2)
    assert kv.raw(*command)[:1] == (b"~" if name == "set" and kv.resp == 3 else b"*")


@pytest.mark.parametrize("length", [0, 1, 254, 255, 256, 70_000])
def test_lengths_on_either_side_of_the_header_s(kv, length):
    fill(kv, "hashtable", [1])
    text = b"m" * length
    assert [kv("SADD", "s", text), kv("SADD", "s", text), kv("SISMEMBER", "s", text)] == [1, 0, 1]
    assert sorted(kv("SMEMBERS", "s")) == sorted([b"1", text])
    kv("COPY", "s", "t")
    assert [kv("SREM", "s", text), kv("SISMEMBER", "s", text), kv("SISMEMBER", "t", text)] == [1, 0, 1]


# -- encodings ------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("first", "then", "wanted"), [
    ([1, 2, 3], [], "intset"), ([1, 2, 3, 4], [5], "hashtable"), ([1, "a"], [], "listpack"), ([1], ["a"], "listpack"),
    ([1, 2], ["a"], "listpack"), ([1, 2, 3], ["a"], "hashtable"), (["a", "b", "c"], ["d"], "hashtable"),
    (["a"], ["long!"], "hashtable"), ([1], ["long!"], "hashtable"), ([12345], ["a"], "hashtable"),
    ([1, 1, 1, 1, 1], [], "hashtable"), ([1, 2, 3], [1, 1, 1, 1, 1], "hashtable"), (["a"], ["a"] * 4, "hashtable"),
    (["a", "b", "c"], [], "listpack"), ([1, "long!"], [], "hashtable"), (["1", "01"], [], "listpack")])
def test_conversions(kv, first, then, wanted):
    limits(kv, 4, 3, 4)
    kv("SADD", "s", *first)
    if then:
        kv("SADD", "s", *then)
    assert kv("OBJECT", "ENCODING", "s") == wanted.encode()
    assert sorted(kv("SMEMBERS", "s")) == sorted({str(member).encode() for member in first + then})
    limits(kv)


@pytest.mark.parametrize(("sets", "wanted"), [
    (([1, 2], [1, 2, "a"]), {"SINTERSTORE": "intset", "SUNIONSTORE": "listpack", "SDIFFSTORE": None}),
    ((["a", 1], ["a", 2]), {"SINTERSTORE": "listpack", "SUNIONSTORE": "listpack", "SDIFFSTORE": "intset"}),
    ((["a", 1, 2], ["b", 1, 2]), {"SINTERSTORE": "intset", "SUNIONSTORE": "hashtable", "SDIFFSTORE": "listpack"}),
    ((["long!", 1], ["long!"]), {"SINTERSTORE": "hashtable", "SUNIONSTORE": "hashtable", "SDIFFSTORE": "intset"})])
def test_encodings_of_results(kv, sets, wanted):
    limits(kv, 4, 3, 4)
    for key, content in zip("ab", sets, strict=True):
        kv("SADD", key, *content)
    for name, encoding in wanted.items():
        kv(name, "d", "a", "b")
        assert kv("EXISTS", "d") == (encoding is not None)
        assert encoding is None or kv("OBJECT", "ENCODING", "d") == encoding.encode()
    limits(kv)


def test_options(client):
    client("CONFIG", "SET", "set-max-intset-entries", 2, "set-max-listpack-entries", 1, "set-max-listpack-value", 3)
    for content, wanted in (([1, 2], b"intset"), ([1, 2, 3], b"hashtable"), (["a"], b"listpack"), (["a", "b"], b"hashtable"),
                            (["long"], b"hashtable")):
        client("DEL", "s")
        client("SADD", "s", *content)
        assert client("OBJECT", "ENCODING", "s") == wanted
    client("CONFIG", "SET", "set-max-intset-entries", 512, "set-max-listpack-entries", 128, "set-max-listpack-value", 64)


# -- SMOVE ----------------------------------------------------------------------------------------------------------

def test_move(kv, encoding):
    fill(kv, encoding, [1, 2, 3])
    kv("SADD", "t", 1)
    kv.effects()
    before = kv.engine.dirty
    assert [kv("SMOVE", "s", "t", 9), kv("SMOVE", "s", "t", 1), kv("SMOVE", "s", "t", 2), kv("SMOVE", "s", "s", 3)] == [0, 1, 1, 1]
    assert [kv("SMOVE", "s", "s", 9), members(kv), members(kv, "t")] == [0, [3], [1, 2]]
    assert kv.engine.dirty - before == 3
    assert kv.effects() == [["SMOVE", "s", "t", "1"], ["SMOVE", "s", "t", "2"]]
    assert [kv("SMOVE", "s", "new", 3), kv("EXISTS", "s"), members(kv, "new")] == [1, 0, [3]]
    kv("SET", "string", "x")
    assert [kv("SMOVE", "t", "string", 1), kv("SMOVE", "nothing", "string", 1)] == [WRONG_TYPE, 0]


# -- drawing --------------------------------------------------------------------------------------------------------

def spread(drawn, rounds, share):
    """How far the most extreme of the counts is from what a fair draw gives, in standard deviations."""
    expected = rounds * share
    return max(abs(times - expected) for times in drawn.values()) / (expected * (1 - share) + 1e-9) ** 0.5


@pytest.mark.parametrize("count", [1, 2, 30, 90, 99])
def test_different_members_are_drawn_fairly(kv, encoding, count):
    fill(kv, encoding, range(100))
    drawn, rounds = Counter(), 20_000 // count + 200
    for _ in range(rounds):
        part = kv("SRANDMEMBER", "s", count)
        assert len(set(part)) == count
        drawn.update(part)
    assert len(drawn) == 100
    assert spread(drawn, rounds, count / 100) < 5


@pytest.mark.parametrize("words", [["SRANDMEMBER", "s"], ["SRANDMEMBER", "s", -1], ["SRANDMEMBER", "s", -2000]])
def test_members_are_drawn_again_fairly(kv, encoding, words):
    fill(kv, encoding, range(20))
    drawn, total = Counter(), 0
    while total < 6000:
        part = kv(*words)
        part = part if isinstance(part, list) else [part]
        drawn.update(part)
        total += len(part)
    assert len(drawn) == 20
    assert spread(drawn, total, 1 / 20) < 5


@pytest.mark.parametrize("count", [1, 5, 15, 19])
def test_members_are_popped_fairly(kv, encoding, count):
    drawn = Counter()
    for _ in range(600):
        fill(kv, encoding, range(20))
        drawn.update(kv("SPOP", "s", count))
        kv("DEL", "s")
    assert len(drawn) == 20
    assert spread(drawn, 600, count / 20) < 5


def test_whole_sets_are_drawn(kv, encoding):
    fill(kv, encoding, range(10))
    for count in (10, 11, 2**63 - 1):
        assert sorted(map(int, kv("SRANDMEMBER", "s", count))) == list(range(10))
    assert [kv("SRANDMEMBER", "s", 0), kv.effects()] == [[], []]


@pytest.mark.parametrize(("words", "text"), [
    (["SPOP", "s", 1, 2], SYNTAX), (["SRANDMEMBER", "s", 1, 2], SYNTAX),
    (["SPOP", "s", -1], "ERR value is out of range, must be positive"),
    (["SPOP", "s", "x"], "ERR value is out of range, must be positive"),
    (["SRANDMEMBER", "s", "x"], "ERR value is not an integer or out of range"), (["SRANDMEMBER", "s", -2**63], RANGE)])
def test_mistakes_of_drawing(kv, words, text):
    fill(kv, "intset", [1])
    assert kv(*words) == Failure(text)


# -- SPOP's effects -------------------------------------------------------------------------------------------------

def test_a_pop_is_told_as_a_removal(kv, encoding):
    fill(kv, encoding, [1, 2, 3])
    one = kv("SPOP", "s").decode()
    assert kv.effects() == [["SREM", "s", one]]
    two = [member.decode() for member in kv("SPOP", "s", 1)]
    assert kv.effects() == [["SREM", "s", *two]]
    kv("SPOP", "s")
    assert [len(kv.effects()), kv("EXISTS", "s"), kv("SPOP", "s", 0), kv.effects()] == [1, 0, [], []]


@pytest.mark.parametrize(("lazy", "name"), [(False, "DEL"), (True, "UNLINK")])
def test_a_pop_of_all_is_told_as_a_deletion(kv, encoding, lazy, name):
    fill(kv, encoding, [1, 2, 3])
    kv.engine.configure(lazyfree_lazy_server_del=lazy)
    before = kv.engine.dirty
    assert sorted(kv("SPOP", "s", 3)) == [b"1", b"2", b"3"]
    kv.engine.configure(lazyfree_lazy_server_del=False)
    assert [kv.effects(), kv("EXISTS", "s"), kv.engine.dirty - before] == [[[name, "s"]], 0, 3]


def test_a_large_pop_is_told_in_parts(kv, encoding):
    fill(kv, encoding, range(3000))
    before = kv.engine.dirty
    popped = kv("SPOP", "s", 2500)
    effects = kv.effects()
    assert [effects[0], effects[-1]] == [["MULTI"], ["EXEC"]]
    assert [len(words) for words in effects[1:-1]] == [1026, 1026, 454]
    assert sorted(member for words in effects[1:-1] for member in words[2:]) == sorted(map(bytes.decode, popped))
    assert [kv("SCARD", "s"), kv.engine.dirty - before] == [500, 2500]
    assert not set(popped) & set(kv("SMEMBERS", "s"))


def test_a_table_of_which_little_is_left_is_small_again(kv):
    fill(kv, "hashtable", range(1000))
    kv("SPOP", "s", 500)
    assert kv("OBJECT", "ENCODING", "s") == b"hashtable"
    kv("SPOP", "s", 450)
    assert [kv("OBJECT", "ENCODING", "s"), kv("SCARD", "s")] == [b"listpack", 50]
    limits(kv)


# -- combining ------------------------------------------------------------------------------------------------------

A, B, C = set(range(60)), set(range(30, 90)), set(range(45, 50)) | {1000}
RESULTS = {"SINTER": A & B & C, "SUNION": A | B | C, "SDIFF": A - B - C}


@pytest.mark.parametrize("name", RESULTS)
@pytest.mark.parametrize("second", ENCODINGS)
def test_combinations(kv, encoding, second, name):
    for key, content, form in (("a", A, encoding), ("b", B, second), ("c", C, "intset")):
        fill(kv, form, content, key)
    assert sorted(map(int, kv(name, "a", "b", "c"))) == sorted(RESULTS[name])
    kv("SET", "d", "x", "EX", 1000)
    assert kv(f"{name}STORE", "d", "a", "b", "c") == len(RESULTS[name])
    assert [members(kv, "d"), kv("TTL", "d")] == [sorted(RESULTS[name]), -1]
    assert kv.effects()[-1] == [f"{name}STORE", "d", "a", "b", "c"]
    assert kv(f"{name}STORE", "a", "a", "b", "c") == len(RESULTS[name])
    assert members(kv, "a") == sorted(RESULTS[name])


def test_the_same_set_again(kv, encoding):
    fill(kv, encoding, range(10))
    assert len(kv("SINTER", "s", "s")) == len(kv("SUNION", "s", "s")) == 10
    assert [kv("SDIFF", "s", "no", "s"), kv("SINTERCARD", 2, "s", "s")] == [[], 10]
    assert [kv("SDIFFSTORE", "s", "s", "s"), kv("EXISTS", "s")] == [0, 0]


def test_a_small_set_less_many_large_ones(kv, encoding):
    """Large sets of which few members are in a first one, and the reverse: either way of subtracting."""
    fill(kv, encoding, range(200), "a")
    keys = [f"k{n}" for n in range(12)]
    for number, key in enumerate(keys):
        fill(kv, encoding, [number, 1000 + number], key)
    assert sorted(map(int, kv("SDIFF", "a", *keys))) == list(range(12, 200))
    assert sorted(map(int, kv("SDIFF", "k3", "a"))) == [1003]
    assert [kv("SDIFFSTORE", "d", "a", *keys), members(kv, "d")] == [188, list(range(12, 200))]
    assert kv("SDIFF", "a", "a", *keys) == []


@pytest.mark.parametrize("name", ["SINTERSTORE", "SUNIONSTORE", "SDIFFSTORE"])
def test_an_empty_result_deletes(kv, name):
    kv("SET", "d", "x")
    kv.effects()
    before = kv.engine.dirty
    assert [kv(name, "d", "no", "nor"), kv("EXISTS", "d"), kv.engine.dirty - before] == [0, 0, 1]
    assert kv.effects() == [[name, "d", "no", "nor"]]
    assert [kv(name, "d", "no", "nor"), kv.effects()] == [0, []]


@pytest.mark.parametrize(("words", "wanted"), [
    ([2, "a", "b"], 30), ([2, "a", "b", "LIMIT", 0], 30), ([2, "a", "b", "limit", 7], 7), ([2, "a", "b", "LIMIT", 99], 30),
    ([1, "a"], 60), ([2, "a", "no"], 0), ([3, "a", "b", "c", "LIMIT", 3, "LIMIT", 4], 4)])
def test_count_of_an_intersection(kv, encoding, words, wanted):
    for key, content in (("a", A), ("b", B), ("c", C)):
        fill(kv, encoding, content, key)
    assert kv("SINTERCARD", *words) == wanted


@pytest.mark.parametrize(("words", "text"), [
    ([0, "a"], "ERR numkeys should be greater than 0"), (["x", "a"], "ERR numkeys should be greater than 0"),
    ([2, "a"], "ERR Number of keys can't be greater than number of args"), ([1, "a", "b"], "ERR syntax error"),
    ([1, "a", "LIMIT"], "ERR syntax error"), ([1, "a", "LIMIT", -1], "ERR LIMIT can't be negative"),
    ([1, "a", "LIMIT", "x"], "ERR LIMIT can't be negative")])
def test_mistakes_of_counting(kv, words, text):
    assert kv("SINTERCARD", *words) == Failure(text)


# -- SSCAN ----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("count", [1, 10, 1000])
def test_scan(kv, encoding, count):
    fill(kv, encoding, range(400))
    for options, wanted in (([], set(range(400))), (["MATCH", "39?"], set(range(390, 400)))):
        cursor, found, calls = b"0", [], 0
        while True:
            cursor, part = kv("SSCAN", "s", cursor, "COUNT", count, *options)
            found += map(int, part)
            calls += 1
            if cursor == b"0":
                break
        assert sorted(found) == sorted(wanted)
        assert calls == 1 or encoding == "hashtable"


@pytest.mark.parametrize(("options", "text"), [
    (["x"], "ERR invalid cursor"), ([0, "no"], "ERR syntax error"), ([0, "COUNT", 0], "ERR syntax error"),
    ([0, "NOVALUES"], "ERR NOVALUES option can only be used in HSCAN"),
    ([0, "NOSCORES"], "ERR NOSCORES option can only be used in ZSCAN")])
def test_mistakes_of_scanning(kv, options, text):
    fill(kv, "intset", [1])
    assert kv("SSCAN", "s", *options) == Failure(text)


# -- beside other commands ------------------------------------------------------------------------------------------

def test_in_a_transaction(kv, encoding):
    fill(kv, encoding, [1])
    kv("MULTI")
    for words in (["SADD", "s", 2], ["SPOP", "s", 2], ["SADD", "s", 7], ["SPOP", "s"]):
        assert kv(*words) == "QUEUED"
    added, popped, again, last = kv("EXEC")
    assert [added, sorted(popped), again, last] == [1, [b"1", b"2"], 1, b"7"]
    assert [[name.upper(), *rest] for name, *rest in kv.effects()] == [
        ["MULTI"], ["SADD", "s", "2"], ["DEL", "s"], ["SADD", "s", "7"], ["SREM", "s", "7"], ["EXEC"]]


def test_copies_memory_and_digests(kv, encoding):
    fill(kv, encoding, range(1000))
    kv("COPY", "s", "t")
    assert debug.digest_value(kv.engine, 0, b"s") == debug.digest_value(kv.engine, 0, b"t")
    usage = kv("MEMORY", "USAGE", "s", "SAMPLES", 0)
    assert SANITIZED or (1000 < usage < 2500 if encoding == "intset" else 3000 < usage < 30_000)
    kv("SREM", "t", 5)
    assert debug.digest_value(kv.engine, 0, b"s") != debug.digest_value(kv.engine, 0, b"t")
    assert kv("UNLINK", "s", "t") == 2
