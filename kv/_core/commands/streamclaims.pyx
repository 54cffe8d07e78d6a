"""XCLAIM and XAUTOCLAIM: pending entries change hands.

Both go to the AOF and replicas as a claim for each entry that changed hands or, being deleted, is pending no more."""
from libc.stdint cimport INT64_MAX, int64_t, uint64_t

from kv._core.base.buffer cimport Buffer, buffer_append, buffer_free
from kv._core.base.numbers cimport parse_i64
from kv._core.base.slice cimport Slice
from kv._core.commands.streamwords cimport (
    consumer_made, group_or_reply, propagate_claim, propagate_group_id, reply_insert_header, reply_insert_id,
    reply_stream_entry_of, reply_stream_id, stream_id_or_reply, stream_id_parse, stream_start_or_reply)
from kv._core.containers.idtree cimport IdPosition, idtree_at, idtree_from, idtree_next
from kv._core.containers.streamid cimport StreamId, stream_id, stream_id_below
from kv._core.containers.streamlog cimport streamlog_has
from kv._core.objects.entry cimport TYPE_STREAM, Entry
from kv._core.objects.stream cimport Stream, stream_of
from kv._core.objects.streamgroup cimport (
    Consumer, Group, PendingEntry, consumer_find, pending_find, pending_give, pending_move, pending_remove)
from kv._core.resp.reply cimport reply_array
from kv._core.runtime.context cimport arg_is, check_type, error, error_about, read_key, syntax_error
from kv._core.runtime.registry cimport native
from kv._core.runtime.registry import declare
from kv._core.runtime.state cimport Context

cdef enum:
    ATTEMPTS = 10               # entries that XAUTOCLAIM looks at for each that it may claim
    USUAL_COUNT = 100

cdef struct Claim:              # what is asked for
    Slice key
    Stream *stream
    Group *group
    Consumer *consumer
    int64_t idle_ms             # at least so long since they were given
    int64_t delivered_ms        # when they will have been given
    int64_t deliveries          # how often, -1: once more
    bint force                  # entries that are not pending become so
    bint just_id                # neither are the entries answered, nor does it count as a delivery
    StreamId last               # LASTID


cdef bint number_or_reply(Context *c, int index, int64_t *number, const char *text) noexcept nogil:
    if parse_i64(c.argv[index].data, c.argv[index].length, number):
        return True
    error(c, text)
    return False


cdef bint idle_or_reply(Context *c, Claim *claim, const char *text) noexcept nogil:
    if not number_or_reply(c, 4, &claim.idle_ms, text):
        return False
    if claim.idle_ms < 0:
        claim.idle_ms = 0
    return True


cdef bint group_known_or_reply(Context *c, Claim *claim) noexcept nogil:
    cdef Entry *entry = read_key(c, 1)
    if not check_type(c, entry, TYPE_STREAM):
        return False
    claim.key = c.argv[1]
    claim.group = group_or_reply(c, entry, c.argv[2])
    if claim.group != NULL:
        claim.stream = stream_of(entry)
    return claim.group != NULL


cdef void know_consumer(Context *c, Claim *claim) noexcept nogil:
    claim.consumer = consumer_find(claim.group, c.argv[3])
    if claim.consumer == NULL:
        claim.consumer = consumer_made(c, 1, claim.group, c.argv[3])
    claim.consumer.seen_ms = c.keyspace.now_ms


# -- one entry --------------------------------------------------------------------------------------------------------

cdef void forget(Context *c, const Claim *claim, PendingEntry *pending) noexcept nogil:
    """A pending entry that is gone from the stream."""
    propagate_claim(c, claim.key, claim.group, pending)
    c.keyspace.dirty += 1
    pending_remove(claim.group, pending)


cdef void take(Context *c, const Claim *claim, PendingEntry *pending) noexcept nogil:
    pending_move(pending, claim.consumer)
    pending.delivered_ms = claim.delivered_ms
    if claim.deliveries >= 0:
        pending.deliveries = claim.deliveries
    elif not claim.just_id:
        pending.deliveries += 1
    claim.consumer.active_ms = c.keyspace.now_ms
    if claim.just_id:
        reply_stream_id(&c.reply, pending.id)
    else:
        reply_stream_entry_of(&c.reply, claim.stream, pending.id)
    propagate_claim(c, claim.key, claim.group, pending)
    c.keyspace.dirty += 1


