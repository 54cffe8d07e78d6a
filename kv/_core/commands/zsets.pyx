"""Sorted sets by member: adding, scores and ranks, drawing.

Ranges are in commands/zsetranges, popping in commands/zsetpops, unions and their like in commands/zsetalgebra. A
sorted set whose last member goes is deleted with it. Members with their scores are a flat list to RESP2 clients and
pairs to RESP3 clients.
"""
from libc.stdint cimport INT64_MAX, int64_t, uint64_t

from kv._core.base.memory cimport memory_alloc, memory_calloc, memory_free
from kv._core.base.numbers cimport parse_double
from kv._core.base.platform cimport likely, unlikely
from kv._core.base.random cimport random_below
from kv._core.base.slice cimport Slice
from kv._core.keyspace.keyspace cimport EVENT_GENERIC, EVENT_ZSET, keyspace_add, keyspace_overwrite
from kv._core.objects.entry cimport TYPE_ZSET, Entry
from kv._core.objects.zset cimport (
    ZSET_ADDED, ZSET_GT, ZSET_INCR, ZSET_LT, ZSET_NAN, ZSET_NX, ZSET_REFUSED, ZSET_UPDATED, ZSET_XX,
    ZsetCursor, ZsetOutcome, ZsetRanks, zset_add, zset_expect, zset_fit, zset_length, zset_new, zset_next,
    zset_previous, zset_rank, zset_remove, zset_score, zset_seek)
from kv._core.resp.reply cimport Reply, reply_array, reply_bulk, reply_double, reply_i64, reply_null, reply_null_array
from kv._core.runtime.context cimport (
    arg_is, arg_range_or_reply, changed, check_type, context_key, delete_found, error, error_about, output_full,
    read_key, removed, syntax_error, write_key)
from kv._core.runtime.registry cimport native
from kv._core.runtime.registry import declare
from kv._core.runtime.state cimport Context


# -- shared -----------------------------------------------------------------------------------------------------------

cdef bint arg_double_or_reply(Context *c, int index, double *value) noexcept nogil:
    if likely(parse_double(c.argv[index].data, c.argv[index].length, value)):
        return True
    error(c, b"ERR value is not a valid float")
    return False


cdef void reply_pairs_header(Reply *reply, uint64_t count, bint with_scores) noexcept nogil:
    """For so many members, each of which is answered by reply_pair."""
    reply_array(reply, count * 2 if with_scores and reply.version == 2 else count)


cdef void reply_pair(Reply *reply, Slice member, double score, bint with_score) noexcept nogil:
    if with_score and reply.version > 2:
        reply_array(reply, 2)
    reply_bulk(reply, member.data, member.length)
    if with_score:
        reply_double(reply, score)


cdef void reply_ranks(Reply *reply, const Entry *entry, ZsetRanks ranks, bint reverse, bint with_scores) noexcept nogil:
    """The members of these ranks."""
    cdef ZsetCursor cursor
    cdef uint64_t left = ranks.count
    reply_pairs_header(reply, ranks.count, with_scores)
    if left == 0:
        return
    zset_seek(entry, ranks.start + ranks.count - 1 if reverse else ranks.start, &cursor)
    while True:
        reply_pair(reply, cursor.member, cursor.score, with_scores)
        left -= 1
        if left == 0:
            return
        if reverse:
            zset_previous(&cursor)
        else:
            zset_next(&cursor)


cdef void store_or_delete(Context *c, int index, Entry *made, const char *event) noexcept nogil:
    """Put a result in the place of whatever the key at an argument holds, and answer its size; NULL is an empty one."""
    cdef Entry *old = write_key(c, index)
    if made == NULL:
        if old != NULL:
            delete_found(c, context_key(c, index))
            changed(c, index, EVENT_GENERIC, b"del")
        reply_i64(&c.reply, 0)
        return
    if old != NULL:
        keyspace_overwrite(c.keyspace, c.database, old, made, c.keyspace.lazy_server_del)
    else:
        keyspace_add(c.keyspace, c.database, context_key(c, index), made)
    changed(c, index, EVENT_ZSET, event)
    reply_i64(&c.reply, zset_length(made))


# -- ZADD, ZINCRBY ----------------------------------------------------------------------------------------------------

cdef void parse_conditions(Context *c, Addition *addition) noexcept nogil:
    cdef int i = 2
    while i < c.argc:
        if arg_is(c, i, b"nx", 2):
            addition.conditions |= ZSET_NX
        elif arg_is(c, i, b"xx", 2):
            addition.conditions |= ZSET_XX
        elif arg_is(c, i, b"ch", 2):
            addition.count_updates = True
        elif arg_is(c, i, b"incr", 4):
            addition.conditions |= ZSET_INCR
        elif arg_is(c, i, b"gt", 2):
            addition.conditions |= ZSET_GT
        elif arg_is(c, i, b"lt", 2):
            addition.conditions |= ZSET_LT
        else:
            break
        i += 1
    addition.first = i
    addition.member, addition.step = i + 1, 2
    addition.pairs = (c.argc - i) // 2


