"""A reader of whole RDB files, written from the format alone.

    read_file(data)     -> what stands in it: File, its checksum checked
"""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from kv._core.testing.base import crc_crc64
from tests.rdbvalue import Reader, read_from

FUNCTION, IDLE, FREQ, AUX, RESIZEDB, EXPIRY_MS, SELECTDB, EOF = 245, 248, 249, 250, 251, 252, 254, 255


@dataclass
class Key:
    kind: int
    value: Any
    expiry_ms: int | None = None
    idle_seconds: int | None = None
    frequency: int | None = None


@dataclass
class File:
    version: int
    aux: list[tuple[bytes, bytes]] = field(default_factory=list)
    libraries: list[bytes] = field(default_factory=list)
    sizes: dict[int, tuple[int, int]] = field(default_factory=dict)     # of a database: keys, keys with an expiry
    databases: dict[int, dict[bytes, Key]] = field(default_factory=dict)
    checksum: int = 0


def read_file(data: bytes) -> File:
    assert data[:5] == b"REDIS"
    reader, found = Reader(data), File(int(data[5:9]))
    reader.at, database, attributes = 9, -1, {}
    while (opcode := reader.take(1)[0]) != EOF:
        if opcode == AUX:
            assert not found.databases, "a remark behind keys"
            found.aux.append((reader.string(), reader.string()))
        elif opcode == FUNCTION:
            found.libraries.append(reader.string())
        elif opcode == SELECTDB:
            database = reader.length()
            assert database not in found.databases, "a database twice"
            found.databases[database] = {}
            assert reader.take(1)[0] == RESIZEDB
            found.sizes[database] = reader.length(), reader.length()
        elif opcode == EXPIRY_MS:
            attributes["expiry_ms"] = reader.milliseconds()
        elif opcode == IDLE:
            attributes["idle_seconds"] = reader.length()
        elif opcode == FREQ:
            attributes["frequency"] = reader.take(1)[0]
        else:
            key = reader.string()
            assert key not in found.databases[database], "a key twice"
            found.databases[database][key] = Key(opcode, read_from(reader, opcode), **attributes)
            attributes = {}
    found.checksum = int.from_bytes(reader.take(8), "little")
    assert reader.at == len(data), "bytes behind the end"
    assert found.checksum in (0, crc_crc64(data[:-8])), "a wrong checksum"
    return found