cdef inline bint is_idle(Context *c, const Claim *claim, const PendingEntry *pending) noexcept nogil:
    return claim.idle_ms == 0 or c.keyspace.now_ms - pending.delivered_ms >= claim.idle_ms


# -- XCLAIM -----------------------------------------------------------------------------------------------------------

cdef bint claim_option_or_reply(Context *c, Claim *claim, int *index) noexcept nogil:
    """One option; *index is left at its last word."""
    cdef bint more = index[0] + 1 < c.argc
    cdef int at = index[0]
    if arg_is(c, at, b"force", 5):
        claim.force = True
        return True
    if arg_is(c, at, b"justid", 6):
        claim.just_id = True
        return True
    index[0] += 1
    if more and arg_is(c, at, b"idle", 4):
        if not number_or_reply(c, at + 1, &claim.delivered_ms, b"ERR Invalid IDLE option argument for XCLAIM"):
            return False
        claim.delivered_ms = <int64_t> (<uint64_t> c.keyspace.now_ms - <uint64_t> claim.delivered_ms)
        return True
    if more and arg_is(c, at, b"time", 4):
        return number_or_reply(c, at + 1, &claim.delivered_ms, b"ERR Invalid TIME option argument for XCLAIM")
    if more and arg_is(c, at, b"retrycount", 10):
        return number_or_reply(c, at + 1, &claim.deliveries, b"ERR Invalid RETRYCOUNT option argument for XCLAIM")
    if more and arg_is(c, at, b"lastid", 6):
        return stream_id_or_reply(c, at + 1, &claim.last)
    error_about(c, b"ERR Unrecognized XCLAIM option '", c.argv[at], b"'")
    return False


cdef bint claim_or_reply(Context *c, Claim *claim, int *ids_end) noexcept nogil:
    """All but the group: ids as far as there are any, then options."""
    cdef StreamId id
    cdef int index = 5
    claim.delivered_ms = claim.deliveries = -1
    claim.force = claim.just_id = False
    claim.last = stream_id(0, 0)
    if not idle_or_reply(c, claim, b"ERR Invalid min-idle-time argument for XCLAIM"):
        return False
    while index < c.argc and stream_id_parse(c.argv[index], 0, &id, NULL):
        index += 1
    ids_end[0] = index
    while index < c.argc:
        if not claim_option_or_reply(c, claim, &index):
            return False
        index += 1
    if not 0 <= claim.delivered_ms <= c.keyspace.now_ms:
        claim.delivered_ms = c.keyspace.now_ms      # clients' clocks may be ahead
    return True


cdef bint claim_one(Context *c, const Claim *claim, StreamId id, bint *told) noexcept nogil:
    """Whether the entry was claimed; *told: the group's last id went out with it."""
    cdef PendingEntry *pending = pending_find(claim.group, id)
    if not streamlog_has(&claim.stream.log, id):
        if pending != NULL:
            forget(c, claim, pending)
            told[0] = True
        return False
    if pending == NULL:
        if not claim.force:
            return False
        pending = pending_give(claim.group, claim.consumer, id, c.keyspace.now_ms)
    elif not is_idle(c, claim, pending):
        return False
    take(c, claim, pending)
    told[0] = True
    return True


cdef void cmd_xclaim(Context *c) noexcept nogil:
    cdef Claim claim
    cdef StreamId id
    cdef bint moved
    cdef bint told = False
    cdef uint64_t count = 0
    cdef size_t before = c.reply.out.length
    cdef int ids_end = 0
    cdef int i
    if not group_known_or_reply(c, &claim) or not claim_or_reply(c, &claim, &ids_end):
        return
    c.propagated = True
    moved = stream_id_below(claim.group.last, claim.last)
    if moved:
        claim.group.last = claim.last
    know_consumer(c, &claim)
    for i in range(5, ids_end):
        stream_id_parse(c.argv[i], 0, &id, NULL)
        count += claim_one(c, &claim, id, &told)
    if moved and not told:
        propagate_group_id(c, claim.key, claim.group)
        c.keyspace.dirty += 1
    reply_insert_header(&c.reply, before, c'*', count)


