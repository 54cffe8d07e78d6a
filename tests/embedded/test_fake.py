"""kv.fake: fakeredis's names."""
from __future__ import annotations

import asyncio
import threading

import pytest
import redis

from kv import fake


def test_each_client_has_a_database_of_its_own():
    one, two = fake.FakeRedis(), fake.FakeStrictRedis()
    assert isinstance(one, redis.Redis)
    one.set("key", "value")
    assert one.get("key") == b"value" and two.get("key") is None


def test_clients_of_a_server_share_it():
    server = fake.FakeServer()
    one, two = fake.FakeRedis(server=server, db=1), fake.FakeRedis(server=server, db=1, decode_responses=True)
    one.set("key", "value")
    assert two.get("key") == "value"
    server.connected = False
    for _ in range(2):
        with pytest.raises(redis.ConnectionError):
            one.get("key")
    server.connected = True
    assert one.get("key") == b"value"


def test_the_same_host_and_port_are_the_same_database():
    fake.FakeRedis(host="somewhere", port=7000).set("key", 1)
    assert fake.FakeRedis("somewhere", 7000).get("key") == b"1"
    assert fake.FakeRedis(host="somewhere", port=7001).get("key") is None
    fake.FakeRedis.from_url("redis://elsewhere:7000/3", decode_responses=True).set("key", 2)
    client = fake.FakeRedis.from_url("redis://elsewhere:7000/3", decode_responses=True)
    assert client.get("key") == "2"
    assert client.connection_pool.connection_kwargs["db"] == 3


def test_a_password():
    server = fake.FakeServer(config={b"requirepass": b"secret"})
    with pytest.raises(redis.AuthenticationError):
        fake.FakeRedis(server=server).ping()
    assert fake.FakeRedis(server=server, password="secret").ping()


def test_one_connection():
    client = fake.FakeRedis(single_connection_client=True)
    assert client.client_id() == client.client_id()


def test_asyncio():
    async def work():
        server = fake.FakeServer()
        client = fake.FakeAsyncRedis(server=server)
        await client.set("key", "value")
        assert await client.get("key") == b"value"
        assert await fake.FakeAsyncRedis.from_url("redis://host", server=server).get("key") == b"value"
        server.connected = False
        with pytest.raises(redis.ConnectionError):
            await client.get("key")

    asyncio.run(work())


def test_over_tcp():
    with fake.TcpFakeServer(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        client = redis.Redis(*server.server_address)
        assert client.set("key", "value") and client.get("key") == b"value"
        client.close()
        server.shutdown()
        thread.join(10)


def test_valkey_s_classes():
    pytest.importorskip("valkey")
    client = fake.FakeValkey()
    client.set("key", "value")
    assert client.get("key") == b"value"
