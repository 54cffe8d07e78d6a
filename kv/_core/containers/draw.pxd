"""Different elements of a hash table, drawn at random."""
from libc.stdint cimport uint64_t

from kv._core.base.random cimport Random
from kv._core.containers.hashtable cimport Hashtable, scan_visitor

cdef void hashtable_walk(Hashtable *table, scan_visitor visit, void *argument) noexcept nogil
cdef void hashtable_draw(Hashtable *table, Random *random, uint64_t want, scan_visitor visit,
                         void *argument) noexcept nogil
