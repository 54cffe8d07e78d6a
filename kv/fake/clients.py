"""redis-py's clients whose connections are to a FakeServer."""
from __future__ import annotations

import inspect
import uuid
import warnings

import redis
import redis.asyncio

from kv.embedded.redispy import async_connection_class, connection_class, redirect

from .server import REFUSED, FakeServer, version_tuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .server import Version

DEFAULT_VERSION = (7,)
OURS = ("server", "version", "server_type", "lua_modules", "connected", "client_class", "connection_class", "connection_pool_class")


def server_of(options: dict[str, Any]) -> FakeServer:
    """The server that a connection's options name; what only a FakeServer needs is taken out of them."""
    server = options.pop("server", None)
    version = options.pop("version", DEFAULT_VERSION)
    server_type = options.pop("server_type", "redis")
    connected = options.pop("connected", None)
    for name in ("lua_modules", "client_class", "writer"):
        options.pop(name, None)
    where = options.pop("path", None) or f"{options.get('host', 'localhost')}:{options.get('port', 6379)}"
    if server is None:
        server = FakeServer.of(f"{where}:{server_type}:v{version_tuple(version)[0]}", version, server_type)
    if connected is not None:
        server.connected = connected
    return server


def sync_connection(library: str, module: Any) -> type:
    """Connections of a library to a FakeServer."""

    class FakeConnectionOfLibrary(connection_class(library)):      # type: ignore[misc]
        def __init__(self, *args: Any, **options: Any) -> None:
            self.server = server_of(options)
            host, port = options.pop("host", "localhost"), options.pop("port", 6379)
            super().__init__(None, *args, **options)
            self.host, self.port = host, port

        def _connect(self) -> Any:
            if not self.server.connected:
                raise module.ConnectionError(REFUSED)
            self.database = self.server.database
            return super()._connect()

        def can_read(self, timeout: float | None = 0) -> bool:
            return not self.server.connected or super().can_read(timeout)

        def repr_pieces(self) -> list[tuple[str, Any]]:
            return [("server", self.server), ("db", self.db)]

    return FakeConnectionOfLibrary


def async_connection(library: str, module: Any) -> type:
    """The same for asyncio."""

    class FakeConnectionOfLibrary(async_connection_class(library)):    # type: ignore[misc]
        def __init__(self, *args: Any, **options: Any) -> None:
            self.server = server_of(options)
            host, port = options.pop("host", "localhost"), options.pop("port", 6379)
            super().__init__(None, *args, **options)
            self.host, self.port = host, port

        async def _connect(self) -> None:
            if not self.server.connected:
                raise module.ConnectionError(REFUSED)
            self.database = self.server.database
            await super()._connect()

        def repr_pieces(self) -> list[tuple[str, Any]]:
            return [("server", self.server), ("db", self.db)]

    return FakeConnectionOfLibrary


class FakeRedisConnection(sync_connection("redis", redis)):         # type: ignore[misc]
    """A connection of redis-py to a FakeServer."""


class FakeAsyncRedisConnection(async_connection("redis", redis.asyncio)):      # type: ignore[misc]
    """A connection of redis.asyncio to a FakeServer."""


def FakeConnection(*args: Any, **options: Any) -> FakeRedisConnection:
    warnings.warn("FakeConnection is deprecated. Use FakeRedisConnection instead", DeprecationWarning, 2)
    return FakeRedisConnection(*args, **options)


def FakeAsyncConnection(*args: Any, **options: Any) -> FakeAsyncRedisConnection:
    warnings.warn("FakeAsyncConnection is deprecated. Use FakeAsyncRedisConnection instead", DeprecationWarning, 2)
    return FakeAsyncRedisConnection(*args, **options)


def to_server(client: Any, connections: type, options: dict[str, Any]) -> None:
    """Have a client's connections go to a FakeServer; what names the server stays among their options."""
    where = {name: value for name, value in client.connection_pool.connection_kwargs.items() if name in ("host", "port", "path")}
    redirect(client, connections, **where, **options)


class FakeClient:
    """What a client of a library is given beside its own options."""

    connection_of: type

    def __init__(self, *args: Any, server: FakeServer | None = None, version: Version = DEFAULT_VERSION, server_type: str = "redis",
                 lua_modules: set[str] | None = None, connected: bool | None = None, connection_class: type | None = None,
                 connection_pool_class: type | None = None, client_class: type | None = None,
                 single_connection_client: bool = False, **options: Any) -> None:
        names = [*inspect.signature(super().__init__).parameters]
        options.update(zip(names, args, strict=False))
        if options.get("connection_pool") is not None:
            options["single_connection_client"] = single_connection_client
            super().__init__(**options)
            return
        if "host" not in options and "unix_socket_path" not in options:
            options["host"] = uuid.uuid4().hex      # a database of its own
        super().__init__(**options)
        ours: dict[str, Any] = {"server": server, "version": version, "server_type": server_type}
        if connected is not None:
            ours["connected"] = connected
        to_server(self, connection_class or self.connection_of, ours)
        if connection_pool_class is not None:
            pool = self.connection_pool     # type: ignore[has-type]
            self.connection_pool = connection_pool_class(
                connection_class=pool.connection_class, max_connections=options.get("max_connections"), **pool.connection_kwargs)
        if single_connection_client:
            self.take_connection()

    def take_connection(self) -> None:
        """single_connection_client, once connections are to the FakeServer."""
        self.connection = self.connection_pool.get_connection()     # type: ignore[attr-defined]

    @classmethod
    def from_url(cls, url: str, **options: Any) -> Any:
        """As the library's from_url(), to a FakeServer: that of the URL's host and port, unless `server` is given."""
        ours = {name: options.pop(name) for name in OURS if name in options}
        client = super().from_url(url, **options)       # type: ignore[misc]
        ours.pop("connection_pool_class", None)
        to_server(client, ours.pop("connection_class", None) or cls.connection_of, ours)
        return client


class FakeRedis(FakeClient, redis.Redis):       # type: ignore[misc]
    connection_of = FakeRedisConnection


class FakeStrictRedis(FakeClient, redis.StrictRedis):       # type: ignore[misc]
    connection_of = FakeRedisConnection


class FakeAsyncRedis(FakeClient, redis.asyncio.Redis):      # type: ignore[misc]
    connection_of = FakeAsyncRedisConnection

    def take_connection(self) -> None:
        self.single_connection_client = True        # taken by the first command
