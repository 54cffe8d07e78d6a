"""XINFO: what a stream, its groups and their consumers are like."""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport strlen

from kv._core.base.slice cimport Slice
from kv._core.commands.streamwords cimport (
    error_about_two, reply_stream_entry, reply_stream_id, reply_stream_range)
from kv._core.containers.idtree cimport IdPosition, IdTree, idtree_at, idtree_first, idtree_next
from kv._core.containers.streamid cimport stream_id, stream_id_most
from kv._core.containers.streamlog cimport StreamCursor, streamlog_from, streamlog_upto
from kv._core.objects.entry cimport TYPE_STREAM, Entry
from kv._core.objects.stream cimport Stream, stream_lag, stream_of
from kv._core.objects.streamgroup cimport (
    UNKNOWN_READS, Consumer, Group, PendingEntry, consumer_at, group_at, group_find, name_of)
from kv._core.resp.reply cimport (
    Reply, reply_array, reply_bulk, reply_i64, reply_map, reply_null, reply_status)
from kv._core.runtime.context cimport arg_i64_or_reply, arg_is, check_type, error, read_key, subcommand_error
from kv._core.runtime.registry cimport native
from kv._core.runtime.registry import container, declare
from kv._core.runtime.state cimport Context

cdef enum:
    USUAL_COUNT = 10            # entries that FULL shows

container("xinfo", group="stream", since="5.0.0", summary="Streams, their groups and consumers.")


cdef Stream *stream_or_reply(Context *c) noexcept nogil:
    """The stream at argument 2."""
    cdef Entry *entry = read_key(c, 2)
    if entry == NULL:
        error(c, b"ERR no such key")
        return NULL
    return stream_of(entry) if check_type(c, entry, TYPE_STREAM) else NULL


cdef inline void reply_word(Reply *reply, const char *word) noexcept nogil:
    reply_bulk(reply, word, strlen(word))


cdef inline void reply_slice(Reply *reply, Slice word) noexcept nogil:
    reply_bulk(reply, word.data, word.length)


cdef inline void reply_figure(Reply *reply, const char *name, int64_t number) noexcept nogil:
    reply_word(reply, name)
    reply_i64(reply, number)


cdef void reply_reads(Reply *reply, const Stream *stream, const Group *group) noexcept nogil:
    """How many entries a group has read, and how many it has not."""
    cdef int64_t lag
    reply_word(reply, b"entries-read")
    if group.entries_read == UNKNOWN_READS:
        reply_null(reply)
    else:
        reply_i64(reply, group.entries_read)
    reply_word(reply, b"lag")
    if stream_lag(stream, group, &lag):
        reply_i64(reply, lag)
    else:
        reply_null(reply)


# -- XINFO STREAM -----------------------------------------------------------------------------------------------------

cdef void reply_entry_or_null(Reply *reply, const StreamCursor *cursor, bint there) noexcept nogil:
    if there:
        reply_stream_entry(reply, cursor)
    else:
        reply_null(reply)


cdef void reply_ends(Reply *reply, const Stream *stream) noexcept nogil:
    cdef StreamCursor cursor
    reply_figure(reply, b"groups", stream.groups.count)
    reply_word(reply, b"first-entry")
    reply_entry_or_null(reply, &cursor, streamlog_from(&stream.log, stream_id(0, 0), &cursor))
    reply_word(reply, b"last-entry")
    reply_entry_or_null(reply, &cursor, streamlog_upto(&stream.log, stream_id_most(), &cursor))


cdef void reply_pending(Reply *reply, const IdTree *tree, uint64_t most, bint with_consumer) noexcept nogil:
    """The first pending entries (0: all) of a group, or of a consumer."""
    cdef IdPosition place = idtree_first(tree)
    cdef uint64_t count = most if 0 < most < tree.count else tree.count
    cdef PendingEntry *pending
    reply_word(reply, b"pending")
    reply_array(reply, count)
    while count:
        pending = <PendingEntry *> idtree_at(place)
        reply_array(reply, 4 if with_consumer else 3)
        reply_stream_id(reply, pending.id)
        if with_consumer:
            reply_slice(reply, name_of(&pending.consumer.named))
        reply_i64(reply, pending.delivered_ms)
        reply_i64(reply, <int64_t> pending.deliveries)
        count -= 1
        idtree_next(&place)


