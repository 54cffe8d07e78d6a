"""Members with scores, in order of score and then of bytes, found by member, score, rank or text."""
from libc.stdint cimport uint64_t

from kv._core.base.slice cimport Slice
from kv._core.containers.hashtable cimport Hashtable

cdef enum:
    SKIPLIST_LEVELS = 32

cdef struct SkiplistNode:       # drawn in skiplist.pyx; its address stays as long as it is in the list
    double score                # not NaN; changed by skiplist_update alone
    SkiplistNode *next          # NULL: the last
    uint64_t bits               # previous node (48 bits), length of the member (11 bits), levels (5 bits)

cdef struct Skiplist:
    SkiplistNode *head          # before the first node: as many levels as the tallest node has, no member
    SkiplistNode *last          # NULL: the list is empty
    Hashtable members           # the nodes by member: for skiplist_find, scans, samples; its count is the list's

cdef struct ScoreRange:
    double min                  # may be -inf
    double max                  # may be +inf
    bint min_open               # min itself is outside
    bint max_open

cdef enum LexEnd:
    LEX_LOWEST = -1             # below all members: "-"
    LEX_TEXT = 0
    LEX_HIGHEST = 1             # above all members: "+"

cdef struct LexRange:           # for members of one score
    Slice min                   # where min_end is LEX_TEXT
    Slice max
    int min_end                 # a LexEnd
    int max_end
    bint min_open               # min itself is outside
    bint max_open

# Called with each node that is about to be deleted.
ctypedef void (*skiplist_visitor)(void *argument, const SkiplistNode *node) noexcept nogil

cdef Skiplist *skiplist_new() noexcept nogil
cdef void skiplist_free(Skiplist *list) noexcept nogil

# hash is hash_bytes of the member
cdef SkiplistNode *skiplist_find(Skiplist *list, Slice member, uint64_t hash) noexcept nogil
# a new member
cdef SkiplistNode *skiplist_insert(Skiplist *list, double score, Slice member, uint64_t hash) noexcept nogil
cdef void skiplist_update(Skiplist *list, SkiplistNode *node, double score) noexcept nogil
cdef void skiplist_delete(Skiplist *list, SkiplistNode *node, uint64_t hash) noexcept nogil

# ranks begin with 0; NULL where there is no such node
cdef uint64_t skiplist_rank(Skiplist *list, const SkiplistNode *node) noexcept nogil
cdef SkiplistNode *skiplist_at(Skiplist *list, uint64_t rank) noexcept nogil
cdef uint64_t skiplist_count_scores(Skiplist *list, const ScoreRange *limits, uint64_t *rank) noexcept nogil
cdef uint64_t skiplist_count_lex(Skiplist *list, const LexRange *limits, uint64_t *rank) noexcept nogil

# how many were deleted; visit may be NULL
cdef uint64_t skiplist_delete_ranks(Skiplist *list, uint64_t start, uint64_t count, skiplist_visitor visit,
                                    void *argument) noexcept nogil

# for values that are not (yet) in a list: a listpack's elements against the same ranges
cdef bint score_above_min(double score, const ScoreRange *limits) noexcept nogil
cdef bint score_below_max(double score, const ScoreRange *limits) noexcept nogil
cdef bint lex_above_min(Slice member, const LexRange *limits) noexcept nogil
cdef bint lex_below_max(Slice member, const LexRange *limits) noexcept nogil
cdef int slice_compare(Slice a, Slice b) noexcept nogil

cdef Slice skiplist_member(const SkiplistNode *node) noexcept nogil
cdef size_t skiplist_overhead(Skiplist *list) noexcept nogil    # bytes of all but the nodes
cdef size_t skiplist_memory(Skiplist *list) noexcept nogil      # bytes of all; visits every node
cdef const char *skiplist_check(Skiplist *list) noexcept nogil


cdef inline uint64_t skiplist_count(const Skiplist *list) noexcept nogil:
    return list.members.count


cdef inline SkiplistNode *skiplist_first(const Skiplist *list) noexcept nogil:
    return list.head.next


cdef inline SkiplistNode *skiplist_previous(const SkiplistNode *node) noexcept nogil:
    return <SkiplistNode *> (node.bits >> 16)
