"""The hash table against a dict, its invariants checked after each step."""
from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from kv._core.base.hashing import hash_seed

from kv._core.testing.containers import Table

hash_seed(b"hashtable, tests")      # modules are imported before any test runs: no table has hashed yet

VISITS = 10                         # buckets one change may visit while rehashing, one of them with elements


def key_of(number):
    return b"key:%d" % number


def filled(count, *, marked=lambda number: False, seed=1):
    table = Table(seed)
    for number in range(count):
        table.insert(key_of(number), number, marked(number))
    return table


def whole_scan(table, cursor=0):
    """Everything that one uninterrupted scan visits."""
    found = []
    while True:
        cursor, part = table.scan(cursor)
        found += part
        if cursor == 0:
            return found


class Machine(RuleBasedStateMachine):
    """Random changes, alone and by the hundred, in either direction, with scans and pauses across them."""

    @initialize(seed=st.integers(0, 2**32), avoid=st.booleans())
    def start(self, seed, avoid):
        self.table = Table(seed)
        self.table.avoid_resize = avoid
        self.model = {}
        self.paused = 0
        self.cursor = None

    def put(self, number, value, marked):
        key = key_of(number)
        if key in self.model:
            self.table.replace(key, value, marked)
        else:
            self.table.insert(key, value, marked)
        self.model[key] = (value, marked)

    def take(self, number):
        key = key_of(number)
        assert self.table.remove(key) == (key in self.model)
        self.model.pop(key, None)
        if self.cursor is not None:
            self.due.discard(key)

    @rule(number=st.integers(0, 600), value=st.integers(0, 2**32 - 1), marked=st.booleans())
    def put_one(self, number, value, marked):
        self.put(number, value, marked)

    @rule(start=st.integers(0, 600), count=st.integers(1, 300))
    def put_many(self, start, count):
        for number in range(start, start + count):
            self.put(number, number, number % 3 == 0)

    @rule(number=st.integers(0, 600))
    def take_one(self, number):
        self.take(number)

    @rule(start=st.integers(0, 600), count=st.integers(1, 300))
    def take_many(self, start, count):
        for number in range(start, start + count):
            self.take(number)

    @rule()
    def take_all(self):
        for number in range(900):
            self.take(number)

    @rule(count=st.integers(0, 2000))
    def reserve(self, count):
        self.table.reserve(count)

    @rule()
    def fit(self):
        self.table.fit()

    @rule(buckets=st.integers(1, 50))
    def rehash(self, buckets):
        self.table.rehash(buckets)

    @rule(avoid=st.booleans())
    def set_avoid_resize(self, avoid):
        self.table.avoid_resize = avoid

    @rule()
    def pause(self):
        self.table.pause()
        self.paused += 1

    @precondition(lambda self: self.paused)
    @rule()
    def resume(self):
        self.table.resume()
        self.paused -= 1

    @rule()
    def clear(self):
        self.table.clear()
        self.model.clear()
        self.cursor = None

    @rule()
    def begin_scan(self):
        """Whatever is there now and stays must be visited before the cursor is back at 0."""
        self.cursor, self.due = 0, set(self.model)

    @precondition(lambda self: self.cursor is not None)
    @rule(buckets=st.integers(1, 40))
    def go_on_scanning(self, buckets):
        for _ in range(buckets):
            self.cursor, found = self.table.scan(self.cursor)
            for key, value, marked in found:
                assert self.model[key] == (value, marked)
                self.due.discard(key)
            if self.cursor == 0:
                assert not self.due
                self.cursor = None
                return

    @rule(keep=st.integers(2, 5))
    def scan_and_remove(self, keep):
        """A visitor that removes what it is given, as the table is paused."""
        victims = {key for number, key in enumerate(sorted(self.model)) if number % keep}
        self.table.pause()
        cursor = 0
        removed = []
        while True:
            cursor, part = self.table.scan_removing(cursor, victims)
            removed += part
            if cursor == 0:
                break
        self.table.resume()
        assert sorted(removed) == sorted(victims)
        for key in victims:
            del self.model[key]
            if self.cursor is not None:
                self.due.discard(key)

    @rule()
    def draw(self):
        assert self.table.draw() in (self.model or {None})

    @rule(marked=st.booleans(), count=st.integers(1, 50), budget=st.integers(1, 100))
    def sample(self, marked, count, budget):
        found = self.table.sample(marked, count, budget)
        assert len(found) <= count
        for key in found:
            assert key in self.model
            assert self.model[key][1] or not marked

    @invariant()
    def is_sound(self):
        if not hasattr(self, "table"):
            return
        self.table.check()
        assert len(self.table) == len(self.model)
        assert self.table.marked == sum(marked for _, marked in self.model.values())

    @invariant()
    def holds_the_model(self):
        if not hasattr(self, "table"):
            return
        for number in range(0, 900, 7):
            key = key_of(number)
            assert self.table.find(key) == self.model.get(key, (None,))[0]
        found = whole_scan(self.table)
        assert sorted(found) == sorted((key, *item) for key, item in self.model.items())


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=40, stateful_step_count=30, deadline=None, derandomize=True)


