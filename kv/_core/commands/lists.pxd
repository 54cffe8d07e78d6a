"""What the commands on lists share with those that move elements between lists."""
from libc.stdint cimport int64_t

from kv._core.objects.entry cimport Entry
from kv._core.runtime.state cimport Context

cdef void elements_removed(Context *c, int index, Entry *entry, int64_t count, bint head) noexcept nogil
cdef void pop_one(Context *c, int index, Entry *entry, bint head) noexcept nogil
cdef void pop_range(Context *c, int index, Entry *entry, int64_t count, bint head) noexcept nogil
