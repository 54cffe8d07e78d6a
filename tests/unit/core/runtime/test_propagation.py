"""The log of effects against a model: units in units, read, begun and ended to be read at any point."""
from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from kv._core.engine.feed import split_commands
from kv._core.testing.propagation import Log, Reader


class Propagation(RuleBasedStateMachine):
    """The model: what each reader must find is the whole units since it began, each with MULTI and EXEC around it if it holds
    several effects and was not loosened; whoever reads in the middle of a unit ends it there for all."""

    def __init__(self) -> None:
        super().__init__()
        self.log = Log()
        self.number = 0
        self.unit: list[bytes] = []     # effects of the outermost open unit
        self.loose = False
        self.whole: list[list[bytes]] = []     # finished units
        self.readers: list[tuple[Reader, int, list[bytes]]] = []    # with the units there were when it began, and its commands
        self.positions = [0]

    def finish(self) -> None:
        """The outermost unit ends, or is ended."""
        if len(self.unit) > 1 and not self.loose:
            self.whole.append([b"MULTI", *self.unit, b"EXEC"])
        else:
            self.whole += [[effect] for effect in self.unit]
        self.unit = []

    @rule()
    @precondition(lambda self: self.log.depth < 6)
    def open(self) -> None:
        if self.log.depth == 0:
            self.loose = False
        self.log.open()

    @rule()
    @precondition(lambda self: self.log.depth)
    def close(self) -> None:
        self.log.close()
        if self.log.depth == 0:
            self.finish()

    @rule()
    def loosen(self) -> None:
        self.log.loosen()
        self.loose = self.loose or self.log.depth == 1

    @rule(database=st.integers(0, 2))
    def append(self, database: int) -> None:
        self.log.append(database, b"e%d" % self.number)
        if self.readers:
            self.unit.append(b"e%d" % self.number)
            if self.log.depth == 0:
                self.finish()
        self.number += 1

    @rule()
    @precondition(lambda self: len(self.readers) < 4)
    def begin(self) -> None:
        self.finish()
        self.readers.append((self.log.reader(), len(self.whole), []))

    @rule(data=st.data())
    @precondition(lambda self: self.readers)
    def read(self, data: st.DataObject) -> None:
        reader, begun, found = data.draw(st.sampled_from(self.readers))
        self.finish()
        found += [words[0] for words in split_commands(reader.read()) if words[0] != b"SELECT"]
        assert found == [effect for unit in self.whole[begun:] for effect in unit]
        assert reader.position == self.log.position

    @rule(data=st.data())
    @precondition(lambda self: self.readers)
    def look(self, data: st.DataObject) -> None:
        """Without taking."""
        reader, begun, found = data.draw(st.sampled_from(self.readers))
        self.finish()
        rest = [words[0] for words in split_commands(reader.read(take=False)) if words[0] != b"SELECT"]
        assert found + rest == [effect for unit in self.whole[begun:] for effect in unit]

    @rule(data=st.data())
    @precondition(lambda self: self.readers)
    def end(self, data: st.DataObject) -> None:
        index = data.draw(st.integers(0, len(self.readers) - 1))
        self.readers.pop(index)[0].close()
        self.finish()

    @invariant()
    def the_position_grows_and_little_is_held(self) -> None:
        assert self.log.position >= self.positions[-1]
        self.positions.append(self.log.position)
        lowest = min([reader.position for reader, _, _ in self.readers], default=self.log.position)
        assert self.log.held <= 2 * (self.log.position - lowest) + 30 * (len(self.unit) + 3)


TestPropagation = Propagation.TestCase
TestPropagation.settings = settings(max_examples=200, stateful_step_count=60, deadline=None)


def test_databases_are_selected_for_each_reader() -> None:
    log = Log()
    first = log.reader()
    log.append(3, b"a")
    second = log.reader()
    log.append(3, b"b")
    assert split_commands(first.read()) == [[b"SELECT", b"3"], [b"a"], [b"SELECT", b"3"], [b"b"]]
    assert split_commands(second.read()) == [[b"SELECT", b"3"], [b"b"]]


def test_a_close_tells_its_effects() -> None:
    log, counts = Log(), []
    reader = log.reader()
    log.open()
    log.append(0, b"a")
    log.open()
    log.append(0, b"b")
    log.append(0, b"c")
    counts.append(log.close())
    counts.append(log.close())
    assert counts == [2, 3] and reader.read().endswith(b"EXEC\r\n")