cdef inline bint excludes(int conditions, int one, int other) noexcept nogil:
    return conditions & one and conditions & other


cdef bint conditions_or_reply(Context *c, const Addition *addition) noexcept nogil:
    cdef int conditions = addition.conditions
    if (c.argc - addition.first) % 2 or addition.pairs == 0:
        syntax_error(c)
    elif excludes(conditions, ZSET_NX, ZSET_XX):
        error(c, b"ERR XX and NX options at the same time are not compatible")
    elif excludes(conditions, ZSET_NX, ZSET_GT | ZSET_LT) or excludes(conditions, ZSET_GT, ZSET_LT):
        error(c, b"ERR GT, LT, and/or NX options at the same time are not compatible")
    elif conditions & ZSET_INCR and addition.pairs > 1:
        error(c, b"ERR INCR option supports a single increment-element pair")
    else:
        return True
    return False


cdef bint scores_or_reply(Context *c, Addition *addition) noexcept nogil:
    """Read all scores, so that none is set where another is no number."""
    cdef int i
    cdef int at = addition.first
    cdef size_t length
    for i in range(addition.pairs):
        if not arg_double_or_reply(c, at, addition.scores + i):
            return False
        length = c.argv[at + 1].length
        if length > addition.longest:
            addition.longest = length
        addition.room += length + c.argv[at].length + MEMBER_EXTRA
        at += 2
    return True


cdef void scores_take(Addition *addition) noexcept nogil:
    """The room for its scores; to be freed with scores_free()."""
    addition.scores = addition.at_hand
    if addition.pairs > SCORES_AT_HAND:
        addition.scores = <double *> memory_alloc(addition.pairs * sizeof(double))


cdef void scores_free(Addition *addition) noexcept nogil:
    if addition.scores != addition.at_hand:
        memory_free(addition.scores)


cdef Entry *entry_to_add_to(Context *c, const Addition *addition) noexcept nogil:
    """The key's sorted set, made where there is none; NULL where that is answered: another type, XX without a key."""
    cdef Entry *entry = write_key(c, 1)
    if not check_type(c, entry, TYPE_ZSET):
        return NULL
    if entry != NULL:
        zset_expect(entry, addition.pairs, addition.longest)
    elif addition.conditions & ZSET_XX:
        if addition.conditions & ZSET_INCR:
            reply_null(&c.reply)
        else:
            reply_i64(&c.reply, 0)
    else:
        entry = zset_new(c.argv[1], addition.pairs, addition.longest, addition.room)
        keyspace_add(c.keyspace, c.database, context_key(c, 1), entry)
    return entry


cdef void add_scored(Context *c, Entry *entry, const Addition *addition) noexcept nogil:
    """Add the members under their scores to the sorted set that was just looked up, and reply."""
    cdef int64_t added = 0
    cdef int64_t updated = 0
    cdef bint incr = addition.conditions & ZSET_INCR != 0
    cdef ZsetOutcome outcome = ZSET_REFUSED
    cdef double result = 0
    cdef int i
    for i in range(addition.pairs):
        outcome = zset_add(entry, c.argv[addition.member + addition.step * i], addition.scores[i],
                           addition.conditions, &result)
        added += outcome == ZSET_ADDED
        updated += outcome == ZSET_UPDATED
    if added + updated:
        changed(c, 1, EVENT_ZSET, b"zincr" if incr else b"zadd")
        c.keyspace.dirty += added + updated - 1
    if added > 1:
        zset_fit(entry)
    if not incr:
        reply_i64(&c.reply, added + updated if addition.count_updates else added)
    elif unlikely(outcome == ZSET_NAN):
        error(c, b"ERR resulting score is not a number (NaN)")
    elif outcome == ZSET_REFUSED:
        reply_null(&c.reply)
    else:
        reply_double(&c.reply, result)


cdef void add_with(Context *c, int conditions) noexcept nogil:
    cdef Addition addition
    cdef Entry *entry
    addition.conditions, addition.count_updates = conditions, False
    addition.longest = addition.room = 0
    parse_conditions(c, &addition)
    if not conditions_or_reply(c, &addition):
        return
    scores_take(&addition)
    if likely(scores_or_reply(c, &addition)):
        entry = entry_to_add_to(c, &addition)
        if likely(entry != NULL):
            add_scored(c, entry, &addition)
    scores_free(&addition)


cdef void cmd_zadd(Context *c) noexcept nogil:
    add_with(c, 0)


