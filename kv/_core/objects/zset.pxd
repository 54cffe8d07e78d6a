"""Sorted sets: members with scores, over a listpack while they are few and short, over a skiplist then.

An entry stays where it is whatever is done to its sorted set; only its word and its encoding change."""
from libc.stdint cimport uint8_t, uint64_t

from kv._core.base.random cimport Random
from kv._core.base.slice cimport Slice
from kv._core.containers.hashtable cimport Hashtable
from kv._core.containers.listpack cimport LISTPACK_NUMBER_SIZE, Listpack
from kv._core.containers.skiplist cimport LexRange, ScoreRange, Skiplist, SkiplistNode
from kv._core.objects.entry cimport Entry

cdef struct ZsetLimits:
    uint64_t entries        # zset-max-listpack-entries: members up to which a listpack is kept
    uint64_t value          # zset-max-listpack-value: bytes of a member up to which it is

cdef ZsetLimits zset_limits

cdef enum ZsetCondition:    # under which a score is set
    ZSET_NX = 1             # only for new members
    ZSET_XX = 2             # only for members that are there
    ZSET_GT = 4             # only to a greater one, where the member is there
    ZSET_LT = 8             # only to a lesser one
    ZSET_INCR = 16          # the score is added to what the member has

cdef enum ZsetOutcome:      # of zset_add
    ZSET_REFUSED            # a condition did not hold
    ZSET_SAME               # the member has this score already
    ZSET_ADDED
    ZSET_UPDATED
    ZSET_NAN                # the sum would be no number; nothing was done

cdef struct ZsetCursor:     # a member; good until the sorted set changes; points into itself, so never copied
    Listpack *pack          # NULL: a skiplist
    uint8_t *at             # the member's element in the pack
    SkiplistNode *node      # ... or its node
    Slice member
    double score
    char digits[LISTPACK_NUMBER_SIZE]   # text of a member that is stored as a number

cdef struct ZsetRanks:      # members that stand together
    uint64_t start          # rank of the first, lowest score first
    uint64_t count          # 0: none

cdef Entry *zset_new(Slice key, uint64_t count, size_t longest, size_t room) noexcept nogil
cdef Entry *zset_of_skiplist(Slice key, Skiplist *list) noexcept nogil
# takes a pack that is in order; NULL: it should be a skiplist, and a member comes twice
cdef Entry *zset_of_pack(Slice key, Listpack *pack) noexcept nogil
cdef bint zset_pack_in_order(const Listpack *pack) noexcept nogil       # of pairs; whether their scores are numbers, too
cdef void zset_expect(Entry *entry, uint64_t count, size_t longest) noexcept nogil
cdef void zset_fit(Entry *entry) noexcept nogil
cdef uint64_t zset_length(const Entry *entry) noexcept nogil
cdef Hashtable *zset_table(const Entry *entry) noexcept nogil

cdef ZsetOutcome zset_add(Entry *entry, Slice member, double score, int conditions, double *result) noexcept nogil
cdef bint zset_remove(Entry *entry, Slice member) noexcept nogil
cdef void zset_remove_ranks(Entry *entry, ZsetRanks ranks) noexcept nogil

cdef bint zset_score(const Entry *entry, Slice member, double *score) noexcept nogil
cdef bint zset_rank(const Entry *entry, Slice member, uint64_t *rank, double *score) noexcept nogil
cdef ZsetRanks zset_ranks_of_scores(const Entry *entry, const ScoreRange *limits) noexcept nogil
cdef ZsetRanks zset_ranks_of_lex(const Entry *entry, const LexRange *limits) noexcept nogil

# a walk: seek, read the cursor's member and score, step; false where there is no such member
cdef bint zset_seek(const Entry *entry, uint64_t rank, ZsetCursor *cursor) noexcept nogil
cdef bint zset_next(ZsetCursor *cursor) noexcept nogil
cdef bint zset_previous(ZsetCursor *cursor) noexcept nogil
