"""A database in this process.

    db = kv.open("folder", maxmemory="100mb")   # without a folder it is in memory alone
    db.execute("SET", "key", 1)             # a command, its reply as a Python value; ReplyError for an error
    db.client(decode_responses=True)        # redis-py's Redis
    db.close()

Threads may share it. Who waits (BLPOP) waits without the interpreter's lock, and is served in the order of arrival. What a server
does by the clock (expiry, say) is done in the calls of those who use the database, and by those who wait.
"""
from __future__ import annotations

import atexit
import errno
import itertools
import os
import select
import threading
import weakref

from kv._core.engine.localconnection import LocalConnection
from kv._core.engine.sessions import sessions
from kv.server.config import ConfigError
from kv.server.folderlock import FolderLock

from .errors import ClosedError, ForkedError, OptionError
from .host import Host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

TICK_SECONDS = 0.1          # between two looks at what is due by the clock
FIRST_PORT = 50000          # of the addresses that CLIENT LIST shows for connections within the process


def open(path: str | os.PathLike[str] | None = None, **options: Any) -> Database:
    """A database in this process. With a path it keeps its data in that folder, which is made where it is missing, as a server does
    (appendfsync="always" for what is on disk before the call returns). Options are the server's: maxmemory="100mb",
    databases=16. Raises OptionError for one that there is not, or a value that it can't have; FolderInUse where another process has
    the folder, LoadError where what is there can't be read, OSError."""
    return Database(path, **options)


