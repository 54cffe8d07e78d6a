"""XGROUP, XACK and XPENDING: consumer groups, what is pending to them, and what no longer is."""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport strlen

from kv._core.commands.streamwords cimport (
    consumer_made, error_about_two, group_or_reply, reply_insert_header, reply_stream_id, stream_id_or_reply,
    stream_id_parse, stream_ids_or_reply, stream_range_or_reply)
from kv._core.base.slice cimport Slice, slice_is
from kv._core.containers.idtree cimport IdPosition, idtree_at, idtree_first, idtree_from, idtree_last, idtree_next
from kv._core.containers.streamid cimport StreamId, stream_id, stream_id_below, stream_id_most
from kv._core.keyspace.keyspace cimport EVENT_BESIDE, EVENT_STREAM, keyspace_add
from kv._core.objects.entry cimport TYPE_STREAM, Entry
from kv._core.objects.stream cimport stream_new, stream_of
from kv._core.objects.streamgroup cimport (
    UNKNOWN_READS, Consumer, Group, PendingEntry, consumer_at, consumer_find, consumer_remove, group_find, group_new,
    group_remove, name_of, pending_find, pending_remove)
from kv._core.resp.reply cimport (
    Reply, reply_array, reply_bulk, reply_bulk_i64, reply_i64, reply_null, reply_null_array, reply_ok, reply_status)
from kv._core.runtime.context cimport (
    arg_i64_or_reply, arg_is, changed, check_type, context_key, error, read_key, subcommand_error, syntax_error,
    write_key)
from kv._core.runtime.registry cimport native
from kv._core.runtime.registry import container, declare
from kv._core.runtime.state cimport Context

container("xgroup", group="stream", since="5.0.0", summary="Consumer groups of streams.")


# -- XGROUP -----------------------------------------------------------------------------------------------------------

cdef bint reads_or_reply(Context *c, int index, int64_t *entries_read) noexcept nogil:
    """The number of ENTRIESREAD."""
    if not arg_i64_or_reply(c, index, entries_read):
        return False
    if entries_read[0] < 0 and entries_read[0] != UNKNOWN_READS:
        error(c, b"ERR value for ENTRIESREAD must be positive or -1")
        return False
    return True


cdef bint group_options_or_reply(Context *c, bint *makes, int64_t *entries_read) noexcept nogil:
    """MKSTREAM (where `makes` is not NULL) and ENTRIESREAD, from argument 5 on."""
    cdef int index = 5
    entries_read[0] = UNKNOWN_READS
    while index < c.argc:
        if makes != NULL and arg_is(c, index, b"mkstream", 8):
            makes[0] = True
            index += 1
        elif index + 1 < c.argc and arg_is(c, index, b"entriesread", 11):
            if not reads_or_reply(c, index + 1, entries_read):
                return False
            index += 2
        else:
            subcommand_error(c)
            return False
    return True


cdef bint key_or_reply(Context *c, const Entry *entry) noexcept nogil:
    """Whether the key is a stream."""
    if entry == NULL:
        error(c, b"ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the "
                 b"MKSTREAM option to create an empty stream automatically.")
        return False
    return check_type(c, entry, TYPE_STREAM)


cdef Group *known_group_or_reply(Context *c) noexcept nogil:
    """The group that argument 3 names of the stream at argument 2."""
    cdef Entry *entry = write_key(c, 2)
    cdef Group *group
    if not key_or_reply(c, entry):
        return NULL
    group = group_find(&stream_of(entry).groups, c.argv[3])
    if group == NULL:
        error_about_two(c, b"NOGROUP No such consumer group '", c.argv[3], b"' for key name '", c.argv[2], b"'")
    return group


