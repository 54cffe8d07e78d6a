"""Values out of RDB: what this server wrote comes back, what older ones wrote is understood, and nothing else harms."""
from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kv._core.engine import inspect
from kv._core.engine.engine import Engine
from kv._core.testing import rdb
from tests import rdbvalue
from tests.commands.embedded import Embedded
from tests.rdbcases import CASES, build
from tests.rdbwords import listpack, payload, sealed, string, ziplist, zipmap

VERSIONS = [9, 10, 11]
ENGINE = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
BAD = "ERR Bad data format"
words = st.binary(max_size=80) | st.integers(-2**63, 2**63 - 1).map(lambda n: b"%d" % n)


@pytest.fixture(scope="module")
def kv() -> Iterator[Embedded]:
    client = Embedded(Engine(None, seed=1), 2)
    yield client
    client.close()


def make(client: Embedded, name: str) -> None:
    build(client, name, lambda option, value: client.engine.configure(**{option.replace("-", "_"): value}))


def restore(client: Embedded, data: bytes, key: str = "copy") -> str:
    """What RESTORE answers, an error as its text; the value is sound."""
    found = client("RESTORE", key, 0, data, "REPLACE")
    inspect.check(client.engine)
    return found


def same(client: Embedded, version: int) -> None:
    """Key k, dumped for a version and restored, is what it was."""
    data = rdb.payload(client.engine, b"k", version)
    assert restore(client, data) == "OK"
    assert client("TYPE", "copy") == client("TYPE", "k")
    again = rdb.payload(client.engine, b"copy", version)
    if client("TYPE", "k") == "stream":
        assert rdbvalue.living(again) == rdbvalue.living(data)
    elif version == 11:
        assert again == data or client("TYPE", "k") in ("set", "hash")


# -- round trips ------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", CASES)
def test_what_was_dumped_comes_back(kv: Embedded, name: str, version: int) -> None:
    make(kv, name)
    same(kv, version)
    if name not in ("compressed list", "list of four a node"):      # made with other settings than it comes back under
        assert kv("OBJECT", "ENCODING", "copy") in (kv("OBJECT", "ENCODING", "k"), b"int", b"embstr")
    assert contents(kv, "copy", version > 9) == contents(kv, "k", version > 9)


def contents(client: Embedded, key: str, groups: bool = True) -> object:
    """`groups`: those of a stream, too; version 9 does not know how far they have read."""
    kind = client("TYPE", key)
    if kind == "stream":
        return client("XRANGE", key, "-", "+"), client("XINFO", "GROUPS", key) if groups else None
    reads = {"string": ("GET", key), "list": ("LRANGE", key, 0, -1), "set": ("SMEMBERS", key), "hash": ("HGETALL", key),
             "zset": ("ZRANGE", key, 0, -1, "WITHSCORES")}
    found = client(*reads[kind])
    if kind == "set":
        return sorted(found)
    return sorted(zip(found[::2], found[1::2], strict=True)) if kind == "hash" else found


@ENGINE
@given(st.lists(words, min_size=1, max_size=60), st.sampled_from(VERSIONS))
def test_lists(kv: Embedded, elements: list[bytes], version: int) -> None:
    kv("DEL", "k")
    kv("RPUSH", "k", *elements)
    same(kv, version)
    assert kv("LRANGE", "copy", 0, -1) == elements


@ENGINE
@given(st.sets(words, min_size=1, max_size=200), st.sampled_from(VERSIONS))
def test_sets(kv: Embedded, members: set[bytes], version: int) -> None:
    kv("DEL", "k")
    kv("SADD", "k", *members)
    same(kv, version)
    assert set(kv("SMEMBERS", "copy")) == members


@ENGINE
@given(st.dictionaries(words, words, min_size=1, max_size=60), st.sampled_from(VERSIONS))
def test_hashes(kv: Embedded, fields: dict[bytes, bytes], version: int) -> None:
    kv("DEL", "k")
    kv("HSET", "k", *[word for pair in fields.items() for word in pair])
    same(kv, version)
    found = kv("HGETALL", "copy")
    assert dict(zip(found[::2], found[1::2], strict=True)) == fields


@ENGINE
@given(st.dictionaries(words, st.floats(allow_nan=False).map(lambda score: score + 0.0), min_size=1, max_size=150),
       st.sampled_from(VERSIONS))
