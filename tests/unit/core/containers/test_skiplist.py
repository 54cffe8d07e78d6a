"""The skiplist against a sorted list, its invariants checked after each step."""
import math

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from kv._core.base.hashing import hash_seed

from kv._core.testing.skiplist import Ranking

hash_seed(b"hashtable, tests")      # as test_hashtable: modules are imported before any test runs

members = st.one_of(st.sampled_from([b"", b"a", b"aa", b"b", b"a\0", b"\xff", b"m" * 2046, b"m" * 2047, b"m" * 5000]),
                    st.integers(0, 300).map(lambda number: b"member:%d" % number))
scores = st.one_of(st.integers(-5, 5).map(float), st.floats(allow_nan=False))
ends = st.one_of(st.none(), members)
score_limits = st.tuples(scores, st.booleans(), scores, st.booleans())
lex_limits = st.tuples(ends, st.booleans(), ends, st.booleans())


def inside(score, limits):
    low, low_open, high, high_open = limits
    return (score > low if low_open else score >= low) and (score < high if high_open else score <= high)


def inside_lex(member, limits):
    low, low_open, high, high_open = limits
    return ((low is None or (member > low if low_open else member >= low))
            and (high is None or (member < high if high_open else member <= high)))


class Machine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.list = Ranking()
        self.model = {}

    def entries(self):
        return sorted((score, member) for member, score in self.model.items())

    def forget(self, gone):
        for _, member in gone:
            del self.model[member]

    @rule(member=members, score=scores)
    def put(self, member, score):
        if member in self.model:
            assert self.list.update(member, score)
        else:
            self.list.insert(member, score)
        self.model[member] = score

    @rule(start=st.integers(0, 200), count=st.integers(1, 60), score=st.integers(0, 3))
    def put_many(self, start, count, score):
        for number in range(start, start + count):
            self.put(b"member:%d" % number, float(number % 7 * score))

    @precondition(lambda self: self.model)
    @rule(place=st.integers(0, 10000), nudge=st.sampled_from([0.0, 0.5, -0.5, math.inf]))
    def nudge(self, place, nudge):
        score, member = self.entries()[place % len(self.model)]
        if not math.isnan(score + nudge):
            assert self.list.update(member, score + nudge)
            self.model[member] = score + nudge

    @rule(member=members)
    def delete(self, member):
        assert (self.list.find(member) is not None) == (member in self.model)
        if member in self.model:
            assert self.list.find(member) == (self.model.pop(member), member)
            self.list.delete(member)

    @rule(limits=score_limits, clear=st.booleans())
    def in_scores(self, limits, clear):
        found = [entry for entry in self.entries() if inside(entry[0], limits)]
        self.holds(self.list.in_scores(limits), found, clear)

    def holds(self, place, found, clear):
        """Whether a range's rank and count are those of the entries found, which are then perhaps deleted."""
        rank, count = place
        assert count == len(found)
        assert not found or self.entries()[rank:rank + count] == found
        if clear:
            assert self.list.delete_ranks(rank, count) == found
            self.forget(found)

    @rule(start=st.integers(0, 100), count=st.integers(0, 50))
    def delete_ranks(self, start, count):
        gone = self.list.delete_ranks(start, count)
        assert gone == self.entries()[start:start + count]
        self.forget(gone)

    @rule(limits=lex_limits, clear=st.booleans())
    def lex_of_one_score(self, limits, clear):
        for member in self.model:
            self.list.update(member, 1.0)
            self.model[member] = 1.0
        found = [entry for entry in self.entries() if inside_lex(entry[1], limits)]
        self.holds(self.list.in_lex(limits), found, clear)

    @invariant()
    def same(self):
        self.list.check()
        entries = self.entries()
        assert self.list.forward() == entries
        assert self.list.backward() == entries[::-1]
        assert len(self.list) == len(entries)
        for rank in {0, 1, len(entries) // 2, len(entries) - 1} & set(range(len(entries))):
            assert self.list.at(rank) == entries[rank]
            assert self.list.rank(entries[rank][1]) == rank
        assert self.list.at(len(entries)) is None


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


@pytest.mark.parametrize("order", [1, -1])
def test_many_members_keep_their_ranks(order):
    ranking = Ranking()
    for number in range(5000)[::order]:
        ranking.insert(b"%d" % number, float(number))
    ranking.check()
    assert all(ranking.rank(b"%d" % number) == number for number in range(5000))
    assert ranking.in_scores((100.0, True, 200.0, False)) == (101, 100)
    for number in range(0, 5000, 3):
        ranking.delete(b"%d" % number)
    ranking.check()
    assert len(ranking) == 3333
    assert len(ranking.delete_ranks(0, 2**63)) == 3333
    ranking.check()
    assert ranking.forward() == [] and ranking.at(0) is None


def test_empty_ranges_have_nothing():
    ranking = Ranking()
    for limits in ((1.0, False, 1.0, True), (1.0, False, 1.0, False), (2.0, False, 1.0, False)):
        assert ranking.in_scores(limits) == (0, 0)
    ranking.insert(b"a", 1.0)
    ranking.insert(b"b", 1.0)
    for limits in ((1.0, False, 1.0, True), (2.0, False, 1.0, False), (2.0, False, 3.0, False)):
        assert ranking.in_scores(limits)[1] == 0
    for limits in ((b"b", False, b"a", False), (b"a", True, b"a", False), (b"c", False, b"d", False)):
        assert ranking.in_lex(limits)[1] == 0
    assert ranking.in_lex((b"a", False, b"a", False)) == (0, 1)


def test_a_member_takes_little():
    """40 bytes the node, a third of 16 for the levels, and its share of a bucket."""
    ranking = Ranking()
    for number in range(20000):
        ranking.insert(b"member:%06d" % number, float(number))
    assert ranking.memory / 20000 < 62
