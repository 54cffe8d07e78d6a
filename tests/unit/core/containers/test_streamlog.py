"""A stream's entries against a dictionary, their invariants checked after each step."""
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from kv._core.testing.streams import Log, limit_nodes

MOST = 2**64 - 1
END = (MOST, MOST)
numbers = st.one_of(st.integers(-70, 70), st.integers(-5000, 5000), st.integers(-2**63, 2**63 - 1),
                    st.integers(0, 63).flatmap(lambda bits: st.sampled_from([2**bits - 1, 2**bits, -2**bits, -2**bits - 1])))
words = st.one_of(st.sampled_from([b"", b"a", b"0", b"-0", b"01", b"+1", b" 1", b"-", b"x" * 127, b"x" * 128, b"x" * 65535,
                                   b"9223372036854775808", b"-9223372036854775809", b"18446744073709551615"]),
                  numbers.map(lambda number: b"%d" % number), st.binary(max_size=30))
names = st.sampled_from([[b"a"], [b"a", b"b"], [b"b", b"a"], [b"a", b"7"], [b"temperature", b"humidity", b"place"]])


@pytest.fixture(autouse=True)
def usual_limits():
    yield
    limit_nodes(4096, 100)


class Machine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.log = Log()
        self.model = {}
        self.last = (0, 0)

    @initialize(bytes=st.sampled_from([0, 1, 200, 4096]), entries=st.sampled_from([0, 1, 3, 10, 100]))
    def limit(self, bytes, entries):
        limit_nodes(bytes, entries)

    def add(self, id, fields):
        if id > self.last and id <= END:
            self.log.append(id, fields)
            self.model[id] = fields
            self.last = id

    @rule(ms=st.sampled_from([0, 0, 1, 2, 300, 70000, 2**40]), seq=st.sampled_from([-3, -1, 0, 0, 1, 1, 2, 200, 2**63]),
          names=names, data=st.data())
    def append(self, ms, seq, names, data):
        id = self.last[0] + ms, self.last[1] + seq
        if 0 <= id[1] <= MOST and id[0] <= MOST:
            self.add(id, [(name, data.draw(words)) for name in names])

    @rule(count=st.integers(1, 150), step=st.sampled_from([(0, 1), (1, 0), (3, 0)]), size=st.integers(0, 40), names=names)
    def append_many(self, count, step, size, names):
        for n in range(count):
            id = self.last[0] + step[0], self.last[1] + step[1]
            if id[1] <= MOST:
                self.add(id, [(name, b"%0*d" % (size, n)) for name in names])

    @rule(place=st.integers(0, 10**6))
    def delete(self, place):
        if self.model:
            id = sorted(self.model)[place % len(self.model)]
            assert self.log.delete(id)
            del self.model[id]
            assert not self.log.delete(id)

    @rule(first=st.integers(0, 400), step=st.integers(1, 3), count=st.integers(1, 200))
    def delete_many(self, first, step, count):
        for id in sorted(self.model)[first:first + step * count:step]:
            assert self.log.delete(id)
            del self.model[id]

    @rule(keep=st.integers(0, 300))
    def trim_to_length(self, keep):
        gone = sorted(self.model)[:max(0, len(self.model) - keep)]
        assert self.log.trim(most=keep) == len(gone)
        for id in gone:
            del self.model[id]

    @rule(place=st.floats(0, 1), approximately=st.booleans(), limit=st.sampled_from([0, 0, 1, 50]))
    def trim_to_id(self, place, approximately, limit):
        order = [*sorted(self.model), END]
        least = order[int(place * (len(order) - 1))]
        gone = self.log.trim(least=least, approximately=approximately, limit=limit)
        below = [id for id in order[:-1] if id < least]
        assert gone <= len(below) and (not limit or approximately is False or gone <= limit)
        assert approximately or limit or gone == len(below)
        for id in below[:gone]:
            del self.model[id]

    @rule(keep=st.integers(0, 300), limit=st.sampled_from([0, 1, 50]))
    def trim_to_length_about(self, keep, limit):
        gone = self.log.trim(most=keep, approximately=True, limit=limit)
        assert gone <= max(0, len(self.model) - keep) and (not limit or gone <= limit)
        for id in sorted(self.model)[:gone]:
            del self.model[id]

    @rule(ms=st.integers(0, 10**6), seq=st.integers(0, 300))
    def seek(self, ms, seq):
        id = ms % (self.last[0] + 2), seq
        assert [have for have, _ in self.log.entries(id)] == [have for have in sorted(self.model) if have >= id]
        assert ([have for have, _ in self.log.entries_back(id)]
                == [have for have in sorted(self.model, reverse=True) if have <= id])
        assert (id in self.log) == (id in self.model)

    @rule()
    def carry_on_with_a_copy(self):
        copy = self.log.copy()
        self.log.trim(most=0)
        self.log = copy

    @invariant()
    def holds(self):
        self.log.check()
        assert len(self.log) == len(self.model)
        assert self.log.entries((0, 0)) == sorted(self.model.items())
        assert self.log.entries_back(END) == sorted(self.model.items(), reverse=True)


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


@settings(deadline=None)
@given(st.lists(st.tuples(words, words), min_size=1, max_size=8))
def test_any_words_come_back(fields):
    log = Log()
    log.append((1, 1), fields)
    log.append((1, 2), fields)
    log.append((2, 0), fields[::-1])
    log.check()
    assert log.entries((0, 0)) == [((1, 1), fields), ((1, 2), fields), ((2, 0), fields[::-1])]


def test_ids_at_the_ends():
    log = Log()
    ids = [(0, 1), (0, MOST), (1, 0), (5, MOST), (6, 0), (MOST, 0), END]
    for id in ids:
        log.append(id, [(b"a", b"b")])
    log.check()
    assert [id for id, _ in log.entries((0, 0))] == ids
    assert [id for id, _ in log.entries_back(END)] == ids[::-1]


def test_nodes_hold_as_many_entries_or_bytes_as_allowed():
    log = Log()
    for n in range(250):
        log.append((n, 1), [(b"a", b"1")])
    assert [live for live, _, _ in log.nodes()] == [100, 100, 50]
    limit_nodes(300, 0)
    log = Log()
    for n in range(50):
        log.append((n, 1), [(b"a", b"x" * 90)])
    assert all(length < 500 for _, _, length in log.nodes()) and len(log.nodes()) > 10
    limit_nodes(0, 0)
    log = Log()
    for n in range(3000):
        log.append((n, 1), [(b"a", b"x" * 9)])
    assert len(log.nodes()) == 1


def test_deleted_entries_give_their_bytes_back():
    log = Log()
    for n in range(100):
        log.append((n, 1), [(b"a", b"x" * 30)])
    full = log.nodes()[0][2]
    for n in range(90):
        log.delete((n, 1))
    (live, deleted, length), = log.nodes()
    assert (live, deleted) == (10, 90) and length < full / 3
    log.append((1000, 0), [(b"a", b"b")])
    assert len(log.nodes()) == 2        # deleted entries count


def test_an_entry_of_two_short_fields_costs_little():
    log = Log()
    count = 100_000
    for n in range(count):
        log.append((1_700_000_000_000 + n * 3, 0), [(b"temp", b"21.5"), (b"place", b"kitchen")])
    assert log.memory() / count < 19    # 13 of values with their lengths, 4 of ids and sizes, under 1 of node and index
    assert abs(log.memory(5) / log.memory() - 1) < 0.1
