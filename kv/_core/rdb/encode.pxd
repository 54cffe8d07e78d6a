"""A value in RDB, exactly as Valkey 8.1 writes it, or as the servers before it read it.

    rdb_writer_init(&writer, &sink, RDB_VERSION, True)
    type = saved_type(entry)                                        persist/types: a row for each type of object
    rdb_put_byte(&writer, type.rdb_type(entry, writer.version))
    rdb_put_string(&writer, entry_key(entry))
    type.put_rdb(&writer, entry)

Who walks, what stands before the key, and where the bytes go is the caller's: a file, a socket, DUMP.
"""
from kv._core.objects.entry cimport Entry
from kv._core.rdb.writer cimport RdbWriter

# which RdbType a value is written as, for servers of a version
cdef int rdb_string_type(const Entry *entry, int version) noexcept nogil
cdef int rdb_list_type(const Entry *entry, int version) noexcept nogil
cdef int rdb_set_type(const Entry *entry, int version) noexcept nogil
cdef int rdb_zset_type(const Entry *entry, int version) noexcept nogil
cdef int rdb_hash_type(const Entry *entry, int version) noexcept nogil

# the value, without type, key and expiry
cdef void rdb_put_string_value(RdbWriter *writer, const Entry *entry) noexcept nogil
cdef void rdb_put_list(RdbWriter *writer, const Entry *entry) noexcept nogil
cdef void rdb_put_set(RdbWriter *writer, const Entry *entry) noexcept nogil
cdef void rdb_put_zset(RdbWriter *writer, const Entry *entry) noexcept nogil
cdef void rdb_put_hash(RdbWriter *writer, const Entry *entry) noexcept nogil
