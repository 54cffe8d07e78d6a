"""What the commands on sorted sets share."""
from libc.stdint cimport int64_t, uint64_t

from kv._core.base.slice cimport Slice
from kv._core.objects.entry cimport Entry
from kv._core.objects.zset cimport ZsetRanks
from kv._core.resp.reply cimport Reply
from kv._core.runtime.state cimport Context

cdef bint arg_least_or_reply(Context *c, int index, int64_t least, int64_t *value, const char *error) noexcept nogil
cdef void reply_pairs_header(Reply *reply, uint64_t count, bint with_scores) noexcept nogil
cdef void reply_pair(Reply *reply, Slice member, double score, bint with_score) noexcept nogil
cdef void reply_ranks(Reply *reply, const Entry *entry, ZsetRanks ranks, bint reverse, bint with_scores) noexcept nogil
cdef void removed(Context *c, int index, const Entry *entry, uint64_t count, const char *event) noexcept nogil
cdef void store_or_delete(Context *c, int index, Entry *made, const char *event) noexcept nogil
