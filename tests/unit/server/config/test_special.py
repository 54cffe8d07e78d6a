"""Whatever values the kinds of one option hold, they come back from CONFIG GET and from a file."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kv.server.config import Config, table
from kv.server.config.option import INT_MAX, LONG_MAX, ULONG_MAX
from kv.server.config.source import Reader
from kv.server.config.special import EVENT_OTHERS, EVENT_TYPES
from kv.server.config.values import parse_text

limit = st.tuples(st.integers(0, ULONG_MAX), st.integers(0, ULONG_MAX), st.integers(0, INT_MAX))
address = st.text("abc:.*-'\"\\\n#é\x01", min_size=1, max_size=8)
VALUES = {
    "save": st.lists(st.tuples(st.integers(1, LONG_MAX), st.integers(0, INT_MAX)), max_size=4),
    "bind": st.lists(address, max_size=16),
    "client-output-buffer-limit": st.fixed_dictionaries({"normal": limit, "replica": limit, "pubsub": limit}),
    "oom-score-adj-values": st.lists(st.integers(-2000, 2000), min_size=3, max_size=3),
    "replicaof": st.tuples(address, st.integers(0, 65535)),
    "latency-tracking-info-percentiles": st.lists(st.integers(0, 10**8).map(lambda n: n / 10**6), max_size=4),
}


@pytest.mark.parametrize("name", VALUES)
@given(data=st.data())
def test_round_trips(name, data):
    option = table.BY_NAME[name]
    value = data.draw(VALUES[name])
    assert parse_text(option, option.format(value), option.initial()) == value
    config = Config()
    Reader(config).read_text("\n".join(line for line, _ in option.lines(value)))
    assert config.value(option) == value


@given(st.text(EVENT_TYPES + EVENT_OTHERS + "A"))
def test_events_have_one_form(letters):
    option = table.BY_NAME["notify-keyspace-events"]
    form = option.convert(letters)
    meant = set(letters) | (set(EVENT_TYPES) if "A" in letters else set())
    assert set(form.replace("A", EVENT_TYPES)) == meant - {"A"}
    assert option.convert(form) == form and len(set(form)) == len(form)


@pytest.mark.parametrize(
    ("letters", "form"),
    [("KEA", "AKE"), ("mKg$lshzxetdn", "AKm"), ("EKxg", "gxKE"), ("", ""), ("AA", "A"), ("mA", "Am"),
     ("g$lshzxetd", "A"), ("AKEn", "AKE"), ("nK", "nK"), ("gn", "gn")],
)
def test_forms_of_events(letters, form):
    """As Valkey 8.1 shows them: A is all but m and n, and hides n."""
    option = table.BY_NAME["notify-keyspace-events"]
    assert option.format(option.convert(letters)) == form
    assert ("n" in letters) == ("n" in option.convert(letters))
