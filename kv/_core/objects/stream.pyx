"""The value of a stream: its log, what was ever added and deleted, its consumer groups.

A stream may be empty and stays: its last id and its groups outlive its entries.

How far a group has read is counted in entries since the stream's first ever (entries_read), so that its lag is a
difference. That holds only while nothing between was deleted by id (trimming takes from the front, which the group has
behind it or loses whole). Where it does not hold, the number is found again when the group comes to an id whose
number is certain: the last one, or the first one where no deletion follows it (stream_entries_before). The rules are
Valkey's, because XINFO shows what comes of them.
"""
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memset

from kv._core.base.memory cimport memory_alloc, memory_free, memory_size
from kv._core.base.slice cimport Slice
from kv._core.containers.streamid cimport (
    StreamId, stream_id, stream_id_below, stream_id_equal, stream_id_is_zero, stream_id_most)
from kv._core.containers.streamlog cimport (
    StreamCursor, StreamTrim, streamlog_append, streamlog_check, streamlog_clear, streamlog_copy, streamlog_delete,
    streamlog_from, streamlog_memory, streamlog_next, streamlog_trim, streamlog_upto)
from kv._core.containers.streamnode cimport StreamFields, stream_fields, stream_fields_next
from kv._core.objects.entry cimport (
    ENCODING_STREAM, TYPE_STREAM, Entry, Item, TypeOperations, entry_new, entry_word, item_visitor, type_register)
from kv._core.objects.streamgroup cimport (
    UNKNOWN_READS, Group, groups_blocks, groups_check, groups_clear, groups_copy, groups_memory)


cdef Entry *stream_new(Slice key) noexcept nogil:
    cdef Entry *entry = entry_new(key, TYPE_STREAM, ENCODING_STREAM, -1, 0)
    cdef Stream *stream = <Stream *> memory_alloc(sizeof(Stream))
    memset(stream, 0, sizeof(Stream))
    entry_word(entry)[0] = stream
    return entry


cdef Stream *stream_of(const Entry *entry) noexcept nogil:
    return <Stream *> entry_word(<Entry *> entry)[0]


# -- entries ----------------------------------------------------------------------------------------------------------

cdef void stream_append(Stream *stream, StreamId id, const Slice *words, uint64_t fields) noexcept nogil:
    """The id is higher than stream.last."""
    streamlog_append(&stream.log, id, words, fields)
    stream.added += 1
    stream.last = id
    if stream.log.length == 1:
        stream.first = id


cdef void stream_find_first(Stream *stream) noexcept nogil:
    cdef StreamCursor cursor
    stream.first = stream_id(0, 0)
    if stream.log.length and streamlog_from(&stream.log, stream.first, &cursor):
        stream.first = cursor.entry.id


cdef bint stream_delete(Stream *stream, StreamId id) noexcept nogil:
    if not streamlog_delete(&stream.log, id):
        return False
    if stream_id_below(stream.max_deleted, id):
        stream.max_deleted = id
    if stream_id_equal(id, stream.first):
        stream_find_first(stream)
    return True


cdef uint64_t stream_trim(Stream *stream, const StreamTrim *trim) noexcept nogil:
    cdef uint64_t gone = streamlog_trim(&stream.log, trim)
    if gone:
        stream_find_first(stream)
    return gone


cdef StreamId stream_last_entry(const Stream *stream) noexcept nogil:
    cdef StreamCursor cursor
    if stream.log.length and streamlog_upto(&stream.log, stream_id_most(), &cursor):
        return cursor.entry.id
    return stream_id(0, 0)


# -- what groups have read --------------------------------------------------------------------------------------------

cdef bint deleted_from(const Stream *stream, StreamId id) noexcept nogil:
    """Whether entries at the id or above it may have been deleted."""
    return (stream.log.length and not stream_id_is_zero(stream.max_deleted)
            and not stream_id_below(stream.max_deleted, id))


cdef int64_t stream_entries_before(const Stream *stream, StreamId id) noexcept nogil:
    """How many entries were ever added up to an id, itself counted."""
    if stream.added == 0:
        return 0
    if stream.log.length == 0 and not stream_id_below(stream.last, id):
        return <int64_t> stream.added
    if not stream_id_is_zero(id) and stream_id_below(id, stream.max_deleted):
        return UNKNOWN_READS
    if stream_id_equal(id, stream.last):
        return <int64_t> stream.added
    if stream_id_below(stream.last, id):
        return UNKNOWN_READS
    if stream_id_is_zero(stream.max_deleted) or stream_id_below(stream.max_deleted, stream.first):
        if stream_id_below(id, stream.first):
            return <int64_t> (stream.added - stream.log.length)
        if stream_id_equal(id, stream.first):
            return <int64_t> (stream.added - stream.log.length + 1)
    return UNKNOWN_READS


