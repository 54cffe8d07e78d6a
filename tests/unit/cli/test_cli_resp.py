"""The connection: every reply type, arriving in any pieces, and what it does when the stream is not RESP."""

import socket
from collections.abc import Iterator

import pytest

from kv.cli.errors import Disconnected, ProtocolError
from kv.cli.resp import Connection, Reply, connect_tcp, connect_unix, encode


@pytest.fixture
def pair() -> Iterator[tuple[Connection, socket.socket]]:
    ours, theirs = socket.socketpair()
    connection = Connection(ours)
    yield connection, theirs
    connection.close()
    theirs.close()


def plain(reply: Reply) -> object:
    return (reply.kind, [plain(item) for item in reply.items] if reply.items else reply.data)


def test_a_read_that_may_block_waits_first(pair: tuple[Connection, socket.socket]) -> None:
    connection, server = pair
    waited: list[int] = []
    connection.wait = waited.append
    server.sendall(b"+A\r\n+B\r\n")
    assert connection.read().data == b"A"
    assert waited == [connection.fileno()]
    assert connection.read().data == b"B"  # it is here already
    assert len(waited) == 1


STREAM = (
    b"+OK\r\n-ERR x\r\n:-5\r\n$3\r\na\r\n\r\n$0\r\n\r\n$-1\r\n*-1\r\n*0\r\n_\r\n#t\r\n#f\r\n,1.50\r\n,inf\r\n"
    b"(12345678901234567890\r\n=8\r\ntxt:a\r\nb\r\n!5\r\nERR y\r\n*2\r\n:1\r\n*1\r\n$1\r\nx\r\n"
    b"%1\r\n+k\r\n~2\r\n:1\r\n:2\r\n|1\r\n+note\r\n+this\r\n:7\r\n"
)
EXPECTED = [
    ("+", b"OK"),
    ("-", b"ERR x"),
    (":", b"-5"),
    ("$", b"a\r\n"),
    ("$", b""),
    ("_", b""),
    ("_", b""),
    ("*", b""),
    ("_", b""),
    ("#", b"1"),
    ("#", b"0"),
    (",", b"1.50"),
    (",", b"inf"),
    ("(", b"12345678901234567890"),
    ("=", b"a\r\nb"),
    ("-", b"ERR y"),
    ("*", [(":", b"1"), ("*", [("$", b"x")])]),
    ("%", [("+", b"k"), ("~", [(":", b"1"), (":", b"2")])]),
    (":", b"7"),
]


@pytest.mark.parametrize("piece", [1, 2, 7, 10_000])
def test_every_type_in_any_pieces(monkeypatch: pytest.MonkeyPatch, piece: int, pair) -> None:
    connection, server = pair
    monkeypatch.setattr("kv.cli.resp.RECV_BYTES", piece)
    server.sendall(STREAM)
    assert [plain(connection.read()) for _ in EXPECTED] == EXPECTED
    assert not connection.buffered()


def test_large_bulk(pair) -> None:
    connection, server = pair
    data = bytes(range(256)) * 400
    server.sendall(b"$%d\r\n" % len(data) + data + b"\r\n+next\r\n")
    assert connection.read().data == data
    assert connection.read().data == b"next"


def test_pushes_go_aside_or_are_delivered(pair) -> None:
    connection, server = pair
    seen: list[bytes] = []
    connection.on_push = lambda push: seen.append(push.items[0].data)
    server.sendall(b">1\r\n+a\r\n+reply\r\n>1\r\n+b\r\n")
    assert connection.read().data == b"reply"
    connection.on_push = None
    assert plain(connection.read()) == (">", [("+", b"b")])
    assert seen == [b"a"]


def test_commands_are_arrays_of_bulk_strings(pair) -> None:
    connection, server = pair
    connection.send(b"SET", b"k", b"\x00\r\n")
    assert server.recv(100) == b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$3\r\n\x00\r\n\r\n"
    assert encode([b""]) == b"*1\r\n$0\r\n\r\n"


def test_call_many_pipelines(pair) -> None:
    connection, server = pair
    server.sendall(b":1\r\n:2\r\n")
    assert [reply.integer() for reply in connection.call_many([[b"A"], [b"B"]])] == [1, 2]
    assert server.recv(100) == encode([b"A"]) + encode([b"B"])


def test_end_of_stream(pair) -> None:
    connection, server = pair
    server.sendall(b"$5\r\nab")
    server.close()
    with pytest.raises(Disconnected, match="Server closed the connection"):
        connection.read()


@pytest.mark.parametrize("garbage", [b"HTTP/1.1 400 Bad Request\r\n", b"\r\n", b"$x\r\n", b"*-2\r\n"])
def test_what_is_not_resp(pair, garbage: bytes) -> None:
    connection, server = pair
    server.sendall(garbage)
    with pytest.raises(ProtocolError):
        connection.read()


def test_raw_bytes_after_a_line(pair) -> None:
    connection, server = pair
    server.sendall(b"$10\r\nREDIS0011x")
    assert connection.read_line() == b"$10"
    assert connection.read_some(5) == b"REDIS"
    assert connection.buffered()
    assert connection.read_some(100) == b"0011x"


def test_connecting_where_nobody_listens(tmp_path) -> None:
    with socket.socket() as taken:  # bound, not listening
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(Disconnected, match="Connection refused"):
            connect_tcp("127.0.0.1", taken.getsockname()[1], 0, False)
    with pytest.raises(Disconnected, match="No such file or directory"):
        connect_unix(str(tmp_path / "none.sock"), 0)


def test_keepalive_and_no_delay() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        sock = connect_tcp("127.0.0.1", server.getsockname()[1], 1.0, False)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert sock.gettimeout() is None  # the limit is one on connecting
        sock.close()
