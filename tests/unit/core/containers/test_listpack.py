"""The listpack against a list, its bytes against Valkey's, and its validation against damage."""
import base64
import json
import random
import zlib
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from kv._core.testing.listpack import Pack, listpack_valid

RECORDED = json.loads((Path(__file__).parents[3] / "data" / "packs-valkey.json").read_text())
LARGEST = 2**63 - 1
EDGES = sorted({sign * (1 << bits) + step for bits in (0, 7, 12, 15, 23, 31, 63) for sign in (1, -1)
                for step in (-1, 0, 1) if -LARGEST - 1 <= sign * (1 << bits) + step <= LARGEST})
LENGTHS = [0, 1, 62, 63, 64, 125, 126, 127, 128, 4095, 4096]

values = st.one_of(st.binary(max_size=12), st.sampled_from(EDGES).map(lambda n: b"%d" % n),
                   st.integers(-LARGEST - 1, LARGEST).map(lambda n: b"%d" % n),
                   st.sampled_from(LENGTHS).map(lambda n: b"x" * n),
                   st.sampled_from([b"-0", b"01", b"+1", b" 1", b"1 ", b"9223372036854775808", b"-", b"1.0"]))
places = st.integers(0, 2**16)


def decoded(text):
    return base64.b64decode(text)


def stored(value):
    """What a text is stored as: the number whose text it is, or itself."""
    try:
        number = int(value)
    except ValueError:
        return value
    return number if b"%d" % number == value and -LARGEST - 1 <= number <= LARGEST else value


def packed(texts):
    pack = Pack()
    for text in texts:
        pack.append(text)
    return pack


