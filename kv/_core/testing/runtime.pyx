"""Python faces of the runtime's parts that no command shows, for the tests; see testing/base for why."""
from libc.stdint cimport uint64_t

from kv._core.base.hashing cimport hash_bytes
from kv._core.base.slice cimport slice_of
from kv._core.keyspace.database cimport Database, database_init, database_insert
from kv._core.objects.string cimport string_new
from kv._core.runtime.lazyfree cimport (
    lazyfree_database, lazyfree_entry, lazyfree_freed_objects, lazyfree_pending_objects, lazyfree_reset_statistics,
    lazyfree_wait)


def lazyfree_a_string(bytes key not None, bytes value not None):
    lazyfree_entry(string_new(slice_of(key, len(key)), slice_of(value, len(value)), -1, NULL))


def lazyfree_strings(uint64_t count, size_t length):
    """A database of so many strings of a length."""
    cdef Database database
    database_init(&database, 0)
    for number in range(count):
        key = b"key:%d" % number
        value = b"v" * length
        database_insert(&database, string_new(slice_of(key, len(key)), slice_of(value, len(value)), -1, NULL),
                        hash_bytes(key, len(key)))
    lazyfree_database(&database)


def lazyfree_figures():
    """(keys that wait, keys freed)."""
    return lazyfree_pending_objects(), lazyfree_freed_objects()


def lazyfree_reset():
    lazyfree_reset_statistics()


def lazyfree_finish():
    with nogil:
        lazyfree_wait()
