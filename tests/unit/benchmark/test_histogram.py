"""The latency histogram against plain sorting."""
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kv.benchmark.histogram import Histogram

LATENCIES = st.lists(st.integers(0, 3_600_000_000), min_size=1, max_size=200)


@given(LATENCIES, st.integers(1, 4))
def test_histogram_keeps_the_promised_digits(values, precision):
    histogram = Histogram(precision)
    for value in values:
        histogram.record(value)
        low, high = histogram.lowest(value), histogram.highest(value)
        assert low <= value <= high
        assert high - low + 1 <= max(8, value / 10**precision)
        assert histogram.lowest(high + 1) == high + 1 and histogram.highest(low) == high
    assert histogram.total == len(values) == sum(count for _, count in histogram.recorded())
    assert histogram.mean == pytest.approx(sum(values) / len(values))
    assert histogram.least == histogram.lowest(min(values))
    assert histogram.most == histogram.highest(max(values))


@given(LATENCIES, st.floats(1, 100))
def test_percentile_is_the_slot_of_the_value_at_that_rank(values, percent):
    histogram = Histogram(3)
    for value in values:
        histogram.record(value)
    rank = max(1, math.floor(percent / 100 * len(values) + 0.5))
    assert histogram.percentile(percent) == histogram.highest(sorted(values)[rank - 1])


def test_histogram_counts_a_batch_at_once_and_cuts_at_an_hour():
    histogram = Histogram(2)
    histogram.record(100, 16)
    histogram.record(10**12)
    assert histogram.total == 17
    assert histogram.most == histogram.highest(3_600_000_000)
    with pytest.raises(ValueError):
        histogram.record(-1)


def test_empty_histogram_is_all_zero():
    histogram = Histogram(3)
    assert (histogram.total, histogram.mean, histogram.least, histogram.most) == (0, 0.0, 0, 0)
    assert histogram.percentile(50) == 0 and histogram.recorded() == []


@pytest.mark.parametrize("precision", [0, 6])
def test_histogram_refuses_a_precision(precision):
    with pytest.raises(ValueError):
        Histogram(precision)
