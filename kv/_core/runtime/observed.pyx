"""The keys that sessions watch or wait for, found by database and name.

One table for all who are interested in single keys: a change costs one look-up however many watch and wait, and
nothing while nobody does (Keyspace.observed). A key is in the table from its first watch or wait to its last.
"""
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy

from kv._core.base.hashing cimport hash_bytes
from kv._core.base.memory cimport memory_alloc, memory_calloc, memory_free
from kv._core.base.slice cimport Slice, slice_of
from kv._core.containers.hashtable cimport (
    HashtableType, Position, hashtable_find, hashtable_init, hashtable_insert, hashtable_remove, hashtable_scan,
    position_element, scan_visitor)
from kv._core.keyspace.keyspace cimport Database, Keyspace, key_of, keyspace_find
from kv._core.runtime.state cimport Runtime

cdef HashtableType OBSERVED_TABLE


cdef const char *observed_bytes(const void *element, size_t *length) noexcept nogil:
    cdef const ObservedKey *observed = <const ObservedKey *> element
    length[0] = sizeof(int) + observed.length
    return <const char *> &observed.database


OBSERVED_TABLE.key_of = observed_bytes
OBSERVED_TABLE.free_element = NULL


cdef struct Lookup:             # a key as it is looked up
    char *bytes_                # number of the database, then the key
    size_t length
    uint64_t hash
    char inline_[256]           # where the bytes stand if they fit


cdef void lookup_open(Lookup *lookup, int database, Slice key) noexcept nogil:
    lookup.length = sizeof(int) + key.length
    lookup.bytes_ = &lookup.inline_[0]
    if lookup.length > sizeof(lookup.inline_):
        lookup.bytes_ = <char *> memory_alloc(lookup.length)
    memcpy(lookup.bytes_, &database, sizeof(int))
    memcpy(lookup.bytes_ + sizeof(int), key.data, key.length)
    lookup.hash = hash_bytes(lookup.bytes_, lookup.length)


cdef void lookup_close(Lookup *lookup) noexcept nogil:
    if lookup.bytes_ != &lookup.inline_[0]:
        memory_free(lookup.bytes_)


cdef ObservedKey *found(Runtime *runtime, const Lookup *lookup) noexcept nogil:
    cdef Position position
    if runtime.observed_keys.count == 0:
        return NULL
    position = hashtable_find(&runtime.observed_keys, lookup.bytes_, lookup.length, lookup.hash)
    return <ObservedKey *> position_element(position) if position.bucket != NULL else NULL


cdef ObservedKey *observed_find(Runtime *runtime, int database, Slice key) noexcept nogil:
    """NULL where nobody is interested in the key."""
    cdef Lookup lookup
    cdef ObservedKey *observed
    if runtime.observed_keys.count == 0:
        return NULL
    lookup_open(&lookup, database, key)
    observed = found(runtime, &lookup)
    lookup_close(&lookup)
    return observed


cdef ObservedKey *observed_make(Runtime *runtime, int database, Slice key) noexcept nogil:
    """The key's, made where nobody was interested in it: give it a watch or a wait at once."""
    cdef Lookup lookup
    cdef ObservedKey *observed
    if runtime.observed_keys.kind == NULL:
        hashtable_init(&runtime.observed_keys, &OBSERVED_TABLE)
    lookup_open(&lookup, database, key)
    observed = found(runtime, &lookup)
    if observed == NULL:
        observed = <ObservedKey *> memory_calloc(sizeof(ObservedKey) + key.length)
        observed.length = <uint32_t> key.length
        observed.database = database
        memcpy(observed.key, key.data, key.length)
        hashtable_insert(&runtime.observed_keys, observed, lookup.hash, False)
        runtime.keyspace.observed = True
    lookup_close(&lookup)
    return observed


cdef void observed_release(Runtime *runtime, ObservedKey *observed) noexcept nogil:
    """A watch or a wait is gone: the key goes with the last one."""
    cdef size_t length
    cdef const char *key
    cdef uint64_t hash
    if observed.watches != NULL or observed.waits != NULL or observed.ready or observed.pinned:
        return
    key = observed_bytes(observed, &length)
    hash = hash_bytes(key, length)
    hashtable_remove(&runtime.observed_keys, hashtable_find(&runtime.observed_keys, key, length, hash), hash)
    memory_free(observed)
    observing_update(runtime)


cdef void observed_each(Runtime *runtime, scan_visitor visit, void *argument) noexcept nogil:
    """Visit every observed key; the visitor must neither make nor release any."""
    cdef uint64_t cursor = 0
    if runtime.observed_keys.count == 0:
        return
    while True:
        cursor = hashtable_scan(&runtime.observed_keys, cursor, visit, argument)
        if cursor == 0:
            return


cdef Slice observed_name(ObservedKey *observed) noexcept nogil:
    return slice_of(observed.key, observed.length)


cdef bint observed_exists(Keyspace *keyspace, Database *database, ObservedKey *observed) noexcept nogil:
    """Whether a database (NULL: none) has the key."""
    return database != NULL and keyspace_find(keyspace, database, key_of(observed_name(observed))) != NULL


cdef void observing_update(Runtime *runtime) noexcept nogil:
    """Whether changes are told to anybody."""
    runtime.keyspace.observed = runtime.observed_keys.count != 0 or runtime.keyspace.event_classes != 0
