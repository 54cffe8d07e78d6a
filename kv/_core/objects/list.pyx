"""Lists over their two encodings: a short list is one listpack, a long one a quicklist.

A listpack becomes a quicklist before it would grow beyond list-max-listpack-size (bytes or elements). A quicklist
becomes a listpack again when it has shrunk to one node of half of that: only half, lest a list that hovers about
the limit be converted with every push and pop.

Whoever adds elements says so first (list_expect), and whoever took some away asks afterwards (list_shrink); in
between, and under a cursor, the encoding stays.
"""
from libc.stdint cimport int64_t, uint8_t, uint64_t

from kv._core.base.buffer cimport Buffer, buffer_free
from kv._core.base.blob cimport blob_copy
from kv._core.base.memory cimport memory_size
from kv._core.base.platform cimport likely
from kv._core.base.slice cimport Slice
from kv._core.containers.listpack cimport (
    LISTPACK_NUMBER_SIZE, Listpack, ListpackValue, listpack_append, listpack_bytes, listpack_check, listpack_copy,
    listpack_count, listpack_delete, listpack_delete_index, listpack_first, listpack_free, listpack_get, listpack_insert,
    listpack_insert_after, listpack_is, listpack_last, listpack_new, listpack_next, listpack_prepend, listpack_previous,
    listpack_replace, listpack_run, listpack_seek, listpack_slice)
from kv._core.containers.quicklist cimport (
    Quicklist, quicklist_append_pack, quicklist_append_plain, quicklist_check, quicklist_delete, quicklist_delete_range,
    quicklist_drop_first, quicklist_drop_last, quicklist_fits, quicklist_free, quicklist_get, quicklist_insert_after,
    quicklist_insert_before, quicklist_is, quicklist_leave, quicklist_memory, quicklist_new, quicklist_next,
    quicklist_peek_first, quicklist_peek_last, quicklist_previous, quicklist_push_first, quicklist_push_last,
    quicklist_replace, quicklist_run, quicklist_seek, quicklist_take_pack)
from kv._core.containers.quicknode cimport (
    QUICKLIST_PACKED, QUICKLIST_PLAIN, QuicklistNode, quicklist_node_bytes, quicklist_node_raw_length)
from kv._core.base.numbers cimport format_i64
from kv._core.objects.entry cimport (
    ENCODING_LISTPACK, ENCODING_QUICKLIST, TYPE_LIST, Entry, Item, TypeOperations, entry_encoding, entry_new,
    entry_set_encoding, entry_word, item_visitor, type_register)

cdef enum:
    RUN = 32        # elements that a walk takes from a node at once

list_limits.listpack_size = -2
list_limits.compress_depth = 0


cdef inline bint is_packed(const Entry *entry) noexcept nogil:
    return entry_encoding(entry) == ENCODING_LISTPACK


cdef inline Listpack *pack_of(const Entry *entry) noexcept nogil:
    return <Listpack *> entry_word(<Entry *> entry)[0]


cdef inline Quicklist *long_of(const Entry *entry) noexcept nogil:
    return <Quicklist *> entry_word(<Entry *> entry)[0]


cdef Entry *list_new(Slice key) noexcept nogil:
    """An empty list, which is for the caller to fill before anybody sees it."""
    cdef Entry *entry = entry_new(key, TYPE_LIST, ENCODING_LISTPACK, -1, 0)
    entry_word(entry)[0] = listpack_new(0)
    return entry


cdef Entry *list_new_long(Slice key) noexcept nogil:
    """As list_new, for many elements: list_fit, at the end, finds the encoding."""
    cdef Entry *entry = entry_new(key, TYPE_LIST, ENCODING_QUICKLIST, -1, 0)
    entry_word(entry)[0] = quicklist_new(list_limits.listpack_size, list_limits.compress_depth)
    return entry


cdef Entry *list_of_pack(Slice key, Listpack *pack) noexcept nogil:
    cdef Entry *entry
    if quicklist_fits(list_limits.listpack_size, listpack_bytes(pack), listpack_count(pack)):
        entry = entry_new(key, TYPE_LIST, ENCODING_LISTPACK, -1, 0)
        entry_word(entry)[0] = pack
        return entry
    entry = list_new_long(key)
    quicklist_append_pack(long_of(entry), pack)
    return entry


cdef uint64_t list_length(const Entry *entry) noexcept nogil:
    return listpack_count(pack_of(entry)) if is_packed(entry) else long_of(entry).count


# -- the encoding -----------------------------------------------------------------------------------------------------

cdef void list_expect(Entry *entry, const Slice *values, int count) noexcept nogil:
    """Values are about to be added: a listpack that would become too large with them becomes a quicklist."""
    cdef Listpack *pack = pack_of(entry)
    cdef Quicklist *list
    cdef size_t size
    cdef int i
    if not is_packed(entry):
        return
    size = listpack_bytes(pack)
    for i in range(count):
        size += values[i].length
    if likely(quicklist_fits(list_limits.listpack_size, size, listpack_count(pack) + count)):
        return
    list = quicklist_new(list_limits.listpack_size, list_limits.compress_depth)
    quicklist_append_pack(list, pack)
    entry_word(entry)[0] = list
    entry_set_encoding(entry, ENCODING_QUICKLIST)


