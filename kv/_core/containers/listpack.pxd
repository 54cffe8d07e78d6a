"""A packed sequence of byte strings and integers in one block, in the byte format of Redis's listpack.

Functions that change a pack return where it is now. An element is a pointer into its pack and dead after the
next change; where a function takes `uint8_t **at` it says where that points afterwards. Values must not lie in
the pack itself.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from kv._core.base.random cimport Random
from kv._core.base.slice cimport Slice

cdef enum:
    LISTPACK_HEADER = 6             # bytes before the first element
    LISTPACK_EMPTY = 7              # bytes of an empty pack
    LISTPACK_MANY = 65535           # what the header's count says where there are as many elements or more
    LISTPACK_NUMBER_SIZE = 24       # bytes that the `number` buffer of listpack_slice must have

cdef struct Listpack:               # drawn in listpack.pyx; no alignment
    uint8_t raw[LISTPACK_EMPTY]     # the bytes; the block goes on

cdef struct ListpackValue:          # an element as it is stored
    const char *text                # into the pack, not terminated; NULL: it is a number
    size_t length                   # bytes of text
    int64_t number                  # where text is NULL

cdef struct ListpackElement:        # an element to be written
    uint8_t head[9]                 # what stands before the text; all of a number
    uint32_t head_length            # bytes of head
    Slice text                      # not copied; length 0 for a number
    size_t size                     # bytes of it all in a pack, with the length behind

cdef Listpack *listpack_new(size_t capacity) noexcept nogil     # bytes to make room for, 0 for none in particular
# of bytes that listpack_validate accepted
cdef Listpack *listpack_copy(const void *bytes, size_t length) noexcept nogil
cdef void listpack_free(Listpack *pack) noexcept nogil
cdef Listpack *listpack_fit(Listpack *pack) noexcept nogil      # give back room for growth

# change
cdef Listpack *listpack_append(Listpack *pack, Slice value) noexcept nogil
cdef Listpack *listpack_append_number(Listpack *pack, int64_t number) noexcept nogil
cdef Listpack *listpack_prepend(Listpack *pack, Slice value) noexcept nogil
# before; at: the new one
cdef Listpack *listpack_insert(Listpack *pack, uint8_t **at, Slice value) noexcept nogil
cdef Listpack *listpack_insert_number(Listpack *pack, uint8_t **at, int64_t number) noexcept nogil
# at: the new one
cdef Listpack *listpack_insert_after(Listpack *pack, uint8_t **at, Slice value) noexcept nogil
cdef Listpack *listpack_replace(Listpack *pack, uint8_t **at, Slice value) noexcept nogil   # at: the same element
cdef Listpack *listpack_replace_number(Listpack *pack, uint8_t **at, int64_t number) noexcept nogil
# at: what follows, or NULL
cdef Listpack *listpack_delete(Listpack *pack, uint8_t **at, uint64_t count) noexcept nogil
cdef Listpack *listpack_delete_index(Listpack *pack, int64_t index, uint64_t count) noexcept nogil
cdef Listpack *listpack_delete_many(Listpack *pack, uint8_t **elements, uint64_t count, int stride) noexcept nogil
cdef Listpack *listpack_truncate(Listpack *pack, uint8_t *at) noexcept nogil    # the element and all behind it go
# rest: from the element on
cdef Listpack *listpack_split(Listpack *pack, uint8_t *at, Listpack **rest) noexcept nogil
cdef Listpack *listpack_merge(Listpack *first, Listpack *second) noexcept nogil             # takes both

# For an owner who keeps room at both ends of a pack and looks after it himself: nothing is allocated, and a pack that
# does not stand at its block's start must not be given to the functions above.
cdef void listpack_init(Listpack *pack) noexcept nogil      # an empty one, in LISTPACK_EMPTY bytes of the owner's
cdef ListpackElement listpack_encode(Slice value) noexcept nogil
cdef ListpackElement listpack_encode_number(int64_t number) noexcept nogil
cdef void listpack_append_within(Listpack *pack, const ListpackElement *element) noexcept nogil
# size bytes before
cdef Listpack *listpack_prepend_within(Listpack *pack, const ListpackElement *element) noexcept nogil
cdef void listpack_drop_last_within(Listpack *pack) noexcept nogil
cdef Listpack *listpack_drop_first_within(Listpack *pack) noexcept nogil    # that many bytes behind

# walk; all give NULL where there is no such element
cdef uint8_t *listpack_first(const Listpack *pack) noexcept nogil
cdef uint8_t *listpack_last(const Listpack *pack) noexcept nogil
cdef uint8_t *listpack_next(const Listpack *pack, const uint8_t *at) noexcept nogil
cdef uint8_t *listpack_previous(const Listpack *pack, const uint8_t *at) noexcept nogil
cdef uint8_t *listpack_seek(const Listpack *pack, int64_t index) noexcept nogil             # -1: the last
cdef uint8_t *listpack_find(const Listpack *pack, uint8_t *start, Slice value, uint32_t skip) noexcept nogil

# read
cdef ListpackValue listpack_get(const uint8_t *at) noexcept nogil
cdef Slice listpack_slice(const uint8_t *at, char *number) noexcept nogil   # into the pack, or into `number`
cdef int listpack_run(uint8_t **at, ListpackValue *values, int most) noexcept nogil    # that and what follows; at: the last
cdef bint listpack_is(const uint8_t *at, Slice value) noexcept nogil
cdef size_t listpack_size_at(const uint8_t *at) noexcept nogil              # bytes that the element takes
cdef uint64_t listpack_count(const Listpack *pack) noexcept nogil
cdef size_t listpack_element_size(Slice value) noexcept nogil               # bytes that it would take in a pack

# draw: an element each of whose `stride` neighbours form a unit (2: field and value); elements are the units' first
cdef uint8_t *listpack_random(const Listpack *pack, Random *random, int stride) noexcept nogil
cdef uint64_t listpack_sample(const Listpack *pack, Random *random, int stride, uint64_t want,
                              uint8_t **elements) noexcept nogil            # distinct ones, in the pack's order

cdef bint listpack_validate(const void *bytes, size_t length, uint64_t *count) noexcept nogil
cdef const char *listpack_check(const Listpack *pack) noexcept nogil


cdef inline size_t listpack_bytes(const Listpack *pack) noexcept nogil:
    return (<uint32_t> pack.raw[0] | <uint32_t> pack.raw[1] << 8 | <uint32_t> pack.raw[2] << 16
            | <uint32_t> pack.raw[3] << 24)
