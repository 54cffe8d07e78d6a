"""EXPIRE and its relatives: times, conditions, limits, propagation."""
import time

import pytest

from kv._core.engine import inspect
from kv._core.engine.aofreplay import AofReplay
from tests.commands.client import Failure, Status, request

OK = Status("OK")
LATE = 9999999999999        # ms, the year 2286
COMMANDS = {"EXPIRE": (1000, True), "PEXPIRE": (1, True), "EXPIREAT": (1000, False), "PEXPIREAT": (1, False)}
every_command = pytest.mark.parametrize("command", COMMANDS)
every_value = pytest.mark.parametrize("value", [b"12345", b"hello", b"x" * 200, b"y" * 5000], ids=["int",
                                                                                                   "embstr",
                                                                                                   "raw",
                                                                                                   "blob"])


def now_ms():
    return int(time.time() * 1000)


def in_future(command, seconds=1000):
    """The argument that has a key expire so many seconds from now."""
    unit, relative = COMMANDS[command]
    return seconds * 1000 // unit if relative else (now_ms() + seconds * 1000) // unit


def in_past(command):
    unit, relative = COMMANDS[command]
    return -10 if relative else (now_ms() - 5000) // unit


def fill(kv, **keys):
    for key, value in keys.items():
        assert kv("SET", key, value) == OK
    kv.effects()


def has_expired(kv, *keys):
    """Let keys that expire within a few ms do so."""
    for key in keys:
        kv("PEXPIRE", key, 1)
    kv.effects()
    time.sleep(0.005)


@every_command
@every_value
def test_sets_an_expiry_and_leaves_the_value(kv, command, value):
    fill(kv, a=value)
    assert kv(command, "a", in_future(command)) == 1
    assert 995 <= kv("TTL", "a") <= 1001
    assert kv("GET", "a") == value
    assert kv(command, "a", in_future(command, 2000)) == 1
    assert 1995 <= kv("TTL", "a") <= 2001
    assert kv("PERSIST", "a") == 1
    assert kv("TTL", "a") == -1
    assert kv("GET", "a") == value
    assert kv("PERSIST", "a") == 0


@every_command
def test_is_propagated_as_an_absolute_time(kv, command):
    fill(kv, a=1)
    kv(command, "a", in_future(command))
    at = str(kv("PEXPIRETIME", "a"))
    assert kv.effects() == [["PEXPIREAT", "a", at]]
    assert abs(int(at) - now_ms() - 1000000) < 2000
    kv(command, "a", in_future(command, 3000), "xx", "GT")
    assert kv.effects() == [["PEXPIREAT", "a", str(kv("PEXPIRETIME", "a")), "xx", "GT"]]


@every_command
@pytest.mark.parametrize(("lazy", "name"), [(False, "DEL"), (True, "UNLINK")])
def test_a_time_in_the_past_deletes(kv, command, lazy, name):
    fill(kv, a=1)
    kv.engine.configure(lazyfree_lazy_expire=lazy)
    before = kv.figures()
    assert kv(command, "a", in_past(command)) == 1
    kv.engine.configure(lazyfree_lazy_expire=False)
    assert kv.effects() == [[name, "a"]]
    assert kv("EXISTS", "a") == 0
    after = kv.figures()
    assert after["expired"] == before["expired"] + 1
    assert after["dirty"] == before["dirty"] + 1


@every_command
def test_without_a_key_nothing_happens(kv, command):
    for condition in ([], ["NX"], ["XX"], ["GT"], ["LT"]):
        assert kv(command, "nothing", in_future(command), *condition) == 0
    assert kv(command, "nothing", in_past(command)) == 0
    assert kv("PERSIST", "nothing") == 0
    assert kv.effects() == []


def test_an_expired_key_is_not_resurrected(kv):
    fill(kv, a=1, b=2)
    has_expired(kv, "a", "b")
    assert kv("EXPIRE", "a", 10) == 0
    assert kv("PERSIST", "b") == 0
    assert kv("EXISTS", "a", "b") == 0
    assert kv.effects() == [["DEL", "a"], ["DEL", "b"]]


