"""Whether a listpack from elsewhere holds an element twice."""
from kv._core.containers.listpack cimport Listpack

# of units of `stride` elements (2: field and value) the first ones; the pack was validated
cdef bint listpack_is_distinct(const Listpack *pack, int stride) noexcept nogil
