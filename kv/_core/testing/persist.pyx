"""The parts of saving, each for itself, for the tests; see testing/base for why."""
from libc.stdint cimport uint64_t

import os

from kv._core.base.buffer cimport buffer_append
from kv._core.base.sink cimport sink_drain_if_full
from kv._core.base.slice cimport Slice, slice_of
from kv._core.engine.engine cimport Engine
from kv._core.keyspace.keyspace cimport Database, key_of, keyspace_find
from kv._core.keyspace.walk cimport Walk, walk_batch, walk_free, walk_init, walk_next
from kv._core.objects.entry cimport Entry, entry_key
from kv._core.persist.filesink cimport FileSink, filesink_flush, filesink_free, filesink_init
from kv._core.persist.save cimport Encoder, Save, save_free, save_init, save_step
from kv._core.persist.types cimport saved_type
from kv._core.rdb.writer cimport RdbWriter, rdb_put_byte, rdb_put_string, rdb_writer_free, rdb_writer_init
from kv._core.testing.parts cimport PartsSink, parts_finish, parts_init


cdef class Walker:
    """A walk, batch by batch."""
    cdef Engine engine
    cdef Walk walk

    def __cinit__(self, Engine engine not None):
        engine.enter()
        self.engine = engine
        walk_init(&self.walk, &engine.runtime.keyspace)

    def __dealloc__(self):
        walk_free(&self.walk)

    def next(self, uint64_t least):
        """(number of the database, keys of the batch); None at the end."""
        cdef uint64_t i, count = walk_next(&self.walk, least)
        cdef Slice key
        if count == 0:
            return None
        keys = []
        for i in range(count):
            key = entry_key(walk_batch(&self.walk)[i])
            keys.append(key.data[:key.length])
        return self.walk.database.id, keys

    @property
    def entries(self):
        return self.walk.entries


# -- sinks ------------------------------------------------------------------------------------------------------------

def commands(Engine engine not None, bytes name not None, size_t most):
    """(commands of a key of database 0 in the parts in which a sink gets them, the room that its buffer took)."""
    engine.enter()
    cdef list parts = []
    cdef PartsSink sink
    cdef Entry *entry = keyspace_find(&engine.runtime.keyspace, engine.runtime.keyspace.databases,
                                      key_of(slice_of(name, len(name))))
    parts_init(&sink, parts, most)
    saved_type(entry).put_commands(&sink.sink, entry)
    held = parts_finish(&sink)
    return parts, held


def write(int fd, bytes data not None, uint64_t sync_bytes=0, int times=1, bint flush=True):
    """Send data through a file's sink so many times, each time to the file or (`flush` false) as the buffer gets full: (errno of
    the fault or 0, bytes written, CRC-64, bytes unsynced, room that the buffer keeps)."""
    cdef FileSink file
    cdef const char *bytes_ = data
    cdef size_t length = len(data)
    cdef int _i
    filesink_init(&file, fd, sync_bytes, True)
    with nogil:
        for _i in range(times):
            buffer_append(&file.sink.buffer, bytes_, length)
            if flush:
                filesink_flush(&file)
            else:
                sink_drain_if_full(&file.sink)
        filesink_flush(&file)
    kept = file.sink.buffer.capacity
    filesink_free(&file)
    return file.fault, file.written, file.crc, file.unsynced, kept


# -- RDB as an encoder ------------------------------------------------------------------------------------------------

cdef void name_database(void *writer, const Database *database) noexcept nogil:
    rdb_put_byte(<RdbWriter *> writer, database.id)


cdef void put_entry(void *argument, const Entry *entry) noexcept nogil:
    cdef RdbWriter *writer = <RdbWriter *> argument
    rdb_put_byte(writer, saved_type(entry).rdb_type(entry, writer.version))
    rdb_put_string(writer, entry_key(entry))
    saved_type(entry).put_rdb(writer, entry)


cdef Encoder VALUES
VALUES.begin_database = name_database
VALUES.put_entry = put_entry


def save_values(Engine engine not None, int fd, int version=11):
    """Write types, keys and values in RDB, behind the number of each database, to a file; its CRC-64. OSError."""
    engine.enter()
    cdef FileSink file
    cdef RdbWriter writer
    cdef Save save
    filesink_init(&file, fd, 0, True)
    rdb_writer_init(&writer, &file.sink, version, False)
    save_init(&save, &engine.runtime.keyspace, &VALUES, &writer)
    while save_step(&save, 10, 0):
        pass
    filesink_flush(&file)
    save_free(&save)
    rdb_writer_free(&writer)
    filesink_free(&file)
    if file.fault:
        raise OSError(file.fault, os.strerror(file.fault))
    return file.crc