cdef bint stream_lag(const Stream *stream, const Group *group, int64_t *lag) noexcept nogil:
    cdef int64_t entries_read = group.entries_read
    lag[0] = 0
    if stream.added == 0:
        return True
    if entries_read == UNKNOWN_READS or deleted_from(stream, group.last):
        entries_read = stream_entries_before(stream, group.last)
    lag[0] = <int64_t> stream.added - entries_read
    return entries_read != UNKNOWN_READS


cdef void stream_group_read(const Stream *stream, Group *group, StreamId id) noexcept nogil:
    """The group was given the entry after those it has read."""
    if (group.entries_read != UNKNOWN_READS and not stream_id_below(group.last, stream.first)
            and not deleted_from(stream, group.last)):
        group.entries_read += 1
    elif stream.added:
        group.entries_read = stream_entries_before(stream, id)
    group.last = id


# -- what values of any type are asked --------------------------------------------------------------------------------

cdef void free_value(void *value, int encoding) noexcept nogil:
    cdef Stream *stream = <Stream *> value
    streamlog_clear(&stream.log)
    groups_clear(&stream.groups)
    memory_free(stream)


cdef void *copy(const void *value, int encoding) noexcept nogil:
    cdef const Stream *stream = <const Stream *> value
    cdef Stream *made = <Stream *> memory_alloc(sizeof(Stream))
    memset(made, 0, sizeof(Stream))
    streamlog_copy(&stream.log, &made.log)
    groups_copy(&stream.groups, &made.groups)
    made.first, made.last, made.max_deleted = stream.first, stream.last, stream.max_deleted
    made.added = stream.added
    return made


cdef size_t memory(const void *value, int encoding, int64_t samples) noexcept nogil:
    cdef const Stream *stream = <const Stream *> value
    return memory_size(stream) + streamlog_memory(&stream.log, samples) + groups_memory(&stream.groups, samples)


cdef size_t effort(const void *value, int encoding) noexcept nogil:
    cdef const Stream *stream = <const Stream *> value
    return 1 + stream.log.nodes.count + groups_blocks(&stream.groups)


cdef uint64_t length(const void *value, int encoding) noexcept nogil:
    return (<const Stream *> value).log.length


cdef bint walk(const void *value, int encoding, item_visitor visit, void *argument) noexcept nogil:
    """The fields of all entries, name and value, in order."""
    cdef StreamCursor cursor
    cdef StreamFields fields
    cdef Item item
    cdef bint more = streamlog_from(&(<Stream *> value).log, stream_id(0, 0), &cursor)
    item.score = 0
    while more:
        stream_fields(&cursor.entry, &fields)
        while stream_fields_next(&fields):
            item.first, item.second = fields.name, fields.value
            if not visit(argument, &item):
                return False
        more = streamlog_next(&cursor)
    return True


cdef const char *check(const void *value, int encoding) noexcept nogil:
    cdef const Stream *stream = <const Stream *> value
    cdef const char *fault = streamlog_check(&stream.log)
    cdef StreamCursor cursor
    if fault != NULL:
        return fault
    if stream.log.length == 0:
        if not stream_id_is_zero(stream.first):
            return b"a stream without entries that has a first one"
    elif not streamlog_from(&stream.log, stream_id(0, 0), &cursor) or not stream_id_equal(cursor.entry.id, stream.first):
        return b"a stream whose first entry is another one"
    elif stream_id_below(stream.last, stream_last_entry(stream)):
        return b"a stream whose last id is below an entry's"
    return groups_check(&stream.groups)


cdef TypeOperations OPERATIONS
OPERATIONS.free = free_value
OPERATIONS.copy = copy
OPERATIONS.memory = memory
OPERATIONS.effort = effort
OPERATIONS.length = length
OPERATIONS.walk = walk
OPERATIONS.check = check
OPERATIONS.find = NULL
type_register(TYPE_STREAM, &OPERATIONS)
