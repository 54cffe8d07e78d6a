"""Sorted sets: taking the members with the lowest or the highest scores away, from one set or the first of several, now or
as soon as there are any.

The reply to a single popped member is flat, in ZMPOP members and scores are pairs. A command that waited is
propagated as its kin that does not wait.
"""
from libc.stdint cimport int64_t, uint64_t

from kv._core.commands.multipop cimport MultiPop, first_of_type, multi_pop_or_reply, wait_or_null
from kv._core.keyspace.keyspace cimport EVENT_ZSET
from kv._core.objects.entry cimport TYPE_ZSET, Entry
from kv._core.objects.zset cimport ZsetCursor, ZsetRanks, zset_length, zset_next, zset_previous, zset_remove_ranks, zset_seek
from kv._core.resp.reply cimport reply_array, reply_bulk, reply_double, reply_null_array
from kv._core.runtime.blocking cimport arg_timeout_or_reply
from kv._core.runtime.context cimport arg_least_or_reply, check_type, removed, syntax_error, write_key
from kv._core.runtime.propagation cimport effects_begin, effects_number, effects_slice, effects_wanted, effects_word
from kv._core.runtime.registry cimport native
from kv._core.runtime.registry import declare
from kv._core.runtime.state cimport Context


# -- ZPOPMIN, ZPOPMAX ---------------------------------------------------------------------------------------------

cdef enum Form:             # of popped members in the reply
    FORM_FLAT               # an array of members and scores
    FORM_PAIRS              # an array of pairs
    FORM_INSIDE             # no array of their own: the caller has begun one


cdef uint64_t pop(Context *c, int index, Entry *entry, bint highest, int64_t most, Form form) noexcept nogil:
    """Answer and remove up to `most` members of the entry that was just found; how many there were."""
    cdef ZsetRanks ranks
    cdef ZsetCursor cursor
    cdef uint64_t length = zset_length(entry)
    cdef uint64_t _i
    ranks.count = length if <uint64_t> most > length else most
    ranks.start = length - ranks.count if highest else 0
    if form != FORM_INSIDE:
        reply_array(&c.reply, ranks.count if form == FORM_PAIRS else ranks.count * 2)
    zset_seek(entry, length - 1 if highest else 0, &cursor)
    for _i in range(ranks.count):
        if form == FORM_PAIRS:
            reply_array(&c.reply, 2)
        reply_bulk(&c.reply, cursor.member.data, cursor.member.length)
        reply_double(&c.reply, cursor.score)
        if highest:
            zset_previous(&cursor)
        else:
            zset_next(&cursor)
    zset_remove_ranks(entry, ranks)
    removed(c, index, ranks.count, zset_length(entry) == 0, EVENT_ZSET, b"zpopmax" if highest else b"zpopmin")
    return ranks.count


cdef void pop_from_one(Context *c, bint highest) noexcept nogil:
    cdef Entry *entry
    cdef int64_t count = 1
    if c.argc > 3:
        syntax_error(c)
        return
    if c.argc == 3 and not arg_least_or_reply(c, 2, 0, &count, b"ERR value is out of range, must be positive"):
        return
    entry = write_key(c, 1)
    if not check_type(c, entry, TYPE_ZSET):
        return
    if entry == NULL or count == 0:
        reply_array(&c.reply, 0)
        return
    pop(c, 1, entry, highest, count,
        FORM_PAIRS if c.argc == 3 and c.reply.version > 2 else FORM_FLAT)


cdef void cmd_zpopmin(Context *c) noexcept nogil:
    pop_from_one(c, False)


declare(native(cmd_zpopmin), "zpopmin", -2, "write fast", keys="1 RW access delete", group="sorted-set",
        since="5.0.0", complexity="O(log(N)*M)",
        summary="Pops members with the lowest scores of a sorted set.", args="key [count:integer]")


cdef void cmd_zpopmax(Context *c) noexcept nogil:
    pop_from_one(c, True)


declare(native(cmd_zpopmax), "zpopmax", -2, "write fast", keys="1 RW access delete", group="sorted-set",
        since="5.0.0", complexity="O(log(N)*M)",
        summary="Pops members with the highest scores of a sorted set.", args="key [count:integer]")


# -- BZPOPMIN, BZPOPMAX -------------------------------------------------------------------------------------------