cdef void cmd_xgroup_create(Context *c) noexcept nogil:
    cdef bint makes = False
    cdef bint made
    cdef int64_t entries_read
    cdef Entry *entry
    cdef StreamId id = stream_id(0, 0)
    if not group_options_or_reply(c, &makes, &entries_read):
        return
    entry = write_key(c, 2)
    if not check_type(c, entry, TYPE_STREAM) or (not makes and not key_or_reply(c, entry)):
        return
    if c.argc > 8:
        subcommand_error(c)
        return
    if slice_is(c.argv[4], b"$", 1):
        id = stream_of(entry).last if entry != NULL else id
    elif not stream_id_or_reply(c, 4, &id):
        return
    made = entry == NULL
    if made:
        entry = stream_new(c.argv[2])
        keyspace_add(c.keyspace, c.database, context_key(c, 2), entry)
    elif group_find(&stream_of(entry).groups, c.argv[3]) != NULL:
        error(c, b"BUSYGROUP Consumer Group name already exists")
        return
    group_new(&stream_of(entry).groups, c.argv[3], id, entries_read)
    changed(c, 2, EVENT_STREAM if made else EVENT_STREAM | EVENT_BESIDE, b"xgroup-create")
    reply_ok(&c.reply)


declare(native(cmd_xgroup_create), "xgroup|create", -5, "write denyoom", keys="2 RW insert", group="stream",
        since="5.0.0", complexity="O(1)", summary="Makes a consumer group.",
        history=["7.0.0 Takes ENTRIESREAD."],
        args="key group (id-selector: id | new-id=$) [MKSTREAM] [ENTRIESREAD "
             "entriesread<entries-read>:integer]")


cdef bint any_id_or_reply(Context *c, int index, StreamId *id) noexcept nogil:
    """An id, or the lowest or highest as "-" or "+"."""
    if slice_is(c.argv[index], b"-", 1):
        id[0] = stream_id(0, 0)
        return True
    if slice_is(c.argv[index], b"+", 1):
        id[0] = stream_id_most()
        return True
    return stream_id_or_reply(c, index, id)


cdef void cmd_xgroup_setid(Context *c) noexcept nogil:
    cdef int64_t entries_read
    cdef StreamId id
    cdef Group *group
    if not group_options_or_reply(c, NULL, &entries_read):
        return
    group = known_group_or_reply(c)
    if group == NULL:
        return
    if c.argc > 7:
        subcommand_error(c)
        return
    if slice_is(c.argv[4], b"$", 1):
        id = stream_of(write_key(c, 2)).last
    elif not any_id_or_reply(c, 4, &id):
        return
    group.last, group.entries_read = id, entries_read
    changed(c, 2, EVENT_STREAM | EVENT_BESIDE, b"xgroup-setid")
    reply_ok(&c.reply)


declare(native(cmd_xgroup_setid), "xgroup|setid", -5, "write", keys="2 RW update", group="stream",
        since="5.0.0", complexity="O(1)", summary="Sets the last entry that a consumer group was given.",
        history=["7.0.0 Takes ENTRIESREAD."],
        args="key group (id-selector: id | new-id=$) [ENTRIESREAD entriesread<entries-read>:integer]")


cdef void cmd_xgroup_destroy(Context *c) noexcept nogil:
    cdef Entry *entry = write_key(c, 2)
    cdef Group *group
    if not key_or_reply(c, entry):
        return
    group = group_find(&stream_of(entry).groups, c.argv[3])
    if group != NULL:
        group_remove(&stream_of(entry).groups, group)
        changed(c, 2, EVENT_STREAM | EVENT_BESIDE, b"xgroup-destroy")
    reply_i64(&c.reply, group != NULL)


declare(native(cmd_xgroup_destroy), "xgroup|destroy", 4, "write", keys="2 RW delete", group="stream",
        since="5.0.0", complexity="O(N)", summary="Deletes a consumer group.", args="key group")


cdef void cmd_xgroup_createconsumer(Context *c) noexcept nogil:
    cdef Group *group = known_group_or_reply(c)
    cdef bint new
    if group == NULL:
        return
    new = consumer_find(group, c.argv[4]) == NULL
    if new:
        consumer_made(c, 2, group, c.argv[4])
    reply_i64(&c.reply, new)


