"""DEL to SWAPDB: what each does to keys, what it answers, what it tells the AOF and replicas."""
import time
from collections import Counter

import pytest

from kv._core.engine import inspect
from tests.commands.client import Failure, Status

OK = Status("OK")
VALUES = {"int": b"12345", "embstr": b"hello", "raw": b"x" * 200, "blob": b"y" * 5000,
          "big blob": b"z" * 100000}
ENCODINGS = {"int": b"int", "embstr": b"embstr", "raw": b"raw", "blob": b"raw", "big blob": b"raw"}
every_value = pytest.mark.parametrize("make", VALUES)


def fill(kv, **keys):
    for key, value in keys.items():
        assert kv("SET", key, value) == OK
    kv.effects()


# -- DEL, UNLINK --------------------------------------------------------------------------------------------

@pytest.mark.parametrize("command", ["DEL", "UNLINK"])
class TestDel:
    @every_value
    def test_deletes_what_is_there(self, kv, command, make):
        fill(kv, a=VALUES[make], b=VALUES[make], c=VALUES[make])
        assert kv(command, "a", "nothing", "b", "a") == 2
        assert kv("EXISTS", "a", "b", "c") == 1
        assert kv.effects() == [[command, "a", "nothing", "b", "a"]]

    def test_what_deletes_nothing_is_not_propagated(self, kv, command):
        dirty = kv.engine.dirty
        assert kv(command, "nothing") == 0
        assert kv.effects() == []
        assert kv.engine.dirty == dirty

    def test_an_expired_key_does_not_count(self, kv, command):
        fill(kv, a=1, b=2)
        kv("PEXPIRE", "a", 1)
        kv.effects()
        time.sleep(0.005)
        assert kv(command, "a") == 0
        assert kv.effects() == [["DEL", "a"]]

    def test_an_expired_key_beside_a_live_one(self, kv, command):
        fill(kv, a=1, b=2)
        kv("PEXPIRE", "a", 1)
        kv.effects()
        time.sleep(0.005)
        assert kv(command, "a", "b") == 1
        assert kv.effects() == [["MULTI"], ["DEL", "a"], [command, "a", "b"], ["EXEC"]]

    def test_the_dirty_counter_counts_keys(self, kv, command):
        fill(kv, a=1, b=2)
        dirty = kv.engine.dirty
        kv(command, "a", "b", "c")
        assert kv.engine.dirty - dirty == 2

    def test_needs_a_key(self, kv, command):
        assert kv(command) == Failure(f"ERR wrong number of arguments for '{command.lower()}' command")


def test_del_frees_the_memory(kv):
    before = kv.used_memory()
    fill(kv, **{f"k{number}": b"v" * 1500 for number in range(200)})
    assert kv.used_memory() > before + 200 * 1500
    for number in range(200):
        kv("DEL", f"k{number}")
    assert kv.used_memory() < before + 20000


# -- EXISTS, TYPE, TOUCH ------------------------------------------------------------------------------------

@pytest.mark.parametrize("command", ["EXISTS", "TOUCH"])
def test_counts_a_key_as_often_as_it_is_named(kv, command):
    fill(kv, a=1, b=2)
    before = kv.figures()
    assert kv(command, "a", "a", "nothing", "b") == 3
    after = kv.figures()
    assert (after["hits"] - before["hits"], after["misses"] - before["misses"]) == (3, 1)
    assert kv.effects() == []


def test_type(kv):
    fill(kv, a=1)
    assert kv("TYPE", "a") == Status("string")
    assert kv("TYPE", "nothing") == Status("none")


def test_looking_is_no_use_but_touch_is(kv):
    fill(kv, a=1)
    clock = int(time.time())
    while int(time.time()) < clock + 2:
        time.sleep(0.05)
    for words in (["EXISTS", "a"], ["TYPE", "a"], ["TTL", "a"], ["OBJECT", "ENCODING", "a"]):
        kv(*words)
    assert kv("OBJECT", "IDLETIME", "a") >= 1
    kv.session.set_flag("no-touch", True)
    assert kv("GET", "a") == b"1"
    assert kv("OBJECT", "IDLETIME", "a") >= 1
    assert kv("TOUCH", "a") == 1
    assert kv("OBJECT", "IDLETIME", "a") == 0


# -- RENAME, RENAMENX ---------------------------------------------------------------------------------------