def test_sorted_sets(kv: Embedded, members: dict[bytes, float], version: int) -> None:
    kv("DEL", "k")
    kv("ZADD", "k", *[word for member, score in members.items() for word in (repr(score), member)])
    same(kv, version)
    assert kv("ZRANGE", "copy", 0, -1, "WITHSCORES") == kv("ZRANGE", "k", 0, -1, "WITHSCORES")


# -- limits of this server, and what is beyond them ---------------------------------------------------------------------

@pytest.mark.parametrize(("kind", "values", "encoding"), [
    (16, [b"f%d" % i for i in range(1024)], "listpack"), (16, [b"f%d" % i for i in range(1026)], "hashtable"),
    (20, [b"m%d" % i for i in range(128)], "listpack"), (20, [b"m%d" % i for i in range(129)], "hashtable"),
    (17, [w for i in range(128) for w in (b"m%04d" % i, i)], "listpack"),
    (17, [w for i in range(129) for w in (b"m%04d" % i, i)], "skiplist"),
    (16, [b"name", b"v" * 5000], "listpack")])
def test_packs_are_taken_as_they_are_up_to_the_limit_of_elements(kv: Embedded, kind: int, values: list, encoding: str) -> None:
    assert restore(kv, payload(kind, string(listpack(values)))) == "OK"
    assert kv("OBJECT", "ENCODING", "copy") == encoding.encode()
    assert kv("TYPE", "copy") == {16: "hash", 17: "zset", 20: "set"}[kind]
    length = {16: "HLEN", 17: "ZCARD", 20: "SCARD"}[kind]
    assert kv(length, "copy") == len(values) // (1 if kind == 20 else 2)


@pytest.mark.parametrize(("count", "encoding"), [(512, "intset"), (513, "hashtable")])
def test_intsets(kv: Embedded, count: int, encoding: str) -> None:
    data = struct.pack(f"<II{count}h", 2, count, *range(-7, count - 7))
    assert restore(kv, payload(11, string(data))) == "OK"
    assert (kv("OBJECT", "ENCODING", "copy"), kv("SCARD", "copy")) == (encoding.encode(), count)


@pytest.mark.parametrize("kind", [16, 17, 20])
def test_elements_that_come_twice_are_found_where_a_table_is_made_or_somebody_asks(kv: Embedded, kind: int) -> None:
    def twice(count: int) -> bytes:
        names = [b"m%05d" % i for i in range(count)]
        values = names if kind == 20 else [word for i, name in enumerate(names) for word in (name, i)]
        return payload(kind, string(listpack([*values, *([b"m00000"] if kind == 20 else [b"m00000", count])])))

    assert restore(kv, twice(4)) == "OK"
    assert restore(kv, twice(600)) == BAD
    kv.engine.configure(sanitize_dump_payload="yes")
    assert restore(kv, twice(4)) == BAD
    kv.engine.configure(sanitize_dump_payload="clients", payloads_trusted=True)
    assert restore(kv, twice(4)) == "OK"
    kv.engine.configure(payloads_trusted=False)
    assert restore(kv, twice(4)) == BAD
    kv.engine.configure(sanitize_dump_payload="no")


# -- older forms ------------------------------------------------------------------------------------------------------

MIXED: list[bytes | int] = [b"text", b"", 0, 12, 13, -1, 127, 128, -32768, 1 << 20, -1 << 23, 1 << 30, 1 << 62, b"x" * 63,
                            b"y" * 64, b"z" * 300, b"w" * 20000, 5]
TEXTS = [b"%d" % value if isinstance(value, int) else value for value in MIXED]


def test_a_list_of_a_ziplist(kv: Embedded) -> None:
    assert restore(kv, payload(10, string(ziplist(MIXED)), 9)) == "OK"
    assert kv("LRANGE", "copy", 0, -1) == TEXTS


def test_a_list_of_ziplists(kv: Embedded) -> None:
    nodes = [ziplist(MIXED), ziplist([]), ziplist([1, 2])]
    assert restore(kv, payload(14, bytes([3]) + b"".join(map(string, nodes)), 9)) == "OK"
    assert kv("LRANGE", "copy", 0, -1) == [*TEXTS, b"1", b"2"]


