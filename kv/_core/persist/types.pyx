"""How objects of each type are saved.

A new type gets its row here, and whoever saves (the AOF's base, an RDB file, DUMP, DEBUG) knows it. How its RDB forms are read
will stand in the same row.
"""
from kv._core.base.platform cimport panic
from kv._core.objects.entry cimport (
    TYPE_HASH, TYPE_LIST, TYPE_SET, TYPE_STREAM, TYPE_STRING, TYPE_ZSET)
from kv._core.persist.commands cimport (
    put_hash_commands, put_list_commands, put_set_commands, put_string_commands, put_zset_commands)
from kv._core.persist.streamcommands cimport put_stream_commands
from kv._core.rdb.encode cimport (
    rdb_hash_type, rdb_list_type, rdb_put_hash, rdb_put_list, rdb_put_set, rdb_put_string_value, rdb_put_zset, rdb_set_type,
    rdb_string_type, rdb_zset_type)
from kv._core.rdb.encode_stream cimport rdb_put_stream, rdb_stream_type

cdef SavedType TYPES[SAVED_TYPES]


cdef const SavedType *saved_types() noexcept nogil:
    return TYPES


# -- types that there are not -----------------------------------------------------------------------------------------

cdef void no_commands(Sink *sink, const Entry *entry) noexcept nogil:
    panic("a value of a type that is not known is to be saved")


cdef int no_rdb_type(const Entry *entry, int version) noexcept nogil:
    panic("a value of a type that RDB does not have")
    return -1


cdef void no_rdb(RdbWriter *writer, const Entry *entry) noexcept nogil:
    panic("a value of a type that RDB does not have")


cdef int number
for number in range(SAVED_TYPES):
    TYPES[number] = SavedType(no_commands, no_rdb_type, no_rdb)

# -- the table --------------------------------------------------------------------------------------------------------

TYPES[<int> TYPE_STRING] = SavedType(put_string_commands, rdb_string_type, rdb_put_string_value)
TYPES[<int> TYPE_LIST] = SavedType(put_list_commands, rdb_list_type, rdb_put_list)
TYPES[<int> TYPE_SET] = SavedType(put_set_commands, rdb_set_type, rdb_put_set)
TYPES[<int> TYPE_ZSET] = SavedType(put_zset_commands, rdb_zset_type, rdb_put_zset)
TYPES[<int> TYPE_HASH] = SavedType(put_hash_commands, rdb_hash_type, rdb_put_hash)
TYPES[<int> TYPE_STREAM] = SavedType(put_stream_commands, rdb_stream_type, rdb_put_stream)
