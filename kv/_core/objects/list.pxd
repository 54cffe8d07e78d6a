"""Lists: the value of an entry as elements in order."""
from libc.stdint cimport int64_t, uint8_t, uint64_t

from kv._core.base.slice cimport Slice
from kv._core.containers.listpack cimport Listpack, ListpackValue
from kv._core.containers.quicklist cimport QuicklistCursor
from kv._core.objects.entry cimport Entry

cdef struct ListLimits:
    int listpack_size       # list-max-listpack-size: elements a pack, or -1 to -5 for 4 to 64 KiB
    int compress_depth      # list-compress-depth: nodes at either end that stay uncompressed, 0 for all

cdef ListLimits list_limits     # of lists that become long from now on

cdef struct ListCursor:     # at an element; dead when the list is changed by anything but the cursor
    void **word             # where the pointer to the value stands
    bint packed             # the value is one listpack
    uint8_t *at             # the element, if so; NULL: nowhere
    QuicklistCursor quick   # if not

cdef Entry *list_new(Slice key) noexcept nogil
cdef Entry *list_new_long(Slice key) noexcept nogil
cdef Entry *list_of_pack(Slice key, Listpack *pack) noexcept nogil      # takes it, which is not empty
cdef uint64_t list_length(const Entry *entry) noexcept nogil

# the encoding
cdef void list_expect(Entry *entry, const Slice *values, int count) noexcept nogil
cdef void list_shrink(Entry *entry) noexcept nogil
cdef void list_fit(Entry *entry) noexcept nogil

# the ends; the list is not empty, but for list_push
cdef void list_push(Entry *entry, Slice value, bint head) noexcept nogil
cdef Slice list_peek(Entry *entry, bint head, char *number) noexcept nogil      # as listpack_slice
cdef void list_drop(Entry *entry, bint head) noexcept nogil

# elements. Whoever moved a cursor that is not at its end calls list_leave when done. -1 is the last element; false: there is
# no such element, and the cursor is left.
cdef bint list_seek(Entry *entry, ListCursor *cursor, int64_t index) noexcept nogil
cdef bint list_next(ListCursor *cursor) noexcept nogil
cdef bint list_previous(ListCursor *cursor) noexcept nogil
cdef void list_leave(ListCursor *cursor) noexcept nogil
cdef ListpackValue list_get(const ListCursor *cursor) noexcept nogil
cdef int list_run(ListCursor *cursor, ListpackValue *values, int most) noexcept nogil
cdef bint list_is(const ListCursor *cursor, Slice value) noexcept nogil
cdef void list_insert(ListCursor *cursor, Slice value, bint after) noexcept nogil   # leaves the cursor
cdef void list_replace(ListCursor *cursor, Slice value) noexcept nogil              # leaves the cursor
cdef bint list_delete(ListCursor *cursor, bint backward) noexcept nogil     # steps to the next or previous one
cdef void list_delete_range(Entry *entry, int64_t start, uint64_t count) noexcept nogil
