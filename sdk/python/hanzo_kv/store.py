"""KVClient: text and JSON under keys, for programs that need no more of redis-py. `client.kv` is the whole of it."""
from __future__ import annotations

import json
import time
from datetime import timedelta
from typing import Any

from redis.exceptions import RedisError

from .client import KV, AsyncKV
from .config import KVConfig
from .logs import log

Seconds = float | int | timedelta


def milliseconds(ttl: Seconds | None) -> int | None:
    """Of a time to live in seconds. Raises ValueError where it is not above zero."""
    if ttl is None:
        return None
    seconds = ttl.total_seconds() if isinstance(ttl, timedelta) else ttl
    if not seconds > 0:
        raise ValueError("ttl: not above zero")
    return max(1, round(seconds * 1000))


def dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def load(text: str | None) -> Any:
    return None if text is None else json.loads(text)


class KVClient:
    """Values are str, ttl seconds or a timedelta. Commands raise redis-py's errors, KMSError among them."""

    def __init__(self, config: KVConfig | str | None = None, **options: Any) -> None:
        self.kv = KV(config, decode_responses=True, **options)

    def connect(self) -> KVClient:
        """Reach the server and log in, which the first command would do else; self."""
        self.kv.ping()
        return self

    def close(self) -> None:
        self.kv.close()
        log.info("closed")

    def __enter__(self) -> KVClient:
        return self.connect()

    def __exit__(self, *_: Any) -> None:
        self.close()

    def health_check(self) -> bool:
        """Whether the server answers PING now. Never raises RedisError."""
        started = time.perf_counter()
        try:
            return bool(self.kv.ping())
        except RedisError as error:
            log_unhealthy(error, started)
            return False

    def get(self, key: str) -> str | None:
        return self.kv.get(key)         # type: ignore[return-value]

    def set(self, key: str, value: str | bytes | int | float, ttl: Seconds | None = None) -> bool:
        return bool(self.kv.set(key, value, px=milliseconds(ttl)))

    def get_json(self, key: str) -> Any:
        """None where there is no such key. Raises json.JSONDecodeError."""
        return load(self.get(key))

    def set_json(self, key: str, value: Any, ttl: Seconds | None = None) -> bool:
        return self.set(key, dump(value), ttl)

    def delete(self, *keys: str) -> int:
        """How many there were."""
        return int(self.kv.delete(*keys)) if keys else 0       # type: ignore[arg-type]

    def exists(self, key: str) -> bool:
        return bool(self.kv.exists(key))


class AsyncKVClient:
    """KVClient for asyncio."""

    def __init__(self, config: KVConfig | str | None = None, **options: Any) -> None:
        self.kv = AsyncKV(config, decode_responses=True, **options)

    async def connect(self) -> AsyncKVClient:
        await self.kv.ping()            # type: ignore[misc]
        return self

    async def close(self) -> None:
        await self.kv.aclose()
        log.info("closed")

    async def __aenter__(self) -> AsyncKVClient:
        return await self.connect()

    async def __aexit__(self, *_: Any) -> None:
        await self.close()

    async def health_check(self) -> bool:
        started = time.perf_counter()
        try:
            return bool(await self.kv.ping())   # type: ignore[misc]
        except RedisError as error:
            log_unhealthy(error, started)
            return False

    async def get(self, key: str) -> str | None:
        return await self.kv.get(key)    # type: ignore[return-value]

    async def set(self, key: str, value: str | bytes | int | float, ttl: Seconds | None = None) -> bool:
        return bool(await self.kv.set(key, value, px=milliseconds(ttl)))

    async def get_json(self, key: str) -> Any:
        return load(await self.get(key))

    async def set_json(self, key: str, value: Any, ttl: Seconds | None = None) -> bool:
        return await self.set(key, dump(value), ttl)

    async def delete(self, *keys: str) -> int:
        return int(await self.kv.delete(*keys)) if keys else 0

    async def exists(self, key: str) -> bool:
        return bool(await self.kv.exists(key))


def log_unhealthy(error: RedisError, started: float) -> None:
    """The kind of error, not its text: a server's text may repeat what a client sent."""
    log.warning("health check failed", extra={"reason": type(error).__name__,
                                              "latency_ms": (time.perf_counter() - started) * 1000})
