"""Consumer groups, their consumers, and the entries that are pending.

    Group  --- consumers (a roster) --> Consumer
      |                                    |
      pending (an id tree)                 pending (an id tree)
           \\                              /
            +--->  PendingEntry  <--------+        one block, 40 bytes

A roster is an array of pointers in order of names, because XINFO and XPENDING answer in that order; a stream has few
groups, a group some consumers, and both are found many times for each that comes or goes.

Acknowledging finds the entry in the group's tree, and takes it out of both.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcmp, memmove, memset

from kv._core.base.blob cimport blob_copy, blob_free
from kv._core.base.memory cimport memory_alloc, memory_free, memory_realloc, memory_size
from kv._core.base.slice cimport Slice
from kv._core.containers.idtree cimport (
    IdPosition, idtree_at, idtree_check, idtree_clear, idtree_find, idtree_first, idtree_insert, idtree_memory,
    idtree_next, idtree_remove)
from kv._core.containers.streamid cimport StreamId


# -- rosters ----------------------------------------------------------------------------------------------------------

cdef int compare_names(Slice a, Slice b) noexcept nogil:
    cdef int order = memcmp(a.data, b.data, a.length if a.length < b.length else b.length)
    return order if order else (a.length > b.length) - (a.length < b.length)


cdef uint32_t roster_place(const Roster *roster, Slice name) noexcept nogil:
    """How many members have names before this one."""
    cdef uint32_t low = 0
    cdef uint32_t high = roster.count
    cdef uint32_t middle
    while low < high:
        middle = (low + high) // 2
        if compare_names(name_of(roster.members[middle]), name) < 0:
            low = middle + 1
        else:
            high = middle
    return low


cdef Named *roster_find(const Roster *roster, Slice name) noexcept nogil:
    cdef uint32_t place = roster_place(roster, name)
    if place == roster.count or compare_names(name_of(roster.members[place]), name) != 0:
        return NULL
    return roster.members[place]


cdef Named *roster_add(Roster *roster, Slice name, size_t size) noexcept nogil:
    """A new member of so many bytes, all zero but for its name."""
    cdef Named *member = <Named *> memory_alloc(size)
    cdef uint32_t place = roster_place(roster, name)
    memset(member, 0, size)
    member.name = blob_copy(name.data, name.length)
    if roster.count == roster.capacity:
        roster.capacity = roster.capacity * 2 if roster.capacity else 1
        roster.members = <Named **> memory_realloc(roster.members, roster.capacity * sizeof(Named *))
    memmove(roster.members + place + 1, roster.members + place, (roster.count - place) * sizeof(Named *))
    roster.members[place] = member
    roster.count += 1
    return member


cdef void roster_drop(Roster *roster, Named *member) noexcept nogil:
    """Take a member off; it is the caller's."""
    cdef uint32_t place = roster_place(roster, name_of(member))
    roster.count -= 1
    memmove(roster.members + place, roster.members + place + 1, (roster.count - place) * sizeof(Named *))
    if roster.count == 0:
        memory_free(roster.members)
        memset(roster, 0, sizeof(Roster))


# -- groups and consumers ---------------------------------------------------------------------------------------------

cdef Group *group_new(Roster *groups, Slice name, StreamId last, int64_t entries_read) noexcept nogil:
    cdef Group *group = <Group *> roster_add(groups, name, sizeof(Group))
    group.last = last
    group.entries_read = entries_read
    return group


cdef Consumer *consumer_new(Group *group, Slice name, int64_t now_ms) noexcept nogil:
    cdef Consumer *consumer = <Consumer *> roster_add(&group.consumers, name, sizeof(Consumer))
    consumer.seen_ms = now_ms
    consumer.active_ms = -1
    return consumer


cdef void consumer_free(Consumer *consumer) noexcept nogil:
    idtree_clear(&consumer.pending, NULL)
    blob_free(consumer.named.name)
    memory_free(consumer)


cdef void group_free(Group *group) noexcept nogil:
    cdef uint32_t i
    for i in range(group.consumers.count):
        consumer_free(consumer_at(group, i))
    memory_free(group.consumers.members)
    idtree_clear(&group.pending, memory_free)
    blob_free(group.named.name)
    memory_free(group)


cdef void consumer_remove(Group *group, Consumer *consumer) noexcept nogil:
    cdef IdPosition place = idtree_first(&consumer.pending)
    while place.leaf != NULL:
        memory_free(idtree_remove(&group.pending, (<PendingEntry *> idtree_at(place)).id))
        idtree_next(&place)
    roster_drop(&group.consumers, &consumer.named)
    consumer_free(consumer)


cdef void group_remove(Roster *groups, Group *group) noexcept nogil:
    roster_drop(groups, &group.named)
    group_free(group)


cdef void groups_clear(Roster *groups) noexcept nogil:
    cdef uint32_t i
    for i in range(groups.count):
        group_free(group_at(groups, i))
    memory_free(groups.members)
    memset(groups, 0, sizeof(Roster))


# -- pending entries --------------------------------------------------------------------------------------------------

cdef PendingEntry *pending_find(const Group *group, StreamId id) noexcept nogil:
    return <PendingEntry *> idtree_find(&group.pending, id)


