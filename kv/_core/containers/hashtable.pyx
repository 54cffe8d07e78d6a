"""The hash table.

A bucket is one cache line, so that a lookup costs one miss for the bucket and one for the element:

    byte  0        6        12             48       54            63
          +--------+--------+--- ... ------+--------+--------------+-------+
          | slot 0 | slot 1 |              | slot 8 | nine tags    | flags |
          +--------+--------+--- ... ------+--------+--------------+-------+

A slot is an element's address in 48 bits (elements are 8-byte aligned; bit 0 is the *mark*, which the keyspace
sets on keys that have an expiry, so that they can be sampled without a table of their own). A tag is
the hash's low byte, or 1 where that is 0; 0 means an empty slot. All nine are compared at once. A full bucket that
gets one more element hangs on a child: flag 1 set, its slot 8 holds the child's address, its tag 8 stays 0.

The bucket of an element is hash * buckets / 2^64, with the hash cut to its upper 48 bits: the table is *in order of
hash*. Three things follow. The number of buckets need not be a power of two: a table grows by half, so less of it
stands empty. Rehashing walks both arrays from front to back, and frees the old one's segments and takes the new
one's on the way, so that growth never doubles the memory. And a scan's cursor is simply the smallest hash not yet
visited: it stays valid whatever happens to the table between two calls, grown, shrunk, or in the middle of either.

What if the table is resized during a lookup-heavy phase? Only changes (and the server's cron) move buckets, one
a change, which is more than enough to be done before the next resize; a lookup looks at one bucket, never at two.

What while a forked child shares the pages? Then no table grows before it is crowded, none shrinks, and one that is being resized
stays as it is (hashtable_avoid_resize), since each bucket moved would be two pages copied.

Who iterates while changing? hashtable_pause() keeps every element in its slot until hashtable_resume(); insertions
and removals are allowed meanwhile.
"""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from kv._core.base.hashing cimport hash_bytes
from kv._core.base.memory cimport (
    memory_calloc, memory_dismiss, memory_free, memory_size, memory_would_exceed)
from kv._core.base.platform cimport bit_count, ceil_share, likely, lowest_bit, match16, mulhi, prefetch, unlikely
from kv._core.base.random cimport Random, random_below, random_u64

cdef enum:
    TAGS = 54                   # offset of the tags in a bucket
    FLAGS = 63
    HAS_CHILD = 1
    ALL_SLOTS = 0x1ff
    CHAINED_SLOTS = 0xff
    FILL = 7                    # elements a bucket, times 16/15 below, at which a table grows
    CROWDED = 3                 # times that fill at which it grows although resizing is to be avoided

cdef bint resize_avoided = False    # of all tables: a forked child shares the pages

cdef uint64_t ADDRESS = 0xfffffffffffeULL
cdef uint64_t HASH_BITS = 0xffffffffffff0000ULL


# -- a bucket -----------------------------------------------------------------------------------------------------

cdef inline uint64_t slot_word(const Bucket *bucket, int slot) noexcept nogil:
    """The slot's 48 bits; the two bytes read beyond them are tags, or the flags."""
    return (<uint64_t *> (bucket.raw + 6 * slot))[0] & 0xffffffffffffULL


cdef inline void *slot_element(const Bucket *bucket, int slot) noexcept nogil:
    return <void *> (slot_word(bucket, slot) & ADDRESS)


cdef inline bint slot_marked(const Bucket *bucket, int slot) noexcept nogil:
    return bucket.raw[6 * slot] & 1


cdef inline void slot_set(Bucket *bucket, int slot, const void *element, bint marked, uint8_t tag) noexcept nogil:
    cdef uint64_t word = <uint64_t> element | <uint64_t> marked
    memcpy(bucket.raw + 6 * slot, &word, 6)
    bucket.raw[TAGS + slot] = tag


cdef inline uint8_t tag_of(uint64_t hash) noexcept nogil:
    return <uint8_t> hash if hash & 0xff else 1


cdef inline bint has_child(const Bucket *bucket) noexcept nogil:
    return bucket.raw[FLAGS] & HAS_CHILD


cdef inline Bucket *child_of(const Bucket *bucket) noexcept nogil:
    return <Bucket *> slot_element(bucket, SLOTS - 1)


