"""Units of effects: what belongs together is logged together, whoever takes the log in between."""
from __future__ import annotations

import random
import time
from typing import Any

import pytest

from kv._core.engine.feed import Feed, FeedLost
from tests.commands.embedded import Embedded
from tests.commands.embedded import embedded_engine as embedded_engine
from tests.commands.embedded import kv as kv

A, B = ["SET", "a", "1"], ["SET", "b", "2"]


def transaction(kv: Embedded, *commands: list[Any]) -> Any:
    kv("MULTI")
    for words in commands:
        kv(*words)
    return kv("EXEC")


def expire_in_secret(kv: Embedded, *keys: str) -> None:
    """Keys whose time has come and that nobody has found expired yet."""
    kv.engine.configure(active_expire=False)
    for key in keys:
        kv("SET", key, "v", "PX", 1)
    time.sleep(0.005)
    kv.effects()


@pytest.fixture
def no_sweep(kv: Embedded) -> Any:
    yield
    kv.engine.configure(active_expire=True)


# -- what is wrapped ------------------------------------------------------------------------------------------------

def test_a_transaction_is_one_unit(kv: Embedded) -> None:
    transaction(kv, A, B)
    assert kv.effects() == [["MULTI"], A, B, ["EXEC"]]
    transaction(kv, A)
    assert kv.effects() == [A]
    transaction(kv, ["GET", "a"])
    assert kv.effects() == []


@pytest.mark.parametrize("between", [["SCAN", "0"], ["RANDOMKEY"], ["DBSIZE"], ["KEYS", "*"]])
def test_what_touches_keys_at_random_does_not_tear_a_transaction(kv: Embedded, between: list[str]) -> None:
    transaction(kv, A, between, B)
    assert kv.effects() == [["MULTI"], A, B, ["EXEC"]]


@pytest.mark.parametrize("between", [["SCAN", "0"], ["RANDOMKEY"]])
def test_keys_found_expired_in_a_transaction_belong_to_it(kv: Embedded, no_sweep: None, between: list[str]) -> None:
    expire_in_secret(kv, "x", "y")
    transaction(kv, A, ["GET", "x"], ["DEL", "y"], between, B)
    effects = kv.effects()
    assert [effects[0], effects[-1]] == [["MULTI"], ["EXEC"]]
    assert sorted(effects[1:-1]) == sorted([A, ["DEL", "x"], ["DEL", "y"], B])


@pytest.mark.parametrize("command", [["SCAN", "0"], ["RANDOMKEY"]])
def test_expired_keys_that_a_lone_walk_finds_are_units_of_their_own(kv: Embedded, no_sweep: None, command: list[str]) -> None:
    expire_in_secret(kv, "x", "y", "z")
    kv(*command)
    assert sorted(kv.effects()) == [["DEL", "x"], ["DEL", "y"], ["DEL", "z"]]


def test_a_write_that_finds_its_key_expired_is_one_unit(kv: Embedded, no_sweep: None) -> None:
    expire_in_secret(kv, "x")
    kv("APPEND", "x", "v")
    assert kv.effects() == [["MULTI"], ["DEL", "x"], ["APPEND", "x", "v"], ["EXEC"]]


# -- taken in the middle ----------------------------------------------------------------------------------------------

class Taker:
    """The engine's owner, whose DEBUG takes the effects while a unit is open, as one does who turns the AOF off."""

    def __init__(self, feed: Feed) -> None:
        self.feed, self.log = feed, b""

    def take(self) -> None:
        self.log += self.feed.read()


def take_now(call: Any) -> str:
    call.engine.owner.take()
    return "taken"


@pytest.fixture(scope="module", autouse=True)
def taking_command() -> None:
    from kv._core.runtime.registry import command

    command("takenow", 1, "noscript", group="server", since="0.1.0", complexity="O(1)", summary="Takes the effects.")(take_now)


@pytest.fixture
def taker(kv: Embedded) -> Any:
    kv.engine.owner = Taker(kv.feed)
    yield kv.engine.owner
    kv.engine.owner = None


def parse(log: bytes) -> list[list[str]]:
    """The commands of a log, which must be whole."""
    found, lines = [], iter(log.split(b"\r\n"))
    for line in lines:
        if line:
            assert line[:1] == b"*", log
            words = []
            for _ in range(int(line[1:])):
                length = int(next(lines)[1:])
                words.append(next(lines).decode())
                assert len(words[-1]) == length, log
            found.append(words)
    return [words for words in found if words[0] != "SELECT"]


def test_a_unit_that_is_taken_in_the_middle_becomes_two(kv: Embedded, taker: Taker) -> None:
    kv("SET", "before", "0")
    transaction(kv, A, B, ["TAKENOW"], A, ["TAKENOW"], B, A)
    taker.take()
    assert parse(taker.log) == [["SET", "before", "0"], ["MULTI"], A, B, ["EXEC"], A, ["MULTI"], B, A, ["EXEC"]]
    assert len(taker.log) <= kv.engine.position


