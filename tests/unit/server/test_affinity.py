"""Lists of processors."""
import pytest

from kv.server.affinity import parse


@pytest.mark.parametrize("cpulist, processors", [
    ("0", {0}), ("0,2,3", {0, 2, 3}), ("0,2-3", {0, 2, 3}), ("0-7:2", {0, 2, 4, 6}), ("1-3:5,8", {1, 8}),
    ("0-20:10,1", {0, 10, 20, 1}), ("5-5", {5}), ("1000-99999999999", set(range(1000, 1024))), ("2000", set()),
])
def test_lists(cpulist, processors):
    assert parse(cpulist) == processors


@pytest.mark.parametrize("cpulist", ["", "a", "1,", ",1", "3-1", "1-", "-1", "0-3:0", "0-3:", "0-3:x",
                                     "3:2", "1 2", "1-2-3", "0x1", "²"])
def test_what_is_no_list(cpulist):
    with pytest.raises(ValueError):
        parse(cpulist)
