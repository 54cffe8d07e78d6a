"""Connections that survive a rotation: one whose password is refused asks its credentials for another and begins again with that.

It begins on a new socket, since redis-py closes one on which AUTH failed. redis-py 5 begins a connection with on_connect(), later
ones with on_connect_check_health(); the password is looked after in the one that is there.
"""
from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from redis.asyncio.connection import Connection as AsyncTCP
from redis.asyncio.connection import SSLConnection as AsyncTLS
from redis.asyncio.connection import UnixDomainSocketConnection as AsyncUnix
from redis.asyncio.sentinel import SentinelManagedConnection as AsyncSentinel
from redis.asyncio.sentinel import SentinelManagedSSLConnection as AsyncSentinelTLS
from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import AuthenticationError
from redis.sentinel import SentinelManagedConnection, SentinelManagedSSLConnection

from .credentials import RotatingCredentials
from .logs import log

HAS_CHECK_HEALTH = hasattr(Connection, "on_connect_check_health")


def log_connected(started: float) -> None:
    log.info("connected", extra={"latency_ms": (time.perf_counter() - started) * 1000})


class Rotating:
    """Mixed into redis-py's connections."""

    credential_provider: Any

    def on_connect(self) -> None:
        if HAS_CHECK_HEALTH:
            super().on_connect()                                            # type: ignore[misc]
        else:
            self._authenticate(super().on_connect)                          # type: ignore[misc]

    def on_connect_check_health(self, check_health: bool = True) -> None:
        self._authenticate(lambda: super(Rotating, self).on_connect_check_health(check_health))     # type: ignore[misc]

    def _authenticate(self, begin: Callable[[], None]) -> None:
        started = time.perf_counter()
        provider = self.credential_provider
        if isinstance(provider, RotatingCredentials):
            password = provider.get_credentials()[-1]
            try:
                begin()
            except AuthenticationError:
                if not provider.refused(password):
                    raise
                self.disconnect()                   # type: ignore[attr-defined]
                self._sock = self._connect()        # type: ignore[attr-defined]
                begin()
        else:
            begin()
        log_connected(started)


class AsyncRotating:
    """Mixed into the connections of redis.asyncio."""

    credential_provider: Any

    async def on_connect(self) -> None:
        if HAS_CHECK_HEALTH:
            await super().on_connect()                                      # type: ignore[misc]
        else:
            await self._authenticate(super().on_connect)                    # type: ignore[misc]

    async def on_connect_check_health(self, check_health: bool = True) -> None:
        begin = super().on_connect_check_health                             # type: ignore[misc]
        await self._authenticate(lambda: begin(check_health))

    async def _authenticate(self, begin: Callable[[], Awaitable[None]]) -> None:
        started = time.perf_counter()
        provider = self.credential_provider
        if isinstance(provider, RotatingCredentials):
            password = (await provider.get_credentials_async())[-1]
            try:
                await begin()
            except AuthenticationError:
                if not await asyncio.to_thread(provider.refused, password):
                    raise
                await self.disconnect(nowait=True)  # type: ignore[attr-defined]
                await self._connect()               # type: ignore[attr-defined]
                await begin()
        else:
            await begin()
        log_connected(started)


class KVConnection(Rotating, Connection):
    """TCP."""


class KVSSLConnection(Rotating, SSLConnection):
    """TLS."""


class KVUnixConnection(Rotating, UnixDomainSocketConnection):
    """A unix socket."""


class KVSentinelConnection(Rotating, SentinelManagedConnection):
    """TCP to the primary that sentinels name."""


class KVSentinelSSLConnection(Rotating, SentinelManagedSSLConnection):
    """TLS to the primary that sentinels name."""


class AsyncKVConnection(AsyncRotating, AsyncTCP):
    """TCP."""


class AsyncKVSSLConnection(AsyncRotating, AsyncTLS):
    """TLS."""


class AsyncKVUnixConnection(AsyncRotating, AsyncUnix):
    """A unix socket."""


class AsyncKVSentinelConnection(AsyncRotating, AsyncSentinel):
    """TCP to the primary that sentinels name."""


class AsyncKVSentinelSSLConnection(AsyncRotating, AsyncSentinelTLS):
    """TLS to the primary that sentinels name."""
