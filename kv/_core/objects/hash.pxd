"""Hashes: the value of an entry as fields with values."""
from libc.stdint cimport uint64_t

from kv._core.base.blob cimport Blob
from kv._core.base.random cimport Random
from kv._core.base.slice cimport Slice
from kv._core.containers.hashtable cimport Hashtable
from kv._core.containers.listpack cimport Listpack
from kv._core.objects.entry cimport Entry, Item, item_visitor

cdef struct HashLimits:     # up to which a hash is a listpack
    uint64_t entries        # hash-max-listpack-entries: fields
    uint64_t value          # hash-max-listpack-value: bytes of a name or value

cdef HashLimits hash_limits

cdef Entry *hash_new(Slice key) noexcept nogil
# what comes from elsewhere; a name that comes twice is found where a table is made, not in a listpack
cdef Entry *hash_new_for(Slice key, uint64_t count) noexcept nogil      # empty, for so many fields
cdef Entry *hash_of_pack(Slice key, Listpack *pack) noexcept nogil      # takes it; NULL: a name twice
cdef bint hash_append(Entry *entry, Slice name, Slice value) noexcept nogil     # false: the name was there
cdef uint64_t hash_length(const Entry *entry) noexcept nogil
cdef bint hash_get(const Entry *entry, Slice name, char *number, Slice *value) noexcept nogil
cdef Blob *hash_blob(const Entry *entry, Slice value) noexcept nogil
cdef void hash_expect(Entry *entry, const Slice *words, int count) noexcept nogil
cdef bint hash_set(Entry *entry, Slice name, Slice value) noexcept nogil
cdef bint hash_delete(Entry *entry, Slice name) noexcept nogil
cdef void hash_open(void *element, Item *item) noexcept nogil
cdef void hash_walk(const Entry *entry, item_visitor visit, void *argument) noexcept nogil
cdef void hash_pick(const Entry *entry, Random *random, uint64_t count, item_visitor visit,
                    void *argument) noexcept nogil
cdef void hash_sample(const Entry *entry, Random *random, uint64_t want, item_visitor visit,
                      void *argument) noexcept nogil
cdef Hashtable *hash_table(const Entry *entry) noexcept nogil
