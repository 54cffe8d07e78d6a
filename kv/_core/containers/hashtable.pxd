"""The hash table of the keyspace, of hashes and sets, and of sorted sets' members."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from kv._core.base.random cimport Random

cdef enum:
    SLOTS = 9                   # elements in a bucket without a child
    SEGMENT_SHIFT = 9
    SEGMENT_BUCKETS = 1 << SEGMENT_SHIFT

cdef struct Bucket:             # 64 bytes, one cache line; drawn in hashtable.pyx
    uint8_t raw[64]

cdef struct HashtableType:
    const char *(*key_of)(const void *element, size_t *length) noexcept nogil   # the bytes that are hashed
    void (*free_element)(void *element) noexcept nogil      # NULL where the table does not own its elements

cdef struct Half:               # one array of buckets
    Bucket **segments           # SEGMENT_BUCKETS buckets each, the last one as many as remain; NULL: not there (any more)
    uint64_t buckets            # how many buckets; 0: no array
    uint64_t children           # how many child buckets hang on them

cdef struct Hashtable:
    const HashtableType *kind   # what the elements are
    uint64_t count              # elements
    uint64_t marked             # elements whose mark is set
    Half main                   # all elements, or while rehashing those not yet moved
    Half target                 # while rehashing, where elements go; else no array
    uint64_t drained            # while rehashing, buckets of `main` that are moved
    uint32_t pauses             # holders who need elements to stay in their buckets

cdef struct Position:           # where an element is; good until the table changes
    Bucket *bucket              # NULL: nowhere
    int slot                    # 0 to SLOTS - 1

ctypedef void (*scan_visitor)(void *argument, void *element, bint marked) noexcept nogil

cdef void hashtable_init(Hashtable *table, const HashtableType *kind) noexcept nogil
cdef void hashtable_clear(Hashtable *table) noexcept nogil
cdef void hashtable_reserve(Hashtable *table, uint64_t count) noexcept nogil
cdef Position hashtable_find(Hashtable *table, const char *key, size_t length, uint64_t hash) noexcept nogil
cdef Position hashtable_locate(Hashtable *table, const void *element, uint64_t hash) noexcept nogil
cdef void hashtable_insert(Hashtable *table, void *element, uint64_t hash, bint marked) noexcept nogil
cdef void hashtable_remove(Hashtable *table, Position position, uint64_t hash) noexcept nogil
cdef bint hashtable_delete(Hashtable *table, const char *key, size_t length) noexcept nogil
cdef void hashtable_replace(Hashtable *table, Position position, void *element, bint marked) noexcept nogil
cdef uint64_t hashtable_scan(Hashtable *table, uint64_t cursor, scan_visitor visit, void *argument) noexcept nogil
cdef void *hashtable_random(Hashtable *table, Random *random) noexcept nogil
cdef int hashtable_sample(Hashtable *table, Random *random, bint marked, int count, int budget,
                          void **elements) noexcept nogil
cdef bint hashtable_rehash(Hashtable *table, uint64_t buckets) noexcept nogil
cdef void hashtable_fit(Hashtable *table) noexcept nogil
cdef void hashtable_avoid_resize(bint avoid) noexcept nogil
cdef void hashtable_dismiss(const Hashtable *table, uint64_t cursor, uint64_t next_cursor) noexcept nogil
cdef void hashtable_pause(Hashtable *table) noexcept nogil
cdef void hashtable_resume(Hashtable *table) noexcept nogil
cdef size_t hashtable_overhead(const Hashtable *table) noexcept nogil
cdef void hashtable_prefetch_bucket(Hashtable *table, uint64_t hash) noexcept nogil
cdef void hashtable_prefetch_element(Hashtable *table, uint64_t hash) noexcept nogil
cdef uint64_t hashtable_chain_lengths(const Hashtable *table, const Half *half, uint64_t *counts, int size) noexcept nogil
cdef const char *hashtable_check(Hashtable *table) noexcept nogil


cdef inline void *position_element(Position position) noexcept nogil:
    """The element at a position that is somewhere."""
    return <void *> ((<uint64_t *> (position.bucket.raw + 6 * position.slot))[0] & 0xfffffffffffeULL)


cdef inline bint hashtable_rehashing(const Hashtable *table) noexcept nogil:
    return table.target.buckets != 0
