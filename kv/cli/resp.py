"""A small blocking connection that speaks RESP2 and RESP3.

Why not a client library: a library turns replies into Python values and so forgets what this program has to
show - whether `1` was an integer or a string, whether a list was an array, a set or a push. Here a reply
keeps the type byte that it arrived with, and an aggregate keeps its elements flat and in order (a map is
key, value, key, value ...), which is exactly what the output formats walk over.

Why blocking reads, even where the caller also waits for other things (standard input, a bulk upload): once
the first byte of a reply is there the server will send the rest without our doing anything, so reading on
until it is complete cannot deadlock. Such a caller waits in select() unless something is `buffered()`, and
then must `poll()`, since a TLS socket also becomes readable for records that carry no data.
"""

import socket
from collections.abc import Callable, Sequence

from kv.cli.errors import Disconnected, ProtocolError

STATUS, ERROR, INTEGER, STRING, ARRAY = "+", "-", ":", "$", "*"
NIL, BOOL, DOUBLE, BIGNUM, VERBATIM, MAP, SET, PUSH = "_", "#", ",", "(", "=", "%", "~", ">"
LINES = frozenset((STATUS, ERROR, INTEGER, DOUBLE, BIGNUM))
BLOBS = frozenset((STRING, VERBATIM, "!"))
AGGREGATES = frozenset((ARRAY, MAP, SET, PUSH))

RECV_BYTES = 64 * 1024
KEEPALIVE_S = 15


class Reply:
    """One reply: `kind` is its RESP type byte, `data` its text, `items` the elements of an aggregate.

    Numbers stay the text that the server sent: they are only ever printed, and a double must not change
    its digits on the way through.
    """

    __slots__ = ("data", "items", "kind")

    def __init__(self, kind: str, data: bytes = b"", items: "Sequence[Reply]" = ()) -> None:
        self.kind = kind
        self.data = data
        self.items = items

    @property
    def is_error(self) -> bool:
        return self.kind == ERROR

    @property
    def text(self) -> str:
        return self.data.decode("utf-8", "surrogateescape")

    def integer(self) -> int:
        return int(self.data)


PushHandler = Callable[[Reply], None]
Wait = Callable[[int], object]


def ignore_push(_reply: Reply) -> None:
    """A push handler for who does not want to see them."""


def encode(words: Sequence[bytes]) -> bytes:
    """A command as the array of bulk strings that every server accepts."""
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        parts.append(b"$%d\r\n%b\r\n" % (len(word), word))
    return b"".join(parts)