@pytest.mark.parametrize("count", [1, 7, 8, 9, 10, 100, 5000])
def test_finds_what_it_holds_and_nothing_else(count):
    table = filled(count)
    table.check()
    assert [table.find(key_of(number)) for number in range(count)] == list(range(count))
    assert table.find(key_of(count)) is None
    assert table.find(b"") is None
    assert table.located(key_of(0))


def moved_buckets(before, after):
    """Buckets moved by one change, from the shapes around it."""
    buckets, _, drained, _ = before
    if after[0] != buckets:
        return buckets - drained        # the resize was finished
    return after[2] - drained


def test_no_single_change_moves_more_than_a_few_buckets():
    table = Table()
    most = 0
    for number in range(60000):
        before = table.shape
        table.insert(key_of(number), number)
        most = max(most, moved_buckets(before, table.shape))
    assert most <= VISITS
    for number in range(59900):
        before = table.shape
        table.remove(key_of(number))
        most = max(most, moved_buckets(before, table.shape))
        if number % 1000 == 0:
            table.fit()
    assert most <= VISITS
    table.check()


def test_growing_is_done_before_the_next_growth_is_due():
    table = Table()
    for number in range(60000):
        rehashing = table.shape[1]
        table.insert(key_of(number), number)
        buckets, target, _, children = table.shape
        assert not (rehashing and target and target != rehashing)
        assert children <= buckets + target
    assert 60000 / table.shape[0] < 9


def test_shrinks_when_most_of_it_is_empty():
    table = filled(20000)
    while table.rehash(1000):
        pass
    large = table.overhead
    for number in range(19900):
        table.remove(key_of(number))
    table.fit()
    assert table.rehashing
    while table.rehash(1000):
        pass
    assert table.overhead < large / 50
    table.check()
    assert sorted(whole_scan(table)) == sorted((key_of(n), n, False) for n in range(19900, 20000))


def test_an_empty_table_owns_nothing_after_fit():
    table = filled(100)
    for number in range(100):
        table.remove(key_of(number))
    table.fit()
    assert table.overhead == 0
    assert whole_scan(table) == []
    assert table.draw() is None
    assert table.sample(False, 10, 10) == []


@pytest.mark.parametrize("avoid", [False, True])
def test_a_scan_that_the_table_grows_under_misses_nothing(avoid):
    table = filled(3000)
    table.avoid_resize = avoid
    seen = Counter()
    cursor, count = 0, 3000
    while True:
        cursor, found = table.scan(cursor)
        seen.update(key for key, _, _ in found)
        for number in range(count, count + 40):
            table.insert(key_of(number), number)
        count += 40
        if cursor == 0:
            break
    assert all(seen[key_of(n)] >= 1 for n in range(3000))


def test_a_scan_that_the_table_shrinks_under_misses_nothing():
    table = filled(30000)
    stay = set(range(0, 30000, 100))
    leave = [n for n in range(30000) if n not in stay]
    seen = Counter()
    cursor = 0
    while True:
        cursor, found = table.scan(cursor)
        seen.update(key for key, _, _ in found)
        for number in leave[-30:]:
            table.remove(key_of(number))
        del leave[-30:]
        table.fit()
        table.rehash(3)
        if cursor == 0:
            break
    assert not leave[1000:] or table.shape[0] < 30000
    assert all(seen[key_of(n)] >= 1 for n in stay)


