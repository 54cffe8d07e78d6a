"""HyperLogLog commands, case by case, in both RESP versions; what they tell the AOF; values that are corrupt."""
from __future__ import annotations

import random
from typing import Any

import pytest

from tests.commands.client import Client, Failure
from tests.commands.embedded import Embedded

WRONG_TYPE = Failure("WRONGTYPE Operation against a key holding the wrong kind of value")
NO_HLL = Failure("WRONGTYPE Key is not a valid HyperLogLog string value.")
CORRUPT = Failure("INVALIDOBJ Corrupted HLL object detected")
EMPTY = b"HYLL\x01\0\0\0" + b"\0" * 7 + b"\x80" + b"\x7f\xff"


@pytest.fixture(params=["sparse", "dense"])
def encoding(request: pytest.FixtureRequest) -> str:
    return request.param


def make(client: Client, key: str, encoding: str, *elements: Any) -> None:
    client("PFADD", key, *elements)
    if encoding == "dense":
        client("PFDEBUG", "TODENSE", key)
    assert client("PFDEBUG", "ENCODING", key) == encoding


class TestAdd:
    def test_a_new_key(self, client: Client) -> None:
        assert client("PFADD", "k") == 1
        assert client("PFADD", "k") == 0
        assert client("GET", "k") == EMPTY
        assert client("OBJECT", "ENCODING", "k") == b"raw"
        assert client("PFCOUNT", "k") == 0
        assert client("GET", "k") == EMPTY[:15] + b"\0" + EMPTY[16:]

    def test_known_value(self, client: Client) -> None:
        """The bytes that redis-server 7.0 makes."""
        assert client("PFADD", "k", "a", "b", "c") == 1
        assert client("PFADD", "k", "b", "a") == 0
        assert client("GET", "k").startswith(b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80")
        assert client("PFDEBUG", "DECODE", "k") == b"Z:8436 v:1,1 Z:4274 v:2,1 Z:3068 v:1,1 Z:603"

    def test_elements(self, client: Client, encoding: str) -> None:
        make(client, "k", encoding, "a")
        assert client("PFADD", "k", "", b"\0\xff" * 30, "x" * 100_000, "a") == 1
        assert client("PFCOUNT", "k") == 4
        assert client("PFADD", "k", "", "x" * 100_000) == 0

    def test_keeps_the_expiry(self, client: Client) -> None:
        client("PFADD", "k", "a")
        client("EXPIRE", "k", 100)
        client("PFADD", "k", *range(2000))
        assert client("PFDEBUG", "ENCODING", "k") == "dense"
        assert client("TTL", "k") > 90

    @pytest.mark.parametrize("limit", [0, 30, 200, 3000, 20_000])
    def test_gets_dense_at_its_limit(self, client: Client, limit: int) -> None:
        client("CONFIG", "SET", "hll-sparse-max-bytes", limit)
        for element in range(1500):
            before = client("STRLEN", "k")
            client("PFADD", "k", element)
            if client("PFDEBUG", "ENCODING", "k") == "dense":
                assert limit - 3 < before or element == 0
                break
            assert client("STRLEN", "k") <= max(limit, 18)
        assert (client("PFDEBUG", "ENCODING", "k") == "sparse") == (limit >= 3000)
        client("CONFIG", "SET", "hll-sparse-max-bytes", 3000)

    def test_one_by_one_or_at_once(self, client: Client) -> None:
        for element in range(3000):
            client("PFADD", "single", element)
        client("PFADD", "many", *range(3000))
        assert client("GET", "single") == client("GET", "many")


class TestCount:
    @pytest.mark.parametrize("count", [1, 10, 100, 1000, 10_000])
    def test_estimate(self, client: Client, count: int) -> None:
        client("PFADD", "k", *range(count))
        assert abs(client("PFCOUNT", "k") - count) <= count * 0.05

    def test_sparse_and_dense_agree(self, client: Client) -> None:
        for count in (0, 1, 7, 300, 900):
            make(client, "s", "sparse", *range(count))
            make(client, "d", "dense", *range(count))
            assert client("PFCOUNT", "s") == client("PFCOUNT", "d") == client("PFCOUNT", "s", "d")

    def test_the_estimate_is_kept(self, client: Client, encoding: str) -> None:
        make(client, "k", encoding, "a", "b", "c")
        assert client("GETRANGE", "k", 15, 15) == b"\x80"
        assert client("PFCOUNT", "k") == 3
        assert client("GETRANGE", "k", 8, 15) == b"\3" + bytes(7)
        client("PFADD", "k", "a", "b")
        assert client("GETRANGE", "k", 15, 15) == b"\0"
        client("SETRANGE", "k", 8, b"\x39\x30")
        assert client("PFCOUNT", "k") == 12345
        client("PFADD", "k", "another")
        assert client("GETRANGE", "k", 15, 15) == b"\x80"
        assert client("PFCOUNT", "k") == 4

    def test_union(self, client: Client) -> None:
        make(client, "a", "sparse", *range(100))
        make(client, "b", "dense", *range(50, 150))
        assert abs(client("PFCOUNT", "a", "b", "none") - 150) < 5
        assert client("PFCOUNT", "none", "none2") == client("PFCOUNT", "none") == 0


class TestMerge:
    @pytest.mark.parametrize("first", ["sparse", "dense", None])
    @pytest.mark.parametrize("second", ["sparse", "dense"])
    @pytest.mark.parametrize("simd", ["on", "off"])
    def test_merge(self, client: Client, first: str | None, second: str, simd: str) -> None:
        client("PFDEBUG", "SIMD", simd)
        if first:
            make(client, "to", first, *range(200))
        make(client, "a", second, *range(100, 300))
        assert client("PFMERGE", "to", "a", "none") == "OK"
        client("PFADD", "same", *range(0 if first else 100, 300))
        assert client("PFDEBUG", "ENCODING", "to") == ("dense" if "dense" in (first, second) else "sparse")
        assert client("PFDEBUG", "GETREG", "to") == client("PFDEBUG", "GETREG", "same")
        assert client("PFCOUNT", "to") == client("PFCOUNT", "same")
        client("PFDEBUG", "SIMD", "on")

    def test_nothing(self, client: Client) -> None:
        assert client("PFMERGE", "to") == "OK"
        assert client("GET", "to") == EMPTY
        client("PFADD", "to", "a")
        before = client("PFDEBUG", "DECODE", "to")
        assert client("PFMERGE", "to", "to") == "OK"
        assert client("PFDEBUG", "DECODE", "to") == before

    def test_a_merge_may_get_dense(self, client: Client) -> None:
        for part in range(4):
            make(client, f"part{part}", "sparse", *range(part * 800, part * 800 + 800))
        client("PFMERGE", "to", "part0", "part1", "part2", "part3")
        assert client("PFDEBUG", "ENCODING", "to") == "dense"
        assert abs(client("PFCOUNT", "to") - 3200) < 160


class TestDebug:
    def test_decode(self, client: Client) -> None:
        client("PFADD", "k")
        assert client("PFDEBUG", "decode", "k") == b"Z:16384"
        client("SET", "k", EMPTY[:16] + bytes([0x7F, 0xFF - 6, 0x00, 0xFF, 0x00]))
        assert client("PFDEBUG", "DECODE", "k") == b"Z:16378 z:1 v:32,4 z:1"
        client("PFDEBUG", "TODENSE", "k")
        assert client("PFDEBUG", "DECODE", "k") == Failure("ERR HLL encoding is not sparse")

    def test_todense(self, client: Client) -> None:
        client("PFADD", "k", "a")
        assert [client("PFDEBUG", "TODENSE", "k") for _ in range(2)] == [1, 0]
        assert client("STRLEN", "k") == 12304

    def test_errors(self, client: Client) -> None:
        client("PFADD", "k")
        assert client("PFDEBUG", "no", "k") == Failure("ERR Unknown PFDEBUG subcommand 'no'")
        assert client("PFDEBUG", "GETREG", "none") == Failure("ERR The specified key does not exist")
        assert client("PFDEBUG", "SIMD", "x") == Failure("ERR Argument must be ON or OFF")
        assert client("PFDEBUG", "SIMD", "OFF") == "disabled"
        assert client("PFDEBUG", "SIMD", "ON") in ("enabled", "disabled")

    def test_selftest(self, client: Client) -> None:
        assert client("PFSELFTEST") == "OK"


class TestWhatIsNone:
    @pytest.mark.parametrize("value", [
        b"", b"HYLL", b"123456789012345", EMPTY[:15], b"hyll" + EMPTY[4:], EMPTY[:4] + b"\2" + EMPTY[5:],
        EMPTY[:4] + b"\0" + EMPTY[5:], b"HYLL\0" + bytes(12300)])
    def test_strings(self, client: Client, value: bytes) -> None:
        client("SET", "k", value)
        client("PFADD", "good", "a")
        for words in (["PFADD", "k", "a"], ["PFCOUNT", "k"], ["PFCOUNT", "good", "k"], ["PFMERGE", "to", "k"],
                      ["PFMERGE", "k", "good"], ["PFDEBUG", "ENCODING", "k"]):
            assert client(*words) == NO_HLL
        assert client("GET", "k") == value
        assert client("EXISTS", "to") == 0

    def test_other_types(self, client: Client) -> None:
        client("RPUSH", "k", "a")
        for words in (["PFADD", "k", "a"], ["PFCOUNT", "k"], ["PFCOUNT", "none", "k"], ["PFMERGE", "k"],
                      ["PFDEBUG", "DECODE", "k"]):
            assert client(*words) == WRONG_TYPE

    @pytest.mark.parametrize("codes", [
        b"", b"\0", b"\x7f", b"\x7f\xfe", b"\x7f\xff\0", b"\x7f\xff\x7f", b"\x7f\xff" * 50 + b"\xff"])
    def test_corrupt_opcodes(self, client: Client, codes: bytes) -> None:
        client("SET", "k", EMPTY[:16] + codes)
        for words in (["PFCOUNT", "k"], ["PFCOUNT", "k", "none"], ["PFMERGE", "to", "k"], ["PFMERGE", "k"],
                      ["PFDEBUG", "TODENSE", "k"], ["PFDEBUG", "GETREG", "k"]):
            assert client(*words) == CORRUPT
        assert client("PFADD", "k", *range(50)) in (CORRUPT, 1)
        assert client("EXISTS", "to") == 0


@pytest.mark.parametrize("seed", range(6))
def test_whatever_the_opcodes_are(kv: Embedded, seed: int) -> None:
    """Nothing but an error comes of them; and what is accepted is one value, dense or sparse."""
    draw = random.Random(seed)
    for _ in range(150):
        codes = draw.randbytes(draw.choice([0, 1, 2, 7, 40, 700, 1500]))
        if draw.random() < 0.5:
            codes = bytes(byte & 0xBF if byte < 0x80 else byte for byte in codes)
        if draw.random() < 0.3:
            codes += b"\x7f"
        kv("SET", "k", EMPTY[:16] + codes)
        kv.engine.configure(hll_sparse_max_bytes=draw.choice([0, 100, 3000, 20_000]))
        added = kv("PFADD", "k", *[draw.random() for _ in range(draw.choice([1, 20, 300]))])
        assert added in (0, 1, CORRUPT)
        counts = kv("PFCOUNT", "k"), kv("PFCOUNT", "k", "none")
        assert counts[0] == counts[1]
        merged = kv("PFMERGE", "to", "k")
        assert (merged == CORRUPT) == (counts[0] == CORRUPT)
        kv("PFDEBUG", "DECODE", "k")
        dense = kv("PFDEBUG", "TODENSE", "k")
        assert (dense == CORRUPT) == (counts[0] == CORRUPT)
        if dense == 1:
            kv("SETRANGE", "k", 15, b"\x80")
            assert kv("PFCOUNT", "k") == counts[0]
        kv("DEL", "k", "to")
    kv.engine.configure(hll_sparse_max_bytes=3000)


class TestEffects:
    def test_what_changed_is_told(self, kv: Embedded) -> None:
        kv("PFADD", "k", "a")
        kv("PFADD", "k", "a")
        kv("PFCOUNT", "k")
        kv("PFCOUNT", "k")
        kv("PFCOUNT", "k", "k")
        kv("PFMERGE", "to", "k")
        kv("PFDEBUG", "TODENSE", "to")
        kv("PFDEBUG", "TODENSE", "to")
        assert kv.effects() == [["PFADD", "k", "a"], ["PFCOUNT", "k"], ["PFMERGE", "to", "k"], ["PFDEBUG", "TODENSE", "to"]]

    def test_changes_are_counted(self, kv: Embedded) -> None:
        before = kv.engine.dirty
        kv("PFADD", "k", "a", "b", "b")
        assert kv.engine.dirty - before == 3        # the key and two registers
        kv("PFADD", "k", "a", "b")
        assert kv.engine.dirty - before == 3

    def test_watch(self, kv: Embedded) -> None:
        kv("PFADD", "k", "a")
        kv("WATCH", "k")
        kv("PFCOUNT", "k")
        kv("MULTI")
        kv("PFADD", "k", "b")
        assert kv("EXEC") is None
        kv("WATCH", "k")
        kv("PFCOUNT", "k")
        kv("MULTI")
        kv("PFADD", "k", "b")
        assert kv("EXEC") == [1]
