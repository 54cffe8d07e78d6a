#!/usr/bin/env python3
"""How the time of a command grows with the number of elements, beside another server.

    .venv/bin/python benchmarks/complexity.py [--peer redis-server] [--sizes 1000 10000 100000 1000000 10000000]

For each size both servers hold a collection of so many elements; then random requests of each command are sent in
pipelines, and the processor time a request is printed in microseconds, with its growth since the size before. What grows is
mostly waiting for memory: the same growth as the peer's is what to look for, and none that is in proportion to the size. Ten
million elements take some gigabytes and minutes.
"""
from __future__ import annotations

import argparse
import random
import socket
from collections.abc import Callable, Iterator

from programs import Server, ours

BATCH = 1000        # elements that one command adds
REQUESTS = 20_000   # of each command, a size
PIPELINE = 500


def request(*words: object) -> bytes:
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        data = str(word).encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(data), data))
    return b"".join(parts)


# -- filling ------------------------------------------------------------------------------------------------------

def sorted_set(numbers: range) -> list[bytes]:
    return [request("ZADD", "zset", *(word for i in numbers for word in (i, f"member:{i}")))]


def plain_list(numbers: range) -> list[bytes]:
    return [request("RPUSH", "list", *(f"element:{i}" for i in numbers))]


def plain_hash(numbers: range) -> list[bytes]:
    return [request("HSET", "hash", *(word for i in numbers for word in (f"field:{i}", i)))]


def plain_set(numbers: range) -> list[bytes]:
    return [request("SADD", "set", *(f"member:{i}" for i in numbers))]


def stream(numbers: range) -> list[bytes]:
    return [request("XADD", "stream", f"{i + 1}-0", "field", i) for i in numbers]


FILL = [sorted_set, plain_list, plain_hash, plain_set, stream]

# -- asking -------------------------------------------------------------------------------------------------------

COMMANDS: dict[str, Callable[[random.Random, int], bytes]] = {
    "ZADD": lambda r, size: request("ZADD", "zset", r.random() * size, f"member:{r.randrange(size)}"),
    "ZRANK": lambda r, size: request("ZRANK", "zset", f"member:{r.randrange(size)}"),
    "LINDEX": lambda r, size: request("LINDEX", "list", r.randrange(size)),
    "XRANGE": lambda r, size: request("XRANGE", "stream", f"{r.randrange(size) + 1}-0", "+", "COUNT", 5),
    "HGET": lambda r, size: request("HGET", "hash", f"field:{r.randrange(size)}"),
    "SRANDMEMBER": lambda r, size: request("SRANDMEMBER", "set"),
}


def pipeline(connection: socket.socket, requests: list[bytes], mark: bytes = b"*2\r\n$4\r\nECHO\r\n$3\r\nend\r\n") -> None:
    """Send requests, and wait until all are answered: the last one is an ECHO."""
    connection.sendall(b"".join(requests) + mark)
    tail = b""
    while not tail.endswith(b"$3\r\nend\r\n"):
        received = connection.recv(1 << 20)
        if b"\r\n-" in received or received.startswith(b"-"):
            raise SystemExit(f"complexity: {received[:200]!r}")
        tail = (tail + received)[-16:]


def grow(server: Server, start: int, stop: int) -> None:
    for fill in FILL:
        for first in range(start, stop, BATCH):
            pipeline(server.connection, fill(range(first, min(first + BATCH, stop))))


def measure(server: Server, command: str, size: int) -> float:
    """Microseconds of processor time a request, the least of three rounds."""
    r = random.Random(size)
    batches = [[COMMANDS[command](r, size) for _ in range(PIPELINE)] for _ in range(REQUESTS // PIPELINE)]
    rounds = []
    for _ in range(3):
        before = server.seconds()
        for batch in batches:
            pipeline(server.connection, batch)
        rounds.append((server.seconds() - before) * 1e6 / REQUESTS)
    return min(rounds)


def lines(servers: list[Server], sizes: list[int]) -> Iterator[str]:
    before: dict[str, list[float]] = {}
    yield f"{'command':12s} {'elements':>9s} {'ours us':>8s} {'peer us':>8s} {'ratio':>6s}   {'growth: ours':>12s} {'peer':>6s}"
    done = 0
    for size in sizes:
        for server in servers:
            grow(server, done, size)
        done = size
        for command in COMMANDS:
            times = [measure(server, command, size) for server in servers]
            growth = [now / then for now, then in zip(times, before.get(command, times), strict=True)]
            before[command] = times
            yield (f"{command:12s} {size:9d} {times[0]:8.3f} {times[1]:8.3f} {times[0] / times[1]:6.2f}   "
                   f"{growth[0]:12.2f} {growth[1]:6.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", default="redis-server")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10**n for n in range(3, 8)])
    options = parser.parse_args()
    servers = [Server(ours()), Server([options.peer])]
    try:
        for line in lines(servers, options.sizes):
            print(line, flush=True)
    finally:
        for server in servers:
            server.stop()


if __name__ == "__main__":
    main()
