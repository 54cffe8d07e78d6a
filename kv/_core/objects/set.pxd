"""Sets: the value of an entry as members."""
from libc.stdint cimport uint64_t

from kv._core.base.random cimport Random
from kv._core.base.slice cimport Slice
from kv._core.containers.hashtable cimport Hashtable
from kv._core.containers.intset cimport Intset
from kv._core.containers.listpack cimport Listpack
from kv._core.objects.entry cimport Entry, Item, item_visitor

cdef enum:
    SET_NUMBER_SIZE = 24        # bytes that a `number` must have

cdef struct SetLimits:          # up to which a set keeps a small encoding
    uint64_t intset_entries     # set-max-intset-entries
    uint64_t listpack_entries   # set-max-listpack-entries
    uint64_t listpack_value     # set-max-listpack-value: bytes of a member

cdef SetLimits set_limits

cdef Entry *set_new(Slice key, Slice first, uint64_t hint) noexcept nogil
cdef Entry *set_new_as(Slice key, int encoding) noexcept nogil
cdef Entry *set_of_intset(Slice key, Intset *numbers) noexcept nogil    # takes it, which is not empty
# takes it; NULL: it should be a table, and a member comes twice
cdef Entry *set_of_pack(Slice key, Listpack *pack) noexcept nogil
cdef void set_expect(Entry *entry, uint64_t count) noexcept nogil
cdef uint64_t set_length(const Entry *entry) noexcept nogil
cdef bint set_has(const Entry *entry, Slice member) noexcept nogil
cdef bint set_add(Entry *entry, Slice member) noexcept nogil
cdef bint set_remove(Entry *entry, Slice member) noexcept nogil
cdef void set_open(void *element, Item *item) noexcept nogil
cdef void set_walk(const Entry *entry, item_visitor visit, void *argument) noexcept nogil
cdef Slice set_random(const Entry *entry, Random *random, char *number) noexcept nogil
cdef void set_pick(const Entry *entry, Random *random, uint64_t count, item_visitor visit,
                   void *argument) noexcept nogil
cdef void set_sample(const Entry *entry, Random *random, uint64_t want, item_visitor visit,
                     void *argument) noexcept nogil
cdef void set_pop(Entry *entry, Random *random, uint64_t count, item_visitor visit, void *argument) noexcept nogil
cdef void set_to_intset(Entry *entry) noexcept nogil
cdef Hashtable *set_table(const Entry *entry) noexcept nogil
