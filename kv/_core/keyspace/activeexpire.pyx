"""Active expiry.

A key whose time has come is deleted when it is next looked up; the sweep is for those that nobody looks up. It
walks the buckets of each database in turn, a bounded number a call, and looks only at marked slots (keys with an
expiry). While a chunk still holds more expired keys than a tenth it goes on, up to the time limit: so memory held
by dead keys stays bounded without spending more than a fixed part of the processor.
"""
from libc.stdint cimport int64_t, uint64_t

from kv._core.base.clock cimport clock_us
from kv._core.keyspace.database cimport database_expiring, database_scan
from kv._core.keyspace.keyspace cimport Database, Keyspace, keyspace_drop_expired, keyspace_expired
from kv._core.objects.entry cimport Entry, entry_expiry

cdef enum:
    CHUNK = 64              # buckets between two looks at the clock
    CHUNKS_A_CALL = 64      # chunks a call for effort 1 where few keys are expired
    BATCH = 4096            # expired keys noted before they are deleted


cdef struct Sweep:
    Keyspace *keyspace
    Entry *expired[BATCH]   # found in this chunk
    int count               # how many
    uint64_t seen           # keys with an expiry
    double ttl_sum_ms       # of those that live


cdef void sweep_visit(void *argument, void *element, bint marked) noexcept nogil:
    cdef Sweep *sweep = <Sweep *> argument
    cdef Entry *entry = <Entry *> element
    if not marked:
        return
    sweep.seen += 1
    if keyspace_expired(sweep.keyspace, entry):
        if sweep.count < BATCH:
            sweep.expired[sweep.count] = entry
            sweep.count += 1
    else:
        sweep.ttl_sum_ms += entry_expiry(entry) - sweep.keyspace.now_ms


cdef Sweep work         # too large for the stack


cdef uint64_t sweep_chunk(Keyspace *keyspace, Database *database, bint *wrapped) noexcept nogil:
    """A chunk of buckets; how many keys were deleted."""
    cdef int i, _chunk
    work.keyspace = keyspace
    work.count = 0
    work.seen = 0
    work.ttl_sum_ms = 0
    for _chunk in range(CHUNK):
        database.expire_cursor = database_scan(database, database.expire_cursor, sweep_visit, &work)
        if database.expire_cursor == 0:
            wrapped[0] = True
            break
    for i in range(work.count):
        keyspace_drop_expired(keyspace, database, work.expired[i], True)
    note_ttl(database, work.seen - work.count)
    return work.count


cdef void note_ttl(Database *database, uint64_t alive) noexcept nogil:
    cdef double average
    if alive == 0:
        return
    average = work.ttl_sum_ms / alive
    database.average_ttl_ms = database.average_ttl_ms * 0.9 + average * 0.1 if database.average_ttl_ms else average


cdef bint expire_sweep(Keyspace *keyspace, int effort, int64_t limit_us) noexcept nogil:
    """Delete expired keys for up to limit_us (the clock is read a chunk apart); effort 1 to 10 is
    active-expire-effort. Whether the time ended it, so that there is more to do."""
    cdef int64_t start = clock_us()
    cdef int64_t spent = 0
    cdef uint64_t removed = 0, seen = 0, gone
    cdef int index, chunks
    cdef bint wrapped
    cdef Database *database
    for index in range(keyspace.count):
        database = keyspace.databases + index
        chunks = 0
        wrapped = False
        while database_expiring(database) and not wrapped and not keyspace.expiry_paused:
            gone = sweep_chunk(keyspace, database, &wrapped)
            removed += gone
            seen += work.seen
            chunks += 1
            spent = clock_us() - start
            if spent > limit_us or (chunks >= CHUNKS_A_CALL * effort and gone * 10 <= work.seen):
                break
        if database_expiring(database) == 0:
            database.average_ttl_ms = 0
            database.expire_cursor = 0
        if spent > limit_us:
            keyspace.expire_cap_reached += 1
            break
    keyspace.expire_sweep_us += <uint64_t> spent
    if seen:
        keyspace.stale_share = keyspace.stale_share * 0.95 + 0.05 * removed / seen
    return spent > limit_us
