"""Hashes and sets through the append-only file, in every encoding: replayed, and rewritten."""
from __future__ import annotations

from pathlib import Path

from tests.integration.program import Server


def fill(server: Server) -> None:
    """Keys of every encoding, made by commands that the file holds as they came and by ones that it holds otherwise."""
    server("HSET", "h:small", "a", 1, "b", "text", "", "")
    server("HINCRBYFLOAT", "h:small", "a", "0.1")
    server("HSET", "h:long", "n" * 300, b"\0\r\n" * 200)
    server.pipe([("HSET", "h:large", f"f{n}", n) for n in range(2000)])
    server("HDEL", "h:large", *(f"f{n}" for n in range(0, 2000, 3)))
    server("SADD", "s:numbers", *range(-50, 50), 2**63 - 1)
    server("SADD", "s:small", "a", 1, "")
    server("SADD", "s:large", *range(3000), "x" * 300)
    server("SPOP", "s:large", 1500)
    server("SPOP", "s:numbers")
    server("SUNIONSTORE", "s:union", "s:small", "s:numbers")
    server("SADD", "s:gone", 1, 2)
    server("SPOP", "s:gone", 2)
    server("MULTI")
    server("HSET", "h:multi", "a", 1)
    server("SPOP", "s:small")
    server("EXEC")
    server("EXPIRE", "h:small", 10_000)


def encodings(server: Server) -> list[bytes]:
    keys = ["h:small", "h:long", "h:large", "h:multi", "s:numbers", "s:small", "s:large", "s:union"]
    return [server("OBJECT", "ENCODING", key) for key in keys]


def test_the_same_after_a_replay_and_after_a_rewrite(tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        fill(server)
        digest, forms = server("DEBUG", "DIGEST"), encodings(server)
        server.crash()
    with Server(tmp_path) as server:
        assert [server("DEBUG", "DIGEST"), encodings(server), server("EXISTS", "s:gone")] == [digest, forms, 0]
        server("BGREWRITEAOF")
        server.rewritten()
        server("SADD", "s:numbers", 777)
        digest = server("DEBUG", "DIGEST")
        server.crash()
    with Server(tmp_path) as server:
        assert [server("DEBUG", "DIGEST"), encodings(server)] == [digest, forms]
