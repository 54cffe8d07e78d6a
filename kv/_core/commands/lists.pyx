"""Commands on one list: its ends, its elements, its parts. Those that move elements between lists are in
listmoves.pyx.

A list has at least one element: who takes the last one away deletes the key.
"""
from libc.stdint cimport INT64_MAX, int64_t

from kv._core.base.buffer cimport Buffer, buffer_append, buffer_free
from kv._core.base.numbers cimport parse_i64
from kv._core.base.platform cimport likely, unlikely
from kv._core.base.slice cimport Slice
from kv._core.containers.listpack cimport LISTPACK_NUMBER_SIZE, ListpackValue
from kv._core.keyspace.keyspace cimport EVENT_BESIDE, EVENT_GENERIC, EVENT_LIST, keyspace_add
from kv._core.objects.entry cimport TYPE_LIST, Entry
from kv._core.objects.list cimport (
    ListCursor, list_delete, list_delete_range, list_drop, list_expect, list_get, list_insert, list_is, list_leave,
    list_length, list_new, list_next, list_peek, list_previous, list_push, list_replace, list_run, list_seek,
    list_shrink)
from kv._core.resp.reply cimport (
    Reply, reply_array, reply_bulk, reply_bulk_i64, reply_i64, reply_null, reply_null_array, reply_ok)
from kv._core.runtime.context cimport (
    arg_i64_or_reply, arg_is, arg_range_or_reply, changed, check_type, context_key, delete_found, error, notify,
    read_key, syntax_error, write_key)
from kv._core.runtime.registry cimport native
from kv._core.runtime.registry import declare
from kv._core.runtime.state cimport Context

cdef enum:
    RUN = 32            # elements that a reply takes from a list at once

cdef const char *OUTSIDE = b"ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807"


cdef bint count_or_reply(Context *c, int index, int64_t least, int64_t *count, const char *text) noexcept nogil:
    """A number that is at least so large; the same error where it is none and where it is smaller."""
    if parse_i64(c.argv[index].data, c.argv[index].length, count) and count[0] >= least:
        return True
    error(c, text)
    return False


# -- LPUSH, RPUSH, LPUSHX, RPUSHX -----------------------------------------------------------------------------

cdef inline void push(Context *c, bint head, bint only_if_there) noexcept nogil:
    cdef Entry *entry = write_key(c, 1)
    cdef bint made = entry == NULL
    cdef int i
    if not check_type(c, entry, TYPE_LIST):
        return
    if made:
        if only_if_there:
            reply_i64(&c.reply, 0)
            return
        entry = list_new(c.argv[1])
    list_expect(entry, c.argv + 2, c.argc - 2)
    for i in range(2, c.argc):
        list_push(entry, c.argv[i], head)
    if made:
        keyspace_add(c.keyspace, c.database, context_key(c, 1), entry)
    changed(c, 1, EVENT_LIST, b"lpush" if head else b"rpush")
    c.keyspace.dirty += c.argc - 3                  # a change an element
    reply_i64(&c.reply, list_length(entry))


cdef void cmd_lpush(Context *c) noexcept nogil:
    push(c, True, False)


declare(native(cmd_lpush), "lpush", -3, "write denyoom fast", keys="1 RW insert", group="list", since="1.0.0",
        complexity="O(1)", summary="Adds elements at the head of a list.",
        history=["2.4.0 Takes several elements."], args="key element...")


cdef void cmd_rpush(Context *c) noexcept nogil:
    push(c, False, False)


declare(native(cmd_rpush), "rpush", -3, "write denyoom fast", keys="1 RW insert", group="list", since="1.0.0",
        complexity="O(1)", summary="Adds elements at the tail of a list.",
        history=["2.4.0 Takes several elements."], args="key element...")


cdef void cmd_lpushx(Context *c) noexcept nogil:
    push(c, True, True)


declare(native(cmd_lpushx), "lpushx", -3, "write denyoom fast", keys="1 RW insert", group="list",
        since="2.2.0", complexity="O(1)", summary="Adds elements at the head of a list that exists.",
        history=["4.0.0 Takes several elements."], args="key element...")


