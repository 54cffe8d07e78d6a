"""What can be asked of a value of any type: a copy, its size, what it costs to free.

Each function is one switch on the encoding, and the only place where its question meets all types: COPY,
MEMORY USAGE, lazy freeing and eviction need not know which types there are. A type that is added gets its
line in each switch.
"""
from libc.stdint cimport int64_t

from kv._core.base.memory cimport memory_size
from kv._core.base.platform cimport panic
from kv._core.base.slice cimport Slice
from kv._core.objects.entry cimport (
    ENCODING_EMBEDDED, ENCODING_INT, ENCODING_RAW, Entry, entry_encoding, entry_size, entry_word)
from kv._core.objects.string cimport string_copy


cdef Entry *value_copy(const Entry *entry, Slice key) noexcept nogil:
    """A new entry of another name with the same value, encoding and expiry, sharing nothing with the old
    one."""
    cdef int encoding = entry_encoding(entry)
    if encoding <= ENCODING_RAW:
        return string_copy(entry, key)
    panic("a value of a type that is not known")
    return NULL


cdef size_t value_memory(const Entry *entry, int64_t samples) noexcept nogil:
    """Bytes of the key and its value. Elements of large values are sampled: `samples` of them stand for
    all."""
    cdef int encoding = entry_encoding(entry)
    if encoding == ENCODING_EMBEDDED or encoding == ENCODING_INT:
        return entry_size(entry)
    if encoding == ENCODING_RAW:
        return entry_size(entry) + memory_size(entry_word(<Entry *> entry)[0])
    panic("a value of a type that is not known")
    return 0


cdef size_t value_free_effort(const Entry *entry) noexcept nogil:
    """What it takes to free the value, in blocks of memory, about; 1 for whatever is one block."""
    if entry_encoding(entry) <= ENCODING_RAW:
        return 1
    panic("a value of a type that is not known")
    return 0
