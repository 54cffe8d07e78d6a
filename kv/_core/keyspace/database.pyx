"""A database: one table of entries, where a key with an expiry is marked in its slot, so expiry needs no second table.

Why a gate, whose functions mostly pass a call on? Because two things will stand behind it: in a cluster the table of each of
16,384 slots instead of one, and a walk for a snapshot without fork, which must hear of an entry before it is replaced or
removed. Who goes through the gate will not notice. The functions are inline, so it costs nothing.
"""
from kv._core.containers.hashtable cimport HashtableType, hashtable_check, hashtable_clear, hashtable_init
from kv._core.objects.entry cimport entry_free, entry_key_of

cdef HashtableType ENTRY_TABLE


cdef void free_entry(void *entry) noexcept nogil:
    entry_free(<Entry *> entry)


ENTRY_TABLE.key_of = entry_key_of
ENTRY_TABLE.free_element = free_entry


cdef void database_init(Database *database, int id) noexcept nogil:
    database.id = id
    hashtable_init(&database.key_table, &ENTRY_TABLE)
    database.expire_cursor, database.average_ttl_ms = 0, 0


cdef void database_clear(Database *database) noexcept nogil:
    """Free all keys. The database may be used again; where its keys were detached it may belong to any thread."""
    hashtable_clear(&database.key_table)
    database.expire_cursor, database.average_ttl_ms = 0, 0


cdef void database_detach(Database *database, Database *detached) noexcept nogil:
    """Move all keys to `detached`, which is nobody's database and need not be initialized: its owner clears it."""
    detached[0] = database[0]
    database_init(database, detached.id)


cdef const char *database_check(Database *database) noexcept nogil:
    """Walk the table's invariants; NULL, or what is wrong."""
    return hashtable_check(&database.key_table)
