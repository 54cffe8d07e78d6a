"""Sorted sets: each case in both encodings and both RESP versions. What random traces compare with other servers is
not repeated here; these are notifications, effects, memory, invariants, sets as sources and what depends on limits."""
from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from kv._core.engine import inspect
from tests.commands.client import Client, Failure
from tests.commands.embedded import Embedded
from tests.program import Program

SCORES = [("a", 1), ("b", 2), ("c", 2), ("d", 3.5), ("e", float("inf"))]


@pytest.fixture(params=["listpack", "skiplist"])
def zset(kv: Embedded, request: pytest.FixtureRequest) -> Iterator[Embedded]:
    """A client with a sorted set z in either encoding."""
    kv.engine.configure(zset_max_listpack_entries=128 if request.param == "listpack" else 0)
    kv("ZADD", "z", *[word for member, score in SCORES for word in (score, member)])
    assert kv("OBJECT", "ENCODING", "z") == request.param.encode()
    kv.effects()
    yield kv
    inspect.check(kv.engine)
    kv.engine.configure(zset_max_listpack_entries=128)


def dirty(client: Embedded, *words: Any) -> int:
    before = client.engine.dirty
    assert not isinstance(client(*words), Failure)
    return client.engine.dirty - before


def flat(reply: list[Any]) -> list[Any]:
    """Members and scores, whichever way they were nested."""
    words = [word for item in reply for word in (item if isinstance(item, list) else [item])]
    return [float(word) if index % 2 else word for index, word in enumerate(words)]


def test_members_with_scores_in_order(zset: Embedded) -> None:
    expected = [word for member, score in SCORES for word in (member.encode(), float(score))]
    assert flat(zset("ZRANGE", "z", 0, -1, "WITHSCORES")) == expected
    assert zset.raw("ZSCORE", "z", "d") == (b"$3\r\n3.5\r\n" if zset.resp == 2 else b",3.5\r\n")
    assert zset.raw("ZRANGE", "z", 0, 0, "WITHSCORES") == (
        b"*2\r\n$1\r\na\r\n$1\r\n1\r\n" if zset.resp == 2 else b"*1\r\n*2\r\n$1\r\na\r\n,1\r\n")


def test_changes_are_counted_and_go_on_as_they_came(zset: Embedded) -> None:
    for words, changes in [
            (["ZADD", "z", 1, "a", 5, "b", 6, "new"], 2), (["ZADD", "z", "NX", 9, "a"], 0), (["ZINCRBY", "z", 1, "a"], 1),
            (["ZREM", "z", "a", "nobody", "b"], 2), (["ZREMRANGEBYRANK", "z", 0, 1], 2), (["ZREMRANGEBYSCORE", "z", 50, 60], 0),
            (["ZPOPMAX", "z", 1], 1), (["ZPOPMIN", "z", 0], 0), (["ZRANGESTORE", "to", "z", 0, -1], 1),
            (["ZRANGESTORE", "to", "nothing", 0, -1], 1), (["ZUNIONSTORE", "to", 1, "nothing"], 0)]:
        assert dirty(zset, *words) == changes, words
        assert zset.effects() == [[str(word) for word in words]] * (changes > 0)


def test_zmpop_goes_on_as_the_pop_it_was(zset: Embedded) -> None:
    zset("ZMPOP", 2, "none", "z", "MAX", "COUNT", 2)
    assert zset.effects() == [["ZPOPMAX", "z", "2"]]
    zset("ZMPOP", 1, "z", "MIN", "COUNT", 100)
    assert zset.effects() == [["ZPOPMIN", "z", "3"]]
    zset("ZMPOP", 1, "z", "MIN")
    assert zset.effects() == []


@pytest.mark.parametrize("words", [
    ["ZREM", "z", *[member for member, _ in SCORES]], ["ZPOPMIN", "z", 5], ["ZREMRANGEBYSCORE", "z", "-inf", "inf"],
    ["ZREMRANGEBYRANK", "z", 0, -1], ["ZREMRANGEBYLEX", "z", "-", "+"], ["ZMPOP", 1, "z", "MAX", "COUNT", 9]], ids=lambda w: w[0])
def test_the_last_member_takes_the_key_with_it(zset: Embedded, words: list[Any]) -> None:
    assert zset("ZCARD", "z") == 5
    zset(*words)
    assert zset("EXISTS", "z") == 0
    assert zset("ZCARD", "z") == 0


def test_sum_that_is_no_number_changes_nothing(zset: Embedded) -> None:
    assert dirty(zset, "ZADD", "z", "inf", "e") == 0
    assert zset("ZINCRBY", "z", "-inf", "e") == "ERR resulting score is not a number (NaN)"
    assert zset("ZADD", "z", 1, "x", "nan", "y") == "ERR value is not a valid float"
    assert zset("ZCARD", "z") == 5


