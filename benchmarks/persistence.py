#!/usr/bin/env python3
"""Saving and loading beside another server, in one run, taking turns.

    .venv/bin/python benchmarks/persistence.py [--peer redis-server] [--keys 5000000] [--collections 1000000] [--rounds 1]

Of small keys, then of collections (lists, sets, hashes and sorted sets, small ones and some large): seconds to save and to load an
RDB file, to rewrite and to load an AOF, the longest pause of a PING while a child saves, and the memory that comes on top under
SETs that go on (5,000 a second, of keys that are there). Ratios below 1 are better than the peer. The servers are not pinned: the
more processors, the less the load generator is in the way.
"""
from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import random
import shutil
import socket
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from programs import Server, ours

MB = 1 << 20
BATCH = 1000
ANSWER = 1 << 16


def request(*words: object) -> bytes:
    encoded = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(encoded) + b"".join([b"$%d\r\n%b\r\n" % (len(word), word) for word in encoded])


class Client:
    """One connection, and replies of one line or one bulk string."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")

    def reply(self) -> bytes:
        line = self.file.readline()
        if line[:1] == b"$" and line != b"$-1\r\n":
            return self.file.read(int(line[1:]) + 2)[:-2]
        return line[:-2]

    def __call__(self, *words: object) -> bytes:
        self.socket.sendall(request(*words))
        return self.reply()

    def pipe(self, commands: list[bytes]) -> None:
        self.socket.sendall(b"".join(commands))
        for _ in commands:
            if self.reply().startswith(b"-"):
                raise RuntimeError("the server refused a command")

    def info(self, field: str) -> int:
        for line in self("INFO").decode().splitlines():
            if line.startswith(field + ":"):
                return int(line.split(":")[1])
        return 0


# -- data -------------------------------------------------------------------------------------------------------------

def small_keys(count: int) -> Iterator[bytes]:
    for number in range(count):
        yield b"*3\r\n$3\r\nSET\r\n$16\r\nkey:%012d\r\n$16\r\n%016d\r\n" % (number, number)


def collections(count: int) -> Iterator[bytes]:
    """One in a thousand has a thousand elements, the others five to fifteen."""
    draw = random.Random(1)
    for number in range(count):
        size = 1000 if number % 1000 == 0 else draw.randrange(5, 15)
        names = [f"element:{draw.randrange(1 << 30)}" for _ in range(size)]
        verb = ("RPUSH", "SADD", "HSET", "ZADD")[number % 4]
        if verb == "HSET":
            words = [word for name in names for word in (name, "value of it")]
        elif verb == "ZADD":
            words = [word for name in names for word in (str(draw.random()), name)]
        else:
            words = names
        yield request(verb, f"key:{number:012d}", *words)


def fill(client: Client, commands: Iterator[bytes]) -> None:
    batch: list[bytes] = []
    for command in commands:
        batch.append(command)
        if len(batch) == BATCH:
            client.pipe(batch)
            batch.clear()
    client.pipe(batch)


# -- beside a child ---------------------------------------------------------------------------------------------------

def probe(port: int, stop, longest) -> None:
    """PING every millisecond, and note the longest answer."""
    client = Client(port)
    while not stop.is_set():
        began = time.perf_counter()
        client("PING")
        longest.value = max(longest.value, time.perf_counter() - began)
        time.sleep(0.001)


def write(port: int, stop, keys: int, rate: int, prefix: str) -> None:
    """SETs at a rate, of random keys. Those of a prefix of their own are made before."""
    client, draw, began, sent = Client(port), random.Random(2), time.perf_counter(), 0
    while not stop.is_set():
        client.pipe([request("SET", f"{prefix}{draw.randrange(keys):012d}", f"{draw.randrange(10 ** 15):016d}")
                     for _ in range(50)])
        sent += 50
        time.sleep(max(0.0, began + sent / rate - time.perf_counter()))


def private_bytes(pid: int) -> int:
    """What a process shares with nobody any more."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Private_Dirty:"):
                return int(line.split()[1]) * 1024
    return 0


def children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