cdef void cmd_rpushx(Context *c) noexcept nogil:
    push(c, False, True)


declare(native(cmd_rpushx), "rpushx", -3, "write denyoom fast", keys="1 RW insert", group="list",
        since="2.2.0", complexity="O(1)", summary="Adds elements at the tail of a list that exists.",
        history=["4.0.0 Takes several elements."], args="key element...")


# -- replies --------------------------------------------------------------------------------------------------

cdef inline void reply_value(Reply *reply, const ListpackValue *value) noexcept nogil:
    if likely(value.text != NULL):
        reply_bulk(reply, value.text, value.length)
    else:
        reply_bulk_i64(reply, value.number)


cdef void reply_range(Context *c, Entry *entry, int64_t start, int64_t count) noexcept nogil:
    """So many elements, which are there, from one on."""
    cdef ListpackValue values[RUN]
    cdef ListCursor cursor
    cdef int got, i
    reply_array(&c.reply, count)
    list_seek(entry, &cursor, start)
    while True:
        got = list_run(&cursor, values, RUN if count > RUN else <int> count)
        for i in range(got):
            reply_value(&c.reply, values + i)
        count -= got
        if count == 0:
            break
        list_next(&cursor)
    list_leave(&cursor)


cdef void reply_from_tail(Context *c, Entry *entry, int64_t count) noexcept nogil:
    """So many elements, which are there, the last one first."""
    cdef ListpackValue value
    cdef ListCursor cursor
    reply_array(&c.reply, count)
    list_seek(entry, &cursor, -1)
    while True:
        value = list_get(&cursor)
        reply_value(&c.reply, &value)
        count -= 1
        if count == 0:
            break
        list_previous(&cursor)
    list_leave(&cursor)


# -- LPOP, RPOP -----------------------------------------------------------------------------------------------

cdef inline void settle_removal(Context *c, int index, Entry *entry) noexcept nogil:
    """Elements are gone: without any the key goes too, with few the list may be kept another way."""
    if unlikely(list_length(entry) == 0):
        delete_found(c, context_key(c, index))
        notify(c, index, EVENT_GENERIC, b"del")
    else:
        list_shrink(entry)


cdef void elements_removed(Context *c, int index, Entry *entry, int64_t count, bint head) noexcept nogil:
    """So many elements were taken from an end of the list that was just looked up."""
    changed(c, index, EVENT_LIST, b"lpop" if head else b"rpop")
    c.keyspace.dirty += count - 1
    settle_removal(c, index, entry)


cdef void pop_range(Context *c, int index, Entry *entry, int64_t count, bint head) noexcept nogil:
    """Reply with `count` elements or all there are from an end of the list that was just looked up, and take them
    away."""
    cdef int64_t length = list_length(entry)
    if count > length:
        count = length
    if head:
        reply_range(c, entry, 0, count)
    else:
        reply_from_tail(c, entry, count)
    list_delete_range(entry, 0 if head else length - count, count)
    elements_removed(c, index, entry, count, head)


cdef void pop_one(Context *c, int index, Entry *entry, bint head) noexcept nogil:
    """Reply with an element from an end of the list that was just looked up, and take it away."""
    cdef char number[LISTPACK_NUMBER_SIZE]
    cdef Slice value = list_peek(entry, head, number)
    reply_bulk(&c.reply, value.data, value.length)
    list_drop(entry, head)
    elements_removed(c, index, entry, 1, head)


cdef inline void pop(Context *c, bint head, const char *arity_error) noexcept nogil:
    cdef int64_t count = -1
    cdef Entry *entry
    if unlikely(c.argc > 3):
        error(c, arity_error)
        return
    if c.argc == 3 and not count_or_reply(c, 2, 0, &count, b"ERR value is out of range, must be positive"):
        return
    entry = write_key(c, 1)
    if not check_type(c, entry, TYPE_LIST):
        return
    if entry == NULL:
        if c.argc == 3:
            reply_null_array(&c.reply)
        else:
            reply_null(&c.reply)
    elif count == -1:
        pop_one(c, 1, entry, head)
    elif count == 0:
        reply_array(&c.reply, 0)
    else:
        pop_range(c, 1, entry, count, head)


