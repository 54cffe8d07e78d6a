"""Unions, intersections and differences of sorted sets, and of sets, whose members count as scored 1.

The result is gathered in a skiplist of its own, which is answered, or stored as the destination's new value. Unions and
intersections go from the smallest source to the largest, so that sums of scores are added up in the order in
which Valkey does. Sources are walked and asked through the operations of their types (objects/entry), whatever
types they are.
"""
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport qsort

from kv._core.base.hashing cimport hash_bytes
from kv._core.base.memory cimport memory_alloc, memory_free
from kv._core.base.numbers cimport parse_double
from kv._core.base.slice cimport Slice
from kv._core.commands.zsets cimport reply_pair, reply_pairs_header, store_or_delete
from kv._core.containers.skiplist cimport (
    Skiplist, SkiplistNode, skiplist_count, skiplist_delete, skiplist_find, skiplist_first, skiplist_free,
    skiplist_insert, skiplist_member, skiplist_new, skiplist_update)
from kv._core.objects.entry cimport (
    TYPE_SET, TYPE_ZSET, Entry, Item, TypeOperations, entry_encoding, entry_type, entry_word,
    item_visitor, type_operations)
from kv._core.objects.zset cimport zset_of_skiplist
from kv._core.resp.reply cimport reply_i64
from kv._core.runtime.context cimport (
    arg_i64_or_reply, arg_is, arg_least_or_reply, check_type, error, error_about, read_key, syntax_error)
from kv._core.runtime.registry cimport native
from kv._core.runtime.registry import declare
from kv._core.runtime.state cimport Context

cdef enum Operation:
    UNION
    INTERSECTION
    DIFFERENCE

cdef enum Aggregate:
    AGGREGATE_SUM
    AGGREGATE_MIN
    AGGREGATE_MAX

cdef struct Source:
    void *value                 # NULL: no such key
    const TypeOperations *type
    int encoding
    bint is_set                 # its members count as scored 1
    uint64_t length
    double weight
    int64_t place               # among the arguments

cdef struct Combination:
    Operation operation
    Source *sources             # owned
    int64_t count               # of sources, at least 1
    Aggregate aggregate
    bint with_scores
    bint counted                # ZINTERCARD: the number is all that is wanted
    bint stored
    uint64_t limit              # of ZINTERCARD, 0: none
    uint64_t found              # members of the intersection so far
    Source *walked              # the source that is being walked
    Skiplist *result            # NULL where the number is all


# -- sources and options ----------------------------------------------------------------------------------------------

cdef bint source_or_reply(Context *c, int index, Source *source) noexcept nogil:
    cdef Entry *entry = read_key(c, index)
    source.value, source.length, source.weight, source.place = NULL, 0, 1, index
    if entry == NULL:
        return True
    source.is_set = entry_type(entry) == TYPE_SET
    if not source.is_set and not check_type(c, entry, TYPE_ZSET):
        return False
    source.value = entry_word(entry)[0]
    source.type = type_operations(entry_type(entry))
    source.encoding = entry_encoding(entry)
    source.length = source.type.length(source.value, source.encoding)
    return True


cdef bint weights_or_reply(Context *c, int first, Combination *all) noexcept nogil:
    cdef int64_t i
    for i in range(all.count):
        if not parse_double(c.argv[first + i].data, c.argv[first + i].length, &all.sources[i].weight):
            error(c, b"ERR weight value is not a float")
            return False
    return True


cdef bint aggregate_or_reply(Context *c, int index, Combination *all) noexcept nogil:
    if arg_is(c, index, b"sum", 3):
        all.aggregate = AGGREGATE_SUM
    elif arg_is(c, index, b"min", 3):
        all.aggregate = AGGREGATE_MIN
    elif arg_is(c, index, b"max", 3):
        all.aggregate = AGGREGATE_MAX
    else:
        syntax_error(c)
        return False
    return True


