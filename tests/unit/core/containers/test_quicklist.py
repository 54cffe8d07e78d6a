"""The quicklist against a list: every fill and compress depth, large elements, cursors that delete."""
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from kv._core.testing.listpack import Pack
from kv._core.testing.quicklist import Chain, set_far, set_packed_threshold

texts = st.one_of(st.integers(0, 999).map(lambda number: b"element:%d" % number), st.binary(max_size=6),
                  st.integers(-2**63, 2**63 - 1).map(lambda number: b"%d" % number),
                  st.sampled_from([b"x" * 60, b"x" * 1000, b"x" * 4096, b"x" * 4097, b"y" * 9000]))
places = st.integers(0, 2**16)
FAR = 64


class Machine(RuleBasedStateMachine):
    @initialize(fill=st.sampled_from([-5, -2, -1, 0, 1, 2, 3, 10, 128]), compress=st.integers(0, 3),
                far=st.sampled_from([0, 1, 6, FAR]))
    def start(self, fill, compress, far):
        set_far(far)
        self.list = Chain(fill, compress)
        self.model = []

    def teardown(self):
        set_far(FAR)

    def place(self, number):
        return number % len(self.model)

    @rule(value=texts, first=st.booleans())
    def push(self, value, first):
        if first:
            self.list.push_first(value)
            self.model.insert(0, value)
        else:
            self.list.push_last(value)
            self.model.append(value)

    @rule(count=st.integers(1, 300), start=st.integers(0, 1000), first=st.booleans())
    def push_many(self, count, start, first):
        for number in range(start, start + count):
            self.push(b"element number %d, repeated: %d" % (number, number), first)

    @rule(count=st.integers(1, 250), first=st.booleans())
    def pop_many(self, count, first):
        for _ in range(min(count, len(self.model))):
            if first:
                assert self.list.pop_first() == self.model.pop(0)
            else:
                assert self.list.pop_last() == self.model.pop()

    @precondition(lambda self: self.model)
    @rule(place=places, value=texts, after=st.booleans())
    def insert(self, place, value, after):
        index = self.place(place)
        if after:
            self.list.insert_after(index, value)
        else:
            self.list.insert_before(index - len(self.model), value)
        self.model.insert(index + after, value)

    @precondition(lambda self: self.model)
    @rule(place=places, value=texts)
    def replace(self, place, value):
        index = self.place(place)
        self.list.replace(index, value)
        self.model[index] = value

    @rule(start=st.integers(-400, 400), count=st.integers(0, 300))
    def delete_range(self, start, count):
        expected = 0
        if -len(self.model) <= start < len(self.model):
            index = start % len(self.model)
            expected = len(self.model[index:index + count])
            del self.model[index:index + count]
        assert self.list.delete_range(start, count) == expected

    @precondition(lambda self: self.model)
    @rule(place=places, backward=st.booleans(), choice=st.randoms(use_true_random=False),
          share=st.sampled_from([0, 0.2, 1]))
    def walk(self, place, backward, choice, share):
        index = self.place(place)
        victims = {value for value in self.model if choice.random() < share}
        part = self.model[index::-1] if backward else self.model[index:]
        assert self.list.walk(index, victims, backward) == part
        kept = [value for value in part if value not in victims]
        self.model = kept[::-1] + self.model[index + 1:] if backward else self.model[:index] + kept

    @rule(compress=st.integers(0, 3), fill=st.sampled_from([-2, -1, 2, 50]))
    def limit(self, compress, fill):
        self.list.limit(fill, compress)

    @precondition(lambda self: self.model)
    @rule(place=places)
    def get(self, place):
        index = self.place(place)
        for where in (index, index - len(self.model)):
            found = self.list.get(where)
            assert (b"%d" % found if isinstance(found, int) else found) == self.model[index]
        assert self.list.equals(index, self.model[index]) and not self.list.equals(index, self.model[index] + b"!")

    @precondition(lambda self: self.model)
    @rule(numbers=st.lists(places, min_size=4, max_size=12))
    def get_many(self, numbers):
        for number in numbers:
            self.get(number)

    @rule()
    def save_and_load(self):
        other = Chain(-2, 1)
        for kind, content, _ in self.list.nodes():
            other.append_node(kind, content)
        other.check()
        assert other.walk(0, ()) == self.model

    @invariant()
    def same(self):
        if hasattr(self, "model"):
            self.list.check()
            assert len(self.list) == len(self.model)
            assert self.list.walk(0, ()) == self.model
            assert self.list.walk(-1, (), True) == self.model[::-1]
            self.list.check()
            assert self.list.stats()[3] == sum(len(content) for _, content, _ in self.list.nodes())


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=150, stateful_step_count=25, deadline=None)