def test_a_hash_of_a_ziplist(kv: Embedded) -> None:
    assert restore(kv, payload(13, string(ziplist(MIXED)), 9)) == "OK"
    found = kv("HGETALL", "copy")
    assert found == TEXTS and kv("OBJECT", "ENCODING", "copy") == b"listpack"
    assert restore(kv, payload(13, string(ziplist(range(1026))), 9)) == "OK"
    assert kv("OBJECT", "ENCODING", "copy") == b"hashtable"
    for wrong in (ziplist([b"odd"]), ziplist([b"a", 1, b"a", 2])):
        assert restore(kv, payload(13, string(wrong), 9)) == BAD


def test_a_sorted_set_of_a_ziplist(kv: Embedded) -> None:
    assert restore(kv, payload(12, string(ziplist([b"a", b"-inf", b"b", -5, b"c", b"1.5", 17, 2])), 9)) == "OK"
    assert kv("ZRANGE", "copy", 0, -1, "WITHSCORES") == [b"a", b"-inf", b"b", b"-5", b"c", b"1.5", b"17", b"2"]
    for wrong in ([b"a", 2, b"b", 1], [b"b", 1, b"a", 1], [b"a", b"nan"], [b"a", b"x"], [b"a"]):
        assert restore(kv, payload(12, string(ziplist(wrong)), 9)) == BAD


@pytest.mark.parametrize("free", [0, 3])
def test_a_hash_of_a_zipmap(kv: Embedded, free: int) -> None:
    fields = [(b"a", b"1"), (b"", b""), (b"long", b"v" * 300), (b"n" * 260, b"2")]
    assert restore(kv, payload(9, string(zipmap(fields, free)), 9)) == "OK"
    found = kv("HGETALL", "copy")
    assert sorted(zip(found[::2], found[1::2], strict=True)) == sorted(fields)
    many = [(b"f%d" % i, b"v") for i in range(300)]
    assert restore(kv, payload(9, string(zipmap(many)), 9)) == "OK" and kv("HLEN", "copy") == 300
    for wrong in (zipmap([(b"a", b"1"), (b"a", b"2")]), b"\x02" + zipmap([(b"a", b"1")])[1:], b"\x01\xff", b"", b"\xff"):
        assert restore(kv, payload(9, string(wrong), 9)) == BAD


def test_scores_as_text(kv: Embedded) -> None:
    members = [(b"a", b"\x031.5"), (b"b", b"\xfe"), (b"c", b"\xff"), (b"d", b"\x02-7")]
    assert restore(kv, payload(3, bytes([4]) + b"".join(string(name) + score for name, score in members), 9)) == "OK"
    assert kv("ZRANGE", "copy", 0, -1, "WITHSCORES") == [b"c", b"-inf", b"d", b"-7", b"a", b"1.5", b"b", b"inf"]
    for wrong in (b"\xfd", b"\x03abc", b"\x00"):
        assert restore(kv, payload(3, b"\x01" + string(b"a") + wrong, 9)) == BAD


# -- what is refused --------------------------------------------------------------------------------------------------

PAIR = string(b"a") + string(b"b")
WRONG = {
    "no type": b"", "a type that there is not": b"\x08", "a module": b"\x07" + bytes(9), "an early module": b"\x06" + bytes(9),
    "a type of Redis 7.4": b"\x16" + bytes(20), "empty list": b"\x01\x00", "empty set": b"\x02\x00", "empty hash": b"\x04\x00",
    "empty sorted set": b"\x05\x00", "list without nodes": b"\x12\x00", "list of empty nodes": b"\x12\x02" + 2 * (
        b"\x02" + string(listpack([]))), "empty hash pack": b"\x10" + string(listpack([])),
    "empty intset": b"\x0b" + string(struct.pack("<II", 2, 0)),
    "intset out of order": b"\x0b" + string(struct.pack("<IIhh", 2, 2, 5, 4)),
    "intset of a width that there is not": b"\x0b" + string(struct.pack("<IIhh", 3, 1, 5, 4)),
    "plain node of nothing": b"\x12\x01\x01\x00",
    "node of a kind that there is not": b"\x12\x01\x03" + string(listpack([1])),
    "member twice": b"\x02\x02" + 2 * string(b"a"), "field twice": b"\x04\x02" + 2 * (string(b"a") + string(b"v" * 70)),
    "member of a sorted set twice": b"\x05\x02" + 2 * (string(b"a") + struct.pack("<d", 1)),
    "score that is no number": b"\x05\x01" + string(b"a") + struct.pack("<d", float("nan")),
    "odd hash pack": b"\x10" + string(listpack([b"a"])), "sorted set pack out of order": b"\x11" + string(
        listpack([b"a", 2, b"b", 1])), "pack that counts wrong": b"\x10" + string(listpack([b"a", 1], 3)),
    "pack of another length": b"\x10" + string(listpack([b"a", 1]) + b"x"), "compressed badly": b"\x00\xc3\x02\x20ab",
    "compressed from nothing": b"\x00\xc3\x00\x00", "form of a string that there is not": b"\x00\xc4ab",
    "string as a length": b"\x01\xc0\x01" + string(b"a")}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_refused(kv: Embedded, name: str) -> None:
    kv("SET", "copy", "as it was")
    assert restore(kv, sealed(WRONG[name])) == BAD
    assert kv("GET", "copy") == b"as it was"


