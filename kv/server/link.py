"""Connections to other servers, as their client: what MIGRATE sends keys over.

    link = Link("10.0.0.7", 6379, timeout=1.0)
    link.send([words(b"AUTH", b"secret"), words(b"PING")])
    link.read_reply(), link.read_reply()

A link waits, so the loop stands still meanwhile. That is why there is a timeout, which no single wait is longer than: for being
connected (the search for the host's address counts in), for each piece that is sent, for each piece that is received. A transfer
that goes on may take longer.

A link that failed is of no use any more, since nobody knows what of its replies is still to come: close it.
"""
from __future__ import annotations

import errno
import os
import random
import socket
import threading
import time

from .affinity import enter_background

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TypeAlias

    Reply: TypeAlias = "bytes | int | None | LinkRefusal | list[Reply]"

PIECE = 64 * 1024           # bytes that are sent, or received, in one wait
CRLF = b"\r\n"
LINE_MOST = 64 * 1024       # bytes of a line; a peer that sends longer ones is no server
DEEPEST = 16                # arrays in arrays; no reply has more
CACHED_MOST = 64
CACHED_SECONDS = 10
LOOKUPS_MOST = 16           # of names, at once


class LinkRefusal(Exception):
    """An error reply; str() is its text, the code first."""


def words(*command: bytes) -> bytes:
    """A command as it is sent."""
    return b"*%d\r\n" % len(command) + b"".join([b"$%d\r\n%b\r\n" % (len(word), word) for word in command])


class Link:
    """One connection. Everything raises OSError: TimeoutError where a wait was too long."""

    def __init__(self, host: str, port: int, timeout: float) -> None:
        self.database = -1          # that is selected, as far as its user knows; -1: not known
        self.used = time.monotonic()
        self.buffer = bytearray()   # received and not yet read
        self.sock = connect(host, port, timeout)

    def close(self) -> None:
        try:
            self.sock.close()
        except OSError:
            pass                    # the descriptor is closed all the same

    def set_timeout(self, seconds: float) -> None:
        """How long a wait may be from here on."""
        self.sock.settimeout(seconds)

    def send(self, parts: Iterable[bytes]) -> None:
        """Send all, in pieces."""
        piece = bytearray()
        for part in parts:
            if len(piece) + len(part) <= PIECE:
                piece += part
                continue
            self.sock.sendall(piece)
            piece = bytearray()
            view = memoryview(part)
            for start in range(0, len(view), PIECE):
                self.sock.sendall(view[start:start + PIECE])
        if piece:
            self.sock.sendall(piece)

    def receive(self) -> None:
        """Wait for more bytes."""
        data = self.sock.recv(PIECE)
        if not data:
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        self.buffer += data

    def read_line(self) -> bytes:
        """The next line, without its end."""
        searched = 0
        while (end := self.buffer.find(CRLF, searched)) < 0:
            if len(self.buffer) > LINE_MOST:
                raise no_server()
            searched = max(0, len(self.buffer) - 1)
            self.receive()
        line = bytes(self.buffer[:end])
        del self.buffer[:end + len(CRLF)]
        return line

    def read_bytes(self, length: int) -> bytes:
        """So many bytes, and the end of line behind them, which is not returned."""
        while len(self.buffer) < length + len(CRLF):
            self.receive()
        data = bytes(self.buffer[:length])
        del self.buffer[:length + len(CRLF)]
        return data

    def read_reply(self, depth: int = 0) -> Reply:
        """The next reply, of RESP2: an error is a LinkRefusal, which is returned, not raised. `depth`: arrays that it stands in."""
        line = self.read_line()
        kind, text = line[:1], line[1:]
        if kind == b"+":
            return text
        if kind == b"-":
            return LinkRefusal(text.decode("utf-8", "surrogateescape"))
        try:
            number = int(text)
        except ValueError:
            raise no_server() from None
        if kind == b":":
            return number
        if kind == b"$":
            return self.read_bytes(number) if number >= 0 else None
        if kind == b"*" and depth < DEEPEST:
            return [self.read_reply(depth + 1) for _ in range(number)] if number >= 0 else None
        raise no_server()


