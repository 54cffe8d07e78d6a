"""What SCAN, HSCAN, SSCAN and ZSCAN share: options, the walk over a hash table, what is kept on the way."""
from libc.stdint cimport int64_t, uint64_t

from kv._core.base.buffer cimport Buffer, buffer_append
from kv._core.base.slice cimport Slice
from kv._core.runtime.state cimport Context

cdef enum:
    ANY_TYPE = -1

cdef struct Scan:
    Slice pattern           # of MATCH
    bint filtered           # there is one, and it does not match everything
    int64_t count           # of COUNT: elements after which the walk ends
    int type                # of TYPE, or ANY_TYPE
    bint names_only         # NOVALUES, NOSCORES
    int64_t sampled         # elements visited, kept or not
    int64_t buckets         # that may yet be visited
    Buffer found            # addresses of the elements that are kept
    Buffer expired          # ... of entries that were found expired

cdef bint scan_cursor_or_reply(Context *c, int index, uint64_t *cursor) noexcept nogil
cdef bint scan_options_or_reply(Context *c, int first, int type, Scan *scan) noexcept nogil
cdef bint scan_matches(const Scan *scan, const char *name, size_t length) noexcept nogil
cdef void scan_begin(Scan *scan) noexcept nogil
cdef bint scan_goes_on(Scan *scan, uint64_t cursor) noexcept nogil
cdef void scan_free(Scan *scan) noexcept nogil


cdef inline void scan_keep(Buffer *list, void *element) noexcept nogil:
    buffer_append(list, <const char *> &element, sizeof(void *))


cdef inline size_t scan_kept(const Buffer *list) noexcept nogil:
    """How many elements a list holds."""
    return list.length // sizeof(void *)


cdef inline void *scan_element(const Buffer *list, size_t index) noexcept nogil:
    return (<void **> list.data)[index]
