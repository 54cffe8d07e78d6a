"""What the commands on streams share: ids as words, entries as replies, groups by name.

How many entries a range has is known only when it was walked. So an array is written without its header, and the header
is put before it afterwards, which moves bytes that have just been written; where the walk was expected to give as many as
it gave, the header stands already.
"""
from libc.stdint cimport UINT64_MAX, int64_t, uint64_t
from libc.string cimport memchr, memcpy, memmove, strlen

from kv._core.base.buffer cimport Buffer, buffer_append, buffer_free, buffer_reserve
from kv._core.base.numbers cimport parse_i64
from kv._core.base.platform cimport likely
from kv._core.base.slice cimport Slice, slice_of
from kv._core.containers.streamid cimport (
    STREAM_ID_SIZE, StreamId, stream_id, stream_id_below, stream_id_decrement, stream_id_equal, stream_id_increment,
    stream_id_most, stream_id_text)
from kv._core.containers.streamlog cimport (
    StreamCursor, streamlog_from, streamlog_next, streamlog_previous, streamlog_upto)
from kv._core.containers.streamnode cimport StreamFields, stream_fields, stream_fields_next
from kv._core.keyspace.keyspace cimport EVENT_BESIDE, EVENT_STREAM
from kv._core.objects.entry cimport Entry
from kv._core.objects.stream cimport Stream, stream_of
from kv._core.objects.streamgroup cimport Consumer, Group, PendingEntry, consumer_new, group_find, name_of
from kv._core.resp.reply cimport Reply, reply_array, reply_bulk, reply_error
from kv._core.resp.words cimport HEADER_SIZE, resp_header_at
from kv._core.runtime.context cimport changed, error
from kv._core.runtime.propagation cimport effects_begin, effects_number, effects_slice, effects_wanted, effects_word
from kv._core.runtime.state cimport Context, Runtime

cdef extern from "<string.h>" nogil:
    size_t strnlen(const char *text, size_t most)

cdef enum:
    LONGEST_ID = 127            # bytes of a word that may be an id


# -- ids --------------------------------------------------------------------------------------------------------------

cdef bint parse_half(const char *text, size_t length, uint64_t *number) noexcept nogil:
    """A whole number up to 2^64 - 1; zeros, a plus and blanks before it are let pass, as strtoull does."""
    cdef int64_t small
    cdef uint64_t value = 0
    cdef uint64_t digit
    if likely(parse_i64(text, length, &small)):
        number[0] = <uint64_t> small
        return small >= 0
    while length and (text[0] == c' ' or c'\t' <= text[0] <= c'\r'):
        text += 1
        length -= 1
    if length and text[0] == c'+':
        text += 1
        length -= 1
    if length == 0:
        return False
    while length:
        if not c'0' <= text[0] <= c'9':
            return False
        digit = text[0] - c'0'
        if value > (UINT64_MAX - digit) // 10:
            return False
        value = value * 10 + digit
        text += 1
        length -= 1
    number[0] = value
    return True


cdef bint stream_id_parse(Slice word, uint64_t missing_seq, StreamId *id, bint *seq_given) noexcept nogil:
    """<ms>, whose seq is `missing_seq`, or <ms>-<seq>; where `seq_given` is not NULL, <ms>-* as well. Valkey's ends at a
    zero byte, which is looked for only where the whole word is none."""
    cdef size_t length
    if likely(parse_id(word, missing_seq, id, seq_given)):
        return True
    length = strnlen(word.data, word.length)
    return (length < word.length <= LONGEST_ID
            and parse_id(slice_of(word.data, length), missing_seq, id, seq_given))


cdef inline bint parse_id(Slice word, uint64_t missing_seq, StreamId *id, bint *seq_given) noexcept nogil:
    cdef const char *dash
    cdef size_t left
    if word.length > LONGEST_ID:
        return False
    dash = <const char *> memchr(word.data, c'-', word.length) if word.length else NULL
    if seq_given != NULL:
        seq_given[0] = True
    if dash == NULL:
        id.seq = missing_seq
        return parse_half(word.data, word.length, &id.ms)
    left = word.data + word.length - dash - 1
    if not parse_half(word.data, dash - word.data, &id.ms):
        return False
    if seq_given != NULL and left == 1 and dash[1] == c'*':
        id.seq = 0
        seq_given[0] = False
        return True
    return parse_half(dash + 1, left, &id.seq)


cdef inline bint invalid_id(Context *c) noexcept nogil:
    error(c, b"ERR Invalid stream ID specified as stream command argument")
    return False


