"""A value in RDB, exactly as Valkey 8.1 writes it, or as the servers before it read it.

    rdb_writer_init(&writer, RDB_VERSION, True)
    rdb_put_byte(&writer, rdb_type_of(entry, writer.version))
    rdb_put_string(&writer, entry_key(entry))
    rdb_put_value(&writer, entry)

Who walks, what stands before the key, and where the bytes go is the caller's: a file, a socket, DUMP.
"""
from kv._core.objects.entry cimport Entry
from kv._core.rdb.writer cimport RdbWriter

cdef int rdb_type_of(const Entry *entry, int version) noexcept nogil            # an RdbType
cdef void rdb_put_value(RdbWriter *writer, const Entry *entry) noexcept nogil   # without key, type and expiry
