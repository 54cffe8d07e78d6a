"""Consumer groups of a stream: who was given which entries and has not acknowledged them."""
from libc.stdint cimport int64_t, uint32_t, uint64_t

from kv._core.base.blob cimport Blob
from kv._core.base.slice cimport Slice, slice_of
from kv._core.containers.idtree cimport IdTree
from kv._core.containers.streamid cimport StreamId

cdef enum:
    UNKNOWN_READS = -1          # entries_read of a group that nobody can tell

cdef struct Named:              # what groups and consumers begin with
    Blob *name

cdef struct Roster:             # groups or consumers in order of their names; all zero: none
    Named **members
    uint32_t count
    uint32_t capacity           # slots of members

cdef struct Consumer:
    Named named
    int64_t seen_ms             # unix time it last asked for something
    int64_t active_ms           # ... was last given something, -1: never
    IdTree pending              # PendingEntry pointers, the group's

cdef struct Group:
    Named named
    StreamId last               # highest id given to a consumer
    int64_t entries_read        # how many entries of the stream, from its first ever, were; or UNKNOWN_READS
    IdTree pending              # PendingEntry pointers, of all consumers
    Roster consumers            # Consumer pointers

cdef struct PendingEntry:       # given and not acknowledged; in its group's tree and its consumer's
    StreamId id
    int64_t delivered_ms        # unix time it was last given
    uint64_t deliveries         # how often
    Consumer *consumer

cdef Named *roster_find(const Roster *roster, Slice name) noexcept nogil    # NULL: not there

cdef Group *group_new(Roster *groups, Slice name, StreamId last, int64_t entries_read) noexcept nogil   # a new name
cdef void group_remove(Roster *groups, Group *group) noexcept nogil
cdef void groups_clear(Roster *groups) noexcept nogil
cdef void groups_copy(const Roster *groups, Roster *made) noexcept nogil    # made: all zero

cdef Consumer *consumer_new(Group *group, Slice name, int64_t now_ms) noexcept nogil    # a new name
cdef void consumer_remove(Group *group, Consumer *consumer) noexcept nogil  # with what is pending to it

cdef PendingEntry *pending_find(const Group *group, StreamId id) noexcept nogil     # NULL: not there
# to a consumer, whoever had it; one delivery, unless it is put right
cdef PendingEntry *pending_give(Group *group, Consumer *consumer, StreamId id, int64_t now_ms) noexcept nogil
# the two halves of it: a new id, which must get a consumer before anybody else looks
cdef PendingEntry *pending_new(Group *group, StreamId id) noexcept nogil
cdef void pending_assign(PendingEntry *pending, Consumer *consumer) noexcept nogil
cdef void pending_move(PendingEntry *pending, Consumer *consumer) noexcept nogil
cdef void pending_remove(Group *group, PendingEntry *pending) noexcept nogil

cdef size_t groups_memory(const Roster *groups, uint64_t samples) noexcept nogil    # groups measured, 0: all
cdef size_t groups_blocks(const Roster *groups) noexcept nogil
cdef const char *groups_check(const Roster *groups) noexcept nogil


cdef inline Slice name_of(const Named *named) noexcept nogil:
    return slice_of(named.name.data, named.name.length)


cdef inline Group *group_find(const Roster *groups, Slice name) noexcept nogil:
    return <Group *> roster_find(groups, name)


cdef inline Consumer *consumer_find(const Group *group, Slice name) noexcept nogil:
    return <Consumer *> roster_find(&group.consumers, name)


cdef inline Group *group_at(const Roster *groups, uint32_t index) noexcept nogil:
    return <Group *> groups.members[index]


cdef inline Consumer *consumer_at(const Group *group, uint32_t index) noexcept nogil:
    return <Consumer *> group.consumers.members[index]