@pytest.mark.parametrize(("command", "done"), [("RENAME", OK), ("RENAMENX", 1)])
class TestRename:
    @every_value
    def test_moves_the_value(self, kv, command, done, make):
        fill(kv, a=VALUES[make])
        assert kv(command, "a", "b") == done
        assert kv("GET", "b") == VALUES[make]
        assert kv("OBJECT", "ENCODING", "b") == ENCODINGS[make]
        assert kv("EXISTS", "a") == 0
        assert kv.effects() == [[command, "a", "b"]]

    @pytest.mark.parametrize("length", [1, 255, 256, 3000])
    def test_names_of_any_length(self, kv, command, done, length):
        long = b"n" * length
        fill(kv, a="value")
        assert kv(command, "a", long) == done
        inspect.check(kv.engine)
        assert kv(command, long, "a") == done
        assert kv("GET", "a") == b"value"

    def test_the_expiry_goes_with_the_value(self, kv, command, done):
        fill(kv, a=1)
        kv("PEXPIREAT", "a", 9999999999999)
        assert kv(command, "a", "b") == done
        assert kv("PEXPIRETIME", "b") == 9999999999999
        assert kv("PERSIST", "b") == 1

    def test_without_a_source(self, kv, command, done):
        assert kv(command, "nothing", "b") == Failure("ERR no such key")
        assert kv(command, "nothing", "nothing") == Failure("ERR no such key")

    def test_the_change_counts_once(self, kv, command, done):
        fill(kv, a=1)
        dirty = kv.engine.dirty
        kv(command, "a", "b")
        assert kv.engine.dirty == dirty + 1

    def test_an_expired_target_is_free(self, kv, command, done):
        fill(kv, a=1, b=2)
        kv("PEXPIRE", "b", 1)
        kv.effects()
        time.sleep(0.005)
        assert kv(command, "a", "b") == done
        assert kv("GET", "b") == b"1"
        assert kv("TTL", "b") == -1
        assert kv.effects() == [["MULTI"], ["DEL", "b"], [command, "a", "b"], ["EXEC"]]


def test_rename_replaces_and_does_not_inherit_the_expiry(kv):
    fill(kv, a=VALUES["blob"], b=VALUES["raw"])
    kv("EXPIRE", "b", 100)
    assert kv("RENAME", "a", "b") == OK
    assert kv("GET", "b") == VALUES["blob"]
    assert kv("TTL", "b") == -1
    assert kv("DBSIZE") == 1


def test_renamenx_leaves_an_existing_key_alone(kv):
    fill(kv, a=1, b=2)
    assert kv("RENAMENX", "a", "b") == 0
    assert (kv("GET", "a"), kv("GET", "b")) == (b"1", b"2")
    assert kv.effects() == []


def test_rename_to_itself(kv):
    fill(kv, a=1)
    assert kv("RENAME", "a", "a") == OK
    assert kv("RENAMENX", "a", "a") == 0
    assert kv("GET", "a") == b"1"
    assert kv.effects() == []


# -- COPY, MOVE ---------------------------------------------------------------------------------------------

class TestCopy:
    @every_value
    def test_copies_value_encoding_and_expiry(self, kv, make):
        fill(kv, a=VALUES[make])
        kv("PEXPIREAT", "a", 9999999999999)
        kv.effects()
        assert kv("COPY", "a", "b") == 1
        assert kv.effects() == [["COPY", "a", "b"]]
        assert kv("SET", "a", "changed") == OK
        assert kv("GET", "b") == VALUES[make]
        assert kv("OBJECT", "ENCODING", "b") == ENCODINGS[make]
        assert kv("PEXPIRETIME", "b") == 9999999999999

    def test_into_another_database(self, kv):
        fill(kv, a="value")
        assert kv("COPY", "a", "a", "DB", 3) == 1
        assert kv("COPY", "a", "a", "DB", 3) == 0
        kv("SELECT", 3)
        assert kv("GET", "a") == b"value"
        kv("SELECT", 0)

    @every_value
    def test_replace(self, kv, make):
        fill(kv, a=VALUES[make], b="old")
        kv("EXPIRE", "b", 100)
        kv.effects()
        assert kv("COPY", "a", "b") == 0
        assert kv.effects() == []
        assert kv("COPY", "a", "b", "replace") == 1
        assert kv("GET", "b") == VALUES[make]
        assert kv("TTL", "b") == -1
        assert kv("DBSIZE") == 2

    def test_counts_the_look_at_the_source(self, kv):
        fill(kv, a=1)
        before = kv.figures()
        kv("COPY", "a", "b")
        kv("COPY", "nothing", "b")
        after = kv.figures()
        assert (after["hits"] - before["hits"], after["misses"] - before["misses"]) == (1, 1)

    def test_an_expired_target_is_free(self, kv):
        fill(kv, a=1, b=2)
        kv("PEXPIRE", "b", 1)
        time.sleep(0.005)
        assert kv("COPY", "a", "b") == 1
        assert kv("GET", "b") == b"1"

    @pytest.mark.parametrize(("words", "text"), [
        (["a", "a"], "ERR source and destination objects are the same"),
        (["a", "a", "DB", "0"], "ERR source and destination objects are the same"),
        (["a", "b", "DB"], "ERR syntax error"),
        (["a", "b", "DB", "x"], "ERR value is not an integer or out of range"),
        (["a", "b", "DB", "16"], "ERR DB index is out of range"),
        (["a", "b", "DB", "-1"], "ERR DB index is out of range"),
        (["a", "b", "DB", "2147483648"],
         "ERR value is out of range, value must between -2147483648 and 2147483647"),
        (["a", "b", "REPLACE", "NX"], "ERR syntax error"),
        (["a"], "ERR wrong number of arguments for 'copy' command"),
    ])
    def test_mistakes(self, kv, words, text):
        assert kv("COPY", *words) == Failure(text)


