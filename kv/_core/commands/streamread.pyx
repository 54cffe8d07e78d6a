"""XREAD and XREADGROUP: the entries of several streams after ids, waited for if wanted.

Both look at all streams twice: first every id and group is checked, then entries are given. An XREADGROUP goes to the AOF
and replicas as what it did: a claim for each entry that became pending, and how far the group has read."""
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memset

from kv._core.base.buffer cimport Buffer, buffer_free, buffer_reserve
from kv._core.base.slice cimport Slice, slice_is, slice_of
from kv._core.commands.streamwords cimport (
    consumer_made, error_about_two, propagate_claim, propagate_group_id, reply_insert_header,
    reply_stream_entry, reply_stream_entry_of, reply_stream_id, reply_stream_range, stream_id_or_reply)
from kv._core.containers.idtree cimport IdPosition, idtree_at, idtree_from, idtree_next
from kv._core.containers.streamid cimport (
    STREAM_ID_SIZE, StreamId, stream_id_below, stream_id_decrement, stream_id_equal, stream_id_increment, stream_id_most,
    stream_id_text)
from kv._core.containers.streamlog cimport StreamCursor, streamlog_from, streamlog_next
from kv._core.objects.entry cimport TYPE_STREAM, Entry
from kv._core.objects.stream cimport Stream, stream_group_read, stream_last_entry, stream_of
from kv._core.objects.streamgroup cimport (
    Consumer, Group, PendingEntry, consumer_find, group_find, name_of, pending_give)
from kv._core.resp.reply cimport reply_array, reply_bulk, reply_null_array
from kv._core.runtime.blocking cimport arg_timeout_or_reply, block_on_keys, context_may_block
from kv._core.runtime.context cimport arg_i64_or_reply, arg_is, check_type, error, error_about, read_key, syntax_error
from kv._core.runtime.propagation cimport effects_begin, effects_slice, effects_wanted, effects_word
from kv._core.runtime.registry cimport native
from kv._core.runtime.registry import declare
from kv._core.runtime.state cimport Context

cdef struct Request:            # what was asked for
    bint grouped                # XREADGROUP
    bint waits                  # BLOCK
    int64_t until_ms            # unix time until which, 0: for ever
    uint64_t count              # entries of a stream at most, 0: all
    int keys                    # index of the first key
    int streams                 # how many; their ids follow the keys
    int group                   # index of the group's name, the consumer's behind it; 0: not given
    bint no_ack                 # nothing becomes pending

cdef struct Source:             # one of the streams
    int key                     # index of the key
    Stream *stream              # NULL: there is none
    Group *group                # of XREADGROUP
    StreamId after              # entries above it are wanted
    bint new                    # ">": what the group has not read yet; `after` is not set


# -- what is asked for ------------------------------------------------------------------------------------------------

cdef bint only_of_groups(Context *c, const char *option) noexcept nogil:
    error_about(c, b"ERR The ", slice_of(option, 5), b" option is only supported by XREADGROUP. You called XREAD instead.")
    return False


cdef bint streams_or_reply(Context *c, Request *request, int keys) noexcept nogil:
    """What follows STREAMS: keys, and as many ids."""
    request.keys, request.streams = keys, (c.argc - keys) // 2
    if (c.argc - keys) % 2 == 0:
        return True
    if request.grouped:
        error(c, b"ERR Unbalanced 'xreadgroup' list of streams: for each stream key an ID or '>' must be specified.")
    else:
        error(c, b"ERR Unbalanced 'xread' list of streams: for each stream key an ID or '$' must be specified.")
    return False


cdef bint option_or_reply(Context *c, Request *request, int *index) noexcept nogil:
    """One option; *index is left at its last word."""
    cdef int left = c.argc - index[0] - 1
    cdef int64_t count
    if left and arg_is(c, index[0], b"block", 5):
        index[0] += 1
        request.waits = True
        return arg_timeout_or_reply(c, index[0], False, &request.until_ms)
    if left and arg_is(c, index[0], b"count", 5):
        index[0] += 1
        if not arg_i64_or_reply(c, index[0], &count):
            return False
        request.count = count if count > 0 else 0
        return True
    if left >= 2 and arg_is(c, index[0], b"group", 5):
        request.group = index[0] + 1
        index[0] += 2
        return True if request.grouped else only_of_groups(c, b"GROUP")
    if arg_is(c, index[0], b"noack", 5):
        request.no_ack = True
        return True if request.grouped else only_of_groups(c, b"NOACK")
    syntax_error(c)
    return False


cdef bint request_or_reply(Context *c, Request *request, bint grouped) noexcept nogil:
    cdef int index = 1
    memset(request, 0, sizeof(Request))
    request.grouped = grouped
    while index < c.argc:
        if index + 1 < c.argc and arg_is(c, index, b"streams", 7):
            if not streams_or_reply(c, request, index + 1):
                return False
            break
        if not option_or_reply(c, request, &index):
            return False
        index += 1
    if request.keys == 0:
        syntax_error(c)
        return False
    if grouped and request.group == 0:
        error(c, b"ERR Missing GROUP option for XREADGROUP")
        return False
    return True


