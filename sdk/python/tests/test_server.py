"""Against a server: KV_TEST_PORT is its port, KV_TEST_PASSWORD its password, which these tests change and put back."""
from __future__ import annotations

import asyncio
import io
import os
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from hanzo_kv import KMS, KV, AsyncKV, AsyncKVClient, ConfigError, KMSCredentials, KMSError, KVClient, url_from_env
from hanzo_kv.client import cluster

PORT, PASSWORD = os.environ.get("KV_TEST_PORT", ""), os.environ.get("KV_TEST_PASSWORD", "")
pytestmark = pytest.mark.skipif(not PORT, reason="KV_TEST_PORT names no server")
Rotate = Callable[[str], None]


@pytest.fixture(autouse=True)
def environment(kms: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    kms.put({"secrets": {"/kv/redis-password": PASSWORD}})
    for name in ("KV_URL", "HANZO_KV_URL", "REDIS_URL", "KV_PASSWORD", "REDIS_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"KV_HOST": "127.0.0.1", "KV_PORT": PORT, "HANZO_KMS_URL": kms.url, "HANZO_KMS_CLIENT_ID": "id",
                        "HANZO_KMS_CLIENT_SECRET": "client-secret"}.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def rotate(kms: Any, lines: io.StringIO) -> Iterator[Rotate]:
    """Change the password at the server and in the KMS, and end all connections that still stand."""
    admin = redis.Redis("127.0.0.1", int(PORT), password=PASSWORD)

    def change(password: str) -> None:
        kms.patch({"secrets": {"/kv/redis-password": password}})
        admin.config_set("requirepass", password)
        admin.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    admin.ping()
    yield change
    admin.config_set("requirepass", PASSWORD)
    admin.close()
    assert PASSWORD not in lines.getvalue() and "rotated-" not in lines.getvalue()


def test_commands_and_json(lines: io.StringIO) -> None:
    with KVClient() as client:
        assert client.set("greeting", "hello", ttl=100) and client.get("greeting") == "hello"
        assert client.kv.ttl("greeting") in (99, 100)
        assert client.set("greeting", "hello", ttl=timedelta(milliseconds=1500)) and 0 < client.kv.pttl("greeting") <= 1500
        assert client.set_json("document", {"ü": [1, None]}, ttl=0.5) and client.get_json("document") == {"ü": [1, None]}
        assert client.exists("document") and client.delete("document", "greeting") == 2 and client.delete() == 0
        assert client.get("document") is None and client.get_json("document") is None
        assert client.health_check()
        assert client.kv.client_info()["resp"] == "3"
        with pytest.raises(ValueError, match="ttl: not above zero"):
            client.set("greeting", "hello", ttl=0)
    assert '"msg": "connected"' in lines.getvalue() and "hello" not in lines.getvalue()


def test_url_of_environment_is_redis_pys_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert PASSWORD not in url_from_env()
    for url in (url_from_env(kms=True), url_from_env(env={"KV_HOST": "127.0.0.1", "KV_PORT": PORT, "KV_PASSWORD": PASSWORD})):
        assert redis.Redis.from_url(url).ping()
    monkeypatch.setenv("REDIS_URL", url + "?client_name=shop&protocol=2")
    with KV() as client:
        assert (client.client_info()["name"], client.client_info()["resp"]) == ("shop", "2")


def test_options_win_and_hosts_are_redis_pys_own() -> None:
    assert KV(db=3).client_info()["db"] in (3, "3")
    assert KV(host="127.0.0.1", port=int(PORT), password=PASSWORD).ping()
    with pytest.raises(redis.AuthenticationError):
        KV(password="wrong").ping()
    assert KV.from_url(f"valkey://127.0.0.1:{PORT}/2", password=PASSWORD).client_info()["db"] in (2, "2")
    with pytest.raises(ConfigError, match="kv\\+cluster URL is for cluster"):
        KV("kv+cluster://a,b")
    with pytest.raises(redis.exceptions.RedisClusterException, match="luster support disabled|Cluster mode is not enabled"):
        cluster(f"kv+cluster://127.0.0.1:{PORT}", password=PASSWORD)     # this server is no cluster


def test_rotation(rotate: Rotate, kms: Any) -> None:
    client = KV()
    client.set("count", 0)
    for password in ("rotated-1", "rotated-2", PASSWORD):
        rotate(password)
        assert client.get("count") == b"0"
        with client.pipeline() as pipeline:
            assert pipeline.get("count").get("count").execute() == [b"0", b"0"]
    assert [line for line in kms.requests if "secrets" in line] == ["GET /v1/kms/orgs/hanzo/secrets/kv/redis-password"] * 4


def test_rotation_under_load(rotate: Rotate) -> None:
    client = KV(max_connections=8)
    client.set("count", 0)
    failures: list[BaseException] = []
    done = threading.Event()

    def work() -> None:
        while not done.is_set():
            try:
                client.get("count")
            except Exception as error:      # what a service would have seen
                failures.append(error)
                return

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for password in ("rotated-1", "rotated-2", PASSWORD):
        time.sleep(0.2)
        rotate(password)
    time.sleep(0.2)
    done.set()
    for thread in threads:
        thread.join()
    assert failures == []


def test_rotation_asyncio(rotate: Rotate) -> None:
    async def work() -> None:
        client = AsyncKV()
        await client.set("count", 0)
        for password in ("rotated-1", PASSWORD):
            await asyncio.to_thread(rotate, password)
            assert await asyncio.gather(*[client.get("count") for _ in range(20)]) == [b"0"] * 20
        await client.aclose()
        async with AsyncKVClient() as store:
            assert await store.set_json("document", [1], ttl=10) and await store.get_json("document") == [1]
            assert await store.exists("document") and await store.delete("document") == 1 and await store.health_check()
            assert await store.get("document") is None

    asyncio.run(work())


def test_subscription_after_rotation(rotate: Rotate) -> None:
    client = KV()
    subscription = client.pubsub(ignore_subscribe_messages=True)
    subscription.subscribe("news")
    subscription.get_message(timeout=1)
    rotate("rotated-1")
    deadline = time.monotonic() + 10
    message = None
    while message is None and time.monotonic() < deadline:
        client.publish("news", "hello")
        message = subscription.get_message(timeout=0.1)
    assert message and message["data"] == b"hello"


def test_credentials_for_redis_pys_own_client(kms: Any) -> None:
    client = redis.Redis("127.0.0.1", int(PORT), credential_provider=KMSCredentials())
    assert client.ping() and client.ping()
    assert len(kms.requests) == 2


def test_password_file(rotate: Rotate, kms: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "redis-password"
    file.write_text(PASSWORD + "\n")
    monkeypatch.setenv("REDIS_PASSWORD_FILE", str(file))
    client = KV()
    assert client.ping()
    file.write_text("rotated-1\n")
    rotate("rotated-1")
    assert client.ping()
    file.unlink()
    rotate(PASSWORD)
    with pytest.raises(redis.RedisError, match="password file: the file cannot be read"):
        client.ping()
    file.write_text(PASSWORD)
    assert client.ping()
    assert kms.requests == []


def test_errors_are_told_and_repeat_no_secret(kms: Any, lines: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    kms.put({"secrets": {"/kv/redis-password": "not the password"}})
    client = KVClient()
    with pytest.raises(redis.AuthenticationError) as refused:
        client.connect()
    assert "not the password" not in repr(refused.value) and not client.health_check()
    monkeypatch.setenv("HANZO_KMS_CLIENT_SECRET", "wrong-secret")
    client = KVClient()
    with pytest.raises(KMSError, match="^KMS: the client id or secret was refused"):
        client.connect()
    assert not client.health_check() and "health check failed" in lines.getvalue()
    assert "not the password" not in lines.getvalue()
    provider = client.kv.connection_pool.connection_kwargs["credential_provider"]
    assert "secret" not in repr(provider).replace("client_secret", "") and isinstance(provider.kms, KMS)
    monkeypatch.setenv("HANZO_KMS_CLIENT_SECRET", "client-secret")
    kms.put({"secrets": {"/kv/redis-password": PASSWORD}})
    assert KVClient().health_check()
