"""Killed at random moments under load: what was acknowledged is there, and every restart is clean.

Each round starts the server on the files that the last round left, has several clients write, rewrites now and then, and kills the
server with SIGKILL (see killed.py).
"""
from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.integration.killed import POLICIES, ROUNDS, Load, play
from tests.integration.program import Server

WRITERS = 4


def words_of(name: str, value: int) -> list[tuple]:
    """The newest value of a key, and another key for each value, so that a gap would show."""
    return [("SET", name, value) if value % 2 else ("MSET", name, value, f"{name}:{value % 1000}", value)]


def check_values(server: Server, values: dict[str, int]) -> None:
    assert {name: int(server("GET", name) or 0) for name in values} == values


def survivors(folder: Path, writers: list[Load], **options) -> dict[str, int]:
    """Start again and stop; the values that are there."""
    with Server(folder, **options) as server:
        values = {writer.writer: int(server("GET", writer.writer) or 0) for writer in writers}
        assert server("PING") == "PONG" and "Bad file format" not in server.text()
        return values


@pytest.mark.parametrize("policy, loss_seconds", POLICIES)
def test_killed_under_load(tmp_path: Path, policy: str, loss_seconds: float) -> None:
    values = {f"writer:{index}": 0 for index in range(WRITERS)}

    def loads_of(server: Server, number: int) -> list[Load]:
        check_values(server, values)
        return [Load(server.port, name, value, f"{number} {name}", words_of) for name, value in values.items()]

    for number in range(ROUNDS):
        writers, killed = play(tmp_path, number, loads_of, 0.4, ["BGREWRITEAOF"], appendfsync=policy)
        values = survivors(tmp_path, writers, appendfsync=policy)
        for writer in writers:
            assert writer.promised(killed - loss_seconds) <= values[writer.writer] <= writer.sent, f"round {number}"


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