cdef void cmd_lpop(Context *c) noexcept nogil:
    pop(c, True, b"ERR wrong number of arguments for 'lpop' command")


declare(native(cmd_lpop), "lpop", -2, "write fast", keys="1 RW access delete", group="list", since="1.0.0",
        complexity="O(N)", summary="Pops elements from the head of a list.", history=["6.2.0 Takes a count."],
        args="key [count:integer@6.2.0]")


cdef void cmd_rpop(Context *c) noexcept nogil:
    pop(c, False, b"ERR wrong number of arguments for 'rpop' command")


declare(native(cmd_rpop), "rpop", -2, "write fast", keys="1 RW access delete", group="list", since="1.0.0",
        complexity="O(N)", summary="Pops elements from the tail of a list.", history=["6.2.0 Takes a count."],
        args="key [count:integer@6.2.0]")


# -- LLEN, LINDEX, LRANGE -------------------------------------------------------------------------------------

cdef void cmd_llen(Context *c) noexcept nogil:
    cdef Entry *entry = read_key(c, 1)
    if check_type(c, entry, TYPE_LIST):
        reply_i64(&c.reply, list_length(entry) if entry != NULL else 0)


declare(native(cmd_llen), "llen", 2, "readonly fast", keys="1 RO", group="list", since="1.0.0",
        complexity="O(1)", summary="Returns the length of a list.", args="key")


cdef void cmd_lindex(Context *c) noexcept nogil:
    """A missing key has no element, whatever the index: it is looked up before the index is read."""
    cdef Entry *entry = read_key(c, 1)
    cdef ListCursor cursor
    cdef ListpackValue value
    cdef int64_t index = 0
    if not check_type(c, entry, TYPE_LIST) or (entry != NULL and not arg_i64_or_reply(c, 2, &index)):
        return
    if entry == NULL or not list_seek(entry, &cursor, index):
        reply_null(&c.reply)
        return
    value = list_get(&cursor)
    reply_value(&c.reply, &value)
    list_leave(&cursor)


declare(native(cmd_lindex), "lindex", 3, "readonly", keys="1 RO access", group="list", since="1.0.0",
        complexity="O(N)", summary="Returns the element of a list at an index.", args="key index:integer")


cdef inline bint range_or_reply(Context *c, int64_t *start, int64_t *stop) noexcept nogil:
    return arg_i64_or_reply(c, 2, start) and arg_i64_or_reply(c, 3, stop)


cdef inline int64_t count_of_range(int64_t length, int64_t *start, int64_t stop) noexcept nogil:
    """How many elements the client's range has; *start becomes the index of the first one."""
    if start[0] < 0:
        start[0] = start[0] + length if start[0] + length > 0 else 0
    if stop < 0:
        stop += length
    if stop >= length:
        stop = length - 1
    return stop - start[0] + 1 if start[0] <= stop else 0


cdef void cmd_lrange(Context *c) noexcept nogil:
    cdef int64_t start = 0, stop = 0, count = 0
    cdef Entry *entry
    if not range_or_reply(c, &start, &stop):
        return
    entry = read_key(c, 1)
    if not check_type(c, entry, TYPE_LIST):
        return
    if entry != NULL:
        count = count_of_range(list_length(entry), &start, stop)
    if count:
        reply_range(c, entry, start, count)
    else:
        reply_array(&c.reply, 0)


declare(native(cmd_lrange), "lrange", 4, "readonly", keys="1 RO access", group="list", since="1.0.0",
        complexity="O(S+N)", summary="Returns a part of a list.", args="key start:integer stop:integer")


# -- LSET, LINSERT --------------------------------------------------------------------------------------------

cdef void cmd_lset(Context *c) noexcept nogil:
    cdef Entry *entry = write_key(c, 1)
    cdef ListCursor cursor
    cdef int64_t index
    if entry == NULL:
        error(c, b"ERR no such key")
        return
    if not check_type(c, entry, TYPE_LIST) or not arg_i64_or_reply(c, 2, &index):
        return
    list_expect(entry, c.argv + 3, 1)
    if not list_seek(entry, &cursor, index):
        error(c, b"ERR index out of range")
        return
    list_replace(&cursor, c.argv[3])
    list_shrink(entry)
    changed(c, 1, EVENT_LIST, b"lset")
    reply_ok(&c.reply)


