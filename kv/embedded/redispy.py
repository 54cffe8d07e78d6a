"""Clients of redis-py, and of valkey-py, over a database in this process.

The connection classes are the libraries' own: pools, pipelines, transactions, pub/sub, retries and health checks are as they are
over a socket. Three things are put in place of the socket, where the libraries let them be replaced: what bytes are written to, the
parser of replies, and the packer of commands; the last two are compiled.
"""
from __future__ import annotations

import asyncio
import importlib
import threading
from functools import cache

from kv._core.engine.localconnection import LocalConnection, pack
from kv._core.runtime.decode import Push, Style

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    from .host import Host

    class Database(Protocol):
        """What of a Database is needed here."""

        def alive(self) -> Host: ...
        def connect(self) -> LocalConnection: ...
        def turn(self) -> None: ...

CLOSED = "Connection closed by server."
NOTHING = LocalConnection.NOTHING
TICK_SECONDS = 0.1          # between two looks at what is due by the clock, of who waits
# of a connection over TCP or a Unix socket; host, port and path are where it goes
SOCKET_OPTIONS = ("host", "port", "path", "socket_keepalive", "socket_keepalive_options", "socket_type",
                  "maint_notifications_config")


def client(database: Database, options: dict[str, Any], library: str = "redis") -> Any:
    """A Redis (or Valkey) over the database."""
    return redirect(client_class(library)(**options), connection_class(library), database=database)


def async_client(database: Database, options: dict[str, Any], library: str = "redis") -> Any:
    """The same for asyncio."""
    return redirect(client_class(f"{library}.asyncio")(**options), async_connection_class(library), database=database)


def client_class(name: str) -> Any:
    module = importlib.import_module(name)
    return module.Redis if hasattr(module, "Redis") else module.Valkey


def redirect(client: Any, connections: type, **options: Any) -> Any:
    """Have a client that is not connected yet make its connections of a class, with these options beside its own."""
    pool = client.connection_pool
    pool.connection_class = connections
    for name in SOCKET_OPTIONS:
        pool.connection_kwargs.pop(name, None)
    pool.connection_kwargs.update(options)
    return client


class Packer:
    """Commands as bytes."""

    def __init__(self, encoder: Any) -> None:
        self.encode = encoder.encode
        self.utf8 = encoder.encoding.lower().replace("_", "-") in ("utf-8", "utf8") and encoder.encoding_errors == "strict"

    def pack(self, *words: Any) -> list[bytes]:
        """As the library's own packer: a name of several words ("CONFIG GET") is split."""
        name = words[0]
        if isinstance(name, str):
            if " " in name:
                words = (*name.split(), *words[1:])
        elif b" " in name:
            words = (*name.split(), *words[1:])
        return [pack(words, self.encode, self.utf8)]


class LocalSocket:
    """What the library takes for a connected socket."""

    def __init__(self, database: Database, timeout: float | None) -> None:
        self.database = database
        self.connection = database.connect()
        self.timeout = timeout

    def sendall(self, data: bytes) -> None:
        loop = self.database.alive().loop
        self.connection.write(data)
        if loop.due:
            self.database.turn()

    def wait(self, timeout: float | None) -> bool:
        """Until there is more to read, or the connection is closed. False: the time is over."""
        return self.connection.wait(timeout, TICK_SECONDS, self.database.turn)

    def recv(self, size: int) -> bytes:
        while not (data := self.connection.read(size)):
            if self.connection.closed:
                return b""
            if not self.wait(self.timeout):
                raise TimeoutError("timed out")
        return data

    def recv_into(self, buffer: memoryview) -> int:
        data = self.recv(len(buffer))
        buffer[:len(data)] = data
        return len(data)

    def settimeout(self, timeout: float | None) -> None:
        self.timeout = timeout

    def gettimeout(self) -> float | None:
        return self.timeout

    def getpeername(self) -> tuple[str, int]:
        return "127.0.0.1", 0

    def shutdown(self, how: int) -> None:
        """Nothing is on its way."""

    def close(self) -> None:
        self.connection.close()


class Replies:
    """What both parsers have in common."""

    def begin(self, connection: LocalConnection, encoder: Any, parse_error: Any) -> None:
        self.connection = connection
        encoding = encoder.encoding if encoder.decode_responses else None
        self.raw = Style(True, None, "strict", parse_error)
        self.text = Style(True, encoding, encoder.encoding_errors, parse_error)


def host_class(base: type) -> type:
    """What the connections of both kinds have: how they are shown."""

    class Shown(base):      # type: ignore[misc, valid-type]
        host = "127.0.0.1"
        port = 0

        def __init__(self, database: Database, **options: Any) -> None:
            self.database = database
            super().__init__(**options)

        def repr_pieces(self) -> list[tuple[str, Any]]:
            return [("database", "in this process"), ("db", self.db)]

        def _host_error(self) -> str:
            return "the database in this process"

    return Shown


