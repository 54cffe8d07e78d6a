"""maxmemory as a share of what this process may use, and the warning of a password that is none."""
from __future__ import annotations

import pytest
import redis

from kv.server.container import memory_limit, usable_memory
from kv.server.user import PLACEHOLDER


def test_a_share_of_the_memory(start_server) -> None:
    whole = usable_memory()
    server = start_server(config="maxmemory 75%\n")
    client = server.client()
    where = "the memory limit of this container" if memory_limit() else "this machine's memory"
    server.until(lambda: f"maxmemory is 75% of {where} ({whole} bytes): {whole * 75 // 100} bytes" in server.text())
    assert client.config_get("maxmemory") == {"maxmemory": str(whole * 75 // 100)}
    memory = client.info("memory")
    assert memory["maxmemory"] == whole * 75 // 100 and memory["total_system_memory"] >= whole
    path = server.directory / "kv.conf"
    client.config_set("hz", 20)
    client.config_rewrite()
    assert "maxmemory 75%\n" in path.read_text() and "hz 20\n" in path.read_text()
    client.config_set("maxmemory", whole * 75 // 100)       # the same number, and no share any longer
    client.config_rewrite()
    assert "%" not in path.read_text()
    client.config_set("maxmemory", "50%")
    assert client.config_get("maxmemory") == {"maxmemory": str(whole // 2)} and f": {whole // 2} bytes" in server.text()
    client.config_set("maxmemory-clients", "10%")       # of maxmemory
    client.config_rewrite()
    assert "maxmemory 50%\n" in path.read_text()
    for wrong, why in (("101%", "percentage argument must be less or equal to 100"), ("-1%", "must be a memory or percent value"),
                       ("x%", "argument must be a memory or percent value"), ("5%%", "argument must be a memory or percent value"),
                       ("x", "argument must be a memory value")):
        with pytest.raises(redis.ResponseError, match=why):
            client.config_set("maxmemory", wrong)
    client.config_set("maxmemory", "0%")
    assert client.config_get("maxmemory") == {"maxmemory": "0"}


@pytest.mark.parametrize("way", ["requirepass", "requirepass-file", "CONFIG SET", "the file changes"])
def test_the_placeholder_is_warned_of(start_server, tmp_path, way: str) -> None:
    path = tmp_path / "password"
    path.write_text(PLACEHOLDER if way == "requirepass-file" else "first")
    options = {"requirepass": ["--requirepass", PLACEHOLDER], "CONFIG SET": []}.get(way, ["--requirepass-file", str(path)])
    server = start_server(*options)
    if way == "CONFIG SET":
        server.client().config_set("requirepass", PLACEHOLDER)
    elif way == "the file changes":
        assert "placeholder" not in server.text()
        path.write_text(PLACEHOLDER)
    server.until(lambda: "WARNING The password of the default user is the placeholder" in server.text())
    assert server.text().count("placeholder of deploy") == 1 and PLACEHOLDER not in server.text()
    assert server.client(password=PLACEHOLDER).ping()
