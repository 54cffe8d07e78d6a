"""Ranges of sorted sets, by rank, score or name: read, stored, counted, removed.

Whatever a range is given by, it is turned into ranks (objects/zset), and direction, offset and limit are applied to
those. One body, `range_of`, serves the seven reading commands: what their names say are options that ZRANGE spells out.
"""
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport strtod
from libc.string cimport memcpy, memset

from kv._core.base.memory cimport memory_alloc, memory_free
from kv._core.base.numbers cimport parse_double
from kv._core.base.platform cimport likely
from kv._core.base.slice cimport Slice, slice_of
from kv._core.commands.zsets cimport reply_ranks, store_or_delete
from kv._core.containers.skiplist cimport LEX_HIGHEST, LEX_LOWEST, LEX_TEXT, LexRange, ScoreRange
from kv._core.keyspace.keyspace cimport EVENT_ZSET
from kv._core.objects.entry cimport ENCODING_LISTPACK, TYPE_ZSET, Entry, entry_encoding
from kv._core.objects.zset cimport (
    ZsetCursor, ZsetRanks, zset_add, zset_fit, zset_length, zset_new, zset_next, zset_previous, zset_ranks_of_lex,
    zset_ranks_of_scores, zset_remove_ranks, zset_seek)
from kv._core.resp.reply cimport reply_array, reply_i64
from kv._core.runtime.context cimport (
    arg_i64_or_reply, arg_is, check_type, error, read_key, removed, syntax_error, write_key)
from kv._core.runtime.registry cimport native
from kv._core.runtime.registry import declare
from kv._core.runtime.state cimport Context

cdef enum By:
    BY_ANY                      # an option may say; by rank if none does
    BY_RANK
    BY_SCORE
    BY_LEX

cdef struct Range:              # what a command asks for
    By by
    int64_t start               # by rank: from the end where negative
    int64_t stop
    ScoreRange scores
    LexRange lex
    bint reverse
    bint reverse_given          # the command's name says the direction: REV is no option
    bint with_scores
    int64_t offset
    int64_t limit               # -1: none

cdef enum:
    SHORT_TEXT = 256            # bytes of a limit that need no memory of their own


# -- what a range is given by -----------------------------------------------------------------------------------------

cdef bint parse_as_c(Slice text, double *value) noexcept nogil:
    """As C's strtod, to the first NUL: blanks may lead, nothing at all is 0, and what is too large is infinite."""
    cdef char at_hand[SHORT_TEXT]
    cdef char *copy = at_hand
    cdef char *end
    cdef bint good
    if text.length >= SHORT_TEXT:
        copy = <char *> memory_alloc(text.length + 1)
    memcpy(copy, text.data, text.length)
    copy[text.length] = 0
    value[0] = strtod(copy, &end)
    good = end[0] == 0 and value[0] == value[0]
    if copy != at_hand:
        memory_free(copy)
    return good


cdef bint parse_limit(Slice text, double *value, bint *is_open) noexcept nogil:
    """A score, behind "(" where it is outside of the range itself."""
    is_open[0] = text.length != 0 and text.data[0] == c'('
    if is_open[0]:
        text.data += 1
        text.length -= 1
    return likely(parse_double(text.data, text.length, value)) or parse_as_c(text, value)


cdef bint scores_or_reply(Context *c, int min, int max, ScoreRange *scores) noexcept nogil:
    if (parse_limit(c.argv[min], &scores.min, &scores.min_open)
            and parse_limit(c.argv[max], &scores.max, &scores.max_open)):
        return True
    error(c, b"ERR min or max is not a float")
    return False


cdef bint parse_lex_limit(Slice text, Slice *value, int *end, bint *is_open) noexcept nogil:
    """"-", "+", or "[" or "(" and text."""
    cdef char mark = text.data[0] if text.length else 0
    end[0], is_open[0] = LEX_TEXT, mark == c'('
    if mark == c'(' or mark == c'[':
        value[0] = slice_of(text.data + 1, text.length - 1)
        return True
    if text.length > 1 and text.data[1] != 0:
        return False
    end[0] = LEX_LOWEST if mark == c'-' else LEX_HIGHEST
    return mark == c'-' or mark == c'+'


cdef bint lex_or_reply(Context *c, int min, int max, LexRange *lex) noexcept nogil:
    if (parse_lex_limit(c.argv[min], &lex.min, &lex.min_end, &lex.min_open)
            and parse_lex_limit(c.argv[max], &lex.max, &lex.max_end, &lex.max_open)):
        return True
    error(c, b"ERR min or max not valid string range item")
    return False


