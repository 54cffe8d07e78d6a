"""The databases.

Reading is keyspace_lookup, which hides (and mostly deletes) what has expired and moves the access clock; every
change of a key ends in keyspace_changed. Nothing here knows of clients: whoever must hear of a change or a removal
has left a function in the Keyspace. Time is `now_ms`, which the engine sets once a command.

`found` remembers where the last lookup found its entry, so that replacing or removing it needs no second search; it
is good until the table changes.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memset

from kv._core.base.hashing cimport hash_bytes
from kv._core.base.memory cimport memory_calloc, memory_free
from kv._core.base.platform cimport unlikely
from kv._core.base.random cimport random_double, random_seed
from kv._core.base.slice cimport Slice
from kv._core.containers.hashtable cimport Position, position_element
from kv._core.keyspace.database cimport (
    Database, Key, database_check, database_clear, database_count, database_detach, database_find, database_init,
    database_insert, database_remove, database_replace)
from kv._core.objects.entry cimport (
    ACCESS_MASK, ENTRY_EXPIRES, Entry, entry_access, entry_free, entry_free_header, entry_key, entry_set_access, entry_with_expiry)
from kv._core.objects.value cimport value_free_effort

cdef enum:
    LFU_INITIAL = 5         # counter of a new key, so that it is not the first to go
    LFU_MAX = 255
    LAZY_FREE_EFFORT = 64   # values that cost more than this to free are worth another thread

cdef int keyspace_init(Keyspace *keyspace, int count, uint64_t seed) noexcept nogil:
    cdef int i
    memset(keyspace, 0, sizeof(Keyspace))
    keyspace.databases = <Database *> memory_calloc(count * sizeof(Database))
    keyspace.count = count
    keyspace.lfu_log_factor, keyspace.lfu_decay_minutes = 10, 1
    random_seed(&keyspace.random, seed)
    for i in range(count):
        database_init(keyspace.databases + i, i)
    return 0


cdef void keyspace_free(Keyspace *keyspace) noexcept nogil:
    cdef int i
    for i in range(keyspace.count):
        database_clear(keyspace.databases + i)
    memory_free(keyspace.databases)


cdef Key key_of(Slice name) noexcept nogil:
    cdef Key key
    key.name = name
    key.hash = hash_bytes(name.data, name.length)
    return key


# -- the access clock: 24 bits, seconds (LRU) or minutes and a counter (LFU) --------------------------------------

cdef inline uint32_t minutes_now(const Keyspace *keyspace) noexcept nogil:
    return <uint32_t> (keyspace.now_ms // 60000) & 0xffff


cdef uint32_t keyspace_access_now(Keyspace *keyspace) noexcept nogil:
    """The access field of a key that is made now."""
    if keyspace.policy & POLICY_LFU:
        return (minutes_now(keyspace) << 8) | LFU_INITIAL
    return keyspace.lru_clock


cdef uint32_t keyspace_lfu(Keyspace *keyspace, const Entry *entry) noexcept nogil:
    """The LFU counter, less what it has lost by waiting."""
    cdef uint32_t counter = entry_access(entry) & 255
    cdef uint32_t waited = (minutes_now(keyspace) - (entry_access(entry) >> 8)) & 0xffff
    cdef uint32_t lost
    if keyspace.lfu_decay_minutes == 0:
        return counter
    lost = waited // <uint32_t> keyspace.lfu_decay_minutes
    return 0 if lost > counter else counter - lost


cdef uint32_t lfu_risen(Keyspace *keyspace, uint32_t counter) noexcept nogil:
    """One access more, counted with a probability that falls as the counter grows."""
    cdef double over
    if counter == LFU_MAX:
        return counter
    over = <double> counter - LFU_INITIAL if counter > LFU_INITIAL else 0
    return counter + (random_double(&keyspace.random) < 1.0 / (over * keyspace.lfu_log_factor + 1))


cdef void keyspace_touch(Keyspace *keyspace, Entry *entry) noexcept nogil:
    """The key was accessed now."""
    if unlikely(keyspace.policy & POLICY_LFU):
        entry_set_access(entry, (minutes_now(keyspace) << 8) | lfu_risen(keyspace, keyspace_lfu(keyspace, entry)))
    elif entry_access(entry) != keyspace.lru_clock:
        entry_set_access(entry, keyspace.lru_clock)


cdef uint64_t keyspace_idle_seconds(Keyspace *keyspace, const Entry *entry) noexcept nogil:
    """Seconds since the last access, modulo the clock's 194 days."""
    return (keyspace.lru_clock - entry_access(entry)) & 0xffffff


cdef void keyspace_set_access(Keyspace *keyspace, Entry *entry, int64_t idle_s, int frequency) noexcept nogil:
    cdef uint32_t access = keyspace_access_now(keyspace)
    if keyspace.policy & POLICY_LFU:
        if frequency >= 0:
            access = (minutes_now(keyspace) << 8) | <uint32_t> frequency
    elif idle_s >= 0:
        access = (keyspace.lru_clock - <uint32_t> (idle_s if idle_s < ACCESS_MASK else ACCESS_MASK)) & ACCESS_MASK
    entry_set_access(entry, access)


# -- finding ------------------------------------------------------------------------------------------------------

cdef Entry *keyspace_find(Keyspace *keyspace, Database *database, Key key) noexcept nogil:
    """The entry as it stands, expired or not; NULL where there is none."""
    keyspace.found = database_find(database, key)
    if keyspace.found.bucket == NULL:
        return NULL
    return <Entry *> position_element(keyspace.found)


