"""HyperLogLogs and places through the append-only file: replayed, and rewritten."""
from __future__ import annotations

from pathlib import Path

from tests.integration.program import Server


def fill(server: Server) -> None:
    server("PFADD", "p:small", "a", "b", "c")
    server("PFADD", "p:empty")
    server("PFADD", "p:dense", *range(5000))
    server("PFCOUNT", "p:dense")
    server("PFADD", "p:counted", *range(500))
    server("PFCOUNT", "p:counted")
    server("PFMERGE", "p:merged", "p:small", "p:counted")
    server("PFDEBUG", "TODENSE", "p:small")
    server("GEOADD", "g:small", 13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania")
    server("GEOADD", "g:large", *[word for i in range(400) for word in (i / 10, i / 10 - 20, f"m{i}")])
    server("GEOADD", "g:large", "XX", "CH", 1, 1, "m7", 1, 1, "none")
    server("GEOSEARCHSTORE", "g:stored", "g:large", "FROMMEMBER", "m200", "BYRADIUS", 500, "km")
    server("GEORADIUS", "g:large", 10, -10, 900, "km", "COUNT", 20, "ANY", "STOREDIST", "g:distances")
    server("MULTI")
    server("PFADD", "p:multi", 1)
    server("GEOADD", "g:multi", 1, 1, "m")
    server("EXEC")


def test_the_same_after_a_replay_and_after_a_rewrite(tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        fill(server)
        values = [server("GET", key) for key in ("p:small", "p:empty", "p:dense", "p:counted", "p:merged", "p:multi")]
        digest = server("DEBUG", "DIGEST")
        assert all(values) and server("ZCARD", "g:stored") > 1 and server("ZCARD", "g:distances") == 20
        server.crash()
    with Server(tmp_path) as server:
        assert server("DEBUG", "DIGEST") == digest
        assert [server("GET", key) for key in ("p:small", "p:empty", "p:dense", "p:counted", "p:merged", "p:multi")] == values
        server("BGREWRITEAOF")
        server.rewritten()
        server("PFCOUNT", "p:merged")
        digest = server("DEBUG", "DIGEST")
        server.crash()
    with Server(tmp_path) as server:
        assert server("DEBUG", "DIGEST") == digest
