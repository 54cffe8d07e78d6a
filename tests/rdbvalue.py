"""A reader of values in RDB, written from the format alone, so that what the core writes and what a peer dumps can be
compared whatever the order of a table is.

    read(type, data)            -> the value: bytes, a list, a set, a dict, a Stream
    read_payload(payload)       -> the same of what DUMP answers, its version and checksum checked
"""
from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any

from kv._core.testing.base import crc_crc64, lzf_decompress_bytes

STRING, LIST, SET, HASH, ZSET_2, INTSET, STREAM = 0, 1, 2, 4, 5, 11, 15
HASH_PACK, ZSET_PACK, QUICKLIST_2, STREAM_2, SET_PACK, STREAM_3 = 16, 17, 18, 19, 20, 21
Id = tuple[int, int]


@dataclass
class Node:
    """A node of a stream: its id, its names, and (id, deleted, own names, fields) of each entry."""
    id: Id
    names: list[bytes]
    entries: list[tuple[Id, bool, bool, list[tuple[bytes, bytes]]]]


@dataclass
class Consumer:
    pending: list[Id]
    seen_ms: int
    active_ms: int | None


@dataclass
class Group:
    last: Id
    entries_read: int | None
    pending: dict[Id, tuple[int, int]]  # id -> (delivered, deliveries)
    consumers: dict[bytes, Consumer]


@dataclass
class Stream:
    nodes: list[Node]
    length: int
    last: Id
    first: Id | None = None
    max_deleted: Id | None = None
    added: int | None = None
    groups: dict[bytes, Group] = field(default_factory=dict)


class Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, count: int) -> bytes:
        assert self.at + count <= len(self.data), "a value that ends too soon"
        self.at += count
        return self.data[self.at - count:self.at]

    def length(self) -> int:
        first = self.take(1)[0]
        if first < 0x40:
            return first
        if first < 0x80:
            return (first & 0x3f) << 8 | self.take(1)[0]
        return int.from_bytes(self.take({0x80: 4, 0x81: 8}[first]), "big")

    def string(self) -> bytes:
        first = self.data[self.at]
        if first < 0xc0:
            return self.take(self.length())
        self.at += 1
        if first == 0xc3:
            compressed, length = self.length(), self.length()
            text = lzf_decompress_bytes(self.take(compressed), length)
            assert len(text) == length, "a string that does not decompress"
            return text
        return b"%d" % int.from_bytes(self.take({0xc0: 1, 0xc1: 2, 0xc2: 4}[first]), "little", signed=True)

    def milliseconds(self) -> int:
        return struct.unpack("<q", self.take(8))[0]

    def raw_id(self) -> Id:
        return struct.unpack(">QQ", self.take(16))

    def id(self) -> Id:
        return self.length(), self.length()


def pack_elements(pack: bytes) -> list[bytes]:
    """The elements of a listpack; numbers as their digits."""
    size, count = struct.unpack("<IH", pack[:6])
    assert size == len(pack) and pack[-1] == 0xff, "a listpack of another size than it says"
    at, found = 6, []
    while pack[at] != 0xff:
        text, length = pack_element(pack, at)
        found.append(text)
        at += length + (1 if length < 128 else 2 if length < 16384 else 3 if length < 2097152 else 4)
    assert count in (len(found), 65535), "a listpack of another count than it says"
    return found


def pack_element(pack: bytes, at: int) -> tuple[bytes, int]:
    """An element and how many bytes it has, without its length behind."""
    head = pack[at]
    if head < 0x80:
        return b"%d" % head, 1
    if head < 0xc0:
        return pack[at + 1:at + 1 + (head & 63)], 1 + (head & 63)
    if head < 0xe0:
        number = (head & 31) << 8 | pack[at + 1]
        return b"%d" % (number - 8192 if number >= 4096 else number), 2
    if head < 0xf0:
        length = (head & 15) << 8 | pack[at + 1]
        return pack[at + 2:at + 2 + length], 2 + length
    if head == 0xf0:
        length = struct.unpack("<I", pack[at + 1:at + 5])[0]
        return pack[at + 5:at + 5 + length], 5 + length
    width = {0xf1: 2, 0xf2: 3, 0xf3: 4, 0xf4: 8}[head]
    return b"%d" % int.from_bytes(pack[at + 1:at + 1 + width], "little", signed=True), 1 + width