declare(native(cmd_lset), "lset", 4, "write denyoom", keys="1 RW update", group="list", since="1.0.0",
        complexity="O(N)", summary="Sets the element of a list at an index.",
        args="key index:integer element")


cdef bint find(Entry *entry, ListCursor *cursor, Slice value) noexcept nogil:
    """Go to the first element of a value."""
    cdef bint there = list_seek(entry, cursor, 0)
    while there and not list_is(cursor, value):
        there = list_next(cursor)
    return there


cdef void cmd_linsert(Context *c) noexcept nogil:
    cdef bint after = arg_is(c, 2, b"after", 5)
    cdef Entry *entry
    cdef ListCursor cursor
    if not after and not arg_is(c, 2, b"before", 6):
        syntax_error(c)
        return
    entry = write_key(c, 1)
    if not check_type(c, entry, TYPE_LIST):
        return
    if entry == NULL:
        reply_i64(&c.reply, 0)
        return
    list_expect(entry, c.argv + 4, 1)           # before the search: a cursor outlives no change of encoding
    if not find(entry, &cursor, c.argv[3]):
        reply_i64(&c.reply, -1)
        return
    list_insert(&cursor, c.argv[4], after)
    changed(c, 1, EVENT_LIST, b"linsert")
    reply_i64(&c.reply, list_length(entry))


declare(native(cmd_linsert), "linsert", 5, "write denyoom", keys="1 RW insert", group="list", since="2.2.0",
        complexity="O(N)", summary="Inserts an element before or after another one of a list.",
        args="key (where: BEFORE | AFTER) pivot element")


# -- LREM, LTRIM ----------------------------------------------------------------------------------------------

cdef int64_t remove_equal(Entry *entry, Slice value, int64_t most, bint backward) noexcept nogil:
    """Delete elements of a value, `most` at most (0: all), from the head or the tail on; how many there were."""
    cdef ListCursor cursor
    cdef int64_t removed = 0
    cdef bint there = list_seek(entry, &cursor, -1 if backward else 0)
    while there:
        if list_is(&cursor, value):
            there = list_delete(&cursor, backward)
            removed += 1
            if removed == most:
                break
        else:
            there = list_previous(&cursor) if backward else list_next(&cursor)
    if there:
        list_leave(&cursor)
    return removed


cdef void cmd_lrem(Context *c) noexcept nogil:
    cdef int64_t most, removed = 0
    cdef Entry *entry
    if not arg_range_or_reply(c, 2, -INT64_MAX, INT64_MAX, &most, OUTSIDE):
        return
    entry = write_key(c, 1)
    if not check_type(c, entry, TYPE_LIST):
        return
    if entry != NULL:
        removed = remove_equal(entry, c.argv[3], -most if most < 0 else most, most < 0)
    if removed:
        changed(c, 1, EVENT_LIST, b"lrem")
        c.keyspace.dirty += removed - 1
        settle_removal(c, 1, entry)
    reply_i64(&c.reply, removed)


declare(native(cmd_lrem), "lrem", 4, "write", keys="1 RW delete", group="list", since="1.0.0",
        complexity="O(N+M)", summary="Removes elements of a value from a list.",
        args="key count:integer element")


cdef void trim(Context *c, Entry *entry, int64_t start, int64_t stop) noexcept nogil:
    cdef int64_t length = list_length(entry)
    cdef int64_t kept = count_of_range(length, &start, stop)
    if kept == 0:
        list_delete_range(entry, 0, length)
    else:
        list_delete_range(entry, start + kept, length - start - kept)
        list_delete_range(entry, 0, start)
    if kept < length:
        changed(c, 1, EVENT_LIST, b"ltrim")
        c.keyspace.dirty += length - kept - 1
        settle_removal(c, 1, entry)
    else:
        notify(c, 1, EVENT_LIST | EVENT_BESIDE, b"ltrim")      # told, though nothing was removed


