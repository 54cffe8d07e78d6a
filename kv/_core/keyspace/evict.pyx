"""Eviction: approximated LRU, LFU, nearest TTL, random.

Exact LRU would need a list through all keys. Instead a few keys of each database are sampled and the best ones kept
in a small pool from call to call, so that after a few calls the pool holds keys that are close to the oldest of
all: the approximation of Redis 3.0. The score is idle seconds, 255 less the LFU counter, or nearness of the expiry.

A candidate may be deleted, or its database swapped or flushed, while it waits in the pool: it is used only after it
was found again, by hash and address, in the table; an address that was reused for another key does not have its
hash.
"""
from libc.stdint cimport uint64_t
from libc.string cimport memmove

from kv._core.base.hashing cimport hash_bytes
from kv._core.base.slice cimport Slice
from kv._core.keyspace.database cimport database_count, database_locate, database_sample
from kv._core.keyspace.keyspace cimport (
    POLICY_ALLKEYS, POLICY_LFU, POLICY_RANDOM, POLICY_TTL, Database, Key, Keyspace, keyspace_evict_key,
    keyspace_idle_seconds, keyspace_lfu)
from kv._core.objects.entry cimport Entry, entry_expiry, entry_key

cdef enum:
    MAX_SAMPLES = 64
    BUDGET = 512            # buckets looked at for a sample, where keys with an expiry are rare

cdef uint64_t NEVER = 0xffffffffffffffffULL


cdef uint64_t score_of(Keyspace *keyspace, const Entry *entry) noexcept nogil:
    if keyspace.policy & POLICY_LFU:
        return 255 - keyspace_lfu(keyspace, entry)
    if keyspace.policy & POLICY_TTL:
        return NEVER - <uint64_t> entry_expiry(entry)
    return keyspace_idle_seconds(keyspace, entry)


cdef void pool_offer(EvictionPool *pool, int database, Entry *entry, uint64_t score) noexcept nogil:
    """Keep a candidate where it is better than the pool's worst, or the pool has room."""
    cdef Slice key = entry_key(entry)
    cdef Candidate *list = pool.candidates
    cdef int at = 0, i
    for i in range(pool.count):
        if list[i].entry == entry:
            return
    while at < pool.count and list[at].score < score:
        at += 1
    if pool.count == POOL_SIZE:
        if at == 0:
            return
        at -= 1
        memmove(list, list + 1, at * sizeof(Candidate))
    else:
        memmove(list + at + 1, list + at, (pool.count - at) * sizeof(Candidate))
        pool.count += 1
    list[at].score, list[at].entry, list[at].database = score, entry, database
    list[at].hash = hash_bytes(key.data, key.length)


cdef void pool_fill(Keyspace *keyspace, EvictionPool *pool, int samples, int budget) noexcept nogil:
    cdef Entry *found[MAX_SAMPLES]
    cdef Database *database
    cdef bint marked = not keyspace.policy & POLICY_ALLKEYS
    cdef int index, i, count
    samples = samples if samples < MAX_SAMPLES else MAX_SAMPLES
    for index in range(keyspace.count):
        database = keyspace.databases + index
        if database_count(database) == 0:
            continue
        count = database_sample(database, &keyspace.random, marked, samples, budget, found)
        for i in range(count):
            pool_offer(pool, index, found[i], score_of(keyspace, found[i]))


cdef bint evict_candidate(Keyspace *keyspace, EvictionPool *pool) noexcept nogil:
    """Evict the pool's best candidate that still exists."""
    cdef Candidate best
    cdef Key key
    cdef Database *database
    while pool.count:
        pool.count -= 1
        best = pool.candidates[pool.count]
        database = keyspace.databases + best.database
        keyspace.found = database_locate(database, best.entry, best.hash)
        if keyspace.found.bucket == NULL:
            continue
        key.name = entry_key(best.entry)
        key.hash = best.hash
        keyspace_evict_key(keyspace, database, key)
        return True
    return False


cdef bint evict_random(Keyspace *keyspace, EvictionPool *pool) noexcept nogil:
    """Evict a random key of the databases in turn."""
    cdef Entry *found[1]
    cdef bint marked = not keyspace.policy & POLICY_ALLKEYS
    cdef Database *database
    cdef Key key
    cdef int _tries
    for _tries in range(keyspace.count):
        database = keyspace.databases + pool.next_database
        pool.next_database = (pool.next_database + 1) % keyspace.count
        if database_sample(database, &keyspace.random, marked, 1, 1 << 20, found) == 0:
            continue
        key.name = entry_key(found[0])
        key.hash = hash_bytes(key.name.data, key.name.length)
        keyspace.found = database_locate(database, found[0], key.hash)
        keyspace_evict_key(keyspace, database, key)
        return True
    return False


cdef bint evict_one(Keyspace *keyspace, EvictionPool *pool, int samples) noexcept nogil:
    """Evict one key by the policy; false where no key qualifies. For policies other than noeviction."""
    cdef int tries
    if keyspace.policy & POLICY_RANDOM:
        return evict_random(keyspace, pool)
    for tries in range(3):              # a sample of rare volatile keys may come back empty: then look everywhere
        pool_fill(keyspace, pool, samples, BUDGET if tries < 2 else 1 << 30)
        if evict_candidate(keyspace, pool):
            return True
    return False