cdef inline uint32_t slots_with(const Bucket *bucket, uint8_t tag) noexcept nogil:
    """A bit for each slot whose tag it is; the child slot has no tag, so only tag 0 must leave it out."""
    return (match16(bucket.raw + 48, tag) >> 6) & ALL_SLOTS


cdef inline uint32_t slots_empty(const Bucket *bucket) noexcept nogil:
    return slots_with(bucket, 0) & (CHAINED_SLOTS if has_child(bucket) else ALL_SLOTS)


cdef inline uint32_t slots_filled(const Bucket *bucket) noexcept nogil:
    return ~slots_with(bucket, 0) & ALL_SLOTS


# -- an array of buckets ------------------------------------------------------------------------------------------

cdef inline uint64_t bucket_index(const Half *half, uint64_t hash) noexcept nogil:
    return mulhi(hash & HASH_BITS, half.buckets)


cdef inline Bucket *bucket_at(const Half *half, uint64_t index) noexcept nogil:
    return half.segments[index >> SEGMENT_SHIFT] + (index & (SEGMENT_BUCKETS - 1))


cdef inline uint64_t segment_count(uint64_t buckets) noexcept nogil:
    return (buckets + SEGMENT_BUCKETS - 1) >> SEGMENT_SHIFT


cdef Bucket *bucket_at_or_new(Half *half, uint64_t index) noexcept nogil:
    """The bucket, its segment taken where rehashing reaches it for the first time."""
    cdef uint64_t segment = index >> SEGMENT_SHIFT
    cdef uint64_t size = half.buckets - (segment << SEGMENT_SHIFT)
    if half.segments[segment] == NULL:
        if size > SEGMENT_BUCKETS:
            size = SEGMENT_BUCKETS
        half.segments[segment] = <Bucket *> memory_calloc(size * sizeof(Bucket))
    return bucket_at(half, index)


cdef void half_init(Half *half, uint64_t buckets) noexcept nogil:
    half.buckets = buckets
    half.children = 0
    half.segments = <Bucket **> memory_calloc(segment_count(buckets) * sizeof(Bucket *))


cdef void half_free(Half *half) noexcept nogil:
    cdef uint64_t segment
    for segment in range(segment_count(half.buckets)):
        memory_free(half.segments[segment])
    memory_free(half.segments)
    half.segments = NULL
    half.buckets = half.children = 0


cdef inline Half *half_of(Hashtable *table, uint64_t hash) noexcept nogil:
    """The array that holds this hash now."""
    if unlikely(table.target.buckets != 0) and bucket_index(&table.main, hash) < table.drained:
        return &table.target
    return &table.main


cdef void chain_insert(Half *half, Bucket *bucket, const void *element, bint marked, uint8_t tag) noexcept nogil:
    """Put an element into the first empty slot of a chain, which gets one more child where it has none."""
    cdef uint32_t empty
    cdef Bucket *child
    while True:
        empty = slots_empty(bucket)
        if likely(empty != 0):
            slot_set(bucket, lowest_bit(empty), element, marked, tag)
            return
        if not has_child(bucket):
            child = <Bucket *> memory_calloc(sizeof(Bucket))
            half.children += 1
            slot_set(child, 0, slot_element(bucket, SLOTS - 1), slot_marked(bucket, SLOTS - 1),
                     bucket.raw[TAGS + SLOTS - 1])
            slot_set(bucket, SLOTS - 1, child, False, 0)
            bucket.raw[FLAGS] |= HAS_CHILD
        bucket = child_of(bucket)


cdef void chain_compact(Half *half, Bucket *bucket, Bucket *holed, int hole) noexcept nogil:
    """Fill a hole from the chain's last bucket, and drop that one when it is empty."""
    cdef Bucket *parent = NULL
    cdef Bucket *last = bucket
    cdef uint32_t filled
    cdef int slot
    while has_child(last):
        parent, last = last, child_of(last)
    if parent == NULL:
        return
    filled = slots_filled(last)
    if filled != 0 and last != holed:
        slot = lowest_bit(filled)
        slot_set(holed, hole, slot_element(last, slot), slot_marked(last, slot), last.raw[TAGS + slot])
        last.raw[TAGS + slot] = 0
        filled &= filled - 1
    if filled == 0:
        parent.raw[FLAGS] &= ~HAS_CHILD
        parent.raw[TAGS + SLOTS - 1] = 0
        memory_free(last)
        half.children -= 1