cdef PendingEntry *pending_give(Group *group, Consumer *consumer, StreamId id, int64_t now_ms) noexcept nogil:
    cdef PendingEntry *pending = pending_find(group, id)
    if pending != NULL:
        pending_move(pending, consumer)
    else:
        pending = pending_new(group, id)
        pending_assign(pending, consumer)
    pending.delivered_ms = now_ms
    pending.deliveries = 1
    return pending


cdef PendingEntry *pending_new(Group *group, StreamId id) noexcept nogil:
    cdef PendingEntry *pending = <PendingEntry *> memory_alloc(sizeof(PendingEntry))
    memset(pending, 0, sizeof(PendingEntry))
    pending.id = id
    idtree_insert(&group.pending, pending)
    return pending


cdef void pending_assign(PendingEntry *pending, Consumer *consumer) noexcept nogil:
    pending.consumer = consumer
    idtree_insert(&consumer.pending, pending)


cdef void pending_move(PendingEntry *pending, Consumer *consumer) noexcept nogil:
    """To another consumer of its group."""
    if pending.consumer != consumer:
        idtree_remove(&pending.consumer.pending, pending.id)
        idtree_insert(&consumer.pending, pending)
        pending.consumer = consumer


cdef void pending_remove(Group *group, PendingEntry *pending) noexcept nogil:
    idtree_remove(&group.pending, pending.id)
    idtree_remove(&pending.consumer.pending, pending.id)
    memory_free(pending)


# -- all of them ------------------------------------------------------------------------------------------------------

cdef void copy_pending(const Group *group, Group *made) noexcept nogil:
    cdef IdPosition place = idtree_first(&group.pending)
    cdef PendingEntry *pending
    cdef PendingEntry *given
    while place.leaf != NULL:
        pending = <PendingEntry *> idtree_at(place)
        given = pending_give(made, consumer_find(made, name_of(&pending.consumer.named)), pending.id,
                             pending.delivered_ms)
        given.deliveries = pending.deliveries
        idtree_next(&place)


cdef void groups_copy(const Roster *groups, Roster *made) noexcept nogil:
    cdef Group *group
    cdef Group *twin
    cdef Consumer *consumer
    cdef uint32_t i, j
    for i in range(groups.count):
        group = group_at(groups, i)
        twin = group_new(made, name_of(&group.named), group.last, group.entries_read)
        for j in range(group.consumers.count):
            consumer = consumer_at(group, j)
            consumer_new(twin, name_of(&consumer.named), consumer.seen_ms).active_ms = consumer.active_ms
        copy_pending(group, twin)


cdef size_t group_memory(const Group *group) noexcept nogil:
    cdef size_t bytes = memory_size(group) + memory_size(group.named.name) + idtree_memory(&group.pending)
    cdef Consumer *consumer
    cdef uint32_t i
    bytes += group.pending.count * sizeof(PendingEntry)
    if group.consumers.members != NULL:
        bytes += memory_size(group.consumers.members)
    for i in range(group.consumers.count):
        consumer = consumer_at(group, i)
        bytes += memory_size(consumer) + memory_size(consumer.named.name) + idtree_memory(&consumer.pending)
    return bytes


cdef size_t groups_memory(const Roster *groups, uint64_t samples) noexcept nogil:
    cdef uint32_t count = groups.count if samples == 0 or samples > groups.count else <uint32_t> samples
    cdef size_t bytes = 0
    cdef uint32_t i
    if groups.count == 0:
        return 0
    for i in range(count):
        bytes += group_memory(group_at(groups, i))
    return memory_size(groups.members) + bytes * groups.count // count


cdef size_t groups_blocks(const Roster *groups) noexcept nogil:
    """Blocks of memory that freeing them gives back, about."""
    cdef size_t blocks = 0
    cdef uint32_t i
    for i in range(groups.count):
        blocks += 1 + 2 * group_at(groups, i).consumers.count + group_at(groups, i).pending.count
    return blocks


cdef const char *check_consumer(const Group *group, Consumer *consumer) noexcept nogil:
    cdef const char *fault = idtree_check(&consumer.pending)
    cdef IdPosition place = idtree_first(&consumer.pending)
    cdef PendingEntry *pending
    if fault != NULL:
        return fault
    while place.leaf != NULL:
        pending = <PendingEntry *> idtree_at(place)
        if pending.consumer != consumer or pending_find(group, pending.id) != pending:
            return b"a pending entry that its group or consumer does not know"
        idtree_next(&place)
    return NULL


cdef const char *groups_check(const Roster *groups) noexcept nogil:
    """The invariants: NULL, or what is wrong."""
    cdef const char *fault
    cdef Group *group
    cdef uint64_t pending
    cdef uint32_t i, j
    for i in range(groups.count):
        group = group_at(groups, i)
        if i and compare_names(name_of(groups.members[i - 1]), name_of(&group.named)) >= 0:
            return b"consumer groups out of order"
        fault = idtree_check(&group.pending)
        if fault != NULL:
            return fault
        pending = 0
        for j in range(group.consumers.count):
            fault = check_consumer(group, consumer_at(group, j))
            if fault != NULL:
                return fault
            pending += consumer_at(group, j).pending.count
        if pending != group.pending.count:
            return b"a consumer group whose pending entries are not its consumers'"
    return NULL
