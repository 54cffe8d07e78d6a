"""Commands that combine sets: SINTER, SUNION, SDIFF, what stores their results, SINTERCARD.

Each of the three operations hands the members of its result to a visitor, one by one, and the visitor appends them to
the reply, to a new set, or counts them. Only what can't tell otherwise whether it has seen a member (a union, and a
difference from many sets) makes a set of its own on the way.

The length of a reply stands before it, and is known behind it: members are written to a buffer first.
"""
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport qsort
from libc.string cimport memset

from kv._core.base.buffer cimport Buffer, buffer_free
from kv._core.base.memory cimport memory_alloc, memory_free
from kv._core.base.numbers cimport parse_i64
from kv._core.base.slice cimport slice_of
from kv._core.keyspace.keyspace cimport EVENT_GENERIC, EVENT_SET, keyspace_add, keyspace_overwrite
from kv._core.objects.entry cimport (
    ENCODING_HASHTABLE, ENCODING_INTSET, ENCODING_LISTPACK, TYPE_SET, Entry, Item, entry_encoding, entry_free,
    item_visitor)
from kv._core.objects.set cimport set_add, set_has, set_length, set_new_as, set_remove, set_to_intset, set_walk
from kv._core.resp.reply cimport Reply, reply_bulk, reply_i64, reply_raw, reply_set
from kv._core.runtime.context cimport (
    arg_is, changed, check_type, context_key, delete_found, error, read_key, syntax_error, write_key)
from kv._core.runtime.registry cimport native
from kv._core.runtime.registry import declare
from kv._core.runtime.state cimport Context

cdef enum:
    FEW = 8                     # sets that need no block of memory

cdef struct Sets:               # the operands
    Entry **entries             # NULL where there is no such key
    int count
    int missing                 # how many are not there
    Entry *few[FEW]

cdef struct Result:             # what is gathered for a reply
    Buffer bytes                # members as bulk strings
    Reply reply                 # writes there
    uint64_t count


# -- operands -------------------------------------------------------------------------------------------------------

cdef bint sets_or_reply(Context *c, int first, int count, Sets *sets) noexcept nogil:
    """The sets whose keys are arguments; where they are good the caller ends with sets_free."""
    cdef int i
    sets.entries = &sets.few[0]
    if count > FEW:
        sets.entries = <Entry **> memory_alloc(count * sizeof(Entry *))
    sets.count, sets.missing = count, 0
    for i in range(count):
        sets.entries[i] = read_key(c, first + i)
        sets.missing += sets.entries[i] == NULL
        if not check_type(c, sets.entries[i], TYPE_SET):
            sets_free(sets)
            return False
    return True


cdef void sets_free(Sets *sets) noexcept nogil:
    if sets.entries != &sets.few[0]:
        memory_free(sets.entries)


cdef inline uint64_t size_of(const Entry *entry) noexcept nogil:
    return set_length(entry) if entry != NULL else 0


cdef int smaller_first(const void *a, const void *b) noexcept nogil:
    cdef uint64_t one = size_of((<Entry **> a)[0])
    cdef uint64_t other = size_of((<Entry **> b)[0])
    return (one > other) - (one < other)


cdef int larger_first(const void *a, const void *b) noexcept nogil:
    return smaller_first(b, a)


# -- the operations -------------------------------------------------------------------------------------------------

cdef struct Filter:             # passes on members that all other sets have, or that none has
    Sets *sets
    item_visitor visit
    void *argument


cdef bint if_in_all(void *argument, const Item *item) noexcept nogil:
    cdef Filter *filter = <Filter *> argument
    cdef Entry **entries = filter.sets.entries
    cdef int i
    for i in range(1, filter.sets.count):
        if entries[i] != entries[0] and not set_has(entries[i], item.first):
            return True
    return filter.visit(filter.argument, item)