class Machine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.pack = Pack()
        self.model = []

    def place(self, number):
        return number % len(self.model)

    @rule(value=values)
    def append(self, value):
        self.pack.append(value)
        self.model.append(value)

    @rule(value=values)
    def prepend(self, value):
        self.pack.prepend(value)
        self.model.insert(0, value)

    @rule(number=st.one_of(st.sampled_from(EDGES), st.integers(-LARGEST - 1, LARGEST)))
    def append_number(self, number):
        self.pack.append_number(number)
        self.model.append(b"%d" % number)

    @rule(value=values)
    def insert_at_end(self, value):
        assert self.pack.insert(None, value) == len(self.model)
        self.model.append(value)

    @precondition(lambda self: self.model)
    @rule(place=places, value=values, after=st.booleans())
    def insert(self, place, value, after):
        index = self.place(place)
        assert (self.pack.insert_after(index, value) if after else self.pack.insert(index, value)) == index + after
        self.model.insert(index + after, value)

    @precondition(lambda self: self.model)
    @rule(place=places, number=st.sampled_from(EDGES), replace=st.booleans())
    def put_number(self, place, number, replace):
        index = self.place(place)
        if replace:
            assert self.pack.replace_number(index, number) == index
            self.model[index] = b"%d" % number
        else:
            assert self.pack.insert_number(index, number) == index
            self.model.insert(index, b"%d" % number)

    @precondition(lambda self: self.model)
    @rule(place=places, value=values)
    def replace(self, place, value):
        index = self.place(place)
        assert self.pack.replace(index, value) == index
        self.model[index] = value

    @precondition(lambda self: self.model)
    @rule(place=places, count=st.integers(1, 4))
    def delete(self, place, count):
        index = self.place(place)
        del self.model[index:index + count]
        assert self.pack.delete(index, count) == (index if index < len(self.model) else -1)

    @rule(index=st.integers(-30, 30), count=st.integers(0, 9))
    def delete_index(self, index, count):
        self.pack.delete_index(index, count)
        if -len(self.model) <= index < len(self.model):
            start = index % len(self.model)
            del self.model[start:start + count]

    @rule(choice=st.randoms(use_true_random=False), stride=st.integers(1, 3))
    def delete_many(self, choice, stride):
        units = [unit for unit in range(len(self.model) // stride) if choice.random() < 0.3]
        self.pack.delete_many([unit * stride for unit in units], stride)
        for unit in reversed(units):
            del self.model[unit * stride:(unit + 1) * stride]

    @precondition(lambda self: self.model)
    @rule(place=places, back=st.booleans())
    def split(self, place, back):
        index = self.place(place)
        rest = self.pack.split(index)
        rest.check()
        assert rest.forward() == [stored(value) for value in self.model[index:]]
        if back:
            self.pack.merge(rest)
        else:
            del self.model[index:]

    @precondition(lambda self: self.model)
    @rule(place=places)
    def truncate(self, place):
        index = self.place(place)
        self.pack.truncate(index)
        del self.model[index:]

    @rule()
    def fit(self):
        self.pack.fit()

    @rule(value=values, start=st.integers(0, 5), skip=st.integers(0, 2), there=st.one_of(st.none(), places))
    def find(self, value, start, skip, there):
        if there is not None and self.model:
            value = self.model[self.place(there)]
        expected = [index for index in range(start, len(self.model), skip + 1) if self.model[index] == value]
        assert self.pack.find(start, value, skip) == (expected[0] if expected else -1)

    @invariant()
    def same(self):
        self.pack.check()
        expected = [stored(value) for value in self.model]
        assert self.pack.forward() == expected
        assert self.pack.backward() == expected[::-1]
        assert len(self.pack) == len(expected)
        assert [self.pack.text(index) for index in range(len(expected))] == self.model
        assert [self.pack.get(index) for index in range(-len(expected), 0)] == expected
        assert all(self.pack.equals(index, value) for index, value in enumerate(self.model))
        for size, foretold in self.pack.sizes():
            assert size == foretold


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@pytest.mark.parametrize("number", range(len(RECORDED["lists"])))
def test_bytes_are_valkeys(number):
    case = RECORDED["lists"][number]
    if "values" in case:
        assert bytes(packed(map(decoded, case["values"]))) == decoded(case["bytes"])
    else:       # too long to be kept
        pack = packed([b"z" * case["bytes_of_z"], *map(decoded, case["values_after"])])
        assert zlib.crc32(bytes(pack)) == case["crc"]
        assert pack.backward() == [7, b"z" * case["bytes_of_z"]]


@pytest.mark.parametrize("number", range(len(RECORDED["hashes"])))
def test_bytes_after_changes_are_valkeys(number):
    pack = Pack()
    for action, name, *value in RECORDED["hashes"][number]["steps"]:
        field = pack.find(0, decoded(name), 1)
        if action == "del":
            pack.delete(field, 2)
        elif field < 0:
            pack.append(decoded(name))
            pack.append(decoded(value[0]))
        else:
            pack.replace(field + 1, decoded(value[0]))
    assert bytes(pack) == decoded(RECORDED["hashes"][number]["bytes"])


def test_text_that_need_not_be_text_is_equal_all_the_same():
    """Packs from elsewhere may hold "12" as text."""
    pack = Pack(b"\x0b\0\0\0\x01\0\x8212\x03\xff")
    assert pack.forward() == [b"12"]
    assert pack.equals(0, b"12") and pack.find(0, b"12") == 0 and pack.find(0, b"13") == -1


def test_seek_refuses_what_is_not_there():
    pack = packed([b"a", b"b", b"c"])
    for index in (3, -4, 2**40, -2**40):
        with pytest.raises(IndexError):
            pack.get(index)
    with pytest.raises(IndexError):
        Pack().get(-1)


def test_more_elements_than_the_header_counts():
    pack = Pack()
    for number in range(65540):
        pack.append_number(number & 1)
    assert len(pack) == 65540 and bytes(pack)[4:6] == b"\xff\xff"
    assert pack.get(-1) == 1 and pack.get(65538) == 0
    with pytest.raises(IndexError):
        pack.get(65540)
    pack.delete(0, 10)
    assert len(pack) == 65530
    assert listpack_valid(bytes(pack)) == 65530


def test_every_unit_is_drawn_as_often():
    pack = packed([b"%d" % number for number in range(20)])
    drawn = Counter(pack.draw(2) for _ in range(10000))
    assert sorted(drawn) == list(range(0, 20, 2))
    assert all(800 < times < 1200 for times in drawn.values())
    sampled = Counter(index for _ in range(5000) for index in pack.sample(2, 3))
    assert sorted(sampled) == list(range(0, 20, 2))
    assert all(1300 < times < 1700 for times in sampled.values())
    assert pack.sample(2, 99) == list(range(0, 20, 2))
    assert Pack().draw(1) == -1 and Pack().sample(1, 4) == []


@settings(max_examples=300, deadline=None)
@given(st.lists(values, max_size=12), st.randoms(use_true_random=False))
def test_damage_is_refused_or_harmless(texts, choice):
    """Under AddressSanitizer this also shows that nothing outside is read."""
    content = bytearray(bytes(packed(texts)))
    assert listpack_valid(bytes(content)) == len(texts)
    for _ in range(choice.randrange(1, 4)):
        content[choice.randrange(len(content))] = choice.choice([0, 0x7f, 0x80, 0xbf, 0xe0, 0xf0, 0xf4, 0xf5, 0xff])
    count = listpack_valid(bytes(content))
    if count is not None:
        pack = Pack(bytes(content))
        assert len(pack.forward()) == count and pack.backward() == pack.forward()[::-1]


def test_parts_are_refused():
    content = bytes(packed([b"hello", b"1000", b"x" * 5000]))
    for length in [*range(0, 40), len(content) - 1]:
        assert listpack_valid(content[:length]) is None
        renamed = length.to_bytes(4, "little") + content[4:length]
        assert listpack_valid(renamed) is None or length < 7
    assert listpack_valid(content + b"\xff") is None
    assert listpack_valid(random.Random(1).randbytes(500)) is None
