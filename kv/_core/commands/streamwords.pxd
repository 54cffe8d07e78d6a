"""What the commands on streams share: ids as words, entries as replies, groups by name."""
from libc.stdint cimport int64_t, uint64_t

from kv._core.base.slice cimport Slice
from kv._core.containers.streamid cimport StreamId
from kv._core.containers.streamlog cimport StreamCursor
from kv._core.objects.entry cimport Entry
from kv._core.objects.stream cimport Stream
from kv._core.objects.streamgroup cimport Consumer, Group, PendingEntry
from kv._core.resp.reply cimport Reply
from kv._core.runtime.state cimport Context, Runtime

# ids
cdef bint stream_id_parse(Slice word, uint64_t missing_seq, StreamId *id, bint *seq_given) noexcept nogil
cdef bint stream_id_or_reply(Context *c, int index, StreamId *id) noexcept nogil
cdef bint stream_range_or_reply(Context *c, int first, int last, StreamId *start, StreamId *end) noexcept nogil
cdef bint stream_start_or_reply(Context *c, int index, StreamId *id) noexcept nogil
cdef bint stream_ids_or_reply(Context *c, int index) noexcept nogil
cdef void reply_stream_id(Reply *reply, StreamId id) noexcept nogil
cdef void effects_stream_id(Runtime *runtime, StreamId id) noexcept nogil

# replies whose length is known when they are written
cdef void reply_insert_header(Reply *reply, size_t at, char kind, uint64_t count) noexcept nogil
cdef void reply_insert_id(Reply *reply, size_t at, StreamId id) noexcept nogil
cdef void reply_stream_entry(Reply *reply, const StreamCursor *cursor) noexcept nogil
cdef bint reply_stream_entry_of(Reply *reply, const Stream *stream, StreamId id) noexcept nogil
cdef uint64_t reply_stream_range(Reply *reply, const Stream *stream, StreamId start, StreamId end, uint64_t count,
                                 bint backward) noexcept nogil

# groups
cdef Group *group_or_reply(Context *c, const Entry *entry, Slice name) noexcept nogil
cdef Consumer *consumer_made(Context *c, int key, Group *group, Slice name) noexcept nogil
cdef void propagate_claim(Context *c, Slice key, const Group *group, const PendingEntry *pending) noexcept nogil
cdef void propagate_group_id(Context *c, Slice key, const Group *group) noexcept nogil
cdef void error_about_two(Context *c, const char *before, Slice first, const char *between, Slice second,
                          const char *after) noexcept nogil
