"""A stream in RDB.

    nodes, then each:       16 bytes in a string: the node's id; string: its listpack
    entries | last id | (first id | highest deleted id | entries ever added) | groups, then each:
        name | last id | (entries read) | pending, then each: id (16 bytes), delivered (8 bytes), deliveries
        consumers, then each: name | seen (8 bytes) | (active (8 bytes)) | pending, then each: id (16 bytes)

Counts, and the two halves of an id where nothing else is said, are lengths; an id of 16 bytes has its highest byte first,
a time is in milliseconds, the lowest byte first. Types 19 and 21 have the first and second group of parentheses, only 21
has the third. Source: Valkey 8.1.7, rdb.c, and what it dumps.

A node's listpack is Valkey's, made from ours (containers/streamnode), node by node:

    live | deleted | names | name ... | 0 | entry ...
    entry:  flags | ms | seq | (count) | item ... | elements of the entry before this one

ms and seq are differences to the node's id. An entry that has the node's names has flag 2 and its values alone, another
one the count of its fields and its names, each before its value. A deleted entry has flag 1; those whose bytes a node of
ours still has are written too, as Valkey, which never drops them one by one, does.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from kv._core.base.buffer cimport Buffer, buffer_reserve
from kv._core.base.slice cimport Slice, slice_of
from kv._core.containers.idtree cimport IdPosition, IdTree, idtree_at, idtree_first, idtree_next
from kv._core.containers.listpack cimport (
    LISTPACK_EMPTY, Listpack, ListpackElement, listpack_append_within, listpack_bytes, listpack_encode,
    listpack_encode_number, listpack_init)
from kv._core.containers.streamid cimport StreamId
from kv._core.containers.streamnode cimport (
    StreamEntry, StreamFields, StreamNode, stream_fields, stream_fields_next, stream_names, stream_names_next,
    streamnode_first, streamnode_next)
from kv._core.objects.entry cimport Entry
from kv._core.objects.stream cimport Stream, stream_of
from kv._core.objects.streamgroup cimport Consumer, Group, PendingEntry, consumer_at, group_at, name_of
from kv._core.rdb.format cimport RDB_STREAM, RDB_STREAM_2, RDB_STREAM_3
from kv._core.rdb.writer cimport (
    RdbWriter, rdb_put_bytes, rdb_put_length, rdb_put_milliseconds, rdb_put_string)

cdef enum EntryFlag:
    ENTRY_DELETED = 1
    ENTRY_SAME_NAMES = 2

cdef enum:
    ID_BYTES = 16


cdef int rdb_stream_type(const Entry *entry, int version) noexcept nogil:
    return RDB_STREAM_3 if version >= 11 else RDB_STREAM_2 if version >= 10 else RDB_STREAM


cdef void rdb_put_stream(RdbWriter *writer, const Entry *entry) noexcept nogil:
    cdef const Stream *stream = stream_of(entry)
    cdef IdPosition place = idtree_first(&stream.log.nodes)
    cdef uint32_t i
    rdb_put_length(writer, stream.log.nodes.count)
    while place.leaf != NULL:
        put_node(writer, <StreamNode *> idtree_at(place))
        idtree_next(&place)
    rdb_put_length(writer, stream.log.length)
    put_id(writer, stream.last)
    if writer.version >= 10:
        put_id(writer, stream.first)
        put_id(writer, stream.max_deleted)
        rdb_put_length(writer, stream.added)
    rdb_put_length(writer, stream.groups.count)
    for i in range(stream.groups.count):
        put_group(writer, group_at(&stream.groups, i))


cdef void put_id(RdbWriter *writer, StreamId id) noexcept nogil:
    rdb_put_length(writer, id.ms)
    rdb_put_length(writer, id.seq)


cdef Slice id_bytes(StreamId id, uint8_t *into) noexcept nogil:
    """The 16 bytes of an id, which sort as ids do."""
    cdef int i
    for i in range(8):
        into[i] = <uint8_t> (id.ms >> (56 - 8 * i))
        into[8 + i] = <uint8_t> (id.seq >> (56 - 8 * i))
    return slice_of(<const char *> into, ID_BYTES)


# -- entries ----------------------------------------------------------------------------------------------------------

cdef inline void add(Buffer *pack, ListpackElement element) noexcept nogil:
    """Append to the listpack that a buffer holds."""
    buffer_reserve(pack, element.size)
    listpack_append_within(<Listpack *> pack.data, &element)
    pack.length = listpack_bytes(<Listpack *> pack.data)


cdef inline void add_number(Buffer *pack, uint64_t number) noexcept nogil:
    add(pack, listpack_encode_number(<int64_t> number))


cdef void put_node(RdbWriter *writer, StreamNode *node) noexcept nogil:
    cdef Buffer *pack = &writer.scratch
    cdef StreamEntry entry
    cdef uint8_t id[ID_BYTES]
    cdef bint more
    pack.length = 0
    listpack_init(<Listpack *> buffer_reserve(pack, LISTPACK_EMPTY))
    pack.length = LISTPACK_EMPTY
    add_number(pack, node.live)
    add_number(pack, node.tombstones)
    add_names(pack, node)
    add_number(pack, 0)
    more = streamnode_first(node, &entry)
    while more:
        add_entry(pack, &entry)
        more = streamnode_next(&entry)
    rdb_put_string(writer, id_bytes(node.id, id))
    rdb_put_string(writer, slice_of(pack.data, pack.length))


cdef void add_names(Buffer *pack, StreamNode *node) noexcept nogil:
    cdef StreamFields fields
    add_number(pack, node.names)
    stream_names(node, &fields)
    while stream_names_next(&fields):
        add(pack, listpack_encode(fields.name))


cdef void add_entry(Buffer *pack, const StreamEntry *entry) noexcept nogil:
    cdef StreamFields fields
    cdef uint64_t elements = 3 + entry.fields
    add_number(pack, (ENTRY_DELETED if entry.deleted else 0) | (0 if entry.own_names else ENTRY_SAME_NAMES))
    add_number(pack, entry.id.ms - entry.node.id.ms)
    add_number(pack, entry.id.seq - entry.node.id.seq)
    if entry.own_names:
        add_number(pack, entry.fields)
        elements += entry.fields + 1
    stream_fields(entry, &fields)
    while stream_fields_next(&fields):
        if entry.own_names:
            add(pack, listpack_encode(fields.name))
        add(pack, listpack_encode(fields.value))
    add_number(pack, elements)


# -- groups -----------------------------------------------------------------------------------------------------------

cdef void put_group(RdbWriter *writer, const Group *group) noexcept nogil:
    cdef uint32_t i
    rdb_put_string(writer, name_of(&group.named))
    put_id(writer, group.last)
    if writer.version >= 10:
        rdb_put_length(writer, <uint64_t> group.entries_read)
    put_pending(writer, &group.pending, True)
    rdb_put_length(writer, group.consumers.count)
    for i in range(group.consumers.count):
        put_consumer(writer, consumer_at(group, i))


cdef void put_consumer(RdbWriter *writer, const Consumer *consumer) noexcept nogil:
    rdb_put_string(writer, name_of(&consumer.named))
    rdb_put_milliseconds(writer, consumer.seen_ms)
    if writer.version >= 11:
        rdb_put_milliseconds(writer, consumer.active_ms)
    put_pending(writer, &consumer.pending, False)


cdef void put_pending(RdbWriter *writer, const IdTree *tree, bint whole) noexcept nogil:
    """Entries that are pending: whole, as the group has them, or their ids alone."""
    cdef IdPosition place = idtree_first(tree)
    cdef const PendingEntry *pending
    cdef uint8_t id[ID_BYTES]
    rdb_put_length(writer, tree.count)
    while place.leaf != NULL:
        pending = <const PendingEntry *> idtree_at(place)
        rdb_put_bytes(writer, id_bytes(pending.id, id).data, ID_BYTES)
        if whole:
            rdb_put_milliseconds(writer, pending.delivered_ms)
            rdb_put_length(writer, pending.deliveries)
        idtree_next(&place)
