"""A key with its value, in one block:

      0      3      4       5            6              8
      +------+------+-------+------------+--------------+----------+------------+----------------+-----+----------+
      | LRU  | type | flags | key length | value length | (word 8) | (expiry 8) | (key length 4) | key | (bytes)  |
      |      | enc. |       |            |              |          |            |                |     |          |
      +------+------+-------+------------+--------------+----------+------------+----------------+-----+----------+

The parts in parentheses are there as needed: the word for all but embedded strings, the expiry where there is one, the
32-bit key length for keys of more than 255 bytes, the bytes of an embedded string. So a 16-byte key with a
16-byte value takes 40 bytes, and one cache line serves a GET.

What if a value changes its size? The entry is made anew and takes the old one's slot in the table; only entries
whose size class stays are changed in place (objects/string).
"""
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy

from kv._core.base.blob cimport Blob, blob_free
from kv._core.base.memory cimport memory_alloc, memory_free, memory_size
from kv._core.base.platform cimport likely, panic, unlikely
from kv._core.base.slice cimport Slice

assert sizeof(Entry) == 8, "the drawing says 8 bytes"


cdef const char *entry_key_of(const void *element, size_t *length) noexcept nogil:
    cdef const Entry *entry = <const Entry *> element
    cdef const char *at = <const char *> entry + sizeof(Entry)
    at += 8 * ((entry.bits >> 28 != 0) + (entry.flags & ENTRY_EXPIRES))
    if likely(not entry.flags & ENTRY_LONG_KEY):
        length[0] = entry.key_length
        return at
    length[0] = (<const uint32_t *> at)[0]
    return at + 4


cdef size_t entry_size_for(size_t key_length, int encoding, bint expires, size_t embedded) noexcept nogil:
    """Bytes of an entry of this make."""
    return (sizeof(Entry) + (0 if encoding == ENCODING_EMBEDDED else 8) + (8 if expires else 0)
            + (4 if key_length > 255 else 0) + key_length + embedded)


cdef Entry *entry_new(Slice key, int type, int encoding, int64_t expiry, size_t embedded) noexcept nogil:
    """An entry whose word (or `embedded` bytes) the caller fills; expiry -1 for none."""
    cdef bint expires = expiry != -1
    cdef Entry *entry = <Entry *> memory_alloc(entry_size_for(key.length, encoding, expires, embedded))
    cdef char *at = <char *> entry + sizeof(Entry)
    entry.bits = (<uint32_t> type << 24) | (<uint32_t> encoding << 28)
    entry.flags = ENTRY_EXPIRES if expires else 0
    entry.key_length = <uint8_t> key.length
    entry.value_length = <uint16_t> embedded
    if encoding != ENCODING_EMBEDDED:
        at += 8
    if expires:
        (<int64_t *> at)[0] = expiry
        at += 8
    if unlikely(key.length > 255):
        entry.flags |= ENTRY_LONG_KEY
        (<uint32_t *> at)[0] = <uint32_t> key.length
        at += 4
    memcpy(at, key.data, key.length)
    return entry


cdef Entry *entry_remade(Entry *entry, Slice key, int64_t expiry) noexcept nogil:
    cdef size_t embedded = 0 if entry_has_word(entry) else entry.value_length
    cdef Entry *made = entry_new(key, entry_type(entry), entry_encoding(entry), expiry, embedded)
    made.bits = entry.bits
    made.flags |= entry.flags & ENTRY_MODIFIED
    if entry_has_word(entry):
        entry_word(made)[0] = entry_word(entry)[0]
    else:
        memcpy(entry_embedded(made), entry_embedded(entry), embedded)
    return made


cdef Entry *entry_with_expiry(Entry *entry, int64_t expiry) noexcept nogil:
    """The same entry with another expiry (-1 for none), in place where it fits. A new one takes over the value; the
    caller puts it into the table and frees the old one with entry_free_header."""
    if expiry != -1 and entry.flags & ENTRY_EXPIRES:
        entry_expiry_at(entry)[0] = expiry
        return entry
    if expiry == -1 and not entry.flags & ENTRY_EXPIRES:
        return entry
    return entry_remade(entry, entry_key(entry), expiry)


