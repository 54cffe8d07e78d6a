"""What a value is in RDB, for the tests; see testing/base for why."""
from libc.stdint cimport uint64_t

from kv._core.base.crc cimport crc64
from kv._core.base.sink cimport Sink, sink_free, sink_init
from kv._core.base.slice cimport slice_of
from kv._core.engine.engine cimport Engine
from kv._core.keyspace.keyspace cimport key_of, keyspace_find
from kv._core.objects.entry cimport Entry
from kv._core.persist.types cimport saved_type
from kv._core.rdb.writer cimport (
    RdbWriter, rdb_put_length, rdb_put_number, rdb_put_string,
    rdb_writer_free, rdb_writer_init)
from kv._core.testing.parts cimport PartsSink, parts_finish, parts_init


cdef Entry *entry_of(Engine engine, bytes name) except? NULL:
    return keyspace_find(&engine.runtime.keyspace, engine.runtime.keyspace.databases, key_of(slice_of(name, len(name))))


cdef void begin(RdbWriter *writer, Sink *sink, int version=11, bint compress=True) noexcept nogil:
    """A writer into a sink that keeps everything."""
    sink_init(sink, 0, NULL)
    rdb_writer_init(writer, sink, version, compress)


cdef bytes taken(RdbWriter *writer):
    """What was written; the writer and its sink are freed."""
    found = writer.sink.buffer.data[:writer.sink.buffer.length]
    sink_free(writer.sink)
    rdb_writer_free(writer)
    return found


def value(Engine engine not None, bytes name not None, int version=11, bint compress=True):
    """(type, bytes of the value) of a key of database 0; None where there is none."""
    engine.enter()
    cdef Entry *entry = entry_of(engine, name)
    cdef RdbWriter writer
    cdef Sink sink
    if entry == NULL:
        return None
    begin(&writer, &sink, version, compress)
    saved_type(entry).put_rdb(&writer, entry)
    return saved_type(entry).rdb_type(entry, version), taken(&writer)


def payload(Engine engine not None, bytes name not None, int version=11, bint compress=True):
    """What DUMP answers: type, value, version, CRC-64."""
    engine.enter()
    found = value(engine, name, version, compress)
    if found is None:
        return None
    text = bytes([found[0]]) + found[1] + version.to_bytes(2, "little")
    return text + int(crc64(0, <const char *> text, len(text))).to_bytes(8, "little")


def drained(Engine engine not None, bytes name not None, size_t most, int version=11, bint compress=True):
    """(bytes of a value in the parts in which one who drains gets them, the room that the buffer took at the end)."""
    engine.enter()
    cdef list parts = []
    cdef RdbWriter writer
    cdef PartsSink sink
    cdef Entry *entry = entry_of(engine, name)
    parts_init(&sink, parts, most)
    rdb_writer_init(&writer, &sink.sink, version, compress)
    saved_type(entry).put_rdb(&writer, entry)
    held = parts_finish(&sink)
    rdb_writer_free(&writer)
    return parts, held


def length(uint64_t number):
    cdef RdbWriter writer
    cdef Sink sink
    begin(&writer, &sink)
    rdb_put_length(&writer, number)
    return taken(&writer)


def string(bytes text not None, bint compress=True):
    cdef RdbWriter writer
    cdef Sink sink
    begin(&writer, &sink, 11, compress)
    rdb_put_string(&writer, slice_of(text, len(text)))
    return taken(&writer)


def number(long long number):
    cdef RdbWriter writer
    cdef Sink sink
    begin(&writer, &sink)
    rdb_put_number(&writer, number)
    return taken(&writer)
