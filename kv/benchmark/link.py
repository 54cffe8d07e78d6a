"""One plain connection to the server, for what kv-benchmark asks before it loads it.

It tells whether the server can be reached and lets us in, before fifty connections try; it asks how the
server persists, and loads the functions of the fcall test. What every connection of a load says first is
here, too.
"""
from __future__ import annotations

import os
import socket
from typing import BinaryIO

from kv.benchmark.options import Options, Refusal, UnknownCommand


def encode(*words: str | bytes) -> bytes:
    """A request as RESP: an array of bulk strings."""
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        word = os.fsencode(word)
        parts.append(b"$%d\r\n%s\r\n" % (len(word), word))
    return b"".join(parts)


class ServerError(Exception):
    """An error reply."""


class Link:
    """One plain connection, for what has to be asked before a benchmark."""

    def __init__(self, options: Options) -> None:
        self.address = options.address
        try:
            if options.path is None:
                self.socket = socket.create_connection((options.host, options.port))
            else:
                self.socket = socket.socket(socket.AF_UNIX)
                self.socket.connect(options.path)
        except OSError as error:
            reason = error.strerror or str(error)
            raise Refusal(f"Could not connect to server at {self.address}: {reason}") from None
        self.input: BinaryIO = self.socket.makefile("rb")
        if options.password is not None:
            self.ask_or_refuse(*login(options))

    def ask(self, *words: str) -> object:
        self.socket.sendall(encode(*words))
        return read_reply(self.input)

    def ask_or_refuse(self, *words: str) -> object:
        """The reply; the program ends where that is an error. Raises UnknownCommand where it is that."""
        try:
            return self.ask(*words)
        except ServerError as error:
            kind = UnknownCommand if UnknownCommand.is_told_by(str(error)) else Refusal
            raise kind(f"Node {self.address} replied with error:\n{error}") from None
        except OSError:
            raise Refusal(f"ERROR: failed to fetch reply from {self.address}") from None

    def persistence(self) -> dict[str, str] | None:
        """The server's "save" and "appendonly", or None where it does not tell."""
        found = {}
        for name in ("save", "appendonly"):
            try:
                reply = self.ask("CONFIG", "GET", name)
            except ServerError as error:
                if str(error).startswith("NOAUTH"):
                    raise Refusal(f"Node {self.address} replied with error:\n{error}") from None
                return None
            except OSError:
                return None
            if not isinstance(reply, list) or len(reply) < 2:
                return None
            found[name] = (reply[1] or b"").decode(errors="replace")
        return found


def read_reply(stream: BinaryIO) -> object:
    """One RESP2 reply: bytes, int, None or a list of these."""
    line = stream.readline()
    if not line.endswith(b"\r\n"):
        raise ConnectionError("Server closed the connection")
    kind, rest = line[:1], line[1:-2]
    if kind == b"-":
        raise ServerError(rest.decode(errors="replace"))
    if kind == b"+":
        return rest
    number = int(rest)
    if kind == b":" or number < 0:
        return number if kind == b":" else None
    if kind == b"$":
        return stream.read(number + 2)[:-2]
    return [read_reply(stream) for _ in range(number)]


def login(options: Options) -> list[str]:
    return ["AUTH", *([options.user] if options.user is not None else []), options.password or ""]


def greeting(options: Options) -> list[bytes]:
    """The requests that open every connection of a benchmark."""
    requests: list[list[str]] = []
    if options.password is not None:
        requests.append(login(options))
    if options.tracking:
        requests.append(["CLIENT", "TRACKING", "on"])
    if options.dbnum:
        requests.append(["SELECT", str(options.dbnum)])
    if options.resp3:
        requests.append(["HELLO", "3"])
    return [encode(*words) for words in requests]