cdef bint options_or_reply(Context *c, int first, Combination *all) noexcept nogil:
    cdef int i = first
    cdef int64_t limit
    cdef bint weighed = all.operation != DIFFERENCE and not all.counted
    while i < c.argc:
        if weighed and c.argc - i > all.count and arg_is(c, i, b"weights", 7):
            if not weights_or_reply(c, i + 1, all):
                return False
            i += 1 + <int> all.count
        elif weighed and i + 1 < c.argc and arg_is(c, i, b"aggregate", 9):
            if not aggregate_or_reply(c, i + 1, all):
                return False
            i += 2
        elif not all.stored and not all.counted and arg_is(c, i, b"withscores", 10):
            all.with_scores = True
            i += 1
        elif all.counted and i + 1 < c.argc and arg_is(c, i, b"limit", 5):
            if not arg_least_or_reply(c, i + 1, 0, &limit, b"ERR LIMIT can't be negative"):
                return False
            all.limit = limit
            i += 2
        else:
            syntax_error(c)
            return False
    return True


cdef bint key_count_or_reply(Context *c, int index, int64_t *count) noexcept nogil:
    cdef Slice name
    if not arg_i64_or_reply(c, index, count):
        return False
    if count[0] < 1:
        name.data, name.length = c.command.name, c.command.name_length
        error_about(c, b"ERR at least 1 input key is needed for '", name, b"' command")
        return False
    if count[0] > c.argc - index - 1:
        syntax_error(c)
        return False
    return True


cdef bint gather_or_reply(Context *c, int index, Combination *all) noexcept nogil:
    """Sources, whose number is at an argument, and options. Where it was good the caller frees all.sources."""
    cdef int64_t i
    if not key_count_or_reply(c, index, &all.count):
        return False
    all.sources = <Source *> memory_alloc(all.count * sizeof(Source))
    for i in range(all.count):
        if not source_or_reply(c, index + 1 + <int> i, all.sources + i):
            memory_free(all.sources)
            return False
    if not options_or_reply(c, index + 1 + <int> all.count, all):
        memory_free(all.sources)
        return False
    return True


cdef int by_length(const void *a, const void *b) noexcept nogil:
    cdef const Source *one = <const Source *> a
    cdef const Source *other = <const Source *> b
    if one.length != other.length:
        return -1 if one.length < other.length else 1
    return -1 if one.place < other.place else 1


# -- members and scores -----------------------------------------------------------------------------------------------

cdef bint source_has(const Source *source, Slice member, double *score) noexcept nogil:
    """Whether a source has a member, and what it scores there."""
    return source.value != NULL and source.type.find(source.value, source.encoding, member, score)


cdef inline double score_in(const Source *source, const Item *item) noexcept nogil:
    return 1 if source.is_set else item.score


cdef inline double no_nan(double score) noexcept nogil:
    """Infinities that cancel out, or are weighed with 0, leave 0."""
    return score if score == score else 0


cdef inline double aggregated(Aggregate how, double one, double other) noexcept nogil:
    if how == AGGREGATE_SUM:
        return no_nan(one + other)
    if how == AGGREGATE_MIN:
        return other if other < one else one
    return other if other > one else one


cdef inline void walk_source(Combination *all, Source *source, item_visitor visit) noexcept nogil:
    all.walked = source
    if source.value != NULL:
        source.type.walk(source.value, source.encoding, visit, all)


# -- the operations ---------------------------------------------------------------------------------------------------

cdef bint unite_item(void *argument, const Item *item) noexcept nogil:
    cdef Combination *all = <Combination *> argument
    cdef double score = no_nan(all.walked.weight * score_in(all.walked, item))
    cdef uint64_t hash = hash_bytes(item.first.data, item.first.length)
    cdef SkiplistNode *node = skiplist_find(all.result, item.first, hash)
    if node == NULL:
        skiplist_insert(all.result, score, item.first, hash)
    else:
        skiplist_update(all.result, node, aggregated(all.aggregate, node.score, score))
    return True


