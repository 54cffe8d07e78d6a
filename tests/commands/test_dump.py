"""DUMP and RESTORE, as their callers see them."""
from __future__ import annotations

import time

import pytest

from tests.commands.embedded import Embedded
from tests.rdbwords import payload, sealed, string

FUTURE = 4_000_000_000_000
VALUE = payload(0, string(b"value"))


def test_a_value_goes_and_comes_back(kv: Embedded) -> None:
    assert kv("DUMP", "nothing") is None
    kv("SET", "k", "v", "PX", 100_000)
    data = kv("DUMP", "k")
    assert data == payload(0, string(b"v"))
    assert kv("RESTORE", "copy", 0, data) == "OK"
    assert kv("GET", "copy") == b"v" and kv("PTTL", "copy") == -1


@pytest.mark.parametrize("size", [1000, 16_384, 3_000_000])
def test_large_payloads(kv: Embedded, size: int) -> None:
    data = bytes(range(251)) * (size // 251 + 1)
    kv("SET", "k", data)
    assert kv("RESTORE", "copy", 0, kv("DUMP", "k")) == "OK"
    assert kv("GET", "copy") == data


def test_the_version_that_is_asked_for(kv: Embedded) -> None:
    kv("SADD", "k", "a")
    for version, kind in ((9, 2), (10, 2), (11, 20)):
        kv.engine.configure(rdb_write_version=version)
        data = kv("DUMP", "k")
        assert (data[0], data[-10]) == (kind, version)
    kv.engine.configure(rdb_write_version=11)


def test_expiries(kv: Embedded) -> None:
    now = int(time.time() * 1000)
    assert kv("RESTORE", "k", 100_000, VALUE) == "OK"
    assert now + 99_000 < kv("PEXPIRETIME", "k") < now + 200_000
    assert kv("RESTORE", "k", FUTURE, VALUE, "ABSTTL", "REPLACE") == "OK"
    assert kv("PEXPIRETIME", "k") == FUTURE
    assert kv("RESTORE", "k", 0, VALUE, "ABSTTL", "REPLACE") == "OK"
    assert kv("PEXPIRETIME", "k") == -1
    assert kv("RESTORE", "list", FUTURE, payload(1, b"\x01" + string(b"a")), "ABSTTL") == "OK"
    assert kv("PEXPIRETIME", "list") == FUTURE and kv("LRANGE", "list", 0, -1) == [b"a"]


def test_one_that_has_passed_leaves_no_key(kv: Embedded) -> None:
    kv.effects()
    assert kv("RESTORE", "k", 1000, VALUE, "ABSTTL") == "OK"
    assert kv("EXISTS", "k") == 0 and kv.effects() == []
    kv("SET", "k", "old")
    kv.effects()
    dirty = kv.engine.dirty
    assert kv("RESTORE", "k", 1000, VALUE, "ABSTTL", "REPLACE") == "OK"
    assert kv("EXISTS", "k") == 0 and kv.effects() == [["DEL", "k"]] and kv.engine.dirty == dirty + 1


def test_how_long_it_was_idle(kv: Embedded) -> None:
    assert kv("RESTORE", "k", 0, VALUE, "IDLETIME", 1000) == "OK"
    assert 1000 <= kv("OBJECT", "IDLETIME", "k") < 1010
    kv.engine.configure(maxmemory_policy="allkeys-lfu")
    assert kv("RESTORE", "k", 0, VALUE, "FREQ", 100, "REPLACE") == "OK"
    assert kv("OBJECT", "FREQ", "k") == 100
    kv.engine.configure(maxmemory_policy="noeviction")


@pytest.mark.parametrize(("options", "error"), [
    (("BOGUS",), "ERR syntax error"), (("IDLETIME",), "ERR syntax error"), (("FREQ",), "ERR syntax error"),
    (("IDLETIME", 1, "FREQ", 1), "ERR syntax error"), (("FREQ", 1, "IDLETIME", 1), "ERR syntax error"),
    (("IDLETIME", -1), "ERR Invalid IDLETIME value, must be >= 0"),
    (("IDLETIME", "x"), "ERR value is not an integer or out of range"),
    (("FREQ", 256), "ERR Invalid FREQ value, must be >= 0 and <= 255"),
    (("FREQ", -1), "ERR Invalid FREQ value, must be >= 0 and <= 255")])
def test_options_that_are_wrong(kv: Embedded, options: tuple, error: str) -> None:
    assert kv("RESTORE", "k", 0, VALUE, *options) == error


def test_errors_in_their_order(kv: Embedded) -> None:
    kv("SET", "k", "old")
    assert kv("RESTORE", "k", "x", "bad") == "BUSYKEY Target key name already exists."
    assert kv("RESTORE", "k", "x", "bad", "REPLACE") == "ERR value is not an integer or out of range"
    assert kv("RESTORE", "k", -1, "bad", "REPLACE") == "ERR Invalid TTL value, must be >= 0"
    assert kv("RESTORE", "k", 2**63 - 1, "bad", "REPLACE") == "ERR Invalid TTL value, must be >= 0"
    assert kv("RESTORE", "k", 0, "bad", "REPLACE") == "ERR DUMP payload version or checksum are wrong"
    assert kv("RESTORE", "k", 0, sealed(b"\x08"), "REPLACE") == "ERR Bad data format"
    assert kv("RESTORE", "k", 0, payload(1, b"\x00"), "REPLACE") == "ERR Bad data format"
    assert kv("GET", "k") == b"old"
    assert kv("RESTORE", "k") == "ERR wrong number of arguments for 'restore' command"


def test_the_server_is_told_what_is_wrong(kv: Embedded) -> None:
    told: list[tuple] = []
    kv.engine.on_bad_payload = lambda *fault: told.append(fault)
    kv("RESTORE", "k", 0, payload(16, string(b"no pack")))
    kv("RESTORE", "k", 0, payload(1, b"\x00"))
    kv("RESTORE", "k", 0, VALUE[:-1])           # this its sender is told
    kv.engine.on_bad_payload = None
    assert told == [(kv.id, 9, "Hash listpack integrity check failed."), (kv.id, 2, "a value without elements")]


def test_versions_and_checksums(kv: Embedded) -> None:
    newer, wrong = payload(0, string(b"v"), 80), VALUE[:-1] + bytes([VALUE[-1] ^ 1])
    for data in (newer, wrong):
        assert kv("RESTORE", "k", 0, data) == "ERR DUMP payload version or checksum are wrong"
    kv.engine.configure(rdb_version_check="relaxed", skip_checksum_validation=True)
    for data in (newer, wrong):
        assert kv("RESTORE", "k", 0, data, "REPLACE") == "OK"
    kv.engine.configure(rdb_version_check="strict", skip_checksum_validation=False)
    assert kv("RESTORE", "k", 0, payload(0, string(b"v"), 5), "REPLACE") == "OK"


def test_what_is_propagated(kv: Embedded) -> None:
    kv.effects()
    text = VALUE.decode("latin-1")
    kv("RESTORE", "k", 0, VALUE)
    kv("RESTORE", "k", FUTURE, VALUE, "ABSTTL", "REPLACE")
    assert kv.effects() == [["RESTORE", "k", "0", text], ["RESTORE", "k", str(FUTURE), text, "ABSTTL", "REPLACE"]]
    kv("RESTORE", "k", 100_000, VALUE, "replace")
    expiry = kv("PEXPIRETIME", "k")
    assert kv.effects() == [["restore", "k", str(expiry), text, "replace", "ABSTTL"]]


def test_who_observes_keys_hears_of_it(kv: Embedded) -> None:
    kv.engine.configure(notify_keyspace_events="KEA")
    other = Embedded(kv.engine, 2)
    other("SUBSCRIBE", "__keyevent@0__:restore", "__keyevent@0__:del")
    kv("RESTORE", "k", 0, VALUE)
    assert other.reply()[1:] == [b"__keyevent@0__:del", 2]      # the subscription's own second reply
    assert other.reply() == [b"message", b"__keyevent@0__:restore", b"k"]
    kv("RESTORE", "k", 1, VALUE, "ABSTTL", "REPLACE")
    assert other.reply() == [b"message", b"__keyevent@0__:del", b"k"]
    kv.engine.configure(notify_keyspace_events="")
    other.close()


def test_a_waiting_client_is_served(kv: Embedded) -> None:
    other = Embedded(kv.engine, 2)
    other.send("BLPOP", "list", 0)
    kv.loop.turn(0)
    kv("RESTORE", "list", 0, payload(1, b"\x01" + string(b"a")))
    assert other.reply() == [b"list", b"a"] and kv("EXISTS", "list") == 0
    other.close()


def test_asking(kv: Embedded) -> None:
    assert kv("RESTORE-ASKING", "k", 0, VALUE) == "OK" and kv("GET", "k") == b"value"
