"""What the AOF and replicas are told of streams makes the same streams: random commands on one engine, their effects on
another; and the dataset written as commands, on a third.

Not told, as in Valkey: consumers that were given nothing, and that history was read again. So consumers are compared by
what is pending to them, and deliveries only between the dataset and what is made of it."""
from __future__ import annotations

from typing import Any

import pytest

from kv._core.engine import inspect
from kv._core.engine.aofreplay import AofReplay
from kv._core.engine.engine import Engine
from tests.commands.embedded import Embedded, rewritten
from tests.commands.test_traces_streams import Trace

COMMANDS = 1500
UNTOLD = {b"seen-time", b"active-time", b"consumers", b"radix-tree-keys", b"radix-tree-nodes"}


def shown(client: Embedded, key: str, deliveries: bool) -> Any:
    """A stream as XINFO tells, without the times of consumers; pending entries without how often they were given."""
    info = client("XINFO", "STREAM", key, "FULL", "COUNT", 0)
    if not isinstance(info, list):
        return info
    pairs = dict(zip(info[::2], info[1::2], strict=True))
    groups = [dict(zip(group[::2], group[1::2], strict=True)) for group in pairs.pop(b"groups")]
    consumers = [[consumer[1] for consumer in group[b"consumers"]] for group in groups]
    there = {id for id, _ in pairs[b"entries"]}
    for group in groups:        # pending entries whose entry is deleted are dropped where the dataset is made anew
        group[b"pending"] = [(id, consumer, *[count] * deliveries) for id, consumer, _, count in group[b"pending"]
                             if not deliveries or id in there]
    figures = [[(name, value) for name, value in group.items() if name not in UNTOLD and name != b"pel-count"]
               for group in groups]
    return [(name, value) for name, value in pairs.items() if name not in UNTOLD], figures, consumers if deliveries else None


@pytest.mark.parametrize("kv", [2], indirect=True)
@pytest.mark.parametrize("seed", range(6))
def test_effects_repeat_what_was_done(kv: Embedded, seed: int) -> None:
    twin = Engine(None, seed=2)
    replay = AofReplay(twin)
    copy = Embedded(twin, 2)
    trace = Trace(seed, True)
    kv("SET", "text", "x")
    for number in range(COMMANDS):
        words = trace.command()
        if words[0] == "CONFIG":
            kv.engine.configure(stream_node_max_entries=words[3])
            continue
        kv(*words)
        assert kv.feed is not None
        replay.feed(bytearray(kv.feed.read()))
        assert replay.error is None, (number, words, replay.error)
        if number % 25 == 0:
            for engine in kv.engine, twin:
                inspect.check(engine)
            for key in "ab":
                assert shown(kv, key, False) == shown(copy, key, False), (number, words)
    copy.close()
    kv.engine.configure(stream_node_max_entries=100)


@pytest.mark.parametrize("kv", [2], indirect=True)
@pytest.mark.parametrize("seed", range(3))
def test_the_dataset_as_commands(kv: Embedded, seed: int) -> None:
    trace = Trace(seed, True)
    for _ in range(COMMANDS):
        words = trace.command()
        if words[0] != "CONFIG":
            kv(*words)
    made = Engine(None, seed=3)
    replay = AofReplay(made)
    replay.feed(rewritten(kv.engine))
    assert replay.error is None
    inspect.check(made)
    copy = Embedded(made, 2)
    for key in "ab":
        assert shown(kv, key, True) == shown(copy, key, True)
    copy.close()