cdef bint intersect_item(void *argument, const Item *item) noexcept nogil:
    """Keep an item of the smallest source if all others have it."""
    cdef Combination *all = <Combination *> argument
    cdef double own = score_in(all.walked, item)
    cdef double score = no_nan(all.walked.weight * own)
    cdef double value
    cdef int64_t i
    for i in range(1, all.count):
        if all.sources[i].value == all.walked.value:
            value = own                         # a table must not be searched while it is walked
        elif not source_has(all.sources + i, item.first, &value):
            return True
        score = aggregated(all.aggregate, score, value * all.sources[i].weight)
    all.found += 1
    if all.result != NULL:
        skiplist_insert(all.result, score, item.first, hash_bytes(item.first.data, item.first.length))
    return all.limit == 0 or all.found < all.limit


cdef bint subtract_item(void *argument, const Item *item) noexcept nogil:
    """Keep an item of the first source if no other has it."""
    cdef Combination *all = <Combination *> argument
    cdef double value
    cdef int64_t i
    for i in range(1, all.count):
        if all.sources[i].value == all.walked.value or source_has(all.sources + i, item.first, &value):
            return True
    skiplist_insert(all.result, score_in(all.walked, item), item.first,
                    hash_bytes(item.first.data, item.first.length))
    return True


cdef bint strike_item(void *argument, const Item *item) noexcept nogil:
    cdef Combination *all = <Combination *> argument
    cdef uint64_t hash = hash_bytes(item.first.data, item.first.length)
    cdef SkiplistNode *node = skiplist_find(all.result, item.first, hash)
    if node != NULL:
        skiplist_delete(all.result, node, hash)
    return skiplist_count(all.result) != 0


cdef void subtract(Combination *all) noexcept nogil:
    """Ask all sources about each item of the first, or strike out the items of all others, whichever is less work."""
    cdef uint64_t others = 0
    cdef int64_t i
    for i in range(1, all.count):
        others += all.sources[i].length
    if all.sources[0].length * <uint64_t> (all.count - 1) <= all.sources[0].length + others:
        walk_source(all, all.sources, subtract_item)
        return
    walk_source(all, all.sources, unite_item)
    for i in range(1, all.count):
        if skiplist_count(all.result) == 0:
            return
        walk_source(all, all.sources + i, strike_item)


cdef void combine(Combination *all) noexcept nogil:
    cdef int64_t i
    if all.operation == DIFFERENCE:
        subtract(all)
        return
    qsort(all.sources, all.count, sizeof(Source), by_length)
    if all.operation == INTERSECTION:
        walk_source(all, all.sources, intersect_item)
        return
    for i in range(all.count):
        walk_source(all, all.sources + i, unite_item)


# -- the commands -----------------------------------------------------------------------------------------------------

cdef Combination combination(Operation operation, bint stored, bint counted) noexcept nogil:
    cdef Combination all
    all.operation, all.stored, all.counted = operation, stored, counted
    all.sources, all.count, all.aggregate, all.with_scores = NULL, 0, AGGREGATE_SUM, False
    all.limit, all.found, all.walked, all.result = 0, 0, NULL, NULL
    return all


cdef void reply_list(Context *c, const Skiplist *list, bint with_scores) noexcept nogil:
    cdef SkiplistNode *node = skiplist_first(list)
    reply_pairs_header(&c.reply, skiplist_count(list), with_scores)
    while node != NULL:
        reply_pair(&c.reply, skiplist_member(node), node.score, with_scores)
        node = node.next


cdef void answer(Context *c, Operation operation) noexcept nogil:
    cdef Combination all = combination(operation, False, False)
    if not gather_or_reply(c, 1, &all):
        return
    all.result = skiplist_new()
    combine(&all)
    reply_list(c, all.result, all.with_scores)
    skiplist_free(all.result)
    memory_free(all.sources)