cdef Entry *entry_with_key(Entry *entry, Slice key) noexcept nogil:
    """A new entry of another name that takes over value and expiry; the caller frees the old one with
    entry_free_header."""
    return entry_remade(entry, key, entry_expiry(entry))


cdef void entry_free_header(Entry *entry) noexcept nogil:
    """Free an entry whose value another one has taken over."""
    memory_free(entry)


cdef void entry_free(Entry *entry) noexcept nogil:
    """Free an entry and its value."""
    cdef int encoding = entry_encoding(entry)
    if encoding == ENCODING_RAW:
        blob_free(<Blob *> entry_word(entry)[0])
    elif encoding > ENCODING_RAW:
        type_operations(entry_type(entry)).free(entry_word(entry)[0], encoding)
    memory_free(entry)


cdef const TypeOperations *operations[16]


cdef void type_register(int type, const TypeOperations *known) noexcept nogil:
    """Called by the module of a type when it is imported: from here on entries may be of it."""
    operations[type] = known


cdef const TypeOperations *type_operations(int type) noexcept nogil:
    """What values of a type are asked; not for strings."""
    if operations[type] == NULL:
        panic("a value of a type that is not known")
    return operations[type]


cdef size_t entry_size(const Entry *entry) noexcept nogil:
    """Bytes of the entry itself, without what its word points to."""
    return memory_size(entry)


cdef const char *TYPE_NAMES[TYPE_STREAM + 1]
TYPE_NAMES[<int> TYPE_STRING] = b"string"
TYPE_NAMES[<int> TYPE_LIST] = b"list"
TYPE_NAMES[<int> TYPE_SET] = b"set"
TYPE_NAMES[<int> TYPE_ZSET] = b"zset"
TYPE_NAMES[<int> TYPE_HASH] = b"hash"
TYPE_NAMES[<int> TYPE_MODULE] = b"unknown"
TYPE_NAMES[<int> TYPE_STREAM] = b"stream"


cdef const char *type_name(int type) noexcept nogil:
    """The word that TYPE answers."""
    return TYPE_NAMES[type]


cdef const char *ENCODING_NAMES[ENCODING_STREAM + 1]
ENCODING_NAMES[<int> ENCODING_EMBEDDED] = b"embstr"
ENCODING_NAMES[<int> ENCODING_INT] = b"int"
ENCODING_NAMES[<int> ENCODING_RAW] = b"raw"
ENCODING_NAMES[<int> ENCODING_LISTPACK] = b"listpack"
ENCODING_NAMES[<int> ENCODING_QUICKLIST] = b"quicklist"
ENCODING_NAMES[<int> ENCODING_INTSET] = b"intset"
ENCODING_NAMES[<int> ENCODING_HASHTABLE] = b"hashtable"
ENCODING_NAMES[<int> ENCODING_SKIPLIST] = b"skiplist"
ENCODING_NAMES[<int> ENCODING_STREAM] = b"stream"


cdef inline bint is_embstr(const Entry *entry) noexcept nogil:
    """Whether Valkey 8.1 would embed the string: its object of 16 bytes, the expiry, and key and value with 7 bytes
    of headers and terminators take 64 bytes at most."""
    return 16 + (8 if entry.flags & ENTRY_EXPIRES else 0) + entry_key(entry).length + entry.value_length + 7 <= 64


cdef const char *entry_encoding_name(const Entry *entry) noexcept nogil:
    """The word that OBJECT ENCODING answers."""
    if entry_encoding(entry) == ENCODING_EMBEDDED and (entry.flags & ENTRY_MODIFIED or not is_embstr(entry)):
        return b"raw"
    return ENCODING_NAMES[entry_encoding(entry)]