@cache
def connection_class(library: str) -> type:
    """A connection of redis.connection whose socket is a LocalSocket."""
    connections = importlib.import_module(f"{library}.connection")
    parsers = importlib.import_module(f"{library}._parsers")
    exceptions = importlib.import_module(f"{library}.exceptions")
    unset = object()

    class Parser(parsers._RESP3Parser):     # type: ignore[misc, name-defined]  # it has the handlers of push messages; RESP2 is a part of RESP3
        def on_connect(self, connection: Any) -> None:
            self._sock = connection._sock
            self.encoder = connection.encoder
            self.replies = Replies()
            self.replies.begin(self._sock.connection, connection.encoder, self.parse_error)

        def on_disconnect(self) -> None:
            self._sock = self.encoder = None

        def can_read(self, timeout: float = 0) -> bool:
            if self._sock is None:
                return False
            connection = self._sock.connection
            return bool(connection.unread) or connection.closed or (timeout != 0 and self._sock.wait(timeout))

        def read_response(self, disable_decoding: bool = False, push_request: bool = False, timeout: Any = unset) -> Any:
            sock = self._sock
            if sock is None:
                raise exceptions.ConnectionError(CLOSED)
            replies = self.replies
            reply = sock.connection.reply
            style = replies.raw if disable_decoding else replies.text
            while True:
                value = reply(style)
                if value is NOTHING:
                    if sock.connection.closed:
                        raise exceptions.ConnectionError(CLOSED)
                    if not sock.wait(timeout if isinstance(timeout, (int, float, type(None))) else sock.timeout):
                        raise TimeoutError("timed out")
                elif type(value) is Push:
                    message = self.handle_push_response(value)
                    if push_request:
                        return message
                elif isinstance(value, exceptions.ConnectionError):
                    raise value
                else:
                    return value

    class Connection(host_class(connections.AbstractConnection)):   # type: ignore[misc]
        def __init__(self, database: Database, **options: Any) -> None:
            options["parser_class"] = Parser
            super().__init__(database, **options)

        def _construct_command_packer(self, packer: Any) -> Any:
            return Packer(self.encoder) if packer is None else packer

        def _connect(self) -> LocalSocket:
            return LocalSocket(self.database, self.socket_timeout)

    return Connection


class Stream:
    """What the library takes for a StreamReader and a StreamWriter."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.connection = database.connect()
        self.connection.on_output = self.wake
        self.loop = asyncio.get_running_loop()
        self.thread = threading.get_ident()
        self.waiter: asyncio.Future[None] | None = None

    # -- writing ------------------------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        loop = self.database.alive().loop
        self.connection.write(data)
        if loop.due:
            self.database.turn()

    def writelines(self, parts: list[bytes]) -> None:
        self.write(parts[0] if len(parts) == 1 else b"".join(parts))

    async def drain(self) -> None:
        """All was taken."""

    def close(self) -> None:
        self.connection.close()
        self.wake()

    async def wait_closed(self) -> None:
        """It is."""

    def is_closing(self) -> bool:
        return self.connection.closed

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 0) if name == "peername" else default

    # -- reading ------------------------------------------------------------------------------------------------------

    def at_eof(self) -> bool:
        return self.connection.closed and not self.connection.unread

    def wake(self) -> None:
        """There is something to read: called by whichever thread."""
        if self.waiter is None:
            return
        if threading.get_ident() == self.thread:
            self.end_wait()
        else:
            self.loop.call_soon_threadsafe(self.end_wait)

    def end_wait(self) -> None:
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)

    async def wait(self) -> None:
        """Until there is more to read than reply() has seen, or the connection is closed."""
        connection, core = self.connection, self.database.alive().loop.core
        while not (connection.fresh or connection.closed):
            self.waiter = self.loop.create_future()
            timer = self.loop.call_later(min(TICK_SECONDS, core.next_deadline()), self.end_wait)
            try:
                await self.waiter
            finally:
                timer.cancel()
                self.waiter = None
            if not (connection.fresh or connection.closed):
                self.database.turn()


@cache
def async_connection_class(library: str) -> type:
    """A connection of redis.asyncio.connection whose streams are a Stream."""
    connections = importlib.import_module(f"{library}.asyncio.connection")
    parsers = importlib.import_module(f"{library}._parsers")
    exceptions = importlib.import_module(f"{library}.exceptions")

    class Parser(parsers._AsyncRESP3Parser):     # type: ignore[misc, name-defined]
        def on_connect(self, connection: Any) -> None:
            super().on_connect(connection)
            self.replies = Replies()
            self.replies.begin(self._stream.connection, connection.encoder, self.parse_error)

        async def can_read(self) -> bool:
            if not self._connected:
                raise OSError("Buffer is closed.")
            connection = self._stream.connection
            return bool(connection.unread) or connection.closed

        async def can_read_destructive(self) -> bool:
            return await self.can_read()

        async def read_response(self, disable_decoding: bool = False, push_request: bool = False) -> Any:
            if not self._connected:
                raise exceptions.ConnectionError(CLOSED)
            stream, replies = self._stream, self.replies
            style = replies.raw if disable_decoding else replies.text
            while True:
                value = stream.connection.reply(style)
                if value is NOTHING:
                    if stream.connection.closed:
                        raise exceptions.ConnectionError(CLOSED)
                    await stream.wait()
                elif type(value) is Push:
                    message = await self.handle_push_response(value)
                    if push_request:
                        return message
                elif isinstance(value, exceptions.ConnectionError):
                    raise value
                else:
                    return value

    class Connection(host_class(connections.AbstractConnection)):   # type: ignore[misc]
        def __init__(self, database: Database, **options: Any) -> None:
            options["parser_class"] = Parser
            super().__init__(database, **options)

        def _connection_arguments(self) -> dict[str, Any]:
            return {}

        async def _connect(self) -> None:
            self._reader = self._writer = Stream(self.database)

        def pack_command(self, *words: Any) -> list[bytes]:
            packer = self.__dict__.get("_packer")
            if packer is None:
                packer = self._packer = Packer(self.encoder)
            return packer.pack(*words)

    return Connection