declare(native(cmd_xgroup_createconsumer), "xgroup|createconsumer", 5, "write denyoom", keys="2 RW insert",
        group="stream", since="6.2.0", complexity="O(1)", summary="Makes a consumer of a group.",
        args="key group consumer")


cdef void cmd_xgroup_delconsumer(Context *c) noexcept nogil:
    cdef Group *group = known_group_or_reply(c)
    cdef Consumer *consumer
    cdef uint64_t pending = 0
    if group == NULL:
        return
    consumer = consumer_find(group, c.argv[4])
    if consumer != NULL:
        pending = consumer.pending.count
        consumer_remove(group, consumer)
        changed(c, 2, EVENT_STREAM | EVENT_BESIDE, b"xgroup-delconsumer")
    reply_i64(&c.reply, <int64_t> pending)


declare(native(cmd_xgroup_delconsumer), "xgroup|delconsumer", 5, "write", keys="2 RW delete", group="stream",
        since="5.0.0", complexity="O(1)", summary="Deletes a consumer of a group.", args="key group consumer")


cdef const char *HELP[15]
HELP[0] = b"XGROUP <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"
HELP[1] = b"CREATE <key> <groupname> <id|$> [option]"
HELP[2] = b"    Create a new consumer group. Options are:"
HELP[3] = b"    * MKSTREAM"
HELP[4] = b"      Create the empty stream if it does not exist."
HELP[5] = b"    * ENTRIESREAD entries_read"
HELP[6] = b"      Set the group's entries_read counter (internal use)."
HELP[7] = b"CREATECONSUMER <key> <groupname> <consumer>"
HELP[8] = b"    Create a new consumer in the specified group."
HELP[9] = b"DELCONSUMER <key> <groupname> <consumer>"
HELP[10] = b"    Remove the specified consumer."
HELP[11] = b"DESTROY <key> <groupname>"
HELP[12] = b"    Remove the specified group."
HELP[13] = b"SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]"
HELP[14] = b"    Set the current group ID and entries_read counter."


cdef void cmd_xgroup_help(Context *c) noexcept nogil:
    cdef int i
    reply_array(&c.reply, 17)
    for i in range(15):
        reply_status(&c.reply, HELP[i], strlen(HELP[i]))
    reply_status(&c.reply, b"HELP", 4)
    reply_status(&c.reply, b"    Print this help.", 20)


declare(native(cmd_xgroup_help), "xgroup|help", 2, "loading stale", group="stream", since="5.0.0",
        complexity="O(1)", summary="Lists the subcommands of XGROUP.")


# -- XACK -------------------------------------------------------------------------------------------------------------

cdef void cmd_xack(Context *c) noexcept nogil:
    cdef Entry *entry = read_key(c, 1)
    cdef Group *group
    cdef PendingEntry *pending
    cdef StreamId id
    cdef int64_t count = 0
    cdef int i
    if not check_type(c, entry, TYPE_STREAM):
        return
    group = group_find(&stream_of(entry).groups, c.argv[2]) if entry != NULL else NULL
    if group == NULL:
        reply_i64(&c.reply, 0)
        return
    if not stream_ids_or_reply(c, 3):
        return
    for i in range(3, c.argc):
        stream_id_parse(c.argv[i], 0, &id, NULL)
        pending = pending_find(group, id)
        if pending != NULL:
            pending_remove(group, pending)
            count += 1
    c.keyspace.dirty += count
    reply_i64(&c.reply, count)


declare(native(cmd_xack), "xack", -4, "write fast", keys="1 RW update", group="stream", since="5.0.0",
        complexity="O(1)", summary="Takes entries off a consumer group's pending ones.",
        args="key group id...")


# -- XPENDING ---------------------------------------------------------------------------------------------------------

cdef struct Filter:             # of XPENDING's long form
    int64_t idle_ms             # at least so long since they were given
    StreamId start
    StreamId end
    int64_t count
    int consumer                # index of the name, 0: of all


