"""What a value is in RDB, for the tests; see testing/base for why."""
from libc.stdint cimport uint64_t

from kv._core.base.crc cimport crc64
from kv._core.base.slice cimport slice_of
from kv._core.engine.engine cimport Engine
from kv._core.keyspace.keyspace cimport key_of, keyspace_find
from kv._core.objects.entry cimport Entry
from kv._core.rdb.encode cimport rdb_put_value, rdb_type_of
from kv._core.rdb.writer cimport (
    RdbWriter, rdb_put_length, rdb_put_number, rdb_put_string,
    rdb_writer_free, rdb_writer_init)


cdef Entry *entry_of(Engine engine, bytes name) except? NULL:
    return keyspace_find(&engine.runtime.keyspace, engine.runtime.keyspace.databases, key_of(slice_of(name, len(name))))


def value(Engine engine not None, bytes name not None, int version=11, bint compress=True):
    """(type, bytes of the value) of a key of database 0; None where there is none."""
    cdef Entry *entry = entry_of(engine, name)
    cdef RdbWriter writer
    if entry == NULL:
        return None
    rdb_writer_init(&writer, version, compress)
    rdb_put_value(&writer, entry)
    found = writer.out.data[:writer.out.length]
    rdb_writer_free(&writer)
    return rdb_type_of(entry, version), found


def payload(Engine engine not None, bytes name not None, int version=11, bint compress=True):
    """What DUMP answers: type, value, version, CRC-64."""
    found = value(engine, name, version, compress)
    if found is None:
        return None
    text = bytes([found[0]]) + found[1] + version.to_bytes(2, "little")
    return text + int(crc64(0, <const char *> text, len(text))).to_bytes(8, "little")


cdef void hand_over(RdbWriter *writer) noexcept nogil:
    with gil:
        (<list> writer.owner).append(writer.out.data[:writer.out.length])
    writer.out.length = 0


def drained(Engine engine not None, bytes name not None, size_t most, int version=11, bint compress=True):
    """(bytes of a value in the parts in which one who drains gets them, the room that the buffer took at the end)."""
    cdef list parts = []
    cdef RdbWriter writer
    rdb_writer_init(&writer, version, compress)
    writer.most, writer.drain, writer.owner = most, hand_over, <void *> parts
    rdb_put_value(&writer, entry_of(engine, name))
    hand_over(&writer)
    held = writer.out.capacity
    rdb_writer_free(&writer)
    return parts, held


cdef bytes taken(RdbWriter *writer):
    found = writer.out.data[:writer.out.length]
    rdb_writer_free(writer)
    return found


def length(uint64_t number):
    cdef RdbWriter writer
    rdb_writer_init(&writer, 11, True)
    rdb_put_length(&writer, number)
    return taken(&writer)


def string(bytes text not None, bint compress=True):
    cdef RdbWriter writer
    rdb_writer_init(&writer, 11, compress)
    rdb_put_string(&writer, slice_of(text, len(text)))
    return taken(&writer)


def number(long long number):
    cdef RdbWriter writer
    rdb_writer_init(&writer, 11, True)
    rdb_put_number(&writer, number)
    return taken(&writer)