cdef bint if_in_none(void *argument, const Item *item) noexcept nogil:
    cdef Filter *filter = <Filter *> argument
    cdef Entry **entries = filter.sets.entries
    cdef int i
    for i in range(1, filter.sets.count):
        if entries[i] != NULL and set_has(entries[i], item.first):
            return True
    return filter.visit(filter.argument, item)


cdef void intersect(Sets *sets, item_visitor visit, void *argument) noexcept nogil:
    """Walk the smallest set, and ask the others, of which the smaller ones are likelier not to have a member."""
    cdef Filter filter
    if sets.missing:
        return
    qsort(sets.entries, sets.count, sizeof(Entry *), smaller_first)
    filter.sets, filter.visit, filter.argument = sets, visit, argument
    set_walk(sets.entries[0], if_in_all, &filter)


cdef bint add_member(void *argument, const Item *item) noexcept nogil:
    set_add(<Entry *> argument, item.first)
    return True


cdef bint remove_member(void *argument, const Item *item) noexcept nogil:
    """Ends the walk where nothing is left."""
    set_remove(<Entry *> argument, item.first)
    return set_length(<Entry *> argument) != 0


cdef void unite(Sets *sets, Entry *made) noexcept nogil:
    """Add all members of all sets to a new one."""
    cdef int i
    for i in range(sets.count):
        if sets.entries[i] != NULL:
            set_walk(sets.entries[i], add_member, made)


cdef bint first_again(const Sets *sets) noexcept nogil:
    """Whether the first set is among the others."""
    cdef int i
    for i in range(1, sets.count):
        if sets.entries[i] == sets.entries[0]:
            return True
    return False


cdef bint subtract_one_by_one(const Sets *sets) noexcept nogil:
    """Whether a difference is better made by asking the other sets for each member of the first, than by removing
    all of theirs from a copy of it. Asking costs half, about. (Valkey's rule: the encoding of what is stored shows
    it.)"""
    cdef uint64_t asked = 0
    cdef uint64_t removed = 0
    cdef int i
    for i in range(sets.count):
        if sets.entries[i] != NULL:
            asked += set_length(sets.entries[0])
            removed += set_length(sets.entries[i])
    return asked // 2 <= removed


cdef void subtract_by_asking(Sets *sets, item_visitor visit, void *argument) noexcept nogil:
    cdef Filter filter
    qsort(sets.entries + 1, sets.count - 1, sizeof(Entry *), larger_first)
    filter.sets, filter.visit, filter.argument = sets, visit, argument
    set_walk(sets.entries[0], if_in_none, &filter)


cdef void subtract_by_removing(Sets *sets, Entry *made) noexcept nogil:
    cdef int i
    set_walk(sets.entries[0], add_member, made)
    for i in range(1, sets.count):
        if sets.entries[i] != NULL and set_length(made):
            set_walk(sets.entries[i], remove_member, made)


# -- results --------------------------------------------------------------------------------------------------------

cdef void result_init(Result *result, int version) noexcept nogil:
    memset(result, 0, sizeof(Result))
    result.reply.out, result.reply.version = &result.bytes, version


cdef bint result_add(void *argument, const Item *item) noexcept nogil:
    cdef Result *result = <Result *> argument
    result.count += 1
    reply_bulk(&result.reply, item.first.data, item.first.length)
    return True


cdef void result_send(Context *c, Result *result) noexcept nogil:
    reply_set(&c.reply, result.count)
    if result.count:
        reply_raw(&c.reply, result.bytes.data, result.bytes.length)
    buffer_free(&result.bytes)


cdef bint reply_member(void *argument, const Item *item) noexcept nogil:
    reply_bulk(<Reply *> argument, item.first.data, item.first.length)
    return True


cdef void send_set(Context *c, Entry *made) noexcept nogil:
    """Answer a set that was made on the way, and free it."""
    reply_set(&c.reply, set_length(made))
    set_walk(made, reply_member, &c.reply)
    entry_free(made)


