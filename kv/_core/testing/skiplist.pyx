"""The Python face of the skiplist, for the tests; see testing/base for why. Nodes are named by member."""
from libc.stdint cimport uint64_t

from kv._core.base.hashing cimport hash_bytes
from kv._core.base.slice cimport Slice, slice_of
from kv._core.containers.skiplist cimport (
    LEX_HIGHEST, LEX_LOWEST, LEX_TEXT, LexRange, ScoreRange, Skiplist, SkiplistNode, skiplist_at, skiplist_check,
    skiplist_count, skiplist_count_lex, skiplist_count_scores, skiplist_delete, skiplist_delete_ranks, skiplist_find,
    skiplist_first, skiplist_free, skiplist_insert, skiplist_member, skiplist_memory, skiplist_new, skiplist_previous,
    skiplist_rank, skiplist_update)


cdef tuple view(const SkiplistNode *node):
    cdef Slice member
    if node == NULL:
        return None
    member = skiplist_member(node)
    return node.score, member.data[:member.length]


cdef void collect(void *argument, const SkiplistNode *node) noexcept nogil:
    with gil:
        (<list> argument).append(view(node))


cdef ScoreRange scores_of(tuple limits):
    cdef ScoreRange range
    range.min, range.min_open, range.max, range.max_open = limits
    return range


cdef LexRange lex_of(tuple limits):
    """Of (min, open, max, open), where None is "-" or "+"; the caller keeps the tuple."""
    cdef LexRange range
    low, range.min_open, high, range.max_open = limits
    range.min_end, range.max_end = LEX_TEXT, LEX_TEXT
    range.min = range.max = slice_of(NULL, 0)
    if low is None:
        range.min_end = LEX_LOWEST
    else:
        range.min = slice_of(low, len(low))
    if high is None:
        range.max_end = LEX_HIGHEST
    else:
        range.max = slice_of(high, len(high))
    return range


cdef class Ranking:
    """A skiplist of bytes members."""
    cdef Skiplist *list

    def __cinit__(self):
        self.list = skiplist_new()

    def __dealloc__(self):
        skiplist_free(self.list)

    cdef SkiplistNode *node(self, bytes member):
        return skiplist_find(self.list, slice_of(member, len(member)), hash_bytes(member, len(member)))

    def find(self, bytes member not None):
        """(score, member) or None."""
        return view(self.node(member))

    def insert(self, bytes member not None, double score):
        skiplist_insert(self.list, score, slice_of(member, len(member)), hash_bytes(member, len(member)))

    def update(self, bytes member not None, double score):
        """Whether the node stayed where it was in memory."""
        cdef SkiplistNode *node = self.node(member)
        skiplist_update(self.list, node, score)
        return node == self.node(member)

    def delete(self, bytes member not None):
        skiplist_delete(self.list, self.node(member), hash_bytes(member, len(member)))

    def rank(self, bytes member not None):
        return skiplist_rank(self.list, self.node(member))

    def at(self, uint64_t rank):
        return view(skiplist_at(self.list, rank))

    def in_scores(self, tuple limits not None):
        """(rank of the first, how many) of (min, open, max, open)."""
        cdef ScoreRange range = scores_of(limits)
        cdef uint64_t rank
        count = skiplist_count_scores(self.list, &range, &rank)
        return rank, count

    def in_lex(self, tuple limits not None):
        """As in_scores."""
        cdef LexRange range = lex_of(limits)
        cdef uint64_t rank
        count = skiplist_count_lex(self.list, &range, &rank)
        return rank, count

    def delete_ranks(self, uint64_t start, uint64_t count):
        gone = []
        deleted = skiplist_delete_ranks(self.list, start, count, collect, <void *> gone)
        assert deleted == len(gone)
        return gone

    def forward(self):
        cdef SkiplistNode *node = skiplist_first(self.list)
        found = []
        while node != NULL:
            found.append(view(node))
            node = node.next
        return found

    def backward(self):
        cdef SkiplistNode *node = self.list.last
        found = []
        while node != NULL:
            found.append(view(node))
            node = skiplist_previous(node)
        return found

    def check(self):
        """AssertionError names the first invariant that does not hold."""
        cdef const char *fault = skiplist_check(self.list)
        if fault != NULL:
            raise AssertionError(fault.decode())

    def __len__(self):
        return skiplist_count(self.list)

    @property
    def memory(self):
        return skiplist_memory(self.list)
