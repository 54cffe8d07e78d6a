"""Real client libraries, used for what they are: connections, pools, pipelines."""
from __future__ import annotations

import asyncio
import json
import subprocess
import threading

import pytest
import redis
import redis.asyncio

from tests.integration.libraries import node_folder


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    from tests.program import Program

    running = Program(tmp_path_factory.mktemp("clients"), "--requirepass", "open sesame")
    yield running
    running.kill()


@pytest.mark.parametrize("protocol", [2, 3])
def test_redis_py(server, protocol: int) -> None:
    client = server.client(password="open sesame", protocol=protocol, client_name="tester", decode_responses=True)
    assert client.ping()
    client.delete("greeting", "a", "b")
    assert client.set("greeting", "hello", ex=100, get=True) is None
    assert client.get("greeting") == "hello"
    assert 0 < client.ttl("greeting") <= 100
    assert client.mset({"a": 1, "b": 2}) and client.mget("a", "b", "none") == ["1", "2", None]
    assert client.incrbyfloat("a", 0.5) == 1.5
    assert client.client_info()["name"] == "tester"
    assert client.config_get("maxmemory*")["maxmemory-policy"] == "noeviction"
    assert client.info("server")["redis_version"] == "7.2.4"
    assert sorted(client.scan_iter(match="[ab]")) == ["a", "b"]
    with pytest.raises(redis.ResponseError, match="not an integer"):
        client.incr("greeting")
    client.close()


@pytest.mark.parametrize("protocol", [2, 3])
def test_redis_py_pipeline(server, protocol: int) -> None:
    client = server.client(password="open sesame", protocol=protocol)
    with client.pipeline(transaction=False) as pipeline:
        for number in range(5000):
            pipeline.set(f"pipe:{number}", number)
            pipeline.get(f"pipe:{number}")
        replies = pipeline.execute()
    assert replies[1::2] == [b"%d" % number for number in range(5000)]


def test_redis_py_pool_of_threads(server) -> None:
    pool = redis.ConnectionPool(host="127.0.0.1", port=server.port, password="open sesame", max_connections=8)

    def count() -> None:
        client = redis.Redis(connection_pool=pool)
        for _ in range(500):
            client.incr("counter")

    redis.Redis(connection_pool=pool).delete("counter")
    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert redis.Redis(connection_pool=pool).get("counter") == b"4000"


@pytest.mark.parametrize("protocol", [2, 3])
def test_redis_py_asyncio(server, protocol: int) -> None:
    async def work() -> None:
        client = redis.asyncio.Redis(host="127.0.0.1", port=server.port, password="open sesame", protocol=protocol)
        await client.delete("async")
        await asyncio.gather(*[client.incr("async") for _ in range(80)])
        assert await client.get("async") == b"80"
        async with client.pipeline(transaction=False) as pipeline:
            for number in range(100):
                pipeline.set(f"async:{number}", number, ex=100)
            assert await pipeline.execute() == [True] * 100
        await client.aclose()

    asyncio.run(work())


def test_wrong_password_is_refused(server) -> None:
    with pytest.raises(redis.AuthenticationError):
        server.client(password="wrong").ping()
    with pytest.raises(redis.AuthenticationError):
        server.client().ping()


def test_ioredis(server) -> None:
    done = subprocess.run(["node", "check.js", str(server.port), "open sesame"], cwd=node_folder(), capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"get": "value", "pipeline": 2000, "missing": None, "error": True, "info": True,
                                       "parallel": 500}