cdef void store(Context *c, Operation operation, const char *event) noexcept nogil:
    cdef Combination all = combination(operation, True, False)
    cdef Entry *made = NULL
    if not gather_or_reply(c, 2, &all):
        return
    all.result = skiplist_new()
    combine(&all)
    memory_free(all.sources)
    if skiplist_count(all.result):
        made = zset_of_skiplist(c.argv[1], all.result)
    else:
        skiplist_free(all.result)
    store_or_delete(c, 1, made, event)


cdef void cmd_zunion(Context *c) noexcept nogil:
    answer(c, UNION)


declare(native(cmd_zunion), "zunion", -3, "readonly", keys="1# RO access", group="sorted-set", since="6.2.0",
        complexity="O(N)", summary="Returns the members of all the sorted sets.",
        args="numkeys:integer key... [WEIGHTS weight:integer...] [AGGREGATE: SUM | MIN | MAX] [WITHSCORES]")


cdef void cmd_zinter(Context *c) noexcept nogil:
    answer(c, INTERSECTION)


declare(native(cmd_zinter), "zinter", -3, "readonly", keys="1# RO access", group="sorted-set", since="6.2.0",
        complexity="O(N*K)", summary="Returns the members that sorted sets have in common.",
        args="numkeys:integer key... [WEIGHTS weight:integer...] [AGGREGATE: SUM | MIN | MAX] [WITHSCORES]")


cdef void cmd_zdiff(Context *c) noexcept nogil:
    answer(c, DIFFERENCE)


declare(native(cmd_zdiff), "zdiff", -3, "readonly", keys="1# RO access", group="sorted-set", since="6.2.0",
        complexity="O(L + (N-K)log(N))",
        summary="Returns the members of a sorted set that others do not have.",
        args="numkeys:integer key... [WITHSCORES]")


cdef void cmd_zunionstore(Context *c) noexcept nogil:
    store(c, UNION, b"zunionstore")


declare(native(cmd_zunionstore), "zunionstore", -4, "write denyoom", keys="1 OW update; 2# RO access",
        group="sorted-set", since="2.0.0", complexity="O(N)",
        summary="Stores the members of all the sorted sets.",
        args="destination:key numkeys:integer key... [WEIGHTS weight:integer...] [AGGREGATE: SUM | MIN | "
             "MAX]")


cdef void cmd_zinterstore(Context *c) noexcept nogil:
    store(c, INTERSECTION, b"zinterstore")


declare(native(cmd_zinterstore), "zinterstore", -4, "write denyoom", keys="1 OW update; 2# RO access",
        group="sorted-set", since="2.0.0", complexity="O(N*K)",
        summary="Stores the members that sorted sets have in common.",
        args="destination:key numkeys:integer key... [WEIGHTS weight:integer...] [AGGREGATE: SUM | MIN | "
             "MAX]")


cdef void cmd_zdiffstore(Context *c) noexcept nogil:
    store(c, DIFFERENCE, b"zdiffstore")


declare(native(cmd_zdiffstore), "zdiffstore", -4, "write denyoom", keys="1 OW update; 2# RO access",
        group="sorted-set", since="6.2.0", complexity="O(L + (N-K)log(N))",
        summary="Stores the members of a sorted set that others do not have.",
        args="destination:key numkeys:integer key...")


cdef void cmd_zintercard(Context *c) noexcept nogil:
    cdef Combination all = combination(INTERSECTION, False, True)
    if not gather_or_reply(c, 1, &all):
        return
    combine(&all)
    memory_free(all.sources)
    reply_i64(&c.reply, all.found)


declare(native(cmd_zintercard), "zintercard", -3, "readonly", keys="1# RO access", group="sorted-set",
        since="7.0.0", complexity="O(N*K)", summary="Counts the members that sorted sets have in common.",
        args="numkeys:integer key... [LIMIT limit:integer]")
