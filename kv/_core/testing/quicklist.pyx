"""The Python face of the quicklist, for the tests; see testing/base for why. Elements are named by index."""
from libc.stdint cimport int64_t, uint64_t

from kv._core.base.blob cimport blob_copy
from kv._core.base.buffer cimport Buffer, buffer_free
from kv._core.base.slice cimport Slice, slice_of
from kv._core.containers.listpack cimport (
    LISTPACK_NUMBER_SIZE, Listpack, ListpackValue, listpack_bytes, listpack_copy, listpack_free)
from kv._core.containers.quicklist cimport (
    Quicklist, QuicklistCursor, QuicklistStats, quicklist_append_pack, quicklist_append_plain, quicklist_check,
    quicklist_delete, quicklist_delete_range, quicklist_drop_first, quicklist_drop_last, quicklist_free, quicklist_get,
    quicklist_insert_after, quicklist_insert_before, quicklist_is, quicklist_leave, quicklist_limit, quicklist_memory,
    quicklist_new, quicklist_next, quicklist_peek_first, quicklist_peek_last, quicklist_previous, quicklist_push_first,
    quicklist_push_last, quicklist_replace, quicklist_seek, quicklist_set_far, quicklist_set_packed_threshold,
    quicklist_slice, quicklist_stats, quicklist_take_pack)
from kv._core.containers.quicknode cimport QuicklistNode, quicklist_node_bytes, quicklist_node_raw_length


def set_packed_threshold(size_t length):
    quicklist_set_packed_threshold(length)


def set_far(uint64_t nodes):
    quicklist_set_far(nodes)


cdef Slice slice_from(bytes value):
    return slice_of(value, len(value))


cdef bytes bytes_from(Slice slice):
    return slice.data[:slice.length]


cdef class Chain:
    """A quicklist."""
    cdef Quicklist *list

    def __cinit__(self, int fill=-2, int compress=0):
        self.list = quicklist_new(fill, compress)

    def __dealloc__(self):
        quicklist_free(self.list)

    def limit(self, int fill, int compress):
        quicklist_limit(self.list, fill, compress)

    def push_first(self, bytes value not None):
        quicklist_push_first(self.list, slice_from(value))

    def push_last(self, bytes value not None):
        quicklist_push_last(self.list, slice_from(value))

    def pop_first(self):
        cdef char number[LISTPACK_NUMBER_SIZE]
        value = bytes_from(quicklist_peek_first(self.list, number))
        quicklist_drop_first(self.list)
        return value

    def pop_last(self):
        cdef char number[LISTPACK_NUMBER_SIZE]
        value = bytes_from(quicklist_peek_last(self.list, number))
        quicklist_drop_last(self.list)
        return value

    cdef QuicklistCursor seek(self, int64_t index) except *:
        cdef QuicklistCursor cursor
        if not quicklist_seek(self.list, &cursor, index):
            raise IndexError(index)
        return cursor

    def get(self, int64_t index):
        """bytes, or an int for what is stored as a number."""
        cdef QuicklistCursor cursor = self.seek(index)
        cdef ListpackValue value = quicklist_get(&cursor)
        found = value.number if value.text == NULL else value.text[:value.length]
        quicklist_leave(&cursor)
        return found

    def equals(self, int64_t index, bytes value not None):
        cdef QuicklistCursor cursor = self.seek(index)
        equal = bool(quicklist_is(&cursor, slice_from(value)))
        quicklist_leave(&cursor)
        return equal

    def insert_before(self, int64_t index, bytes value not None):
        cdef QuicklistCursor cursor = self.seek(index)
        quicklist_insert_before(&cursor, slice_from(value))

    def insert_after(self, int64_t index, bytes value not None):
        cdef QuicklistCursor cursor = self.seek(index)
        quicklist_insert_after(&cursor, slice_from(value))

    def replace(self, int64_t index, bytes value not None):
        cdef QuicklistCursor cursor = self.seek(index)
        quicklist_replace(&cursor, slice_from(value))

    def delete_range(self, int64_t start, uint64_t count):
        return quicklist_delete_range(self.list, start, count)

    def walk(self, int64_t start, victims, bint backward=False):
        """Texts from an index to the end; those that are victims are deleted on the way."""
        cdef char number[LISTPACK_NUMBER_SIZE]
        cdef QuicklistCursor cursor
        cdef bint more = quicklist_seek(self.list, &cursor, start)
        found = []
        while more:
            value = bytes_from(quicklist_slice(&cursor, number))
            found.append(value)
            if value in victims:
                more = quicklist_delete(&cursor, backward)
            elif backward:
                more = quicklist_previous(&cursor)
            else:
                more = quicklist_next(&cursor)
        return found

    def nodes(self):
        """(kind, bytes, whether compressed) of each node."""
        cdef Buffer scratch = Buffer(NULL, 0, 0)
        cdef QuicklistNode *node = self.list.first
        cdef Slice content
        found = []
        while node != NULL:
            content = quicklist_node_bytes(node, &scratch)
            assert content.length == quicklist_node_raw_length(node)
            found.append((node.kind, bytes_from(content), node.compressed != 0))
            node = node.next
        buffer_free(&scratch)
        return found

    def append_node(self, int kind, bytes content not None):
        """As a file is loaded."""
        if kind == 1:
            quicklist_append_plain(self.list, blob_copy(content, len(content)))
        else:
            quicklist_append_pack(self.list, listpack_copy(<const char *> content, len(content)))

    def take_pack(self):
        """The bytes of the one pack, and the list is empty; None if it is another."""
        cdef int fill = self.list.fill
        cdef int compress = self.list.compress
        cdef Listpack *pack = quicklist_take_pack(self.list)
        if pack == NULL:
            return None
        content = (<const char *> pack)[:listpack_bytes(pack)]
        listpack_free(pack)
        self.list = quicklist_new(fill, compress)
        return content

    def stats(self):
        """nodes, plain ones, compressed ones, raw bytes, held bytes."""
        cdef QuicklistStats stats
        quicklist_stats(self.list, &stats)
        return stats.nodes, stats.plain, stats.compressed, stats.raw_bytes, stats.held_bytes

    @property
    def landmarks(self):
        """How many there are."""
        return self.list.landmarks.stop - self.list.landmarks.first if self.list.landmarks != NULL else 0

    def check(self):
        """AssertionError names the first invariant that does not hold."""
        cdef const char *fault = quicklist_check(self.list)
        if fault != NULL:
            raise AssertionError(fault.decode())

    def __len__(self):
        return self.list.count

    @property
    def memory(self):
        return quicklist_memory(self.list)
