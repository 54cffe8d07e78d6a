"""The entries of a stream, in order of id."""
from libc.stdint cimport int64_t, uint64_t

from kv._core.base.slice cimport Slice
from kv._core.containers.idtree cimport IdPosition, IdTree
from kv._core.containers.streamid cimport StreamId
from kv._core.containers.streamnode cimport StreamEntry

cdef struct StreamLimits:
    int64_t node_bytes      # stream-node-max-bytes: bytes from which a node takes no more, 0: none in particular
    int64_t node_entries    # stream-node-max-entries: entries that a node takes, 0: no such limit

cdef StreamLimits stream_limits

cdef enum:
    STREAM_LARGEST_NODE = 1 << 30   # bytes that a node, and so an entry, never exceeds

cdef struct StreamLog:      # all zero: empty
    IdTree nodes            # StreamNode pointers
    uint64_t length         # entries, without deleted ones

cdef struct StreamCursor:   # a live entry; good until the log changes
    StreamEntry entry
    IdPosition place        # of its node

cdef struct StreamTrim:     # what is to go, oldest first
    bint by_id              # entries below `least`, else all but the last `most`
    bint approximately      # whole nodes only
    uint64_t most
    StreamId least
    uint64_t limit          # entries that go at most, 0: no limit

cdef void streamlog_append(StreamLog *log, StreamId id, const Slice *words, uint64_t fields) noexcept nogil   # higher
cdef bint streamlog_delete(StreamLog *log, StreamId id) noexcept nogil              # whether it was there
cdef uint64_t streamlog_trim(StreamLog *log, const StreamTrim *trim) noexcept nogil     # how many went
cdef void streamlog_clear(StreamLog *log) noexcept nogil
cdef void streamlog_copy(const StreamLog *log, StreamLog *made) noexcept nogil      # made: all zero

# false: there is no such entry
cdef bint streamlog_from(const StreamLog *log, StreamId id, StreamCursor *cursor) noexcept nogil    # first at or above
cdef bint streamlog_upto(const StreamLog *log, StreamId id, StreamCursor *cursor) noexcept nogil    # last at or below
cdef bint streamlog_next(StreamCursor *cursor) noexcept nogil
cdef bint streamlog_previous(StreamCursor *cursor) noexcept nogil
cdef bint streamlog_has(const StreamLog *log, StreamId id) noexcept nogil

cdef size_t streamlog_memory(const StreamLog *log, uint64_t samples) noexcept nogil     # nodes measured, 0: all
cdef const char *streamlog_check(const StreamLog *log) noexcept nogil