class TestMove:
    @every_value
    def test_takes_value_and_expiry_along(self, kv, make):
        fill(kv, a=VALUES[make], b=VALUES[make])
        kv("PEXPIREAT", "b", 9999999999999)
        kv.effects()
        assert [kv("MOVE", "a", 5), kv("MOVE", "b", 5)] == [1, 1]
        assert kv.effects() == [["MOVE", "a", "5"], ["MOVE", "b", "5"]]
        assert kv("DBSIZE") == 0
        kv("SELECT", 5)
        assert [kv("GET", "a"), kv("TTL", "a"), kv("PEXPIRETIME", "b")] == [VALUES[make], -1, 9999999999999]
        kv("SELECT", 0)

    def test_not_onto_an_existing_key(self, kv):
        fill(kv, a=1)
        kv("COPY", "a", "a", "DB", 5)
        kv.effects()
        assert kv("MOVE", "a", 5) == 0
        assert kv("MOVE", "nothing", 5) == 0
        assert kv.effects() == []

    def test_onto_an_expired_key(self, kv):
        fill(kv, a=1)
        kv("COPY", "a", "a", "DB", 5)
        kv("SELECT", 5)
        kv("PEXPIRE", "a", 1)
        kv("SELECT", 0)
        kv.effects()
        time.sleep(0.005)
        assert kv("MOVE", "a", 5) == 1
        assert kv.effects() == [["MULTI"], ["SELECT", "5"], ["DEL", "a"], ["MOVE", "a", "5"], ["EXEC"]]

    @pytest.mark.parametrize(("words", "text"), [
        (["a", "0"], "ERR source and destination objects are the same"),
        (["a", "x"], "ERR value is not an integer or out of range"),
        (["a", "99"], "ERR DB index is out of range"),
        (["a", "-3000000000"], "ERR value is out of range, value must between -2147483648 and 2147483647"),
    ])
    def test_mistakes(self, kv, words, text):
        assert kv("MOVE", *words) == Failure(text)


# -- RANDOMKEY, DBSIZE, SWAPDB ------------------------------------------------------------------------------

def test_randomkey_draws_every_key(kv):
    assert kv("RANDOMKEY") is None
    fill(kv, **{f"k{number}": 1 for number in range(20)})
    seen = Counter(kv("RANDOMKEY") for _ in range(2000))
    assert len(seen) == 20
    assert min(seen.values()) > 40


def test_randomkey_deletes_the_expired_keys_it_meets(kv):
    fill(kv, a=1, b=2)
    kv("PEXPIRE", "a", 1)
    kv("PEXPIRE", "b", 1)
    kv.effects()
    time.sleep(0.005)
    assert kv("RANDOMKEY") is None
    assert kv("DBSIZE") == 0
    assert sorted(kv.effects()) == [["DEL", "a"], ["DEL", "b"]]