cdef bint limits_or_reply(Context *c, int first, Range *range) noexcept nogil:
    """The two limits from an argument on. Scores and names that are read backwards begin with the highest."""
    cdef bint swapped = range.reverse and range.by != BY_RANK
    cdef int min = first + swapped
    cdef int max = first + 1 - swapped
    if range.by == BY_SCORE:
        return scores_or_reply(c, min, max, &range.scores)
    if range.by == BY_LEX:
        return lex_or_reply(c, min, max, &range.lex)
    return arg_i64_or_reply(c, min, &range.start) and arg_i64_or_reply(c, max, &range.stop)


# -- ranks ------------------------------------------------------------------------------------------------------------

cdef ZsetRanks ranks_of_indexes(uint64_t length, int64_t start, int64_t stop, bint reverse) noexcept nogil:
    cdef ZsetRanks ranks
    cdef int64_t count = <int64_t> length
    if start < 0:
        start += count
    if stop < 0:
        stop += count
    if start < 0:
        start = 0
    if stop >= count:
        stop = count - 1
    ranks.start = ranks.count = 0
    if start <= stop:
        ranks.count = stop - start + 1
        ranks.start = count - 1 - stop if reverse else start
    return ranks


cdef ZsetRanks all_ranks(const Entry *entry, const Range *range) noexcept nogil:
    """Without offset and limit."""
    if range.by == BY_SCORE:
        return zset_ranks_of_scores(entry, &range.scores)
    if range.by == BY_LEX:
        return zset_ranks_of_lex(entry, &range.lex)
    return ranks_of_indexes(zset_length(entry), range.start, range.stop, range.reverse)


cdef ZsetRanks ranks_of(const Entry *entry, const Range *range) noexcept nogil:
    cdef ZsetRanks ranks = all_ranks(entry, range)
    cdef int64_t count = <int64_t> ranks.count
    cdef int64_t offset = range.offset
    if range.by == BY_RANK:
        return ranks
    if offset < 0 and entry_encoding(entry) != ENCODING_LISTPACK:
        offset += count                         # as Valkey 8.1 has it, and only for skiplists
    if not 0 <= offset < count:
        ranks.count = 0
        return ranks
    count -= offset
    if 0 <= range.limit < count:
        count = range.limit
    ranks.start = ranks.start + ranks.count - offset - count if range.reverse else ranks.start + offset
    ranks.count = count
    return ranks


# -- reading and storing ----------------------------------------------------------------------------------------------

cdef bint options_or_reply(Context *c, int first, bint store, Range *range) noexcept nogil:
    cdef int i = first
    while i < c.argc:
        if not store and arg_is(c, i, b"withscores", 10):
            range.with_scores = True
        elif arg_is(c, i, b"limit", 5) and i + 2 < c.argc:
            if not arg_i64_or_reply(c, i + 1, &range.offset) or not arg_i64_or_reply(c, i + 2, &range.limit):
                return False
            i += 2
        elif not range.reverse_given and not range.reverse and arg_is(c, i, b"rev", 3):
            range.reverse = True
        elif range.by == BY_ANY and arg_is(c, i, b"bylex", 5):
            range.by = BY_LEX
        elif range.by == BY_ANY and arg_is(c, i, b"byscore", 7):
            range.by = BY_SCORE
        else:
            syntax_error(c)
            return False
        i += 1
    if range.by == BY_ANY:
        range.by = BY_RANK
    if range.limit != -1 and range.by == BY_RANK:
        error(c, b"ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX")
        return False
    if range.with_scores and range.by == BY_LEX:
        error(c, b"ERR syntax error, WITHSCORES not supported in combination with BYLEX")
        return False
    return True


cdef Range range_named(By by, bint reverse, bint reverse_given) noexcept nogil:
    """What a command's name says, before its options."""
    cdef Range range
    memset(&range, 0, sizeof(Range))
    range.by, range.reverse, range.reverse_given, range.limit = by, reverse, reverse_given, -1
    return range


cdef void range_of(Context *c, By by, bint reverse, bint reverse_given) noexcept nogil:
    cdef Range range = range_named(by, reverse, reverse_given)
    cdef Entry *entry
    if not options_or_reply(c, 4, False, &range) or not limits_or_reply(c, 2, &range):
        return
    entry = read_key(c, 1)
    if not check_type(c, entry, TYPE_ZSET):
        return
    if entry == NULL:
        reply_array(&c.reply, 0)
        return
    reply_ranks(&c.reply, entry, ranks_of(entry, &range), range.reverse, range.with_scores)


