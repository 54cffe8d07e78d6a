"""A stream out of RDB: the mirror of rdb/encode_stream, where the form is drawn.

Each of Valkey's listpacks becomes one node of ours. Deleted entries are counted and left out: nobody can read them, and their ids
need not be in order, since servers before 7.0 let XSETID go back behind an entry that was deleted.

What must hold, whoever wrote it: ids grow from entry to entry and from node to node, every entry has a field, the last id is
none below an entry's, what is pending to a group is pending to exactly one of its consumers. The number of entries is counted
rather than believed.
"""
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memset

from kv._core.base.buffer cimport Buffer, buffer_free, buffer_reserve
from kv._core.base.machine cimport load_u64_be
from kv._core.base.memory cimport memory_free
from kv._core.base.slice cimport Slice, slice_of
from kv._core.containers.idtree cimport (
    IdPosition, idtree_at, idtree_first, idtree_insert, idtree_last, idtree_next)
from kv._core.containers.listpack cimport (
    LISTPACK_NUMBER_SIZE, Listpack, ListpackValue, listpack_first, listpack_get, listpack_next, listpack_slice,
    listpack_validate)
from kv._core.containers.streamid cimport StreamId, stream_id, stream_id_below
from kv._core.containers.streamlog cimport STREAM_LARGEST_NODE
from kv._core.containers.streamnode cimport (
    StreamNode, streamnode_append, streamnode_fit, streamnode_new)
from kv._core.objects.entry cimport Entry, entry_free
from kv._core.objects.stream cimport (
    Stream, stream_entries_before, stream_find_first, stream_last_entry, stream_new, stream_of)
from kv._core.objects.streamgroup cimport (
    Consumer, Group, PendingEntry, consumer_find, consumer_new, group_find, group_new, pending_assign, pending_find,
    pending_new)
from kv._core.rdb.format cimport RDB_STREAM, RDB_STREAM_2, RDB_STREAM_3
from kv._core.rdb.reader cimport (
    RdbReader, rdb_complain, rdb_complain_cut_off, rdb_complain_text, rdb_count_fits, rdb_get_bytes, rdb_get_count,
    rdb_get_length, rdb_get_milliseconds, rdb_get_string, rdb_read_or_complain, rdb_skip_string)
from kv._core.rdb.source cimport source_skip

cdef enum EntryFlag:
    ENTRY_DELETED = 1
    ENTRY_SAME_NAMES = 2

cdef enum:
    ID_BYTES = 16
    LEAST_PENDING = ID_BYTES + 8 + 1    # bytes of an entry that is pending to a group
    LEAST_CONSUMER = 1 + 8 + 1
    LEAST_GROUP = 1 + 2 + 1 + 1

cdef struct Words:              # name, value, name, value ...
    Buffer slices
    Buffer digits               # text of those that the pack holds as numbers, LISTPACK_NUMBER_SIZE bytes each
    uint64_t fields

cdef struct PackReader:         # a walk over one of Valkey's listpacks
    const Listpack *pack
    uint8_t *at                 # the next element, NULL: the end
    uint64_t elements           # that were read
    uint64_t left               # ... and that are left
    Words shared                # the node's names, each with the value of the entry that was read last
    Words own                   # of an entry that has its own names


cdef StreamId id_of(const uint8_t *bytes) noexcept nogil:
    return stream_id(load_u64_be(bytes), load_u64_be(bytes + 8))


# -- the elements of a pack -------------------------------------------------------------------------------------------

cdef inline void step(PackReader *from_) noexcept nogil:
    from_.at = listpack_next(from_.pack, from_.at)
    from_.elements += 1
    from_.left -= 1


cdef bint take_number(PackReader *from_, int64_t *number) noexcept nogil:
    cdef ListpackValue value
    if from_.at == NULL:
        return False
    value = listpack_get(from_.at)
    number[0] = value.number
    step(from_)
    return value.text == NULL


cdef bint take_word(PackReader *from_, Words *words, uint64_t index) noexcept nogil:
    """An element as a word."""
    if from_.at == NULL:
        return False
    (<Slice *> words.slices.data)[index] = listpack_slice(from_.at, words.digits.data + index * LISTPACK_NUMBER_SIZE)
    step(from_)
    return True


