"""The quicklist: how a long list is stored.

    first                                                                            last
    +------+     +------------+     +------------+     +-------+     +------------+     +------+
    | node | <-> |    node    | <-> |    node    | <-> | node  | <-> |    node    | <-> | node |
    +------+     +------------+     +------------+     +-------+     +------------+     +------+
     listpack     LZF of one         LZF of one         LZF of        LZF of one         listpack
                                                        a blob

A node's block holds a listpack, or one element that is too large for any. With a compress depth of 1, as drawn, all
nodes but the first and the last are kept compressed, where that saves anything. A cursor that stands on one keeps it
decompressed (`opened`) until it leaves.

The ends are where the work is: a pack there has free room on both sides (quicknode). A node that another one is put
behind gives its room back.

What if elements are inserted in the middle of a full node? The node is split there, and the parts are merged with their
neighbours where both fit into one. And how is an element found? By walking from the nearer end, over the counts of the
nodes; where that is far, and again and again, landmarks are set.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from kv._core.base.blob cimport Blob, blob_copy
from kv._core.base.memory cimport memory_alloc, memory_free, memory_size
from kv._core.base.platform cimport likely, unlikely
from kv._core.base.slice cimport Slice, slice_equal
from kv._core.containers.landmarks cimport landmarks_hold, landmarks_leave, landmarks_nearer, landmarks_new
from kv._core.containers.listpack cimport (
    LISTPACK_EMPTY, Listpack, ListpackElement, ListpackValue, listpack_append_within, listpack_bytes, listpack_count,
    listpack_delete, listpack_drop_first_within, listpack_drop_last_within, listpack_element_size, listpack_encode,
    listpack_first, listpack_free, listpack_get, listpack_insert, listpack_is, listpack_last, listpack_merge,
    listpack_new, listpack_next, listpack_prepend_within, listpack_previous, listpack_replace, listpack_run, listpack_seek,
    listpack_size_at, listpack_slice, listpack_split, listpack_validate)
from kv._core.containers.quicknode cimport (
    LEAST_COMPRESSED, QUICKLIST_PACKED, QUICKLIST_PLAIN, QuicklistNode, node_compress, node_decompress, node_new,
    node_pack, node_raw, node_reserve_before, node_reserve_behind, node_seal, node_take_lead, node_trim,
    node_trim_waste, quicklist_node_raw_length)

cdef enum:
    SMALLEST_CLASS = 4096       # bytes of a node by fill -1; each further class is twice that
    CLASSES = 5
    COUNTED_LIMIT = 8192        # bytes of a node whose fill is a number of elements
    OVERHEAD = 8                # bytes that an element adds to its text, at a guess
    FAR_WALKS = 4               # after which landmarks are set

cdef size_t packed_threshold = 0    # DEBUG's; 0: by fill
cdef uint64_t far = 64              # nodes from which on a walk to an element is far


cdef void quicklist_set_far(uint64_t nodes) noexcept nogil:
    global far
    far = nodes


# -- limits -----------------------------------------------------------------------------------------------------------

cdef inline size_t class_limit(int fill) noexcept nogil:
    return <size_t> SMALLEST_CLASS << (-fill - 1 if -fill < CLASSES else CLASSES - 1)


cdef bint quicklist_fits(int fill, size_t bytes, uint64_t count) noexcept nogil:
    if fill < 0:
        return bytes <= class_limit(fill)
    return bytes <= COUNTED_LIMIT and count <= <uint64_t> (fill if fill else 1)


cdef bint quicklist_is_large(int fill, size_t length) noexcept nogil:
    if unlikely(packed_threshold != 0):
        return length >= packed_threshold
    return length > (class_limit(fill) if fill < 0 else <size_t> COUNTED_LIMIT)


cdef size_t quicklist_packed_threshold() noexcept nogil:
    return packed_threshold


cdef void quicklist_set_packed_threshold(size_t bytes) noexcept nogil:
    global packed_threshold
    packed_threshold = bytes


# -- compression ------------------------------------------------------------------------------------------------------

cdef inline void open_node(QuicklistNode *node) noexcept nogil:
    """Decompress for a while; close_node compresses again."""
    if node.compressed:
        node_decompress(node)
        node.opened = True


cdef void settle(Quicklist *list, QuicklistNode *node) noexcept nogil:
    """After nodes came, went or changed: the outer ones are decompressed, this one (NULL: none) and the outermost inner
    ones compressed."""
    cdef QuicklistNode *forward = list.first
    cdef QuicklistNode *backward = list.last
    cdef bint outer = node == NULL
    cdef uint64_t _depth
    if list.compress == 0:
        return
    for _depth in range(list.compress):
        if forward == NULL or forward.previous == backward:
            return
        node_decompress(forward)
        node_decompress(backward)
        forward.opened = backward.opened = False
        outer = outer or node == forward or node == backward
        if forward == backward or forward.next == backward:
            return
        forward, backward = forward.next, backward.previous
    if not outer:
        node.opened = False
        node_compress(node)
    node_compress(forward)
    node_compress(backward)


cdef inline void close_node(Quicklist *list, QuicklistNode *node) noexcept nogil:
    if node.opened:
        node.opened = False
        settle(list, node)


# -- landmarks --------------------------------------------------------------------------------------------------------

cdef void lose_landmarks(Quicklist *list) noexcept nogil:
    memory_free(list.landmarks)
    list.landmarks = NULL
    list.far_walks = 0


cdef void note_far_walk(Quicklist *list) noexcept nogil:
    """Landmarks cost a walk over the whole list, so one far walk alone is none the better for them."""
    list.far_walks += 1
    if list.far_walks >= FAR_WALKS:
        lose_landmarks(list)
        list.landmarks = landmarks_new(list.first, list.nodes, max(far // 2, <uint64_t> 1))


cdef inline void move_landmarks(Quicklist *list, const QuicklistNode *node, int64_t change) noexcept nogil:
    """So many elements came with this node or into it, or went."""
    if node.next == NULL:
        return
    if node.previous != NULL:
        lose_landmarks(list)
    elif list.landmarks != NULL:
        list.landmarks.shift += change


cdef inline void recount(Quicklist *list, QuicklistNode *node, int64_t change) noexcept nogil:
    """Elements came into a node, or went: what hangs on its content follows."""
    node.count += <uint32_t> change
    list.count += <uint64_t> change
    node.incompressible = False
    move_landmarks(list, node, change)


# -- nodes ------------------------------------------------------------------------------------------------------------

cdef QuicklistNode *node_of(Quicklist *list, Slice value) noexcept nogil:
    """A node with one element, whose block has room for some more."""
    cdef ListpackElement element
    cdef Listpack *pack
    if quicklist_is_large(list.fill, value.length):
        return node_new(QUICKLIST_PLAIN, blob_copy(value.data, value.length), 1)
    element = listpack_encode(value)
    pack = listpack_new(LISTPACK_EMPTY + element.size)
    listpack_append_within(pack, &element)
    return node_new(QUICKLIST_PACKED, pack, 1)


cdef void attach(Quicklist *list, QuicklistNode *node, QuicklistNode *previous) noexcept nogil:
    """Link a node behind another one (NULL: at the head)."""
    node.previous = previous
    node.next = list.first if previous == NULL else previous.next
    move_landmarks(list, node, node.count)
    if previous == NULL:
        list.first = node
    else:
        previous.next = node
    if node.next == NULL:
        list.last = node
    else:
        node.next.previous = node
    list.nodes += 1
    list.count += node.count


cdef void remove_node(Quicklist *list, QuicklistNode *node) noexcept nogil:
    """Unlink a node and free it with its elements."""
    move_landmarks(list, node, -<int64_t> node.count)
    if list.landmarks != NULL:
        landmarks_leave(list.landmarks, node.next if node.previous == NULL else node)    # the first one has none
    if node.previous == NULL:
        list.first = node.next
    else:
        node.previous.next = node.next
    if node.next == NULL:
        list.last = node.previous
    else:
        node.next.previous = node.previous
    list.nodes -= 1
    list.count -= node.count
    memory_free(node.block)
    memory_free(node)


cdef inline bint admits(const Quicklist *list, const QuicklistNode *node, size_t length) noexcept nogil:
    """Whether the node may take another element of this length."""
    if node == NULL or node.kind == QUICKLIST_PLAIN or quicklist_is_large(list.fill, length):
        return False
    return quicklist_fits(list.fill, quicklist_node_raw_length(node) + length + OVERHEAD, node.count + 1)


cdef QuicklistNode *split(Quicklist *list, QuicklistNode *node, uint32_t index) noexcept nogil:
    """Move the elements from an index on (not the first, not beyond the last) to a new node, which follows."""
    cdef Listpack *rest
    cdef QuicklistNode *behind
    node_take_lead(node)
    node.block = listpack_split(node_pack(node), listpack_seek(node_pack(node), index), &rest)
    behind = node_new(QUICKLIST_PACKED, rest, node.count - index)
    list.count -= behind.count
    node.count = index
    node.incompressible = False
    attach(list, behind, node)
    return behind


cdef bint merge_next(Quicklist *list, QuicklistNode *node) noexcept nogil:
    """Take the next node in if both fit into one; whether they did."""
    cdef QuicklistNode *next = node.next
    if (next == NULL or node.kind == QUICKLIST_PLAIN or next.kind == QUICKLIST_PLAIN
            or not quicklist_fits(list.fill, quicklist_node_raw_length(node) + quicklist_node_raw_length(next)
                                  - LISTPACK_EMPTY, <uint64_t> node.count + next.count)):
        return False
    node_decompress(node)
    node_decompress(next)
    node_take_lead(node)
    node_take_lead(next)
    node.block = listpack_merge(node_pack(node), node_pack(next))
    node.count += next.count
    node.incompressible = False
    list.count += next.count
    next.block = NULL
    remove_node(list, next)
    return True


cdef void settle_changed(Quicklist *list, QuicklistNode *node) noexcept nogil:
    """After a change within a node: merge it with its neighbours where they fit, and compress what should be."""
    cdef QuicklistNode *previous = node.previous
    if previous != NULL and merge_next(list, previous):
        node = previous
    merge_next(list, node)
    node.opened = False
    if node.previous != NULL and node.next != NULL:
        node_seal(node)
    settle(list, node)


# -- the list ---------------------------------------------------------------------------------------------------------

cdef Quicklist *quicklist_new(int fill, int compress) noexcept nogil:
    cdef Quicklist *list = <Quicklist *> memory_alloc(sizeof(Quicklist))
    memset(list, 0, sizeof(Quicklist))
    list.fill = fill
    list.compress = compress
    return list


cdef void quicklist_free(Quicklist *list) noexcept nogil:
    cdef QuicklistNode *node = list.first
    cdef QuicklistNode *next
    while node != NULL:
        next = node.next
        memory_free(node.block)
        memory_free(node)
        node = next
    memory_free(list.landmarks)
    memory_free(list)


cdef void quicklist_limit(Quicklist *list, int fill, int compress) noexcept nogil:
    """Other limits: the fill counts for changes to come, the depth at once."""
    cdef QuicklistNode *node = list.first
    list.fill = fill
    list.compress = compress
    while node != NULL:
        if compress:
            settle(list, node)
        else:
            node_decompress(node)
        node = node.next


# -- the ends ---------------------------------------------------------------------------------------------------------

cdef void quicklist_push_last(Quicklist *list, Slice value) noexcept nogil:
    cdef QuicklistNode *node = list.last
    cdef ListpackElement element
    if unlikely(not admits(list, node, value.length)):
        if node != NULL and node != list.first:
            node_seal(node)
        attach(list, node_of(list, value), node)
        settle(list, node)
        return
    element = listpack_encode(value)
    node_reserve_behind(node, element.size)
    listpack_append_within(node_pack(node), &element)
    recount(list, node, 1)


cdef void quicklist_push_first(Quicklist *list, Slice value) noexcept nogil:
    cdef QuicklistNode *node = list.first
    cdef ListpackElement element
    if unlikely(not admits(list, node, value.length)):
        if node != NULL and node != list.last:
            node_seal(node)
        attach(list, node_of(list, value), NULL)
        settle(list, node)
        return
    element = listpack_encode(value)
    node_reserve_before(node, element.size)
    listpack_prepend_within(node_pack(node), &element)
    node.lead -= <uint32_t> element.size
    recount(list, node, 1)


cdef Slice quicklist_peek_first(Quicklist *list, char *number) noexcept nogil:
    if unlikely(list.first.kind == QUICKLIST_PLAIN):
        return node_raw(list.first)
    return listpack_slice(listpack_first(node_pack(list.first)), number)


cdef Slice quicklist_peek_last(Quicklist *list, char *number) noexcept nogil:
    if unlikely(list.last.kind == QUICKLIST_PLAIN):
        return node_raw(list.last)
    return listpack_slice(listpack_last(node_pack(list.last)), number)


cdef void quicklist_drop_first(Quicklist *list) noexcept nogil:
    cdef QuicklistNode *node = list.first
    cdef Listpack *pack
    if node.count == 1:
        remove_node(list, node)
        settle(list, NULL)
        return
    pack = listpack_drop_first_within(node_pack(node))
    node.lead = <uint32_t> (<uint8_t *> pack - <uint8_t *> node.block)
    recount(list, node, -1)
    node_trim_waste(node)


cdef void quicklist_drop_last(Quicklist *list) noexcept nogil:
    cdef QuicklistNode *node = list.last
    if node.count == 1:
        remove_node(list, node)
        settle(list, NULL)
        return
    listpack_drop_last_within(node_pack(node))
    recount(list, node, -1)
    node_trim_waste(node)


# -- a cursor ---------------------------------------------------------------------------------------------------------

cdef bint stand(QuicklistCursor *cursor, QuicklistNode *node, int64_t index) noexcept nogil:
    """Go to an element (-1: the last) of a node (NULL: nowhere, which is false)."""
    if cursor.node != node:
        quicklist_leave(cursor)
    if node == NULL:
        return False
    open_node(node)
    cursor.node = node
    cursor.index = <uint32_t> (index if index >= 0 else index + node.count)
    cursor.at = NULL
    if node.kind == QUICKLIST_PACKED:
        cursor.at = listpack_seek(node_pack(node), index)
    return True


cdef QuicklistNode *node_at(Quicklist *list, int64_t *index) noexcept nogil:
    """The node of the element with this index (-1: the last), and the index in it; NULL for an index beyond the list."""
    cdef int64_t place = index[0] if index[0] >= 0 else index[0] + <int64_t> list.count
    cdef int64_t start = 0          # index of the node's first element
    cdef QuicklistNode *node = list.first
    cdef uint64_t nodes = 0
    if place < 0 or place >= <int64_t> list.count:
        return NULL
    if place > <int64_t> list.count // 2:
        node, start = list.last, <int64_t> (list.count - list.last.count)
    if list.landmarks != NULL:
        node = landmarks_nearer(list.landmarks, place, node, &start)
    while place >= start + node.count:
        start += node.count
        node = node.next
        nodes += 1
    while place < start:
        node = node.previous
        start -= node.count
        nodes += 1
    if unlikely(nodes > far):
        note_far_walk(list)
    index[0] = place - start
    return node


cdef bint quicklist_seek(Quicklist *list, QuicklistCursor *cursor, int64_t index) noexcept nogil:
    """Go to an element; the cursor is new."""
    cdef QuicklistNode *node = node_at(list, &index)
    cursor.list = list
    cursor.node = NULL
    cursor.at = NULL
    cursor.index = 0
    return stand(cursor, node, index)


cdef void quicklist_leave(QuicklistCursor *cursor) noexcept nogil:
    if cursor.node != NULL:
        close_node(cursor.list, cursor.node)
    cursor.node = NULL
    cursor.at = NULL


cdef bint quicklist_next(QuicklistCursor *cursor) noexcept nogil:
    cdef QuicklistNode *node = cursor.node
    if cursor.index + 1 < node.count:
        cursor.index += 1
        cursor.at = listpack_next(node_pack(node), cursor.at)
        return True
    return stand(cursor, node.next, 0)


cdef bint quicklist_previous(QuicklistCursor *cursor) noexcept nogil:
    cdef QuicklistNode *node = cursor.node
    if cursor.index:
        cursor.index -= 1
        cursor.at = listpack_previous(node_pack(node), cursor.at)
        return True
    return stand(cursor, node.previous, -1)


cdef ListpackValue quicklist_get(const QuicklistCursor *cursor) noexcept nogil:
    cdef ListpackValue value
    cdef Slice raw
    if likely(cursor.at != NULL):
        return listpack_get(cursor.at)
    raw = node_raw(cursor.node)
    value.text, value.length, value.number = raw.data, raw.length, 0
    return value


cdef int quicklist_run(QuicklistCursor *cursor, ListpackValue *values, int most) noexcept nogil:
    """The element at the cursor and some that follow in its node; how many. The cursor then stands at the last of
    them."""
    cdef int count
    if unlikely(cursor.at == NULL):
        values[0] = quicklist_get(cursor)
        return 1
    count = listpack_run(&cursor.at, values, most)
    cursor.index += count - 1
    return count


cdef Slice quicklist_slice(const QuicklistCursor *cursor, char *number) noexcept nogil:
    return listpack_slice(cursor.at, number) if cursor.at != NULL else node_raw(cursor.node)


cdef bint quicklist_is(const QuicklistCursor *cursor, Slice value) noexcept nogil:
    return listpack_is(cursor.at, value) if cursor.at != NULL else slice_equal(node_raw(cursor.node), value)


# -- change at a cursor -----------------------------------------------------------------------------------------------

cdef void attach_settled(Quicklist *list, QuicklistNode *node, QuicklistNode *previous) noexcept nogil:
    attach(list, node, previous)
    settle(list, node)


cdef void insert_within(Quicklist *list, QuicklistNode *node, uint32_t index, Slice value) noexcept nogil:
    """Put an element before the one with this index, or last, into a node that admits it."""
    cdef uint8_t *at
    node_decompress(node)
    node_take_lead(node)
    at = listpack_seek(node_pack(node), index)
    node.block = listpack_insert(node_pack(node), &at, value)
    recount(list, node, 1)
    settle_changed(list, node)


cdef void insert_between(Quicklist *list, QuicklistNode *before, QuicklistNode *behind, Slice value) noexcept nogil:
    """Put an element between two nodes (NULL: the list's end)."""
    if admits(list, before, value.length):
        insert_within(list, before, before.count, value)
    elif admits(list, behind, value.length):
        insert_within(list, behind, 0, value)
    else:
        attach_settled(list, node_of(list, value), before)


cdef void insert(QuicklistCursor *cursor, uint32_t index, Slice value) noexcept nogil:
    """Put an element before the one with this index in the cursor's node, or behind its last."""
    cdef Quicklist *list = cursor.list
    cdef QuicklistNode *node = cursor.node
    cdef QuicklistNode *behind
    if admits(list, node, value.length):
        insert_within(list, node, index, value)
        cursor.node = NULL
        return
    if 0 < index < node.count:
        behind = split(list, node, index)
        settle(list, behind)
        node.opened = True
        quicklist_leave(cursor)
        insert_between(list, node, behind, value)
        return
    quicklist_leave(cursor)
    if index == 0:
        insert_between(list, node.previous, node, value)
    else:
        insert_between(list, node, node.next, value)


cdef void quicklist_insert_before(QuicklistCursor *cursor, Slice value) noexcept nogil:
    insert(cursor, cursor.index, value)


cdef void quicklist_insert_after(QuicklistCursor *cursor, Slice value) noexcept nogil:
    insert(cursor, cursor.index + 1, value)


cdef inline bint fits_instead(const QuicklistCursor *cursor, Slice value) noexcept nogil:
    """Whether a pack's element may be replaced where it is."""
    cdef size_t old, new
    if cursor.at == NULL or quicklist_is_large(cursor.list.fill, value.length):
        return False
    old = listpack_size_at(cursor.at)
    new = listpack_element_size(value)
    return new <= old or quicklist_fits(cursor.list.fill, listpack_bytes(node_pack(cursor.node)) - old + new,
                                        cursor.node.count)


cdef void replace_apart(Quicklist *list, QuicklistNode *node, uint32_t index, Slice value) noexcept nogil:
    """Cut an element out of its node and put the other one between what is before and behind."""
    cdef QuicklistNode *before = node.previous
    cdef QuicklistNode *behind = node.next
    node.opened = False
    if index + 1 < node.count:
        behind = split(list, node, index + 1)
    if index:
        before = node
        node = split(list, node, index)
    remove_node(list, node)
    settle(list, before)
    settle(list, behind)
    insert_between(list, before, behind, value)


cdef void quicklist_replace(QuicklistCursor *cursor, Slice value) noexcept nogil:
    cdef QuicklistNode *node = cursor.node
    if not fits_instead(cursor, value):
        cursor.node = NULL
        replace_apart(cursor.list, node, cursor.index, value)
        return
    cursor.at -= node.lead
    node_take_lead(node)
    node.block = listpack_replace(node_pack(node), &cursor.at, value)
    node.incompressible = False
    node.opened = True
    quicklist_leave(cursor)


cdef bint delete_last_of_node(QuicklistCursor *cursor, bint backward) noexcept nogil:
    cdef QuicklistNode *node = cursor.node
    cdef QuicklistNode *target = node.previous if backward else node.next
    cursor.node = NULL
    remove_node(cursor.list, node)
    settle(cursor.list, NULL)
    return stand(cursor, target, -1 if backward else 0)


cdef bint quicklist_delete(QuicklistCursor *cursor, bint backward) noexcept nogil:
    """Delete the element and step to the next (previous) one; false, and the cursor is left, where there is none."""
    cdef QuicklistNode *node = cursor.node
    if node.count == 1:
        return delete_last_of_node(cursor, backward)
    cursor.at -= node.lead
    node_take_lead(node)
    node.block = listpack_delete(node_pack(node), &cursor.at, 1)
    recount(cursor.list, node, -1)
    node.opened = True
    if not backward:
        return True if cursor.at != NULL else stand(cursor, node.next, 0)
    if cursor.index == 0:
        return stand(cursor, node.previous, -1)
    return stand(cursor, node, cursor.index - 1)


cdef void delete_within(Quicklist *list, QuicklistNode *node, uint32_t index, uint32_t count) noexcept nogil:
    """Delete some but not all elements of a node."""
    cdef uint8_t *at
    node_decompress(node)
    node_take_lead(node)
    at = listpack_seek(node_pack(node), index)
    node.block = listpack_delete(node_pack(node), &at, count)
    recount(list, node, -<int64_t> count)


cdef uint64_t quicklist_delete_range(Quicklist *list, int64_t start, uint64_t count) noexcept nogil:
    """From an element on, as many as `count` or as there are; whole nodes go without being looked into."""
    cdef QuicklistNode *node = node_at(list, &start)
    cdef QuicklistNode *next
    cdef QuicklistNode *parts[2]    # the nodes that stay in part
    cdef uint32_t here, i, part = 0
    cdef uint64_t left = count
    while left and node != NULL:
        next = node.next
        here = <uint32_t> (node.count - start if node.count - start < <int64_t> left or left >> 32 else left)
        if here == node.count:
            remove_node(list, node)
        else:
            delete_within(list, node, <uint32_t> start, here)
            parts[part] = node
            part += 1
        left -= here
        start = 0
        node = next
    settle(list, NULL)
    for i in range(part):
        settle(list, parts[i])
    return count - left


# -- whole nodes ------------------------------------------------------------------------------------------------------

cdef void quicklist_append_pack(Quicklist *list, Listpack *pack) noexcept nogil:
    cdef uint64_t count = listpack_count(pack)
    if count:
        attach_settled(list, node_new(QUICKLIST_PACKED, pack, count), list.last)
    else:
        listpack_free(pack)


cdef void quicklist_append_plain(Quicklist *list, Blob *blob) noexcept nogil:
    attach_settled(list, node_new(QUICKLIST_PLAIN, blob, 1), list.last)


cdef Listpack *quicklist_take_pack(Quicklist *list) noexcept nogil:
    """The pack of a list of one packed node, which is freed; NULL, and the list stays, if it is another."""
    cdef QuicklistNode *node = list.first
    cdef Listpack *pack
    if list.nodes != 1 or node.kind != QUICKLIST_PACKED:
        return NULL
    node_decompress(node)
    node_trim(node)
    pack = node_pack(node)
    memory_free(node)
    memory_free(list.landmarks)
    memory_free(list)
    return pack


# -- account and check ------------------------------------------------------------------------------------------------

cdef size_t quicklist_memory(const Quicklist *list) noexcept nogil:
    cdef size_t total = memory_size(list) + (memory_size(list.landmarks) if list.landmarks != NULL else 0)
    cdef const QuicklistNode *node = list.first
    while node != NULL:
        total += memory_size(node) + memory_size(node.block)
        node = node.next
    return total


cdef void quicklist_stats(const Quicklist *list, QuicklistStats *stats) noexcept nogil:
    cdef const QuicklistNode *node = list.first
    memset(stats, 0, sizeof(QuicklistStats))
    while node != NULL:
        stats.nodes += 1
        stats.plain += node.kind == QUICKLIST_PLAIN
        stats.compressed += node.compressed != 0
        stats.raw_bytes += quicklist_node_raw_length(node)
        stats.held_bytes += memory_size(node.block)
        node = node.next


cdef const char *check_node(const Quicklist *list, const QuicklistNode *node, uint64_t position) noexcept nogil:
    cdef bint inner = list.compress > 0 and min(position, list.nodes - 1 - position) >= <uint64_t> list.compress
    cdef uint64_t count
    if node.count == 0:
        return b"a node without elements"
    if node.opened:
        return b"a node that nobody closed"
    if node.compressed:
        if not inner:
            return b"an outer node that is compressed"
        return NULL
    if inner and not node.incompressible and quicklist_node_raw_length(node) >= LEAST_COMPRESSED:
        return b"an inner node that is not compressed"
    if node.kind == QUICKLIST_PLAIN:
        if node.count != 1:
            return b"a plain node with several elements"
        return NULL
    if node.lead + listpack_bytes(node_pack(node)) > memory_size(node.block):
        return b"a pack that is longer than its block"
    if not listpack_validate(node_pack(node), listpack_bytes(node_pack(node)), &count) or count != node.count:
        return b"a pack that is not what its node says"
    return NULL


cdef const char *quicklist_check(Quicklist *list) noexcept nogil:
    """NULL, or which invariant does not hold. No cursor may be on the list."""
    cdef QuicklistNode *node = list.first
    cdef QuicklistNode *previous = NULL
    cdef uint64_t nodes = 0, count = 0
    cdef const char *fault
    while node != NULL:
        if node.previous != previous:
            return b"a link back that leads elsewhere"
        fault = check_node(list, node, nodes)
        if fault != NULL:
            return fault
        nodes, count, previous, node = nodes + 1, count + node.count, node, node.next
    if list.last != previous or nodes != list.nodes or count != list.count:
        return b"a list that counts wrong"
    if list.landmarks != NULL and not landmarks_hold(list.landmarks, list.first):
        return b"a landmark in the wrong place"
    return NULL