cdef void cmd_zrange(Context *c) noexcept nogil:
    range_of(c, BY_ANY, False, False)


declare(native(cmd_zrange), "zrange", -4, "readonly", keys="1 RO access", group="sorted-set", since="1.2.0",
        complexity="O(log(N)+M)",
        summary="Returns the members of a sorted set in a range of ranks, scores or names.",
        history=["6.2.0 Takes REV, BYSCORE, BYLEX and LIMIT."],
        args="key start stop [sortby@6.2.0: BYSCORE | BYLEX] [REV@6.2.0] [LIMIT@6.2.0 offset:integer "
             "count:integer] [WITHSCORES]")


cdef void cmd_zrevrange(Context *c) noexcept nogil:
    range_of(c, BY_RANK, True, True)


declare(native(cmd_zrevrange), "zrevrange", -4, "readonly", keys="1 RO access", group="sorted-set",
        since="1.2.0", complexity="O(log(N)+M)",
        summary="Returns the members of a sorted set in a range of ranks, highest score first.",
        deprecated="6.2.0 `ZRANGE` with the `REV` argument",
        args="key start:integer stop:integer [WITHSCORES]")


cdef void cmd_zrangebyscore(Context *c) noexcept nogil:
    range_of(c, BY_SCORE, False, True)


declare(native(cmd_zrangebyscore), "zrangebyscore", -4, "readonly", keys="1 RO access", group="sorted-set",
        since="1.0.5", complexity="O(log(N)+M)",
        summary="Returns the members of a sorted set with scores in a range.",
        history=["2.0.0 Takes WITHSCORES."], deprecated="6.2.0 `ZRANGE` with the `BYSCORE` argument",
        args="key min:double max:double [WITHSCORES@2.0.0] [LIMIT offset:integer count:integer]")


cdef void cmd_zrevrangebyscore(Context *c) noexcept nogil:
    range_of(c, BY_SCORE, True, True)


declare(native(cmd_zrevrangebyscore), "zrevrangebyscore", -4, "readonly", keys="1 RO access",
        group="sorted-set", since="2.2.0", complexity="O(log(N)+M)",
        summary="Returns the members of a sorted set with scores in a range, highest first.",
        history=["2.1.6 Takes ranges that leave out their ends."],
        deprecated="6.2.0 `ZRANGE` with the `REV` and `BYSCORE` arguments",
        args="key max:double min:double [WITHSCORES] [LIMIT offset:integer count:integer]")


cdef void cmd_zrangebylex(Context *c) noexcept nogil:
    range_of(c, BY_LEX, False, True)


declare(native(cmd_zrangebylex), "zrangebylex", -4, "readonly", keys="1 RO access", group="sorted-set",
        since="2.8.9", complexity="O(log(N)+M)",
        summary="Returns the members of a sorted set in a range of names.",
        deprecated="6.2.0 `ZRANGE` with the `BYLEX` argument",
        args="key min max [LIMIT offset:integer count:integer]")


cdef void cmd_zrevrangebylex(Context *c) noexcept nogil:
    range_of(c, BY_LEX, True, True)


declare(native(cmd_zrevrangebylex), "zrevrangebylex", -4, "readonly", keys="1 RO access", group="sorted-set",
        since="2.8.9", complexity="O(log(N)+M)",
        summary="Returns the members of a sorted set in a range of names, the last first.",
        deprecated="6.2.0 `ZRANGE` with the `REV` and `BYLEX` arguments",
        args="key max min [LIMIT offset:integer count:integer]")


cdef Entry *copy_of_ranks(Slice key, const Entry *entry, ZsetRanks ranks, bint reverse, uint64_t announced) noexcept nogil:
    """A new sorted set of these members; NULL for none. They are added in the order in which they were asked for: a -0 that
    is added to a listpack is a 0 from there on, even where a later member makes it a skiplist."""
    cdef ZsetCursor cursor
    cdef Entry *made
    cdef double score
    cdef uint64_t _i
    if ranks.count == 0:
        return NULL
    made = zset_new(key, announced, 0, 0)
    zset_seek(entry, ranks.start + (ranks.count - 1 if reverse else 0), &cursor)
    for _i in range(ranks.count):
        zset_add(made, cursor.member, cursor.score, 0, &score)
        if reverse:
            zset_previous(&cursor)
        else:
            zset_next(&cursor)
    zset_fit(made)
    return made