cdef inline void pack_within(Entry *entry, int share) noexcept nogil:
    """A quicklist of one node becomes a listpack if it takes a 1/share of the limit at most."""
    cdef Quicklist *list = long_of(entry)
    cdef int limit = list_limits.listpack_size
    cdef bint fits
    if likely(list.nodes != 1) or list.first.kind != QUICKLIST_PACKED:
        return
    if limit < 0:
        fits = quicklist_fits(limit, quicklist_node_raw_length(list.first) * share, 0)
    else:
        fits = list.count * share <= <uint64_t> (limit if limit else 1)
    if fits:
        entry_word(entry)[0] = quicklist_take_pack(list)
        entry_set_encoding(entry, ENCODING_LISTPACK)


cdef void list_shrink(Entry *entry) noexcept nogil:
    """Elements were taken away, or replaced: a quicklist that has become small is a listpack again."""
    if not is_packed(entry):
        pack_within(entry, 2)


cdef void list_fit(Entry *entry) noexcept nogil:
    """A new list is complete: give it the encoding that it has by its size."""
    if not is_packed(entry):
        pack_within(entry, 1)


# -- the ends ---------------------------------------------------------------------------------------------------------

cdef void list_push(Entry *entry, Slice value, bint head) noexcept nogil:
    if not is_packed(entry):
        if head:
            quicklist_push_first(long_of(entry), value)
        else:
            quicklist_push_last(long_of(entry), value)
    elif head:
        entry_word(entry)[0] = listpack_prepend(pack_of(entry), value)
    else:
        entry_word(entry)[0] = listpack_append(pack_of(entry), value)


cdef Slice list_peek(Entry *entry, bint head, char *number) noexcept nogil:
    if not is_packed(entry):
        return quicklist_peek_first(long_of(entry), number) if head else quicklist_peek_last(long_of(entry), number)
    if head:
        return listpack_slice(listpack_first(pack_of(entry)), number)
    return listpack_slice(listpack_last(pack_of(entry)), number)


cdef void list_drop(Entry *entry, bint head) noexcept nogil:
    cdef uint8_t *at
    if not is_packed(entry):
        if head:
            quicklist_drop_first(long_of(entry))
        else:
            quicklist_drop_last(long_of(entry))
        return
    at = listpack_first(pack_of(entry)) if head else listpack_last(pack_of(entry))
    entry_word(entry)[0] = listpack_delete(pack_of(entry), &at, 1)


cdef void list_delete_range(Entry *entry, int64_t start, uint64_t count) noexcept nogil:
    """From an element on, as many as `count` or as there are."""
    if count == 0:
        return
    if is_packed(entry):
        entry_word(entry)[0] = listpack_delete_index(pack_of(entry), start, count)
    else:
        quicklist_delete_range(long_of(entry), start, count)


# -- a cursor ---------------------------------------------------------------------------------------------------------

cdef inline Listpack **packed(const ListCursor *cursor) noexcept nogil:
    return <Listpack **> cursor.word


cdef bint seek(void **word, bint is_pack, ListCursor *cursor, int64_t index) noexcept nogil:
    cursor.word = word
    cursor.packed = is_pack
    if is_pack:
        cursor.at = listpack_seek(<Listpack *> word[0], index)
        return cursor.at != NULL
    return quicklist_seek(<Quicklist *> word[0], &cursor.quick, index)


cdef bint list_seek(Entry *entry, ListCursor *cursor, int64_t index) noexcept nogil:
    """Go to an element; the cursor is new."""
    return seek(entry_word(entry), is_packed(entry), cursor, index)


cdef bint list_next(ListCursor *cursor) noexcept nogil:
    if not cursor.packed:
        return quicklist_next(&cursor.quick)
    cursor.at = listpack_next(packed(cursor)[0], cursor.at)
    return cursor.at != NULL


cdef bint list_previous(ListCursor *cursor) noexcept nogil:
    if not cursor.packed:
        return quicklist_previous(&cursor.quick)
    cursor.at = listpack_previous(packed(cursor)[0], cursor.at)
    return cursor.at != NULL


cdef void list_leave(ListCursor *cursor) noexcept nogil:
    if not cursor.packed:
        quicklist_leave(&cursor.quick)


cdef ListpackValue list_get(const ListCursor *cursor) noexcept nogil:
    return listpack_get(cursor.at) if cursor.packed else quicklist_get(&cursor.quick)


cdef int list_run(ListCursor *cursor, ListpackValue *values, int most) noexcept nogil:
    """The element at the cursor and some that follow; how many. The cursor then stands at the last of them: they
    are good until it moves on."""
    if cursor.packed:
        return listpack_run(&cursor.at, values, most)
    return quicklist_run(&cursor.quick, values, most)


cdef bint list_is(const ListCursor *cursor, Slice value) noexcept nogil:
    return listpack_is(cursor.at, value) if cursor.packed else quicklist_is(&cursor.quick, value)


