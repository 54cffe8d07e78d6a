"""List commands in both encodings: what they do and answer, what they tell the AOF and replicas, when the encoding
changes."""
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from kv._core.engine import debug
from tests.commands.client import Failure, Status
from tests.commands.embedded import Embedded

OK = Status("OK")
WRONG_TYPE = Failure("WRONGTYPE Operation against a key holding the wrong kind of value")
LARGE = "L" * 9000
DEFAULTS = {"list_max_listpack_size": -2, "list_compress_depth": 0}
# limits under which a handful of elements are in one encoding or the other
LIMITS: dict[str, dict[str, int]] = {
    "listpack": DEFAULTS, "quicklist": {"list_max_listpack_size": 2, "list_compress_depth": 0},
    "compressed": {"list_max_listpack_size": 3, "list_compress_depth": 1}}


@pytest.fixture(params=LIMITS)
def lists(kv: Embedded, request: pytest.FixtureRequest) -> Iterator[Embedded]:
    """A client of an engine with limits."""
    kv.engine.configure(**LIMITS[request.param])
    yield kv
    kv.engine.configure(**DEFAULTS)


@pytest.fixture
def limited(kv: Embedded) -> Iterator[Any]:
    """A function that sets limits, and a client."""
    yield lambda size, depth=0: kv.engine.configure(list_max_listpack_size=size, list_compress_depth=depth)
    kv.engine.configure(**DEFAULTS)


def fill(kv: Embedded, key: str, *values: Any) -> None:
    assert kv("RPUSH", key, *values) == len(values)
    kv.effects()


def elements(kv: Embedded, key: str) -> list[str]:
    return [element.decode() for element in kv("LRANGE", key, 0, -1)]


def encoding(kv: Embedded, key: str) -> str:
    return kv("OBJECT", "ENCODING", key).decode()


# -- the ends -----------------------------------------------------------------------------------------------------------

def test_push_and_pop(lists: Embedded) -> None:
    assert lists("RPUSH", "a", "x", 1, LARGE) == 3
    assert lists("LPUSH", "a", "y", -7) == 5
    assert elements(lists, "a") == ["-7", "y", "x", "1", LARGE]
    assert lists.effects() == [["RPUSH", "a", "x", "1", LARGE], ["LPUSH", "a", "y", "-7"]]
    assert lists("LPOP", "a") == b"-7"
    assert lists("RPOP", "a") == LARGE.encode()
    assert lists("RPOP", "a", 2) == [b"1", b"x"]
    assert lists("LPOP", "a", 2) == [b"y"]
    assert lists("EXISTS", "a") == 0
    assert lists.effects() == [["LPOP", "a"], ["RPOP", "a"], ["RPOP", "a", "2"], ["LPOP", "a", "2"]]


@pytest.mark.parametrize("command", ["LPUSHX", "RPUSHX"])
def test_pushx_needs_a_list(lists: Embedded, command: str) -> None:
    assert lists(command, "a", 1) == 0
    assert lists("EXISTS", "a") == 0
    fill(lists, "a", 0)
    assert lists(command, "a", 1, 2) == 3
    assert elements(lists, "a") == (["2", "1", "0"] if command == "LPUSHX" else ["0", "1", "2"])


@pytest.mark.parametrize("command", ["LPOP", "RPOP"])
def test_pop_of_nothing(kv: Embedded, command: str) -> None:
    fill(kv, "a", 1)
    null = b"_\r\n" if kv.resp == 3 else b"*-1\r\n"
    assert kv.raw(command, "none") == (b"_\r\n" if kv.resp == 3 else b"$-1\r\n")
    assert kv.raw(command, "none", 2) == kv.raw(command, "none", 0) == null
    assert kv(command, "a", 0) == []
    for count in -1, "x", 2**63:
        assert kv(command, "a", count) == Failure("ERR value is out of range, must be positive")
    assert kv(command, "a", 1, 1) == Failure(f"ERR wrong number of arguments for '{command.lower()}' command")
    assert kv.effects() == []


def test_a_change_an_element(lists: Embedded) -> None:
    for words, changes in ((("RPUSH", "a", 1, 2, 3, 4, 5), 5), (("LPOP", "a", 2), 2), (("LREM", "a", 0, 3), 1),
                           (("LTRIM", "a", 1, 1), 1), (("LTRIM", "a", 0, -1), 0), (("LMOVE", "a", "b", "LEFT", "LEFT"), 1)):
        before = lists.engine.dirty
        lists(*words)
        assert lists.engine.dirty - before == changes, words


# -- elements ---------------------------------------------------------------------------------------------------------------