cdef void cmd_zrangestore(Context *c) noexcept nogil:
    cdef Range asked = range_named(BY_ANY, False, False)
    cdef Entry *entry
    cdef Entry *made = NULL
    cdef ZsetRanks ranks
    if not options_or_reply(c, 5, True, &asked) or not limits_or_reply(c, 3, &asked):
        return
    entry = read_key(c, 2)
    if not check_type(c, entry, TYPE_ZSET):
        return
    if entry != NULL:
        ranks = ranks_of(entry, &asked)
        made = copy_of_ranks(c.argv[1], entry, ranks, asked.reverse, ranks.count if asked.by == BY_RANK else 0)
    store_or_delete(c, 1, made, b"zrangestore")


declare(native(cmd_zrangestore), "zrangestore", -5, "write denyoom", keys="1 OW update; 2 RO access",
        group="sorted-set", since="6.2.0", complexity="O(log(N)+M)",
        summary="Stores the members of a sorted set in a range of ranks, scores or names.",
        args="dst:key src:key min max [sortby: BYSCORE | BYLEX] [REV] [LIMIT offset:integer count:integer]")


# -- counting ---------------------------------------------------------------------------------------------------------

cdef void count(Context *c, By by) noexcept nogil:
    cdef Range range = range_named(by, False, True)
    cdef Entry *entry
    if not limits_or_reply(c, 2, &range):
        return
    entry = read_key(c, 1)
    if check_type(c, entry, TYPE_ZSET):
        reply_i64(&c.reply, all_ranks(entry, &range).count if entry != NULL else 0)


cdef void cmd_zcount(Context *c) noexcept nogil:
    count(c, BY_SCORE)


declare(native(cmd_zcount), "zcount", 4, "readonly fast", keys="1 RO access", group="sorted-set",
        since="2.0.0", complexity="O(log(N))",
        summary="Counts the members of a sorted set with scores in a range.",
        args="key min:double max:double")


cdef void cmd_zlexcount(Context *c) noexcept nogil:
    count(c, BY_LEX)


declare(native(cmd_zlexcount), "zlexcount", 4, "readonly fast", keys="1 RO access", group="sorted-set",
        since="2.8.9", complexity="O(log(N))",
        summary="Counts the members of a sorted set in a range of names.", args="key min max")


# -- removing ---------------------------------------------------------------------------------------------------------

cdef void remove(Context *c, By by, const char *event) noexcept nogil:
    cdef Range range = range_named(by, False, True)
    cdef Entry *entry
    cdef ZsetRanks ranks
    if not limits_or_reply(c, 2, &range):
        return
    entry = write_key(c, 1)
    if not check_type(c, entry, TYPE_ZSET):
        return
    if entry == NULL:
        reply_i64(&c.reply, 0)
        return
    ranks = all_ranks(entry, &range)
    if ranks.count:
        zset_remove_ranks(entry, ranks)
        removed(c, 1, ranks.count, zset_length(entry) == 0, EVENT_ZSET, event)
    reply_i64(&c.reply, ranks.count)


cdef void cmd_zremrangebyrank(Context *c) noexcept nogil:
    remove(c, BY_RANK, b"zremrangebyrank")


declare(native(cmd_zremrangebyrank), "zremrangebyrank", 4, "write", keys="1 RW delete", group="sorted-set",
        since="2.0.0", complexity="O(log(N)+M)",
        summary="Removes the members of a sorted set in a range of ranks.",
        args="key start:integer stop:integer")


cdef void cmd_zremrangebyscore(Context *c) noexcept nogil:
    remove(c, BY_SCORE, b"zremrangebyscore")


declare(native(cmd_zremrangebyscore), "zremrangebyscore", 4, "write", keys="1 RW delete", group="sorted-set",
        since="1.2.0", complexity="O(log(N)+M)",
        summary="Removes the members of a sorted set with scores in a range.",
        args="key min:double max:double")


cdef void cmd_zremrangebylex(Context *c) noexcept nogil:
    remove(c, BY_LEX, b"zremrangebylex")


declare(native(cmd_zremrangebylex), "zremrangebylex", 4, "write", keys="1 RW delete", group="sorted-set",
        since="2.8.9", complexity="O(log(N)+M)",
        summary="Removes the members of a sorted set in a range of names.", args="key min max")
