"""A database and the gate to its keys: nobody outside keyspace/ touches the table itself (tests/test_source.py)."""
from libc.stdint cimport int64_t, uint64_t

from kv._core.base.random cimport Random
from kv._core.base.slice cimport Slice
from kv._core.containers.hashtable cimport (
    Hashtable, Position, hashtable_dismiss, hashtable_find, hashtable_fit, hashtable_insert, hashtable_locate, hashtable_overhead,
    hashtable_prefetch_bucket, hashtable_prefetch_element, hashtable_random, hashtable_rehash, hashtable_remove,
    hashtable_replace, hashtable_reserve, hashtable_sample, hashtable_scan, scan_visitor)
from kv._core.objects.entry cimport ENTRY_EXPIRES, Entry

cdef struct Key:                # a key as it is looked up
    Slice name                  # its bytes, the request's
    uint64_t hash               # hash_bytes of them

cdef struct Database:
    int id                      # its number to clients
    Hashtable key_table         # Entry pointers; marked: those with an expiry
    uint64_t expire_cursor      # where the next sweep for expired keys goes on
    double average_ttl_ms       # of keys with an expiry, as the sweeps see it; 0: not known

cdef void database_init(Database *database, int id) noexcept nogil
cdef void database_clear(Database *database) noexcept nogil
cdef void database_detach(Database *database, Database *detached) noexcept nogil
cdef const char *database_check(Database *database) noexcept nogil


# -- one key ----------------------------------------------------------------------------------------------------------

cdef inline Position database_find(Database *database, Key key) noexcept nogil:
    """Where the entry of a key is."""
    return hashtable_find(&database.key_table, key.name.data, key.name.length, key.hash)


cdef inline Position database_locate(Database *database, const Entry *entry, uint64_t hash) noexcept nogil:
    """Where this very entry is. It is not read: it may have been freed, and is then nowhere."""
    return hashtable_locate(&database.key_table, entry, hash)


cdef inline void database_insert(Database *database, Entry *entry, uint64_t hash) noexcept nogil:
    """Add an entry whose key, of this hash, the database does not have."""
    hashtable_insert(&database.key_table, entry, hash, entry.flags & ENTRY_EXPIRES)


cdef inline void database_replace(Database *database, Position position, Entry *entry) noexcept nogil:
    """Put another entry of the same key into the place of one, or note that it has got or lost its expiry."""
    hashtable_replace(&database.key_table, position, entry, entry.flags & ENTRY_EXPIRES)


cdef inline void database_remove(Database *database, Position position, uint64_t hash) noexcept nogil:
    """Take out the entry at a position, whose key has this hash. The caller frees it."""
    hashtable_remove(&database.key_table, position, hash)


cdef inline void database_prefetch_bucket(Database *database, uint64_t hash) noexcept nogil:
    """Start to fetch the bucket that a look-up of a key with this hash will read."""
    hashtable_prefetch_bucket(&database.key_table, hash)


cdef inline void database_prefetch_entry(Database *database, uint64_t hash) noexcept nogil:
    """Start to fetch the entry that a look-up will compare first; its bucket should be there by now."""
    hashtable_prefetch_element(&database.key_table, hash)


# -- many keys --------------------------------------------------------------------------------------------------------

cdef inline uint64_t database_count(const Database *database) noexcept nogil:
    """Keys, those included whose time has come and who are not removed yet."""
    return database.key_table.count


cdef inline uint64_t database_expiring(const Database *database) noexcept nogil:
    """Keys with an expiry."""
    return database.key_table.marked


cdef inline Entry *database_random(Database *database, Random *random) noexcept nogil:
    """An entry, each with the same chance; NULL where there is none."""
    return <Entry *> hashtable_random(&database.key_table, random)


cdef inline int database_sample(Database *database, Random *random, bint expiring, int count, int budget,
                                Entry **entries) noexcept nogil:
    """Up to `count` entries, all with an expiry if `expiring`, that stand behind a random place; at most `budget` buckets
    are looked at. How many were found."""
    return hashtable_sample(&database.key_table, random, expiring, count, budget, <void **> entries)


cdef inline uint64_t database_scan(Database *database, uint64_t cursor, scan_visitor visit, void *argument) noexcept nogil:
    """Visit the entries of one bucket, at a cursor (0 to begin): visit(argument, entry, whether it has an expiry). Returns the
    next cursor, 0 at the end. Cursors stay good whatever changes between two calls: an entry that is there from the first
    to the last is visited at least once. The visitor changes nothing."""
    return hashtable_scan(&database.key_table, cursor, visit, argument)


cdef inline void database_dismiss(Database *database, uint64_t cursor, uint64_t next_cursor) noexcept nogil:
    """In a forked child: give back what a scan has read of the table from a cursor to the next, for good."""
    hashtable_dismiss(&database.key_table, cursor, next_cursor)


# -- the size of the table --------------------------------------------------------------------------------------------

cdef inline void database_expect(Database *database, uint64_t more) noexcept nogil:
    """So many keys will be added soon: make room for all at once."""
    hashtable_reserve(&database.key_table, database.key_table.count + more)


cdef inline void database_fit(Database *database) noexcept nogil:
    """Begin to shrink a table that is too large for its keys."""
    hashtable_fit(&database.key_table)


cdef inline bint database_rehash(Database *database, uint64_t buckets) noexcept nogil:
    """Move so many buckets on, if the table is being resized. Whether there are more to move."""
    return hashtable_rehash(&database.key_table, buckets)


cdef inline size_t database_overhead(const Database *database) noexcept nogil:
    """Bytes of the table, without entries and the Database itself."""
    return hashtable_overhead(<Hashtable *> &database.key_table)


cdef inline const Hashtable *database_table(const Database *database) noexcept nogil:
    """The table, for those who show how full its buckets are."""
    return &database.key_table