cdef Entry *keyspace_lookup(Keyspace *keyspace, Database *database, Key key, int flags) noexcept nogil:
    """The live entry of a key for a command (LookupFlag); NULL where there is none or its time has come."""
    cdef Entry *entry = keyspace_find(keyspace, database, key)
    if entry != NULL and unlikely(entry.flags & ENTRY_EXPIRES) and keyspace_expired(keyspace, entry):
        if not keyspace.reads_only_hide or flags & LOOKUP_WRITE:
            keyspace_drop_expired(keyspace, database, entry, False)
        entry = NULL
    if entry == NULL:
        if not flags & (LOOKUP_NO_STATS | LOOKUP_WRITE):
            keyspace.misses += 1
            if unlikely(keyspace.event_classes & EVENT_KEY_MISS) and not flags & LOOKUP_NO_NOTIFY:
                keyspace.on_miss(keyspace, database, key.name)
        return NULL
    if not flags & LOOKUP_NO_TOUCH and not keyspace.touch_paused:
        keyspace_touch(keyspace, entry)
    if not flags & (LOOKUP_NO_STATS | LOOKUP_WRITE):
        keyspace.hits += 1
    return entry


# -- changing -----------------------------------------------------------------------------------------------------

cdef void keyspace_add(Keyspace *keyspace, Database *database, Key key, Entry *entry) noexcept nogil:
    """A key that the database does not have."""
    entry_set_access(entry, keyspace_access_now(keyspace))
    database_insert(database, entry, key.hash)
    if unlikely(keyspace.event_classes & EVENT_NEW):
        keyspace.on_change(keyspace, database, key.name, EVENT_NEW, b"new")


cdef void keyspace_put(Keyspace *keyspace, Database *database, Entry *entry) noexcept nogil:
    """The entry that was just found (`found`) is now this one, or has got or lost its expiry."""
    database_replace(database, keyspace.found, entry)


cdef void dispose(Keyspace *keyspace, Entry *entry, bint lazy) noexcept nogil:
    """Free an entry; elsewhere, where that is allowed and the value costs enough to be worth it."""
    if lazy and keyspace.dispose != NULL and value_free_effort(entry) > LAZY_FREE_EFFORT:
        keyspace.dispose(entry)
    else:
        entry_free(entry)


cdef void keyspace_overwrite(Keyspace *keyspace, Database *database, Entry *entry, Entry *made,
                             bint lazy) noexcept nogil:
    """The entry that was just found is replaced by another one of the same key, and freed."""
    entry_set_access(made, entry_access(entry))
    keyspace_put(keyspace, database, made)
    dispose(keyspace, entry, lazy)


cdef Entry *keyspace_detach(Keyspace *keyspace, Database *database, Key key) noexcept nogil:
    """Take the entry that was just found out of the table; it is the caller's."""
    cdef Entry *entry = <Entry *> position_element(keyspace.found)
    database_remove(database, keyspace.found, key.hash)
    return entry


cdef void keyspace_remove(Keyspace *keyspace, Database *database, Key key, bint lazy) noexcept nogil:
    """Take the entry that was just found out of the table and free it."""
    dispose(keyspace, keyspace_detach(keyspace, database, key), lazy)


cdef Entry *keyspace_set_expiry(Keyspace *keyspace, Database *database, Entry *entry, int64_t expiry) noexcept nogil:
    """Give the entry that was just found another expiry (-1: none); the entry to use from now on."""
    cdef Entry *made = entry_with_expiry(entry, expiry)
    if made != entry:
        keyspace_put(keyspace, database, made)
        entry_free_header(entry)
    return made


cdef bint keyspace_drop_expired(Keyspace *keyspace, Database *database, Entry *entry, bint active) noexcept nogil:
    """Delete an entry whose time has come, and tell who must know."""
    cdef Key key = key_of(entry_key(entry))
    cdef Position position = database_find(database, key)
    if position.bucket == NULL:
        return False
    database_remove(database, position, key.hash)
    keyspace.expired += 1
    keyspace.expired_active += active
    keyspace.on_removal(keyspace, database, key.name, REMOVED_EXPIRED)
    keyspace_changed(keyspace, database, key.name, EVENT_EXPIRED, b"expired")
    keyspace.dirty -= 1                     # nobody's command did it: saving is not due for its sake
    dispose(keyspace, entry, keyspace.lazy_expire)
    return True


cdef void keyspace_evict_key(Keyspace *keyspace, Database *database, Key key) noexcept nogil:
    """Delete the entry that was just found to make room."""
    cdef Entry *entry = keyspace_detach(keyspace, database, key)
    keyspace.evicted += 1
    keyspace.on_removal(keyspace, database, key.name, REMOVED_EVICTED)
    keyspace_changed(keyspace, database, key.name, EVENT_EVICTED, b"evicted")
    keyspace.dirty -= 1
    dispose(keyspace, entry, keyspace.lazy_evict)


cdef uint64_t database_flush(Keyspace *keyspace, Database *database, Database *detached) noexcept nogil:
    """Empty a database; the number of keys it had. Where `detached` is given it gets the keys, for the caller to clear
    elsewhere."""
    cdef uint64_t count = database_count(database)
    if detached != NULL:
        database_detach(database, detached)
    else:
        database_clear(database)
    return count


cdef void database_swap(Keyspace *keyspace, int first, int second) noexcept nogil:
    """Exchange the keys of two databases; the numbers stay."""
    cdef Database held = keyspace.databases[first]
    keyspace.databases[first] = keyspace.databases[second]
    keyspace.databases[second] = held
    keyspace.databases[first].id = first
    keyspace.databases[second].id = second


cdef const char *keyspace_check(Keyspace *keyspace) noexcept nogil:
    """Walk the invariants of every database; NULL, or what is wrong."""
    cdef int i
    cdef const char *fault
    for i in range(keyspace.count):
        fault = database_check(keyspace.databases + i)
        if fault != NULL:
            return fault
    return NULL