def pairs(flat: list[bytes]) -> list[tuple[bytes, bytes]]:
    return list(zip(flat[::2], flat[1::2], strict=True))


def intset_numbers(data: bytes) -> set[bytes]:
    width, count = struct.unpack("<II", data[:8])
    assert len(data) == 8 + width * count
    return {b"%d" % int.from_bytes(data[8 + width * i:8 + width * (i + 1)], "little", signed=True) for i in range(count)}


def read_node(id: Id, pack: bytes) -> Node:
    words = iter(pack_elements(pack))

    def number() -> int:
        return int(next(words))

    live, deleted = number(), number()
    node = Node(id, [next(words) for _ in range(number())], [])
    assert number() == 0
    while live + deleted:
        flags = number()
        entry_id = (id[0] + number()) % 2**64, (id[1] + number()) % 2**64  # differences wrap
        own = not flags & 2
        names = len(node.names) if not own else number()
        fields = [(next(words) if own else node.names[i], next(words)) for i in range(names)]
        assert number() == 3 + names + (1 + names if own else 0)
        node.entries.append((entry_id, bool(flags & 1), own, fields))
        live, deleted = live - (not flags & 1), deleted - (flags & 1)
    assert next(words, None) is None
    return node


def read_stream(reader: Reader, kind: int) -> Stream:
    nodes = []
    for _ in range(reader.length()):
        id = struct.unpack(">QQ", reader.string())
        nodes.append(read_node(id, reader.string()))
    stream = Stream(nodes, reader.length(), reader.id())
    if kind != STREAM:
        stream.first, stream.max_deleted, stream.added = reader.id(), reader.id(), reader.length()
    for _ in range(reader.length()):
        name = reader.string()
        stream.groups[name] = read_group(reader, kind)
    return stream


def read_group(reader: Reader, kind: int) -> Group:
    group = Group(reader.id(), reader.length() if kind != STREAM else None, {}, {})
    for _ in range(reader.length()):
        id = reader.raw_id()
        group.pending[id] = reader.milliseconds(), reader.length()
    for _ in range(reader.length()):
        name = reader.string()
        seen, active = reader.milliseconds(), reader.milliseconds() if kind == STREAM_3 else None
        group.consumers[name] = Consumer([reader.raw_id() for _ in range(reader.length())], seen, active)
    return group


def read_quicklist(reader: Reader) -> list[bytes]:
    elements: list[bytes] = []
    for _ in range(reader.length()):
        kind = reader.length()
        elements += [reader.string()] if kind == 1 else pack_elements(reader.string())
    return elements


def read_from(reader: Reader, kind: int) -> Any:
    if kind == STRING:
        return reader.string()
    if kind == LIST:
        return [reader.string() for _ in range(reader.length())]
    if kind == QUICKLIST_2:
        return read_quicklist(reader)
    if kind == SET:
        return {reader.string() for _ in range(reader.length())}
    if kind in (INTSET, SET_PACK):
        return intset_numbers(reader.string()) if kind == INTSET else set(pack_elements(reader.string()))
    if kind == HASH:
        return {reader.string(): reader.string() for _ in range(reader.length())}
    if kind == ZSET_2:
        return {reader.string(): struct.unpack("<d", reader.take(8))[0] for _ in range(reader.length())}
    if kind in (HASH_PACK, ZSET_PACK):
        found = dict(pairs(pack_elements(reader.string())))
        return found if kind == HASH_PACK else {member: float(score) for member, score in found.items()}
    assert kind in (STREAM, STREAM_2, STREAM_3), f"type {kind}"
    return read_stream(reader, kind)


def read(kind: int, data: bytes) -> Any:
    reader = Reader(data)
    value = read_from(reader, kind)
    assert reader.at == len(data), "bytes behind the value"
    return value


def read_payload(payload: bytes) -> Any:
    assert crc_crc64(payload[:-8]) == int.from_bytes(payload[-8:], "little")
    return read(payload[0], payload[1:-10])


def living(payload: bytes) -> Stream:
    """A stream without its deleted entries, which nobody reads."""
    stream = read_payload(payload)
    for node in stream.nodes:
        node.entries = [entry for entry in node.entries if not entry[1]]
    return stream
