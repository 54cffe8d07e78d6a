"""A long list: packed nodes, linked both ways, of which the inner ones may be compressed."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from kv._core.base.blob cimport Blob
from kv._core.base.slice cimport Slice
from kv._core.containers.landmarks cimport Landmarks
from kv._core.containers.listpack cimport Listpack, ListpackValue
from kv._core.containers.quicknode cimport QuicklistNode

cdef struct Quicklist:
    QuicklistNode *first        # NULL: the list is empty
    QuicklistNode *last
    uint64_t count              # elements
    uint64_t nodes              # nodes
    int fill                    # list-max-listpack-size: elements a node, or -1 to -5 for 4 to 64 KiB
    int compress                # list-compress-depth: nodes at either end that stay uncompressed, 0 for all
    Landmarks *landmarks        # once walks are far, else NULL
    uint32_t far_walks          # to elements, since landmarks were set or lost

cdef struct QuicklistCursor:    # at an element; dead when the list is changed by anything but the cursor
    Quicklist *list
    QuicklistNode *node         # NULL: nowhere
    uint8_t *at                 # the element in the node's pack; NULL in a plain node
    uint32_t index              # the element's in the node

cdef struct QuicklistStats:     # for DEBUG
    uint64_t nodes
    uint64_t plain              # nodes with one large element
    uint64_t compressed         # nodes
    uint64_t raw_bytes          # of all nodes' elements, uncompressed
    uint64_t held_bytes         # of all blocks, as allocated

cdef Quicklist *quicklist_new(int fill, int compress) noexcept nogil
cdef void quicklist_free(Quicklist *list) noexcept nogil
cdef void quicklist_limit(Quicklist *list, int fill, int compress) noexcept nogil   # recompresses all nodes

# the ends
cdef void quicklist_push_first(Quicklist *list, Slice value) noexcept nogil
cdef void quicklist_push_last(Quicklist *list, Slice value) noexcept nogil
# the list is not empty; as listpack_slice
cdef Slice quicklist_peek_first(Quicklist *list, char *number) noexcept nogil
cdef Slice quicklist_peek_last(Quicklist *list, char *number) noexcept nogil
cdef void quicklist_drop_first(Quicklist *list) noexcept nogil                      # the list is not empty
cdef void quicklist_drop_last(Quicklist *list) noexcept nogil

# elements. Whoever moved a cursor that is not at its end calls quicklist_leave when done. -1 is the last element;
# false: there is no such element, and the cursor is left.
cdef bint quicklist_seek(Quicklist *list, QuicklistCursor *cursor, int64_t index) noexcept nogil
cdef bint quicklist_next(QuicklistCursor *cursor) noexcept nogil
cdef bint quicklist_previous(QuicklistCursor *cursor) noexcept nogil
cdef void quicklist_leave(QuicklistCursor *cursor) noexcept nogil
cdef ListpackValue quicklist_get(const QuicklistCursor *cursor) noexcept nogil
cdef int quicklist_run(QuicklistCursor *cursor, ListpackValue *values, int most) noexcept nogil     # all of one node
cdef Slice quicklist_slice(const QuicklistCursor *cursor, char *number) noexcept nogil      # as listpack_slice
cdef bint quicklist_is(const QuicklistCursor *cursor, Slice value) noexcept nogil
cdef void quicklist_insert_before(QuicklistCursor *cursor, Slice value) noexcept nogil  # leaves the cursor
cdef void quicklist_insert_after(QuicklistCursor *cursor, Slice value) noexcept nogil   # leaves the cursor
cdef void quicklist_replace(QuicklistCursor *cursor, Slice value) noexcept nogil        # leaves the cursor
# steps to the next (previous) one
cdef bint quicklist_delete(QuicklistCursor *cursor, bint backward) noexcept nogil
# how many went
cdef uint64_t quicklist_delete_range(Quicklist *list, int64_t start, uint64_t count) noexcept nogil

# whole nodes: for loading, saving and changing the encoding
cdef void quicklist_append_pack(Quicklist *list, Listpack *pack) noexcept nogil     # takes it; empty: freed
cdef void quicklist_append_plain(Quicklist *list, Blob *blob) noexcept nogil        # takes it
# frees a list that is one packed node; else NULL
cdef Listpack *quicklist_take_pack(Quicklist *list) noexcept nogil

# a pack of that size may be one node
cdef bint quicklist_fits(int fill, size_t bytes, uint64_t count) noexcept nogil
cdef bint quicklist_is_large(int fill, size_t length) noexcept nogil            # such an element gets a plain node
cdef size_t quicklist_packed_threshold() noexcept nogil
cdef void quicklist_set_packed_threshold(size_t bytes) noexcept nogil           # DEBUG's; 0 for the default
cdef void quicklist_set_far(uint64_t nodes) noexcept nogil                      # for tests: a walk of more is far
cdef size_t quicklist_memory(const Quicklist *list) noexcept nogil              # bytes of all; visits every node
cdef void quicklist_stats(const Quicklist *list, QuicklistStats *stats) noexcept nogil
cdef const char *quicklist_check(Quicklist *list) noexcept nogil
