"""crc against binascii, division bit by bit, and DUMP and CLUSTER KEYSLOT of Valkey 8.1.7 (crc.json)."""
import binascii
import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kv._core.testing import base

FACTS = json.loads((Path(__file__).parent / "crc.json").read_text())


@pytest.fixture(scope="module", params=["folded", "tables"], autouse=True)
def way(request):
    """Both ways of taking CRC-64, as far as this processor has them."""
    if not base.crc_fold(request.param == "folded") and request.param == "folded":
        pytest.skip("this processor can't multiply without carries")
    yield request.param
    base.crc_fold(True)


def slow_crc64(data, crc=0):
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x95AC9329AC4BC9B5 if crc & 1 else 0)
    return crc


def test_check_values():
    assert base.crc_crc64(b"123456789") == 0xE9C6D914C4B8D9CA
    assert base.crc_crc16(b"123456789") == 0x31C3


@pytest.mark.parametrize(("value", "dump"), FACTS["dumps"])
def test_crc64_ends_a_dump(value, dump):
    payload = bytes.fromhex(dump)
    assert base.crc_crc64(payload[:-8]) == int.from_bytes(payload[-8:], "little")


@given(st.binary(max_size=600), st.integers(0, 2**64 - 1))
def test_crc64_follows_on_any_other(data, crc):
    assert base.crc_crc64(data, crc) == slow_crc64(data, crc)


@pytest.mark.parametrize("length", [*range(100, 300), 1000, 4095, 4096, 4097])
def test_crc64_of_every_length(length):
    data = random.Random(length).randbytes(length)
    assert base.crc_crc64(data) == slow_crc64(data)


@given(st.binary(max_size=200))
def test_crc64_is_the_remainder(data):
    assert base.crc_crc64(data) == slow_crc64(data)


@given(st.binary(max_size=500), st.binary(max_size=500))
def test_crc64_goes_on_where_it_stopped(first, second):
    assert base.crc_crc64(second, base.crc_crc64(first)) == base.crc_crc64(first + second)


@given(st.binary(max_size=200))
def test_crc16_is_xmodem(data):
    assert base.crc_crc16(data) == binascii.crc_hqx(data, 0)


@pytest.mark.parametrize(("key", "slot"), FACTS["slots"])
def test_key_slot_as_the_server(key, slot):
    assert base.crc_key_slot(key.encode()) == slot


@given(st.text("{}ab", max_size=8).map(str.encode))
def test_key_slot_takes_the_first_tag(key):
    opening = key.find(b"{")
    closing = key.find(b"}", opening + 1)
    tagged = opening >= 0 and closing > opening + 1
    hashed = key[opening + 1:closing] if tagged else key
    assert base.crc_key_slot(key) == binascii.crc_hqx(hashed, 0) % 16384
