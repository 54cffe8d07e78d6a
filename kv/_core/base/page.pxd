"""A page of the allocator (base/memory): 64 KiB with blocks of one size class."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t

cdef enum:
    PAGE_SHIFT = 16
    PAGE_BYTES = 1 << PAGE_SHIFT
    NEVER_SEARCHED = 65             # of Page.searched

cdef enum PageState:
    PAGE_EMPTY = 0                  # in the pool, or never used
    PAGE_CURRENT                    # the one its class allocates from
    PAGE_PARTIAL                    # has room, waits in one of its class's two lists
    PAGE_FULL                       # in no list

cdef struct Page:
    void *blocks                    # freed blocks, each pointing at the next
    void *remote                    # blocks freed by other threads, not yet taken over
    uint32_t used                   # blocks handed out, remote ones included until taken over
    uint32_t capacity               # blocks that fit
    uint32_t carved                 # blocks handed out at least once since the page was taken
    uint32_t block_size             # bytes of one block
    uint32_t remote_count           # blocks in `remote`, at most; atomic
    Page *next                      # neighbours in the class's list, or in the pool
    Page *previous
    uint16_t holes                  # bit i: its i-th system page was given back, and the blocks on it are not in `blocks`
    uint16_t searched               # blocks in use, in 64ths of the capacity, when holes were last looked for
    uint8_t size_class              # index of the class
    uint8_t state                   # a PageState
    uint8_t reached                 # of the system's pages, from the start: what is behind them was never resident
    uint8_t sparse                  # as PAGE_PARTIAL it is in the list of sparse pages
