"""Killed at random moments under load: what was acknowledged is there, and every restart is clean.

Each round starts the server on the files that the last round left, has several clients write, rewrites now
and then, and kills the server with SIGKILL. KV_CRASH_ROUNDS says how many rounds (the seed of each is its
number).
"""
from __future__ import annotations

import os
import random
import threading
import time
from pathlib import Path

import pytest

from tests.commands.client import Client, request
from tests.integration.program import Server

ROUNDS = int(os.environ.get("KV_CRASH_ROUNDS", "3"))
WRITERS = 4
LOSS_SECONDS = 2.0      # what everysec may lose


class Load(threading.Thread):
    """One client: counts its key up in pipelines of random length, and notes what was acknowledged when."""

    def __init__(self, port: int, name: str, value: int, seed: str) -> None:
        super().__init__(daemon=True)
        self.client = Client(port)
        self.name_ = name
        self.sent = value
        self.acknowledged = [(0.0, value)]      # (time, value), oldest first
        self.refused = False        # any write was
        self.random = random.Random(seed)

    def run(self) -> None:
        try:
            while True:
                count = self.random.choice((1, 1, 4, 64))
                first, self.sent = self.sent + 1, self.sent + count
                values = range(first, first + count)
                self.client.socket.sendall(b"".join([self.command(value) for value in values]))
                for value in values:
                    self.refused = self.refused or self.client.reply() != "OK"
                    self.acknowledged.append((time.monotonic(), value))
        except OSError:
            pass    # killed

    def command(self, value: int) -> bytes:
        """The newest value of a key, and another key for each value, so that a gap would show."""
        if value % 2:
            return request("SET", self.name_, value)
        return request("MSET", self.name_, value, f"{self.name_}:{value % 1000}", value)


def play(folder: Path, number: int, values: dict[str, int], **options) -> tuple[list[Load], float]:
    """One round, on what the rounds before left: its writers, and when it was killed."""
    generator = random.Random(number)
    options |= {"auto_aof_rewrite_percentage": 50, "auto_aof_rewrite_min_size": 100_000}
    with Server(folder, **options) as server:
        check_values(server, values)
        writers = [Load(server.port, name, value, f"{number} {name}") for name, value in values.items()]
        for writer in writers:
            writer.start()
        time.sleep(generator.uniform(0.02, 0.25))
        if generator.random() < 0.4:
            server("BGREWRITEAOF")
            time.sleep(generator.uniform(0, 0.15))
        server.kill()
        killed = time.monotonic()
    for writer in writers:
        writer.join(10)
        assert not writer.is_alive() and not writer.refused
    return writers, killed


def check_values(server: Server, values: dict[str, int]) -> None:
    assert {name: int(server("GET", name) or 0) for name in values} == values


def survivors(folder: Path, writers: list[Load], **options) -> dict[str, int]:
    """Start again and stop; the values that are there."""
    with Server(folder, **options) as server:
        values = {writer.name_: int(server("GET", writer.name_) or 0) for writer in writers}
        assert server("PING") == "PONG" and "Bad file format" not in server.text()
        return values


@pytest.mark.parametrize("policy, loss_seconds", [("always", 0.0), ("everysec", LOSS_SECONDS)])
def test_killed_under_load(tmp_path: Path, policy: str, loss_seconds: float) -> None:
    values = {f"writer:{index}": 0 for index in range(WRITERS)}
    for number in range(ROUNDS):
        writers, killed = play(tmp_path, number, values, appendfsync=policy)
        values = survivors(tmp_path, writers, appendfsync=policy)
        for writer in writers:
            promised = max([value for at, value in writer.acknowledged if at <= killed - loss_seconds])
            assert promised <= values[writer.name_] <= writer.sent, f"round {number}"


def test_killed_while_the_first_base_is_written(tmp_path: Path) -> None:
    """Switched on at run time and killed before the base is there: the next start finds nothing, or all of
    it."""
    for number in range(ROUNDS):
        folder = tmp_path / str(number)
        folder.mkdir()
        with Server(folder, appendonly="no", rdb_key_save_delay=50) as server:
            assert set(server.pipe([("SET", f"key:{n}", n) for n in range(1000)])) == {"OK"}
            server("CONFIG", "SET", "appendonly", "yes")
            time.sleep(random.Random(number).uniform(0, 0.2))
            server.kill()
        with Server(folder) as server:
            assert server("DBSIZE") in (0, 1000)