declare(native(cmd_zadd), "zadd", -4, "write denyoom fast", keys="1 RW update", member=3, group="sorted-set",
        since="1.2.0", complexity="O(log(N))",
        summary="Adds members to a sorted set, or changes their scores.",
        history=["2.4.0 Takes several members.", "3.0.2 Takes XX, NX, CH and INCR.",
                 "6.2.0 Takes GT and LT."],
        args="key [condition@3.0.2: NX | XX] [comparison@6.2.0: GT | LT] [change=CH@3.0.2] "
             "[increment=INCR@3.0.2] (data: score:double member)...")


cdef void cmd_zincrby(Context *c) noexcept nogil:
    add_with(c, ZSET_INCR)


declare(native(cmd_zincrby), "zincrby", 4, "write denyoom fast", keys="1 RW access update", member=3,
        group="sorted-set", since="1.2.0", complexity="O(log(N))",
        summary="Adds to the score of a member of a sorted set.", args="key increment:integer member")


# -- ZREM -------------------------------------------------------------------------------------------------------------

cdef void cmd_zrem(Context *c) noexcept nogil:
    cdef Entry *entry = write_key(c, 1)
    cdef int64_t count = 0
    cdef int i
    if not check_type(c, entry, TYPE_ZSET):
        return
    if entry != NULL:
        for i in range(2, c.argc):
            count += zset_remove(entry, c.argv[i])
            if zset_length(entry) == 0:
                break
        if count:
            removed(c, 1, count, zset_length(entry) == 0, EVENT_ZSET, b"zrem")
    reply_i64(&c.reply, count)


declare(native(cmd_zrem), "zrem", -3, "write fast", keys="1 RW delete", member=2, group="sorted-set", since="1.2.0",
        complexity="O(M*log(N))", summary="Removes members from a sorted set.",
        history=["2.4.0 Takes several members."], args="key member...")


# -- questions --------------------------------------------------------------------------------------------------------

cdef void cmd_zcard(Context *c) noexcept nogil:
    cdef Entry *entry = read_key(c, 1)
    if check_type(c, entry, TYPE_ZSET):
        reply_i64(&c.reply, zset_length(entry) if entry != NULL else 0)


declare(native(cmd_zcard), "zcard", 2, "readonly fast", keys="1 RO", group="sorted-set", since="1.2.0",
        complexity="O(1)", summary="Returns the number of members of a sorted set.", args="key")


cdef inline void reply_score_of(Context *c, const Entry *entry, Slice member) noexcept nogil:
    cdef double score
    if entry != NULL and zset_score(entry, member, &score):
        reply_double(&c.reply, score)
    else:
        reply_null(&c.reply)


cdef void cmd_zscore(Context *c) noexcept nogil:
    cdef Entry *entry = read_key(c, 1)
    if check_type(c, entry, TYPE_ZSET):
        reply_score_of(c, entry, c.argv[2])


declare(native(cmd_zscore), "zscore", 3, "readonly fast", keys="1 RO access", member=2, group="sorted-set",
        since="1.2.0", complexity="O(1)", summary="Returns the score of a member of a sorted set.",
        args="key member")


cdef void cmd_zmscore(Context *c) noexcept nogil:
    cdef Entry *entry = read_key(c, 1)
    cdef int i
    if not check_type(c, entry, TYPE_ZSET):
        return
    reply_array(&c.reply, c.argc - 2)
    for i in range(2, c.argc):
        reply_score_of(c, entry, c.argv[i])


declare(native(cmd_zmscore), "zmscore", -3, "readonly fast", keys="1 RO access", member=2, group="sorted-set",
        since="6.2.0", complexity="O(N)", summary="Returns the scores of members of a sorted set.",
        args="key member...")


cdef void rank(Context *c, bint reverse) noexcept nogil:
    cdef Entry *entry
    cdef uint64_t place
    cdef double score
    if c.argc > 4:
        error_about(c, b"ERR wrong number of arguments for '", name_of(c), b"' command")
        return
    if c.argc == 4 and not arg_is(c, 3, b"withscore", 9):
        syntax_error(c)
        return
    entry = read_key(c, 1)
    if not check_type(c, entry, TYPE_ZSET):
        return
    if entry == NULL or not zset_rank(entry, c.argv[2], &place, &score):
        if c.argc == 4:
            reply_null_array(&c.reply)
        else:
            reply_null(&c.reply)
        return
    if c.argc == 4:
        reply_array(&c.reply, 2)
    reply_i64(&c.reply, zset_length(entry) - 1 - place if reverse else place)
    if c.argc == 4:
        reply_double(&c.reply, score)


cdef inline Slice name_of(const Context *c) noexcept nogil:
    cdef Slice name
    name.data, name.length = c.command.name, c.command.name_length
    return name


cdef void cmd_zrank(Context *c) noexcept nogil:
    rank(c, False)


