"""Killed at random moments while every type is written, in transactions too, and a rewrite or a snapshot may be under way.

Each writer numbers its writes. After a kill the server starts on what is there, and the values of each writer are compared with
those of a model after so many of its writes: with appendfsync always at least all that were acknowledged, with everysec those that
were older than two seconds. A transaction that had taken effect in part would be no number of writes at all. What a snapshot holds
is compared in the same way. KV_CRASH_ROUNDS says how many rounds; the seed of each is its number.
"""
from __future__ import annotations

import os
import random
import shutil
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.commands.client import Client, request
from tests.integration.program import Server

ROUNDS = int(os.environ.get("KV_CRASH_ROUNDS", "3"))
WRITERS = 3
KEPT = 100              # elements of a list, and entries of a stream
LOSS_SECONDS = 2.0      # what everysec may lose
State = dict[str, Any]


def words_of(name: str, number: int) -> list[tuple]:
    """The commands of a write: one, or a transaction."""
    text = f"{name}:string", number
    listed = [("RPUSH", f"{name}:list", number), ("LTRIM", f"{name}:list", -KEPT, -1)]
    counted = "INCR", f"{name}:counter"
    return [[("SET", *text)],
            [("HSET", f"{name}:hash", f"field {number % 50}", number)],
            [("ZADD", f"{name}:zset", number, f"member {number % 50}")],
            [("XADD", f"{name}:stream", "MAXLEN", KEPT, f"{number}-1", "number", number)],
            [counted],
            [("RPUSH", f"{name}:list", number)],
            [("MULTI",), ("SET", *text), *listed, ("HSET", f"{name}:hash", "last", number), counted,
             ("ZADD", f"{name}:zset", number, "last"), ("EXEC",)]][number % 7]


class Model:
    """What the values of a writer are after some of its writes."""

    def __init__(self) -> None:
        self.number = 0
        self.state: State = {"string": None, "list": [], "hash": {}, "zset": {}, "stream": [], "counter": 0}

    def apply(self, number: int) -> None:
        """One more write."""
        self.number = number
        state, kind = self.state, number % 7
        if kind == 1:
            state["hash"][f"field {number % 50}"] = number
        elif kind == 2:
            state["zset"][f"member {number % 50}"] = number
        elif kind == 3:
            state["stream"] = [*state["stream"], number][-KEPT:]
        if kind in (0, 6):
            state["string"] = number
        if kind in (4, 6):
            state["counter"] += 1
        if kind in (5, 6):
            state["list"].append(number)
        if kind == 6:
            state["list"] = state["list"][-KEPT:]
            state["hash"]["last"] = state["zset"]["last"] = number

    def copy(self) -> Model:
        other = Model()
        other.number = self.number
        other.state = {name: value.copy() if isinstance(value, list | dict) else value for name, value in self.state.items()}
        return other


def state_of(client: Client, name: str) -> State:
    """What a server holds of a writer."""
    fields, scores = client("HGETALL", f"{name}:hash"), client("ZRANGE", f"{name}:zset", 0, -1, "WITHSCORES")
    text = client("GET", f"{name}:string")
    return {"string": None if text is None else int(text), "list": [int(one) for one in client("LRANGE", f"{name}:list", 0, -1)],
            "hash": {field.decode(): int(value) for field, value in zip(fields[::2], fields[1::2], strict=True)},
            "zset": {member.decode(): int(score) for member, score in zip(scores[::2], scores[1::2], strict=True)},
            "stream": [int(entry[1][1]) for entry in client("XRANGE", f"{name}:stream", "-", "+")],
            "counter": int(client("GET", f"{name}:counter") or 0)}


class Load(threading.Thread):
    """One writer: pipelines of random length, and when each write was acknowledged."""

    def __init__(self, port: int, name: str, before: Model, seed: str) -> None:
        super().__init__(daemon=True)
        self.client = Client(port)
        self.writer = name
        self.before = before
        self.sent = before.number
        self.acknowledged = [(0.0, before.number)]
        self.refused = ""
        self.random = random.Random(seed)

    def run(self) -> None:
        try:
            while not self.refused:
                numbers = range(self.sent + 1, self.sent + 1 + self.random.choice((1, 1, 4, 64)))
                self.sent = numbers[-1]
                writes = [words_of(self.writer, number) for number in numbers]
                self.client.socket.sendall(b"".join([request(*words) for write in writes for words in write]))
                for number, write in zip(numbers, writes, strict=True):
                    replies = [self.client.reply() for _ in write]
                    self.refused = next((str(reply) for reply in replies if str(reply).startswith(("ERR", "MISCONF", "EXEC"))), "")
                    self.acknowledged.append((time.monotonic(), number))
        except (OSError, ValueError):
            pass    # killed

    def matching(self, found: State) -> Model | None:
        """The model after so many writes as make what was found, None where no number does."""
        model = self.before.copy()
        while model.state != found and model.number < self.sent:
            model.apply(model.number + 1)
        # what INCR alone changed is told by the counter, so the number is the only one
        return model if model.state == found else None


def play(folder: Path, number: int, models: dict[str, Model], **options: Any) -> tuple[list[Load], float]:
    """One round, on what the rounds before left: its writers, and when it was killed."""
    generator = random.Random(number)
    options |= {"auto_aof_rewrite_percentage": 50, "auto_aof_rewrite_min_size": 100_000,
                "aof_use_rdb_preamble": generator.choice(("yes", "no"))}
    with Server(folder, **options) as server:
        loads = [Load(server.port, name, model, f"{number} {name}") for name, model in models.items()]
        for load in loads:
            load.start()
        time.sleep(generator.uniform(0.02, 0.25))
        if generator.random() < 0.7:
            server(generator.choice(("BGREWRITEAOF", "BGSAVE")))
            time.sleep(generator.uniform(0, 0.15))
        server.kill()
        killed = time.monotonic()
    for load in loads:
        load.join(10)
        assert not load.is_alive() and not load.refused
    return loads, killed


def check_snapshot(folder: Path, loads: list[Load]) -> None:
    """A snapshot that is there loads, and is what some number of writes makes, no more than were sent."""
    if not (folder / "dump.rdb").exists():
        return
    other = folder / "snapshot"
    other.mkdir()
    shutil.move(folder / "dump.rdb", other / "dump.rdb")
    with Server(other, appendonly="no") as server:
        client = server.connect()
        for load in loads:
            assert load.matching(state_of(client, load.writer)) is not None
    shutil.rmtree(other)


@pytest.mark.parametrize("policy, loss_seconds", [("always", 0.0), ("everysec", LOSS_SECONDS)])
def test_every_type_is_whole_after_a_kill(tmp_path: Path, policy: str, loss_seconds: float) -> None:
    models = {f"writer:{index}": Model() for index in range(WRITERS)}
    for number in range(ROUNDS):
        loads, killed = play(tmp_path, number, models, appendfsync=policy)
        check_snapshot(tmp_path, loads)
        with Server(tmp_path, appendfsync=policy) as server:
            client = server.connect()
            assert "Bad file format" not in server.text()
            for load in loads:
                found = state_of(client, load.writer)
                model = load.matching(found)
                assert model is not None, f"round {number}: no number of writes makes {found}"
                promised = max([value for at, value in load.acknowledged if at <= killed - loss_seconds])
                assert promised <= model.number <= load.sent, f"round {number}"
                models[load.writer] = model