@pytest.mark.parametrize("kind", [0, 1, 2, 3, 4, 5, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21])
@pytest.mark.parametrize("count", [b"\x80\xff\xff\xff\xff", b"\x81" + b"\xff" * 8, b"\x81\x00\x00\x00\xff" + bytes(4),
                                   b"\xc3\x81\x00\x00\x00\xff" + bytes(4) + b"\x81\x00\x00\x00\xff" + bytes(4)])
def test_a_count_takes_no_memory_before_its_elements_are_there(kv: Embedded, kind: int, count: bytes) -> None:
    before = inspect.memory_figures(kv.engine)["used"]
    for rest in (b"", PAIR * 3, string(b"a")):
        assert restore(kv, payload(kind, count + rest)) == BAD
    assert inspect.memory_figures(kv.engine)["used"] < before + 100_000


# -- streams ----------------------------------------------------------------------------------------------------------

ENTRY: list[bytes | int] = [2, 0, 0, b"value", 4]       # it has its node's names


def node(*entries: list, id: tuple[int, int] = (1, 1), head: tuple = (1, 0, 1, b"name", 0)) -> bytes:
    return string(struct.pack(">QQ", *id)) + string(listpack([*head, *[word for entry in entries for word in entry]]))


def stream(*nodes: bytes, last: int = 9, groups: bytes = b"\x00", count: int = 1) -> bytes:
    """Of type 19: no consumer has been active."""
    return payload(19, bytes([len(nodes)]) + b"".join(nodes) + bytes([count, last, 9, 1, 1, 0, 0, 1]) + groups)


def group(pending: list[int], *consumers: tuple[bytes, list[int]]) -> bytes:
    def raw(id: int) -> bytes:
        return struct.pack(">QQ", 1, id)

    body = string(b"group") + bytes([1, 1, 1, len(pending)]) + b"".join(raw(id) + bytes(8) + b"\x01" for id in pending)
    return body + bytes([len(consumers)]) + b"".join(
        string(name) + bytes(8) + bytes([len(ids)]) + b"".join(map(raw, ids)) for name, ids in consumers)


def test_a_stream_made_by_hand(kv: Embedded) -> None:
    own = [0, 1, 2, 2, b"a", 1, b"b", 2, 8]
    groups = b"\x01" + group([1, 5], (b"bob", [5]), (b"alice", [1]))
    data = stream(node(ENTRY, own, head=(2, 0, 1, b"name", 0)), groups=groups, count=2)
    assert restore(kv, data) == "OK"
    assert kv("XRANGE", "copy", "-", "+") == [[b"1-1", [b"name", b"value"]], [b"2-3", [b"a", b"1", b"b", b"2"]]]
    assert kv("XPENDING", "copy", "group")[:3] == [2, b"1-1", b"1-5"]
    assert [found[1] for found in kv("XINFO", "CONSUMERS", "copy", "group")] == [b"alice", b"bob"]
    assert kv("XACK", "copy", "group", "1-1", "1-5") == 2


def test_ids_of_deleted_entries_need_no_order(kv: Embedded) -> None:
    """Before Redis 7.0 XSETID could go back behind a deleted entry: the next one's id is lower."""
    late, behind = [3, 2**63 - 1, 0, b"gone", 4], [2, 1, 0, b"more", 4]
    other = node([3, 2**40, 0, b"gone", 4], ENTRY, id=(3, 0), head=(1, 1, 1, b"name", 0))
    assert restore(kv, stream(node(ENTRY, late, behind, head=(2, 1, 1, b"name", 0)), other, count=3)) == "OK"
    assert [id for id, _ in kv("XRANGE", "copy", "-", "+")] == [b"1-1", b"2-1", b"3-0"]
    assert kv("XADD", "copy", "9-10", "name", "new") == b"9-10"
    inspect.check(kv.engine)
    assert kv("RESTORE", "again", 0, rdb.payload(kv.engine, b"copy", 11), "REPLACE") == "OK"
    assert kv("XRANGE", "again", "-", "+") == kv("XRANGE", "copy", "-", "+")
    wrong = node(ENTRY, late, [2, 0, 0, b"same", 4], head=(2, 1, 1, b"name", 0))
    assert restore(kv, stream(wrong, count=2)) == BAD


