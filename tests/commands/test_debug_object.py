"""DEBUG OBJECT and its kin: figures of values, each with what Valkey 8.1.7 says of the same."""
from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.commands.client import Client
from tests.program import Program
from tests.rdbcases import build

VALKEY = [  # case, encoding, serializedlength with rdbcompression no and yes, what stands behind lfu_access_time_minutes
    ("empty string", "embstr", 1, 1, ""),
    ("text", "embstr", 6, 6, ""),
    ("8 bits", "int", 2, 2, ""),
    ("16 bits", "int", 3, 3, ""),
    ("32 bits", "int", 5, 5, ""),
    ("64 bits", "int", 20, 20, ""),
    ("more than 32 bits", "int", 11, 11, ""),
    ("digits that are no number", "embstr", 4, 4, ""),
    ("digits that were appended", "raw", 2, 2, ""),
    ("long text", "raw", 1682, 51, ""),
    ("all bytes", "raw", 514, 277, ""),
    ("16384 bytes", "raw", 16389, 203, ""),
    ("list", "listpack", 1711, 79, ""),
    ("list of nodes", "quicklist", 40950, 15043,
     " ql_nodes:6 ql_avg_node:500.00 ql_listpack_max:-2 ql_compressed:0 ql_uncompressed_size:40932"),
    ("list with a plain node", "quicklist", 20031, 268,
     " ql_nodes:3 ql_avg_node:1.00 ql_listpack_max:-2 ql_compressed:0 ql_uncompressed_size:20020"),
    ("compressed list", "quicklist", 20009, 15043,
     " ql_nodes:6 ql_avg_node:500.00 ql_listpack_max:-2 ql_compressed:1 ql_uncompressed_size:40932"),
    ("list of four a node", "quicklist", 50, 50,
     " ql_nodes:3 ql_avg_node:3.67 ql_listpack_max:4 ql_compressed:0 ql_uncompressed_size:43"),
    ("set of 16 bits", "intset", 15, 15, ""),
    ("set of 32 bits", "intset", 21, 21, ""),
    ("set of 64 bits", "intset", 33, 25, ""),
    ("small set", "listpack", 16, 16, ""),
    ("large set", "hashtable", 5392, 5392, ""),
    ("set of a long member", "hashtable", 107, 18, ""),
    ("small hash", "listpack", 35, 35, ""),
    ("large hash", "hashtable", 8864, 8864, ""),
    ("hash of a long value", "hashtable", 316, 30, ""),
    ("small sorted set", "listpack", 53, 53, ""),
    ("large sorted set", "skiplist", 5592, 5592, ""),
    ("stream", "stream", 171, 146, ""),
    ("stream of nodes", "stream", 19771, 10786, ""),
    ("stream of other names", "stream", 1846, 199, ""),
    ("stream with deleted entries", "stream", 638, 414, ""),
    ("trimmed stream", "stream", 3025, 1685, ""),
    ("empty stream", "stream", 18, 18, ""),
    ("stream of highest ids", "stream", 84, 84, ""),
    ("stream with groups", "stream", 868, 719, ""),
    ("stream whose group lost count", "stream", 276, 224, ""),
]


@pytest.fixture(scope="module")
def debug(server: Program) -> Iterator[Client]:
    client = Client(server.port, 2)
    yield client
    client("CONFIG", "SET", "rdbcompression", "yes")
    client("FLUSHALL")
    client.close()


def make(client: Client, name: str) -> None:
    build(client, name, lambda option, value: client("CONFIG", "SET", option, value))


def figures(line: str) -> dict[str, str]:
    return dict(re.findall(r"(\w+):(\S+)", line))


@pytest.mark.parametrize(("name", "encoding", "plain", "compressed", "rest"), VALKEY, ids=[row[0] for row in VALKEY])
def test_debug_object(debug: Client, name: str, encoding: str, plain: int, compressed: int, rest: str) -> None:
    make(debug, name)
    debug("CONFIG", "SET", "rdbcompression", "no")
    line = debug("DEBUG", "OBJECT", "k")
    found = figures(line)
    assert found["encoding"] == encoding
    if name == "compressed list":   # its nodes are LZF, ours other bytes than liblzf's
        assert 0.9 * plain < int(found["serializedlength"]) < 1.1 * plain
    else:
        assert int(found["serializedlength"]) == plain
    assert line.partition(" ql_nodes")[2] == rest.partition(" ql_nodes")[2]
    debug("CONFIG", "SET", "rdbcompression", "yes")
    length = int(figures(debug("DEBUG", "OBJECT", "k"))["serializedlength"])
    assert 0.85 * compressed - 12 <= length <= 1.15 * compressed + 12
    assert length <= plain


def test_debug_object_fast_leaves_out_what_costs_time(debug: Client) -> None:
    make(debug, "list of nodes")
    line = debug("DEBUG", "OBJECT", "k", "FAST")
    assert "serializedlength" not in line and "ql_uncompressed_size" not in line
    assert " ql_nodes:6 ql_avg_node:500.00 ql_listpack_max:-2 ql_compressed:0" in line


def test_debug_object_tells_the_access_clock(debug: Client) -> None:
    debug("SET", "k", "v")
    before = figures(debug("DEBUG", "OBJECT", "k"))
    clock = int(figures(debug("INFO", "server").decode())["lru_clock"])
    assert 0 <= clock - int(before["lru"]) <= 1 and before["lru_seconds_idle"] in ("0", "1")
    assert int(before["lfu_access_time_minutes"]) == int(before["lru"]) >> 8
    debug("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu")
    debug("SET", "k", "v")
    for _ in range(20):
        debug("GET", "k")
    after = figures(debug("DEBUG", "OBJECT", "k"))
    assert 6 <= int(after["lfu_freq"]) <= 26 and int(after["lfu_freq"]) == debug("OBJECT", "FREQ", "k")
    debug("CONFIG", "SET", "maxmemory-policy", "noeviction")


def test_the_length_of_a_large_value_needs_no_copy_of_it(debug: Client, server: Program) -> None:
    debug("CONFIG", "SET", "rdbcompression", "no")
    debug("DEL", "k")
    for start in range(0, 400_000, 1000):
        debug("SADD", "k", *[f"a member that is long enough to be seen {number}" for number in range(start, start + 1000)])
    before = int(figures(debug("INFO", "memory").decode())["used_memory_peak"])
    length = int(figures(debug("DEBUG", "OBJECT", "k"))["serializedlength"])
    assert length > 17_000_000
    assert int(figures(debug("INFO", "memory").decode())["used_memory_peak"]) - before < 3 << 20


def test_the_compiler_is_the_one_of_the_core(debug: Client) -> None:
    version = figures(debug("INFO", "server").decode())["gcc_version"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", version) and version != "0.0.0"
