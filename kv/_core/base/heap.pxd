"""glibc's heap, where blocks above 16 KiB and Python's own are: how much of it is free."""

cdef struct Heap:               # bytes
    size_t holes                # free between blocks
    size_t trimmed              # ... that the system got back, about
    size_t top                  # free behind the last block

cdef void heap_look() noexcept nogil            # takes about 0.1 us for each hole
cdef Heap heap_figures() noexcept nogil         # as of the last look, or trim
cdef void heap_trim(size_t (*resident)() noexcept nogil) noexcept nogil     # resident: the process's resident set now