cdef bint meaningless(Context *c, const char *mark) noexcept nogil:
    error_about_two(c, b"ERR The ", slice_of(mark, 1), b" ID is meaningless in the context of XREADGROUP: you want to "
                    b"read the history of this consumer by specifying a proper ID, or use the > ID to get new messages. The ",
                    slice_of(mark, 1), b" ID would just return an empty result set.")
    return False


cdef bint mark_or_reply(Context *c, const Request *request, Source *source, char mark) noexcept nogil:
    """An id that is one of the marks $ + >."""
    if mark == c'>':
        source.new = True
        if not request.grouped:
            error(c, b"ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.")
        return request.grouped
    if request.grouped:
        return meaningless(c, b"$" if mark == c'$' else b"+")
    if source.stream != NULL:
        source.after = source.stream.last
        if mark == c'+' and not stream_id_decrement(&source.after):
            error(c, b"ERR the stream last element ID is 0-0")
            return False
    return True


cdef bint source_or_reply(Context *c, const Request *request, int number, Source *source) noexcept nogil:
    """One of the streams, with its group where there has to be one."""
    cdef int index = request.keys + request.streams + number
    cdef Slice id = c.argv[index]
    cdef Entry *entry = read_key(c, request.keys + number)
    memset(source, 0, sizeof(Source))
    source.key = request.keys + number
    if not check_type(c, entry, TYPE_STREAM):
        return False
    if entry != NULL:
        source.stream = stream_of(entry)
    if request.grouped:
        source.group = group_find(&source.stream.groups, c.argv[request.group]) if entry != NULL else NULL
        if source.group == NULL:
            error_about_two(c, b"NOGROUP No such key '", c.argv[source.key], b"' or consumer group '",
                            c.argv[request.group], b"' in XREADGROUP with GROUP option")
            return False
    if id.length == 1 and (id.data[0] == c'$' or id.data[0] == c'+' or id.data[0] == c'>'):
        return mark_or_reply(c, request, source, id.data[0])
    if not stream_id_or_reply(c, index, &source.after):
        return False
    source.new = request.grouped and stream_id_equal(source.after, stream_id_most())     # above which nothing can be
    return True


# -- giving -----------------------------------------------------------------------------------------------------------

cdef bint give_to(Context *c, const Request *request, const Source *source, Consumer *consumer,
                  const StreamCursor *cursor) noexcept nogil:
    """An entry that a group has not read, or is to read again; whether the group moved on."""
    cdef StreamId id = cursor.entry.id
    cdef bint moved = stream_id_below(source.group.last, id)
    cdef PendingEntry *pending
    if moved:
        stream_group_read(source.stream, source.group, id)
    reply_stream_entry(&c.reply, cursor)
    if not request.no_ack:
        pending = pending_give(source.group, consumer, id, c.keyspace.now_ms)
        consumer.active_ms = c.keyspace.now_ms
        propagate_claim(c, c.argv[source.key], source.group, pending)
    return moved


cdef void give_new(Context *c, const Request *request, const Source *source, Consumer *consumer) noexcept nogil:
    cdef StreamCursor cursor
    cdef StreamId start = source.group.last
    cdef size_t before = c.reply.out.length
    cdef uint64_t given = 0
    cdef bint moved = False
    cdef bint more = stream_id_increment(&start) and streamlog_from(&source.stream.log, start, &cursor)
    while more and (request.count == 0 or given < request.count):
        moved |= give_to(c, request, source, consumer, &cursor)
        given += 1
        more = streamlog_next(&cursor)
    reply_insert_header(&c.reply, before, c'*', given)
    if moved:
        propagate_group_id(c, c.argv[source.key], source.group)


cdef void give_history(Context *c, const Request *request, const Source *source, Consumer *consumer) noexcept nogil:
    """What is pending to the consumer already, deleted entries without their fields."""
    cdef StreamId start = source.after
    cdef size_t before = c.reply.out.length
    cdef uint64_t given = 0
    cdef PendingEntry *pending
    cdef IdPosition place
    stream_id_increment(&start)
    place = idtree_from(&consumer.pending, start)
    while place.leaf != NULL and (request.count == 0 or given < request.count):
        pending = <PendingEntry *> idtree_at(place)
        if reply_stream_entry_of(&c.reply, source.stream, pending.id):
            pending.delivered_ms = c.keyspace.now_ms
            pending.deliveries += 1
        else:
            reply_array(&c.reply, 2)
            reply_stream_id(&c.reply, pending.id)
            reply_null_array(&c.reply)
        given += 1
        idtree_next(&place)
    reply_insert_header(&c.reply, before, c'*', given)


