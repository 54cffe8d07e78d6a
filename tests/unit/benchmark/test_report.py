"""The latency distributions, against what valkey-benchmark printed."""
from hypothesis import given
from hypothesis import strategies as st

from kv.benchmark.histogram import Histogram
from kv.benchmark.report import cumulative_lines, percentile_lines

LATENCIES = st.lists(st.integers(0, 5_000_000), min_size=1, max_size=200)

# Latencies of ten requests, and what valkey-benchmark 8.1.7 printed about them.
TEN = [3040, 3075, 3075, 3079, 3072, 3096, 3100, 3105, 3120, 3127]
TEN_PERCENTILES = """\
0.000% <= 3.047 milliseconds (cumulative count 1)
50.000% <= 3.079 milliseconds (cumulative count 5)
75.000% <= 3.111 milliseconds (cumulative count 8)
87.500% <= 3.127 milliseconds (cumulative count 10)
100.000% <= 3.127 milliseconds (cumulative count 10)
"""
TEN_CUMULATIVE = """\
0.000% <= 0.103 milliseconds (cumulative count 0)
70.000% <= 3.103 milliseconds (cumulative count 7)
100.000% <= 4.103 milliseconds (cumulative count 10)
"""


def test_distributions_are_those_of_valkey_benchmark():
    histogram = Histogram(3)
    for value in TEN:
        histogram.record(value)
    assert "".join(percentile_lines(histogram)) == TEN_PERCENTILES
    assert "".join(cumulative_lines(histogram)) == TEN_CUMULATIVE


@given(LATENCIES)
def test_distributions_end_with_everything(values):
    histogram = Histogram(3)
    for value in values:
        histogram.record(value)
    for lines in (percentile_lines(histogram), cumulative_lines(histogram)):
        lines = list(lines)
        assert lines[-1].startswith("100.000% <= ")
        assert lines[-1].endswith(f"(cumulative count {len(values)})\n")
        counts = [int(line.split()[-1].rstrip(")")) for line in lines]
        assert counts == sorted(counts)
