"""What is said of values that can't be read: Valkey's texts, one for each type, encoding and part.

Taken from Valkey 8.1.7; with KV_TEST_CHECK_RDB=/path/valkey-check-rdb each file is given to that program, too.
"""
from __future__ import annotations

import os
import struct
import subprocess
from pathlib import Path

import pytest

from kv._core.engine.engine import Engine
from kv._core.engine.rdbload import BYTES, CUT_OFF, RdbFault, RdbLoad
from tests.commands.embedded import Embedded
from tests.rdbwords import file_of, listpack, sealed, string, ziplist, zipmap

PEER = os.environ.get("KV_TEST_CHECK_RDB", "")
TWICE = [b"a", 1, b"a", 2]
END = "Unexpected EOF reading RDB file"
ID = struct.pack(">QQ", 1, 1)
ENTRY: list[bytes | int] = [1, 0, 1, b"name", 0, 2, 0, 0, b"value", 4]
NODE = string(ID) + string(listpack(ENTRY))
NUMBERS = bytes([1, 9, 9, 1, 1, 0, 0, 1])       # length, last id, first id, highest deleted id, added
GROUP = string(b"group") + bytes([1, 1, 1])     # last id, entries read
PENDING = ID + bytes(8) + b"\x01"


def stream(rest: bytes = b"", nodes: bytes = b"\x01" + NODE, kind: int = 21) -> bytes:
    return bytes([kind]) + nodes + rest


def consumer(name: bytes, *pending: bytes) -> bytes:
    return string(name) + bytes(16) + bytes([len(pending)]) + b"".join(pending)


def groups(*parts: bytes) -> bytes:
    return stream(NUMBERS + bytes([len(parts)]) + b"".join(parts))