cdef void propagate_consumer(Context *c, const Source *source, const Consumer *consumer) noexcept nogil:
    if not effects_wanted(c.runtime):
        return
    effects_begin(c.runtime, c.database.id, 5)
    effects_word(c.runtime, b"XGROUP", 6)
    effects_word(c.runtime, b"CREATECONSUMER", 14)
    effects_slice(c.runtime, c.argv[source.key])
    effects_slice(c.runtime, name_of(&source.group.named))
    effects_slice(c.runtime, name_of(&consumer.named))


cdef Consumer *consumer_of(Context *c, const Request *request, const Source *source) noexcept nogil:
    """The consumer that asks, made where its group does not know it. With acknowledgements a claim makes it again."""
    cdef Slice name = c.argv[request.group + 1]
    cdef Consumer *consumer = consumer_find(source.group, name)
    if consumer == NULL:
        consumer = consumer_made(c, source.key, source.group, name)
        if request.no_ack:
            propagate_consumer(c, source, consumer)
    consumer.seen_ms = c.keyspace.now_ms
    return consumer


cdef inline void give_name(Context *c, const Source *source) noexcept nogil:
    if c.reply.version == 2:
        reply_array(&c.reply, 2)
    reply_bulk(&c.reply, c.argv[source.key].data, c.argv[source.key].length)


cdef bint give_to_group(Context *c, const Request *request, const Source *source) noexcept nogil:
    """Whether there was something to give; history there is always."""
    cdef Consumer *consumer = consumer_of(c, request, source)
    if source.new and not stream_id_below(source.group.last, stream_last_entry(source.stream)):
        return False
    give_name(c, source)
    if source.new:
        give_new(c, request, source, consumer)
    else:
        give_history(c, request, source, consumer)
    c.keyspace.dirty += 1
    return True


cdef bint give(Context *c, const Request *request, const Source *source) noexcept nogil:
    """What a stream has, with its name; whether it has anything."""
    cdef StreamId start = source.after
    if source.stream == NULL:
        return False
    if request.grouped:
        return give_to_group(c, request, source)
    if not stream_id_below(start, stream_last_entry(source.stream)):
        return False
    give_name(c, source)
    stream_id_increment(&start)
    reply_stream_range(&c.reply, source.stream, start, stream_id_most(), request.count, False)
    return True


# -- waiting ----------------------------------------------------------------------------------------------------------

cdef void wait_for_entries(Context *c, const Request *request) noexcept nogil:
    """Wait, with the ids that "$" stands for now in its place: an entry that comes is above them."""
    cdef Buffer texts
    cdef Source source
    cdef int first = request.keys + request.streams
    cdef int number
    texts.data = NULL
    texts.length = texts.capacity = 0
    buffer_reserve(&texts, <size_t> request.streams * STREAM_ID_SIZE)
    for number in range(request.streams):
        if slice_is(c.argv[first + number], b"$", 1) and source_or_reply(c, request, number, &source):
            c.argv[first + number] = stream_id_text(source.after, texts.data + number * STREAM_ID_SIZE)
    block_on_keys(c, TYPE_STREAM, request.keys, request.streams, request.until_ms, request.grouped)
    for number in range(request.streams):
        if texts.data <= c.argv[first + number].data < texts.data + texts.capacity:
            c.argv[first + number] = slice_of(b"$", 1)
    buffer_free(&texts)


cdef void read_streams(Context *c, bint grouped) noexcept nogil:
    cdef Request request
    cdef Source source
    cdef size_t before = c.reply.out.length
    cdef uint64_t given = 0
    cdef int number
    c.propagated = True
    if not request_or_reply(c, &request, grouped):
        return
    for number in range(request.streams):
        if not source_or_reply(c, &request, number, &source):
            return
    for number in range(request.streams):
        if source_or_reply(c, &request, number, &source):
            given += give(c, &request, &source)
    if given:
        reply_insert_header(&c.reply, before, c'*' if c.reply.version == 2 else c'%', given)
    elif request.waits and context_may_block(c):
        wait_for_entries(c, &request)
    else:
        reply_null_array(&c.reply)


cdef void cmd_xread(Context *c) noexcept nogil:
    read_streams(c, False)


declare(native(cmd_xread), "xread", -4, "readonly blocking", keys="STREAMS@1..-1%2 RO access", group="stream",
        since="5.0.0", summary="Returns the entries of streams after ids; may wait for some.",
        args="[COUNT count:integer] [BLOCK milliseconds:integer] (STREAMS key... id...)")


cdef void cmd_xreadgroup(Context *c) noexcept nogil:
    read_streams(c, True)


declare(native(cmd_xreadgroup), "xreadgroup", -7, "write blocking", keys="STREAMS@4..-1%2 RO access",
        group="stream", since="5.0.0", complexity="O(M)",
        summary="Returns new or pending entries of streams to a consumer of a group; may wait for some.",
        args="(GROUP group-block: group consumer) [COUNT count:integer] [BLOCK milliseconds:integer] [NOACK] "
             "(STREAMS key... id...)")
