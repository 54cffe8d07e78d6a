"""A key with its value: what the keyspace's table stores."""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from kv._core.base.slice cimport Slice

cdef enum Type:             # the numbers are RDB's and MODULE's, and OBJECT's names follow in entry.pyx
    TYPE_STRING = 0
    TYPE_LIST = 1
    TYPE_SET = 2
    TYPE_ZSET = 3
    TYPE_HASH = 4
    TYPE_MODULE = 5
    TYPE_STREAM = 6

cdef enum Encoding:
    ENCODING_EMBEDDED = 0   # string: the bytes stand in the entry
    ENCODING_INT            # string: the entry's word is the number
    ENCODING_RAW            # string: the word points to a Blob
    ENCODING_LISTPACK       # from here on the word points to the object of the type
    ENCODING_QUICKLIST
    ENCODING_INTSET
    ENCODING_HASHTABLE
    ENCODING_SKIPLIST
    ENCODING_STREAM

cdef enum EntryFlag:
    ENTRY_EXPIRES = 1       # has an expiry
    ENTRY_LONG_KEY = 2      # the key has more than 255 bytes
    ENTRY_MODIFIED = 4      # a string changed in place: OBJECT ENCODING says raw, however short it is

cdef enum:
    ACCESS_MASK = 0xffffff
    LARGEST_ENTRY = 1024    # bytes up to which a string is embedded

cdef struct Item:               # one element of a collection, as a walk shows it
    Slice first                 # element of a list or set, field of a hash, member of a sorted set
    Slice second                # value of a field, else empty
    double score                # of a member, else 0

ctypedef bint (*item_visitor)(void *argument, const Item *item) noexcept nogil     # false ends the walk

cdef struct TypeOperations:     # what all types but string are asked; `value` is what the entry's word points to
    void (*free)(void *value, int encoding) noexcept nogil
    void *(*copy)(const void *value, int encoding) noexcept nogil               # of the same encoding, sharing nothing
    size_t (*memory)(const void *value, int encoding, int64_t samples) noexcept nogil   # bytes, elements sampled (0: all)
    size_t (*effort)(const void *value, int encoding) noexcept nogil            # blocks of memory to free, about
    uint64_t (*length)(const void *value, int encoding) noexcept nogil          # elements, fields, members
    bint (*walk)(const void *value, int encoding, item_visitor visit, void *argument) noexcept nogil
    const char *(*check)(const void *value, int encoding) noexcept nogil        # invariants: NULL, or what is wrong
    # sets and sorted sets, else NULL: whether it has the element, and its score (1 in a set)
    bint (*find)(const void *value, int encoding, Slice element, double *score) noexcept nogil

cdef struct Entry:          # 8 bytes; drawn in entry.pyx
    uint32_t bits           # LRU clock or LFU counter (24 bits), Type (4), Encoding (4)
    uint8_t flags           # EntryFlag
    uint8_t key_length      # bytes of the key, where it is no long one
    uint16_t value_length   # bytes of an embedded string

cdef Entry *entry_new(Slice key, int type, int encoding, int64_t expiry, size_t embedded) noexcept nogil
cdef Entry *entry_with_expiry(Entry *entry, int64_t expiry) noexcept nogil
cdef Entry *entry_with_key(Entry *entry, Slice key) noexcept nogil
cdef void type_register(int type, const TypeOperations *operations) noexcept nogil
cdef const TypeOperations *type_operations(int type) noexcept nogil
cdef void entry_free(Entry *entry) noexcept nogil
cdef void entry_free_header(Entry *entry) noexcept nogil
cdef size_t entry_size(const Entry *entry) noexcept nogil
cdef size_t entry_size_for(size_t key_length, int encoding, bint expires, size_t embedded) noexcept nogil
cdef const char *entry_key_of(const void *entry, size_t *length) noexcept nogil
cdef const char *type_name(int type) noexcept nogil
cdef const char *entry_encoding_name(const Entry *entry) noexcept nogil


cdef inline int entry_type(const Entry *entry) noexcept nogil:
    return (entry.bits >> 24) & 15


cdef inline int entry_encoding(const Entry *entry) noexcept nogil:
    return entry.bits >> 28


cdef inline uint32_t entry_access(const Entry *entry) noexcept nogil:
    return entry.bits & ACCESS_MASK


cdef inline void entry_set_access(Entry *entry, uint32_t access) noexcept nogil:
    entry.bits = (entry.bits & ~<uint32_t> ACCESS_MASK) | access


cdef inline void entry_set_encoding(Entry *entry, int encoding) noexcept nogil:
    """Between encodings that have a word; the caller sets the word."""
    entry.bits = (entry.bits & 0x0fffffff) | (<uint32_t> encoding << 28)


cdef inline bint entry_has_word(const Entry *entry) noexcept nogil:
    return entry.bits >> 28 != 0


cdef inline void **entry_word(Entry *entry) noexcept nogil:
    """Where the pointer to the value stands (not in an embedded string)."""
    return <void **> (<char *> entry + sizeof(Entry))


cdef inline int64_t *entry_number(Entry *entry) noexcept nogil:
    """Where the value of an int-encoded string stands."""
    return <int64_t *> (<char *> entry + sizeof(Entry))


cdef inline int64_t *entry_expiry_at(Entry *entry) noexcept nogil:
    return <int64_t *> (<char *> entry + sizeof(Entry) + (8 if entry_has_word(entry) else 0))


cdef inline int64_t entry_expiry(const Entry *entry) noexcept nogil:
    """Unix time in ms at which the key expires, -1 for never."""
    return entry_expiry_at(<Entry *> entry)[0] if entry.flags & ENTRY_EXPIRES else -1


cdef inline Slice entry_key(const Entry *entry) noexcept nogil:
    cdef Slice key
    key.data = entry_key_of(entry, &key.length)
    return key


cdef inline char *entry_embedded(Entry *entry) noexcept nogil:
    """The bytes of an embedded string."""
    cdef Slice key = entry_key(entry)
    return <char *> key.data + key.length