cdef Entry *passing_set(const Sets *sets) noexcept nogil:
    """A set to make a result in that is only answered."""
    cdef int i
    for i in range(sets.count):
        if sets.entries[i] != NULL and entry_encoding(sets.entries[i]) != ENCODING_INTSET:
            return set_new_as(slice_of(b"", 0), ENCODING_HASHTABLE)
    return set_new_as(slice_of(b"", 0), ENCODING_INTSET)


cdef void store(Context *c, Entry *made, const char *event) noexcept nogil:
    """Make a set the value of the key at argument 1, whatever that was; an empty one deletes it."""
    cdef Entry *entry = write_key(c, 1)
    cdef uint64_t members = set_length(made)
    if members == 0:
        entry_free(made)
        if entry != NULL:
            delete_found(c, context_key(c, 1))
            changed(c, 1, EVENT_GENERIC, b"del")
    else:
        if entry != NULL:
            keyspace_overwrite(c.keyspace, c.database, entry, made, c.keyspace.lazy_server_del)
        else:
            keyspace_add(c.keyspace, c.database, context_key(c, 1), made)
        changed(c, 1, EVENT_SET, event)
    reply_i64(&c.reply, members)


# -- SINTER ---------------------------------------------------------------------------------------------------------

cdef void cmd_sinter(Context *c) noexcept nogil:
    cdef Sets sets
    cdef Result result
    if not sets_or_reply(c, 1, c.argc - 1, &sets):
        return
    result_init(&result, c.reply.version)
    intersect(&sets, result_add, &result)
    sets_free(&sets)
    result_send(c, &result)


declare(native(cmd_sinter), "sinter", -2, "readonly", keys="1..-1 RO access", group="set", since="1.0.0",
        complexity="O(N*M)", tips="nondeterministic_output_order",
        summary="Returns the members that sets have in common.", args="key...")


cdef Entry *smallest(const Sets *sets) noexcept nogil:
    cdef Entry *found = sets.entries[0]
    cdef int i
    for i in range(1, sets.count):
        if size_of(sets.entries[i]) < size_of(found):
            found = sets.entries[i]
    return found


cdef void cmd_sinterstore(Context *c) noexcept nogil:
    """The result of a set of integers is one; any other is made as a listpack, which is cheap to append to, and becomes
    an intset at last where it can."""
    cdef Sets sets
    cdef Entry *made
    cdef Entry *least
    if not sets_or_reply(c, 2, c.argc - 2, &sets):
        return
    least = smallest(&sets)
    if least != NULL and entry_encoding(least) == ENCODING_INTSET:
        made = set_new_as(c.argv[1], ENCODING_INTSET)
    else:
        made = set_new_as(c.argv[1], ENCODING_LISTPACK)
    intersect(&sets, add_member, made)
    sets_free(&sets)
    set_to_intset(made)
    store(c, made, b"sinterstore")


declare(native(cmd_sinterstore), "sinterstore", -3, "write denyoom", keys="1 OW update; 2..-1 RO access",
        group="set", since="1.0.0", complexity="O(N*M)",
        summary="Stores the members that sets have in common.", args="destination:key key...")


cdef struct Counting:
    uint64_t members            # so far
    uint64_t limit              # at which counting ends, 0: none


cdef bint count_member(void *argument, const Item *item) noexcept nogil:
    cdef Counting *counting = <Counting *> argument
    counting.members += 1
    return counting.members != counting.limit


cdef bint limit_or_reply(Context *c, int first, int64_t *limit) noexcept nogil:
    cdef int i
    limit[0] = 0
    for i in range(first, c.argc, 2):
        if not arg_is(c, i, b"limit", 5) or i + 1 == c.argc:
            syntax_error(c)
            return False
        if not parse_i64(c.argv[i + 1].data, c.argv[i + 1].length, limit) or limit[0] < 0:
            error(c, b"ERR LIMIT can't be negative")
            return False
    return True


