"""A walk over all databases, in batches: who saves the dataset takes its entries from here."""
from libc.stdint cimport uint64_t

from kv._core.base.buffer cimport Buffer
from kv._core.keyspace.keyspace cimport Database, Keyspace
from kv._core.objects.entry cimport Entry

cdef struct Walk:
    Keyspace *keyspace          # what is walked
    int next_database           # index of the database where the walk goes on, ...
    uint64_t cursor             # ... and where in it
    Database *database          # that the last batch came from
    uint64_t entries            # handed out so far
    Buffer batch                # addresses of the last batch's entries

cdef void walk_init(Walk *walk, Keyspace *keyspace) noexcept nogil
cdef void walk_free(Walk *walk) noexcept nogil
cdef uint64_t walk_next(Walk *walk, uint64_t least) noexcept nogil


cdef inline Entry **walk_batch(const Walk *walk) noexcept nogil:
    """The entries of the last batch."""
    return <Entry **> walk.batch.data
