"""Values in RDB that are nearly right: each type by its grammar, with a wrong part now and then, and mutations of the bytes."""
from __future__ import annotations

import random
import struct
from collections.abc import Callable

from kv._core.testing.rdb import length
from tests.rdbwords import listpack, sealed, string, ziplist, zipmap

EDGES = [0, 1, 2, 12, 13, 63, 64, 127, 128, 255, 256, 4095, 4096, 16383, 16384, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1, 2**32,
         2**62, 2**63 - 1, 2**64 - 1]
VERSIONS = [1, 4, 9, 10, 11]


class Maker:
    """Makes payloads from a seed. `wrong`: the chance of each part to be wrong."""

    def __init__(self, seed: int, wrong: float = 0.03) -> None:
        self.random, self.wrong = random.Random(seed), wrong
        self.kinds: dict[int, Callable[[], bytes]] = {
            0: self.text, 1: self.elements, 2: self.elements, 3: self.scored_text, 4: lambda: self.elements(2), 5: self.scored,
            9: lambda: self.block(zipmap(self.pairs())), 10: self.ziplist, 11: self.intset, 12: self.zset_ziplist,
            13: lambda: self.block(ziplist(self.flat())), 14: self.ziplists, 15: self.stream, 16: lambda: self.block(
                listpack(self.flat())), 17: self.zset_pack, 18: self.quicklist, 19: self.stream, 20: self.set_pack, 21: self.stream,
            22: self.elements}

    # -- parts --------------------------------------------------------------------------------------------------------

    def slips(self) -> bool:
        return self.random.random() < self.wrong

    def count(self, right: int) -> bytes:
        return length(self.random.choice([right + 1, max(right - 1, 0), *EDGES]) if self.slips() else right)

    def word(self) -> bytes | int:
        kind = self.random.random()
        if kind < 0.3:
            return self.random.choice([self.random.randrange(-200, 5000), self.random.randrange(-2**63, 2**63), 0, -1])
        size = self.random.choice([0, 1, 2, 5, 20, 63, 64, 65, 300]) if kind < 0.97 else self.random.choice([4096, 5000, 17000])
        return self.random.randbytes(size) if kind < 0.6 else self.random.choice([b"a", b"name", b"7", b"x" * size])

    def bytes(self) -> bytes:
        word = self.word()
        return b"%d" % word if isinstance(word, int) else word

    def text(self) -> bytes:
        """A string in any of its forms."""
        kind = self.random.random()
        if kind < 0.1:
            return self.random.choice([b"\xc0" + self.random.randbytes(1), b"\xc1" + self.random.randbytes(2),
                                       b"\xc2" + self.random.randbytes(4)])
        if kind < 0.2:
            part = self.random.randbytes(self.random.randrange(1, 4))
            packed = bytes([len(part) - 1]) + part + bytes([0xe0, self.random.randrange(90), len(part) - 1])
            return b"\xc3" + self.count(len(packed)) + self.count(len(part) + 9 + packed[-2]) + packed
        word = self.bytes()
        return self.count(len(word)) + word

    def some(self) -> int:
        return self.random.choice([1, 1, 2, 3, 5, 8, 20, 130, 600])

    def pairs(self) -> list[tuple[bytes, bytes]]:
        return [(self.bytes() + (b"" if self.slips() else b"%d" % i), self.bytes()) for i in range(self.some())]

    def flat(self) -> list[bytes | int]:
        return [word for pair in self.pairs() for word in pair][:-1 if self.slips() else None]

    def block(self, data: bytes) -> bytes:
        if self.slips():
            data = self.mutated(data)
        return self.count(len(data)) + data

    # -- values -------------------------------------------------------------------------------------------------------

    def elements(self, strings: int = 1) -> bytes:
        count = self.some()
        return self.count(count) + b"".join(
            string(b"%d" % i + self.bytes()) if i % strings == 0 else self.text() for i in range(strings * count))

    def score(self) -> float:
        return self.random.choice([0.0, -0.0, 1.5, 1e300, float("inf"), -float("inf"), self.random.random()]
                                  + ([float("nan")] if self.slips() else []))

    def scored(self) -> bytes:
        count = self.some()
        return self.count(count) + b"".join(string(b"%d" % i) + struct.pack("<d", self.score()) for i in range(count))

    def scored_text(self) -> bytes:
        def text() -> bytes:
            score = b"%g" % self.score()
            return {b"inf": b"\xfe", b"-inf": b"\xff", b"nan": b"\xfd"}.get(score, bytes([len(score)]) + score)

        count = self.some()
        return self.count(count) + b"".join(string(b"%d" % i) + text() for i in range(count))

    def ordered(self) -> list[bytes | int]:
        found = [(float(i // 2), b"m%05d" % i) for i in range(self.some())]
        if self.slips():
            self.random.shuffle(found)
        return [word for score, member in found for word in (member, b"%.1f" % (score + 0.5) if self.slips() else int(score))]

    def zset_pack(self) -> bytes:
        return self.block(listpack(self.ordered()))

    def zset_ziplist(self) -> bytes:
        return self.block(ziplist(self.ordered()))

    def set_pack(self) -> bytes:
        return self.block(listpack([self.bytes() + b"%d" % i for i in range(self.some())]))

    def intset(self) -> bytes:
        width = self.random.choice([2, 4, 8])
        numbers = sorted({self.random.randrange(-1 << 8 * width - 1, 1 << 8 * width - 1) for _ in range(self.some())})
        return self.block(struct.pack("<II", 3 if self.slips() else width, len(numbers)) + b"".join(
            number.to_bytes(width, "little", signed=True) for number in numbers))

    def ziplist(self) -> bytes:
        return self.block(ziplist([self.word() for _ in range(self.some())]))

    def ziplists(self) -> bytes:
        count = self.random.randrange(1, 4)
        return self.count(count) + b"".join(self.ziplist() for _ in range(count))

    def quicklist(self) -> bytes:
        count = self.random.randrange(1, 5)
        body = b""
        for _ in range(count):
            packed = self.random.random() < 0.8
            kind = self.random.choice(EDGES[:8]) if self.slips() else 1 + packed
            body += length(kind) + self.block(listpack([self.word() for _ in range(self.some())]) if packed else self.bytes())
        return self.count(count) + body

    # -- streams ------------------------------------------------------------------------------------------------------

    def node(self, names: list[bytes]) -> tuple[bytes, int]:
        """A pack of entries; how many live."""
        count, live = self.random.randrange(1, 8), 0
        body: list[bytes | int] = []
        for seq in range(count):
            same, deleted = self.random.random() < 0.7, self.random.random() < 0.2
            live += not deleted
            entry: list[bytes | int] = [deleted | same << 1, 0 if not self.slips() else self.random.choice([-5, 2**63 - 1]), seq]
            if same:
                entry += [self.bytes() for _ in names]
            else:
                own = self.random.randrange(1, 4)
                entry += [own, *[self.bytes() for _ in range(2 * own)]]
            body += [*entry, len(entry) + self.slips()]
        head = [live + self.slips(), count - live, len(names) + self.slips(), *names, 0]
        return listpack(head + body), live

    def id(self) -> bytes:
        return length(self.random.choice(EDGES) if self.slips() else 50) + length(self.random.choice(EDGES))

    def group(self, kind: int) -> bytes:
        ids = [struct.pack(">QQ", 1, i) for i in range(self.random.randrange(6))]
        body = self.text() + self.id() + (length(self.random.choice(EDGES)) if kind > 15 else b"")
        body += self.count(len(ids)) + b"".join(id + struct.pack("<q", 5) + length(2) for id in ids)
        consumers = self.random.randrange(1, 3)
        body += self.count(consumers)
        for i in range(consumers):
            mine = ids if self.slips() else ids[i::consumers]
            body += string(b"c%d" % (0 if self.slips() else i)) + bytes(8 if kind < 21 else 16)
            body += self.count(len(mine)) + b"".join(mine)
        return body

    def stream(self, kind: int = 21) -> bytes:
        nodes, total, body = self.random.randrange(4), 0, b""
        for i in range(nodes):
            pack, live = self.node([b"name", b"other"][:self.random.randrange(1, 3)])
            body += string(struct.pack(">QQ", self.random.randrange(50) if self.slips() else i + 1, 1)) + self.block(pack)
            total += live
        body = self.count(nodes) + body + self.count(total) + self.id()
        if kind > 15:
            body += self.id() + self.id() + self.count(total)
        groups = self.random.randrange(3)
        return body + self.count(groups) + b"".join(self.group(kind) for _ in range(groups))

    # -- payloads -----------------------------------------------------------------------------------------------------

    def mutated(self, data: bytes) -> bytes:
        """Some bytes changed, taken out, put in, or doubled."""
        found = bytearray(data)
        for _ in range(self.random.choice([1, 1, 1, 2, 4])):
            place, size = self.random.randrange(len(found) + 1), self.random.choice([1, 1, 2, 4, 8, 30])
            kind = self.random.randrange(5)
            if kind == 0:
                found[place:place + 1] = bytes([self.random.choice([0, 1, 2, 0x7f, 0x80, 0x81, 0xc3, 0xf0, 0xfe, 0xff])])
            elif kind == 1:
                del found[place:place + size]
            elif kind == 2:
                found[place:place] = self.random.randbytes(size)
            elif kind == 3:
                found[place:place] = found[place:place + size]
            else:
                number = self.random.choice(EDGES)
                found[place:place + 8] = struct.pack(self.random.choice(["<Q", ">Q"]), number)
        return bytes(found)

    def value(self) -> tuple[int, bytes]:
        """(type, bytes)."""
        kind = self.random.choice(list(self.kinds))
        body = self.stream(kind) if kind in (15, 19, 21) else self.kinds[kind]()
        return kind, self.mutated(body) if self.random.random() < 0.3 else body

    def payload(self) -> bytes:
        """For RESTORE."""
        kind, body = self.value()
        return sealed(bytes([kind]) + body, self.random.choice(VERSIONS) if kind != 22 else 80)

    def file(self) -> bytes:
        """An RDB file without its CRC's eight bytes, which are zero: it is not looked at."""
        found = b"REDIS0011" if self.random.random() < 0.9 else b"VALKEY080"
        for i in range(self.random.randrange(1, 6)):
            kind, body = self.value()
            beside = [b"\xfe\x01", b"\xfb" + self.count(3) + self.count(1), b"\xfa" + self.text() + self.text(),
                      b"\xf8" + self.count(5),
                      b"\xf9\x05", b"\xfc" + struct.pack("<q", self.random.choice([0, -1, 2**62])), b"\xf5" + self.text(),
                      b"\xfd" + self.random.randbytes(4), b"\xf4\x01\x01\x01", b"\xf7\x01"]
            found += b"".join(self.random.choices(beside[:8 if not self.slips() else None], k=self.random.randrange(3)))
            found += bytes([kind]) + string(b"%d" % i) + body
        found += b"\xff" + bytes(8)
        return self.mutated(found) if self.random.random() < 0.3 else found
