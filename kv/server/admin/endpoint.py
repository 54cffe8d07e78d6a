"""The admin port: who listens on it, and its connections.

They are no clients: no session, not in CLIENT LIST, not counted in maxclients. Their descriptors are kept free beside those of
maxclients while there is an admin port (ADMIN_FILES). There are at most CONNECTIONS_MOST of them: a new one takes the place of
that whose time ends first, so that idle or slow peers, however many, keep no probe out.

All of it runs in the loop's turns, also in those between two parts of a file that is loaded and in the middle of a script that
keeps the server busy.
"""
from __future__ import annotations

import socket
import time

from ..log import log
from ..tcp import TcpSockets
from ..trouble import troubles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..config import Config
    from ..loop import Loop
    from .connection import Answer, Connection

CONNECTIONS_MOST = 16
ADDRESSES_MOST = 16         # that admin-bind may have
ADMIN_FILES = CONNECTIONS_MOST + ADDRESSES_MOST
LOOK_SECONDS = 0.5          # between two looks for connections whose time is over
OPEN_TO_ALL = ("The admin port answers everybody who reaches it, without a password: admin-bind should name addresses that only "
               "your monitoring reaches.")


class AdminEndpoint:
    def __init__(self, config: Config, loop: Loop, answer: Answer) -> None:
        self.config = config
        self.loop = loop
        self.answer = answer
        self.sockets = TcpSockets(config, loop, self.accept, "Accepting a connection of the admin port: accept")
        self.connections: dict[Connection, None] = {}
        self.next_look = 0.0

    def open(self) -> None:
        """At the start. Raises BindError."""
        self.sockets.open(self.config.admin_bind, self.config.admin_port)
        self.tell()

    def reopen(self) -> None:
        """After CONFIG SET of admin-port or admin-bind: who is connected to the old addresses leaves. Raises BindError."""
        before = self.sockets.sockets
        self.sockets.reopen(self.config.admin_bind, self.config.admin_port)
        if self.sockets.sockets is not before:
            self.close_connections()
            self.tell()

    def tell(self) -> None:
        if not self.sockets.sockets:
            return
        log("notice", f"Serving metrics and health on the admin port {self.config.admin_port}")
        if not all(is_loopback(address) for address in self.config.admin_bind):
            log("notice", OPEN_TO_ALL)

    def accept(self, listener: socket.socket) -> None:
        """Take the connections that there are, one turn's worth. Raises OSError where there is none to be had."""
        for _ in range(CONNECTIONS_MOST):
            try:
                sock, _ = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            try:
                self.admit(sock)
            except OSError as error:
                troubles.report("Serving a connection of the admin port", error)
                sock.close()

    def admit(self, sock: socket.socket) -> None:
        """Raises OSError."""
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if len(self.connections) >= CONNECTIONS_MOST:
            min(self.connections, key=deadline).close()
        from .connection import Connection  # only those who have an admin port pay for loading it

        connection = Connection(sock, self.loop, self.answer, self.forget)
        self.connections[connection] = None

    def forget(self, connection: Connection) -> None:
        self.connections.pop(connection, None)

    def cron(self) -> None:
        """Close connections whose time is over, and listen again where that failed."""
        now = time.monotonic()
        if now < self.next_look:
            return
        self.next_look = now + LOOK_SECONDS
        for connection in [one for one in self.connections if one.deadline <= now]:
            connection.close()
        self.sockets.retry()

    def close_connections(self) -> None:
        for connection in [*self.connections]:
            connection.close()

    def close(self) -> None:
        self.sockets.close()
        self.close_connections()


def deadline(connection: Connection) -> float:
    return connection.deadline


def is_loopback(written: str) -> bool:
    """Whether an address of admin-bind is this machine's own alone; of a name nobody can tell."""
    from ipaddress import ip_address  # only those who have an admin port pay for loading it

    address = written.removeprefix("-")
    try:
        return address == "localhost" or ip_address(address).is_loopback
    except ValueError:
        return False