cdef void cmd_sintercard(Context *c) noexcept nogil:
    cdef Sets sets
    cdef Counting counting
    cdef int64_t keys, limit
    if not parse_i64(c.argv[1].data, c.argv[1].length, &keys) or keys < 1:
        error(c, b"ERR numkeys should be greater than 0")
        return
    if keys > c.argc - 2:
        error(c, b"ERR Number of keys can't be greater than number of args")
        return
    if not limit_or_reply(c, 2 + <int> keys, &limit) or not sets_or_reply(c, 2, <int> keys, &sets):
        return
    counting.members, counting.limit = 0, limit
    intersect(&sets, count_member, &counting)
    sets_free(&sets)
    reply_i64(&c.reply, counting.members)


declare(native(cmd_sintercard), "sintercard", -3, "readonly", keys="1# RO access", group="set", since="7.0.0",
        complexity="O(N*M)", summary="Counts the members that sets have in common.",
        args="numkeys:integer key... [LIMIT limit:integer]")


# -- SUNION ---------------------------------------------------------------------------------------------------------

cdef void cmd_sunion(Context *c) noexcept nogil:
    cdef Sets sets
    cdef Entry *made
    if not sets_or_reply(c, 1, c.argc - 1, &sets):
        return
    made = passing_set(&sets)
    unite(&sets, made)
    sets_free(&sets)
    send_set(c, made)


declare(native(cmd_sunion), "sunion", -2, "readonly", keys="1..-1 RO access", group="set", since="1.0.0",
        complexity="O(N)", tips="nondeterministic_output_order",
        summary="Returns the members of all the sets.", args="key...")


cdef void cmd_sunionstore(Context *c) noexcept nogil:
    cdef Sets sets
    cdef Entry *made
    if not sets_or_reply(c, 2, c.argc - 2, &sets):
        return
    made = set_new_as(c.argv[1], ENCODING_INTSET)
    unite(&sets, made)
    sets_free(&sets)
    store(c, made, b"sunionstore")


declare(native(cmd_sunionstore), "sunionstore", -3, "write denyoom", keys="1 OW update; 2..-1 RO access",
        group="set", since="1.0.0", complexity="O(N)", summary="Stores the members of all the sets.",
        args="destination:key key...")


# -- SDIFF ----------------------------------------------------------------------------------------------------------

cdef inline bint nothing_left(const Sets *sets) noexcept nogil:
    return sets.entries[0] == NULL or first_again(sets)


cdef void cmd_sdiff(Context *c) noexcept nogil:
    cdef Sets sets
    cdef Result result
    cdef Entry *made
    if not sets_or_reply(c, 1, c.argc - 1, &sets):
        return
    if nothing_left(&sets):
        reply_set(&c.reply, 0)
    elif subtract_one_by_one(&sets):
        result_init(&result, c.reply.version)
        subtract_by_asking(&sets, result_add, &result)
        result_send(c, &result)
    else:
        made = passing_set(&sets)
        subtract_by_removing(&sets, made)
        send_set(c, made)
    sets_free(&sets)


declare(native(cmd_sdiff), "sdiff", -2, "readonly", keys="1..-1 RO access", group="set", since="1.0.0",
        complexity="O(N)", tips="nondeterministic_output_order",
        summary="Returns the members of a set that others do not have.", args="key...")


cdef void cmd_sdiffstore(Context *c) noexcept nogil:
    cdef Sets sets
    cdef Entry *made
    if not sets_or_reply(c, 2, c.argc - 2, &sets):
        return
    made = set_new_as(c.argv[1], ENCODING_INTSET)
    if not nothing_left(&sets):
        if subtract_one_by_one(&sets):
            subtract_by_asking(&sets, add_member, made)
        else:
            subtract_by_removing(&sets, made)
    sets_free(&sets)
    store(c, made, b"sdiffstore")


declare(native(cmd_sdiffstore), "sdiffstore", -3, "write denyoom", keys="1 OW update; 2..-1 RO access",
        group="set", since="1.0.0", complexity="O(N)",
        summary="Stores the members of a set that others do not have.", args="destination:key key...")
