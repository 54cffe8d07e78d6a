"""Streams and their groups through the append-only file: replayed, and rewritten."""
from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.integration.program import Server


def fill(server: Server) -> None:
    """Streams of every kind, made by commands that the file holds as they came and by ones that it holds otherwise."""
    server.pipe([("XADD", "long", "*", "n", n, "text", "x" * (n % 50)) for n in range(1000)])
    server("XADD", "long", "MAXLEN", "~", 450, "*", "other", "fields", "\r\n", 5)
    ids = [id for id, _ in server("XRANGE", "long", "-", "+", "COUNT", 30)]
    server("XDEL", "long", *ids[::3])
    server("XGROUP", "CREATE", "long", "readers", 0)
    server("XREADGROUP", "GROUP", "readers", "bob", "COUNT", 10, "STREAMS", "long", ">")
    server("XREADGROUP", "GROUP", "readers", "alice", "COUNT", 10, "STREAMS", "long", ">")
    server("XREADGROUP", "GROUP", "readers", "nobody", "NOACK", "COUNT", 1, "STREAMS", "long", ">")
    server("XACK", "long", "readers", *(id for id, *_ in server("XPENDING", "long", "readers", "-", "+", 3)))
    server("XAUTOCLAIM", "long", "readers", "carol", 0, "-", "COUNT", 4)
    server("XGROUP", "CREATE", "long", "late", "$", "ENTRIESREAD", 7)
    server("XGROUP", "CREATE", "empty", "g", "5-5", "MKSTREAM")
    server("XADD", "emptied", "7-7", "a", 1)
    server("XDEL", "emptied", "7-7")
    server("XADD", "top", "7-7", "a", 1)
    server("XADD", "top", "9-9", "a", 1)
    server("XDEL", "top", "9-9")
    server("XSETID", "top", "20-0", "ENTRIESADDED", 100, "MAXDELETEDID", "15-0")
    server("MULTI")
    server("XADD", "multi", "1-*", "a", 1)
    server("XREADGROUP", "GROUP", "g", "bob", "STREAMS", "empty", ">")
    server("EXEC")
    server("EXPIRE", "top", 10_000)


def pending(server: Server, group: str) -> list[Any]:
    return [(id, consumer, count) for id, consumer, _, count in server("XPENDING", "long", group, "-", "+", 1000)]


def shown(server: Server) -> Any:
    """What of streams no digest covers."""
    found: list[Any] = [pending(server, "readers"), pending(server, "late"), server("XINFO", "GROUPS", "long")]
    for key in ("long", "empty", "emptied", "top", "multi"):
        info = server("XINFO", "STREAM", key)
        pairs = info.items() if isinstance(info, dict) else zip(info[::2], info[1::2], strict=True)
        found.append([(name, value) for name, value in pairs if not name.startswith(b"radix-tree")])
    return found


def consumers(server: Server) -> list[bytes]:
    return [one[1] for one in server("XINFO", "CONSUMERS", "long", "readers")]


def test_the_same_after_a_replay_and_after_a_rewrite(tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        fill(server)
        digest, details = server("DEBUG", "DIGEST"), shown(server)
        assert consumers(server) == [b"alice", b"bob", b"carol", b"nobody"]
        server.crash()
    with Server(tmp_path) as server:
        assert server("DEBUG", "DIGEST") == digest and shown(server) == details
        server("BGREWRITEAOF")
        server.rewritten()
        server("XADD", "top", "21-0", "b", 2)
        digest, details = server("DEBUG", "DIGEST"), shown(server)
        server.crash()
    with Server(tmp_path) as server:
        assert server("DEBUG", "DIGEST") == digest and shown(server) == details
        assert consumers(server) == [b"alice", b"bob", b"carol", b"nobody"]