def test_randomkey_ends_where_expired_keys_must_stay(kv):
    fill(kv, a=1)
    kv("PEXPIRE", "a", 1)
    time.sleep(0.005)
    kv.engine.pause(True, int(time.time() * 1000) + 60000)
    try:
        assert kv("RANDOMKEY") == b"a"
        assert kv("GET", "a") is None
        assert kv("DBSIZE") == 1
    finally:
        kv.engine.unpause()
    assert kv("RANDOMKEY") is None


def test_swapdb_exchanges_keys_and_expiries(kv):
    fill(kv, a=1)
    kv("EXPIRE", "a", 1000)
    kv("SELECT", 1)
    fill(kv, b=2, c=3)
    kv("SELECT", 0)
    kv.effects()
    assert kv("SWAPDB", 0, 1) == OK
    assert kv.effects() == [["SWAPDB", "0", "1"]]
    assert [kv("DBSIZE"), kv("GET", "b"), kv("EXISTS", "a")] == [2, b"2", 0]
    kv("SELECT", 1)
    assert [kv("DBSIZE"), kv("TTL", "a")] == [1, 1000]
    assert kv("SWAPDB", 1, 1) == OK
    assert kv("DBSIZE") == 1
    kv("SELECT", 0)


@pytest.mark.parametrize(("words", "text"), [
    (["44", "55"], "ERR DB index is out of range"),
    (["0", "16"], "ERR DB index is out of range"),
    (["a", "b"], "ERR invalid first DB index"),
    (["2147483648", "0"], "ERR invalid first DB index"),
    (["44", "a"], "ERR invalid second DB index"),
])
def test_swapdb_mistakes(kv, words, text):
    assert kv("SWAPDB", *words) == Failure(text)


# -- FLUSHDB, FLUSHALL --------------------------------------------------------------------------------------

@pytest.mark.parametrize("how", [[], ["sync"], ["ASYNC"]])
class TestFlush:
    def test_flushdb_empties_one_database(self, kv, how):
        fill(kv, **{f"k{number}": "v" * number for number in range(300)})
        kv("COPY", "k1", "k1", "DB", 1)
        dirty = kv.engine.dirty
        kv.effects()
        assert kv("FLUSHDB", *how) == OK
        assert kv.engine.dirty - dirty == 300
        assert kv.effects() == [["FLUSHDB", *how]]
        assert [kv("DBSIZE"), kv("KEYS", "*"), kv("GET", "k1")] == [0, [], None]
        kv("SELECT", 1)
        assert kv("DBSIZE") == 1
        kv("SELECT", 0)
        fill(kv, again=1)
        assert kv("KEYS", "*") == [b"again"]

    def test_flushall_empties_all(self, kv, how):
        fill(kv, a=1)
        kv("COPY", "a", "b", "DB", 15)
        kv.effects()
        assert kv("FLUSHALL", *how) == OK
        assert kv.effects() == [["FLUSHALL", *how]]
        assert [figures[0] for figures in inspect.database_figures(kv.engine)] == [0] * 16

    def test_an_empty_database_is_flushed_for_the_replicas_sake(self, kv, how):
        dirty = kv.engine.dirty
        assert kv("FLUSHDB", *how) == OK
        assert kv("FLUSHALL", *how) == OK
        assert kv.effects() == [["FLUSHDB", *how], ["FLUSHALL", *how]]
        assert kv.engine.dirty == dirty


def wait_until(condition):
    for _ in range(500):
        if condition():
            return True
        time.sleep(0.01)
    return False


@pytest.mark.parametrize("how", ["async", "by configuration"])
def test_an_async_flush_frees_in_the_background_and_counts(kv, how):
    before = kv.used_memory()
    fill(kv, **{f"k{number}": b"v" * 900 for number in range(2000)})
    freed = kv.figures()["lazyfreed"]
    if how == "async":
        kv("FLUSHALL", "ASYNC")
    else:
        kv.engine.configure(lazyfree_lazy_user_flush=True)
        kv("FLUSHALL")
        kv.engine.configure(lazyfree_lazy_user_flush=False)
    assert wait_until(lambda: kv.figures()["lazyfree_pending"] == 0)
    assert kv.figures()["lazyfreed"] - freed == 2000
    assert kv.used_memory() < before + 100000
    inspect.reset_statistics(kv.engine)
    assert kv.figures()["lazyfreed"] == 0


def test_an_async_flush_of_nothing_frees_nothing(kv):
    inspect.reset_statistics(kv.engine)
    kv("FLUSHALL", "ASYNC")
    assert (kv.figures()["lazyfree_pending"], kv.figures()["lazyfreed"]) == (0, 0)


