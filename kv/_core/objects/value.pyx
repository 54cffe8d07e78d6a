"""What can be asked of a value of any type: a copy, its size, its elements, what it costs to free.

COPY, MEMORY USAGE, lazy freeing and eviction need not know which types there are: strings are answered here, every
other type by the TypeOperations that its module registered (objects/entry).
"""
from libc.stdint cimport int64_t, uint64_t

from kv._core.base.memory cimport memory_dismiss, memory_size
from kv._core.base.slice cimport Slice
from kv._core.containers.quicklist cimport Quicklist
from kv._core.containers.quicknode cimport QuicklistNode
from kv._core.objects.entry cimport (
    ENCODING_INTSET, ENCODING_LISTPACK, ENCODING_QUICKLIST, ENCODING_RAW, Entry, entry_encoding, entry_expiry, entry_new,
    entry_size, entry_type, entry_word, type_operations)
from kv._core.objects.string cimport string_copy


cdef Entry *value_copy(const Entry *entry, Slice key) noexcept nogil:
    """A new entry of another name with the same value, encoding and expiry, sharing nothing with the old one."""
    cdef int encoding = entry_encoding(entry)
    cdef int type = entry_type(entry)
    cdef Entry *made
    if encoding <= ENCODING_RAW:
        return string_copy(entry, key)
    made = entry_new(key, type, encoding, entry_expiry(entry), 0)
    entry_word(made)[0] = type_operations(type).copy(entry_word(<Entry *> entry)[0], encoding)
    return made


cdef size_t value_memory(const Entry *entry, int64_t samples) noexcept nogil:
    """Bytes of the key and its value. Elements of large values are sampled: `samples` of them stand for all."""
    cdef int encoding = entry_encoding(entry)
    cdef size_t size = entry_size(entry)
    if encoding == ENCODING_RAW:
        size += memory_size(entry_word(<Entry *> entry)[0])
    elif encoding > ENCODING_RAW:
        size += type_operations(entry_type(entry)).memory(entry_word(<Entry *> entry)[0], encoding, samples)
    return size


cdef size_t value_free_effort(const Entry *entry) noexcept nogil:
    """What it takes to free the value, in blocks of memory, about; 1 for whatever is one block."""
    cdef int encoding = entry_encoding(entry)
    if encoding <= ENCODING_RAW:
        return 1
    return type_operations(entry_type(entry)).effort(entry_word(<Entry *> entry)[0], encoding)


cdef void value_dismiss(const Entry *entry) noexcept nogil:
    """In a forked child: give back the blocks of the value that are larger than a page of the system, which is never read again.
    Elements of tables have blocks that are shared with others, but for the largest: they stay."""
    cdef int encoding = entry_encoding(entry)
    cdef const QuicklistNode *node
    if encoding == ENCODING_RAW or encoding == ENCODING_LISTPACK or encoding == ENCODING_INTSET:
        memory_dismiss(entry_word(<Entry *> entry)[0])
    elif encoding == ENCODING_QUICKLIST:
        node = (<Quicklist *> entry_word(<Entry *> entry)[0]).first
        while node != NULL:
            memory_dismiss(node.block)
            node = node.next


cdef uint64_t value_length(const Entry *entry) noexcept nogil:
    """How many elements, fields, members or stream entries it has."""
    return type_operations(entry_type(entry)).length(entry_word(<Entry *> entry)[0], entry_encoding(entry))


cdef bint value_walk(const Entry *entry, item_visitor visit, void *argument) noexcept nogil:
    """Visit all of them (of a stream, all fields) until the visitor has enough; whether it saw all."""
    return type_operations(entry_type(entry)).walk(entry_word(<Entry *> entry)[0], entry_encoding(entry), visit, argument)
