"""What is done with RDB from a stranger: it is read, and what came of it is used, looked at and written again."""
from __future__ import annotations

import os

from kv._core.engine import inspect
from kv._core.engine.engine import Engine
from kv._core.engine.rdbload import RdbFault, RdbLoad
from kv._core.testing import rdb

USES: dict[str, list[tuple]] = {
    "string": [("GET",), ("APPEND", "x"), ("SETRANGE", 5, "y"), ("STRLEN",)],
    "list": [("LRANGE", 0, -1), ("RPUSH", "a", 1), ("LPUSH", "b"), ("LINSERT", "BEFORE", "a", "c"), ("LREM", 1, "a"),
             ("LSET", 0, "z"),
             ("LTRIM", 1, -2), ("RPOP", 3)],
    "set": [("SMEMBERS",), ("SADD", "a", 1, 2), ("SREM", "a", 7), ("SRANDMEMBER", -5), ("SPOP", 3), ("SADD", *range(600)),
            ("SPOP", 500)],
    "hash": [("HGETALL",), ("HSET", "a", 1, "name", 2), ("HDEL", "a", "0"), ("HRANDFIELD", -5), ("HSET", *range(1200)),
             ("HSTRLEN", "5")],
    "zset": [("ZRANGE", 0, -1, "WITHSCORES"), ("ZADD", 5, "a", 6, "0"), ("ZRANK", "a"), ("ZREM", "a", "m00001"), ("ZPOPMIN", 2),
             ("ZADD", *[word for i in range(200) for word in (i, i)]), ("ZRANGEBYSCORE", 2, 9), ("ZREMRANGEBYRANK", 0, 20)],
    "stream": [("XRANGE", "-", "+"), ("XREVRANGE", "+", "-"), ("XADD", "*", "a", "b"), ("XDEL", "1-1", "1-2"), ("XLEN",),
               ("XTRIM", "MAXLEN", 2)]}


class Target:
    """An engine that is given payloads and files. `restored` and `loaded` count what was taken."""

    def __init__(self, seed: int = 1) -> None:
        self.engine = Engine(None, seed=seed)
        self.session = self.engine.session()
        self.sanitize(True)
        self.restored = self.loaded = 0

    def sanitize(self, deep: bool) -> None:
        """Whether listpacks are searched for elements that come twice. Where they are not, such a value is taken, but not every
        form in which it is written."""
        self.deep = deep
        self.engine.configure(sanitize_dump_payload="yes" if deep else "no")

    def command(self, *words: object) -> object:
        try:
            return self.session.execute(*words)
        except Exception as error:                  # an error reply
            return error

    def use(self, key: str) -> None:
        """Everything that the key's type has, and a round trip before and after."""
        for _ in range(2):
            for version in (9, 10, 11):
                dumped = rdb.payload(self.engine, key.encode(), version)
                if dumped is not None:
                    self.round_trip(dumped)
            kind = self.command("TYPE", key)
            for name, *rest in USES.get(kind.decode() if isinstance(kind, bytes) else str(kind), []):
                self.command(name, key, *rest)
            if kind in (b"stream", "stream"):
                self.command("XINFO", "STREAM", key, "FULL")
        inspect.check(self.engine)

    def round_trip(self, dumped: bytes) -> None:
        """What this server writes it takes again."""
        found = self.command("RESTORE", "again", 0, dumped, "REPLACE")
        assert not self.deep or found in ("OK", b"OK", True), f"{found!r} to what was dumped: {dumped.hex()}"

    def restore(self, data: bytes) -> bool:
        """Whether the payload was taken."""
        found = self.command("RESTORE", "k", 0, data, "REPLACE")
        if isinstance(found, Exception):
            assert str(found) in ("ERR Bad data format", "ERR DUMP payload version or checksum are wrong"), found
            return False
        self.restored += 1
        inspect.check(self.engine)
        self.use("k")
        self.command("FLUSHALL")
        return True

    def load(self, data: bytes) -> bool:
        """Whether the file was taken."""
        fd = os.memfd_create("rdb")
        try:
            os.write(fd, data)
            os.lseek(fd, 0, os.SEEK_SET)
            loading = RdbLoad(self.engine, fd, relaxed=True, merge=len(data) % 2 == 0, deep=self.deep)
            while loading.step(ms=1):
                pass
            self.loaded += 1
            return True
        except RdbFault as fault:
            assert str(fault) and 0 <= fault.offset <= len(data)
            return False
        finally:
            os.close(fd)
            inspect.check(self.engine)
            for key in self.command("KEYS", "*") or []:    # type: ignore[attr-defined]
                self.use(key.decode("latin-1"))
            self.command("FLUSHALL")
