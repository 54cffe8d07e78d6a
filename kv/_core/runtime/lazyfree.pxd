"""Freeing in another thread what would take long to free."""
from libc.stdint cimport uint64_t

from kv._core.keyspace.database cimport Database
from kv._core.objects.entry cimport Entry

cdef enum:
    LAZYFREE_LEAST = 64         # objects: so many or fewer are freed at once sooner than they are handed over

ctypedef void (*lazyfree_function)(void *thing) noexcept nogil

cdef struct LazyfreeAccount:    # of one engine; atomic
    uint64_t pending            # keys queued or being freed
    uint64_t freed              # keys freed by the thread

cdef void lazyfree_entry(Entry *entry) noexcept nogil
cdef void lazyfree_database(Database *database) noexcept nogil
cdef void lazyfree_call(lazyfree_function function, void *thing, uint64_t objects) noexcept nogil
cdef uint64_t lazyfree_pending_objects() noexcept nogil
cdef uint64_t lazyfree_freed_objects() noexcept nogil
cdef void lazyfree_reset_statistics() noexcept nogil
cdef void lazyfree_enter_account(LazyfreeAccount *entered) noexcept nogil
cdef void lazyfree_wait() noexcept nogil