cdef bint make_room(Words *words, int64_t fields, uint64_t left) noexcept nogil:
    """For so many fields, of which at least one element each is among those that are left."""
    if fields < 1 or <uint64_t> fields > left:
        return False
    buffer_reserve(&words.slices, 2 * fields * sizeof(Slice))
    buffer_reserve(&words.digits, 2 * fields * LISTPACK_NUMBER_SIZE)
    words.fields = fields
    return True


cdef inline const Slice *words_of(const Words *words) noexcept nogil:
    return <const Slice *> words.slices.data


cdef StreamNode *take_names(PackReader *from_, StreamId id, int64_t *live, int64_t *deleted) noexcept nogil:
    """What a pack begins with, as an empty node; NULL: it is wrong."""
    cdef int64_t names = 0, zero = 0
    cdef uint64_t i
    if not (take_number(from_, live) and take_number(from_, deleted) and take_number(from_, &names)
            and make_room(&from_.shared, names, from_.left)):
        return NULL
    for i in range(from_.shared.fields):
        (<Slice *> from_.shared.slices.data)[2 * i + 1] = slice_of(b"", 0)
        if not take_word(from_, &from_.shared, 2 * i):
            return NULL
    if not take_number(from_, &zero) or zero != 0:
        return NULL
    return streamnode_new(id, words_of(&from_.shared), from_.shared.fields)


cdef bint take_values(PackReader *from_) noexcept nogil:
    cdef uint64_t i
    for i in range(from_.shared.fields):
        if not take_word(from_, &from_.shared, 2 * i + 1):
            return False
    return True