def test_range_and_index(lists: Embedded) -> None:
    values = [str(number) if number % 3 else "t" * number for number in range(1, 101)]
    fill(lists, "a", *values)
    for start, stop in ((0, -1), (0, 0), (-1, -1), (10, 60), (-60, -10), (-1000, 1000), (5, 4), (100, 200), (-5, -6)):
        end = len(values) + stop if stop < 0 else stop
        begin = max(0, len(values) + start if start < 0 else start)
        assert [e.decode() for e in lists("LRANGE", "a", start, stop)] == values[begin:max(0, end + 1)]
    for index in (0, 1, 50, 99, -1, -100):
        assert lists("LINDEX", "a", index) == values[index].encode()
    assert lists("LINDEX", "a", 100) is None and lists("LINDEX", "a", -101) is None
    assert lists("LLEN", "a") == 100 and lists("LLEN", "none") == 0
    assert lists("LINDEX", "none", "x") is None
    assert lists("LINDEX", "a", "x") == Failure("ERR value is not an integer or out of range")


def test_set(lists: Embedded) -> None:
    fill(lists, "a", *range(8))
    for index, value in ((0, "first"), (-1, "last"), (3, LARGE), (3, "small"), (-2, "x" * 5000), (4, 77)):
        assert lists("LSET", "a", index, value) == OK
    assert elements(lists, "a") == ["first", "1", "2", "small", "77", "5", "x" * 5000, "last"]
    assert lists("LSET", "a", 8, "v") == Failure("ERR index out of range")
    assert lists("LSET", "none", 0, "v") == Failure("ERR no such key")


def test_an_element_of_an_outer_node_replaced_by_a_large_one(limited: Any, kv: Embedded) -> None:
    """The node is parted, and one part becomes an inner one, to be compressed, on the way."""
    limited(4, 1)
    fill(kv, "a", *["text " * 50] * 16)
    for index in (-2, 1, 5, -7):
        assert kv("LSET", "a", index, LARGE) == OK
    assert [len(value) for value in elements(kv, "a")].count(9000) == 4


def test_insert(lists: Embedded) -> None:
    fill(lists, "a", *"abcdef", 5)
    assert lists("LINSERT", "a", "before", "a", "first") == 8
    assert lists("LINSERT", "a", "AFTER", 5, "last") == 9
    assert lists("LINSERT", "a", "BEFORE", "d", LARGE) == 10
    assert lists("LINSERT", "a", "AFTER", "no", "v") == -1
    assert lists("LINSERT", "none", "AFTER", "no", "v") == 0
    assert lists("LINSERT", "a", "at", "a", "v") == Failure("ERR syntax error")
    assert elements(lists, "a") == ["first", "a", "b", "c", LARGE, "d", "e", "f", "5", "last"]


def test_remove(lists: Embedded) -> None:
    fill(lists, "a", *"xaxbxcx", 12, 12)
    assert lists("LREM", "a", 2, "x") == 2
    assert lists("LREM", "a", -1, "x") == 1
    assert elements(lists, "a") == ["a", "b", "x", "c", "12", "12"]
    assert lists("LREM", "a", 0, "012") == 0
    assert lists("LREM", "a", 0, 12) == 2
    assert lists("LREM", "none", 0, 1) == 0
    for value in "abxc":
        assert lists("LREM", "a", 0, value) == 1
    assert lists("EXISTS", "a") == 0


def test_trim(lists: Embedded) -> None:
    for start, stop in ((0, -1), (1, -2), (5, 5), (3, 100), (-4, -2), (0, 0), (6, 2), (50, 60)):
        lists("DEL", "a")
        fill(lists, "a", *range(12))
        assert lists("LTRIM", "a", start, stop) == OK
        kept = [str(number) for number in range(12)][start:stop + 1 if stop != -1 else None]
        assert elements(lists, "a") == kept
        assert lists("EXISTS", "a") == bool(kept)


def test_positions(lists: Embedded) -> None:
    fill(lists, "a", *"abcx1xx", LARGE)
    assert lists("LPOS", "a", "x") == 3
    assert lists("LPOS", "a", "x", "RANK", -1) == 6
    assert lists("LPOS", "a", "x", "RANK", 2, "COUNT", 0) == [5, 6]
    assert lists("LPOS", "a", "x", "COUNT", 2, "RANK", -2) == [5, 3]
    assert lists("LPOS", "a", "x", "COUNT", 0, "MAXLEN", 4) == [3]
    assert lists("LPOS", "a", LARGE) == 7 and lists("LPOS", "a", 1) == 4
    assert lists("LPOS", "a", "no") is None and lists("LPOS", "none", "no", "COUNT", 1) == []
    assert lists("LPOS", "a", "x", "COUNT", "x") == Failure("ERR COUNT can't be negative")
    assert lists("LPOS", "a", "x", "RANK", -2**63) == Failure(
        "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807")