# type and value of a key, and what is said
REFUSED: dict[str, tuple[bytes, str]] = {
    "length": (b"\x01\x82", "Unknown length encoding 2 in rdbLoadLen()"),
    "string form": (b"\x00\xc5", "Unknown RDB string encoding type 5"),
    "LZF": (b"\x00\xc3\x03\x0aabc", "Invalid LZF compressed string"),
    "set": (b"\x02\x02" + 2 * string(b"a"), "Duplicate set members detected"),
    "score": (b"\x05\x01" + string(b"a") + struct.pack("<d", float("nan")), "Zset with NAN score detected"),
    "old score": (b"\x03\x01" + string(b"a") + b"\xfd", "Zset with NAN score detected"),
    "sorted set": (b"\x05\x02" + 2 * (string(b"a") + struct.pack("<d", 1)), "Duplicate zset fields detected"),
    "small hash": (b"\x04\x02" + 2 * (string(b"a") + string(b"b")), "Hash with dup elements"),
    "large hash": (b"\x04\x02" + 2 * (string(b"a") + string(b"b" * 99)), "Duplicate hash fields detected"),
    "quicklist": (b"\x12\x01\x03" + string(listpack([1])), "Quicklist integrity check failed."),
    "quicklist's listpack": (b"\x12\x01\x02" + string(b"no pack"), "Listpack integrity check failed."),
    "quicklist's ziplist": (b"\x0e\x01" + string(b"no pack"), "Ziplist integrity check failed."),
    "zipmap": (b"\x09" + string(b"\x01\x01a\x09\x00b\xff"), "Zipmap integrity check failed."),
    "zipmap of nothing": (b"\x09" + string(b"\x00\xff"), "Zipmap integrity check failed."),
    "zipmap's length": (b"\x09" + string(b"\x01\xfe\x01\x00\x00\x00a\x01\x00b\xff"), "Zipmap integrity check failed."),
    "zipmap's names": (b"\x09" + string(zipmap([(b"abc", b"1"), (b"abc", b"2")])),
                       "Hash zipmap with dup elements, or big length (3)"),
    "list ziplist": (b"\x0a" + string(b"no pack"), "List ziplist integrity check failed."),
    "intset": (b"\x0b" + string(struct.pack("<II", 5, 0)), "Intset integrity check failed."),
    "set listpack": (b"\x14" + string(b"no pack"), "Set listpack integrity check failed."),
    "set listpack's members": (b"\x14" + string(listpack([b"a", b"a"])), "Set listpack integrity check failed."),
    "sorted set ziplist": (b"\x0c" + string(b"no pack"), "Zset ziplist integrity check failed."),
    "sorted set ziplist's members": (b"\x0c" + string(ziplist(TWICE)), "Zset ziplist integrity check failed."),
    "sorted set listpack": (b"\x11" + string(b"no pack"), "Zset listpack integrity check failed."),
    "sorted set listpack's members": (b"\x11" + string(listpack(TWICE)), "Zset listpack integrity check failed."),
    "hash ziplist": (b"\x0d" + string(b"no pack"), "Hash ziplist integrity check failed."),
    "hash ziplist's names": (b"\x0d" + string(ziplist(TWICE)), "Hash ziplist integrity check failed."),
    "hash listpack": (b"\x10" + string(b"no pack"), "Hash listpack integrity check failed."),
    "hash listpack's names": (b"\x10" + string(listpack(TWICE)), "Hash listpack integrity check failed."),
    "early module": (b"\x06", "Pre-release module format not supported"),
    "stream node": (stream(nodes=b"\x01" + string(b"no id") + string(listpack([1]))),
                    "Stream node key entry is not the size of a stream ID"),
    "stream listpack": (stream(nodes=b"\x01" + string(ID) + string(b"no pack")), "Stream listpack integrity check failed."),
    "stream's ids": (stream(nodes=b"\x02" + NODE + NODE), "Listpack re-added with existing key"),
    "stream's length": (stream(NUMBERS, nodes=b"\x00"), "Stream length inconsistent with rax entries"),
    "groups": (groups(*2 * [GROUP + bytes(2)]), "Duplicated consumer group name group"),
    "pending": (groups(GROUP + b"\x02" + 2 * PENDING + b"\x00"), "Duplicated global PEL entry loading stream consumer group"),
    "consumers": (groups(GROUP + b"\x00\x02" + 2 * consumer(b"bob")), "Duplicate stream consumer detected."),
    "consumer's pending": (groups(GROUP + b"\x00\x01" + consumer(b"bob", ID)), "Consumer entry not found in group global PEL"),
    "consumer's pending twice": (groups(GROUP + b"\x01" + PENDING + b"\x01" + consumer(b"bob", ID, ID)),
                                 "Duplicated consumer PEL entry  loading a stream consumer group"),
    "pending to nobody": (groups(GROUP + b"\x01" + PENDING + b"\x00"), "Stream CG PEL entry without consumer"),
}
CUT: dict[str, tuple[bytes, str]] = {
    "nothing": (b"\x00", END), "text": (b"\x00\x05abc", END), "member": (b"\x02\x01", END),
    "hash": (b"\x04\x01" + string(b"a"), END),
    "pack": (b"\x10\x20abc", END), "score": (b"\x05\x01" + string(b"a") + bytes(5), END),
    "stream": (stream(nodes=b""), "Stream listpacks len loading failed."),
    "stream node": (stream(nodes=b"\x01\x10" + ID[:9]), "Stream primary ID loading failed: invalid encoding or I/O error."),
    "stream listpack": (stream(nodes=b"\x01" + string(ID) + b"\x20abc"), "Stream listpacks loading failed."),
    "stream numbers": (stream(NUMBERS[:5]), "Stream object metadata loading failed."),
    "stream groups": (stream(NUMBERS), "Stream cgroup count loading failed."),
    "group name": (stream(NUMBERS + b"\x01\x05gro"), "Error reading the consumer group name from Stream"),
    "group id": (stream(NUMBERS + b"\x01" + GROUP[:-2]), "Stream cgroup ID loading failed."),
    "group offset": (stream(NUMBERS + b"\x01" + GROUP[:-1]), "Stream cgroup offset loading failed."),
    "pending": (stream(NUMBERS + b"\x01" + GROUP), "Stream PEL size loading failed."),
    "consumers": (stream(NUMBERS + b"\x01" + GROUP + b"\x01" + PENDING), "Stream consumers num loading failed."),
    "consumer name": (stream(NUMBERS + b"\x01" + GROUP + b"\x00\x01\x05bo"),
                      "Error reading the consumer name from Stream group."),
    "seen time": (stream(NUMBERS + b"\x01" + GROUP + b"\x00\x01" + string(b"b" * 9) + bytes(3)),
                  "Stream short read reading seen time."),
    "active time": (stream(NUMBERS + b"\x01" + GROUP + b"\x00\x01" + string(b"bob") + bytes(11)),
                    "Stream short read reading active time."),
    "consumer's pending": (stream(NUMBERS + b"\x01" + GROUP + b"\x00\x01" + string(b"bob") + bytes(16)),
                           "Stream consumer PEL num loading failed."),
}


