"""The walk over all databases, also while they change."""
from __future__ import annotations

import random

import pytest

from kv._core.engine.engine import Engine
from kv._core.testing.persist import Walker
from tests.commands.embedded import run


def keys_of(walker: Walker, least: int = 10) -> list[tuple[int, bytes]]:
    found = []
    while (batch := walker.next(least)) is not None:
        found += [(batch[0], key) for key in batch[1]]
    return found


def test_nothing_to_walk_over() -> None:
    walker = Walker(Engine(None))
    assert walker.next(1) is None and walker.next(1) is None and walker.entries == 0


@pytest.mark.parametrize("least", [1, 7, 64, 100_000])
def test_every_entry_once_by_database(least: int) -> None:
    engine = Engine(None)
    numbers = [0, 3, 15]
    for number in numbers:
        run(engine, ["SELECT", number], *[["SET", f"{number}:{n}", n] for n in range(500 + number)])
    walker, sizes, found = Walker(engine), [], []
    while (batch := walker.next(least)) is not None:
        sizes.append(len(batch[1]))
        found += [(batch[0], key) for key in batch[1]]
    assert sorted(found) == sorted((number, b"%d:%d" % (number, n)) for number in numbers for n in range(500 + number))
    assert [number for number, _ in found] == sorted(number for number, _ in found)
    assert walker.entries == len(found)
    assert sum(size < least for size in sizes) <= len(numbers)      # only where a database ends
    assert max(sizes) < least + 40                                  # whole buckets, no more of them than needed


@pytest.mark.parametrize("seed", range(5))
def test_what_is_there_all_the_time_comes_up(seed: int) -> None:
    """Keys are added, deleted and flushed between batches, so that tables grow, shrink and are in the middle of either."""
    draw = random.Random(seed)
    engine = Engine(None, seed=seed)
    stay = {b"stay:%d" % n for n in range(1000)}
    run(engine, *[["SET", key, 1] for key in stay], *[["SET", f"go:{n}", 1] for n in range(draw.choice([0, 5000]))],
        ["SELECT", 1], ["SET", "other", 1])
    walker, found, made = Walker(engine), [], 0
    while (batch := walker.next(draw.choice([1, 20, 100]))) is not None:
        found += [key for key in batch[1] if batch[0] == 0]
        made += draw.choice([0, 50, 400])
        run(engine, *[["SET", f"new:{n}", 1] for n in range(max(0, made - 400), made)],
            *[["DEL", f"{draw.choice(['go', 'new'])}:{draw.randrange(5000)}"] for _ in range(draw.choice([0, 300]))])
    assert stay <= set(found)


def test_a_database_flushed_meanwhile() -> None:
    engine = Engine(None)
    run(engine, *[["SET", n, n] for n in range(1000)], ["SELECT", 2], ["SET", "left", 1])
    walker = Walker(engine)
    assert walker.next(10) is not None
    run(engine, ["FLUSHDB"])
    assert keys_of(walker) == [(2, b"left")]