cdef bint stream_id_or_reply(Context *c, int index, StreamId *id) noexcept nogil:
    return stream_id_parse(c.argv[index], 0, id, NULL) or invalid_id(c)


cdef bint stream_ids_or_reply(Context *c, int index) noexcept nogil:
    """Whether all arguments from one on are ids: nothing is done by half."""
    cdef StreamId id
    while index < c.argc:
        if not stream_id_or_reply(c, index, &id):
            return False
        index += 1
    return True


cdef bint limit_or_reply(Context *c, int index, uint64_t missing_seq, StreamId *id, bint *excluded) noexcept nogil:
    """One end of a range: an id, "-", "+", or "(" and an id."""
    cdef Slice word = c.argv[index]
    excluded[0] = word.length > 1 and word.data[0] == c'('
    if excluded[0]:
        return stream_id_parse(slice_of(word.data + 1, word.length - 1), missing_seq, id, NULL) or invalid_id(c)
    if word.length == 1 and word.data[0] == c'-':
        id[0] = stream_id(0, 0)
        return True
    if word.length == 1 and word.data[0] == c'+':
        id[0] = stream_id_most()
        return True
    return stream_id_parse(word, missing_seq, id, NULL) or invalid_id(c)


cdef bint stream_start_or_reply(Context *c, int index, StreamId *id) noexcept nogil:
    """The lowest id of a range."""
    cdef bint excluded
    if not limit_or_reply(c, index, 0, id, &excluded):
        return False
    if excluded and not stream_id_increment(id):
        error(c, b"ERR invalid start ID for the interval")
        return False
    return True


cdef bint stream_range_or_reply(Context *c, int first, int last, StreamId *start, StreamId *end) noexcept nogil:
    cdef bint excluded
    if not stream_start_or_reply(c, first, start) or not limit_or_reply(c, last, UINT64_MAX, end, &excluded):
        return False
    if excluded and not stream_id_decrement(end):
        error(c, b"ERR invalid end ID for the interval")
        return False
    return True


cdef void reply_stream_id(Reply *reply, StreamId id) noexcept nogil:
    cdef char text[STREAM_ID_SIZE]
    cdef Slice word = stream_id_text(id, text)
    reply_bulk(reply, word.data, word.length)


cdef void effects_stream_id(Runtime *runtime, StreamId id) noexcept nogil:
    cdef char text[STREAM_ID_SIZE]
    effects_slice(runtime, stream_id_text(id, text))


# -- replies ----------------------------------------------------------------------------------------------------------

cdef void insert_bytes(Reply *reply, size_t at, const char *bytes, size_t length) noexcept nogil:
    buffer_reserve(reply.out, length)
    memmove(reply.out.data + at + length, reply.out.data + at, reply.out.length - at)
    memcpy(reply.out.data + at, bytes, length)
    reply.out.length += length


cdef void reply_insert_header(Reply *reply, size_t at, char kind, uint64_t count) noexcept nogil:
    """The header of an array ("*") or a map ("%") whose elements were written from an offset on."""
    cdef char text[HEADER_SIZE]
    insert_bytes(reply, at, text, resp_header_at(text, kind, <int64_t> count))


cdef void reply_insert_id(Reply *reply, size_t at, StreamId id) noexcept nogil:
    """An id before what was written from an offset on."""
    cdef char text[STREAM_ID_SIZE]
    cdef Slice word = stream_id_text(id, text)
    insert_bytes(reply, at, b"\r\n", 2)
    insert_bytes(reply, at, word.data, word.length)
    reply_insert_header(reply, at, c'$', word.length)


cdef void reply_stream_entry(Reply *reply, const StreamCursor *cursor) noexcept nogil:
    """An array of the id and of an array of names and values."""
    cdef StreamFields fields
    reply_array(reply, 2)
    reply_stream_id(reply, cursor.entry.id)
    reply_array(reply, 2 * cursor.entry.fields)
    stream_fields(&cursor.entry, &fields)
    while stream_fields_next(&fields):
        reply_bulk(reply, fields.name.data, fields.name.length)
        reply_bulk(reply, fields.value.data, fields.value.length)


cdef bint reply_stream_entry_of(Reply *reply, const Stream *stream, StreamId id) noexcept nogil:
    """Whether there is an entry of the id; else nothing is written."""
    cdef StreamCursor cursor
    if not streamlog_from(&stream.log, id, &cursor) or not stream_id_equal(cursor.entry.id, id):
        return False
    reply_stream_entry(reply, &cursor)
    return True


