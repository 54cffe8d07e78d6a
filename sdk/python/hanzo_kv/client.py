"""redis-py's clients, with an address and a password as Hanzo's services have them.

    kv = KV()                                   # from the environment
    kv = KV("kv://:password@host:6379/0")       # from a URL
    kv = KV(host="127.0.0.1", port=6380)        # as redis.Redis
"""
from __future__ import annotations

from typing import Any

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.asyncio.sentinel import Sentinel as AsyncSentinel
from redis.asyncio.sentinel import SentinelConnectionPool as AsyncSentinelPool
from redis.backoff import ExponentialBackoff
from redis.connection import parse_url as parse_library_url
from redis.exceptions import ConnectionError as LostError
from redis.exceptions import TimeoutError as LateError
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelConnectionPool

from . import connection as ours
from .address import ConfigError, encode
from .config import KVConfig
from .credentials import credentials_of

RETRIES = 3                                     # of a command whose connection was lost, as redis-py 6 and later
FIRST_BACKOFF_SECONDS, MOST_BACKOFF_SECONDS = 0.05, 1.0
HOW_ELSE = frozenset({"connection_pool", "host", "port", "unix_socket_path"})    # options that say where the server is


class KV(redis.Redis):
    """`url` as in `address`; without one, and without an option that says where the server is, the environment's. Options are
    redis.Redis's. Raises ConfigError; what reaches the network (connections, the KMS) is reached by the first command."""

    def __init__(self, url: str | KVConfig | None = None, **options: Any) -> None:
        if url is None and HOW_ELSE & options.keys():
            super().__init__(**options)
            return
        config = config_of(url)
        settings = pool_options(config, options, Retry)
        single = settings.pop("single_connection_client", False)
        pool: redis.ConnectionPool
        if config.address.kind == "sentinel":
            sentinels = Sentinel(list(config.address.nodes), sentinel_kwargs=sentinel_options(config, options))
            pool = SentinelConnectionPool(config.address.master, sentinels, connection_class=connection_class(config), **settings)
        else:
            pool = redis.ConnectionPool(connection_class=connection_class(config), **settings)
        super().__init__(connection_pool=pool, single_connection_client=single)
        self.auto_close_connection_pool = True

    @classmethod
    def from_url(cls, url: str, **options: Any) -> KV:
        """redis.Redis.from_url, for every scheme that `address` reads."""
        return cls(url, **options)

    @classmethod
    def from_env(cls, **options: Any) -> KV:
        return cls(KVConfig.from_env(), **options)


class AsyncKV(redis.asyncio.Redis):
    """KV for asyncio. Its KMS is asked in a thread, so the loop never waits."""

    def __init__(self, url: str | KVConfig | None = None, **options: Any) -> None:
        if url is None and HOW_ELSE & options.keys():
            super().__init__(**options)
            return
        config = config_of(url)
        settings = pool_options(config, options, AsyncRetry)
        single = settings.pop("single_connection_client", False)
        pool: redis.asyncio.ConnectionPool
        if config.address.kind == "sentinel":
            sentinels = AsyncSentinel(list(config.address.nodes), sentinel_kwargs=sentinel_options(config, options))
            pool = AsyncSentinelPool(config.address.master, sentinels, connection_class=async_connection_class(config), **settings)
        else:
            pool = redis.asyncio.ConnectionPool(connection_class=async_connection_class(config), **settings)
        super().__init__(connection_pool=pool, single_connection_client=single)
        self.auto_close_connection_pool = True

    @classmethod
    def from_url(cls, url: str, **options: Any) -> AsyncKV:    # type: ignore[override]
        return cls(url, **options)

    @classmethod
    def from_env(cls, **options: Any) -> AsyncKV:
        return cls(KVConfig.from_env(), **options)


def cluster(url: str | KVConfig | None = None, **options: Any) -> redis.RedisCluster:
    """redis-py's cluster client for a kv+cluster URL, or any whose server is a node of a cluster."""
    config = config_of(url, cluster=True)
    settings = pool_options(config, options, Retry)
    (host, port), *others = config.address.nodes
    for name in ("host", "port", "db", "retry", "retry_on_error"):      # a cluster client has its own retries, and no databases
        settings.pop(name, None)
    return redis.RedisCluster(          # redis-py takes a class of connections only beside a URL
        url=f"redis://{'[' + host + ']' if ':' in host else host}:{port}", connection_class=connection_class(config),
        startup_nodes=[redis.cluster.ClusterNode(*node) for node in others], **settings)


def config_of(url: str | KVConfig | None, cluster: bool = False) -> KVConfig:
    config = url if isinstance(url, KVConfig) else KVConfig.from_env(url)
    if config.address.kind == "cluster" and not cluster:
        raise ConfigError(f"{config.source or 'url'}: a kv+cluster URL is for cluster()")
    return config


def connection_class(config: KVConfig) -> Any:
    tls = config.address.tls
    return {"tcp": ours.KVSSLConnection if tls else ours.KVConnection, "unix": ours.KVUnixConnection,
            "cluster": ours.KVSSLConnection if tls else ours.KVConnection,
            "sentinel": ours.KVSentinelSSLConnection if tls else ours.KVSentinelConnection}[config.address.kind]


def async_connection_class(config: KVConfig) -> Any:
    tls = config.address.tls
    return {"tcp": ours.AsyncKVSSLConnection if tls else ours.AsyncKVConnection, "unix": ours.AsyncKVUnixConnection,
            "sentinel": ours.AsyncKVSentinelSSLConnection if tls else ours.AsyncKVSentinelConnection}[config.address.kind]


def pool_options(config: KVConfig, options: dict[str, Any], retry: type) -> dict[str, Any]:
    """What a connection pool is made with: ours, then the URL's query, then the caller's."""
    address = config.address
    settings: dict[str, Any] = {"protocol": 3, "db": address.db,
                                "retry": retry(ExponentialBackoff(MOST_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS), RETRIES),
                                "retry_on_error": [LostError, LateError]}
    if address.kind == "unix":
        settings["path"] = address.path
    elif address.kind == "tcp":
        settings["host"], settings["port"] = address.nodes[0]
    if options.get("credential_provider") is None and not {"username", "password"} & options.keys():
        provider = credentials_of(config)
        if provider is not None:
            settings["credential_provider"] = provider
        else:
            settings["username"], settings["password"] = address.username or None, address.password or None
    return {**settings, **library_options(address.options), **options}


def library_options(query: dict[str, str]) -> dict[str, Any]:
    """The URL's other options, each of the type that redis-py gives it."""
    text = "&".join(f"{encode(name)}={encode(value)}" for name, value in query.items())
    found = parse_library_url("redis://?" + text)
    if "protocol" in found:
        found["protocol"] = int(found["protocol"])
    return dict(found)


def sentinel_options(config: KVConfig, options: dict[str, Any]) -> dict[str, Any]:
    """Connections to the sentinels themselves: TLS and timeouts as to the server; no password, unless sentinel_kwargs has one."""
    given = {name: value for name, value in options.items() if name.startswith("socket_")}
    return {**({"ssl": True} if config.address.tls else {}), **given, **(options.pop("sentinel_kwargs", None) or {})}