def filled(count, fill=-2, compress=0):
    chain = Chain(fill, compress)
    for number in range(count):
        chain.push_last(b"element:%d" % number)
    return chain


@pytest.mark.parametrize(("fill", "most"), [(-1, 4096), (-2, 8192), (-3, 16384), (-4, 32768), (-5, 65536), (-9, 65536)])
def test_nodes_are_as_large_as_the_fill_says(fill, most):
    sizes = [len(content) for _, content, _ in filled(20000, fill).nodes()]
    assert all(most - 40 < size <= most for size in sizes[:-1])


def test_nodes_hold_as_many_elements_as_the_fill_says():
    assert [len(Pack(content)) for _, content, _ in filled(25, 10).nodes()] == [10, 10, 5]
    assert len(filled(3, 0).nodes()) == 3


def test_inner_nodes_are_compressed():
    chain = filled(5000, -1, 2)
    flags = [compressed for _, _, compressed in chain.nodes()]
    assert flags == [False] * 2 + [True] * (len(flags) - 4) + [False] * 2
    assert chain.stats()[4] < chain.stats()[3] * 0.6
    chain.limit(-1, 0)
    assert not any(compressed for _, _, compressed in chain.nodes())


def test_large_elements_get_nodes_of_their_own():
    chain = Chain(-2)
    chain.push_last(b"small")
    chain.push_last(b"x" * 8193)
    chain.push_first(b"y" * 8192)
    assert [kind for kind, _, _ in chain.nodes()] == [2, 2, 1]
    set_packed_threshold(5)
    try:
        chain.push_first(b"small")
    finally:
        set_packed_threshold(0)
    assert [kind for kind, _, _ in chain.nodes()] == [1, 2, 2, 1]
    assert chain.take_pack() is None
    chain.check()


def test_one_pack_can_be_taken():
    chain = filled(10)
    chain.pop_first()
    content = chain.take_pack()
    assert content is not None and Pack(content).forward() == [b"element:%d" % number for number in range(1, 10)]
    assert len(chain) == 0


def test_an_element_takes_little():
    """Its bytes, two for length before and behind, and no room that is not used but at the ends."""
    chain = filled(50000)
    assert chain.memory < 50000 * 2 + sum(len(b"element:%d" % number) for number in range(50000)) + 8 * 1024


@pytest.mark.parametrize("first", [True, False])
def test_a_queue_gives_its_room_back(first):
    chain = filled(400)
    push, pop = (chain.push_first, chain.pop_last) if first else (chain.push_last, chain.pop_first)
    for number in range(20000):
        push(b"element:%d" % number)
        pop()
    chain.check()
    assert chain.memory < 2 * 8192 * 9 // 8 + 512
    for _ in range(390):
        pop()
    assert chain.memory < 1024


def test_the_last_node_is_inner_once_it_is_cut():
    """Cutting an element out must not work on what has been compressed meanwhile."""
    for index in range(0, 60, 7):
        chain = filled(64, 32, 1)
        chain.replace(32 + index % 32, b"z" * 8100)
        chain.check()
        assert chain.get(32 + index % 32) == b"z" * 8100 and len(chain) == 64


def test_landmarks_come_once_walks_are_far_and_stay_while_the_ends_change():
    chain = filled(20000, 10)
    for _ in range(3):
        chain.get(9000)
    assert chain.landmarks == 0
    chain.get(9000)
    assert chain.landmarks == (2000 - 1) // (FAR // 2)
    for number in range(20000, 25000):
        chain.push_last(b"element:%d" % number)
        chain.pop_first()
        chain.check()
        assert chain.equals(10000, b"element:%d" % (number - 9999))
    assert chain.landmarks > 0
    chain.insert_before(10000, b"between")
    assert chain.landmarks == 0
    assert chain.equals(10000, b"between")


def test_landmarks_follow_a_list_that_grows_at_its_head():
    chain = Chain(10)
    for number in range(20000):
        chain.push_first(b"element:%d" % number)
        if number % 100 == 99:
            for _ in range(5):
                assert chain.equals(number // 2, b"element:%d" % (number - number // 2))
            chain.check()
    assert chain.landmarks > 20


def test_landmarks_survive_the_trimming_of_both_ends():
    chain = filled(20000, 10)
    for _ in range(4):
        chain.get(9000)
    marks = chain.landmarks
    chain.delete_range(0, 1005)
    chain.delete_range(-5, 5)
    chain.check()
    assert 0 < chain.landmarks < marks
    assert chain.equals(9000, b"element:%d" % 10005)
