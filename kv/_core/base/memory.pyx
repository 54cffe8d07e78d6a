"""Accounted allocation.

Why not malloc alone? A key with a small value is one block of 24 to 200 bytes. glibc adds 8 bytes to a
block and rounds it to 16; a size class every 8 bytes without a header in front makes the commonest entry
40 bytes instead of 48, and the fast paths below are a list pop and a list push.

A *page* is 64 KiB of one size class inside one reserved range of addresses, so that a block's page is found
by a shift, and that a pointer outside the range is known to be glibc's: blocks above 16 KiB are. Why not above 4 KiB, the
system's page? A list is nodes of 8 KiB, and glibc gives the end of its heap back with a system call for each few of them
that are freed. Pages are described in an array beside the range, not in the pages: headers at equal offsets would compete
for the same cache sets.

A page hands out never-used blocks in order (`carved`), so memory that nobody asked for is not resident; a page whose
last block is freed goes back to a pool, and memory_purge() gives pooled pages back to the system.

A page with one live block would keep its 64 KiB. So memory_purge() also gives back the holes of a page that holds few blocks
(base/holes). A class allocates from its fuller pages first (`partial`), and from those that are nearly empty or have holes
(`sparse`) only then, so that these get a chance to empty.

A forked child shares all pages, and a hole that is filled is a page of the system that is copied. So while one lives the pages
that had room when it was forked are put aside as if they were full (memory_spare_pages): new blocks come from new pages, and from
those where something was freed since, which are copied anyway. So what comes on top is never more than what was freed and
written. The child, for its part, gives back what it has saved (memory_dismiss).

Threads: one thread owns the allocator, the one that runs the engine. Other threads (lazy free) may only free; their
blocks are pushed on the page's `remote` list, which the owner takes over when the page runs dry or in memory_purge().
The list is counted, after each push: where the count says that it holds every block of the page, the page is empty
and is taken back without walking the list. A flushed database costs the owner a look at each page, not at each
block. (The count may lag behind the list, and a new life of the page may begin before it has caught up; it is never
ahead.)

`memory_used` counts what was really taken: the size class of a small block, glibc's usable size plus its header
for a large one. memory_figures() sets it beside what the system gave for it: the pages that hold blocks, so far as they were
carved, with the holes in them; glibc's heap, with the holes that a trim did not give back; what is kept for reuse. A block
whose size is a multiple of 64 is aligned to 64.

Under AddressSanitizer every block is malloc's own, so that it sees each overrun.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uintptr_t
from libc.stdio cimport snprintf
from libc.stdlib cimport free
from libc.string cimport memcpy, memset

from kv._core.base.heap cimport Heap, heap_figures, heap_trim
from kv._core.base.holes cimport (
    holes_bytes, holes_check, holes_fill, holes_forget, holes_make, holes_worth_searching)
from kv._core.base.page cimport (
    NEVER_SEARCHED, PAGE_BYTES, PAGE_CURRENT, PAGE_EMPTY, PAGE_FULL, PAGE_PARTIAL, PAGE_SHIFT, Page)
from kv._core.base.platform cimport ASAN, likely, panic, unlikely

cdef extern from "<malloc.h>" nogil:
    size_t malloc_usable_size(void *block)
    void *aligned_alloc(size_t alignment, size_t size)
    void *c_malloc "malloc"(size_t size)
    void *c_realloc "realloc"(void *block, size_t size)

cdef extern from "<sys/mman.h>" nogil:
    void *mmap(void *address, size_t length, int protection, int flags, int fd, int64_t offset)
    int munmap(void *address, size_t length)
    int mprotect(void *address, size_t length, int protection)
    int madvise(void *address, size_t length, int advice)
    enum:
        PROT_NONE
        PROT_READ
        PROT_WRITE
        MAP_PRIVATE
        MAP_ANONYMOUS
        MAP_NORESERVE
        MADV_DONTNEED
    void *MAP_FAILED

cdef extern from "<unistd.h>" nogil:
    long sysconf(int name)
    enum:
        _SC_PHYS_PAGES
        _SC_PAGESIZE

cdef extern from *:
    """
    #include "clibrary.h"

    static KV_THREAD int kv_is_guest;               /* not the owner's thread */
    static KV_THREAD size_t *kv_guest_remote;       /* where it counts what it frees */
    #define kv_remote_push(head, block) do { \\
        void *seen_ = __atomic_load_n((head), __ATOMIC_RELAXED); \\
        do { *(void **)(block) = seen_; } while (!__atomic_compare_exchange_n((head), &seen_, (block), 1, \\
                                                   __ATOMIC_RELEASE, __ATOMIC_RELAXED)); } while (0)
    #define kv_remote_take(head) __atomic_exchange_n((head), NULL, __ATOMIC_ACQUIRE)
    #define kv_remote_count(counter, n) __atomic_fetch_add((counter), (n), __ATOMIC_RELEASE)
    #define kv_remote_counted(counter) __atomic_load_n((counter), __ATOMIC_ACQUIRE)
    #define kv_atomic_add(counter, n) __atomic_fetch_add((counter), (n), __ATOMIC_RELAXED)
    #define kv_atomic_load(counter) __atomic_load_n((counter), __ATOMIC_RELAXED)
    """
    int kv_is_guest
    size_t *kv_guest_remote
    void kv_remote_push(void **head, void *block) noexcept nogil
    void *kv_remote_take(void **head) noexcept nogil
    void kv_remote_count(uint32_t *counter, uint32_t n) noexcept nogil
    uint32_t kv_remote_counted(uint32_t *counter) noexcept nogil
    void kv_atomic_add(size_t *counter, size_t n) noexcept nogil
    size_t kv_atomic_load(size_t *counter) noexcept nogil

cdef enum:
    COMMIT_BYTES = 4 << 20          # pages are made writable this many bytes at a time
    LARGEST_SMALL = 16384
    CLASSES = 81
    SPARSE_SHARE = 4                # a page is sparse that has less than this part of its blocks in use
    POOLED_PAGES = 16               # empty pages that memory_purge leaves for reuse
    MALLOC_HEADER = 8

cdef char *region = NULL            # the reserved range
cdef size_t region_size = 0         # its bytes
cdef size_t region_committed = 0    # bytes of it that are readable and writable
cdef size_t system_page = <size_t> sysconf(_SC_PAGESIZE)
cdef size_t region_taken = 0        # bytes of it that were ever made into pages
cdef Page *pages = NULL             # one a page of the range
cdef Page *current[CLASSES]
cdef Page *partial[CLASSES]     # pages with room, the sparse ones apart
cdef Page *sparse[CLASSES]
cdef Page *pool = NULL              # empty pages
cdef size_t pool_pages = 0
cdef size_t touched_pool_bytes = 0  # of them, what is resident
cdef size_t live_pages = 0          # pages that hold blocks
cdef size_t tails = 0               # bytes of them behind the last block that fits
cdef size_t touched_tails = 0       # ... that are resident, since the page had another class before
cdef size_t purge_at = 0            # page that the purge looks at next
cdef size_t purge_kept = 0          # empty pages that it left for reuse so far
cdef size_t class_sizes[CLASSES]
cdef MemoryAccount process_account  # of whatever is taken before there is another one
cdef MemoryAccount *account = &process_account  # whose blocks are taken and freed now
cdef size_t account_offset = 0      # what it has used beyond used_bytes, modulo 2^64
cdef size_t used_bytes = 0          # of all accounts, what other threads freed included
cdef size_t remote_bytes = 0        # what other threads freed; atomic
cdef bint sparing = False           # pages with room were put aside, as full
cdef bint dismissing = False        # this is a forked child, which may give back what it needs no longer
cdef size_t large_bytes = 0         # of used_bytes, what is glibc's
cdef size_t remote_large_bytes = 0  # of remote_bytes, what was; atomic


cdef inline int class_of(size_t size) noexcept nogil:
    """The smallest class that holds `size` bytes: steps of 8 to 256, then eight steps to each doubling, to 16 KiB."""
    if size <= 256:
        return <int> ((size + 7) >> 3) if size else 1
    if size <= 512:
        return 32 + <int> ((size - 256 + 31) >> 5)
    if size <= 1024:
        return 40 + <int> ((size - 512 + 63) >> 6)
    if size <= 2048:
        return 48 + <int> ((size - 1024 + 127) >> 7)
    if size <= 4096:
        return 56 + <int> ((size - 2048 + 255) >> 8)
    if size <= 8192:
        return 64 + <int> ((size - 4096 + 511) >> 9)
    return 72 + <int> ((size - 8192 + 1023) >> 10)


cdef void fill_class_sizes() noexcept nogil:
    cdef int i
    for i in range(CLASSES):
        if i <= 32:
            class_sizes[i] = 8 * i
        elif i <= 40:
            class_sizes[i] = 256 + 32 * (i - 32)
        elif i <= 48:
            class_sizes[i] = 512 + 64 * (i - 40)
        elif i <= 56:
            class_sizes[i] = 1024 + 128 * (i - 48)
        elif i <= 64:
            class_sizes[i] = 2048 + 256 * (i - 56)
        elif i <= 72:
            class_sizes[i] = 4096 + 512 * (i - 64)
        else:
            class_sizes[i] = 8192 + 1024 * (i - 72)


cdef void reserve_region() noexcept nogil:
    """Take addresses, not memory: twice the machine's, or as much as a limit on addresses allows, or none."""
    global region, region_size, pages
    cdef size_t want = 2 * <size_t> sysconf(_SC_PHYS_PAGES) * <size_t> sysconf(_SC_PAGESIZE)
    cdef char *start
    cdef void *table
    cdef size_t skip
    want &= ~(<size_t> COMMIT_BYTES - 1)
    while want >= 64 << 20:
        start = <char *> mmap(NULL, want + PAGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        if start != <char *> MAP_FAILED:
            table = mmap(NULL, (want >> PAGE_SHIFT) * sizeof(Page), PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
            if table != MAP_FAILED:
                skip = (PAGE_BYTES - (<uintptr_t> start & (PAGE_BYTES - 1))) & (PAGE_BYTES - 1)
                region, region_size, pages = start + skip, want, <Page *> table
                return
            munmap(start, want + PAGE_BYTES)
        want = (want // 2) & ~(<size_t> COMMIT_BYTES - 1)


cdef inline bint in_region(const void *block) noexcept nogil:
    return <uintptr_t> block - <uintptr_t> region < region_size


cdef inline Page *page_of(const void *block) noexcept nogil:
    return pages + ((<uintptr_t> block - <uintptr_t> region) >> PAGE_SHIFT)


cdef inline char *page_start(Page *page) noexcept nogil:
    return region + ((<size_t> (page - pages)) << PAGE_SHIFT)


cdef Page *page_new(int size_class) noexcept nogil:
    """An empty page for the class, from the pool or the range; NULL where the range is used up."""
    global pool, pool_pages, touched_pool_bytes, live_pages, region_taken, region_committed, tails, touched_tails
    cdef Page *page = pool
    if page != NULL:
        pool = page.next
        pool_pages -= 1
        touched_pool_bytes -= page.reached * system_page
    else:
        if region_taken == region_committed:
            if region_committed + COMMIT_BYTES > region_size:
                return NULL
            if mprotect(region + region_committed, COMMIT_BYTES, PROT_READ | PROT_WRITE) != 0:
                return NULL
            region_committed += COMMIT_BYTES
        page = pages + (region_taken >> PAGE_SHIFT)
        region_taken += PAGE_BYTES
    live_pages += 1
    page.blocks = page.remote = NULL
    page.used = page.carved = 0
    page.size_class = <uint8_t> size_class
    page.block_size = <uint32_t> class_sizes[size_class]
    page.capacity = PAGE_BYTES // page.block_size
    tails += tail_of(page)
    touched_tails += touched_behind(page, page.capacity)
    page.next = page.previous = NULL
    page.sparse = False
    page.searched = NEVER_SEARCHED
    return page


cdef inline size_t extent(const Page *page, uint32_t blocks) noexcept nogil:
    """Bytes of the system's pages that so many blocks reach into."""
    return (<size_t> blocks * page.block_size + system_page - 1) & ~(system_page - 1)


cdef inline size_t tail_of(const Page *page) noexcept nogil:
    return PAGE_BYTES - extent(page, page.capacity)


cdef inline size_t touched_behind(const Page *page, uint32_t blocks) noexcept nogil:
    """Bytes behind so many blocks that are resident from an earlier use of the page."""
    cdef size_t reached = page.reached * system_page
    return reached - extent(page, blocks) if reached > extent(page, blocks) else 0


cdef inline void note_reached(Page *page) noexcept nogil:
    """Before the page is carved anew."""
    if extent(page, page.carved) > page.reached * system_page:
        page.reached = <uint8_t> (extent(page, page.carved) // system_page)


cdef inline Page **list_of(Page *page) noexcept nogil:
    return &sparse[page.size_class] if page.sparse else &partial[page.size_class]


cdef void partial_push(Page *page) noexcept nogil:
    cdef Page **first = list_of(page)
    page.state = PAGE_PARTIAL
    page.previous, page.next = NULL, first[0]
    if first[0] != NULL:
        first[0].previous = page
    first[0] = page


cdef void partial_remove(Page *page) noexcept nogil:
    if page.previous != NULL:
        page.previous.next = page.next
    else:
        list_of(page)[0] = page.next
    if page.next != NULL:
        page.next.previous = page.previous


cdef void partial_move(Page *page, bint is_sparse) noexcept nogil:
    """To the other list of its class."""
    partial_remove(page)
    page.sparse = is_sparse
    partial_push(page)


cdef void page_release(Page *page) noexcept nogil:
    """Put an empty page into the pool."""
    global pool, pool_pages, touched_pool_bytes, live_pages, tails, touched_tails
    holes_forget(page)
    tails -= tail_of(page)
    touched_tails -= touched_behind(page, page.capacity)
    note_reached(page)
    page.state = PAGE_EMPTY
    page.next = pool
    pool = page
    pool_pages += 1
    touched_pool_bytes += page.reached * system_page
    live_pages -= 1


cdef bint take_remote(Page *page) noexcept nogil:
    """Move what other threads freed to the page's own list; true if there was any."""
    cdef void *block
    cdef void *following
    cdef uint32_t taken = 0
    if page.used and kv_remote_counted(&page.remote_count) == page.used:
        kv_remote_take(&page.remote)
        kv_remote_count(&page.remote_count, 0 - page.used)
        page.blocks = NULL
        holes_forget(page)
        note_reached(page)
        page.used = page.carved = 0
        return True
    block = kv_remote_take(&page.remote)
    if block == NULL:
        return False
    while block != NULL:
        following = (<void **> block)[0]
        (<void **> block)[0] = page.blocks
        page.blocks = block
        taken += 1
        block = following
    page.used -= taken
    kv_remote_count(&page.remote_count, 0 - taken)
    return True


cdef void *alloc_slow(int size_class) noexcept nogil:
    """The current page is dry: take over remote frees, fill its holes, else take a page with room, else a new one."""
    cdef Page *page = current[size_class]
    if page != NULL and not take_remote(page) and not holes_fill(page, page_start(page)):
        page.state = PAGE_FULL
        page = NULL
    if page == NULL:
        page = partial[size_class] if partial[size_class] != NULL else sparse[size_class]
        if page != NULL:
            partial_remove(page)
            page.sparse = False
            page.searched = NEVER_SEARCHED
            if page.blocks == NULL:
                holes_fill(page, page_start(page))
        else:
            page = page_new(size_class)
            if page == NULL:
                current[size_class] = NULL
                return NULL
        page.state = PAGE_CURRENT
        current[size_class] = page
    return page_take(page)


# -- allocating ---------------------------------------------------------------------------------------------------


cdef inline void *page_take(Page *page) noexcept nogil:
    """A block of the page, NULL where it has none."""
    cdef void *block = page.blocks
    if block != NULL:
        page.blocks = (<void **> block)[0]
    elif page.carved < page.capacity:
        block = page_start(page) + <size_t> page.carved * page.block_size
        page.carved += 1
    else:
        return NULL
    page.used += 1
    return block


cdef void out_of_memory(size_t size) noexcept nogil:
    cdef char text[96]
    snprintf(text, sizeof(text), b"Out Of Memory allocating %zu bytes!", size)
    panic(text)


cdef inline void count_large(size_t taken, size_t given) noexcept nogil:
    """The owner's thread took, and gave back, so many bytes of glibc's."""
    global used_bytes, large_bytes
    used_bytes += taken - given
    large_bytes += taken - given


cdef void *large_alloc(size_t size) noexcept nogil:
    cdef void *block
    if ASAN and size == 0:
        size = 1
    if size & 63 == 0:
        block = aligned_alloc(64, size)
    else:
        block = c_malloc(size)
    if block == NULL:
        out_of_memory(size)
    count_large(malloc_usable_size(block) + MALLOC_HEADER, 0)
    return block


cdef void *memory_alloc(size_t size) noexcept nogil:
    """A block of at least `size` bytes, aligned to 8 (to 64 where size is a multiple of 64). Stops the process
    where there is no memory."""
    global used_bytes
    cdef int size_class
    cdef Page *page
    cdef void *block
    if unlikely(size > LARGEST_SMALL) or ASAN:
        return large_alloc(size)
    size_class = class_of(size)
    page = current[size_class]
    block = page_take(page) if likely(page != NULL) else NULL
    if unlikely(block == NULL):
        block = alloc_slow(size_class)
        if unlikely(block == NULL):
            return large_alloc(size)
    used_bytes += class_sizes[size_class]
    return block


cdef void *memory_calloc(size_t size) noexcept nogil:
    cdef void *block = memory_alloc(size)
    memset(block, 0, size)
    return block


cdef void memory_free(void *block) noexcept nogil:
    """Give a block back; NULL is allowed. Any thread may."""
    global used_bytes
    cdef Page *page
    if block == NULL:
        return
    if unlikely(kv_is_guest):
        free_from_guest(block)
        return
    if unlikely(not in_region(block)):
        count_large(0, malloc_usable_size(block) + MALLOC_HEADER)
        free(block)
        return
    page = page_of(block)
    used_bytes -= page.block_size
    (<void **> block)[0] = page.blocks
    page.blocks = block
    page.used -= 1
    if unlikely(page.state == PAGE_FULL):
        partial_push(page)
    if unlikely(page.used == 0) and page.state == PAGE_PARTIAL:
        partial_remove(page)
        page_release(page)


cdef inline void count_remote(size_t bytes) noexcept nogil:
    kv_atomic_add(&remote_bytes, bytes)
    kv_atomic_add(kv_guest_remote, bytes)


cdef void free_from_guest(void *block) noexcept nogil:
    cdef Page *page
    if not in_region(block):
        count_remote(malloc_usable_size(block) + MALLOC_HEADER)
        kv_atomic_add(&remote_large_bytes, malloc_usable_size(block) + MALLOC_HEADER)
        free(block)
        return
    page = page_of(block)
    count_remote(page.block_size)
    kv_remote_push(&page.remote, block)
    kv_remote_count(&page.remote_count, 1)


cdef size_t memory_size(const void *block) noexcept nogil:
    """The bytes of the block that its owner may use."""
    if in_region(block):
        return page_of(block).block_size
    return malloc_usable_size(<void *> block)


cdef size_t memory_class_size(size_t size) noexcept nogil:
    """What memory_size of a block of `size` bytes would be (about, for large ones)."""
    if size > LARGEST_SMALL or ASAN:
        return (size + 7) & ~(<size_t> 7)
    return class_sizes[class_of(size)]


cdef void *memory_realloc(void *block, size_t size) noexcept nogil:
    """As C's realloc; the alignment is that of memory_alloc(size)."""
    cdef size_t held
    cdef void *moved
    if block == NULL:
        return memory_alloc(size)
    if in_region(block):
        held = page_of(block).block_size
        if size <= LARGEST_SMALL and class_sizes[class_of(size)] == held:
            return block
    else:
        held = malloc_usable_size(block)
        if (size > LARGEST_SMALL or ASAN) and size & 63:
            moved = c_realloc(block, size if size else 1)
            if moved == NULL:
                out_of_memory(size)
            count_large(malloc_usable_size(moved), held)
            return moved
    moved = memory_alloc(size)
    memcpy(moved, block, held if held < size else size)
    memory_free(block)
    return moved


cdef size_t memory_used() noexcept nogil:
    """Bytes taken by live blocks of the account that is entered."""
    return used_bytes + account_offset - kv_atomic_load(&account.remote)


cdef void memory_set_limit(size_t limit) noexcept nogil:
    """Bytes beyond which what can wait should not be allocated; 0 for no limit. memory_alloc itself does not look
    at it."""
    account.limit = limit


cdef bint memory_would_exceed(size_t more) noexcept nogil:
    """Whether so many bytes more would pass the limit."""
    return account.limit != 0 and memory_used() + more > account.limit


cdef size_t memory_slab_bytes() noexcept nogil:
    """Bytes of the pages that hold small blocks, free blocks in them included, but what was given back of them."""
    return (live_pages << PAGE_SHIFT) - holes_bytes()


cdef void current_pages(size_t *unused, size_t *touched) noexcept nogil:
    """Bytes of the pages that classes allocate from which no block was carved from yet, and of these what is resident all the
    same. All other pages were carved to their ends."""
    cdef Page *page
    cdef int i
    unused[0] = touched[0] = 0
    for i in range(CLASSES):
        page = current[i]
        if page != NULL:
            unused[0] += extent(page, page.capacity) - extent(page, page.carved)
            touched[0] += touched_behind(page, page.carved) - touched_behind(page, page.capacity)


cdef MemoryFigures memory_figures() noexcept nogil:
    """The owner's thread asks. Of glibc's heap the holes are counted that no trim gave back to the system, as they were when
    it was last looked at (base/heap)."""
    cdef MemoryFigures figures
    cdef Heap heap = heap_figures()
    cdef size_t unused, touched
    current_pages(&unused, &touched)
    figures.allocated = used_bytes - kv_atomic_load(&remote_bytes)
    figures.active = ((live_pages << PAGE_SHIFT) - tails - holes_bytes() - unused
                      + large_bytes - kv_atomic_load(&remote_large_bytes) + heap.holes - heap.trimmed)
    figures.resident = figures.active + touched + touched_tails + touched_pool_bytes + heap.top
    return figures


cdef size_t memory_resident() noexcept nogil:
    """The process's resident set in bytes, from /proc/self/statm; 0 where it can't be read."""
    cdef FILE *stream = fopen("/proc/self/statm", "r")
    cdef unsigned long total = 0, resident = 0
    if stream == NULL:
        return 0
    if fscanf(stream, "%lu %lu", &total, &resident) != 2:
        resident = 0
    fclose(stream)
    return resident * <size_t> sysconf(_SC_PAGESIZE)


cdef extern from "<stdio.h>" nogil:
    ctypedef struct FILE:
        pass
    FILE *fopen(const char *path, const char *mode)
    int fscanf(FILE *stream, const char *form, ...)
    int fclose(FILE *stream)


cdef size_t memory_purge() noexcept nogil:
    """Give unused memory back to the system: what other threads freed is taken over, pooled pages beyond a few are
    returned, glibc's heap is trimmed. The bytes of pages returned."""
    global purge_at, purge_kept
    cdef size_t returned = 0
    purge_at = purge_kept = 0
    while memory_purge_slice(region_taken >> PAGE_SHIFT, &returned):
        pass
    return returned


cdef bint memory_purge_slice(size_t most, size_t *returned) noexcept nogil:
    """A part of memory_purge: the next so many pages. True while there are more; then it begins anew. After a flush of
    many GB a whole purge would keep everybody waiting."""
    global purge_at, purge_kept
    cdef size_t count = region_taken >> PAGE_SHIFT
    while purge_at < count and most:
        returned[0] += purge_page(pages + purge_at)
        purge_at += 1
        most -= 1
    if purge_at < count:
        return True
    purge_at = purge_kept = 0
    heap_trim(memory_resident)
    return False


cdef size_t purge_page(Page *page) noexcept nogil:
    """Take over what other threads freed; the bytes of the page that were given back."""
    cdef size_t returned
    global purge_kept, touched_pool_bytes
    if page.state != PAGE_EMPTY and page.remote != NULL and take_remote(page):
        if page.state == PAGE_FULL:
            partial_push(page)
        if page.used == 0 and page.state == PAGE_PARTIAL:
            partial_remove(page)
            page_release(page)
    if page.state == PAGE_PARTIAL:
        return purge_holes(page)
    if page.state != PAGE_EMPTY or page.reached == 0:
        return 0
    purge_kept += 1
    if purge_kept <= POOLED_PAGES:
        return 0
    returned = page.reached * system_page
    madvise(page_start(page), returned, MADV_DONTNEED)
    touched_pool_bytes -= returned
    page.reached = 0
    return returned


cdef size_t purge_holes(Page *page) noexcept nogil:
    """Give back the holes of a page that has room, and put it into the list that it belongs to; the bytes."""
    cdef size_t returned = holes_make(page, page_start(page)) if holes_worth_searching(page) else 0
    cdef bint is_sparse = page.holes != 0 or page.used * SPARSE_SHARE < page.capacity
    if is_sparse != page.sparse:
        partial_move(page, is_sparse)
    return returned


cdef size_t memory_spare() noexcept nogil:
    """Bytes that a purge might give back, about: of pages, what neither blocks nor holes take."""
    return ((live_pages << PAGE_SHIFT) + touched_pool_bytes - tails - holes_bytes()
            - (used_bytes - large_bytes - kv_atomic_load(&remote_bytes) + kv_atomic_load(&remote_large_bytes)))


# -- beside a forked child, and in it ---------------------------------------------------------------------------------

cdef void put_aside(Page *page) noexcept nogil:
    """All pages of a list."""
    while page != NULL:
        page.state = PAGE_FULL
        page = page.next


cdef void memory_spare_pages(bint spare) noexcept nogil:
    """A forked child lives from here on, or none does any longer."""
    global sparing
    cdef Page *page
    cdef size_t number
    cdef int i
    if spare == sparing:
        return
    sparing = spare
    if spare:
        for i in range(CLASSES):
            put_aside(partial[i])
            put_aside(sparse[i])
            partial[i] = sparse[i] = NULL
        return
    for number in range(region_taken >> PAGE_SHIFT):
        page = pages + number
        if page.state == PAGE_FULL and (page.blocks != NULL or page.holes):
            partial_push(page)


cdef void memory_begin_dismissing() noexcept nogil:
    """This is a forked child that ends when it has done its work."""
    global dismissing
    dismissing = True


cdef bint memory_dismissing() noexcept nogil:
    """Whether memory_dismiss does anything."""
    return dismissing


cdef void memory_dismiss(const void *block) noexcept nogil:
    """In a forked child: give back the pages of the system that hold nothing but this block, whose bytes are lost. Where its
    parent changes them none is copied. NULL is allowed."""
    cdef uintptr_t start = <uintptr_t> block
    cdef uintptr_t end
    if block == NULL or not dismissing:
        return
    end = (start + memory_size(block)) & ~(<uintptr_t> system_page - 1)
    start = (start + system_page - 1) & ~(<uintptr_t> system_page - 1)
    if end > start:
        madvise(<void *> start, end - start, MADV_DONTNEED)


cdef const char *memory_check() noexcept nogil:
    """Walk all pages; what is wrong, NULL: nothing. While other threads free, their blocks count as used."""
    cdef size_t number, held = 0
    cdef Page *page
    cdef const char *fault
    for number in range(region_taken >> PAGE_SHIFT):
        page = pages + number
        if page.state == PAGE_EMPTY:
            if page.holes:
                return "an empty page with holes"
            continue
        held += <size_t> page.used * page.block_size
        if page.state == PAGE_FULL and not sparing and (page.blocks != NULL or page.holes or page.carved < page.capacity):
            return "a full page that has room"
        if page.state == PAGE_PARTIAL and (page.used == 0 or page.carved < page.capacity):
            return "a page with room that is empty, or was not carved to its end"
        fault = holes_check(page, page_start(page))
        if fault != NULL:
            return fault
    if held != used_bytes - large_bytes and not kv_atomic_load(&remote_bytes):
        return "the pages hold other bytes than are counted"
    return NULL


cdef MemoryAccount *memory_account() noexcept nogil:
    """The account that is entered."""
    return account


cdef void memory_enter_account(MemoryAccount *entered) noexcept nogil:
    """What is taken and freed from here on is this account's. Blocks are freed in the account that they were taken in."""
    global account, account_offset
    account.used = used_bytes + account_offset
    account_offset = entered.used - used_bytes
    account = entered


cdef void memory_free_for(MemoryAccount *owner) noexcept nogil:
    """Whose blocks a thread that does not own the allocator frees from here on."""
    global kv_guest_remote
    kv_guest_remote = &owner.remote


cdef void memory_enter_thread() noexcept nogil:
    """Called first by a thread that does not own the allocator and will free: blocks of the account that is entered now, until
    memory_free_for says whose."""
    global kv_is_guest, kv_guest_remote
    kv_is_guest = 1
    kv_guest_remote = &account.remote


fill_class_sizes()
if not ASAN:
    reserve_region()
