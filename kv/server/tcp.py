"""Sockets that listen on TCP: on several addresses, one port.

An address that begins with "-" is optional: a host without IPv6 still starts. Port 0 means none.

While the server runs, addresses that it once listened on are not lost: what CONFIG SET puts in place of the sockets that there
are must listen first, or, where the old ones are in the way of that, they come back; if even that fails the cron goes on trying.
"""
from __future__ import annotations

import errno
import socket
from functools import partial

from .log import log
from .trouble import reason, troubles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .config import Config
    from .loop import Loop

UNAVAILABLE = {errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT, errno.EADDRNOTAVAIL, errno.ENOPROTOOPT, errno.ESOCKTNOSUPPORT}


class BindError(OSError):
    """An address that can't be listened on; str() is the line to log."""


def listen_tcp(addresses: Iterable[str], port: int, backlog: int, mark: int = 0) -> list[socket.socket]:
    """Sockets that listen on every address that there is. Raises BindError, with none left open."""
    found: list[socket.socket] = []
    for written in addresses:
        optional = written.startswith("-")
        address = written[1:] if optional else written
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        host = {"*": "0.0.0.0", "::*": "::"}.get(address, address)
        try:
            found.append(_listen(family, host, port, backlog, mark))
        except OSError as error:
            if optional and (error.errno in UNAVAILABLE or isinstance(error, socket.gaierror)):
                continue
            for open_socket in found:
                open_socket.close()
            raise BindError(f"Warning: Could not create server TCP listening socket {address}:{port}: bind: "
                            f"{reason(error)}") from None
    return found


def _listen(family: int, host: str, port: int, backlog: int, mark: int) -> socket.socket:
    info = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, 0, socket.AI_PASSIVE)
    sock = socket.socket(info[0][0], socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if info[0][0] == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if mark:
            sock.setsockopt(socket.SOL_SOCKET, getattr(socket, "SO_MARK", 36), mark)
        sock.bind(info[0][4])
        sock.listen(backlog)
    except BaseException:
        sock.close()
        raise
    return sock


class TcpSockets:
    """What listens on the addresses and the port that two options state, and who takes the connections."""

    def __init__(self, config: Config, loop: Loop, accept: Callable[[socket.socket], object], what: str) -> None:
        self.config = config
        self.loop = loop
        self.accept = accept    # called with a socket that has connections
        self.what = what        # ... that is, for the log
        self.sockets: list[socket.socket] = []
        self.opened: tuple[list[str], int] = ([], 0)    # the addresses and the port of these
        self.wanted: tuple[list[str], int] = ([], 0)    # ... that there should be
        self.missing = False    # there should be sockets, and there are none

    def open(self, addresses: list[str], port: int) -> None:
        """Listen, at the start. Raises BindError."""
        self.sockets = self.listen(addresses, port)
        self.opened = self.wanted = addresses, port

    def listen(self, addresses: list[str], port: int) -> list[socket.socket]:
        """Sockets that listen and are watched. Raises BindError, with none left open."""
        if not port:
            return []
        return self.watched(listen_tcp(addresses, port, self.config.tcp_backlog, self.config.socket_mark_id))

    def watched(self, fresh: list[socket.socket]) -> list[socket.socket]:
        """Raises BindError, with none left open."""
        try:
            for sock in fresh:
                self.loop.watch(sock.fileno(), partial(self.accept, sock), self.what)
        except OSError as error:
            self.drop(fresh)
            raise BindError(f"Could not watch a listening socket: {reason(error)}") from None
        return fresh

    def listen_beside(self, address: str, port: int) -> socket.socket:
        """Listen on one address more; on port 0 on one that the system chooses. Raises BindError."""
        (sock,) = self.watched(listen_tcp([address], port, self.config.tcp_backlog, self.config.socket_mark_id))
        self.sockets.append(sock)
        return sock

    def reopen(self, addresses: list[str], port: int) -> None:
        """Listen there instead: the new sockets first, so that a failure leaves the old ones. On the same port the old
        ones are in the way of the new. Raises BindError."""
        self.wanted = addresses, port
        if self.opened == self.wanted and not self.missing:
            return      # a change that failed left them alone
        if self.sockets and self.opened[1] == port:
            self.close()
        self.missing = bool(port) and not self.sockets
        fresh = self.listen(addresses, port)
        if port and addresses and not fresh:
            raise BindError("Unable to listen on this port")
        before, self.sockets = self.sockets, fresh
        self.drop(before)
        self.opened, self.missing = self.wanted, False

    def retry(self) -> None:
        """A change of the addresses failed, and so did putting the old ones back: try again."""
        if self.missing:
            try:
                self.reopen(*self.wanted)
                log("notice", f"Listening on port {self.wanted[1]} again")
            except BindError as error:
                troubles.report_line(str(error))

    def close(self) -> None:
        self.drop(self.sockets)
        self.sockets = []

    def drop(self, sockets: list[socket.socket]) -> None:
        for sock in sockets:
            self.loop.unwatch(sock.fileno())
            try:
                sock.shutdown(socket.SHUT_RDWR)     # a forked child has the socket, too, and would keep the port
            except OSError:
                pass
            sock.close()