# -- moves ------------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("source", ["LEFT", "RIGHT"])
@pytest.mark.parametrize("target", ["LEFT", "RIGHT"])
def test_move(lists: Embedded, source: str, target: str) -> None:
    for name, other in (("a", "b"), ("a", "a")):
        lists("DEL", "a", "b")
        fill(lists, "a", *"12345", LARGE)
        model = {"a": [*"12345", LARGE], "b": []}
        for _ in range(6):
            value = model[name].pop(0 if source == "LEFT" else -1)
            model[other].insert(0 if target == "LEFT" else len(model[other]), value)
            assert lists("LMOVE", name, other, source, target) == value.encode()
        assert elements(lists, "a") == model["a"] and elements(lists, "b") == model["b"]
    assert lists("EXISTS", "a") == 1 and lists("LMOVE", "none", "a", source, target) is None
    assert lists.effects()[-1] == ["LMOVE", "a", "a", source, target]


def test_pop_and_push_of_the_only_element(lists: Embedded) -> None:
    fill(lists, "a", "v" * 300)
    assert lists("RPOPLPUSH", "a", "a") == b"v" * 300
    assert elements(lists, "a") == ["v" * 300]


def test_pop_of_the_first_list_that_has_any(lists: Embedded) -> None:
    fill(lists, "b", *range(6))
    assert lists("LMPOP", 2, "a", "b", "LEFT") == [b"b", [b"0"]]
    assert lists("LMPOP", 2, "a", "b", "RIGHT", "COUNT", 2) == [b"b", [b"5", b"4"]]
    assert lists("LMPOP", 1, "b", "left", "count", 99) == [b"b", [b"1", b"2", b"3"]]
    assert lists.effects() == [["LPOP", "b", "1"], ["RPOP", "b", "2"], ["LPOP", "b", "3"]]
    assert lists.raw("LMPOP", 1, "b", "LEFT") == (b"_\r\n" if lists.resp == 3 else b"*-1\r\n")
    assert lists("LMPOP", 0, "b", "LEFT") == Failure("ERR numkeys should be greater than 0")
    assert lists("LMPOP", 1, "b", "LEFT", "COUNT", 0) == Failure("ERR count should be greater than 0")
    for words in ((2, "b", "LEFT"), (1, "b", "up"), (1, "b", "LEFT", "COUNT"), (1, "b", "LEFT", "COUNT", 1, "COUNT", 1)):
        assert lists("LMPOP", *words) == Failure("ERR syntax error")
    assert lists.effects() == []


@pytest.mark.parametrize("words", [
    ("LPUSH", "s", 1), ("RPUSHX", "s", 1), ("LPOP", "s"), ("RPOP", "s", 1), ("LLEN", "s"), ("LRANGE", "s", 0, 1),
    ("LINDEX", "s", 0), ("LSET", "s", 0, 1), ("LINSERT", "s", "BEFORE", 1, 1),
    ("LREM", "s", 0, 1), ("LTRIM", "s", 0, 1), ("LPOS", "s", 1),
    ("LMOVE", "s", "a", "LEFT", "LEFT"), ("LMOVE", "a", "s", "LEFT", "LEFT"), ("RPOPLPUSH", "a", "s"),
    ("LMPOP", 2, "s", "a", "LEFT")],
    ids=lambda words: " ".join(map(str, words[:3])))
def test_other_types_are_refused(kv: Embedded, words: tuple[Any, ...]) -> None:
    kv("SET", "s", "text")
    fill(kv, "a", 1)
    assert kv(*words) == WRONG_TYPE
    assert kv.effects() == [] and elements(kv, "a") == ["1"]


# -- the encoding --------------------------------------------------------------------------------------------------------

def test_encoding_by_count(limited: Any, kv: Embedded) -> None:
    """It grows beyond the limit, and shrinks to half of it."""
    limited(6)
    fill(kv, "a", *range(6))
    assert encoding(kv, "a") == "listpack"
    kv("LPUSH", "a", "v")
    assert encoding(kv, "a") == "quicklist"
    for length in (6, 5, 4, 3):
        kv("LPOP", "a")
        assert encoding(kv, "a") == ("listpack" if length == 3 else "quicklist"), length


