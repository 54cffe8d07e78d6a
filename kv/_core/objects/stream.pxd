"""Streams: entries in order of id, and the consumer groups that read them."""
from libc.stdint cimport int64_t, uint64_t

from kv._core.base.slice cimport Slice
from kv._core.containers.streamid cimport StreamId
from kv._core.containers.streamlog cimport StreamLog, StreamTrim
from kv._core.objects.entry cimport Entry
from kv._core.objects.streamgroup cimport Group, Roster

cdef struct Stream:
    StreamLog log
    StreamId first              # id of the first entry, 0-0: there is none
    StreamId last               # highest id ever given
    StreamId max_deleted        # highest id that XDEL deleted, 0-0: none
    uint64_t added              # entries ever added
    Roster groups               # Group pointers

cdef Entry *stream_new(Slice key) noexcept nogil
cdef Stream *stream_of(const Entry *entry) noexcept nogil
cdef void stream_append(Stream *stream, StreamId id, const Slice *words, uint64_t fields) noexcept nogil
cdef bint stream_delete(Stream *stream, StreamId id) noexcept nogil         # whether it was there
cdef uint64_t stream_trim(Stream *stream, const StreamTrim *trim) noexcept nogil    # how many went
cdef void stream_find_first(Stream *stream) noexcept nogil                   # look which one it is
cdef StreamId stream_last_entry(const Stream *stream) noexcept nogil        # id of the last one there is, 0-0: none

# what groups have read
cdef int64_t stream_entries_before(const Stream *stream, StreamId id) noexcept nogil    # UNKNOWN_READS: not known
cdef bint stream_lag(const Stream *stream, const Group *group, int64_t *lag) noexcept nogil     # false: not known
cdef void stream_group_read(const Stream *stream, Group *group, StreamId id) noexcept nogil