def test_wrong_type_wherever_a_sorted_set_is_meant(kv: Embedded) -> None:
    kv("SET", "text", "x")
    for words in (["ZADD", "text", 1, "a"], ["ZSCORE", "text", "a"], ["ZRANGE", "text", 0, -1], ["ZPOPMIN", "text"],
                  ["ZUNION", 1, "text"], ["ZMPOP", 2, "none", "text", "MIN"], ["ZSCAN", "text", 0],
                  ["ZREMRANGEBYRANK", "text", 0, 1]):
        assert str(kv(*words)).startswith("WRONGTYPE"), words


def test_a_listpack_becomes_a_skiplist_at_either_limit(kv: Embedded) -> None:
    for number in range(128):
        kv("ZADD", "many", number, f"m{number}")
    kv("ZADD", "long", 1, "x" * 64)
    assert (kv("OBJECT", "ENCODING", "many"), kv("OBJECT", "ENCODING", "long")) == (b"listpack", b"listpack")
    kv("ZADD", "many", 1.5, "one more")
    kv("ZADD", "long", 1, "x" * 65)
    assert (kv("OBJECT", "ENCODING", "many"), kv("OBJECT", "ENCODING", "long")) == (b"skiplist", b"skiplist")
    assert kv("ZRANK", "many", "one more") == 2
    kv("ZREMRANGEBYRANK", "many", 1, -1)
    assert kv("OBJECT", "ENCODING", "many") == b"skiplist"
    assert kv("ZUNIONSTORE", "small", 1, "many") == 1
    assert kv("OBJECT", "ENCODING", "small") == b"listpack"


def test_a_negative_zero_is_kept_by_a_skiplist_alone(zset: Embedded) -> None:
    small = zset("OBJECT", "ENCODING", "z") == b"listpack"
    zset("ZADD", "z", "-0", "zero")
    reply = zset.raw("ZSCORE", "z", "zero")
    assert (b"-0" in reply) == (not small)


def test_a_copy_shares_nothing(zset: Embedded) -> None:
    zset("COPY", "z", "copy")
    assert zset("OBJECT", "ENCODING", "copy") == zset("OBJECT", "ENCODING", "z")
    zset("ZADD", "copy", 100, "a")
    assert float(zset("ZSCORE", "z", "a")) == 1
    zset("DEL", "z")
    assert zset("ZCARD", "copy") == 5
    assert zset("MEMORY", "USAGE", "copy", "SAMPLES", 0) > 40


def test_draws_are_even_and_distinct(zset: Embedded) -> None:
    counts = Counter(zset("ZRANDMEMBER", "z", -10000))
    assert len(counts) == 5 and all(1700 < count < 2300 for count in counts.values())
    for wanted in (1, 2, 4, 5, 9):
        drawn = [tuple(zset("ZRANDMEMBER", "z", wanted)) for _ in range(300)]
        assert all(len(set(one)) == len(one) == min(wanted, 5) for one in drawn)
        assert {member for one in drawn for member in one} == {b"a", b"b", b"c", b"d", b"e"}


def test_a_scan_meets_every_member_once_or_more(kv: Embedded) -> None:
    members = {f"member:{number}".encode() for number in range(1000)}
    kv("ZADD", "big", *[word for member in members for word in (1, member)])
    found: set[bytes] = set()
    cursor: Any = 0
    while True:
        cursor, part = kv("ZSCAN", "big", cursor, "COUNT", 20, "NOSCORES")
        found.update(part)
        if cursor == b"0":
            break
    assert found == members


def test_a_transaction_sees_its_own_changes(zset: Embedded) -> None:
    zset("MULTI")
    zset("ZADD", "z", 9, "x")
    zset("ZRANK", "z", "x")
    zset("ZREM", "z", "x")
    zset("ZCARD", "z")
    assert zset("EXEC") == [1, 4, 1, 5]


def wait_for_rewrite(client: Client) -> None:
    deadline = time.monotonic() + 20
    while b"aof_rewrite_in_progress:0" not in client("INFO", "persistence") or (
            b"aof_rewrite_scheduled:0" not in client("INFO", "persistence")):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_file_gives_back_the_same(server: Program) -> None:
    client = Client(server.port)
    client("FLUSHALL")
    client("ZADD", "small", 1.5, "a", "-inf", "b", 3, 7)
    client("ZADD", "large", *[word for number in range(500) for word in (number / 3, f"m{number}")])
    digest = client("DEBUG", "DIGEST")
    assert client("CONFIG", "SET", "appendonly", "yes") == "OK"
    wait_for_rewrite(client)
    assert client("DEBUG", "LOADAOF") == "OK"
    assert client("DEBUG", "DIGEST") == digest
    assert client("OBJECT", "ENCODING", "large") == b"skiplist"
    client("CONFIG", "SET", "appendonly", "no")
    client.close()