def no_server() -> OSError:
    return OSError(errno.EPROTO, os.strerror(errno.EPROTO))


def connect(host: str, port: int, timeout: float) -> socket.socket:
    """A connected socket, by the first address of the host that answers; all of them together have `timeout` seconds. Raises
    OSError."""
    if not 0 < port < 65536:
        raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
    ends = time.monotonic() + timeout
    addresses = resolve(host, port, timeout)
    failure = OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
    for family, kind, protocol, _, address in addresses:
        left = ends - time.monotonic()
        if left <= 0:
            raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
        try:
            return connect_to(family, kind, protocol, address, left)
        except OSError as error:
            failure = error
    raise failure


def resolve(host: str, port: int, timeout: float) -> list[tuple]:
    """The addresses of a host, as getaddrinfo has them. Raises OSError: TimeoutError where a name server takes longer than that
    many seconds."""
    try:
        return lookup(host, port, socket.AI_NUMERICHOST)    # an address is at hand
    except OSError:
        return Lookup(host, port).wait(timeout)


def lookup(host: str, port: int, flags: int = 0) -> list[tuple]:
    """Raises OSError."""
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    except UnicodeError:            # a name that can't be one
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL)) from None


class Lookup(threading.Thread):
    """A name is looked up here, since the system's call knows no timeout. A lookup that nobody waits for any longer ends by
    itself, so there may be a few of them; beyond that no name is looked up until one has ended."""

    under_way = threading.BoundedSemaphore(LOOKUPS_MOST)

    def __init__(self, host: str, port: int) -> None:
        super().__init__(name="kv-lookup", daemon=True)
        self.host = host
        self.port = port
        self.addresses: list[tuple] = []
        self.failure: OSError | None = None

    def wait(self, timeout: float) -> list[tuple]:
        """Raises OSError."""
        ends = time.monotonic() + timeout
        if not self.under_way.acquire(timeout=timeout):
            raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
        try:
            self.start()
        except (RuntimeError, MemoryError):
            self.under_way.release()
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN)) from None
        self.join(max(0.0, ends - time.monotonic()))
        if self.is_alive():
            raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
        if self.failure is not None:
            raise self.failure
        return self.addresses

    def run(self) -> None:
        enter_background()
        try:
            self.addresses = lookup(self.host, self.port)
        except OSError as error:
            self.failure = error
        finally:
            self.under_way.release()


def connect_to(family: int, kind: int, protocol: int, address: tuple, timeout: float) -> socket.socket:
    sock = socket.socket(family, kind, protocol)
    try:
        sock.settimeout(timeout)
        sock.connect(address)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock
    except BaseException:
        sock.close()
        raise


class LinkCache:
    """Links that are kept for a while after their use, by host and port: who migrates sends many keys to one server."""

    def __init__(self) -> None:
        self.links: dict[tuple[str, int], Link] = {}

    def get(self, host: str, port: int, timeout: float) -> Link:
        """A link that is connected, or was when it was last used. Raises OSError."""
        link = self.links.get((host, port))
        if link is None:
            if len(self.links) >= CACHED_MOST:
                self.drop(*random.choice(list(self.links)))
            link = self.links[host, port] = Link(host, port, timeout)
        link.set_timeout(timeout)
        link.used = time.monotonic()
        return link

    def drop(self, host: str, port: int) -> None:
        """Close a link, if there is one."""
        link = self.links.pop((host, port), None)
        if link is not None:
            link.close()

    def clear(self) -> None:
        """Close all links."""
        for host, port in [*self.links]:
            self.drop(host, port)

    def cron(self) -> None:
        """Close the links that nobody used for a while."""
        now = time.monotonic()
        for (host, port), link in list(self.links.items()):
            if now - link.used > CACHED_SECONDS:
                self.drop(host, port)
