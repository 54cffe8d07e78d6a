"""A RESP client that hides nothing: replies as values that keep RESP's types, or as the bytes they were."""
from __future__ import annotations

import socket
from typing import Any


class Failure(str):
    """An error reply."""


class Status(str):
    """A simple string."""


class Map(dict):
    """A map of RESP3."""


class Client:
    """One connection in RESP version 2 or 3. `client("GET", key)` is a reply, `client.raw(...)` its bytes."""

    def __init__(self, port: int, resp: int = 2):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")
        self.resp = resp
        if resp == 3:
            self("HELLO", 3)

    def close(self) -> None:
        self.file.close()
        self.socket.close()

    def send(self, *words: Any) -> None:
        self.socket.sendall(request(*words))

    def __call__(self, *words: Any) -> Any:
        self.send(*words)
        return self.reply()

    def raw(self, *words: Any) -> bytes:
        self.send(*words)
        return self.raw_reply()

    def raw_reply(self) -> bytes:
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the server has closed the connection")
        kind, count = line[:1], line[1:-2]
        if kind in b"$=" and count != b"-1":
            return line + self.file.read(int(count) + 2)
        if kind in b"*~%>" and count != b"-1":
            return line + b"".join(self.raw_reply() for _ in range(int(count) * (2 if kind == b"%" else 1)))
        return line

    def reply(self) -> Any:
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the server has closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return Status(rest.decode())
        if kind == b"-":
            return Failure(rest.decode())
        if kind in b":(":
            return int(rest)
        if kind == b"#":
            return rest == b"t"
        if kind == b",":
            return float(rest)
        if kind == b"_" or rest == b"-1":
            return None
        if kind == b"$":
            return self.file.read(int(rest) + 2)[:-2]
        if kind == b"=":
            return self.file.read(int(rest) + 2)[4:-2]
        if kind in b"*~>":
            return [self.reply() for _ in range(int(rest))]
        if kind == b"%":
            return Map((self.reply(), self.reply()) for _ in range(int(rest)))
        raise ValueError(line)


def request(*words: Any) -> bytes:
    """The bytes of a command; str is sent as UTF-8, other words as their text."""
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        data = word if isinstance(word, bytes) else str(word).encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(data), data))
    return b"".join(parts)
