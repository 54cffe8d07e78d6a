"""A stream as the commands that make it anew: XADD, XSETID, XGROUP, XCLAIM.

Behind each entry and each pending one the sink may drain.
"""
from libc.stdint cimport int64_t, uint32_t

from kv._core.base.buffer cimport Buffer
from kv._core.base.sink cimport sink_drain_if_full
from kv._core.base.slice cimport Slice
from kv._core.containers.idtree cimport IdPosition, idtree_at, idtree_first, idtree_next
from kv._core.containers.streamid cimport STREAM_ID_SIZE, StreamId, stream_id, stream_id_text
from kv._core.containers.streamlog cimport StreamCursor, streamlog_from, streamlog_next
from kv._core.containers.streamnode cimport StreamFields, stream_fields, stream_fields_next
from kv._core.objects.entry cimport entry_key
from kv._core.objects.stream cimport Stream, stream_of
from kv._core.objects.streamgroup cimport Consumer, Group, PendingEntry, consumer_at, group_at, name_of
from kv._core.resp.words cimport resp_header, resp_i64, resp_slice, resp_word


cdef void put_stream_commands(Sink *sink, const Entry *entry) noexcept nogil:
    """Its entries, what was ever added and deleted, its groups. An empty one is made by an entry that goes at once."""
    cdef const Stream *stream = stream_of(entry)
    cdef Buffer *out = &sink.buffer
    cdef Slice key = entry_key(entry)
    cdef StreamCursor cursor
    cdef bint more = streamlog_from(&stream.log, stream_id(0, 0), &cursor)
    cdef uint32_t i
    if not more:
        resp_header(out, c'*', 7)
        resp_word(out, b"XADD", 4)
        resp_slice(out, key)
        resp_word(out, b"MAXLEN", 6)
        resp_word(out, b"0", 1)
        resp_word(out, b"0-1", 3)
        resp_word(out, b"x", 1)
        resp_word(out, b"y", 1)
    while more:
        put_stream_entry(out, key, &cursor)
        sink_drain_if_full(sink)
        more = streamlog_next(&cursor)
    resp_header(out, c'*', 7)
    resp_word(out, b"XSETID", 6)
    resp_slice(out, key)
    put_id(out, stream.last)
    resp_word(out, b"ENTRIESADDED", 12)
    resp_i64(out, <int64_t> stream.added)
    resp_word(out, b"MAXDELETEDID", 12)
    put_id(out, stream.max_deleted)
    for i in range(stream.groups.count):
        put_group(sink, key, group_at(&stream.groups, i))


cdef void put_stream_entry(Buffer *out, Slice key, const StreamCursor *cursor) noexcept nogil:
    cdef StreamFields fields
    resp_header(out, c'*', 3 + 2 * <int> cursor.entry.fields)
    resp_word(out, b"XADD", 4)
    resp_slice(out, key)
    put_id(out, cursor.entry.id)
    stream_fields(&cursor.entry, &fields)
    while stream_fields_next(&fields):
        resp_slice(out, fields.name)
        resp_slice(out, fields.value)


cdef void put_group(Sink *sink, Slice key, const Group *group) noexcept nogil:
    cdef Buffer *out = &sink.buffer
    cdef uint32_t i
    resp_header(out, c'*', 7)
    resp_word(out, b"XGROUP", 6)
    resp_word(out, b"CREATE", 6)
    resp_slice(out, key)
    resp_slice(out, name_of(&group.named))
    put_id(out, group.last)
    resp_word(out, b"ENTRIESREAD", 11)
    resp_i64(out, group.entries_read)
    for i in range(group.consumers.count):
        put_consumer(sink, key, group, consumer_at(group, i))


cdef void put_consumer(Sink *sink, Slice key, const Group *group, const Consumer *consumer) noexcept nogil:
    """A consumer of nothing has to be made; any other comes into being by its first claim."""
    cdef Buffer *out = &sink.buffer
    cdef IdPosition place = idtree_first(&consumer.pending)
    if place.leaf == NULL:
        resp_header(out, c'*', 5)
        resp_word(out, b"XGROUP", 6)
        resp_word(out, b"CREATECONSUMER", 14)
        resp_slice(out, key)
        resp_slice(out, name_of(&group.named))
        resp_slice(out, name_of(&consumer.named))
    while place.leaf != NULL:
        put_claim(out, key, group, <PendingEntry *> idtree_at(place))
        sink_drain_if_full(sink)
        idtree_next(&place)


cdef void put_claim(Buffer *out, Slice key, const Group *group, const PendingEntry *pending) noexcept nogil:
    resp_header(out, c'*', 12)
    resp_word(out, b"XCLAIM", 6)
    resp_slice(out, key)
    resp_slice(out, name_of(&group.named))
    resp_slice(out, name_of(&pending.consumer.named))
    resp_word(out, b"0", 1)
    put_id(out, pending.id)
    resp_word(out, b"TIME", 4)
    resp_i64(out, pending.delivered_ms)
    resp_word(out, b"RETRYCOUNT", 10)
    resp_i64(out, <int64_t> pending.deliveries)
    resp_word(out, b"JUSTID", 6)
    resp_word(out, b"FORCE", 5)


cdef void put_id(Buffer *out, StreamId id) noexcept nogil:
    cdef char text[STREAM_ID_SIZE]
    resp_slice(out, stream_id_text(id, text))
