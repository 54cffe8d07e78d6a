"""lzf: round trips, a decoder written again in Python, and what Valkey 8.1.7 put into DUMP (crc.json)."""
import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kv._core.testing import base

DUMPS = json.loads((Path(__file__).parent / "crc.json").read_text())["dumps"]
PIECES = st.sampled_from([b"a", b"b", b"abc", b"hello ", b"\0" * 50, b"x" * 300])
REPETITIVE = st.lists(PIECES, max_size=60).map(b"".join)
DATA = REPETITIVE | st.binary(max_size=600)


def model_decompress(data, capacity):
    """The format as its drawing says; None for whatever does not follow it or does not fit."""
    out = bytearray()
    at = 0
    while at < len(data):
        control, at = data[at], at + 1
        if control < 32:
            if at + control + 1 > len(data):
                return None
            out += data[at:at + control + 1]
            at += control + 1
        else:
            count = control >> 5
            if count == 7:
                count += data[at] if at < len(data) else 0
                at += 1
            if at >= len(data):
                return None
            offset = ((control & 31) << 8 | data[at]) + 1
            at += 1
            if offset > len(out):
                return None
            for _ in range(count + 2):
                out.append(out[-offset])
        if len(out) > capacity:
            return None
    return bytes(out)


def worst(data):
    return len(data) + len(data) // 32 + 1


@given(DATA)
@example(b"")
@example(b"ab")
@example(b"a" * 264)
@example(b"a" * 265)
@example(b"a" * 266)
@example(b"xyz" + bytes(range(256)) * 31 + b"\1" * 253 + b"xyz")
def test_round_trip(data):
    packed = base.lzf_compress_bytes(data, worst(data))
    assert model_decompress(packed, len(data)) == data
    assert base.lzf_decompress_bytes(packed, len(data)) == data


@pytest.mark.parametrize("distance", [8190, 8191, 8192, 8193, 8194])
def test_window_edge(distance):
    data = b"needle".ljust(distance, b"\0") + b"needle"
    packed = base.lzf_compress_bytes(data, worst(data))
    assert base.lzf_decompress_bytes(packed, len(data)) == data
    assert packed.endswith(b"needle") == (distance > 8192)


def test_repetition_shrinks():
    assert len(base.lzf_compress_bytes(b"ab" * 50_000, 100_000)) < 1200
    assert len(base.lzf_compress_bytes(b"some words, some other words, some words again", 46)) < 40


@given(DATA, st.integers(0, 40))
def test_compress_refuses_what_does_not_fit(data, missing):
    packed = base.lzf_compress_bytes(data, worst(data))
    capacity = max(len(packed) - missing, 0)
    assert base.lzf_compress_bytes(data, capacity) == (packed if capacity >= len(packed) else b"")


@given(st.binary(max_size=60) | st.lists(st.integers(0, 255), max_size=60).map(bytes), st.integers(0, 400))
@example(b"\x1f" + b"a" * 31, 400)
@example(b"\0a\xe0\xff", 400)
@example(b"\0a\xe0", 400)
@example(b"\0a\x20", 400)
@example(b"\0a\x20\1", 400)
@example(b"\0a\xe0\xff\0", 264)
@example(b"\0a\xe0\xff\0", 265)
def test_decompress_any_bytes(data, capacity):
    assert base.lzf_decompress_bytes(data, capacity) == (model_decompress(data, capacity) or b"")


@given(REPETITIVE.filter(bool), st.data())
def test_decompress_damaged(data, draw):
    packed = bytearray(base.lzf_compress_bytes(data, worst(data)))
    packed[draw.draw(st.integers(0, len(packed) - 1))] ^= draw.draw(st.integers(1, 255))
    capacity = len(data)
    assert base.lzf_decompress_bytes(bytes(packed), capacity) == (model_decompress(packed, capacity) or b"")


def rdb_length(data, at):
    kind = data[at] >> 6
    if kind == 0:
        return data[at], at + 1
    assert kind == 1
    return (data[at] & 63) << 8 | data[at + 1], at + 2


@pytest.mark.parametrize(("value", "dump"), [fact for fact in DUMPS if fact[1].startswith("00c3")])
def test_decompress_what_the_server_wrote(value, dump):
    payload = bytes.fromhex(dump)
    packed_length, at = rdb_length(payload, 2)
    length, at = rdb_length(payload, at)
    assert length == len(value)
    assert base.lzf_decompress_bytes(payload[at:at + packed_length], length) == value.encode()