@pytest.mark.parametrize(("old", "new", "conditions", "done"), [
    (None, 500, ["NX"], 1), (100, 500, ["NX"], 0),
    (None, 500, ["XX"], 0), (100, 500, ["XX"], 1),
    (100, 500, ["GT"], 1), (500, 100, ["GT"], 0), (500, 500, ["GT"], 0), (None, 100, ["GT"], 0),
    (100, 500, ["LT"], 0), (500, 100, ["LT"], 1), (500, 500, ["LT"], 0), (None, 100, ["LT"], 1),
    (100, 500, ["XX", "GT"], 1), (500, 100, ["gt", "xx"], 0), (500, 100, ["XX", "LT"], 1), (None, 100, ["LT",
                                                                                                        "XX"],
                                                                                                        0),
    (None, 100, ["XX", "GT"], 0), (100, 500, ["XX", "XX"], 1), (None, 100, ["nx", "NX"], 1),
])
def test_conditions(kv, old, new, conditions, done):
    fill(kv, a=1)
    if old is not None:
        kv("PEXPIREAT", "a", LATE + old)
    kv.effects()
    before = kv("PEXPIRETIME", "a")
    assert kv("PEXPIREAT", "a", LATE + new, *conditions) == done
    assert kv("PEXPIRETIME", "a") == (LATE + new if done else before)
    assert len(kv.effects()) == done


def test_lt_with_a_time_in_the_past_deletes(kv):
    fill(kv, a=1, b=1)
    kv("EXPIRE", "a", 100)
    assert kv("EXPIRE", "a", -10, "LT") == 1
    assert kv("EXPIRE", "b", -10, "LT") == 1
    assert [kv("TTL", "a"), kv("TTL", "b")] == [-2, -2]


@pytest.mark.parametrize(("conditions", "text"), [
    (["NX", "XX"], "ERR NX and XX, GT or LT options at the same time are not compatible"),
    (["NX", "GT"], "ERR NX and XX, GT or LT options at the same time are not compatible"),
    (["LT", "NX"], "ERR NX and XX, GT or LT options at the same time are not compatible"),
    (["NX", "LT", "GT"], "ERR NX and XX, GT or LT options at the same time are not compatible"),
    (["GT", "LT"], "ERR GT and LT options at the same time are not compatible"),
    (["GT", "LT", "XX"], "ERR GT and LT options at the same time are not compatible"),
    (["AB"], "ERR Unsupported option AB"),
    (["XX", "AB"], "ERR Unsupported option AB"),
    (["NX", "GT", "a\r\nb"], "ERR Unsupported option a  b"),
    ([""], "ERR Unsupported option "),
    (["x" * 300], "ERR Unsupported option " + "x" * 300),
])
def test_conditions_that_make_no_sense(kv, conditions, text):
    fill(kv, a=1)
    assert kv("EXPIRE", "a", 100, *conditions) == Failure(text)
    assert kv("EXPIRE", "a", "not a number", *conditions) == Failure(text)
    assert kv("TTL", "a") == -1


@every_command
@pytest.mark.parametrize("time_", ["", "x", "1.5", " 1", "1 ", "99999999999999999999", "0x10"])
def test_a_time_must_be_a_number(kv, command, time_):
    fill(kv, a=1)
    assert kv(command, "a", time_) == Failure("ERR value is not an integer or out of range")


@pytest.mark.parametrize(("command", "time_"), [
    ("EXPIRE", 9223372036854776), ("EXPIRE", 9223370399119966), ("EXPIRE", 10000000000000000),
    ("EXPIRE", -9223372036854776), ("EXPIREAT", 9223372036854776), ("EXPIREAT", -9223372036854776),
    ("PEXPIRE", 9223372036854770000), ("PEXPIRE", 9223372036854775807),
])
def test_a_time_that_does_not_fit(kv, command, time_):
    fill(kv, a=1)
    for key in ("a", "nothing"):
        assert kv(command, key, time_) == Failure(f"ERR invalid expire time in '{command.lower()}' command")
    assert kv("TTL", "a") == -1