cdef void cmd_ltrim(Context *c) noexcept nogil:
    cdef int64_t start = 0, stop = 0
    cdef Entry *entry
    if not range_or_reply(c, &start, &stop):
        return
    entry = write_key(c, 1)
    if not check_type(c, entry, TYPE_LIST):
        return
    if entry != NULL:
        trim(c, entry, start, stop)
    reply_ok(&c.reply)


declare(native(cmd_ltrim), "ltrim", 4, "write", keys="1 RW delete", group="list", since="1.0.0",
        complexity="O(N)", summary="Removes all but a part of a list.", args="key start:integer stop:integer")


# -- LPOS -----------------------------------------------------------------------------------------------------

cdef struct Search:         # LPOS
    int64_t rank            # the match to begin with, 1 the first; negative: from the tail
    int64_t count           # matches wanted, 0: all, -1: one, and not as an array
    int64_t most            # elements to compare, 0: all


cdef bint search_or_reply(Context *c, Search *search) noexcept nogil:
    cdef int i = 3
    search.rank, search.count, search.most = 1, -1, 0
    while i < c.argc:
        if i + 1 == c.argc:
            syntax_error(c)
            return False
        if arg_is(c, i, b"rank", 4):
            if not arg_range_or_reply(c, i + 1, -INT64_MAX, INT64_MAX, &search.rank, OUTSIDE):
                return False
            if search.rank == 0:
                error(c, b"ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... "
                         b"or use negative to start from the end of the list")
                return False
        elif arg_is(c, i, b"count", 5):
            if not count_or_reply(c, i + 1, 0, &search.count, b"ERR COUNT can't be negative"):
                return False
        elif arg_is(c, i, b"maxlen", 6):
            if not count_or_reply(c, i + 1, 0, &search.most, b"ERR MAXLEN can't be negative"):
                return False
        else:
            syntax_error(c)
            return False
        i += 2
    return True


cdef void search_list(Entry *entry, Slice value, const Search *search, Buffer *found) noexcept nogil:
    """Gather the indices of matches, as int64_t."""
    cdef ListCursor cursor
    cdef bint backward = search.rank < 0
    cdef int64_t skip = -search.rank - 1 if backward else search.rank - 1
    cdef int64_t left = search.most if search.most else INT64_MAX
    cdef int64_t wanted = 1 if search.count == -1 else search.count if search.count else INT64_MAX
    cdef int64_t index = <int64_t> list_length(entry) - 1 if backward else 0
    cdef bint there = list_seek(entry, &cursor, -1 if backward else 0)
    while there and left:
        if list_is(&cursor, value):
            if skip:
                skip -= 1
            else:
                buffer_append(found, <const char *> &index, sizeof(int64_t))
                wanted -= 1
                if wanted == 0:
                    break
        left -= 1
        index += -1 if backward else 1
        there = list_previous(&cursor) if backward else list_next(&cursor)
    if there:
        list_leave(&cursor)


cdef void reply_found(Context *c, const Search *search, const Buffer *found) noexcept nogil:
    cdef size_t count = found.length // sizeof(int64_t)
    cdef size_t i
    if search.count != -1:
        reply_array(&c.reply, count)
    elif count == 0:
        reply_null(&c.reply)
    for i in range(count):
        reply_i64(&c.reply, (<const int64_t *> found.data)[i])


cdef void cmd_lpos(Context *c) noexcept nogil:
    cdef Search search
    cdef Entry *entry
    cdef Buffer found
    if not search_or_reply(c, &search):
        return
    entry = read_key(c, 1)
    if not check_type(c, entry, TYPE_LIST):
        return
    found.data = NULL
    found.length = found.capacity = 0
    if entry != NULL:
        search_list(entry, c.argv[2], &search, &found)
    reply_found(c, &search, &found)
    buffer_free(&found)


declare(native(cmd_lpos), "lpos", -3, "readonly", keys="1 RO access", group="list", since="6.0.6",
        complexity="O(N)", summary="Returns where elements stand in a list.",
        args="key element [RANK rank:integer] [COUNT num-matches:integer] [MAXLEN len:integer]")
