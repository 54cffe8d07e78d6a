"""The skiplist: how a sorted set is stored that is no small one.

A node is one block, and is itself the element of the hash table that finds it by member, so that no member is stored
twice:

    byte  0         8        16                                   24
          +---------+--------+------------------------------------+-------------------------+--------------+--------+
          | score   | next   | previous 48 | length 11 | levels 5 | (next, span) a level    | (length 32)  | member |
          +---------+--------+------------------------------------+-------------------------+--------------+--------+

`levels` is one less than the node has. The lowest level is the list itself: its pointer is `next`, and its span,
always 1, is not stored. Three nodes of four have no other. Each level above holds a quarter of the nodes of the one
below; a span is the number of steps that its pointer skips on the lowest level, or, where it points nowhere, how many
nodes follow. A length of 2047 says that the 32-bit length stands before the member. So a member of 13 bytes takes 40
bytes, 45 with its share of the levels.

Where does chance come from? From the member's hash, which is keyed with a secret of the process: no generator,
and a node that moves because its score changed keeps its levels and its block.

Order is by score, then by the members' bytes. Every search is one descent (`descend`) that keeps the path: on each
level the last node that precedes what is looked for, and its rank. From the path a node is linked, unlinked, or a range
deleted without a second search.
"""
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

from kv._core.base.hashing cimport hash_bytes
from kv._core.base.machine cimport leading_zeros_u64
from kv._core.base.memory cimport memory_alloc, memory_free, memory_realloc, memory_size
from kv._core.base.platform cimport likely, panic, unlikely
from kv._core.base.slice cimport Slice, slice_of
from kv._core.containers.hashtable cimport (
    HashtableType, Position, hashtable_check, hashtable_clear, hashtable_find, hashtable_fit, hashtable_init,
    hashtable_insert, hashtable_locate, hashtable_overhead, hashtable_remove, position_element)

cdef enum:
    LEVEL_MASK = 31
    LENGTH_SHIFT = 5
    LONG_MEMBER = 2047
    PREVIOUS_SHIFT = 16

cdef struct Level:              # one above the lowest
    SkiplistNode *next          # the next node that has this level; NULL: none
    uint64_t span               # steps to it on the lowest level, or to the list's end

cdef struct Path:
    SkiplistNode *before[SKIPLIST_LEVELS]   # the last node on the level that precedes; the head where none does
    uint64_t rank[SKIPLIST_LEVELS]          # how many nodes stand up to and with that one

cdef struct Place:              # where a member of this score belongs
    double score
    Slice member

# Whether a node stands before what is looked for.
ctypedef bint (*precedes)(const SkiplistNode *node, const void *sought) noexcept nogil

assert sizeof(SkiplistNode) == 24 and sizeof(Level) == 16, "the drawing says 24 and 16 bytes"


# -- a node -----------------------------------------------------------------------------------------------------------

cdef inline int levels_of(const SkiplistNode *node) noexcept nogil:
    """How many levels the node has above the lowest."""
    return node.bits & LEVEL_MASK


cdef inline Level *upper(const SkiplistNode *node) noexcept nogil:
    return <Level *> (<char *> node + sizeof(SkiplistNode))


cdef inline void set_previous(SkiplistNode *node, const SkiplistNode *previous) noexcept nogil:
    node.bits = (node.bits & 0xffff) | (<uint64_t> previous << PREVIOUS_SHIFT)


cdef inline Slice member_of(const SkiplistNode *node) noexcept nogil:
    cdef const char *at = <const char *> node + sizeof(SkiplistNode) + sizeof(Level) * levels_of(node)
    cdef uint32_t length = (node.bits >> LENGTH_SHIFT) & LONG_MEMBER
    if likely(length != LONG_MEMBER):
        return slice_of(at, length)
    memcpy(&length, at, 4)
    return slice_of(at + 4, length)


cdef Slice skiplist_member(const SkiplistNode *node) noexcept nogil:
    return member_of(node)


cdef const char *node_key(const void *element, size_t *length) noexcept nogil:
    cdef Slice member = member_of(<const SkiplistNode *> element)
    length[0] = member.length
    return member.data


cdef HashtableType NODES
NODES.key_of = node_key
NODES.free_element = NULL


cdef SkiplistNode *node_new(double score, Slice member, int levels) noexcept nogil:
    cdef bint is_long = member.length >= LONG_MEMBER
    cdef size_t size = sizeof(SkiplistNode) + sizeof(Level) * levels + (4 if is_long else 0) + member.length
    cdef SkiplistNode *node = <SkiplistNode *> memory_alloc(size)
    cdef char *at = <char *> node + size - member.length
    node.score = score
    node.next = NULL
    node.bits = <uint64_t> (LONG_MEMBER if is_long else member.length) << LENGTH_SHIFT | <uint64_t> levels
    if is_long:
        (<uint32_t *> (at - 4))[0] = <uint32_t> member.length
    if member.length:
        memcpy(at, member.data, member.length)
    return node


