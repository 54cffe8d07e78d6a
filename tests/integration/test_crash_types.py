"""Killed at random moments while every type is written, in transactions too, and a rewrite or a snapshot may be under way.

Each writer numbers its writes. After a kill the server starts on what is there, and the values of each writer are compared with
those of a model after so many of its writes: with appendfsync always at least all that were acknowledged, with everysec those that
were older than two seconds. A transaction that had taken effect in part would be no number of writes at all. What a snapshot holds
is compared in the same way.
"""
from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.commands.client import Client
from tests.integration.killed import POLICIES, ROUNDS, Load, play
from tests.integration.program import Server

WRITERS = 3
KEPT = 100              # elements of a list, and entries of a stream
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


def matching(load: Load, before: Model, found: State) -> Model | None:
    """The model after so many writes of a client as make what was found, None where no number does."""
    model = before.copy()
    while model.state != found and model.number < load.sent:
        model.apply(model.number + 1)
    # what INCR alone changed is told by the counter, so the number is the only one
    return model if model.state == found else None


def check_snapshot(folder: Path, loads: list[Load], models: dict[str, Model]) -> None:
    """A snapshot that is there loads, and is what some number of writes makes, no more than were sent."""
    if not (folder / "dump.rdb").exists():
        return
    other = folder / "snapshot"
    other.mkdir()
    shutil.move(folder / "dump.rdb", other / "dump.rdb")
    with Server(other, appendonly="no") as server:
        client = server.connect()
        for load in loads:
            assert matching(load, models[load.writer], state_of(client, load.writer)) is not None
    shutil.rmtree(other)


@pytest.mark.parametrize("policy, loss_seconds", POLICIES)
def test_every_type_is_whole_after_a_kill(tmp_path: Path, policy: str, loss_seconds: float) -> None:
    models = {f"writer:{index}": Model() for index in range(WRITERS)}

    def loads_of(server: Server, number: int) -> list[Load]:
        return [Load(server.port, name, model.number, f"{number} {name}", words_of) for name, model in models.items()]

    for number in range(ROUNDS):
        loads, killed = play(tmp_path, number, loads_of, 0.7, ["BGREWRITEAOF", "BGSAVE"], appendfsync=policy)
        check_snapshot(tmp_path, loads, models)
        with Server(tmp_path, appendfsync=policy) as server:
            client = server.connect()
            assert "Bad file format" not in server.text()
            for load in loads:
                found = state_of(client, load.writer)
                model = matching(load, models[load.writer], found)
                assert model is not None, f"round {number}: no number of writes makes {found}"
                assert load.promised(killed - loss_seconds) <= model.number <= load.sent, f"round {number}"
                models[load.writer] = model