@pytest.mark.parametrize("data", [
    stream(node(ENTRY), node(ENTRY)), stream(node(ENTRY, id=(2, 0)), node(ENTRY)), stream(node(ENTRY), last=0),
    stream(node(ENTRY, ENTRY, head=(2, 0, 1, b"name", 0))), stream(node(ENTRY, head=(2, 0, 1, b"name", 0))),
    stream(node(ENTRY, head=(0, 1, 1, b"name", 0))), stream(node([2, 0, 0, 3], head=(1, 0, 0, 0))),
    stream(node([0, 0, 0, 0, 4])), stream(node([2, 0, 0, b"value", 5])), stream(node([2, b"x", 0, b"value", 4])),
    stream(node([2, -1, 0, b"value", 4])), stream(node(ENTRY, head=(1, 0, 1, b"name", 1))), stream(node([2, 0, 0])),
    stream(), stream(string(b"no id") + string(listpack([1]))), stream(string(bytes(16)) + string(listpack([]))),
    stream(node(ENTRY), groups=b"\x02" + 2 * group([])), stream(node(ENTRY), groups=b"\x01" + group([1])),
    stream(node(ENTRY), groups=b"\x01" + group([1, 1], (b"a", [1]))), stream(node(ENTRY), groups=b"\x01" + group([], (b"a", [1]))),
    stream(node(ENTRY), groups=b"\x01" + group([1], (b"a", [1]), (b"a", []))),
    stream(node(ENTRY), groups=b"\x01" + group([1], (b"a", [1]), (b"b", [1]))),
    stream(node(ENTRY), groups=b"\x01" + group([1], (b"a", [1, 1])))])
def test_streams_that_do_not_hold_together(kv: Embedded, data: bytes) -> None:
    assert restore(kv, stream(node(ENTRY))) == "OK"
    assert restore(kv, data) == BAD


def test_no_truncation_harms(kv: Embedded) -> None:
    for name in CASES:
        make(kv, name)
        body = rdb.payload(kv.engine, b"k")[:-10]
        kv("DEL", "copy")
        restore(kv, sealed(body[:-1]))              # what buffers take once
        before = inspect.memory_figures(kv.engine)["used"]
        for end in range(0, len(body), max(1, len(body) // 300)):
            assert restore(kv, sealed(body[:end])) == BAD, f"{name}, {end} of {len(body)} bytes"
        assert inspect.memory_figures(kv.engine)["used"] < before + 2000, f"{name}: what was read is not freed"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", CASES)
def test_no_flipped_bit_harms(kv: Embedded, name: str, version: int) -> None:
    make(kv, name)
    whole = rdb.payload(kv.engine, b"k", version)
    for place in range(0, 8 * len(whole), max(1, len(whole) // 40)):
        data = bytearray(whole)
        data[place // 8] ^= 1 << place % 8
        assert restore(kv, bytes(data)) == "ERR DUMP payload version or checksum are wrong"
        if restore(kv, sealed(bytes(data[:-10]), version)) == "OK":
            use(kv)


def use(client: Embedded) -> None:
    """Read and change a value in every way that its type has."""
    client("DUMP", "copy")
    contents(client, "copy")
    kind = client("TYPE", "copy")
    if kind == "list":
        client("RPUSH", "copy", *range(10))
        client("LPOP", "copy", 20)
    elif kind == "set":
        client("SADD", "copy", *range(600))
        client("SPOP", "copy", 700)
    elif kind == "hash":
        client("HSET", "copy", *range(1200))
        client("HDEL", "copy", *range(1200))
    elif kind == "zset":
        client("ZADD", "copy", *[word for i in range(200) for word in (i, i)])
        client("ZPOPMIN", "copy", 250)
    elif kind == "stream":
        client("XADD", "copy", "*", "a", "b")
        client("XTRIM", "copy", "MAXLEN", 3)
    inspect.check(client.engine)
    client("DEL", "copy")
