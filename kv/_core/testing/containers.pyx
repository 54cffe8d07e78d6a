"""Python faces of the containers, for the tests; see testing/base for why.

A Table holds items of its own make, a key and a number, so that a test can tell which of two items with the
same key it got back.
"""
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy

from kv._core.base.hashing cimport hash_bytes
from kv._core.base.memory cimport memory_alloc, memory_free
from kv._core.base.random cimport Random, random_seed
from kv._core.containers.hashtable cimport (
    Hashtable, HashtableType, Position, hashtable_avoid_resize, hashtable_check, hashtable_clear, hashtable_find, hashtable_fit,
    hashtable_init,
    hashtable_insert, hashtable_locate, hashtable_overhead, hashtable_pause, hashtable_random,
    hashtable_rehash,
    hashtable_rehashing, hashtable_remove, hashtable_replace, hashtable_reserve, hashtable_resume,
    hashtable_sample,
    hashtable_scan, position_element)

cdef enum:
    MOST_SAMPLES = 256

cdef struct Item:
    uint32_t length         # bytes of the key
    uint32_t number         # the test's
    char key[1]             # the item goes on

cdef HashtableType ITEMS


cdef const char *item_key(const void *element, size_t *length) noexcept nogil:
    length[0] = (<const Item *> element).length
    return (<const Item *> element).key


cdef void item_free(void *element) noexcept nogil:
    memory_free(element)


ITEMS.key_of = item_key
ITEMS.free_element = item_free


cdef Item *item_new(bytes key, uint32_t number) except NULL:
    cdef Item *item = <Item *> memory_alloc(sizeof(Item) + len(key))
    item.length = <uint32_t> len(key)
    item.number = number
    memcpy(item.key, <const char *> key, len(key))
    return item


cdef tuple item_view(const Item *item):
    return item.key[:item.length], item.number


cdef uint64_t hash_of(bytes key) noexcept:
    return hash_bytes(key, len(key))


cdef void visit(void *argument, void *element, bint marked) noexcept nogil:
    with gil:
        (<list> argument).append((*item_view(<Item *> element), bool(marked)))


cdef void visit_removing(void *argument, void *element, bint marked) noexcept nogil:
    with gil:
        (<Table> argument).remove_visited(<Item *> element)


cdef class Table:
    """A hash table of (key, number) items."""
    cdef Hashtable table
    cdef Random random
    cdef object victims     # of scan_removing
    cdef list removed
    cdef bint avoiding      # as it was set last; counts for all tables

    def __cinit__(self, uint64_t seed=1):
        hashtable_avoid_resize(False)
        hashtable_init(&self.table, &ITEMS)
        random_seed(&self.random, seed)

    def __dealloc__(self):
        hashtable_clear(&self.table)

    cdef Position find_position(self, bytes key):
        return hashtable_find(&self.table, key, len(key), hash_of(key))

    def find(self, bytes key not None):
        """The number of the item with this key, None where there is none."""
        cdef Position position = self.find_position(key)
        return None if position.bucket == NULL else (<Item *> position_element(position)).number

    def insert(self, bytes key not None, uint32_t number, bint marked=False):
        hashtable_insert(&self.table, item_new(key, number), hash_of(key), marked)

    def replace(self, bytes key not None, uint32_t number, bint marked):
        cdef Position position = self.find_position(key)
        cdef void *old = position_element(position)
        hashtable_replace(&self.table, position, item_new(key, number), marked)
        memory_free(old)

    def remove(self, bytes key not None):
        """Whether the key was there."""
        cdef Position position = self.find_position(key)
        cdef void *old
        if position.bucket == NULL:
            return False
        old = position_element(position)
        hashtable_remove(&self.table, position, hash_of(key))
        memory_free(old)
        return True

    def located(self, bytes key not None):
        """Whether hashtable_locate finds the item by its address, and not another address with the same
        hash."""
        cdef Position position = self.find_position(key)
        cdef void *element = position_element(position)
        cdef Position again = hashtable_locate(&self.table, element, hash_of(key))
        cdef Position other = hashtable_locate(&self.table, <char *> element + 8, hash_of(key))
        return again.bucket == position.bucket and again.slot == position.slot and other.bucket == NULL

    def scan(self, uint64_t cursor):
        """(next cursor, [(key, number, marked)])."""
        found = []
        cursor = hashtable_scan(&self.table, cursor, visit, <void *> found)
        return cursor, found

    def scan_removing(self, uint64_t cursor, victims):
        """Scan a bucket of the paused table, removing those of its items whose keys are victims: (next
        cursor, removed)."""
        self.victims, self.removed = victims, []
        cursor = hashtable_scan(&self.table, cursor, visit_removing, <void *> self)
        return cursor, self.removed

    cdef void remove_visited(self, Item *item) noexcept:
        key, _number = item_view(item)
        if key in self.victims:
            self.remove(key)
            self.removed.append(key)

    def draw(self):
        """The key of a random item, None from an empty table."""
        cdef void *element = hashtable_random(&self.table, &self.random)
        return None if element == NULL else item_view(<Item *> element)[0]

    def sample(self, bint marked, int count, int budget):
        """Keys of up to `count` items."""
        cdef void *elements[MOST_SAMPLES]
        cdef int i
        if count > MOST_SAMPLES:
            raise ValueError("too many samples")
        return [item_view(<Item *> elements[i])[0]
                for i in range(hashtable_sample(&self.table, &self.random, marked, count, budget, elements))]

    def pause(self):
        hashtable_pause(&self.table)

    def resume(self):
        hashtable_resume(&self.table)

    def reserve(self, uint64_t count):
        hashtable_reserve(&self.table, count)

    def rehash(self, uint64_t buckets):
        return bool(hashtable_rehash(&self.table, buckets))

    def fit(self):
        hashtable_fit(&self.table)

    def clear(self):
        hashtable_clear(&self.table)

    def check(self):
        """AssertionError names the first invariant that does not hold."""
        cdef const char *fault = hashtable_check(&self.table)
        if fault != NULL:
            raise AssertionError(fault.decode())

    def __len__(self):
        return self.table.count

    @property
    def marked(self):
        return self.table.marked

    @property
    def rehashing(self):
        return bool(hashtable_rehashing(&self.table))

    @property
    def shape(self):
        """(buckets, buckets of the array that is being filled, buckets moved so far, child buckets)."""
        return (self.table.main.buckets, self.table.target.buckets, self.table.drained,
                self.table.main.children + self.table.target.children)

    @property
    def overhead(self):
        return hashtable_overhead(&self.table)

    @property
    def avoid_resize(self):
        return self.avoiding

    @avoid_resize.setter
    def avoid_resize(self, bint avoid):
        self.avoiding = avoid
        hashtable_avoid_resize(avoid)