declare(native(cmd_xclaim), "xclaim", -6, "write fast", keys="1 RW update", group="stream", since="5.0.0",
        complexity="O(log N)", tips="nondeterministic_output", summary="Gives pending entries to a consumer.",
        args="key group consumer min-idle-time id... [IDLE ms:integer] [TIME "
             "unix-time-milliseconds:unix-time] [RETRYCOUNT count:integer] [FORCE] [JUSTID] [LASTID lastid]")


# -- XAUTOCLAIM -------------------------------------------------------------------------------------------------------

cdef bint walk_or_reply(Context *c, Claim *claim, StreamId *start, int64_t *count) noexcept nogil:
    cdef int index = 6
    claim.deliveries, claim.delivered_ms, claim.just_id, claim.force = -1, c.keyspace.now_ms, False, False
    count[0] = USUAL_COUNT
    if not idle_or_reply(c, claim, b"ERR Invalid min-idle-time argument for XAUTOCLAIM"):
        return False
    if not stream_start_or_reply(c, 5, start):
        return False
    while index < c.argc:
        if index + 1 < c.argc and arg_is(c, index, b"count", 5):
            index += 1
            if not number_or_reply(c, index, count, b"ERR COUNT must be > 0"):
                return False
            if not 1 <= count[0] <= INT64_MAX // <int64_t> sizeof(StreamId):
                error(c, b"ERR COUNT must be > 0")
                return False
        elif arg_is(c, index, b"justid", 6):
            claim.just_id = True
        else:
            syntax_error(c)
            return False
        index += 1
    return True


cdef IdPosition claim_idle(Context *c, const Claim *claim, IdPosition place, int64_t count,
                           Buffer *deleted) noexcept nogil:
    """Claim up to `count` idle entries from a place on, and forget deleted ones, whose ids are put into `deleted`; where
    the next walk would begin."""
    cdef int64_t attempts = count * ATTEMPTS
    cdef size_t before = c.reply.out.length
    cdef uint64_t claimed = 0
    cdef PendingEntry *pending
    cdef StreamId id
    while attempts and count and place.leaf != NULL:
        attempts -= 1
        pending = <PendingEntry *> idtree_at(place)
        id = pending.id
        if not streamlog_has(&claim.stream.log, id):
            buffer_append(deleted, <const char *> &id, sizeof(id))
            forget(c, claim, pending)
            place = idtree_from(&claim.group.pending, id)
            count -= 1
            continue
        if is_idle(c, claim, pending):
            take(c, claim, pending)
            claimed += 1
            count -= 1
        idtree_next(&place)
    reply_insert_header(&c.reply, before, c'*', claimed)
    return place


cdef void cmd_xautoclaim(Context *c) noexcept nogil:
    cdef Claim claim
    cdef StreamId start
    cdef int64_t count
    cdef IdPosition place
    cdef Buffer deleted
    cdef size_t before
    cdef size_t i
    if not walk_or_reply(c, &claim, &start, &count) or not group_known_or_reply(c, &claim):
        return
    c.propagated = True
    know_consumer(c, &claim)
    deleted.data = NULL
    deleted.length = deleted.capacity = 0
    reply_array(&c.reply, 3)
    before = c.reply.out.length
    place = claim_idle(c, &claim, idtree_from(&claim.group.pending, start), count, &deleted)
    start = (<PendingEntry *> idtree_at(place)).id if place.leaf != NULL else stream_id(0, 0)
    reply_insert_id(&c.reply, before, start)
    reply_array(&c.reply, deleted.length // sizeof(StreamId))
    for i in range(deleted.length // sizeof(StreamId)):
        reply_stream_id(&c.reply, (<StreamId *> deleted.data)[i])
    buffer_free(&deleted)


declare(native(cmd_xautoclaim), "xautoclaim", -6, "write fast", keys="1 RW delete", group="stream",
        since="6.2.0", complexity="O(1)", tips="nondeterministic_output",
        summary="Gives idle pending entries to a consumer, walking over them.",
        history=["7.0.0 Returns the ids of deleted entries that were taken off the pending ones."],
        args="key group consumer min-idle-time start [COUNT count:integer] [JUSTID]")