def fault_of(tmp_path: Path, data: bytes) -> RdbFault:
    path = tmp_path / "dump.rdb"
    path.write_bytes(data)
    fd = os.open(path, os.O_RDONLY)
    try:
        with pytest.raises(RdbFault) as caught:
            RdbLoad(Engine(None, seed=1), fd, deep=True).step()
    finally:
        os.close(fd)
    if PEER:
        said = subprocess.run([PEER, str(path)], capture_output=True, text=True).stdout
        assert f"-> {caught.value}\n" in said or f"] {caught.value}\n" in said, said
    return caught.value


def file_with(value: bytes) -> bytes:
    """A file whose last key, k, has a type and value; it ends behind the value."""
    return file_of(b"\xfe\x00" + value[:1] + string(b"k") + value[1:])


@pytest.mark.parametrize("name", REFUSED)
def test_bytes_that_are_wrong(tmp_path: Path, name: str) -> None:
    value, complaint = REFUSED[name]
    fault = fault_of(tmp_path, file_with(value))
    assert (str(fault), fault.key, fault.kind) == (complaint, b"k", BYTES)


@pytest.mark.parametrize("name", CUT)
def test_bytes_that_end_too_early(tmp_path: Path, name: str) -> None:
    value, complaint = CUT[name]
    fault = fault_of(tmp_path, file_with(value)[:-9])
    assert (str(fault), fault.key, fault.kind) == (complaint, b"k", CUT_OFF if complaint == END else BYTES)


@pytest.mark.parametrize("name", REFUSED)
def test_a_payload_is_refused_for_the_same(name: str) -> None:
    engine = Engine(None, seed=1)
    client, told = Embedded(engine, 2), []
    engine.on_bad_payload = lambda session, offset, complaint: told.append(complaint)
    engine.configure(sanitize_dump_payload="yes")
    assert client("RESTORE", "k", 0, sealed(REFUSED[name][0])) == "ERR Bad data format"
    assert told == [REFUSED[name][1]]
    client.close()


@pytest.mark.parametrize(("limit", "kind", "pack", "complaint"), [
    ("hash_max_listpack_entries", 16, listpack(TWICE), "Hash listpack with dup elements"),
    ("set_max_listpack_entries", 20, listpack([b"a", b"a"]), "Duplicate set members detected"),
    ("zset_max_listpack_entries", 17, listpack(TWICE), "Duplicate zset fields detected")])
def test_a_table_is_made_of_a_pack_that_nobody_searched(limit: str, kind: int, pack: bytes, complaint: str) -> None:
    engine = Engine(None, seed=1)
    client, told = Embedded(engine, 2), []
    engine.on_bad_payload = lambda session, offset, complaint: told.append(complaint)
    engine.configure(sanitize_dump_payload="no", **{limit: 1})
    assert client("RESTORE", "k", 0, sealed(bytes([kind]) + string(pack))) == "ERR Bad data format"
    assert told == [complaint]
    client.close()