def test_the_farthest_times_that_fit(kv):
    fill(kv, a=1, b=1, c=1)
    assert kv("PEXPIREAT", "a", 2**63 - 1) == 1
    assert kv("PEXPIRETIME", "a") == 2**63 - 1
    assert kv("EXPIRETIME", "a") == 9223372036854776
    assert kv("PEXPIREAT", "b", -2**63) == 1
    assert kv("EXISTS", "b") == 0
    assert kv("EXPIREAT", "c", 9223372036854775) == 1
    assert kv("TTL", "c") > 9 * 10**15 - 10**13


def test_expiry_of_0_seconds_is_now(kv):
    fill(kv, a=1)
    assert kv("EXPIRE", "a", 0) == 1
    assert kv("EXISTS", "a") == 0


@pytest.mark.parametrize(("ms", "seconds"), [(LATE, 10000000000), (LATE + 500, 10000000000), (LATE + 501,
                                                                                              10000000001),
                                                                                              (LATE - 499,
                                                                                               10000000000),
                                             (LATE - 500, 9999999999), (1700000000000 + LATE, 11700000000)])
def test_seconds_are_rounded(kv, ms, seconds):
    fill(kv, a=1)
    kv("PEXPIREAT", "a", ms)
    assert kv("EXPIRETIME", "a") == (ms + 500) // 1000 == seconds
    assert kv("PEXPIRETIME", "a") == ms
    pttl = kv("PTTL", "a")
    assert 0 <= ms - now_ms() - pttl < 1000 or abs(ms - now_ms() - pttl) < 1000
    assert abs(kv("TTL", "a") - pttl / 1000) <= 1


@pytest.mark.parametrize("command", ["TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"])
def test_without_an_expiry_or_a_key(kv, command):
    fill(kv, a=1)
    before = kv.figures()
    assert kv(command, "a") == -1
    assert kv(command, "nothing") == -2
    after = kv.figures()
    assert (after["hits"] - before["hits"], after["misses"] - before["misses"]) == (1, 1)
    fill(kv, b=2)
    has_expired(kv, "b")
    assert kv(command, "b") == -2


def test_persist_is_propagated(kv):
    fill(kv, a=1)
    kv("EXPIRE", "a", 100)
    kv.effects()
    assert [kv("PERSIST", "a"), kv("PERSIST", "a")] == [1, 0]
    assert kv.effects() == [["PERSIST", "a"]]


def test_a_read_deletes_an_expired_key_and_says_so(kv):
    fill(kv, a=1)
    has_expired(kv, "a")
    assert kv("DBSIZE") == 1
    assert kv("GET", "a") is None
    assert kv("DBSIZE") == 0
    assert kv.effects() == [["DEL", "a"]]


def test_the_table_knows_which_keys_expire(kv):
    fill(kv, **{f"k{number}": "v" * number for number in range(300)})
    for number in range(0, 300, 2):
        assert kv("EXPIRE", f"k{number}", 1000 + number) == 1
    assert inspect.database_figures(kv.engine)[0][:2] == (300, 150)
    for number in range(0, 300, 4):
        assert kv("PERSIST", f"k{number}") == 1
    assert inspect.database_figures(kv.engine)[0][:2] == (300, 75)
    inspect.check(kv.engine)
    for number in range(300):
        assert kv("GET", f"k{number}") == b"v" * number


def test_while_loading_a_time_in_the_past_is_kept(kv):
    """The AOF that is being read says itself when a key goes."""
    fill(kv, a=1)
    kv.engine.loading = True
    try:
        replay = AofReplay(kv.engine)
        replay.feed(request("PEXPIREAT", "a", 1000) + request("PEXPIREAT", "a", -5))
        assert (replay.commands, replay.errors) == (2, 0)
        assert inspect.database_figures(kv.engine)[0][0] == 1
    finally:
        kv.engine.loading = False
    assert kv("GET", "a") is None


def test_a_local_write_in_a_pause_does_not_make_a_key_twice(kv):
    """While clients are paused expired keys are only hidden; a program that embeds the engine may write all
    the same."""
    fill(kv, a=1)
    has_expired(kv, "a")
    kv.engine.pause(True, now_ms() + 60000)
    kv.engine.execute("SET", "a", "2")
    kv.engine.unpause()
    assert kv("DBSIZE") == 1
    assert kv("GET", "a") == b"2"