# -- resizing -----------------------------------------------------------------------------------------------------

cdef inline bint too_full(uint64_t elements, uint64_t buckets) noexcept nogil:
    return elements * 16 > buckets * (FILL * 16 + 3)


cdef bint chain_drain(Hashtable *table, Bucket *bucket) noexcept nogil:
    """Move a chain of `main` to `target`; true where it held anything."""
    cdef Bucket *start = bucket
    cdef Bucket *child
    cdef Bucket *link = bucket
    cdef uint32_t filled
    cdef size_t length
    cdef const char *key
    cdef uint64_t hash
    cdef int slot
    cdef bint any = False
    filled = slots_filled(bucket)
    while filled:                       # the elements are needed for their keys: fetch all before reading one
        prefetch(slot_element(bucket, lowest_bit(filled)))
        filled &= filled - 1
    while link != NULL:
        filled = slots_filled(link)
        while filled:
            any = True
            slot = lowest_bit(filled)
            filled &= filled - 1
            key = table.kind.key_of(slot_element(link, slot), &length)
            hash = hash_bytes(key, length)
            chain_insert(&table.target, bucket_at_or_new(&table.target, bucket_index(&table.target, hash)),
                         slot_element(link, slot), slot_marked(link, slot), tag_of(hash))
        child = child_of(link) if has_child(link) else NULL
        if link != start:
            memory_free(link)
            table.main.children -= 1
        link = child
    memset(start, 0, sizeof(Bucket))
    return any


cdef void cover_target(Hashtable *table, uint64_t drained) noexcept nogil:
    """Take every segment of `target` that hashes below the frontier can fall into."""
    cdef uint64_t last = mulhi((ceil_share(drained, table.main.buckets) - 1) << 16, table.target.buckets)
    cdef uint64_t segment = last >> SEGMENT_SHIFT
    while True:
        bucket_at_or_new(&table.target, segment << SEGMENT_SHIFT)
        if segment == 0 or table.target.segments[segment - 1] != NULL:
            return
        segment -= 1


cdef void hashtable_avoid_resize(bint avoid) noexcept nogil:
    """While a forked child shares the pages: grow only when crowded, and move no buckets. Counts for all tables."""
    global resize_avoided
    resize_avoided = avoid


cdef bint hashtable_rehash(Hashtable *table, uint64_t buckets) noexcept nogil:
    """Move up to so many non-empty buckets (and ten times as many empty ones); true while there is more to move, now."""
    cdef uint64_t visits = buckets * 10
    cdef Bucket *bucket
    if not hashtable_rehashing(table) or table.pauses:
        return False
    if resize_avoided and not too_full(table.count, table.main.buckets * CROWDED):
        return False
    while buckets and visits and table.drained < table.main.buckets:
        bucket = bucket_at(&table.main, table.drained)
        visits -= 1
        buckets -= chain_drain(table, bucket)
        table.drained += 1
        cover_target(table, table.drained)
        if table.drained & (SEGMENT_BUCKETS - 1) == 0:
            memory_free(table.main.segments[(table.drained >> SEGMENT_SHIFT) - 1])
            table.main.segments[(table.drained >> SEGMENT_SHIFT) - 1] = NULL
    if table.drained < table.main.buckets:
        return True
    half_free(&table.main)
    table.main = table.target
    memset(&table.target, 0, sizeof(Half))
    table.drained = 0
    return False


cdef void resize(Hashtable *table, uint64_t buckets) noexcept nogil:
    if table.main.buckets == 0:
        half_init(&table.main, buckets)
        for_each_segment(&table.main)
        return
    if buckets == table.main.buckets or hashtable_rehashing(table):
        return
    half_init(&table.target, buckets)
    table.drained = 0


cdef void for_each_segment(Half *half) noexcept nogil:
    cdef uint64_t segment
    for segment in range(segment_count(half.buckets)):
        bucket_at_or_new(half, segment << SEGMENT_SHIFT)


