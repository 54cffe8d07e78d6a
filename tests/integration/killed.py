"""Servers that are killed while clients write.

Each client numbers its writes, sends them in pipelines of random length, and notes what was acknowledged when. So a test can say,
after a restart, which numbers must be there: all that had been acknowledged, or all that had been so for some seconds.
KV_CRASH_ROUNDS says how many rounds; the seed of each is its number.
"""
from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.commands.client import Client, request
from tests.integration.program import Server

ROUNDS = int(os.environ.get("KV_CRASH_ROUNDS", "3"))
LOSS_SECONDS = 2.0      # what everysec may lose
POLICIES = [("always", 0.0), ("everysec", LOSS_SECONDS)]    # appendfsync, and seconds that may be lost by it
REFUSALS = "ERR", "MISCONF", "EXEC"


class Load(threading.Thread):
    """One client. `words_of` says which commands a write is made of, one or a transaction."""

    def __init__(self, port: int, name: str, last: int, seed: str, words_of: Callable[[str, int], Sequence[tuple]]) -> None:
        super().__init__(daemon=True)
        self.client = Client(port)
        self.writer = name
        self.words_of = words_of
        self.sent = last            # number of the last write that was sent
        self.acknowledged = [(0.0, last)]       # (time, number), oldest first
        self.refused = ""           # the first reply that was an error
        self.random = random.Random(seed)

    def run(self) -> None:
        try:
            while not self.refused:
                numbers = range(self.sent + 1, self.sent + 1 + self.random.choice((1, 1, 4, 64)))
                self.sent = numbers[-1]
                writes = [self.words_of(self.writer, number) for number in numbers]
                self.client.socket.sendall(b"".join([request(*words) for write in writes for words in write]))
                for number, write in zip(numbers, writes, strict=True):
                    replies = [str(self.client.reply()) for _ in write]
                    self.refused = next((reply for reply in replies if reply.startswith(REFUSALS)), "")
                    self.acknowledged.append((time.monotonic(), number))
        except (OSError, ValueError):
            pass    # killed

    def promised(self, until: float) -> int:
        """The last write that was acknowledged up to a time."""
        return max([number for at, number in self.acknowledged if at <= until])


def play(folder: Path, number: int, loads_of: Callable[[Server, int], list[Load]], chance: float, saves: Sequence[str],
         **options: Any) -> tuple[list[Load], float]:
    """One round, on what the rounds before left: its clients, and when the server was killed. With a chance one of `saves` (the
    commands that fork a child) is under way then."""
    generator = random.Random(number)
    options |= {"auto_aof_rewrite_percentage": 50, "auto_aof_rewrite_min_size": 100_000,
                "aof_use_rdb_preamble": generator.choice(("yes", "no"))}
    with Server(folder, **options) as server:
        loads = loads_of(server, number)
        for load in loads:
            load.start()
        time.sleep(generator.uniform(0.02, 0.25))
        if generator.random() < chance:
            server(generator.choice(saves))
            time.sleep(generator.uniform(0, 0.15))
        server.kill()
        killed = time.monotonic()
    for load in loads:
        load.join(10)
        assert not load.is_alive() and not load.refused, load.refused
    return loads, killed
