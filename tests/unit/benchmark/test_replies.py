"""The reply counter: random streams, cut anywhere."""
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kv.benchmark.replies import ReplyCounter

SCALARS = st.sampled_from([
    b"+OK\r\n", b"+\r\n", b":-7\r\n", b"$-1\r\n", b"$0\r\n\r\n", b"$7\r\n*1\r\n$3\r\r\n", b"*-1\r\n",
    b"*0\r\n", b"_\r\n", b",-1.5e9\r\n", b"#t\r\n", b"(123456789012345678901234567890\r\n",
    b"=6\r\ntxt:ab\r\n", b"%0\r\n", b"~0\r\n"])


def aggregate(children):
    lists = st.lists(children, max_size=4)
    return st.one_of(
        lists.map(lambda items: b"*%d\r\n" % len(items) + b"".join(items)),
        lists.map(lambda items: b"~%d\r\n" % len(items) + b"".join(items)),
        lists.map(lambda items: b"%%%d\r\n" % len(items) + b"".join(item + item for item in items)),
        lists.map(lambda items: b"*%d\r\n" % (len(items) + 1) + b"".join(items) + b"-ERR inside\r\n"),
        children.map(lambda item: b"|1\r\n+note\r\n" + item + item))


REPLIES = st.recursive(SCALARS, aggregate, max_leaves=12)
PUSHES = st.lists(REPLIES, max_size=3).map(lambda items: b">%d\r\n" % len(items) + b"".join(items))


@given(st.lists(st.tuples(st.booleans(), REPLIES, PUSHES), max_size=8), st.lists(st.integers(1, 40)))
def test_counter_counts_replies_wherever_the_input_is_cut(parts, cuts):
    stream = b"".join((push if with_push else b"") + reply for with_push, reply, push in parts)
    assert ReplyCounter().feed(stream) == len(parts)
    one_by_one = ReplyCounter()
    assert sum(one_by_one.feed(stream[i:i + 1]) for i in range(len(stream))) == len(parts)
    cut, seen, at = ReplyCounter(), 0, 0
    for size in [*cuts, len(stream)]:
        seen += cut.feed(stream[at:at + size])
        at += size
    assert seen == len(parts) and cut.error is None and cut.broken is None


@pytest.mark.parametrize("cut", range(1, 30))
def test_counter_collects_an_error_across_reads(cut):
    stream = b":1\r\n-ERR no such thing, really\r\n+OK\r\n"
    counter = ReplyCounter()
    assert counter.feed(stream[:cut]) + counter.feed(stream[cut:]) == 1
    assert counter.error == b"ERR no such thing, really"


def test_counter_collects_a_bulk_error_and_cuts_a_long_one():
    counter = ReplyCounter()
    assert counter.feed(b"!21\r\nSYNTAX invalid syn") == 0 and counter.feed(b"tax\r\n") == 0
    assert counter.error == b"SYNTAX invalid syntax"
    counter = ReplyCounter()
    counter.feed(b"-" + b"x" * 1000 + b"\r\n")
    assert counter.error == b"x" * 255


@pytest.mark.parametrize("stream, byte", [
    (b"+OK\r\nHTTP/1.1 400\r\n", b"H"), (b"$9999999999999999999\r\n", b"$"),
    (b"*18446744073709551615\r\n", b"*")])
def test_counter_notices_what_is_no_resp(stream, byte):
    counter = ReplyCounter()
    counter.feed(stream)
    assert counter.broken == byte