@pytest.mark.parametrize("seed", range(20))
def test_whoever_takes_and_turns_off_at_any_point_finds_whole_units(kv: Embedded, taker: Taker, seed: int) -> None:
    """Each write is logged once and in order; a transaction that nobody took from is wrapped as a whole."""
    draw = random.Random(seed)
    expected: list[list[str]] = []
    number = 0
    position = kv.engine.position
    for _ in range(200):
        kind = draw.random()
        if kind < 0.2:
            taker.take()
        elif kind < 0.5:
            number += 1
            kv("SET", "k", number)
            expected.append(["SET", "k", str(number)])
        else:
            commands, unit = [], []
            for _ in range(draw.randrange(6)):
                what = draw.choice(["SET", "SET", "SCAN", "RANDOMKEY", "GET", "TAKENOW", "INCRBYFLOAT"])
                if what == "SET":
                    number += 1
                    commands.append(["SET", "k", number])
                    unit.append(["SET", "k", str(number)])
                elif what == "TAKENOW":
                    commands.append([what])
                    expected += wrapped(unit)
                    unit = []
                elif what == "INCRBYFLOAT":
                    commands.append([what, "f", 1])
                    unit.append(["SET", "f"])
                else:
                    commands.append({"SCAN": ["SCAN", "0"], "RANDOMKEY": [what], "GET": [what, "k"]}[what])
            transaction(kv, *commands)
            expected += wrapped(unit)
        assert kv.engine.position >= position
        position = kv.engine.position
    taker.take()
    assert [words[:2] if words[1:2] == ["f"] else words for words in parse(taker.log)] == expected


def wrapped(unit: list[list[str]]) -> list[list[str]]:
    return [["MULTI"], *unit, ["EXEC"]] if len(unit) > 1 else unit


# -- readers ----------------------------------------------------------------------------------------------------------

class Readers:
    """The engine's owner, whose command reads the log, begins and ends readers of it: at any point, in the middle of a unit too."""

    def __init__(self, engine: Any, draw: random.Random) -> None:
        self.engine, self.draw = engine, draw
        self.reference, self.whole = engine.feed(limit=0), b""
        self.start = engine.position
        self.open: list[tuple[Feed, int, list[bytes]]] = []
        self.closed: list[tuple[int, bytes]] = []

    def take(self) -> None:
        what = self.draw.random()
        if what < 0.2:
            feed = self.engine.feed(limit=0)
            self.open.append((feed, feed.position, []))
        elif what < 0.3 and self.open:
            feed, begin, parts = self.open.pop(self.draw.randrange(len(self.open)))
            if self.draw.random() < 0.5:
                parts.append(feed.read())
            feed.close()
            self.closed.append((begin, b"".join(parts)))
        elif what < 0.5:
            self.whole += self.reference.read()
        elif self.open:
            feed, _, parts = self.draw.choice(self.open)
            parts.append(feed.read())
            assert feed.pending == 0

    def check(self) -> None:
        """Every reader found the same bytes from where it began, and never half a unit."""
        self.whole += self.reference.read()
        for feed, begin, parts in self.open:
            parts.append(feed.read())
            assert feed.position == self.start + len(self.whole)
            self.closed.append((begin, b"".join(parts)))
            feed.close()
        for begin, data in self.closed:
            assert self.whole[begin - self.start:begin - self.start + len(data)] == data
            depth = 0
            for words in parse(data):
                depth += {"MULTI": 1, "EXEC": -1}.get(words[0], 0)
                assert 0 <= depth <= 1
            assert depth == 0
        self.reference.close()


@pytest.mark.parametrize("seed", range(20))
def test_readers_that_come_and_go_at_any_point_find_the_same(kv: Embedded, no_sweep: None, seed: int) -> None:
    draw = random.Random(seed)
    readers = kv.engine.owner = Readers(kv.engine, draw)
    written = []
    for number in range(300):
        kind = draw.random()
        if kind < 0.3:
            readers.take()
        elif kind < 0.5:
            kv("SET", "k", number)
            written.append(str(number))
        elif kind < 0.6:
            expire_in_secret(kv, "x", "y")
            kv(*draw.choice([["SCAN", "0"], ["APPEND", "x", "v"], ["GET", "y"], ["RANDOMKEY"]]))
        else:
            commands: list[list[Any]] = []
            for _ in range(draw.randrange(8)):
                if draw.random() < 0.4:
                    commands.append(["TAKENOW"])
                else:
                    commands.append(["SET", "k", f"{number}.{len(commands)}"])
                    written.append(f"{number}.{len(commands) - 1}")
            transaction(kv, *commands)
    readers.check()
    kv.engine.owner = None
    assert [words[2] for words in parse(readers.whole) if words[:2] == ["SET", "k"]] == written


def test_a_reader_that_falls_behind_is_lost_and_the_log_does_not_wait(kv: Embedded) -> None:
    feed = kv.engine.feed(limit=1000)
    kv("SET", "k", "x" * 500)
    assert [words[0] for words in feed.commands()][-1] == b"SET"
    for _ in range(10):
        kv("SET", "k", "x" * 500)
    kv.effects()
    with pytest.raises(FeedLost):
        feed.read()
    used = kv.used_memory()
    for _ in range(100):
        kv("SET", "k", "x" * 50_000)
        kv.effects()
    assert kv.used_memory() - used < 200_000
    feed.close()
    assert feed.read() == b""