def test_encoding_by_size(limited: Any, kv: Embedded) -> None:
    limited(-1)
    fill(kv, "a", "v" * 2000, "w" * 2000)
    assert encoding(kv, "a") == "listpack"
    kv("RPUSH", "a", "x" * 100)
    assert encoding(kv, "a") == "quicklist"
    kv("RPOP", "a")
    assert encoding(kv, "a") == "quicklist"
    kv("LSET", "a", 0, "short")
    assert encoding(kv, "a") == "listpack"


def test_encoding_of_a_large_element(kv: Embedded) -> None:
    fill(kv, "a", LARGE)
    assert encoding(kv, "a") == "quicklist"
    kv("RPUSH", "a", 1)
    kv("LPOP", "a")
    assert encoding(kv, "a") == "listpack" and elements(kv, "a") == ["1"]


def test_a_copy_shares_nothing(lists: Embedded) -> None:
    fill(lists, "a", *range(20), LARGE, "text " * 100)
    assert lists("COPY", "a", "b") == 1
    assert encoding(lists, "b") == encoding(lists, "a")
    before = elements(lists, "a")
    lists("LTRIM", "a", 3, 4)
    lists("LSET", "a", 0, "new")
    assert elements(lists, "b") == before


def test_memory_is_given_back(lists: Embedded) -> None:
    used = []
    for _ in range(3):                              # the first ones warm up what is kept
        for number in range(300):
            lists("RPUSH", "a", number, "text" * (number % 40))
        assert lists("MEMORY", "USAGE", "a") > lists("MEMORY", "USAGE", "a", "SAMPLES", 1) // 4 > 0
        for command in ("LPOP", "RPOP"):
            lists(command, "a", 250)
        lists("LTRIM", "a", 1, 0)
        lists.effects()
        used.append(lists.used_memory())
    assert used[1] == used[2]


def test_a_transaction_sees_its_own_changes(lists: Embedded) -> None:
    lists("MULTI")
    for words in (("RPUSH", "a", 1, 2, 3), ("LMOVE", "a", "b", "LEFT", "LEFT"), ("LRANGE", "a", 0, -1), ("LPOP", "b")):
        assert lists(*words) == Status("QUEUED")
    assert lists("EXEC") == [3, b"1", [b"2", b"3"], b"1"]
    assert [words[0].upper() for words in lists.effects()] == ["MULTI", "RPUSH", "LMOVE", "LPOP", "EXEC"]


def test_effects_make_the_same_dataset(lists: Embedded) -> None:
    """What went to the AOF, run again, gives the same digest."""
    for number in range(40):
        lists("RPUSH", f"k{number % 5}", number, "t" * number)
        lists("LMOVE", "k0", f"k{number % 3}", "LEFT", "RIGHT")
        lists("LMPOP", 2, "none", "k4", "RIGHT", "COUNT", 2)
        lists("LINSERT", "k1", "BEFORE", 6, "inserted")
        lists("SORT", "k2", "ALPHA", "STORE", "sorted")
    effects, digest = lists.effects(), debug.digest(lists.engine)
    lists("FLUSHALL")
    for words in effects:
        lists(*[word.encode("latin-1") for word in words])
    assert debug.digest(lists.engine) == digest != "0" * 40


def test_debug(client: Any) -> None:
    client("RPUSH", "a", 1, "text")
    client("RPUSH", "long", LARGE, 2)
    assert client("DEBUG", "LISTPACK", "a") == Status("Listpack structure printed on stdout")
    assert client("DEBUG", "QUICKLIST", "long", 1) == Status("Quicklist structure printed on stdout")
    assert client("DEBUG", "QUICKLIST", "a") == Failure("ERR Not a quicklist encoded object.")
    assert client("DEBUG", "LISTPACK", "long") == Failure("ERR Not a listpack encoded object.")
    assert client("DEBUG", "LISTPACK", "none") == Failure("ERR no such key")
    figures = " ql_nodes:2 ql_avg_node:1.00 ql_listpack_max:-2 ql_compressed:0 ql_uncompressed_size:"
    assert figures in client("DEBUG", "OBJECT", "long")
    assert client("DEBUG", "QUICKLIST-PACKED-THRESHOLD", "5b") == OK
    client("RPUSH", "long", "twelve bytes")
    assert " ql_nodes:3 " in client("DEBUG", "OBJECT", "long")
    assert client("DEBUG", "QUICKLIST-PACKED-THRESHOLD", "x").startswith("ERR argument must be a memory value")
    assert client("DEBUG", "QUICKLIST-PACKED-THRESHOLD", 0) == OK


def test_ltrim_of_nothing_is_no_change_to_a_watcher(client):
    client("RPUSH", "l", "a")
    client("WATCH", "l")
    client("LTRIM", "l", -3, 9)
    client("MULTI")
    assert client("EXEC") == []
