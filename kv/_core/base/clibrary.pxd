"""What the GNU C library has and musl has not (see clibrary.h)."""

cdef extern from "clibrary.h" nogil:
    ctypedef struct Place "kv_place":
        const char *file        # of the module
        const char *name        # of what the module exports, NULL: none
        size_t offset           # bytes behind the module's beginning
        size_t past_name        # ... and behind that of the name
    int kv_thread_id()
    void kv_heap_figures(size_t *free_bytes, size_t *chunks, size_t *top)
    void kv_heap_trim()
    void kv_sort(void *base, size_t count, size_t size,
                 int (*compare)(const void *, const void *, void *) noexcept nogil, void *argument)
    int kv_backtrace(void **frames, int most, void *interrupted, void **stack)
    bint kv_place_of(const void *instruction, Place *place)
