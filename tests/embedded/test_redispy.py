"""redis-py over a database in this process: what it does over a socket it does here."""
from __future__ import annotations

import asyncio
import threading
import time

import pytest
import redis

import kv


@pytest.fixture
def db():
    with kv.open() as database:
        yield database


@pytest.fixture(params=[2, 3])
def client(db, request):
    with db.client(protocol=request.param) as found:
        yield found


def test_values(client):
    assert client.set("a", "1") is True
    assert client.get("a") == b"1"
    assert client.incrbyfloat("f", 1.5) == 1.5
    assert client.hset("h", mapping={"x": 1, "y": b"\xff"}) == 2
    assert client.hgetall("h") == {b"x": b"1", b"y": b"\xff"}
    assert client.sadd("s", "a", "b") == 2
    assert client.smembers("s") == {b"a", b"b"}
    assert client.zadd("z", {"m": 1.5}) == 1
    assert client.zscore("z", "m") == 1.5
    assert client.xadd("x", {"f": "v"}, id="1-1") == b"1-1"
    assert client.xrange("x") == [(b"1-1", {b"f": b"v"})]
    assert client.type("x") == b"stream"
    assert client.config_get("maxmemory") == {"maxmemory": "0"}
    assert client.info()["redis_version"] == "7.2.4"
    assert client.get("none") is None
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        client.lpush("a", 1)
    with pytest.raises(redis.DataError):
        client.set("a", None)


def test_a_large_value_comes_whole(client):
    value = b"x" * (3 << 20)
    client.set("big", value)
    assert client.get("big") == value
    client.rpush("list", *[b"%d" % i * 100 for i in range(20000)])
    assert len(client.lrange("list", 0, -1)) == 20000


def test_decoding(db):
    client = db.client(decode_responses=True)
    client.hset("h", "ключ", "значение")
    assert client.hgetall("h") == {"ключ": "значение"}
    latin = db.client(encoding="latin-1", decode_responses=True)
    latin.set("l", "é")
    assert latin.get("l") == "é" and db.execute("GET", "l") == b"\xe9"


def test_pipelines_and_transactions(client):
    with client.pipeline(transaction=False) as pipeline:
        assert pipeline.set("a", 1).incr("a").lpush("a", 1).get("a").execute(raise_on_error=False)[:2] == [True, 2]
    with client.pipeline() as pipeline:
        pipeline.watch("a")
        pipeline.multi()
        pipeline.incr("a")
        client.set("a", 10)
        with pytest.raises(redis.WatchError):
            pipeline.execute()
    assert client.transaction(lambda p: (p.multi(), p.set("b", 1)), "a") == [True]


def test_publish_and_subscribe(client):
    pubsub = client.pubsub()
    pubsub.subscribe("channel")
    assert pubsub.get_message(timeout=5)["type"] == "subscribe"
    assert pubsub.get_message(timeout=0.01) is None
    threading.Timer(0.05, client.publish, ("channel", "text")).start()
    message = pubsub.get_message(timeout=30)
    assert (message["type"], message["data"]) == ("message", b"text")
    pubsub.close()


def test_blocking_commands_wait_in_the_order_of_their_arrival(db, client):
    order = []

    def wait(number):
        order.append((number, client.blpop("list", 30)[1]))

    threads = []
    for number in range(3):
        threads.append(threading.Thread(target=wait, args=(number,)))
        threads[-1].start()
        while client.info("clients")["blocked_clients"] != number + 1:
            time.sleep(0.001)
    client.rpush("list", "a", "b", "c")
    for thread in threads:
        thread.join(30)
    assert sorted(order) == [(0, b"a"), (1, b"b"), (2, b"c")]


def test_a_wait_ends_with_its_timeout(client):
    started = time.monotonic()
    assert client.blpop("none", 0.2) is None
    assert time.monotonic() - started >= 0.2


def test_a_socket_timeout_is_one(db):
    client = db.client(socket_timeout=0.05, retry=None)
    with pytest.raises(redis.TimeoutError):
        client.blpop("none", 30)


def test_scripts_and_locks(client):
    script = client.register_script("return redis.call('INCRBY', KEYS[1], ARGV[1])")
    assert script(keys=["n"], args=[5]) == 5
    with client.lock("lock", timeout=10):
        assert not client.lock("lock", blocking=False).acquire()
    assert client.lock("lock", blocking=False).acquire()


def test_who_is_connected(db, client):
    named = db.client(client_name="worker", db=3)
    named.set("k", 1)
    mine = [row for row in client.client_list() if row["name"] == "worker"]
    assert len(mine) == 1 and mine[0]["db"] == "3" and mine[0]["addr"].startswith("127.0.0.1:")
    assert client.client_kill_filter(_id=mine[0]["id"]) == 1
    assert named.get("k") == b"1"     # over a new connection
    assert client.get("k") is None
    named.close()


def test_a_password(db):
    db.execute("CONFIG", "SET", "requirepass", "secret")
    with pytest.raises(redis.AuthenticationError):
        db.client().ping()
    assert db.client(password="secret").ping()


def test_pause_holds_clients_back(client, db):
    db.execute("CLIENT", "PAUSE", 200, "WRITE")
    started = time.monotonic()
    assert client.set("a", 1)
    assert time.monotonic() - started >= 0.15


def test_monitor(db, client):
    with client.monitor() as monitor:
        db.client().set("key", "value")
        for _ in range(20):
            command = monitor.next_command()
            if command["command"].startswith("SET"):
                break
        assert command["command"] == "SET key value"


def test_asyncio(db):
    async def work(protocol):
        client = db.async_client(protocol=protocol, decode_responses=True)
        assert await client.set("a", 1) is True
        assert await client.get("a") == "1"
        async with client.pipeline() as pipeline:
            assert await pipeline.incr("a").incr("a").execute() == [2, 3]

        async def pop():
            return await client.blpop("list", 30)

        tasks = [asyncio.create_task(pop()) for _ in range(3)]
        while (await client.info("clients"))["blocked_clients"] != 3:
            await asyncio.sleep(0.001)
        await client.rpush("list", "1", "2", "3")
        assert [(await task)[1] for task in tasks] == ["1", "2", "3"]
        threads = threading.active_count()
        assert await client.blpop("list", 0.1) is None
        assert threading.active_count() == threads
        pubsub = client.pubsub()
        await pubsub.subscribe("channel")
        assert (await pubsub.get_message(timeout=5))["type"] == "subscribe"
        waiting = asyncio.create_task(pubsub.get_message(timeout=30))
        await asyncio.sleep(0.01)
        threading.Thread(target=lambda: db.execute("PUBLISH", "channel", "text")).start()
        assert (await waiting)["data"] == "text"
        await pubsub.aclose()
        await client.aclose()

    for protocol in (2, 3):
        asyncio.run(asyncio.wait_for(work(protocol), 60))
        db.execute("FLUSHALL")


def test_a_subscriber_that_reads_nothing_is_closed(db):
    db.execute("CONFIG", "SET", "client-output-buffer-limit", "pubsub 1mb 0 0")
    client = db.client()
    pubsub = client.pubsub()
    pubsub.subscribe("channel")
    pubsub.get_message(timeout=5)
    for _ in range(100):
        db.execute("PUBLISH", "channel", "x" * 100000)
    assert db.execute("INFO", "stats").find("client_output_buffer_limit_disconnections:1") >= 0