class Database:
    """An engine and what belongs to it; closed by close(), or at the end of a with block."""

    def __init__(self, path: str | os.PathLike[str] | None = None, **options: Any) -> None:
        self.host: Host | None = None
        self.lock: FolderLock | None = None
        self.keeper: Keeper | None = None
        self.path = None if path is None else os.path.abspath(os.fspath(path))
        self.ports = itertools.count(FIRST_PORT)
        texts = {name.replace("_", "-"): option_text(value) for name, value in options.items()}
        if self.path is not None:
            os.makedirs(self.path, exist_ok=True)
            self.lock = FolderLock(self.path, alone=True)
        try:
            host = Host(texts, self.path or "")
            if self.path is not None:
                host.load()
        except ConfigError as error:
            self.unlock()
            raise OptionError(str(error)) from None
        except BaseException:
            self.unlock()
            raise
        self.host = host
        self.sessions = threading.local()       # one a thread: what MULTI and SELECT say is the thread's
        if self.path is not None:
            self.keeper = Keeper(self)
            atexit.register(close_at_exit, weakref.ref(self))

    def unlock(self) -> None:
        lock, self.lock = self.lock, None
        if lock is not None:
            lock.close()

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __reduce__(self):
        raise TypeError("a database in this process can't be pickled: another process would have another one")

    @property
    def closed(self) -> bool:
        return self.host is None

    def alive(self) -> Host:
        """Its parts. Raises ClosedError, and OSError while what was done can't be put on disk (appendfsync always)."""
        host = self.host
        if host is None:
            raise ClosedError("the database is closed")
        if not host.loop.running:           # SHUTDOWN
            self.close()
            raise ClosedError("the database was shut down")
        if host.failed:
            self.write_again(host)
        return host

    def write_again(self, host: Host) -> None:
        """Raises OSError."""
        host.engine.hold()
        try:
            host.write_log()
            host.loop.core.finish()
        finally:
            host.engine.let_go()

    def execute(self, *words: Any, wait: float | None = None) -> Any:
        """Run a command; its reply as a Python value (see kv._core.runtime.decode). Words are bytes, str, int or float. A command
        that waits does so for at most `wait` seconds, without `wait` not at all. Each thread has a session of its own, so MULTI and
        SELECT are the thread's. Raises ReplyError, ClosedError."""
        host = self.alive()
        if host.loop.due:
            self.turn()
        try:
            session = self.sessions.own
        except AttributeError:
            session = self.sessions.own = host.engine.session()
        return session.execute(*words, wait=wait)

    def turn(self) -> None:
        """Do what is due by the clock."""
        host = self.alive()
        engine, loop = host.engine, host.loop
        engine.hold()
        try:
            for fd in loop.core.turn(0):
                loop.handle(fd)
            loop.run_due()
            loop.core.finish()
        finally:
            engine.let_go()

    def connect(self) -> LocalConnection:
        """A connection for a client library. Raises ClosedError."""
        host = self.alive()
        return LocalConnection(host.loop.core, f"127.0.0.1:{next(self.ports)}", "127.0.0.1:0")

    def listen(self, host: str = "127.0.0.1", port: int = 0) -> tuple[str, int]:
        """Take clients of other processes, too, which a thread of this one serves; the address, with the port that the system chose
        for 0. Raises OSError, ClosedError."""
        parts = self.alive()
        engine, listeners = parts.engine, parts.listeners
        engine.hold()
        try:
            sock = listeners.tcp_sockets.listen_beside(host, port)
            address = sock.getsockname()[:2]
            parts.config.force("port", str(address[1]))
        finally:
            engine.let_go()
        if self.keeper is None:
            self.keeper = Keeper(self)
        return address

    def client(self, **options: Any) -> Any:
        """A client of redis-py, redis.Redis, with its options (decode_responses, protocol, db, client_name, retry...). Its
        connections are to this database; close it as any client."""
        from .redispy import client

        return client(self, options)

    def async_client(self, **options: Any) -> Any:
        """The same for asyncio: redis.asyncio.Redis."""
        from .redispy import async_client

        return async_client(self, options)

    def disconnect_all(self) -> None:
        """Close the connections of all clients. Raises ClosedError."""
        host = self.alive()
        host.engine.hold()
        try:
            kill_all(host)
        finally:
            host.engine.let_go()

    def close(self) -> None:
        """End it. What was changed is on disk then, where there is a path; OSError where that fails. Clients find their connections
        closed; what is called later raises ClosedError."""
        host, self.host = self.host, None
        if host is None:
            return
        if self.keeper is not None:
            self.keeper.stop()
        engine = host.engine
        engine.hold()
        try:
            host.stop_listening()
            kill_all(host)
            saved = self.path is None or host.put_on_disk()
        finally:
            engine.let_go()
            host.close()
            self.unlock()
        if not saved:
            raise OSError(errno.EIO, "what was changed last could not be written; the log says why")


class Keeper(threading.Thread):
    """Does what a database must not leave to its users: files are synced, children are looked after, clients of other processes are
    served."""

    def __init__(self, database: Database) -> None:
        super().__init__(name="kv-keeper", daemon=True)
        self.database = weakref.ref(database)       # one that is dropped is closed
        self.fd = database.alive().loop.core.poller.fileno()
        self.ended = threading.Event()
        self.start()

    def run(self) -> None:
        wait = TICK_SECONDS
        while not self.ended.is_set():
            select.select([self.fd], [], [], wait)
            database = self.database()
            if database is None or self.ended.is_set():
                return
            try:
                database.turn()
                wait = min(TICK_SECONDS, database.alive().loop.core.next_deadline())
            except (ClosedError, ForkedError):
                return
            except OSError:
                wait = TICK_SECONDS     # whoever uses the database is told
            del database

    def stop(self) -> None:
        self.ended.set()
        if threading.current_thread() is not self:
            self.join()


def kill_all(host: Host) -> None:
    """Close all connections. The engine is this thread's."""
    for session in sessions(host.engine):
        session.kill()
    host.loop.core.finish()


def close_at_exit(reference: weakref.ref[Database]) -> None:
    database = reference()
    if database is not None:
        database.close()


def option_text(value: Any) -> str:
    """An option's value as a configuration file has it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return " ".join([option_text(item) for item in value])
    return str(value)
