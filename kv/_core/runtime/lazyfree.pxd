"""Freeing in another thread what would take long to free."""
from libc.stdint cimport uint64_t

from kv._core.containers.hashtable cimport Hashtable
from kv._core.objects.entry cimport Entry

cdef void lazyfree_entry(Entry *entry) noexcept nogil
cdef void lazyfree_table(Hashtable *table) noexcept nogil
cdef uint64_t lazyfree_pending_objects() noexcept nogil
cdef uint64_t lazyfree_freed_objects() noexcept nogil
cdef void lazyfree_reset_statistics() noexcept nogil
cdef void lazyfree_wait() noexcept nogil