cdef void grow_if_full(Hashtable *table, uint64_t elements) noexcept nogil:
    """Start to grow where so many elements are too many; not while rehashing."""
    cdef uint64_t buckets = table.main.buckets
    if likely(buckets != 0 and not too_full(elements, buckets)):
        return
    if buckets and not too_full(elements, buckets * CROWDED) and (
            resize_avoided or memory_would_exceed(buckets // 2 * sizeof(Bucket))):
        return                          # it is as fast a little longer: memory is shared, or short
    resize(table, buckets + (buckets + 1) // 2 if buckets else 1)


cdef void hashtable_fit(Hashtable *table) noexcept nogil:
    """Start to shrink a table that is mostly empty, or to grow one that is full."""
    cdef uint64_t want = table.count // 5 + 1
    if hashtable_rehashing(table) or table.main.buckets == 0 or table.pauses:
        return
    if table.count == 0:
        half_free(&table.main)
    elif table.main.buckets > 4 and want * 5 < table.main.buckets and not resize_avoided:
        resize(table, want)
    else:
        grow_if_full(table, table.count)


cdef void hashtable_reserve(Hashtable *table, uint64_t count) noexcept nogil:
    """Size the table for so many elements, in advance."""
    cdef uint64_t want = count // 6 + 1
    if want > table.main.buckets:
        resize(table, want)


# -- elements -----------------------------------------------------------------------------------------------------

cdef void hashtable_init(Hashtable *table, const HashtableType *kind) noexcept nogil:
    """An empty table; it takes its first bucket with its first element."""
    memset(table, 0, sizeof(Hashtable))
    table.kind = kind


cdef void chain_free(Hashtable *table, Bucket *bucket) noexcept nogil:
    cdef Bucket *start = bucket
    cdef Bucket *child
    cdef uint32_t filled
    while bucket != NULL:
        filled = slots_filled(bucket) if table.kind.free_element != NULL else 0
        while filled:
            table.kind.free_element(slot_element(bucket, lowest_bit(filled)))
            filled &= filled - 1
        child = child_of(bucket) if has_child(bucket) else NULL
        if bucket != start:
            memory_free(bucket)
        bucket = child


cdef void half_free_elements(Hashtable *table, Half *half, uint64_t start) noexcept nogil:
    cdef uint64_t index
    if table.kind.free_element == NULL and half.children == 0:
        return
    for index in range(start, half.buckets):
        if half.segments[index >> SEGMENT_SHIFT] != NULL:
            chain_free(table, bucket_at(half, index))


cdef void hashtable_clear(Hashtable *table) noexcept nogil:
    """Free all elements (where the table owns them) and all buckets. The table may be used again."""
    half_free_elements(table, &table.main, table.drained)
    half_free_elements(table, &table.target, 0)
    half_free(&table.main)
    half_free(&table.target)
    table.count = table.marked = table.drained = 0


cdef Position hashtable_find(Hashtable *table, const char *key, size_t length, uint64_t hash) noexcept nogil:
    """Where the element with this key is."""
    cdef Position position
    cdef Half *half
    cdef Bucket *bucket
    cdef uint32_t candidates
    cdef uint8_t tag = tag_of(hash)
    cdef const char *stored
    cdef size_t stored_length
    position.bucket = NULL
    position.slot = 0
    if unlikely(table.count == 0):
        return position
    half = half_of(table, hash)
    bucket = bucket_at(half, bucket_index(half, hash))
    while True:
        candidates = slots_with(bucket, tag)
        while candidates:
            position.slot = lowest_bit(candidates)
            candidates &= candidates - 1
            stored = table.kind.key_of(slot_element(bucket, position.slot), &stored_length)
            if likely(stored_length == length and memcmp(stored, key, length) == 0):
                position.bucket = bucket
                return position
        if likely(not has_child(bucket)):
            return position
        bucket = child_of(bucket)


cdef Position hashtable_locate(Hashtable *table, const void *element, uint64_t hash) noexcept nogil:
    """Where this very element is; it is not read, so it may be gone (then: nowhere)."""
    cdef Position position
    cdef Half *half
    cdef Bucket *bucket
    cdef uint32_t candidates
    position.bucket = NULL
    position.slot = 0
    if table.count == 0:
        return position
    half = half_of(table, hash)
    bucket = bucket_at(half, bucket_index(half, hash))
    while True:
        candidates = slots_with(bucket, tag_of(hash))
        while candidates:
            position.slot = lowest_bit(candidates)
            candidates &= candidates - 1
            if slot_element(bucket, position.slot) == element:
                position.bucket = bucket
                return position
        if not has_child(bucket):
            return position
        bucket = child_of(bucket)


cdef void hashtable_insert(Hashtable *table, void *element, uint64_t hash, bint marked) noexcept nogil:
    """Add an element whose key the table does not have."""
    cdef Half *half
    if unlikely(hashtable_rehashing(table)):
        hashtable_rehash(table, 1)
    else:
        grow_if_full(table, table.count + 1)
    half = half_of(table, hash)
    chain_insert(half, bucket_at(half, bucket_index(half, hash)), element, marked, tag_of(hash))
    table.count += 1
    table.marked += marked


cdef void hashtable_remove(Hashtable *table, Position position, uint64_t hash) noexcept nogil:
    """Take out the element at the position, which the caller frees."""
    cdef Half *half = half_of(table, hash)
    table.count -= 1
    table.marked -= slot_marked(position.bucket, position.slot)
    position.bucket.raw[TAGS + position.slot] = 0
    if table.pauses:
        return
    chain_compact(half, bucket_at(half, bucket_index(half, hash)), position.bucket, position.slot)
    if unlikely(hashtable_rehashing(table)):
        hashtable_rehash(table, 1)


cdef bint hashtable_delete(Hashtable *table, const char *key, size_t length) noexcept nogil:
    """Free the element with this key, if there is one, and start to shrink a table where that is due."""
    cdef uint64_t hash = hash_bytes(key, length)
    cdef Position position = hashtable_find(table, key, length, hash)
    cdef void *element
    if position.bucket == NULL:
        return False
    element = slot_element(position.bucket, position.slot)
    hashtable_remove(table, position, hash)
    table.kind.free_element(element)
    hashtable_fit(table)
    return True


cdef void hashtable_replace(Hashtable *table, Position position, void *element, bint marked) noexcept nogil:
    """Put another element with the same key in its place."""
    table.marked += marked
    table.marked -= slot_marked(position.bucket, position.slot)
    slot_set(position.bucket, position.slot, element, marked, position.bucket.raw[TAGS + position.slot])


cdef void hashtable_pause(Hashtable *table) noexcept nogil:
    table.pauses += 1


cdef void hashtable_resume(Hashtable *table) noexcept nogil:
    table.pauses -= 1


cdef void hashtable_prefetch_bucket(Hashtable *table, uint64_t hash) noexcept nogil:
    """Start to fetch the bucket that a coming find will read."""
    cdef Half *half
    if table.count:
        half = half_of(table, hash)
        prefetch(bucket_at(half, bucket_index(half, hash)))


cdef void hashtable_prefetch_element(Hashtable *table, uint64_t hash) noexcept nogil:
    """Start to fetch the element that a coming find will compare first; the bucket should be there by now."""
    cdef Half *half
    cdef Bucket *bucket
    cdef uint32_t candidates
    if table.count:
        half = half_of(table, hash)
        bucket = bucket_at(half, bucket_index(half, hash))
        candidates = slots_with(bucket, tag_of(hash))
        if candidates:
            prefetch(slot_element(bucket, lowest_bit(candidates)))
        elif has_child(bucket):
            prefetch(child_of(bucket))


# -- walking ------------------------------------------------------------------------------------------------------

cdef void chain_visit(Bucket *bucket, scan_visitor visit, void *argument) noexcept nogil:
    cdef uint32_t filled
    cdef int slot
    while True:
        filled = slots_filled(bucket)
        while filled:
            slot = lowest_bit(filled)
            filled &= filled - 1
            visit(argument, slot_element(bucket, slot), slot_marked(bucket, slot))
        if not has_child(bucket):
            return
        bucket = child_of(bucket)


cdef uint64_t hashtable_scan(Hashtable *table, uint64_t cursor, scan_visitor visit, void *argument) noexcept nogil:
    """Visit the elements of the bucket at a cursor (48 bits, 0 to begin) and return the next cursor, 0 at the end.

    An element that is in the table from the first call to the last is visited at least once. The visitor may remove
    the element it is given, if the table is paused, and add none."""
    cdef uint64_t hash = cursor << 16
    cdef uint64_t index, next_cursor, frontier
    cdef Half *half
    if table.count == 0:
        return 0
    half = half_of(table, hash)
    index = bucket_index(half, hash)
    next_cursor = ceil_share(index + 1, half.buckets)
    if half == &table.target:
        frontier = ceil_share(table.drained, table.main.buckets)
        if next_cursor > frontier:
            next_cursor = frontier
    if half.segments[index >> SEGMENT_SHIFT] != NULL:
        chain_visit(bucket_at(half, index), visit, argument)
    return next_cursor if next_cursor < (<uint64_t> 1 << 48) else 0


cdef void half_dismiss(const Half *half, uint64_t cursor, uint64_t next_cursor) noexcept nogil:
    cdef uint64_t segment, end = segment_count(half.buckets)
    if half.buckets == 0:
        return
    if next_cursor:
        end = bucket_index(half, next_cursor << 16) >> SEGMENT_SHIFT
    for segment in range(bucket_index(half, cursor << 16) >> SEGMENT_SHIFT, end):
        memory_dismiss(half.segments[segment])


cdef void hashtable_dismiss(const Hashtable *table, uint64_t cursor, uint64_t next_cursor) noexcept nogil:
    """In a forked child: give back the buckets that a scan has left behind on its way from a cursor to another (0: to the end).
    They are never read again."""
    half_dismiss(&table.main, cursor, next_cursor)
    half_dismiss(&table.target, cursor, next_cursor)


cdef inline uint64_t fresh_buckets(const Hashtable *table) noexcept nogil:
    """How many buckets of `target` can hold elements yet."""
    if table.drained == 0:
        return 0
    return mulhi((ceil_share(table.drained, table.main.buckets) - 1) << 16, table.target.buckets) + 1


cdef void *random_slot(Hashtable *table, Random *random, uint64_t buckets, uint64_t slots) noexcept nogil:
    """What is in a slot drawn from the first `slots` ones of a chain drawn from all; NULL where that one is empty."""
    cdef uint64_t pick = random_below(random, buckets)
    cdef uint64_t old = table.main.buckets - table.drained
    cdef uint64_t slot = random_below(random, slots)
    cdef Bucket *bucket
    if pick < old:
        bucket = bucket_at(&table.main, table.drained + pick)
    else:
        bucket = bucket_at(&table.target, pick - old)
    while slot >= SLOTS - 1 and has_child(bucket):
        bucket = child_of(bucket)
        slot -= SLOTS - 1
    if slot < SLOTS and slots_filled(bucket) >> slot & 1:
        return slot_element(bucket, <int> slot)
    return NULL


cdef void *hashtable_random(Hashtable *table, Random *random) noexcept nogil:
    """An element, each with the same chance; NULL from an empty table."""
    cdef uint64_t buckets = table.main.buckets - table.drained + fresh_buckets(table)
    cdef uint64_t slots = 3 * SLOTS             # a chain rarely has more links than three,
    cdef uint64_t _tries
    cdef void *element
    cdef uint64_t cursor = 0
    if table.count == 0:
        return NULL
    if table.count > buckets * (FILL + 1):      # but where growth had to wait it has
        slots += 3 * (table.count // buckets)
    for _tries in range(4000):
        element = random_slot(table, random, buckets, slots)
        if element != NULL:
            return element
    cursor = random_u64(random) >> 16           # a nearly empty table: walk from here, at the price of some fairness
    element = NULL
    while element == NULL:
        cursor = hashtable_scan(table, cursor, note_element, &element)
    return element


cdef void note_element(void *argument, void *element, bint marked) noexcept nogil:
    (<void **> argument)[0] = element


cdef struct Sampler:
    void **elements
    int wanted
    int found
    uint64_t seen           # elements that could have been taken
    bint marked_only
    Random *random


cdef void sample_visit(void *argument, void *element, bint marked) noexcept nogil:
    """Keep the element, in place of another where there are enough already, so that the last slots of a bucket have the
    same chance as the first."""
    cdef Sampler *sampler = <Sampler *> argument
    cdef uint64_t place
    if sampler.marked_only and not marked:
        return
    sampler.seen += 1
    if sampler.found < sampler.wanted:
        sampler.elements[sampler.found] = element
        sampler.found += 1
        return
    place = random_below(sampler.random, sampler.seen)
    if place < <uint64_t> sampler.wanted:
        sampler.elements[place] = element


cdef int hashtable_sample(Hashtable *table, Random *random, bint marked, int count, int budget,
                          void **elements) noexcept nogil:
    """Up to `count` elements (marked ones only, if asked) from buckets that follow a random place; at most `budget`
    buckets are looked at. For eviction and expiry: quick, not exactly fair. How many were found."""
    cdef Sampler sampler
    cdef uint64_t cursor = random_u64(random) >> 16
    sampler.elements, sampler.wanted, sampler.found, sampler.marked_only = elements, count, 0, marked
    sampler.seen, sampler.random = 0, random
    if table.count == 0 or (marked and table.marked == 0):
        return 0
    while sampler.found < count and budget > 0:
        cursor = hashtable_scan(table, cursor, sample_visit, &sampler)
        budget -= 1
    return sampler.found


# -- figures and invariants ---------------------------------------------------------------------------------------

cdef size_t half_overhead(const Half *half) noexcept nogil:
    cdef size_t bytes = half.children * sizeof(Bucket)
    cdef uint64_t segment
    if half.buckets == 0:
        return 0
    for segment in range(segment_count(half.buckets)):
        if half.segments[segment] != NULL:
            bytes += memory_size(half.segments[segment])
    return bytes + memory_size(half.segments)


cdef size_t hashtable_overhead(const Hashtable *table) noexcept nogil:
    """Bytes of the arrays, without the elements and the table itself."""
    return half_overhead(&table.main) + half_overhead(&table.target)


cdef uint64_t hashtable_chain_lengths(const Hashtable *table, const Half *half, uint64_t *counts, int size) noexcept nogil:
    """Count chains by their number of elements, longer ones in the last place; returns the longest."""
    cdef uint64_t index, length, longest = 0
    cdef Bucket *bucket
    for index in range(half.buckets):
        length = 0
        bucket = bucket_at(half, index) if half.segments[index >> SEGMENT_SHIFT] != NULL else NULL
        while bucket != NULL:
            length += bit_count(slots_filled(bucket))
            bucket = child_of(bucket) if has_child(bucket) else NULL
        counts[length if length < <uint64_t> size else <uint64_t> size - 1] += 1
        longest = length if length > longest else longest
    return longest


cdef const char *check_chain(Hashtable *table, Half *half, uint64_t index, uint64_t *count, uint64_t *marked,
                             uint64_t *children) noexcept nogil:
    cdef Bucket *bucket = bucket_at(half, index)
    cdef uint32_t filled
    cdef int slot
    cdef const char *key
    cdef size_t length
    cdef uint64_t hash
    while True:
        filled = slots_filled(bucket)
        count[0] += bit_count(filled)
        while filled:
            slot = lowest_bit(filled)
            filled &= filled - 1
            marked[0] += slot_marked(bucket, slot)
            key = table.kind.key_of(slot_element(bucket, slot), &length)
            hash = hash_bytes(key, length)
            if half_of(table, hash) != half or bucket_index(half, hash) != index:
                return "an element is in a bucket that is not its own"
            if bucket.raw[TAGS + slot] != tag_of(hash):
                return "a tag is not its element's"
        if not has_child(bucket):
            return NULL
        children[0] += 1
        bucket = child_of(bucket)


cdef const char *check_half(Hashtable *table, Half *half, uint64_t *count, uint64_t *marked) noexcept nogil:
    cdef uint64_t index, children = 0
    cdef const char *fault
    for index in range(half.buckets):
        if half.segments[index >> SEGMENT_SHIFT] == NULL:
            if half == &table.main and index >= table.drained:
                return "a segment is missing"
            continue
        fault = check_chain(table, half, index, count, marked, &children)
        if fault != NULL:
            return fault
    if children != half.children:
        return "the children are miscounted"
    return NULL


cdef const char *hashtable_check(Hashtable *table) noexcept nogil:
    """Walk all invariants; NULL, or what is wrong."""
    cdef uint64_t count = 0, marked = 0
    cdef const char *fault = check_half(table, &table.main, &count, &marked)
    if fault == NULL:
        fault = check_half(table, &table.target, &count, &marked)
    if fault != NULL:
        return fault
    if count != table.count:
        return "the elements are miscounted"
    if marked != table.marked:
        return "the marks are miscounted"
    return NULL