cdef void reply_consumer(Reply *reply, const Consumer *consumer, uint64_t most) noexcept nogil:
    reply_map(reply, 5)
    reply_word(reply, b"name")
    reply_slice(reply, name_of(&consumer.named))
    reply_figure(reply, b"seen-time", consumer.seen_ms)
    reply_figure(reply, b"active-time", consumer.active_ms)
    reply_figure(reply, b"pel-count", <int64_t> consumer.pending.count)
    reply_pending(reply, &consumer.pending, most, False)


cdef void reply_group(Reply *reply, const Stream *stream, const Group *group, uint64_t most) noexcept nogil:
    cdef uint32_t i
    reply_map(reply, 7)
    reply_word(reply, b"name")
    reply_slice(reply, name_of(&group.named))
    reply_word(reply, b"last-delivered-id")
    reply_stream_id(reply, group.last)
    reply_reads(reply, stream, group)
    reply_figure(reply, b"pel-count", <int64_t> group.pending.count)
    reply_pending(reply, &group.pending, most, True)
    reply_word(reply, b"consumers")
    reply_array(reply, group.consumers.count)
    for i in range(group.consumers.count):
        reply_consumer(reply, consumer_at(group, i), most)


cdef void reply_all(Reply *reply, const Stream *stream, uint64_t most) noexcept nogil:
    """The first entries (0: all), and the groups with as many pending ones."""
    cdef uint32_t i
    reply_word(reply, b"entries")
    reply_stream_range(reply, stream, stream_id(0, 0), stream_id_most(), most, False)
    reply_word(reply, b"groups")
    reply_array(reply, stream.groups.count)
    for i in range(stream.groups.count):
        reply_group(reply, stream, group_at(&stream.groups, i), most)


cdef bint full_or_reply(Context *c, int64_t *most) noexcept nogil:
    """FULL [COUNT count] from argument 3 on."""
    if c.argc == 4 or c.argc == 6:
        if arg_is(c, 3, b"full", 4) and (c.argc == 4 or arg_is(c, 4, b"count", 5)):
            if c.argc == 6 and not arg_i64_or_reply(c, 5, most):
                return False
            if most[0] < 0:
                most[0] = USUAL_COUNT
            return True
    subcommand_error(c)
    return False


cdef void cmd_xinfo_stream(Context *c) noexcept nogil:
    """The index is no radix tree here; its nodes and pages stand for that one's keys and nodes."""
    cdef Stream *stream = stream_or_reply(c)
    cdef bint full = c.argc > 3
    cdef int64_t most = USUAL_COUNT
    cdef uint64_t pages
    if stream == NULL or (full and not full_or_reply(c, &most)):
        return
    pages = stream.log.nodes.leaves + stream.log.nodes.branches
    reply_map(&c.reply, 9 if full else 10)
    reply_figure(&c.reply, b"length", <int64_t> stream.log.length)
    reply_figure(&c.reply, b"radix-tree-keys", <int64_t> stream.log.nodes.count)
    reply_figure(&c.reply, b"radix-tree-nodes", <int64_t> (stream.log.nodes.count + (pages if pages else 1)))
    reply_word(&c.reply, b"last-generated-id")
    reply_stream_id(&c.reply, stream.last)
    reply_word(&c.reply, b"max-deleted-entry-id")
    reply_stream_id(&c.reply, stream.max_deleted)
    reply_figure(&c.reply, b"entries-added", <int64_t> stream.added)
    reply_word(&c.reply, b"recorded-first-entry-id")
    reply_stream_id(&c.reply, stream.first)
    if full:
        reply_all(&c.reply, stream, most)
    else:
        reply_ends(&c.reply, stream)