def test_a_quiet_scan_visits_each_element_once():
    table = filled(5000)
    assert len(whole_scan(table)) == 5000
    table.reserve(50000)
    table.rehash(200)
    assert table.rehashing
    assert len(whole_scan(table)) == 5000


def test_a_cursor_out_of_range_is_no_harm():
    table = filled(500)
    for cursor in (2**48 - 1, 2**48, 2**63, 2**64 - 1):
        following, found = table.scan(cursor)
        assert 0 <= following < 2**48
        assert len(found) <= 40


def worst_deviation(table, count, draws_each):
    """How far the number of draws of any key is from the expected, in standard deviations."""
    seen = Counter(table.draw() for _ in range(count * draws_each))
    assert len(seen) <= count
    return max(abs(seen[key_of(n)] - draws_each) for n in range(count)) / draws_each**0.5


@pytest.mark.parametrize("count", [1, 5, 9, 12, 150, 400])
def test_every_element_is_drawn_with_the_same_chance(count):
    assert worst_deviation(filled(count), count, 400) < 5.5


def test_draws_are_fair_in_the_middle_of_a_resize():
    table = filled(400)
    while table.rehash(100):
        pass
    table.reserve(2000)
    table.rehash(20)
    assert table.rehashing
    assert worst_deviation(table, 400, 400) < 5.5


def test_draws_are_fair_in_a_crowded_table():
    """While a forked child lives tables grow late, and chains are long: their ends must be drawn too."""
    table = Table()
    table.avoid_resize = True
    for number in range(575):
        table.insert(key_of(number), number)
    assert 575 / table.shape[0] > 20
    assert worst_deviation(table, 575, 400) < 5.5


def test_draws_end_in_a_table_that_is_nearly_empty():
    table = filled(20000)
    for number in range(1, 20000):
        table.remove(key_of(number))
    assert table.draw() == key_of(0)


def test_samples_are_marked_ones_where_asked():
    table = filled(2000, marked=lambda number: number % 10 == 0)
    assert table.marked == 200
    found = table.sample(True, 16, 1000)
    assert len(found) == 16
    assert all(int(key[4:]) % 10 == 0 for key in found)
    assert len(table.sample(False, 16, 1000)) == 16
    assert filled(50).sample(True, 5, 100) == []


def test_samples_come_from_all_over_the_table():
    table = filled(2000)
    seen = Counter()
    for _ in range(8000):
        seen.update(table.sample(False, 5, 100))
    assert len(seen) == 2000


def test_a_paused_table_keeps_its_buckets():
    table = filled(3000)
    while table.rehash(100):
        pass
    shape = table.shape
    table.pause()
    for number in range(2900):
        table.remove(key_of(number))
    table.fit()
    assert not table.rehash(100)
    assert table.shape[:3] == shape[:3]
    table.check()
    table.resume()
    table.fit()
    while table.rehash(100):
        pass
    assert table.shape[0] < shape[0]
    table.check()
    assert sorted(whole_scan(table)) == sorted((key_of(n), n, False) for n in range(2900, 3000))


def test_insertions_into_a_paused_table_are_found():
    table = filled(100)
    table.pause()
    for number in range(100, 2000):
        table.insert(key_of(number), number)
    table.check()
    assert [table.find(key_of(n)) for n in range(2000)] == list(range(2000))
    table.resume()
    for number in range(2000, 2200):
        table.insert(key_of(number), number)
    table.check()
    assert len(whole_scan(table)) == 2200


def test_reserve_makes_room_in_advance():
    table = Table()
    table.reserve(10000)
    buckets = table.shape[0]
    for number in range(10000):
        table.insert(key_of(number), number)
    assert table.shape[0] == buckets
    assert not table.rehashing


@pytest.mark.parametrize("key", [b"", b"\0", b"a" * 300, bytes(range(256))])
def test_any_bytes_are_a_key(key):
    table = filled(50)
    table.insert(key, 77, True)
    assert table.find(key) == 77
    table.replace(key, 78, False)
    assert (table.find(key), table.marked) == (78, 0)
    assert table.remove(key)
    assert not table.remove(key)
    table.check()