cdef inline int drawn_levels(uint64_t hash) noexcept nogil:
    """Each level a quarter as likely as the one below."""
    return leading_zeros_u64(hash | 1) // 2


cdef inline int compare(Slice a, Slice b) noexcept nogil:
    cdef int order = memcmp(a.data, b.data, a.length if a.length < b.length else b.length)
    if order:
        return order
    return (a.length > b.length) - (a.length < b.length)


cdef int slice_compare(Slice a, Slice b) noexcept nogil:
    """Below, at or above zero, by unsigned bytes; a prefix comes first."""
    return compare(a, b)


# -- ranges -----------------------------------------------------------------------------------------------------------

cdef bint score_above_min(double score, const ScoreRange *limits) noexcept nogil:
    return score > limits.min if limits.min_open else score >= limits.min


cdef bint score_below_max(double score, const ScoreRange *limits) noexcept nogil:
    return score < limits.max if limits.max_open else score <= limits.max


cdef bint lex_above_min(Slice member, const LexRange *limits) noexcept nogil:
    cdef int order
    if limits.min_end != LEX_TEXT:
        return limits.min_end == LEX_LOWEST
    order = compare(member, limits.min)
    return order > 0 if limits.min_open else order >= 0


cdef bint lex_below_max(Slice member, const LexRange *limits) noexcept nogil:
    cdef int order
    if limits.max_end != LEX_TEXT:
        return limits.max_end == LEX_HIGHEST
    order = compare(member, limits.max)
    return order < 0 if limits.max_open else order <= 0


# -- the descent ------------------------------------------------------------------------------------------------------

cdef bint before_place(const SkiplistNode *node, const void *sought) noexcept nogil:
    cdef const Place *place = <const Place *> sought
    if node.score != place.score:
        return node.score < place.score
    return compare(member_of(node), place.member) < 0


cdef bint before_scores(const SkiplistNode *node, const void *sought) noexcept nogil:
    return not score_above_min(node.score, <const ScoreRange *> sought)


cdef bint until_scores(const SkiplistNode *node, const void *sought) noexcept nogil:
    return score_below_max(node.score, <const ScoreRange *> sought)


cdef bint before_lex(const SkiplistNode *node, const void *sought) noexcept nogil:
    return not lex_above_min(member_of(node), <const LexRange *> sought)


cdef bint until_lex(const SkiplistNode *node, const void *sought) noexcept nogil:
    return lex_below_max(member_of(node), <const LexRange *> sought)


cdef inline void descend(Skiplist *list, precedes before, const void *sought, Path *path) noexcept nogil:
    """The path to the last node that precedes what is sought."""
    cdef SkiplistNode *node = list.head
    cdef SkiplistNode *next
    cdef uint64_t rank = 0
    cdef int level = levels_of(node)
    while level:
        while True:
            next = upper(node)[level - 1].next
            if next == NULL or not before(next, sought):
                break
            rank += upper(node)[level - 1].span
            node = next
        path.before[level] = node
        path.rank[level] = rank
        level -= 1
    while node.next != NULL and before(node.next, sought):
        node = node.next
        rank += 1
    path.before[0] = node
    path.rank[0] = rank


cdef void descend_to_rank(Skiplist *list, uint64_t count, Path *path) noexcept nogil:
    """The path to the last of the first `count` nodes."""
    cdef SkiplistNode *node = list.head
    cdef uint64_t rank = 0
    cdef int level = levels_of(node)
    while level:
        while upper(node)[level - 1].next != NULL and rank + upper(node)[level - 1].span <= count:
            rank += upper(node)[level - 1].span
            node = upper(node)[level - 1].next
        path.before[level] = node
        path.rank[level] = rank
        level -= 1
    while rank < count and node.next != NULL:
        node = node.next
        rank += 1
    path.before[0] = node
    path.rank[0] = rank


cdef void descend_to(Skiplist *list, double score, Slice member, Path *path) noexcept nogil:
    cdef Place place
    place.score = score
    place.member = member
    descend(list, before_place, &place, path)


# -- links ------------------------------------------------------------------------------------------------------------

cdef void raise_head(Skiplist *list, int levels) noexcept nogil:
    """Give the head as many levels as a coming node has."""
    cdef int level = levels_of(list.head)
    if likely(levels <= level):
        return
    list.head = <SkiplistNode *> memory_realloc(list.head, sizeof(SkiplistNode) + sizeof(Level) * levels)
    while level < levels:
        upper(list.head)[level].next = NULL
        upper(list.head)[level].span = list.members.count
        level += 1
    list.head.bits = levels


