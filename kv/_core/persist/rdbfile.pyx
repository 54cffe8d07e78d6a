"""The dataset as an RDB file.

    REDIS0011                                       magic, and the version in four digits
    AUX name value, ...                             what the file says of itself
    FUNCTION code, ...                              function libraries
    SELECTDB n, RESIZEDB keys expiring              for each database that has keys
        [EXPIRY_MS ms] [IDLE seconds | FREQ counter] type key value     for each of them
    EOF, CRC-64 (8 bytes, 0 where none is kept)

Opcodes, lengths and strings are those of rdb/format. How long a key was idle, or how often it was used, is written where
maxmemory-policy goes by that. Keys whose time has come are written, too: whoever reads the file drops them. Source: Valkey
8.1.7, rdb.c, and the files that it writes.
"""
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport strlen

from kv._core.base.sink cimport sink_drain_if_full
from kv._core.base.slice cimport Slice, slice_of
from kv._core.keyspace.database cimport database_count, database_expiring
from kv._core.keyspace.keyspace cimport (
    POLICY_LFU, POLICY_LRU, Database, Keyspace, keyspace_idle_seconds, keyspace_lfu)
from kv._core.objects.entry cimport ENTRY_EXPIRES, Entry, entry_expiry, entry_key
from kv._core.persist.filesink cimport filesink_flush
from kv._core.persist.types cimport SavedType, saved_type
from kv._core.rdb.format cimport (
    RDB_OPCODE_AUX, RDB_OPCODE_EOF, RDB_OPCODE_EXPIRY_MS, RDB_OPCODE_FREQ, RDB_OPCODE_FUNCTION, RDB_OPCODE_IDLE,
    RDB_OPCODE_RESIZEDB, RDB_OPCODE_SELECTDB)
from kv._core.rdb.writer cimport (
    rdb_put_byte, rdb_put_bytes, rdb_put_length, rdb_put_milliseconds, rdb_put_number, rdb_put_string, rdb_put_u64,
    rdb_writer_free, rdb_writer_init)

cdef extern from "<stdio.h>" nogil:
    int snprintf(char *out, size_t size, const char *form, ...)

cdef enum:
    MAGIC_BYTES = 9
    POINTER_BITS = 64
    VERSION_OF_LIBRARIES = 10   # older servers know no function libraries


cdef void rdbfile_init(RdbFile *rdb, Keyspace *keyspace, FileSink *file, int version, bint compress) noexcept nogil:
    rdb_writer_init(&rdb.writer, &file.sink, version, compress)
    rdb.file, rdb.keyspace = file, keyspace


cdef void rdbfile_free(RdbFile *rdb) noexcept nogil:
    rdb_writer_free(&rdb.writer)


# -- around the keys --------------------------------------------------------------------------------------------------

cdef void begin_aux(RdbFile *rdb, const char *name) noexcept nogil:
    """The name of what the file says of itself; its value follows."""
    rdb_put_byte(&rdb.writer, RDB_OPCODE_AUX)
    rdb_put_string(&rdb.writer, slice_of(name, strlen(name)))


cdef void put_aux_number(RdbFile *rdb, const char *name, int64_t number) noexcept nogil:
    begin_aux(rdb, name)
    rdb_put_number(&rdb.writer, number)


cdef void rdbfile_begin(RdbFile *rdb, Slice server, uint64_t used_memory, bint aof_base) noexcept nogil:
    """What stands before the keys. `server` is the version of the server that writes; `aof_base`: the file is the base of an
    AOF."""
    cdef char magic[MAGIC_BYTES + 1]
    snprintf(magic, sizeof(magic), "REDIS%04d", rdb.writer.version)
    rdb_put_bytes(&rdb.writer, magic, MAGIC_BYTES)
    begin_aux(rdb, b"valkey-ver")
    rdb_put_string(&rdb.writer, server)
    put_aux_number(rdb, b"redis-bits", POINTER_BITS)
    put_aux_number(rdb, b"ctime", rdb.keyspace.now_ms // 1000)
    put_aux_number(rdb, b"used-mem", used_memory)
    put_aux_number(rdb, b"aof-base", aof_base)


cdef void rdbfile_put_library(RdbFile *rdb, Slice code) noexcept nogil:
    """A function library, where servers of the version know them."""
    if rdb.writer.version >= VERSION_OF_LIBRARIES:
        rdb_put_byte(&rdb.writer, RDB_OPCODE_FUNCTION)
        rdb_put_string(&rdb.writer, code)


cdef void rdbfile_end(RdbFile *rdb) noexcept nogil:
    """The end, and everything to the file."""
    rdb_put_byte(&rdb.writer, RDB_OPCODE_EOF)
    filesink_flush(rdb.file)        # the checksum is that of everything before it
    rdb_put_u64(&rdb.writer, rdb.file.crc if rdb.file.checksummed else 0)
    filesink_flush(rdb.file)


# -- keys as an encoder -----------------------------------------------------------------------------------------------

cdef void begin_database(void *writer, const Database *database) noexcept nogil:
    cdef RdbFile *rdb = <RdbFile *> writer
    rdb_put_byte(&rdb.writer, RDB_OPCODE_SELECTDB)
    rdb_put_length(&rdb.writer, database.id)
    rdb_put_byte(&rdb.writer, RDB_OPCODE_RESIZEDB)
    rdb_put_length(&rdb.writer, database_count(database))
    rdb_put_length(&rdb.writer, database_expiring(database))


cdef void put_entry(void *writer, const Entry *entry) noexcept nogil:
    cdef RdbFile *rdb = <RdbFile *> writer
    cdef const SavedType *type = saved_type(entry)
    if entry.flags & ENTRY_EXPIRES:
        rdb_put_byte(&rdb.writer, RDB_OPCODE_EXPIRY_MS)
        rdb_put_milliseconds(&rdb.writer, entry_expiry(entry))
    if rdb.keyspace.policy & POLICY_LRU:
        rdb_put_byte(&rdb.writer, RDB_OPCODE_IDLE)
        rdb_put_length(&rdb.writer, keyspace_idle_seconds(rdb.keyspace, entry))
    elif rdb.keyspace.policy & POLICY_LFU:
        rdb_put_byte(&rdb.writer, RDB_OPCODE_FREQ)
        rdb_put_byte(&rdb.writer, keyspace_lfu(rdb.keyspace, entry))
    rdb_put_byte(&rdb.writer, type.rdb_type(entry, rdb.writer.version))
    rdb_put_string(&rdb.writer, entry_key(entry))
    type.put_rdb(&rdb.writer, entry)
    sink_drain_if_full(&rdb.file.sink)


cdef Encoder RDB
RDB.begin_database = begin_database
RDB.put_entry = put_entry


cdef const Encoder *rdb_encoder() noexcept nogil:
    """Entries in RDB; the writer is an RdbFile."""
    return &RDB