cdef bint take_fields(PackReader *from_) noexcept nogil:
    """Of an entry that has its own names."""
    cdef int64_t fields = 0
    cdef uint64_t i
    if not take_number(from_, &fields) or not make_room(&from_.own, fields, from_.left // 2):
        return False
    for i in range(2 * from_.own.fields):
        if not take_word(from_, &from_.own, i):
            return False
    return True


# -- parts of a stream, and what is said where the bytes end inside them -------------------------------------------------

cdef enum Part:
    PART_NODE
    PART_GROUP
    PART_PENDING
    PART_CONSUMER
    PART_CONSUMER_PENDING

cdef const char *NO_COUNT[PART_CONSUMER_PENDING + 1]    # the count of the parts is not there
cdef const char *NO_PART[PART_CONSUMER_PENDING + 1]     # what a part begins with is not
NO_COUNT[<int> PART_NODE] = b"Stream listpacks len loading failed."
NO_COUNT[<int> PART_GROUP] = b"Stream cgroup count loading failed."
NO_COUNT[<int> PART_PENDING] = b"Stream PEL size loading failed."
NO_COUNT[<int> PART_CONSUMER] = b"Stream consumers num loading failed."
NO_COUNT[<int> PART_CONSUMER_PENDING] = b"Stream consumer PEL num loading failed."
NO_PART[<int> PART_NODE] = b"Stream primary ID loading failed: invalid encoding or I/O error."
NO_PART[<int> PART_GROUP] = b"Error reading the consumer group name from Stream"
NO_PART[<int> PART_PENDING] = b"Stream PEL ID loading failed."
NO_PART[<int> PART_CONSUMER] = b"Error reading the consumer name from Stream group."
NO_PART[<int> PART_CONSUMER_PENDING] = b"Stream short read reading PEL streamID."


cdef bint get_parts(RdbReader *reader, Part part, uint64_t least, uint64_t *count) noexcept nogil:
    """How many parts follow, of so many bytes at least."""
    return (rdb_read_or_complain(reader, rdb_get_length(reader, count), NO_COUNT[<int> part])
            and rdb_read_or_complain(reader, rdb_count_fits(reader, least, count[0]), NO_PART[<int> part]))


cdef bint get_part_name(RdbReader *reader, Part part, Slice *name) noexcept nogil:
    return rdb_read_or_complain(reader, rdb_get_string(reader, name), NO_PART[<int> part])


cdef bint get_part_id(RdbReader *reader, Part part, uint8_t *id) noexcept nogil:
    return rdb_read_or_complain(reader, rdb_get_bytes(reader, id, ID_BYTES), NO_PART[<int> part])


# -- nodes ------------------------------------------------------------------------------------------------------------

cdef StreamNode *take_entry(PackReader *from_, StreamNode *node) noexcept nogil:
    """Put the next entry into the node, unless it is deleted; where the node is now, NULL: the entry is wrong, the node stays."""
    cdef int64_t flags = 0, ms = 0, seq = 0, elements = 0
    cdef uint64_t start = from_.elements
    cdef const Words *words
    cdef StreamId id
    if not (take_number(from_, &flags) and take_number(from_, &ms) and take_number(from_, &seq)):
        return NULL
    if not (take_values(from_) if flags & ENTRY_SAME_NAMES else take_fields(from_)):
        return NULL
    if not take_number(from_, &elements) or <uint64_t> elements != from_.elements - start - 1:
        return NULL
    if flags & ENTRY_DELETED:
        node.deleted += 1
        return node
    id = stream_id(node.id.ms + <uint64_t> ms, node.id.seq + <uint64_t> seq)
    if stream_id_below(id, node.id) or (node.live and not stream_id_below(node.last, id)):
        return NULL
    words = &from_.shared if flags & ENTRY_SAME_NAMES else &from_.own
    return streamnode_append(node, id, words_of(words), words.fields)


cdef StreamNode *take_node(PackReader *from_, StreamId id) noexcept nogil:
    """A whole pack as a node; NULL: it is wrong."""
    cdef int64_t live = 0, deleted = 0
    cdef StreamNode *node = take_names(from_, id, &live, &deleted)
    cdef StreamNode *moved = node
    if node == NULL:
        return NULL
    while moved != NULL and from_.at != NULL:
        moved = take_entry(from_, node)
        if moved != NULL:
            node = moved
    if moved == NULL or node.live != live or node.deleted != deleted:
        memory_free(node)
        return NULL
    return streamnode_fit(node)


cdef bint get_node(RdbReader *reader, PackReader *from_, Stream *stream) noexcept nogil:
    """One node with what is before it: its id. One of which nothing lives is left out."""
    cdef StreamNode *before = <StreamNode *> idtree_at(idtree_last(&stream.log.nodes))
    cdef StreamNode *node
    cdef StreamId id
    cdef Slice text
    if not get_part_name(reader, PART_NODE, &text):
        return False
    if text.length != ID_BYTES:
        return rdb_complain(reader, b"Stream node key entry is not the size of a stream ID")
    id = id_of(<const uint8_t *> text.data)
    if not rdb_read_or_complain(reader, rdb_get_string(reader, &text), b"Stream listpacks loading failed."):
        return False
    if text.length > STREAM_LARGEST_NODE or not listpack_validate(text.data, text.length, &from_.left):
        return rdb_complain(reader, b"Stream listpack integrity check failed.")
    if from_.left == 0:
        return rdb_complain(reader, b"Empty listpack inside stream")
    if before != NULL and not stream_id_below(before.last, id):
        return rdb_complain(reader, b"Listpack re-added with existing key")
    from_.pack, from_.elements = <const Listpack *> text.data, 0
    from_.at = listpack_first(from_.pack)
    node = take_node(from_, id)
    if node == NULL:
        return rdb_complain(reader, b"Stream listpack integrity check failed.")
    if node.live == 0:
        memory_free(node)
        return True
    stream.log.length += node.live
    idtree_insert(&stream.log.nodes, node)
    return True


cdef bint get_nodes(RdbReader *reader, Stream *stream) noexcept nogil:
    cdef PackReader from_
    cdef uint64_t nodes = 0, i = 0
    if not get_parts(reader, PART_NODE, 2, &nodes):
        return False
    memset(&from_, 0, sizeof(PackReader))
    while i < nodes and get_node(reader, &from_, stream):
        i += 1
    buffer_free(&from_.shared.slices)
    buffer_free(&from_.shared.digits)
    buffer_free(&from_.own.slices)
    buffer_free(&from_.own.digits)
    return i == nodes


# -- what stands behind the nodes -------------------------------------------------------------------------------------

cdef bint get_id(RdbReader *reader, StreamId *id) noexcept nogil:
    return rdb_get_length(reader, &id.ms) and rdb_get_length(reader, &id.seq)


cdef bint get_numbers(RdbReader *reader, Stream *stream, int type, uint64_t *length) noexcept nogil:
    cdef StreamId first
    stream.added = stream.log.length
    return rdb_get_length(reader, length) and get_id(reader, &stream.last) and (type == RDB_STREAM or (
        get_id(reader, &first) and get_id(reader, &stream.max_deleted) and rdb_get_length(reader, &stream.added)))


cdef bint get_figures(RdbReader *reader, Stream *stream, int type) noexcept nogil:
    """The stream's own numbers. How many entries it has and which is the first is known by now."""
    cdef uint64_t length = 0
    if not rdb_read_or_complain(reader, get_numbers(reader, stream, type, &length), b"Stream object metadata loading failed."):
        return False
    if length and stream.log.nodes.root == NULL:
        return rdb_complain(reader, b"Stream length inconsistent with rax entries")
    stream_find_first(stream)
    return not stream_id_below(stream.last, stream_last_entry(stream)) or rdb_complain(
        reader, b"Stream last ID is below that of an entry")


cdef bint get_pending(RdbReader *reader, Group *group) noexcept nogil:
    """Everything that is pending to a group; to whom is read later."""
    cdef PendingEntry *pending
    cdef uint8_t id[ID_BYTES]
    cdef uint64_t count = 0, _i
    if not get_parts(reader, PART_PENDING, LEAST_PENDING, &count):
        return False
    for _i in range(count):
        if not get_part_id(reader, PART_PENDING, id):
            return False
        if pending_find(group, id_of(id)) != NULL:
            return rdb_complain(reader, b"Duplicated global PEL entry loading stream consumer group")
        pending = pending_new(group, id_of(id))
        if not rdb_read_or_complain(
                reader, rdb_get_milliseconds(reader, &pending.delivered_ms) and rdb_get_length(reader, &pending.deliveries),
                b"Stream PEL NACK loading failed."):
            return False
    return True


cdef bint get_consumer_pending(RdbReader *reader, Group *group, Consumer *consumer) noexcept nogil:
    cdef PendingEntry *pending
    cdef uint8_t id[ID_BYTES]
    cdef uint64_t count = 0, _i
    if not get_parts(reader, PART_CONSUMER_PENDING, ID_BYTES, &count):
        return False
    for _i in range(count):
        if not get_part_id(reader, PART_CONSUMER_PENDING, id):
            return False
        pending = pending_find(group, id_of(id))
        if pending == NULL:
            return rdb_complain(reader, b"Consumer entry not found in group global PEL")
        if pending.consumer != NULL:
            return rdb_complain(reader, b"Duplicated consumer PEL entry  loading a stream consumer group")
        pending_assign(pending, consumer)
    return True


cdef bint get_consumer(RdbReader *reader, Group *group, int type) noexcept nogil:
    cdef Consumer *consumer
    cdef Slice name
    if not get_part_name(reader, PART_CONSUMER, &name):
        return False
    if consumer_find(group, name) != NULL:
        return rdb_complain(reader, b"Duplicate stream consumer detected.")
    consumer = consumer_new(group, name, 0)
    if not rdb_read_or_complain(reader, rdb_get_milliseconds(reader, &consumer.seen_ms), b"Stream short read reading seen time."):
        return False
    consumer.active_ms = consumer.seen_ms
    if type == RDB_STREAM_3 and not rdb_read_or_complain(
            reader, rdb_get_milliseconds(reader, &consumer.active_ms), b"Stream short read reading active time."):
        return False
    return get_consumer_pending(reader, group, consumer)


cdef bint all_assigned(const Group *group) noexcept nogil:
    cdef IdPosition place = idtree_first(&group.pending)
    while place.leaf != NULL:
        if (<const PendingEntry *> idtree_at(place)).consumer == NULL:
            return False
        idtree_next(&place)
    return True


cdef bint get_group(RdbReader *reader, Stream *stream, int type) noexcept nogil:
    cdef uint64_t consumers = 0, entries_read = 0, _i
    cdef Group *group
    cdef Slice name
    if not get_part_name(reader, PART_GROUP, &name):
        return False
    if group_find(&stream.groups, name) != NULL:
        return rdb_complain_text(reader, b"Duplicated consumer group name %.*s", name)
    group = group_new(&stream.groups, name, stream_id(0, 0), 0)
    if not rdb_read_or_complain(reader, get_id(reader, &group.last), b"Stream cgroup ID loading failed."):
        return False
    if type != RDB_STREAM and not rdb_read_or_complain(
            reader, rdb_get_length(reader, &entries_read), b"Stream cgroup offset loading failed."):
        return False
    group.entries_read = stream_entries_before(stream, group.last) if type == RDB_STREAM else <int64_t> entries_read
    if not get_pending(reader, group) or not get_parts(reader, PART_CONSUMER, LEAST_CONSUMER, &consumers):
        return False
    for _i in range(consumers):
        if not get_consumer(reader, group, type):
            return False
    return all_assigned(group) or rdb_complain(reader, b"Stream CG PEL entry without consumer")


cdef bint get_groups(RdbReader *reader, Stream *stream, int type) noexcept nogil:
    cdef uint64_t groups = 0, _i
    if not get_parts(reader, PART_GROUP, LEAST_GROUP, &groups):
        return False
    for _i in range(groups):
        if not get_group(reader, stream, type):
            return False
    return True


cdef Entry *get_stream(RdbReader *reader, Slice key, int type) noexcept nogil:
    cdef Entry *entry = stream_new(key)
    cdef Stream *stream = stream_of(entry)
    if get_nodes(reader, stream) and get_figures(reader, stream, type) and get_groups(reader, stream, type):
        return entry
    entry_free(entry)
    return NULL


cdef Entry *rdb_get_stream(RdbReader *reader, Slice key) noexcept nogil:
    return get_stream(reader, key, RDB_STREAM)


cdef Entry *rdb_get_stream_2(RdbReader *reader, Slice key) noexcept nogil:
    return get_stream(reader, key, RDB_STREAM_2)


cdef Entry *rdb_get_stream_3(RdbReader *reader, Slice key) noexcept nogil:
    return get_stream(reader, key, RDB_STREAM_3)


# -- read over --------------------------------------------------------------------------------------------------------

cdef bint skip(RdbReader *reader, uint64_t bytes) noexcept nogil:
    return source_skip(reader.source, bytes) or rdb_complain_cut_off(reader)


cdef bint skip_lengths(RdbReader *reader, int count) noexcept nogil:
    cdef uint64_t number = 0
    cdef int _i
    for _i in range(count):
        if not rdb_get_length(reader, &number):
            return False
    return True


cdef bint skip_group(RdbReader *reader, int type) noexcept nogil:
    cdef uint64_t count = 0, ids = 0, _i
    if not (rdb_skip_string(reader) and skip_lengths(reader, 2 if type == RDB_STREAM else 3)
            and rdb_get_count(reader, LEAST_PENDING, &count)):
        return False
    for _i in range(count):
        if not (skip(reader, ID_BYTES + 8) and skip_lengths(reader, 1)):
            return False
    if not rdb_get_count(reader, LEAST_CONSUMER, &count):
        return False
    for _i in range(count):
        if not (rdb_skip_string(reader) and skip(reader, 16 if type == RDB_STREAM_3 else 8)
                and rdb_get_count(reader, ID_BYTES, &ids) and skip(reader, ids * ID_BYTES)):
            return False
    return True


cdef bint rdb_skip_stream(RdbReader *reader, int type) noexcept nogil:
    cdef uint64_t count = 0, _i
    if not rdb_get_count(reader, 2, &count):
        return False
    for _i in range(count):
        if not (rdb_skip_string(reader) and rdb_skip_string(reader)):
            return False
    if not (skip_lengths(reader, 3 if type == RDB_STREAM else 8) and rdb_get_count(reader, LEAST_GROUP, &count)):
        return False
    for _i in range(count):
        if not skip_group(reader, type):
            return False
    return True
