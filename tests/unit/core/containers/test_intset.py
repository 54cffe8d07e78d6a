"""The intset against a set, and its bytes against Valkey's."""
import base64
import json
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from kv._core.testing.intset import Integers, intset_valid

RECORDED = json.loads((Path(__file__).parents[3] / "data" / "packs-valkey.json").read_text())
EDGES = [sign * (1 << bits) - step for bits in (0, 15, 31) for sign in (1, -1) for step in (0, 1)]
EDGES += [2**63 - 1, -2**63]
numbers = st.one_of(st.integers(-50, 50), st.sampled_from(EDGES), st.integers(-2**15, 2**15 - 1),
                    st.integers(-2**31, 2**31 - 1), st.integers(-2**63, 2**63 - 1))


def width_of(number):
    return next(width for width in (2, 4, 8) if -(1 << 8 * width - 1) <= number < 1 << 8 * width - 1)


class Machine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.set = Integers()
        self.model = set()
        self.width = 2

    @rule(number=numbers)
    def add(self, number):
        assert self.set.add(number) == (number not in self.model)
        self.model.add(number)
        self.width = max(self.width, width_of(number))

    @rule(number=numbers, there=st.booleans())
    def remove(self, number, there):
        if there and self.model:
            number = sorted(self.model)[number % len(self.model)]
        assert self.set.remove(number) == (number in self.model)
        self.model.discard(number)

    @rule(number=numbers)
    def has(self, number):
        assert (number in self.set) == (number in self.model)

    @precondition(lambda self: self.model)
    @rule()
    def draw(self):
        assert self.set.draw() in self.model
        assert self.set.ends() == (min(self.model), max(self.model))

    @invariant()
    def same(self):
        self.set.check()
        assert self.set.content() == sorted(self.model)
        assert all(number in self.set for number in self.model)
        assert len(bytes(self.set)) == 8 + self.width * len(self.model)


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)


@pytest.mark.parametrize("number", range(len(RECORDED["intsets"])))
def test_bytes_are_valkeys(number):
    case = RECORDED["intsets"][number]
    integers = Integers()
    for action, value in case["steps"]:
        getattr(integers, action)(value)
    assert bytes(integers) == base64.b64decode(case["bytes"])
    assert Integers(bytes(integers)).content() == integers.content()


@pytest.mark.parametrize("content", [
    b"", b"\2\0\0\0\0\0\0", b"\2\0\0\0\0\0\0\0", b"\3\0\0\0\1\0\0\0\1\0\0", b"\2\0\0\0\2\0\0\0\1\0",
    b"\2\0\0\0\1\0\0\0\1\0\0", b"\2\0\0\0\2\0\0\0\1\0\1\0", b"\2\0\0\0\2\0\0\0\2\0\1\0",
    b"\x08\0\0\0\xff\xff\xff\xff\1\0",
])
def test_damage_is_refused(content):
    assert not intset_valid(content)


def test_a_good_one_is_accepted():
    assert intset_valid(b"\2\0\0\0\2\0\0\0\xff\xff\1\0")