cdef void lower_head(Skiplist *list) noexcept nogil:
    """Forget levels that no node has any more."""
    cdef int levels = levels_of(list.head)
    while levels and upper(list.head)[levels - 1].next == NULL:
        levels -= 1
    list.head.bits = levels


cdef void link(Skiplist *list, SkiplistNode *node, const Path *path) noexcept nogil:
    """Put a node behind the path's end. The head is tall enough."""
    cdef int level
    cdef Level *before
    cdef Level *own = upper(node)
    cdef SkiplistNode *previous = path.before[0]
    for level in range(1, levels_of(list.head) + 1):
        before = upper(path.before[level]) + level - 1
        if level > levels_of(node):
            before.span += 1
            continue
        own[level - 1].next = before.next
        own[level - 1].span = before.span - (path.rank[0] - path.rank[level])
        before.next = node
        before.span = path.rank[0] - path.rank[level] + 1
    node.next = previous.next
    previous.next = node
    set_previous(node, previous if previous != list.head else NULL)
    if node.next != NULL:
        set_previous(node.next, node)
    else:
        list.last = node


cdef void unlink(Skiplist *list, SkiplistNode *node, const Path *path) noexcept nogil:
    """Take out the node behind the path's end; the path stays good."""
    cdef int level
    cdef Level *before
    for level in range(1, levels_of(list.head) + 1):
        before = upper(path.before[level]) + level - 1
        before.span -= 1
        if before.next == node:
            before.next = upper(node)[level - 1].next
            before.span += upper(node)[level - 1].span
    path.before[0].next = node.next
    if node.next != NULL:
        set_previous(node.next, skiplist_previous(node))
    else:
        list.last = skiplist_previous(node)


cdef void discard(Skiplist *list, SkiplistNode *node, uint64_t hash) noexcept nogil:
    """Free a node that is unlinked."""
    cdef Position position = hashtable_locate(&list.members, node, hash)
    if unlikely(position.bucket == NULL):
        panic("a sorted set's node is not in its table")
    hashtable_remove(&list.members, position, hash)
    memory_free(node)


# -- the list ---------------------------------------------------------------------------------------------------------

cdef Skiplist *skiplist_new() noexcept nogil:
    cdef Skiplist *list = <Skiplist *> memory_alloc(sizeof(Skiplist))
    list.head = node_new(0, slice_of(NULL, 0), 0)
    list.last = NULL
    hashtable_init(&list.members, &NODES)
    return list


cdef void skiplist_free(Skiplist *list) noexcept nogil:
    cdef SkiplistNode *node = list.head
    cdef SkiplistNode *next
    hashtable_clear(&list.members)
    while node != NULL:
        next = node.next
        memory_free(node)
        node = next
    memory_free(list)


cdef SkiplistNode *skiplist_find(Skiplist *list, Slice member, uint64_t hash) noexcept nogil:
    cdef Position position = hashtable_find(&list.members, member.data, member.length, hash)
    return NULL if position.bucket == NULL else <SkiplistNode *> position_element(position)


cdef SkiplistNode *skiplist_insert(Skiplist *list, double score, Slice member, uint64_t hash) noexcept nogil:
    """Add a member that is not in the list."""
    cdef Path path
    cdef SkiplistNode *node = node_new(score, member, drawn_levels(hash))
    raise_head(list, levels_of(node))
    descend_to(list, score, member, &path)
    link(list, node, &path)
    hashtable_insert(&list.members, node, hash, False)
    return node


cdef inline bint stays(const SkiplistNode *node, double score, Slice member) noexcept nogil:
    """Whether the node with another score would still be between its neighbours."""
    cdef Place place
    cdef const SkiplistNode *previous = skiplist_previous(node)
    place.score = score
    place.member = member
    return ((previous == NULL or before_place(previous, &place))
            and (node.next == NULL or not before_place(node.next, &place)))


cdef void skiplist_update(Skiplist *list, SkiplistNode *node, double score) noexcept nogil:
    """Give a node another score; it is the same node afterwards."""
    cdef Path path
    cdef Slice member = member_of(node)
    if not stays(node, score, member):
        descend_to(list, node.score, member, &path)
        unlink(list, node, &path)
        descend_to(list, score, member, &path)
        link(list, node, &path)
    node.score = score


cdef void skiplist_delete(Skiplist *list, SkiplistNode *node, uint64_t hash) noexcept nogil:
    cdef Path path
    descend_to(list, node.score, member_of(node), &path)
    unlink(list, node, &path)
    discard(list, node, hash)
    lower_head(list)
    hashtable_fit(&list.members)


# -- ranks and ranges -------------------------------------------------------------------------------------------------

cdef uint64_t skiplist_rank(Skiplist *list, const SkiplistNode *node) noexcept nogil:
    cdef Path path
    descend_to(list, node.score, member_of(node), &path)
    return path.rank[0]