class Connection:
    """A connected socket and the replies that arrive on it."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.on_push: PushHandler | None = ignore_push  # None: pushes are delivered like replies
        self.wait: Wait | None = None  # called with the descriptor before a read that may block
        self._buffer = b""
        self._position = 0

    # ---- commands

    def send(self, *words: bytes) -> None:
        self.send_raw(encode(words))

    def send_raw(self, data: bytes) -> None:
        try:
            self.sock.sendall(data)
        except OSError as error:
            raise Disconnected(error.strerror or str(error)) from None

    def read(self) -> Reply:
        """The next reply; pushes before it go to `on_push` where that is set."""
        while True:
            reply = self._read_any()
            if reply.kind != PUSH or self.on_push is None:
                return reply
            self.on_push(reply)

    def call(self, *words: bytes) -> Reply:
        self.send(*words)
        return self.read()

    def call_many(self, commands: Sequence[Sequence[bytes]]) -> list[Reply]:
        """Send all commands in one go, then read as many replies."""
        self.send_raw(b"".join(map(encode, commands)))
        return [self.read() for _ in commands]

    # ---- the stream below

    def buffered(self) -> bool:
        """Whether something is here already that select() on the socket would not tell of."""
        return self._position < len(self._buffer) or self._decrypted()

    def poll(self) -> bool:
        """Take in what has arrived, without waiting; whether a read would now find at least a byte."""
        if self.buffered():
            return True
        self.sock.setblocking(False)
        try:
            self._fill()
        except BlockingIOError:
            return False
        finally:
            self.sock.setblocking(True)
        return True

    def fileno(self) -> int:
        return self.sock.fileno()

    def close(self) -> None:
        self.sock.close()

    def read_some(self, limit: int) -> bytes:
        """At least one and at most `limit` raw bytes, for what is not RESP (an RDB file)."""
        if self._position == len(self._buffer):
            self._await_data()
        chunk = self._buffer[self._position : self._position + limit]
        self._position += len(chunk)
        return chunk

    def read_line(self) -> bytes:
        """One line without its CRLF."""
        while True:
            end = self._buffer.find(b"\r\n", self._position)
            if end >= 0:
                line = self._buffer[self._position : end]
                self._position = end + 2
                return line
            self._await_data()

    def _decrypted(self) -> bool:
        """Whether a TLS socket holds data that it has read ahead."""
        return bool(getattr(self.sock, "pending", int)())

    def _await_data(self) -> None:
        if self.wait is not None and not self._decrypted():
            self.wait(self.fileno())
        self._fill()

    def _fill(self) -> None:
        try:
            data = self.sock.recv(RECV_BYTES)
        except BlockingIOError:
            raise
        except OSError as error:
            raise Disconnected(error.strerror or str(error)) from None
        if not data:
            raise Disconnected("Server closed the connection")
        self._buffer = self._buffer[self._position :] + data
        self._position = 0

    def _read_bulk(self, size: int) -> bytes:
        """`size` bytes and their CRLF. Pieces of a large one are joined once, not once per recv()."""
        pieces = []
        missing = size + 2
        while missing:
            piece = self.read_some(missing)
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces)[:-2]

    # ---- the protocol

    def _read_any(self) -> Reply:
        line = self.read_line()
        kind, rest = line[:1].decode("latin-1"), line[1:]
        if kind in LINES:
            return Reply(kind, rest)
        if kind in BLOBS:
            return self._read_blob(kind, rest)
        if kind in AGGREGATES:
            return self._read_aggregate(kind, rest)
        if kind == "_":
            return Reply(NIL)
        if kind == "#":
            return Reply(BOOL, b"1" if rest == b"t" else b"0")
        if kind == "|":  # attributes annotate the reply that follows; nothing here shows them
            self._read_aggregate(MAP, rest)
            return self._read_any()
        raise ProtocolError(f"Protocol error, got {kind!a} as reply type byte")

    def _read_blob(self, kind: str, rest: bytes) -> Reply:
        size = self._length(rest)
        if size == -1:
            return Reply(NIL)
        data = self._read_bulk(size)
        if kind == "=":
            return Reply(VERBATIM, data[4:])  # "txt:" or "mkd:" says how to render it, which we do not
        return Reply(ERROR if kind == "!" else STRING, data)

    def _read_aggregate(self, kind: str, rest: bytes) -> Reply:
        count = self._length(rest)
        if count == -1:
            return Reply(NIL)
        if kind == MAP:
            count *= 2
        return Reply(kind, items=[self._read_any() for _ in range(count)])

    @staticmethod
    def _length(text: bytes) -> int:
        try:
            size = int(text)
        except ValueError:
            size = -2
        if size < -1:
            raise ProtocolError("Protocol error, invalid length")
        return size


def connect_tcp(host: str, port: int, timeout: float, prefer_ipv6: bool) -> socket.socket:
    """Try the addresses of `host`, IPv4 first unless asked otherwise. Raises Disconnected with the reason."""
    first = socket.AF_INET6 if prefer_ipv6 else socket.AF_INET
    try:
        # As bytes: given text, Python loads its whole machinery for international names first.
        name = host.encode("ascii" if host.isascii() else "idna")
        found = socket.getaddrinfo(name, port, 0, socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise Disconnected(getattr(error, "strerror", None) or str(error)) from None
    failure = Disconnected("no address found")
    for family, _, _, _, address in sorted(found, key=lambda entry: entry[0] != first):
        try:
            sock = _connect(family, address, timeout)
        except Disconnected as error:
            failure = error
            continue
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _keep_alive(sock)
        return sock
    raise failure


def connect_unix(path: str, timeout: float) -> socket.socket:
    return _connect(socket.AF_UNIX, path, timeout)


def _connect(family: int, address: object, timeout: float) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.settimeout(timeout or None)
        sock.connect(address)  # type: ignore[arg-type]
        sock.settimeout(None)  # the limit is one on connecting; a command may take as long as it likes
    except OSError as error:
        sock.close()
        timed_out = isinstance(error, TimeoutError)
        raise Disconnected("Connection timed out" if timed_out else error.strerror or str(error)) from None
    return sock


def _keep_alive(sock: socket.socket) -> None:
    """Notice a dead peer during a long command: probe after 15 s of silence, three times."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_KEEPIDLE"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_S // 3)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
