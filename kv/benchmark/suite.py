"""The default tests of kv-benchmark: names, titles and requests, in the order in which they run.

The order matters: LPOP takes what LPUSH has left, LRANGE needs a list (hence a second LPUSH before it).
"""
from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from kv.benchmark.link import encode
from kv.benchmark.options import Options


class Data:
    """Values of -d bytes: always the same ones, so that two runs compress and compare alike.

    The recurrence is that of ANSI C's example rand(), as valkey-benchmark uses it; it goes on from one
    repetition of the tests (-l) to the next.
    """

    def __init__(self) -> None:
        self.state = 1234

    def take(self, size: int) -> bytes:
        data = bytearray(size)
        state = self.state
        for i in range(size):
            state = (state * 1103515245 + 12345) & 0xFFFFFFFF
            data[i] = 48 + (state >> 16 & 63)
        self.state = state
        return bytes(data)


@dataclass
class Test:
    """A benchmark of the default suite."""

    names: str  # that select it with -t, separated by blanks
    title: str
    words: list[str | bytes]  # of its request; a single one that ends in CR LF is an inline command
    library: str | None = None  # functions to load first

    @property
    def request(self) -> bytes:
        first = os.fsencode(self.words[0])
        return first if first.endswith(b"\r\n") else encode(*self.words)


def suite(options: Options, data: bytes) -> Iterator[Test]:
    """The default tests, in order."""
    yield Test("ping_inline ping", "PING_INLINE", ["PING\r\n"])
    yield Test("ping_mbulk ping", "PING_MBULK", ["PING"])
    yield Test("set", "SET", ["SET", "key:__rand_int__", data])
    yield Test("get", "GET", ["GET", "key:__rand_int__"])
    yield Test("incr", "INCR", ["INCR", "counter:__rand_int__"])
    yield Test("lpush", "LPUSH", ["LPUSH", "mylist", data])
    yield Test("rpush", "RPUSH", ["RPUSH", "mylist", data])
    yield Test("lpop", "LPOP", ["LPOP", "mylist"])
    yield Test("rpop", "RPOP", ["RPOP", "mylist"])
    yield Test("sadd", "SADD", ["SADD", "myset", "element:__rand_int__"])
    yield Test("hset", "HSET", ["HSET", "myhash", "element:__rand_int__", data])
    yield Test("spop", "SPOP", ["SPOP", "myset"])
    score = "0" if options.keyspace is None else "__rand_int__"
    yield Test("zadd", "ZADD", ["ZADD", "myzset", score, "element:__rand_int__"])
    yield Test("zpopmin", "ZPOPMIN", ["ZPOPMIN", "myzset"])
    yield Test("lrange lrange_100 lrange_300 lrange_500 lrange_600", "LPUSH (needed to benchmark LRANGE)",
               ["LPUSH", "mylist", data])
    for count in (100, 300, 500, 600):
        yield Test(f"lrange lrange_{count}", f"LRANGE_{count} (first {count} elements)",
                   ["LRANGE", "mylist", "0", str(count - 1)])
    pair: list[str | bytes] = ["key:__rand_int__", data]
    yield Test("mset", "MSET (10 keys)", ["MSET", *pair * 10])
    yield Test("xadd", "XADD", ["XADD", "mystream", "*", "myfield", data])
    yield Test("function_load", "FUNCTION LOAD",
               ["function", "load", "replace", library(options.functions, False)])
    keys = options.function_keys
    yield Test("fcall", "FCALL", ["fcall", "foo1", str(keys), *(f"key{i + 1}" for i in range(keys))],
               library(1, keys > 0))


def library(count: int, with_keys: bool) -> str:
    """A library `benchlib` with the functions foo1 ... fooN, in Lua that Redis 7 and Valkey both take."""
    lines = ["#!lua name=benchlib"]
    for i in range(count, 0, -1):
        body = "(keys, args) return keys[0] end" if with_keys else "() return 0 end"
        lines.append(f"local function foo{i}{body}\nredis.register_function('foo{i}', foo{i})")
    return "\n".join(lines) + "\n"