cdef SkiplistNode *skiplist_at(Skiplist *list, uint64_t rank) noexcept nogil:
    cdef Path path
    if rank >= list.members.count:
        return NULL
    descend_to_rank(list, rank + 1, &path)
    return path.before[0]


cdef uint64_t count_between(Skiplist *list, precedes before, precedes until, const void *limits,
                            uint64_t *rank) noexcept nogil:
    cdef Path start
    cdef Path stop
    descend(list, before, limits, &start)
    descend(list, until, limits, &stop)
    if rank != NULL:
        rank[0] = start.rank[0]
    return stop.rank[0] - start.rank[0] if stop.rank[0] > start.rank[0] else 0


cdef uint64_t skiplist_count_scores(Skiplist *list, const ScoreRange *limits, uint64_t *rank) noexcept nogil:
    """How many nodes are in the range, and the rank of the first where that is asked for (rank may be NULL)."""
    return count_between(list, before_scores, until_scores, limits, rank)


cdef uint64_t skiplist_count_lex(Skiplist *list, const LexRange *limits, uint64_t *rank) noexcept nogil:
    """As skiplist_count_scores."""
    return count_between(list, before_lex, until_lex, limits, rank)


cdef uint64_t delete_behind(Skiplist *list, const Path *path, uint64_t count, skiplist_visitor visit,
                            void *argument) noexcept nogil:
    """Delete so many nodes behind the path's end."""
    cdef SkiplistNode *node
    cdef Slice member
    cdef uint64_t left = count
    while left:
        node = path.before[0].next
        if visit != NULL:
            visit(argument, node)
        unlink(list, node, path)
        member = member_of(node)
        discard(list, node, hash_bytes(member.data, member.length))
        left -= 1
    lower_head(list)
    hashtable_fit(&list.members)
    return count


cdef uint64_t skiplist_delete_ranks(Skiplist *list, uint64_t start, uint64_t count, skiplist_visitor visit,
                                    void *argument) noexcept nogil:
    """From the node of rank `start` on, as many as `count` or as there are."""
    cdef Path path
    if start >= list.members.count:
        return 0
    if count > list.members.count - start:
        count = list.members.count - start
    descend_to_rank(list, start, &path)
    return delete_behind(list, &path, count, visit, argument)


# -- account and check ------------------------------------------------------------------------------------------------

cdef size_t skiplist_overhead(Skiplist *list) noexcept nogil:
    return memory_size(list) + memory_size(list.head) + hashtable_overhead(&list.members)


cdef size_t skiplist_memory(Skiplist *list) noexcept nogil:
    cdef size_t total = skiplist_overhead(list)
    cdef SkiplistNode *node = list.head.next
    while node != NULL:
        total += memory_size(node)
        node = node.next
    return total


cdef const char *check_order(Skiplist *list) noexcept nogil:
    cdef SkiplistNode *node = list.head.next
    cdef SkiplistNode *previous = NULL
    cdef Place place
    cdef uint64_t count = 0
    while node != NULL:
        place.score = node.score
        place.member = member_of(node)
        if previous != NULL and not before_place(previous, &place):
            return b"nodes out of order"
        if skiplist_previous(node) != previous:
            return b"a link back that leads elsewhere"
        if levels_of(node) > levels_of(list.head):
            return b"a node taller than the head"
        if skiplist_find(list, place.member, hash_bytes(place.member.data, place.member.length)) != node:
            return b"a node that its table does not find"
        previous, node, count = node, node.next, count + 1
    if list.last != previous:
        return b"a last node that is not the last"
    if count != list.members.count:
        return b"a table with more members than nodes"
    return NULL


cdef const char *check_level(Skiplist *list, int level) noexcept nogil:
    cdef SkiplistNode *node = list.head
    cdef SkiplistNode *expected = upper(node)[level].next
    cdef uint64_t span = upper(node)[level].span
    cdef uint64_t steps = 0
    if expected == NULL:
        return b"a level without nodes"
    while node.next != NULL:
        node = node.next
        steps += 1
        if (levels_of(node) > level) != (node == expected):
            return b"a level that leaves out a node"
        if node == expected:
            if steps != span:
                return b"a span that is wrong"
            expected, span, steps = upper(node)[level].next, upper(node)[level].span, 0
    if steps != span or expected != NULL:
        return b"a last span that is wrong"
    return NULL


cdef const char *skiplist_check(Skiplist *list) noexcept nogil:
    """NULL, or which invariant does not hold."""
    cdef const char *fault = hashtable_check(&list.members)
    cdef int level
    if fault == NULL:
        fault = check_order(list)
    for level in range(levels_of(list.head)):
        if fault == NULL:
            fault = check_level(list, level)
    return fault
