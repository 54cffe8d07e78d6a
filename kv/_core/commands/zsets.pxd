"""What the commands on sorted sets share."""
from libc.stdint cimport int64_t, uint64_t

from kv._core.base.slice cimport Slice
from kv._core.objects.entry cimport Entry
from kv._core.objects.zset cimport ZsetRanks
from kv._core.resp.reply cimport Reply
from kv._core.runtime.state cimport Context

cdef enum:
    SCORES_AT_HAND = 16         # scores of one ZADD that need no memory of their own
    MEMBER_EXTRA = 4            # bytes in a listpack, about, that a member and its score take beyond their texts

cdef struct Addition:           # what a ZADD says, or a GEOADD
    int conditions              # ZsetCondition
    bint count_updates          # CH
    int first                   # argument behind the options
    int member                  # argument of the first member
    int step                    # arguments from one member to the next
    int pairs
    size_t longest              # bytes of the longest member
    size_t room                 # bytes that all may take in a listpack, about
    double *scores              # `pairs` of them
    double at_hand[SCORES_AT_HAND]

cdef bint arg_double_or_reply(Context *c, int index, double *value) noexcept nogil
cdef void scores_take(Addition *addition) noexcept nogil
cdef void scores_free(Addition *addition) noexcept nogil
cdef Entry *entry_to_add_to(Context *c, const Addition *addition) noexcept nogil
cdef void add_scored(Context *c, Entry *entry, const Addition *addition) noexcept nogil
cdef void reply_pairs_header(Reply *reply, uint64_t count, bint with_scores) noexcept nogil
cdef void reply_pair(Reply *reply, Slice member, double score, bint with_score) noexcept nogil
cdef void reply_ranks(Reply *reply, const Entry *entry, ZsetRanks ranks, bint reverse, bint with_scores) noexcept nogil
cdef void store_or_delete(Context *c, int index, Entry *made, const char *event) noexcept nogil
