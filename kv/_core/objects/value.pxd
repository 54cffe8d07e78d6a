"""What can be asked of a value of any type."""
from libc.stdint cimport int64_t, uint64_t

from kv._core.base.slice cimport Slice
from kv._core.objects.entry cimport Entry, item_visitor

cdef Entry *value_copy(const Entry *entry, Slice key) noexcept nogil
cdef size_t value_memory(const Entry *entry, int64_t samples) noexcept nogil
cdef size_t value_free_effort(const Entry *entry) noexcept nogil
cdef void value_dismiss(const Entry *entry) noexcept nogil
# of all types but string
cdef uint64_t value_length(const Entry *entry) noexcept nogil
cdef bint value_walk(const Entry *entry, item_visitor visit, void *argument) noexcept nogil