def beside_child(server: Server, client: Client, command: str, field: str, keys: int, prefix: str) -> dict[str, float]:
    """Have a child save while others write: seconds, the longest pause in ms, and memory in MB."""
    stop, longest = multiprocessing.Event(), multiprocessing.Value("d", 0.0)
    others = [multiprocessing.Process(target=probe, args=(server.port, stop, longest)),
              multiprocessing.Process(target=write, args=(server.port, stop, keys, 5000, prefix))]
    for other in others:
        other.start()
    time.sleep(1)
    longest.value = 0.0
    before, most, began = resident(server.process.pid), 0, time.perf_counter()
    client(command)
    time.sleep(0.05)
    while client.info(field):
        most = max(most, resident(server.process.pid) - before + sum(map(private_bytes, children(server.process.pid))))
        time.sleep(0.1)
    seconds = time.perf_counter() - began
    time.sleep(0.3)
    stop.set()
    for other in others:
        other.join()
    return {"seconds": seconds, "longest pause ms": longest.value * 1000, "memory on top MB": most / MB}


# -- one round --------------------------------------------------------------------------------------------------------

def loaded(command: list[str], folder: str, keys: int, *options: str) -> float:
    """Seconds from a start until all keys are there."""
    began = time.perf_counter()
    server = Server(command, *options, folder=folder, pinned=False)
    client = Client(server.port)
    while client("PING") != b"+PONG":
        time.sleep(0.01)
    seconds, found = time.perf_counter() - began, int(client("DBSIZE")[1:])
    server.end()
    if found < keys:
        raise RuntimeError(f"{found} keys instead of {keys}")
    return seconds


def measure(command: list[str], commands: Iterator[bytes], keys: int, prefix: str) -> dict[str, float]:
    figures: dict[str, float] = {}
    server = Server(command, "--appendonly", "yes", "--auto-aof-rewrite-percentage", "0", "--aof-use-rdb-preamble", "no",
                    pinned=False)
    folder = server.folder
    try:
        client = Client(server.port)
        fill(client, commands)
        if prefix != "key:":
            client.pipe([request("SET", f"{prefix}{number:012d}", "0" * 16) for number in range(1000)])
        began = time.perf_counter()
        if client("SAVE") != b"+OK":
            raise RuntimeError("SAVE failed")
        figures["SAVE seconds"] = time.perf_counter() - began
        figures["RDB file MB"] = (Path(folder) / "dump.rdb").stat().st_size / MB
        server.end()
        figures["load AOF as it was written, seconds"] = loaded(command, folder, keys, "--appendonly", "yes")
        figures["load RDB seconds"] = loaded(command, folder, keys, "--appendonly", "no")
        server = Server(command, "--appendonly", "yes", "--auto-aof-rewrite-percentage", "0", "--aof-use-rdb-preamble", "no",
                        folder=folder, pinned=False)
        client = Client(server.port)
        while client("PING") != b"+PONG":
            time.sleep(0.01)
        count = keys if prefix == "key:" else 1000
        for name, field in (("BGSAVE", "rdb_bgsave_in_progress"), ("BGREWRITEAOF", "aof_rewrite_in_progress")):
            figures |= {f"{name} {what}": value
                        for what, value in beside_child(server, client, name, field, count, prefix).items()}
        server.end()
        figures["load AOF after a rewrite, seconds"] = loaded(command, folder, keys, "--appendonly", "yes")
    finally:
        server.end()
        shutil.rmtree(folder, ignore_errors=True)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", default=None, help="another command of this server")
    parser.add_argument("--peer", default="redis-server")
    parser.add_argument("--keys", type=int, default=5_000_000)
    parser.add_argument("--collections", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    programs = [options.ours.split() if options.ours else ours(), options.peer.split()]
    for title, make, count, prefix in (("small keys", small_keys, options.keys, "key:"),
                                       ("collections", collections, options.collections, "string:")):
        if not count:
            continue
        print(f"{count} {title}", flush=True)
        rounds = [[measure(program, make(count), count, prefix) for program in programs] for _ in range(options.rounds)]
        for name in rounds[0][0]:
            mine, peer = (statistics.median([round_[which][name] for round_ in rounds]) for which in (0, 1))
            print(f"  {name:40s} {mine:10.2f} {peer:10.2f}  ratio {mine / peer if peer else 0:.2f}", flush=True)


if __name__ == "__main__":
    main()
