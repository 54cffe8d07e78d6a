"""A walk over all databases, in batches.

    while walk_next(&walk, least):
        ... the entries walk_batch(&walk) of walk.database

The walk knows nothing of what is done with an entry. It goes through the databases by number, and in a database bucket by
bucket, that is, in order of the keys' hashes. A batch is whole buckets of one database: so the place where a walk stands is a
database and a cursor, nothing in between.

May the dataset change meanwhile? Not while a batch is in use: it is addresses. Between two batches, yes; the cursor stays good
whatever happens to the table, and an entry that is there from the beginning to the end comes up: once, or twice where the table
was resized and its bucket now begins before the cursor. Whoever needs the dataset as it was at one moment walks in a forked
child, where nothing changes.

Why batches? Each entry is a miss of the cache. Those of a batch are fetched while its buckets are read, all at once, and are
there when they are used.

In a forked child the buckets behind the walk are given back: where the parent changes them then, no page is copied for the child's
sake.
"""
from libc.stdint cimport uint64_t
from libc.string cimport memset

from kv._core.base.buffer cimport buffer_append, buffer_free
from kv._core.base.memory cimport memory_dismissing
from kv._core.base.platform cimport prefetch
from kv._core.keyspace.database cimport database_count, database_dismiss, database_scan


cdef void walk_init(Walk *walk, Keyspace *keyspace) noexcept nogil:
    memset(walk, 0, sizeof(Walk))
    walk.keyspace = keyspace


cdef void walk_free(Walk *walk) noexcept nogil:
    buffer_free(&walk.batch)


cdef void gather(void *argument, void *entry, bint expires) noexcept nogil:
    prefetch(entry)
    buffer_append(<Buffer *> argument, <const char *> &entry, sizeof(void *))


cdef uint64_t walk_next(Walk *walk, uint64_t least) noexcept nogil:
    """Make the next batch: at least so many entries (1 or more), fewer only where a database ends. How many it has; 0 where
    all were handed out."""
    cdef size_t enough = least * sizeof(void *)
    cdef uint64_t before
    walk.batch.length = 0
    while walk.batch.length < enough and walk.next_database < walk.keyspace.count:
        walk.database = walk.keyspace.databases + walk.next_database
        if database_count(walk.database):
            before = walk.cursor
            walk.cursor = database_scan(walk.database, before, gather, &walk.batch)
            if memory_dismissing():
                database_dismiss(walk.database, before, walk.cursor)
        else:
            walk.cursor = 0
        if walk.cursor == 0:
            walk.next_database += 1
            if walk.batch.length:
                break
    walk.entries += walk.batch.length // sizeof(void *)
    return walk.batch.length // sizeof(void *)
