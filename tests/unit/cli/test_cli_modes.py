"""The arithmetic of the modes that watch a server."""

import random
import socket

import pytest

from kv.cli.debugger import coloured, split_debugger_line
from kv.cli.errors import Fatal
from kv.cli.latency import BOUNDS_US, CHARACTERS, COLOURS, GREYS, Samples, bucket, legend, spectrum
from kv.cli.lru import skewed
from kv.cli.replica import MARK_BYTES, Snapshot
from kv.cli.resp import Connection
from kv.cli.stat import human_bytes, line, parse_info


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0B"),
        (1023, "1023B"),
        (1024, "1.00K"),
        (1536 * 1024, "1.50M"),
        (1 << 30, "1.00G"),
        (5 << 40, "5.00T"),
    ],
)
def test_human_bytes(count: int, text: str) -> None:
    assert human_bytes(count) == text


def test_stat_line() -> None:
    info = parse_info(
        "# Server\r\nused_memory:2048\r\nconnected_clients:3\r\nblocked_clients:1\r\n"
        "total_commands_processed:50\r\ntotal_connections_received:7\r\nrdb_bgsave_in_progress:1\r\n"
        "aof_rewrite_in_progress:1\r\nloading:0\r\ndb0:keys=10,expires=2\r\ndb11:keys=5,expires=0\r\n"
    )
    assert line(info, 20) == "15         2.00K    3       1       50 (+20)            7           SAVE+AOF"


def test_latency_buckets() -> None:
    assert len(BOUNDS_US) == len(CHARACTERS) - 1
    shown = {
        0: ".",
        10: ".",
        11: "-",
        500: "#",
        501: "1",
        9_000: "9",
        9_001: "A",
        60_000_000: "Q",
        10**9: "?",
    }
    assert {limit: CHARACTERS[bucket(limit)] for limit in shown} == shown


def test_spectrum_colours_by_share() -> None:
    counts = [0] * len(CHARACTERS)
    counts[0], counts[1] = 99, 1
    text = spectrum(counts, GREYS)
    assert text.startswith("\033[38;5;0m\033[48;5;253m.\033[48;5;233m-\033[48;5;0m*")
    assert text.endswith("?\033[0m")
    assert spectrum([0] * len(CHARACTERS), COLOURS).count("48;5;0m") == len(CHARACTERS)
    assert legend(COLOURS).count("48;5;") == len(COLOURS)


def test_latency_samples() -> None:
    samples = Samples()
    for value in (4, 1, 9):
        samples.add(value)
    assert samples.show("standard") == "min: 1, max: 9, avg: 4.67 (3 samples)"
    assert samples.show("csv") == "1,9,4.67,3\n"
    assert samples.show("raw") == "1 9 4.67 3\n"
    assert samples.show("json") == '{"min": 1, "max": 9, "avg": 4.67, "count": 3}\n'


def test_lru_keys_are_skewed_and_in_range() -> None:
    random.seed(7)
    drawn = [skewed(1000) for _ in range(5000)]
    assert min(drawn) >= 1 and max(drawn) <= 1000
    assert (
        0.7 < sum(key <= 200 for key in drawn) / len(drawn) < 0.9
    )  # a fifth of the keys, four fifths of draws


@pytest.mark.parametrize("piece", [1, 39, 40, 41, 1000])
def test_snapshot_ends_at_its_mark(monkeypatch: pytest.MonkeyPatch, piece: int) -> None:
    monkeypatch.setattr("kv.cli.replica.CHUNK_BYTES", piece)
    mark = b"m" * MARK_BYTES
    payload = b"REDIS0011" + b"m" * 39 + b"data"
    ours, server = socket.socketpair()
    with server:
        server.sendall(b"\n\n$EOF:" + mark + b"\r\n" + payload + mark)
        connection = Connection(ours)
        assert b"".join(Snapshot(connection).chunks()) == payload
        connection.close()


def test_snapshot_with_a_size_and_what_follows() -> None:
    ours, server = socket.socketpair()
    with server:
        server.sendall(b"+FULLRESYNC id 0\r\n$4\r\nRDB!*1\r\n$4\r\nPING\r\n")
        connection = Connection(ours)
        assert b"".join(Snapshot(connection).chunks()) == b"RDB!"
        assert connection.read().items[0].data == b"PING"
        connection.close()


def test_snapshot_refused() -> None:
    ours, server = socket.socketpair()
    with server:
        server.sendall(b"-NOPERM no\r\n")
        with pytest.raises(Fatal, match="SYNC with primary failed: -NOPERM no"):
            Snapshot(Connection(ours))
    ours.close()


def test_debugger_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    assert split_debugger_line(b'e return "a b"') == [b"e", b'return "a b"']
    assert split_debugger_line(b'p "a b"') == [b"p", b"a b"]
    monkeypatch.setenv("TERM", "dumb")
    assert coloured(b"<error> x") == b"<error> x"
    monkeypatch.setenv("TERM", "xterm-256color")
    assert coloured(b"<error> x") == b"\033[0;31;49m<error> x\033[0m"
    assert coloured(b"-> 1   return") == b"\033[0;33;49m-> 1   return\033[0m"