cdef bint filter_or_reply(Context *c, Filter *filter) noexcept nogil:
    cdef int index = 3
    filter.idle_ms = 0
    if arg_is(c, 3, b"idle", 4):
        if not arg_i64_or_reply(c, 4, &filter.idle_ms):
            return False
        if c.argc < 8:
            syntax_error(c)
            return False
        index = 5
    if not arg_i64_or_reply(c, index + 2, &filter.count):
        return False
    if not stream_range_or_reply(c, index, index + 1, &filter.start, &filter.end):
        return False
    filter.consumer = index + 3 if index + 3 < c.argc else 0
    return True


cdef void reply_summary(Reply *reply, const Group *group) noexcept nogil:
    """How many are pending, the lowest and the highest, and how many to each consumer."""
    cdef Consumer *consumer
    cdef uint64_t count = 0
    cdef size_t before
    cdef Slice name
    cdef uint32_t i
    reply_array(reply, 4)
    reply_i64(reply, <int64_t> group.pending.count)
    if group.pending.count == 0:
        reply_null(reply)
        reply_null(reply)
        reply_null_array(reply)
        return
    reply_stream_id(reply, (<PendingEntry *> idtree_at(idtree_first(&group.pending))).id)
    reply_stream_id(reply, (<PendingEntry *> idtree_at(idtree_last(&group.pending))).id)
    before = reply.out.length
    for i in range(group.consumers.count):
        consumer = consumer_at(group, i)
        if consumer.pending.count:
            name = name_of(&consumer.named)
            reply_array(reply, 2)
            reply_bulk(reply, name.data, name.length)
            reply_bulk_i64(reply, <int64_t> consumer.pending.count)
            count += 1
    reply_insert_header(reply, before, c'*', count)


cdef void reply_pending(Context *c, const Filter *filter, IdPosition place) noexcept nogil:
    """The pending entries from a place on that the filter lets pass."""
    cdef PendingEntry *pending
    cdef size_t before = c.reply.out.length
    cdef int64_t count = 0
    cdef int64_t idle_ms
    cdef Slice name
    while place.leaf != NULL and count < filter.count:
        pending = <PendingEntry *> idtree_at(place)
        if stream_id_below(filter.end, pending.id):
            break
        idle_ms = c.keyspace.now_ms - pending.delivered_ms
        if filter.idle_ms == 0 or idle_ms >= filter.idle_ms:
            name = name_of(&pending.consumer.named)
            reply_array(&c.reply, 4)
            reply_stream_id(&c.reply, pending.id)
            reply_bulk(&c.reply, name.data, name.length)
            reply_i64(&c.reply, idle_ms if idle_ms > 0 else 0)
            reply_i64(&c.reply, <int64_t> pending.deliveries)
            count += 1
        idtree_next(&place)
    reply_insert_header(&c.reply, before, c'*', count)


cdef void cmd_xpending(Context *c) noexcept nogil:
    cdef Filter filter
    cdef Entry *entry
    cdef Group *group
    cdef Consumer *consumer = NULL
    if c.argc != 3 and not 6 <= c.argc <= 9:
        syntax_error(c)
        return
    if c.argc > 3 and not filter_or_reply(c, &filter):
        return
    entry = read_key(c, 1)
    if not check_type(c, entry, TYPE_STREAM):
        return
    group = group_or_reply(c, entry, c.argv[2])
    if group == NULL:
        return
    if c.argc == 3:
        reply_summary(&c.reply, group)
        return
    if filter.consumer:
        consumer = consumer_find(group, c.argv[filter.consumer])
        if consumer == NULL:
            reply_array(&c.reply, 0)
            return
    reply_pending(c, &filter, idtree_from(&consumer.pending if consumer != NULL else &group.pending, filter.start))


declare(native(cmd_xpending), "xpending", -3, "readonly", keys="1 RO access", group="stream", since="5.0.0",
        complexity="O(N)", tips="nondeterministic_output",
        summary="Describes a consumer group's pending entries.",
        history=["6.2.0 Takes IDLE, and ranges that leave out their ends."],
        args="key group [filters: [IDLE@6.2.0 min-idle-time:integer] start end count:integer [consumer]]")
