"""Accounted allocation: every byte of the dataset and of the clients comes from here."""

cdef struct MemoryFigures:      # bytes
    size_t allocated            # of live blocks, by their classes: memory_used
    size_t active               # ... with the holes between them: of pages, as far as used, and of glibc's heap
    size_t resident             # ... with what is kept for reuse, and the system has not got back

cdef struct MemoryAccount:      # what one of several owners of memory in a process has taken
    size_t used                 # bytes, as of when it was last left
    size_t limit                # see memory_set_limit
    size_t remote               # bytes that other threads freed of it; atomic

cdef void *memory_alloc(size_t size) noexcept nogil
cdef void *memory_calloc(size_t size) noexcept nogil
cdef void *memory_realloc(void *block, size_t size) noexcept nogil
cdef void memory_free(void *block) noexcept nogil
cdef size_t memory_size(const void *block) noexcept nogil
cdef size_t memory_class_size(size_t size) noexcept nogil
cdef size_t memory_used() noexcept nogil
cdef void memory_set_limit(size_t limit) noexcept nogil
cdef bint memory_would_exceed(size_t more) noexcept nogil
cdef size_t memory_resident() noexcept nogil
cdef size_t memory_slab_bytes() noexcept nogil
cdef MemoryFigures memory_figures() noexcept nogil
cdef size_t memory_purge() noexcept nogil
cdef bint memory_purge_slice(size_t most, size_t *returned) noexcept nogil
cdef size_t memory_spare() noexcept nogil
cdef void memory_spare_pages(bint spare) noexcept nogil
cdef void memory_begin_dismissing() noexcept nogil
cdef bint memory_dismissing() noexcept nogil
cdef void memory_dismiss(const void *block) noexcept nogil
cdef const char *memory_check() noexcept nogil
cdef void memory_enter_thread() noexcept nogil
cdef MemoryAccount *memory_account() noexcept nogil
cdef void memory_enter_account(MemoryAccount *entered) noexcept nogil
cdef void memory_free_for(MemoryAccount *owner) noexcept nogil