declare(native(cmd_zrank), "zrank", -3, "readonly fast", keys="1 RO access", member=2, group="sorted-set",
        since="2.0.0", complexity="O(log(N))",
        summary="Returns the rank of a member of a sorted set, lowest score first.",
        history=["7.2.0 Takes WITHSCORE."], args="key member [WITHSCORE]")


cdef void cmd_zrevrank(Context *c) noexcept nogil:
    rank(c, True)


declare(native(cmd_zrevrank), "zrevrank", -3, "readonly fast", keys="1 RO access", member=2, group="sorted-set",
        since="2.0.0", complexity="O(log(N))",
        summary="Returns the rank of a member of a sorted set, highest score first.",
        history=["7.2.0 Takes WITHSCORE."], args="key member [WITHSCORE]")


# -- drawing ----------------------------------------------------------------------------------------------------------

cdef void reply_at(Reply *reply, const Entry *entry, uint64_t place, bint with_score) noexcept nogil:
    cdef ZsetCursor cursor
    zset_seek(entry, place, &cursor)
    reply_pair(reply, cursor.member, cursor.score, with_score)


cdef void draw_many(Context *c, const Entry *entry, uint64_t count, bint with_scores) noexcept nogil:
    """So many different members, most of all: a walk that takes each with the chance that makes all choices alike."""
    cdef ZsetCursor cursor
    cdef uint64_t left = zset_length(entry)
    cdef bint more = zset_seek(entry, 0, &cursor)
    while more and count:
        if random_below(&c.keyspace.random, left) < count:
            reply_pair(&c.reply, cursor.member, cursor.score, with_scores)
            count -= 1
        left -= 1
        more = zset_next(&cursor)


cdef bint note_rank(uint64_t *table, uint64_t mask, uint64_t place) noexcept nogil:
    """Whether a rank is new; slots hold ranks plus one."""
    cdef uint64_t at = (place * 0x9e3779b97f4a7c15ULL >> 20) & mask
    while table[at]:
        if table[at] == place + 1:
            return False
        at = (at + 1) & mask
    table[at] = place + 1
    return True


cdef void draw_few(Context *c, const Entry *entry, uint64_t count, bint with_scores) noexcept nogil:
    """So many different members of far more: ranks are drawn until enough of them differ."""
    cdef uint64_t length = zset_length(entry)
    cdef uint64_t place
    cdef uint64_t slots = 16
    cdef uint64_t *table
    while slots < count * 2:
        slots *= 2
    table = <uint64_t *> memory_calloc(slots * sizeof(uint64_t))
    while count:
        place = random_below(&c.keyspace.random, length)
        if note_rank(table, slots - 1, place):
            reply_at(&c.reply, entry, place, with_scores)
            count -= 1
    memory_free(table)


cdef void draw(Context *c, int64_t wanted, bint with_scores) noexcept nogil:
    cdef Entry *entry = read_key(c, 1)
    cdef uint64_t count = wanted if wanted >= 0 else -wanted
    cdef uint64_t length
    cdef uint64_t _i
    if not check_type(c, entry, TYPE_ZSET):
        return
    if entry == NULL or count == 0:
        reply_array(&c.reply, 0)
        return
    length = zset_length(entry)
    if wanted > 0 and count > length:
        count = length
    reply_pairs_header(&c.reply, count, with_scores)
    if wanted < 0:
        for _i in range(count):
            reply_at(&c.reply, entry, random_below(&c.keyspace.random, length), with_scores)
            if output_full(c):
                return
    elif count * 3 > length:
        draw_many(c, entry, count, with_scores)
    else:
        draw_few(c, entry, count, with_scores)


cdef void cmd_zrandmember(Context *c) noexcept nogil:
    cdef Entry *entry
    cdef int64_t count = 0
    if c.argc > 2:
        if not arg_range_or_reply(c, 2, -INT64_MAX, INT64_MAX, &count,
                                  b"ERR value is out of range, value must between -9223372036854775807 and "
                                  b"9223372036854775807"):
            return
        if c.argc > 4 or (c.argc == 4 and not arg_is(c, 3, b"withscores", 10)):
            syntax_error(c)
        elif c.argc == 4 and not -(INT64_MAX // 2) <= count <= INT64_MAX // 2:
            error(c, b"ERR value is out of range")
        else:
            draw(c, count, c.argc == 4)
        return
    entry = read_key(c, 1)
    if not check_type(c, entry, TYPE_ZSET):
        return
    if entry == NULL:
        reply_null(&c.reply)
    else:
        reply_at(&c.reply, entry, random_below(&c.keyspace.random, zset_length(entry)), False)


declare(native(cmd_zrandmember), "zrandmember", -2, "readonly", keys="1 RO access", group="sorted-set",
        since="6.2.0", complexity="O(N)", tips="nondeterministic_output",
        summary="Returns members of a sorted set at random.",
        args="key [options: count:integer [WITHSCORES]]")
