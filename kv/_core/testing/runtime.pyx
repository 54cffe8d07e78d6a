"""Python faces of the runtime's parts that no command shows, for the tests; see testing/base for why."""
from libc.stdint cimport uint64_t

from kv._core.base.hashing cimport hash_bytes
from kv._core.base.slice cimport slice_of
from kv._core.containers.hashtable cimport Hashtable, HashtableType, hashtable_init, hashtable_insert
from kv._core.objects.entry cimport Entry, entry_free, entry_key_of
from kv._core.objects.string cimport string_new
from kv._core.runtime.lazyfree cimport (
    lazyfree_entry, lazyfree_freed_objects, lazyfree_pending_objects, lazyfree_reset_statistics,
    lazyfree_table,
    lazyfree_wait)

cdef HashtableType ENTRIES


cdef void free_entry(void *element) noexcept nogil:
    entry_free(<Entry *> element)


ENTRIES.key_of = entry_key_of
ENTRIES.free_element = free_entry


def lazyfree_a_string(bytes key not None, bytes value not None):
    lazyfree_entry(string_new(slice_of(key, len(key)), slice_of(value, len(value)), -1, NULL))


def lazyfree_strings(uint64_t count, size_t length):
    """A table of so many strings of a length."""
    cdef Hashtable table
    hashtable_init(&table, &ENTRIES)
    for number in range(count):
        key = b"key:%d" % number
        value = b"v" * length
        hashtable_insert(&table, string_new(slice_of(key, len(key)), slice_of(value, len(value)), -1, NULL),
                         hash_bytes(key, len(key)), False)
    lazyfree_table(&table)


def lazyfree_figures():
    """(keys that wait, keys freed)."""
    return lazyfree_pending_objects(), lazyfree_freed_objects()


def lazyfree_reset():
    lazyfree_reset_statistics()


def lazyfree_finish():
    with nogil:
        lazyfree_wait()
