"""The id tree against a sorted list, its invariants checked after each step."""
import random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from kv._core.testing.streams import Ids

LEAF, BRANCH = 64, 32
MOST = 2**64 - 1
ids = st.one_of(st.tuples(st.integers(0, 60), st.integers(0, 60)),
                st.sampled_from([(0, 0), (0, MOST), (MOST, 0), (MOST, MOST)]))


class Machine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.ids = Ids()
        self.model = set()

    def add(self, id):
        if id not in self.model:
            self.ids.add(id)
            self.model.add(id)

    @rule(id=ids)
    def add_one(self, id):
        self.add(id)

    @rule(start=ids, count=st.integers(1, 700))
    def add_rising(self, start, count):
        for step in range(count):
            self.add((min(start[0] + step // 10, MOST), min(start[1] + step, MOST)))

    @rule(seed=st.integers(0, 99), count=st.integers(1, 400))
    def add_scattered(self, seed, count):
        draw = random.Random(seed)
        for _ in range(count):
            self.add((draw.randint(0, 60), draw.randint(0, 1000)))

    @rule(id=ids)
    def remove_one(self, id):
        assert self.ids.remove(id) == (id in self.model)
        self.model.discard(id)

    @rule(part=st.floats(0, 1), place=st.sampled_from(["front", "back", "anywhere"]))
    def remove_part(self, part, place):
        order = sorted(self.model)
        if place == "anywhere":
            random.Random(len(order)).shuffle(order)
        elif place == "back":
            order.reverse()
        for id in order[:int(len(order) * part)]:
            assert self.ids.remove(id)
            self.model.discard(id)

    @rule(id=ids)
    def seek(self, id):
        assert self.ids.first_from(id) == min((have for have in self.model if have >= id), default=None)
        assert self.ids.last_upto(id) == max((have for have in self.model if have <= id), default=None)
        assert (id in self.ids) == (id in self.model)

    @rule()
    def clear(self):
        self.ids.clear()
        self.model.clear()

    @invariant()
    def holds(self):
        self.ids.check()
        assert len(self.ids) == len(self.model)
        assert self.ids.content() == sorted(self.model)
        assert self.ids.content(backward=True) == sorted(self.model, reverse=True)


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)


def test_three_levels_scattered_and_emptied_anywhere():
    draw = random.Random(5)
    order = [(draw.randint(0, 1 << 40), n) for n in range(200_000)]
    tree = Ids()
    for id in order:
        tree.add(id)
    tree.check()
    assert tree.shape()[0] >= 2 and tree.content() == sorted(order)
    draw.shuffle(order)
    for count, id in enumerate(order):
        assert tree.remove(id)
        if count % 20_000 == 0:
            tree.check()
    assert tree.shape() == (0, 0, 0, 0)


def test_rising_ids_fill_their_leaves():
    tree = Ids()
    for n in range(100 * LEAF):
        tree.add((n, 0))
    assert tree.shape()[1] == 100
    for n in range(50 * LEAF):      # and a queue gives them back from the front
        tree.remove((n, 0))
    assert tree.shape()[1] == 50
    tree.check()


def test_few_ids_take_little():
    tree = Ids()
    tree.add((1, 1))
    assert tree.shape() == (0, 1, 0, tree.shape()[3]) and tree.shape()[3] <= 64


def test_leaves_that_run_low_join():
    tree = Ids()
    for n in range(40 * LEAF):
        tree.add((n, 0))
    for n in range(40 * LEAF):
        if n % 16:
            tree.remove((n, 0))
    tree.check()
    assert tree.shape()[1] <= 12
