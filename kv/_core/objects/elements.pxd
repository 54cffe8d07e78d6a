"""The elements of a hash or a set as items: all, some drawn with repetition, some different ones."""
from libc.stdint cimport int64_t, uint8_t, uint64_t

from kv._core.base.random cimport Random
from kv._core.containers.hashtable cimport Hashtable
from kv._core.containers.listpack cimport Listpack
from kv._core.objects.entry cimport Item, item_visitor

ctypedef void (*element_opener)(void *element, Item *item) noexcept nogil    # fills in the item of a table's element

cdef bint table_walk(Hashtable *table, element_opener open_, item_visitor visit, void *argument) noexcept nogil
cdef void table_pick(Hashtable *table, element_opener open_, Random *random, uint64_t count, item_visitor visit,
                     void *argument) noexcept nogil
cdef void table_sample(Hashtable *table, element_opener open_, Random *random, uint64_t want, item_visitor visit,
                       void *argument) noexcept nogil
cdef size_t table_memory(Hashtable *table, int64_t samples,
                         size_t (*memory_of)(const void *element) noexcept nogil) noexcept nogil
cdef bint pack_show(const Listpack *pack, int width, const uint8_t *at, item_visitor visit, void *argument) noexcept nogil
cdef bint pack_walk(const Listpack *pack, int width, item_visitor visit, void *argument) noexcept nogil
cdef void pack_pick(const Listpack *pack, int width, Random *random, uint64_t count, item_visitor visit,
                    void *argument) noexcept nogil
cdef void pack_sample(const Listpack *pack, int width, Random *random, uint64_t want, item_visitor visit,
                      void *argument) noexcept nogil
