"""Strings: the value of an entry as bytes or as a number."""
from libc.stdint cimport int64_t

from kv._core.base.blob cimport Blob
from kv._core.base.slice cimport Slice
from kv._core.objects.entry cimport Entry

cdef enum:
    NUMBER_TEXT = 24        # room for the digits of an int-encoded string

cdef Entry *string_new(Slice key, Slice value, int64_t expiry, Blob *taken) noexcept nogil
cdef Entry *string_new_text(Slice key, Slice value, int64_t expiry, Blob *taken) noexcept nogil
cdef Entry *string_new_number(Slice key, int64_t number, int64_t expiry) noexcept nogil
cdef Entry *string_assign(Entry *entry, Slice value, int64_t expiry, Blob *taken) noexcept nogil
cdef Entry *string_assign_number(Entry *entry, int64_t number) noexcept nogil
cdef Entry *string_writable(Entry *entry, size_t length, bint greedy, char **data) noexcept nogil
cdef Slice string_slice(const Entry *entry, char *number_text) noexcept nogil
cdef Blob *string_blob(const Entry *entry) noexcept nogil
cdef size_t string_length(const Entry *entry) noexcept nogil
cdef bint string_number(const Entry *entry, int64_t *number) noexcept nogil
cdef Entry *string_copy(const Entry *entry, Slice key) noexcept nogil