cdef void list_insert(ListCursor *cursor, Slice value, bint after) noexcept nogil:
    if not cursor.packed:
        if after:
            quicklist_insert_after(&cursor.quick, value)
        else:
            quicklist_insert_before(&cursor.quick, value)
    elif after:
        cursor.word[0] = listpack_insert_after(packed(cursor)[0], &cursor.at, value)
    else:
        cursor.word[0] = listpack_insert(packed(cursor)[0], &cursor.at, value)


cdef void list_replace(ListCursor *cursor, Slice value) noexcept nogil:
    if cursor.packed:
        cursor.word[0] = listpack_replace(packed(cursor)[0], &cursor.at, value)
    else:
        quicklist_replace(&cursor.quick, value)


cdef bint list_delete(ListCursor *cursor, bint backward) noexcept nogil:
    """Delete the element and step to the next (previous) one; false, and the cursor is left, where there is none."""
    if not cursor.packed:
        return quicklist_delete(&cursor.quick, backward)
    cursor.word[0] = listpack_delete(packed(cursor)[0], &cursor.at, 1)
    if backward and cursor.at == NULL:
        cursor.at = listpack_last(packed(cursor)[0])
    elif backward:
        cursor.at = listpack_previous(packed(cursor)[0], cursor.at)
    return cursor.at != NULL


# -- what all types are asked -----------------------------------------------------------------------------------------

cdef void free_value(void *value, int encoding) noexcept nogil:
    if encoding == ENCODING_LISTPACK:
        listpack_free(<Listpack *> value)
    else:
        quicklist_free(<Quicklist *> value)


cdef Quicklist *copy_long(const Quicklist *list) noexcept nogil:
    cdef Quicklist *made = quicklist_new(list.fill, list.compress)
    cdef const QuicklistNode *node = list.first
    cdef Buffer scratch
    cdef Slice raw
    scratch.data = NULL
    scratch.length = scratch.capacity = 0
    while node != NULL:
        raw = quicklist_node_bytes(node, &scratch)
        if node.kind == QUICKLIST_PLAIN:
            quicklist_append_plain(made, blob_copy(raw.data, raw.length))
        else:
            quicklist_append_pack(made, listpack_copy(raw.data, raw.length))
        node = node.next
    buffer_free(&scratch)
    return made


cdef void *copy(const void *value, int encoding) noexcept nogil:
    if encoding == ENCODING_QUICKLIST:
        return copy_long(<const Quicklist *> value)
    return listpack_copy(value, listpack_bytes(<const Listpack *> value))


cdef size_t memory_of_sample(const Quicklist *list, uint64_t most) noexcept nogil:
    """The first nodes stand for all of them."""
    cdef const QuicklistNode *node = list.first
    cdef size_t total = 0
    cdef uint64_t sampled = 0
    while node != NULL and sampled < most:
        total += memory_size(node) + memory_size(node.block)
        sampled += 1
        node = node.next
    return memory_size(list) + (total // sampled * list.nodes if sampled else 0)


cdef size_t memory(const void *value, int encoding, int64_t samples) noexcept nogil:
    cdef const Quicklist *list = <const Quicklist *> value
    if encoding == ENCODING_LISTPACK:
        return memory_size(value)
    if samples == 0 or <uint64_t> samples >= list.nodes:
        return quicklist_memory(list)
    return memory_of_sample(list, samples)


cdef size_t effort(const void *value, int encoding) noexcept nogil:
    return 1 if encoding == ENCODING_LISTPACK else (<const Quicklist *> value).nodes


cdef uint64_t length(const void *value, int encoding) noexcept nogil:
    if encoding == ENCODING_LISTPACK:
        return listpack_count(<const Listpack *> value)
    return (<const Quicklist *> value).count


cdef bint show(const ListpackValue *value, item_visitor visit, void *argument) noexcept nogil:
    cdef Item item
    cdef char number[LISTPACK_NUMBER_SIZE]
    item.second.data, item.second.length, item.score = NULL, 0, 0
    if value.text != NULL:
        item.first.data, item.first.length = value.text, value.length
    else:
        item.first.data, item.first.length = number, format_i64(number, value.number)
    return visit(argument, &item)


cdef bint walk(const void *value, int encoding, item_visitor visit, void *argument) noexcept nogil:
    """Whether it came to the end."""
    cdef ListpackValue values[RUN]
    cdef ListCursor cursor
    cdef void *word = <void *> value
    cdef int count, i
    cdef bint more = seek(&word, encoding == ENCODING_LISTPACK, &cursor, 0)
    while more:
        count = list_run(&cursor, values, RUN)
        for i in range(count):
            if not show(values + i, visit, argument):
                list_leave(&cursor)
                return False
        more = list_next(&cursor)
    return True


cdef const char *check(const void *value, int encoding) noexcept nogil:
    if length(value, encoding) == 0:
        return b"a list without elements"
    if encoding == ENCODING_LISTPACK:
        return listpack_check(<const Listpack *> value)
    return quicklist_check(<Quicklist *> value)


cdef TypeOperations operations
operations.free, operations.copy, operations.memory, operations.effort = free_value, copy, memory, effort
operations.length, operations.walk, operations.check = length, walk, check
type_register(TYPE_LIST, &operations)
