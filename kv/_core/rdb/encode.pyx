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

from kv._core.base.slice cimport Slice, slice_of
from kv._core.containers.intset cimport Intset, intset_bytes
from kv._core.containers.listpack cimport Listpack, listpack_bytes
from kv._core.containers.quicklist cimport Quicklist
from kv._core.containers.quicknode cimport (
    QUICKLIST_PACKED, QuicklistNode, node_raw, quicklist_node_lzf)
from kv._core.objects.entry cimport (
    ENCODING_INT, ENCODING_INTSET, ENCODING_LISTPACK, Entry, Item, entry_encoding, entry_number, entry_word, item_visitor)
from kv._core.objects.string cimport NUMBER_TEXT, string_slice
from kv._core.objects.value cimport value_length, value_walk
from kv._core.objects.zset cimport ZsetCursor, zset_length, zset_previous, zset_seek
from kv._core.rdb.format cimport (
    RDB_HASH, RDB_HASH_LISTPACK, RDB_LIST, RDB_LIST_QUICKLIST_2, RDB_SET, RDB_SET_INTSET, RDB_SET_LISTPACK,
    RDB_STRING, RDB_ZSET_2, RDB_ZSET_LISTPACK)
from kv._core.rdb.writer cimport (
    RdbWriter, rdb_put_double, rdb_put_length, rdb_put_lzf, rdb_put_number, rdb_put_string)


# -- strings ----------------------------------------------------------------------------------------------------------

cdef int rdb_string_type(const Entry *entry, int version) noexcept nogil:
    return RDB_STRING


cdef void rdb_put_string_value(RdbWriter *writer, const Entry *entry) noexcept nogil:
    cdef char digits[NUMBER_TEXT]
    if entry_encoding(entry) == ENCODING_INT:
        rdb_put_number(writer, entry_number(<Entry *> entry)[0])
    else:
        rdb_put_string(writer, string_slice(entry, digits))


# -- packs and elements -----------------------------------------------------------------------------------------------

cdef inline bint packed(const Entry *entry, int version) noexcept nogil:
    """Whether the value is a listpack, and the version knows those."""
    return entry_encoding(entry) == ENCODING_LISTPACK and version >= 10


cdef void put_pack(RdbWriter *writer, const Entry *entry) noexcept nogil:
    cdef Listpack *pack = <Listpack *> entry_word(<Entry *> entry)[0]
    rdb_put_string(writer, slice_of(<const char *> pack, listpack_bytes(pack)))


cdef bint put_item(void *argument, const Item *item) noexcept nogil:
    rdb_put_string(<RdbWriter *> argument, item.first)
    return True


cdef bint put_pair(void *argument, const Item *item) noexcept nogil:
    rdb_put_string(<RdbWriter *> argument, item.first)
    rdb_put_string(<RdbWriter *> argument, item.second)
    return True


cdef void put_elements(RdbWriter *writer, const Entry *entry, item_visitor put) noexcept nogil:
    rdb_put_length(writer, value_length(entry))
    value_walk(entry, put, writer)


# -- lists ------------------------------------------------------------------------------------------------------------

cdef int rdb_list_type(const Entry *entry, int version) noexcept nogil:
    return RDB_LIST_QUICKLIST_2 if version >= 10 else RDB_LIST


cdef void rdb_put_list(RdbWriter *writer, const Entry *entry) noexcept nogil:
    if writer.version < 10:
        put_elements(writer, entry, put_item)
    elif entry_encoding(entry) == ENCODING_LISTPACK:
        rdb_put_length(writer, 1)
        rdb_put_length(writer, QUICKLIST_PACKED)
        put_pack(writer, entry)
    else:
        put_nodes(writer, <Quicklist *> entry_word(<Entry *> entry)[0])


cdef void put_nodes(RdbWriter *writer, const Quicklist *list) noexcept nogil:
    """The nodes of a quicklist, compressed ones as they are."""
    cdef const QuicklistNode *node = list.first
    cdef Slice lzf
    cdef size_t length
    rdb_put_length(writer, list.nodes)
    while node != NULL:
        rdb_put_length(writer, node.kind)
        if node.compressed:
            lzf = quicklist_node_lzf(node, &length)
            rdb_put_lzf(writer, lzf, length)
        else:
            rdb_put_string(writer, node_raw(node))
        node = node.next


# -- sets, hashes, sorted sets ----------------------------------------------------------------------------------------

cdef int rdb_set_type(const Entry *entry, int version) noexcept nogil:
    if entry_encoding(entry) == ENCODING_INTSET:
        return RDB_SET_INTSET
    return RDB_SET_LISTPACK if packed(entry, version) and version >= 11 else RDB_SET


cdef void rdb_put_set(RdbWriter *writer, const Entry *entry) noexcept nogil:
    cdef int type = rdb_set_type(entry, writer.version)
    cdef Intset *numbers
    if type == RDB_SET_INTSET:
        numbers = <Intset *> entry_word(<Entry *> entry)[0]
        rdb_put_string(writer, slice_of(<const char *> numbers, intset_bytes(numbers)))
    elif type == RDB_SET_LISTPACK:
        put_pack(writer, entry)
    else:
        put_elements(writer, entry, put_item)


cdef int rdb_hash_type(const Entry *entry, int version) noexcept nogil:
    return RDB_HASH_LISTPACK if packed(entry, version) else RDB_HASH


cdef void rdb_put_hash(RdbWriter *writer, const Entry *entry) noexcept nogil:
    if packed(entry, writer.version):
        put_pack(writer, entry)
    else:
        put_elements(writer, entry, put_pair)


cdef int rdb_zset_type(const Entry *entry, int version) noexcept nogil:
    return RDB_ZSET_LISTPACK if packed(entry, version) else RDB_ZSET_2


cdef void rdb_put_zset(RdbWriter *writer, const Entry *entry) noexcept nogil:
    """Who reads the elements inserts each member before all others: that is why the highest comes first."""
    cdef ZsetCursor cursor
    cdef uint64_t count
    cdef bint more
    if packed(entry, writer.version):
        put_pack(writer, entry)
        return
    count = zset_length(entry)
    more = count != 0 and zset_seek(entry, count - 1, &cursor)
    rdb_put_length(writer, count)
    while more:
        rdb_put_string(writer, cursor.member)
        rdb_put_double(writer, cursor.score)
        more = zset_previous(&cursor)
