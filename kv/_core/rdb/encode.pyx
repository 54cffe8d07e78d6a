"""A value in RDB.

    string                  string
    list, 18                nodes, then each node: kind (1 plain, 2 packed), string: the element, or a listpack
    set, 11, 20             string: an intset, a listpack
    set, 2                  members, then each member: string
    hash, 16                string: a listpack
    hash, 4                 fields, then each: name string, value string
    sorted set, 17          string: a listpack
    sorted set, 5           members, then each, the highest score first: string, score (8 bytes, IEEE 754)
    stream                  rdb/encode_stream

A count is a length, a string has one of the forms of rdb/writer. Source: Valkey 8.1.7, rdb.c, and what it dumps.

Which of these a value becomes follows from its encoding, and from the version that is to read it: a listpack is
written as it is where the version knows it, else element by element. No version before 10 knows listpacks, so there a
list is type 1, its elements. Every server takes the elements up again in whatever encoding it prefers.
"""
from libc.stdint cimport uint64_t

from kv._core.base.platform cimport panic
from kv._core.base.slice cimport Slice, slice_of
from kv._core.containers.intset cimport Intset, intset_bytes
from kv._core.containers.listpack cimport Listpack, listpack_bytes
from kv._core.containers.quicklist cimport Quicklist
from kv._core.containers.quicknode cimport (
    QUICKLIST_PACKED, QuicklistNode, node_raw, quicklist_node_lzf)
from kv._core.objects.entry cimport (
    ENCODING_INT, ENCODING_INTSET, ENCODING_LISTPACK, TYPE_HASH, TYPE_LIST, TYPE_SET, TYPE_STREAM, TYPE_STRING, TYPE_ZSET,
    Entry, Item, TypeOperations, entry_encoding, entry_number, entry_type, entry_word, type_operations)
from kv._core.objects.stream cimport stream_of
from kv._core.objects.string cimport NUMBER_TEXT, string_slice
from kv._core.objects.zset cimport ZsetCursor, zset_length, zset_previous, zset_seek
from kv._core.rdb.encode_stream cimport rdb_put_stream, rdb_stream_type
from kv._core.rdb.format cimport (
    RDB_HASH, RDB_HASH_LISTPACK, RDB_LIST, RDB_LIST_QUICKLIST_2, RDB_SET, RDB_SET_INTSET, RDB_SET_LISTPACK,
    RDB_STRING, RDB_ZSET_2, RDB_ZSET_LISTPACK)
from kv._core.rdb.writer cimport (
    RdbWriter, rdb_put_double, rdb_put_length, rdb_put_lzf, rdb_put_number, rdb_put_string)


cdef int rdb_type_of(const Entry *entry, int version) noexcept nogil:
    cdef int type = entry_type(entry)
    cdef bint packed = entry_encoding(entry) == ENCODING_LISTPACK and version >= 10
    if type == TYPE_STRING:
        return RDB_STRING
    if type == TYPE_LIST:
        return RDB_LIST_QUICKLIST_2 if version >= 10 else RDB_LIST
    if type == TYPE_SET:
        if entry_encoding(entry) == ENCODING_INTSET:
            return RDB_SET_INTSET
        return RDB_SET_LISTPACK if packed and version >= 11 else RDB_SET
    if type == TYPE_HASH:
        return RDB_HASH_LISTPACK if packed else RDB_HASH
    if type == TYPE_ZSET:
        return RDB_ZSET_LISTPACK if packed else RDB_ZSET_2
    if type == TYPE_STREAM:
        return rdb_stream_type(version)
    panic("a value of a type that RDB does not have")
    return RDB_STRING


cdef void rdb_put_value(RdbWriter *writer, const Entry *entry) noexcept nogil:
    cdef int type = rdb_type_of(entry, writer.version)
    cdef void *value
    if type == RDB_STRING:
        put_string_value(writer, entry)
        return
    value = entry_word(<Entry *> entry)[0]
    if type == RDB_SET_INTSET:
        rdb_put_string(writer, slice_of(<const char *> value, intset_bytes(<Intset *> value)))
    elif type == RDB_SET_LISTPACK or type == RDB_HASH_LISTPACK or type == RDB_ZSET_LISTPACK:
        rdb_put_string(writer, slice_of(<const char *> value, listpack_bytes(<Listpack *> value)))
    elif type == RDB_LIST_QUICKLIST_2:
        put_list(writer, value, entry_encoding(entry))
    elif type == RDB_ZSET_2:
        put_scores(writer, entry)
    elif entry_type(entry) == TYPE_STREAM:
        rdb_put_stream(writer, stream_of(entry))
    else:
        put_elements(writer, entry)


cdef void put_string_value(RdbWriter *writer, const Entry *entry) noexcept nogil:
    cdef char digits[NUMBER_TEXT]
    if entry_encoding(entry) == ENCODING_INT:
        rdb_put_number(writer, entry_number(<Entry *> entry)[0])
    else:
        rdb_put_string(writer, string_slice(entry, digits))


cdef bint put_item(void *argument, const Item *item) noexcept nogil:
    rdb_put_string(<RdbWriter *> argument, item.first)
    return True


cdef bint put_pair(void *argument, const Item *item) noexcept nogil:
    rdb_put_string(<RdbWriter *> argument, item.first)
    rdb_put_string(<RdbWriter *> argument, item.second)
    return True


cdef void put_elements(RdbWriter *writer, const Entry *entry) noexcept nogil:
    """The elements of a list, set or hash, a string each (a field: two)."""
    cdef int type = entry_type(entry)
    cdef const TypeOperations *operations = type_operations(type)
    cdef void *value = entry_word(<Entry *> entry)[0]
    rdb_put_length(writer, operations.length(value, entry_encoding(entry)))
    operations.walk(value, entry_encoding(entry), put_pair if type == TYPE_HASH else put_item, writer)


cdef void put_scores(RdbWriter *writer, const Entry *entry) noexcept nogil:
    """Who reads it inserts each member before all others: that is why the highest comes first."""
    cdef ZsetCursor cursor
    cdef uint64_t count = zset_length(entry)
    cdef bint more = count != 0 and zset_seek(entry, count - 1, &cursor)
    rdb_put_length(writer, count)
    while more:
        rdb_put_string(writer, cursor.member)
        rdb_put_double(writer, cursor.score)
        more = zset_previous(&cursor)


cdef void put_list(RdbWriter *writer, void *value, int encoding) noexcept nogil:
    """The nodes of a quicklist, compressed ones as they are; a listpack is a single one."""
    cdef const QuicklistNode *node
    cdef Slice lzf
    cdef size_t length
    if encoding == ENCODING_LISTPACK:
        rdb_put_length(writer, 1)
        rdb_put_length(writer, QUICKLIST_PACKED)
        rdb_put_string(writer, slice_of(<const char *> value, listpack_bytes(<Listpack *> value)))
        return
    node = (<Quicklist *> value).first
    rdb_put_length(writer, (<Quicklist *> value).nodes)
    while node != NULL:
        rdb_put_length(writer, node.kind)
        if node.compressed:
            lzf = quicklist_node_lzf(node, &length)
            rdb_put_lzf(writer, lzf, length)
        else:
            rdb_put_string(writer, node_raw(node))
        node = node.next