declare(native(cmd_xinfo_stream), "xinfo|stream", -3, "readonly", keys="2 RO access", group="stream",
        since="5.0.0", complexity="O(1)", summary="Describes a stream.",
        history=["6.0.0 Takes FULL.",
                 "7.0.0 Adds entries-added, entries-read, lag, max-deleted- and recorded-first-entry-id.",
                 "7.2.0 Shows active-time; seen-time has another meaning."],
        args="key [full-block: FULL [COUNT count:integer]]")


# -- XINFO GROUPS, CONSUMERS ------------------------------------------------------------------------------------------

cdef void cmd_xinfo_groups(Context *c) noexcept nogil:
    cdef Stream *stream = stream_or_reply(c)
    cdef Group *group
    cdef uint32_t i
    if stream == NULL:
        return
    reply_array(&c.reply, stream.groups.count)
    for i in range(stream.groups.count):
        group = group_at(&stream.groups, i)
        reply_map(&c.reply, 6)
        reply_word(&c.reply, b"name")
        reply_slice(&c.reply, name_of(&group.named))
        reply_figure(&c.reply, b"consumers", group.consumers.count)
        reply_figure(&c.reply, b"pending", <int64_t> group.pending.count)
        reply_word(&c.reply, b"last-delivered-id")
        reply_stream_id(&c.reply, group.last)
        reply_reads(&c.reply, stream, group)


declare(native(cmd_xinfo_groups), "xinfo|groups", 3, "readonly", keys="2 RO access", group="stream",
        since="5.0.0", complexity="O(1)", summary="Describes the consumer groups of a stream.",
        history=["7.0.0 Shows entries-read and lag."], args="key")


cdef void cmd_xinfo_consumers(Context *c) noexcept nogil:
    cdef Stream *stream = stream_or_reply(c)
    cdef Group *group
    cdef Consumer *consumer
    cdef int64_t now_ms = c.keyspace.now_ms
    cdef uint32_t i
    if stream == NULL:
        return
    group = group_find(&stream.groups, c.argv[3])
    if group == NULL:
        error_about_two(c, b"NOGROUP No such consumer group '", c.argv[3], b"' for key name '", c.argv[2], b"'")
        return
    reply_array(&c.reply, group.consumers.count)
    for i in range(group.consumers.count):
        consumer = consumer_at(group, i)
        reply_map(&c.reply, 4)
        reply_word(&c.reply, b"name")
        reply_slice(&c.reply, name_of(&consumer.named))
        reply_figure(&c.reply, b"pending", <int64_t> consumer.pending.count)
        reply_figure(&c.reply, b"idle", now_ms - consumer.seen_ms if now_ms > consumer.seen_ms else 0)
        reply_figure(&c.reply, b"inactive", now_ms - consumer.active_ms if consumer.active_ms != -1 else -1)


declare(native(cmd_xinfo_consumers), "xinfo|consumers", 4, "readonly", keys="2 RO access", group="stream",
        since="5.0.0", complexity="O(1)", tips="nondeterministic_output",
        summary="Describes the consumers of a group.",
        history=["7.2.0 Shows inactive; idle has another meaning."], args="key group")


cdef const char *HELP[7]
HELP[0] = b"XINFO <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"
HELP[1] = b"CONSUMERS <key> <groupname>"
HELP[2] = b"    Show consumers of <groupname>."
HELP[3] = b"GROUPS <key>"
HELP[4] = b"    Show the stream consumer groups."
HELP[5] = b"STREAM <key> [FULL [COUNT <count>]"
HELP[6] = b"    Show information about the stream."


cdef void cmd_xinfo_help(Context *c) noexcept nogil:
    cdef int i
    reply_array(&c.reply, 9)
    for i in range(7):
        reply_status(&c.reply, HELP[i], strlen(HELP[i]))
    reply_status(&c.reply, b"HELP", 4)
    reply_status(&c.reply, b"    Print this help.", 20)


declare(native(cmd_xinfo_help), "xinfo|help", 2, "loading stale", group="stream", since="5.0.0",
        complexity="O(1)", summary="Lists the subcommands of XINFO.")