def test_unlink_of_a_string_is_not_worth_a_thread(kv):
    inspect.reset_statistics(kv.engine)
    fill(kv, a=VALUES["big blob"])
    assert kv("UNLINK", "a") == 1
    assert (kv.figures()["lazyfree_pending"], kv.figures()["lazyfreed"]) == (0, 0)


@pytest.mark.parametrize("words", [["x"], ["sync", "x"], ["async", "sync"]])
@pytest.mark.parametrize("command", ["FLUSHDB", "FLUSHALL"])
def test_flush_mistakes(kv, command, words):
    fill(kv, a=1)
    assert kv(command, *words) == Failure("ERR syntax error")
    assert kv("DBSIZE") == 1


# -- OBJECT, MEMORY USAGE -----------------------------------------------------------------------------------

@every_value
def test_object_encoding(kv, make):
    fill(kv, a=VALUES[make])
    assert kv("OBJECT", "ENCODING", "a") == ENCODINGS[make]
    assert kv("object", "refcount", "a") == 1


@pytest.mark.parametrize("subcommand", ["ENCODING", "FREQ", "IDLETIME", "REFCOUNT"])
def test_object_of_nothing(kv, subcommand):
    before = kv.figures()["misses"]
    assert kv("OBJECT", subcommand, "nothing") is None
    assert kv.figures()["misses"] == before + 1
    assert kv("OBJECT", subcommand) == Failure(
        f"ERR wrong number of arguments for 'object|{subcommand.lower()}' command")


def test_object_by_policy(kv):
    fill(kv, a=1)
    assert kv("OBJECT", "FREQ", "a") == Failure(
        "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when "
        "switching between policies at runtime LRU and LFU data will take some time to adjust.")
    kv.engine.configure(maxmemory_policy="allkeys-lfu")
    try:
        fill(kv, b=1)
        assert kv("OBJECT", "FREQ", "b") == 5
        for _ in range(50):
            kv("GET", "b")
        assert kv("OBJECT", "FREQ", "b") > 5
        assert kv("OBJECT", "IDLETIME", "a") == Failure(
            "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching "
            "between policies at runtime LRU and LFU data will take some time to adjust.")
    finally:
        kv.engine.configure(maxmemory_policy="noeviction")


def test_object_help(kv):
    lines = kv("OBJECT", "HELP")
    assert lines[0] == Status("OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:")
    assert lines[-2:] == [Status("HELP"), Status("    Print this help.")]
    assert len(lines) == 15
    assert kv("OBJECT", "WHAT") == Failure("ERR unknown subcommand 'WHAT'. Try OBJECT HELP.")
    assert kv("OBJECT") == Failure("ERR wrong number of arguments for 'object' command")


@every_value
def test_memory_usage_is_what_the_key_took(kv, make):
    used = kv.used_memory()
    fill(kv, **{f"k{number}": VALUES[make] for number in range(1, 9)})
    grown = kv.used_memory() - used
    usage = kv("MEMORY", "USAGE", "k1")
    assert len(VALUES[make]) * (make != "int") < usage <= grown / 8 + 16
    assert kv("MEMORY", "USAGE", "k1", "SAMPLES", 0) == usage
    assert kv("MEMORY", "USAGE", "k1", "SAMPLES", 5, "samples", 1) == usage


def test_memory_usage_mistakes(kv):
    assert kv("MEMORY", "USAGE", "nothing") is None
    assert kv("MEMORY", "USAGE", "a", "SAMPLES") == Failure("ERR syntax error")
    assert kv("MEMORY", "USAGE", "a", "SAMPLES", -1) == Failure("ERR syntax error")
    assert kv("MEMORY", "USAGE", "a", "SAMPLES",
              "x") == Failure("ERR value is not an integer or out of range")
    assert kv("MEMORY", "USAGE", "a", "WHAT", 1) == Failure("ERR syntax error")
    assert kv("MEMORY", "USAGE") == Failure("ERR wrong number of arguments for 'memory|usage' command")


def test_words_of_errors(client):
    assert client("EXEC", 1) == "EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command"
    assert client("PUBSUB", "channels", "a", "b") == (
        "ERR unknown subcommand or wrong number of arguments for 'channels'. Try PUBSUB HELP.")
    assert client("PEXPIRE", "k", 1, "no\r\nthing\r\n") == "ERR Unsupported option no  thing"
