"""Values in every encoding, each as the commands that make it: for RDB, and for whoever compares it with a peer."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

Commands = list[tuple[Any, ...]]
LONG = b"a line that repeats, a line that repeats, " * 40
NOISE = bytes(range(256)) * 2

SETTINGS: dict[str, dict[str, int]] = {  # of the cases that need others than the defaults
    "compressed list": {"list-compress-depth": 1}, "list of four a node": {"list-max-listpack-size": 4}}
DEFAULTS = {"list-max-listpack-size": -2, "list-compress-depth": 0}


def stream_entries(count: int, *, key: str = "k") -> Commands:
    return [("XADD", key, f"{1700000000000 + i // 3}-{i % 3}", "temperature", i, "place", f"room {i % 7}")
            for i in range(1, count + 1)]


CASES: dict[str, Commands] = {
    "empty string": [("SET", "k", "")],
    "text": [("SET", "k", "hello")],
    "8 bits": [("SET", "k", "-128")],
    "16 bits": [("SET", "k", "32767")],
    "32 bits": [("SET", "k", "-2147483648")],
    "64 bits": [("SET", "k", "9223372036854775807")],
    "more than 32 bits": [("SET", "k", "2147483648")],
    "digits that are no number": [("SET", "k", "007")],
    "digits that were appended": [("SET", "k", "1"), ("APPEND", "k", "2")],
    "long text": [("SET", "k", LONG)],
    "all bytes": [("SET", "k", NOISE)],
    "16384 bytes": [("SETRANGE", "k", 16383, "x")],
    "list": [("RPUSH", "k", "a", "1", "-5000", "70000", LONG, "")],
    "list of nodes": [("RPUSH", "k", *[f"element {i}" for i in range(3000)])],
    "list with a plain node": [("RPUSH", "k", "a", b"p" * 20000, "b")],
    "compressed list": [("RPUSH", "k", *[f"element {i}" for i in range(3000)])],
    "list of four a node": [("RPUSH", "k", *range(11))],
    "set of 16 bits": [("SADD", "k", 3, -4, 32767)],
    "set of 32 bits": [("SADD", "k", 3, -4, 1 << 20)],
    "set of 64 bits": [("SADD", "k", 3, -4, 1 << 40)],
    "small set": [("SADD", "k", "a", "b", 17)],
    "large set": [("SADD", "k", *[f"member {i}" for i in range(500)])],
    "set of a long member": [("SADD", "k", "m" * 100, "a", 5)],
    "small hash": [("HSET", "k", "name", "value", "number", 12, "", "")],
    "large hash": [("HSET", "k", *[word for i in range(700) for word in (f"field {i}", i)])],
    "hash of a long value": [("HSET", "k", "name", "v" * 300, "other", 1)],
    "small sorted set": [("ZADD", "k", 1, "a", 2.5, "b", "inf", "c", "-inf", "d", 1e20, "e", -7, "12")],
    "large sorted set": [("ZADD", "k", *[word for i in range(300) for word in (i / 3, f"member {i}")])],
    "stream": stream_entries(5),
    "stream of nodes": stream_entries(1000),
    "stream of other names": [*stream_entries(3), ("XADD", "k", "1700000000009-0", "x", "y"), ("XADD", "k", "1700000000009-5",
                              "temperature", "", "place", LONG)],
    "stream with deleted entries": [*stream_entries(30), ("XDEL", "k", "1700000000001-1", "1700000000003-0")],
    "trimmed stream": [*stream_entries(250), ("XTRIM", "k", "MAXLEN", 120)],
    "empty stream": [*stream_entries(2), ("XTRIM", "k", "MAXLEN", 0)],
    "stream of highest ids": [("XADD", "k", "0-1", "a", 1), ("XADD", "k", "18446744073709551615-18446744073709551614", "a", 2)],
    "stream with groups": [*stream_entries(20), ("XGROUP", "CREATE", "k", "first", "0"), ("XGROUP", "CREATE", "k", "none", "$"),
                           ("XREADGROUP", "GROUP", "first", "alice", "COUNT", 5, "STREAMS", "k", ">"),
                           ("XREADGROUP", "GROUP", "first", "bob", "COUNT", 3, "STREAMS", "k", ">"),
                           ("XCLAIM", "k", "first", "carol", 0, "1700000000000-1", "TIME", 1700000000500, "RETRYCOUNT", 400),
                           ("XGROUP", "CREATECONSUMER", "k", "none", "idle"), ("XACK", "k", "first", "1700000000000-2")],
    "stream whose group lost count": [*stream_entries(9), ("XDEL", "k", "1700000000001-0"),
                                      ("XGROUP", "CREATE", "k", "g", "1700000000000-2")],
}


def build(client: Any, name: str, configure: Callable[[str, int], Any]) -> None:
    """Make key `k` of a case, from nothing; `configure` sets an option of the server."""
    settings = DEFAULTS | SETTINGS.get(name, {})
    for option, value in settings.items():
        configure(option, value)
    client("DEL", "k")
    for words in CASES[name]:
        client(*words)
    for option, value in DEFAULTS.items():
        configure(option, value)
