"""RDB made by hand: strings, packs and payloads as older servers, or nobody, would write them."""
from __future__ import annotations

import struct
from collections.abc import Iterable

from kv._core.testing.base import crc_crc64
from kv._core.testing.rdb import length

VERSION = 11


def string(text: bytes) -> bytes:
    """In its plain form."""
    return length(len(text)) + text


def payload(kind: int, body: bytes, version: int = VERSION) -> bytes:
    """What RESTORE takes, with the right CRC."""
    return sealed(bytes([kind]) + body, version)


def sealed(text: bytes, version: int = VERSION) -> bytes:
    data = text + struct.pack("<H", version)
    return data + struct.pack("<Q", crc_crc64(data))


def file_of(body: bytes, magic: bytes = b"REDIS0011") -> bytes:
    """An RDB file with the right CRC."""
    data = magic + body + b"\xff"
    return data + struct.pack("<Q", crc_crc64(data))


# -- listpacks --------------------------------------------------------------------------------------------------------

def backward(size: int) -> bytes:
    """The length behind an element's data."""
    found = bytes([size & 127])
    while size := size >> 7:
        found = bytes([size & 127]) + bytes([found[0] | 128]) + found[1:]
    return found


def pack_element(value: bytes | int) -> bytes:
    if isinstance(value, int):
        data = bytes([value]) if 0 <= value < 128 else b"\xf4" + struct.pack("<q", value)
    elif len(value) < 64:
        data = bytes([0x80 | len(value)]) + value
    elif len(value) < 4096:
        data = bytes([0xe0 | len(value) >> 8, len(value) & 255]) + value
    else:
        data = b"\xf0" + struct.pack("<I", len(value)) + value
    return data + backward(len(data))


def listpack(values: Iterable[bytes | int], count: int | None = None) -> bytes:
    elements = [pack_element(value) for value in values]
    body = b"".join(elements)
    return struct.pack("<IH", len(body) + 7, len(elements) if count is None else count) + body + b"\xff"


# -- what servers before Redis 7.0 wrote --------------------------------------------------------------------------------

def ziplist_data(value: bytes | int) -> bytes:
    if isinstance(value, int):
        if 0 <= value <= 12:
            return bytes([0xf1 + value])
        for head, bits in ((0xfe, 8), (0xc0, 16), (0xf0, 24), (0xd0, 32), (0xe0, 64)):
            if -1 << bits - 1 <= value < 1 << bits - 1:
                return bytes([head]) + value.to_bytes(bits // 8, "little", signed=True)
    if len(value) < 64:
        return bytes([len(value)]) + value
    if len(value) < 16384:
        return bytes([0x40 | len(value) >> 8, len(value) & 255]) + value
    return b"\x80" + struct.pack(">I", len(value)) + value


def ziplist(values: Iterable[bytes | int]) -> bytes:
    body, before, last, count = b"", 0, 10, 0
    for value in values:
        entry = (bytes([before]) if before < 254 else b"\xfe" + struct.pack("<I", before)) + ziplist_data(value)
        last, before, count = 10 + len(body), len(entry), count + 1
        body += entry
    return struct.pack("<IIH", len(body) + 11, last, count) + body + b"\xff"


def zipmap(fields: Iterable[tuple[bytes, bytes]], free: int = 0) -> bytes:
    def size(text: bytes) -> bytes:
        return bytes([len(text)]) if len(text) < 254 else b"\xfe" + struct.pack("<I", len(text))

    parts = [size(name) + name + size(value) + bytes([free]) + value + bytes(free) for name, value in fields]
    return bytes([min(len(parts), 254)]) + b"".join(parts) + b"\xff"
