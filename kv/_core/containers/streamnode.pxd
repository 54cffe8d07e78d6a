"""Neighbouring entries of a stream in one block."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from kv._core.base.slice cimport Slice
from kv._core.containers.streamid cimport StreamId

cdef enum:
    STREAM_NUMBER_SIZE = 24     # bytes that the `number` buffers below have

cdef struct StreamNode:         # drawn in streamnode.pyx
    StreamId id                 # of the first entry that was put here: the node is found by it
    StreamId last               # of the last entry in the bytes, deleted or not
    uint32_t live               # entries that are not deleted
    uint32_t deleted            # entries that were, whether their bytes are still here or not
    uint32_t tombstones         # of these, those whose bytes are
    uint32_t names              # field names that the node keeps
    uint32_t start              # where in data the first entry begins: behind the names
    uint32_t length             # bytes of data in use
    uint32_t capacity           # bytes of data that fit
    uint8_t data[1]             # the block goes on

cdef struct StreamEntry:        # an entry as it was read; good until its node changes
    StreamNode *node
    const uint8_t *at           # where it begins
    const uint8_t *end          # the byte behind it
    const uint8_t *items        # its first name (own names) or value
    StreamId id
    StreamId previous           # id of the entry before it in the bytes
    uint64_t fields
    bint own_names              # they stand in the entry, not in the node
    bint deleted

cdef struct StreamFields:       # a walk over the fields of an entry
    const uint8_t *names        # the next name, where it stands in the node
    const uint8_t *items        # the next of the entry's items
    uint64_t left               # fields to come
    bint own_names
    Slice name                  # of the field that the walk is at
    Slice value
    char name_number[STREAM_NUMBER_SIZE]    # text of a name or value that is stored as a number
    char value_number[STREAM_NUMBER_SIZE]

cdef StreamNode *streamnode_new(StreamId id, const Slice *words, uint64_t fields) noexcept nogil
# the id is higher than all; words are name, value, name, value ...; where the node is now
cdef StreamNode *streamnode_append(StreamNode *node, StreamId id, const Slice *words, uint64_t fields) noexcept nogil
cdef StreamNode *streamnode_fit(StreamNode *node) noexcept nogil            # give back free room; where it is now
cdef StreamNode *streamnode_copy(const StreamNode *node) noexcept nogil
cdef StreamNode *streamnode_compact(StreamNode *node) noexcept nogil        # where it is now
cdef void streamnode_delete(StreamEntry *entry) noexcept nogil              # its bytes stay until the node is compacted

# read; false: there is no such entry. Deleted ones are met too.
cdef bint streamnode_first(StreamNode *node, StreamEntry *entry) noexcept nogil
cdef bint streamnode_last(StreamNode *node, StreamEntry *entry) noexcept nogil
cdef bint streamnode_next(StreamEntry *entry) noexcept nogil
cdef bint streamnode_previous(StreamEntry *entry) noexcept nogil

cdef void stream_fields(const StreamEntry *entry, StreamFields *fields) noexcept nogil     # before the first
cdef bint stream_fields_next(StreamFields *fields) noexcept nogil
cdef void stream_names(StreamNode *node, StreamFields *fields) noexcept nogil              # those that the node keeps
cdef bint stream_names_next(StreamFields *fields) noexcept nogil                           # sets the name alone
cdef const char *streamnode_check(StreamNode *node) noexcept nogil