cdef uint64_t write_range(Reply *reply, const Stream *stream, StreamId start, StreamId end, uint64_t count,
                          bint backward) noexcept nogil:
    """The entries of a range, `count` at most; how many there were."""
    cdef StreamCursor cursor
    cdef uint64_t written = 0
    cdef bint more
    if backward:
        more = streamlog_upto(&stream.log, end, &cursor)
    else:
        more = streamlog_from(&stream.log, start, &cursor)
    while more and written < count:
        if stream_id_below(cursor.entry.id, start) or stream_id_below(end, cursor.entry.id):
            break
        reply_stream_entry(reply, &cursor)
        written += 1
        more = streamlog_previous(&cursor) if backward else streamlog_next(&cursor)
    return written


cdef uint64_t reply_stream_range(Reply *reply, const Stream *stream, StreamId start, StreamId end, uint64_t count,
                                 bint backward) noexcept nogil:
    """An array of the entries from start to end, `count` at most (0: all); how many there were."""
    cdef uint64_t most = stream.log.length if count == 0 or count > stream.log.length else count
    cdef size_t before = reply.out.length
    cdef size_t header
    cdef uint64_t written
    reply_array(reply, most)
    header = reply.out.length - before
    written = write_range(reply, stream, start, end, most, backward)
    if written != most:
        memmove(reply.out.data + before, reply.out.data + before + header, reply.out.length - before - header)
        reply.out.length -= header
        reply_insert_header(reply, before, c'*', written)
    return written


# -- groups -----------------------------------------------------------------------------------------------------------

cdef void error_about_two(Context *c, const char *before, Slice first, const char *between, Slice second,
                          const char *after) noexcept nogil:
    """An error reply that names two of the client's words."""
    cdef Buffer text
    text.data = NULL
    text.length = text.capacity = 0
    buffer_append(&text, before, strlen(before))
    buffer_append(&text, first.data, strnlen(first.data, first.length))
    buffer_append(&text, between, strlen(between))
    buffer_append(&text, second.data, strnlen(second.data, second.length))
    buffer_append(&text, after, strlen(after))
    reply_error(&c.reply, text.data, text.length)
    buffer_free(&text)


cdef Group *group_or_reply(Context *c, const Entry *entry, Slice name) noexcept nogil:
    """The group of the stream at argument 1; the entry is a stream or NULL."""
    cdef Group *group = group_find(&stream_of(entry).groups, name) if entry != NULL else NULL
    if group == NULL:
        error_about_two(c, b"NOGROUP No such key '", c.argv[1], b"' or consumer group '", name, b"'")
    return group


cdef Consumer *consumer_made(Context *c, int key, Group *group, Slice name) noexcept nogil:
    """A new consumer of the group of the stream whose key is an argument."""
    cdef Consumer *consumer = consumer_new(group, name, c.keyspace.now_ms)
    changed(c, key, EVENT_STREAM | EVENT_BESIDE, b"xgroup-createconsumer")
    return consumer


cdef void propagate_claim(Context *c, Slice key, const Group *group, const PendingEntry *pending) noexcept nogil:
    """An entry became pending, or is no more since it is gone: a claim that has this outcome however often it is run."""
    cdef Runtime *runtime = c.runtime
    if not effects_wanted(runtime):
        return
    effects_begin(runtime, c.database.id, 14)
    effects_word(runtime, b"XCLAIM", 6)
    effects_slice(runtime, key)
    effects_slice(runtime, name_of(&group.named))
    effects_slice(runtime, name_of(&pending.consumer.named))
    effects_word(runtime, b"0", 1)
    effects_stream_id(runtime, pending.id)
    effects_word(runtime, b"TIME", 4)
    effects_number(runtime, pending.delivered_ms)
    effects_word(runtime, b"RETRYCOUNT", 10)
    effects_number(runtime, <int64_t> pending.deliveries)
    effects_word(runtime, b"FORCE", 5)
    effects_word(runtime, b"JUSTID", 6)
    effects_word(runtime, b"LASTID", 6)
    effects_stream_id(runtime, group.last)


cdef void propagate_group_id(Context *c, Slice key, const Group *group) noexcept nogil:
    cdef Runtime *runtime = c.runtime
    if not effects_wanted(runtime):
        return
    effects_begin(runtime, c.database.id, 7)
    effects_word(runtime, b"XGROUP", 6)
    effects_word(runtime, b"SETID", 5)
    effects_slice(runtime, key)
    effects_slice(runtime, name_of(&group.named))
    effects_stream_id(runtime, group.last)
    effects_word(runtime, b"ENTRIESREAD", 11)
    effects_number(runtime, group.entries_read)
