"""glibc's heap.

glibc counts what is free in its heap, in a walk over all holes. It does not tell how much of that is resident: a trim gives
the whole pages of holes back to the system, and they stay holes. What a trim gave back is known by the resident set before
and after it, and is at least the holes without a page for each (half of one at either end, on average). Between trims holes
are filled and made; those that were filled had been trimmed as often as the rest.

musl's heap tells nothing and gives its holes back by itself: of it all figures here are zero.
"""
from libc.stdint cimport int64_t

from kv._core.base.clibrary cimport kv_heap_figures, kv_heap_trim

cdef extern from "<unistd.h>" nogil:
    long sysconf(int name)
    enum:
        _SC_PAGESIZE

cdef size_t page_bytes = <size_t> sysconf(_SC_PAGESIZE)
cdef Heap seen                  # at the last look
cdef size_t chunks_seen = 0     # in how many places bytes were free


cdef void heap_look() noexcept nogil:
    global chunks_seen
    cdef size_t holes, top
    kv_heap_figures(&holes, &chunks_seen, &top)
    holes -= top if top < holes else holes
    if holes < seen.holes:
        seen.trimmed = <size_t> (seen.trimmed * (<double> holes / <double> seen.holes))
    seen.holes, seen.top = holes, top


cdef Heap heap_figures() noexcept nogil:
    return seen


cdef void heap_trim(size_t (*resident)() noexcept nogil) noexcept nogil:
    """Have glibc give the whole pages of its holes, and of its heap's end, back to the system."""
    cdef int64_t lost = resident()
    cdef size_t top, edges
    heap_look()
    top = seen.top
    kv_heap_trim()
    lost -= resident()
    heap_look()
    lost -= <int64_t> (top - seen.top)
    if lost > 0:
        seen.trimmed += lost
    edges = chunks_seen * page_bytes
    if seen.holes > edges and seen.trimmed < seen.holes - edges:
        seen.trimmed = seen.holes - edges
    if seen.trimmed > seen.holes:
        seen.trimmed = seen.holes