cdef void propagate_pop(Context *c, int index, bint highest, int64_t count) noexcept nogil:
    """The AOF and replicas are told of the one key that it came to; a count of -1 is not told."""
    c.propagated = True
    if not effects_wanted(c.runtime):
        return
    effects_begin(c.runtime, c.database.id, 2 if count == -1 else 3)
    effects_word(c.runtime, b"ZPOPMAX" if highest else b"ZPOPMIN", 7)
    effects_slice(c.runtime, c.argv[index])
    if count != -1:
        effects_number(c.runtime, count)


cdef void pop_or_wait(Context *c, bint highest) noexcept nogil:
    cdef int64_t until_ms
    cdef int index = 0
    cdef Entry *entry
    if not arg_timeout_or_reply(c, c.argc - 1, True, &until_ms):
        return
    entry = first_of_type(c, TYPE_ZSET, 1, c.argc - 2, &index)
    if entry == NULL:
        if index >= 0:
            wait_or_null(c, TYPE_ZSET, 1, c.argc - 2, until_ms)
        return
    reply_array(&c.reply, 3)
    reply_bulk(&c.reply, c.argv[index].data, c.argv[index].length)
    pop(c, index, entry, highest, 1, FORM_INSIDE)
    propagate_pop(c, index, highest, -1)


cdef void cmd_bzpopmin(Context *c) noexcept nogil:
    pop_or_wait(c, False)


declare(native(cmd_bzpopmin), "bzpopmin", -3, "write blocking fast", keys="1..-2 RW access delete",
        group="sorted-set", since="5.0.0", complexity="O(log(N))",
        summary="Pops the member with the lowest score of the first sorted set that has any; waits where "
                "none has.",
        history=["6.0.0 The timeout may have a fraction."], args="key... timeout:double")


cdef void cmd_bzpopmax(Context *c) noexcept nogil:
    pop_or_wait(c, True)


declare(native(cmd_bzpopmax), "bzpopmax", -3, "write blocking fast", keys="1..-2 RW access delete",
        group="sorted-set", since="5.0.0", complexity="O(log(N))",
        summary="Pops the member with the highest score of the first sorted set that has any; waits where "
                "none has.",
        history=["6.0.0 The timeout may have a fraction."], args="key... timeout:double")


# -- ZMPOP, BZMPOP ------------------------------------------------------------------------------------------------

cdef bint multi_pop(Context *c, int first, const MultiPop *wanted) noexcept nogil:
    """Pop from the first sorted set there is. False where there is none, and no reply was made."""
    cdef int index = 0
    cdef Entry *entry = first_of_type(c, TYPE_ZSET, first, wanted.keys, &index)
    if entry == NULL:
        return index < 0
    reply_array(&c.reply, 2)
    reply_bulk(&c.reply, c.argv[index].data, c.argv[index].length)
    propagate_pop(c, index, not wanted.first, pop(c, index, entry, not wanted.first, wanted.count, FORM_PAIRS))
    return True


cdef void cmd_zmpop(Context *c) noexcept nogil:
    cdef MultiPop wanted
    if multi_pop_or_reply(c, 1, b"min", b"max", &wanted) and not multi_pop(c, 2, &wanted):
        reply_null_array(&c.reply)


declare(native(cmd_zmpop), "zmpop", -4, "write", keys="1# RW access delete", group="sorted-set",
        since="7.0.0", complexity="O(K)",
        summary="Pops members with the lowest or highest scores from the first sorted set that has any.",
        args="numkeys:integer key... (where: MIN | MAX) [COUNT count:integer]")


cdef void cmd_bzmpop(Context *c) noexcept nogil:
    cdef MultiPop wanted
    cdef int64_t until_ms
    if (multi_pop_or_reply(c, 2, b"min", b"max", &wanted) and arg_timeout_or_reply(c, 1, True, &until_ms)
            and not multi_pop(c, 3, &wanted)):
        wait_or_null(c, TYPE_ZSET, 3, wanted.keys, until_ms)


declare(native(cmd_bzmpop), "bzmpop", -5, "write blocking", keys="2# RW access delete", group="sorted-set",
        since="7.0.0", complexity="O(K)",
        summary="Pops members with the lowest or highest scores from the first sorted set that has any; "
                "waits where none has.",
        args="timeout:double numkeys:integer key... (where: MIN | MAX) [COUNT count:integer]")
