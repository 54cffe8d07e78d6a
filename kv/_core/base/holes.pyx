"""Giving the empty parts of a page that still holds blocks back to the system.

After most keys were deleted nearly every page of the allocator keeps a block or two. A *part* is one of the system's pages
(4 KiB) in such a page. One that is covered by free blocks alone is given back, and is a *hole* then. The blocks that touch it
leave the page's list of free blocks, since that list runs through the blocks themselves and would make the part resident
again. A page without other free blocks fills its holes one by one: their blocks return to the list, and the system gives
memory when they are written to.

    part     |    0    |    1    |    2    |    3    |
    block    | a  | b  | c  | d  | e  | f  | g  | h  |     b to e are free: 1 is a hole, and b, c, d, e are not in the list
              used                    used

Does it pay to look? A search walks all free blocks of a page. How likely a part is without a used block follows from the share
of the page that is used and from how many blocks touch a part, so pages of small blocks are searched only when they are nearly
empty; and each page is searched again only when it has become emptier.

Only the allocator's owner calls this, and not for a page that its class allocates from now. Blocks that other threads freed
count as used until the owner has taken them over.
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uintptr_t
from libc.string cimport memset

from kv._core.base.page cimport PAGE_BYTES, Page
from kv._core.base.platform cimport bit_count, lowest_bit

cdef extern from "<math.h>" nogil:
    double pow(double base, double exponent)

cdef extern from "<sys/mman.h>" nogil:
    int madvise(void *address, size_t length, int advice)
    enum:
        MADV_DONTNEED

cdef extern from "<unistd.h>" nogil:
    long sysconf(int name)
    enum:
        _SC_PAGESIZE

cdef enum:
    BLOCKS_MOST = PAGE_BYTES // 8   # of the smallest class in a page
    SHARES = 64                     # the unit of Page.searched

cdef size_t part_bytes = <size_t> sysconf(_SC_PAGESIZE)
cdef size_t parts = PAGE_BYTES // part_bytes    # in a page: at most 16
cdef size_t bytes_of_holes = 0
cdef uint8_t is_free[BLOCKS_MOST]   # of a page's blocks, while one is looked at


cdef size_t holes_bytes() noexcept nogil:
    """Bytes of all holes there are."""
    return bytes_of_holes


cdef inline uint16_t parts_of(const Page *page, size_t block) noexcept nogil:
    """The parts that a block touches, as bits."""
    cdef size_t start = block * page.block_size
    cdef size_t first = start // part_bytes
    cdef size_t behind = (start + page.block_size - 1) // part_bytes + 1
    return <uint16_t> ((1 << behind) - (1 << first))


cdef inline size_t carved_parts(const Page *page) noexcept nogil:
    """How many parts blocks reach into: what is behind them may never have been resident, and is counted elsewhere."""
    return (<size_t> page.carved * page.block_size + part_bytes - 1) // part_bytes


cdef inline void list_block(Page *page, char *start, size_t block) noexcept nogil:
    cdef void *freed = start + block * page.block_size
    (<void **> freed)[0] = page.blocks
    page.blocks = freed


cdef bint holes_worth_searching(Page *page) noexcept nogil:
    """Whether so many blocks are free that a new hole is likely, and more than at the last search; the page remembers that it
    was asked."""
    cdef uint32_t share = page.used * SHARES // page.capacity
    cdef double blocks_a_part = <double> part_bytes / page.block_size + 1
    if share >= page.searched or parts < 2 or page.carved == 0:
        return False
    if pow(1.0 - <double> page.used / page.capacity, blocks_a_part) * parts < 0.5:
        return False
    page.searched = <uint16_t> share
    return True


cdef size_t note_free_blocks(const Page *page) noexcept nogil:
    """Fill in `is_free`; how many blocks the page's list has."""
    cdef const void *block = page.blocks
    cdef size_t i, listed = 0
    memset(is_free, 0, page.carved)
    while block != NULL:
        is_free[(<uintptr_t> block & (PAGE_BYTES - 1)) // page.block_size] = True
        block = (<void *const *> block)[0]
        listed += 1
    if page.holes:
        for i in range(page.carved):
            if parts_of(page, i) & page.holes:
                is_free[i] = True
    return listed


cdef size_t holes_make(Page *page, char *start) noexcept nogil:
    """Give back the parts that hold nothing but free blocks; their bytes."""
    global bytes_of_holes
    cdef uint16_t empty = <uint16_t> ((1 << carved_parts(page)) - 1)
    cdef uint16_t made
    cdef size_t i
    note_free_blocks(page)
    for i in range(page.carved):
        if not is_free[i]:
            empty &= ~parts_of(page, i)
    made = empty & ~page.holes
    if made == 0:
        return 0
    page.holes = empty
    page.blocks = NULL
    for i in range(page.carved, 0, -1):     # the lowest block stands first in the list then
        if is_free[i - 1] and parts_of(page, i - 1) & empty == 0:
            list_block(page, start, i - 1)
    give_back(start, made)
    bytes_of_holes += <size_t> bit_count(made) * part_bytes
    return <size_t> bit_count(made) * part_bytes


cdef void give_back(char *start, uint16_t made) noexcept nogil:
    """A system call for each run of neighbours."""
    cdef size_t first, i = 0
    while i < parts:
        first = i
        while i < parts and made >> i & 1:
            i += 1
        if i > first:
            madvise(start + first * part_bytes, (i - first) * part_bytes, MADV_DONTNEED)
        i += 1


cdef bint holes_fill(Page *page, char *start) noexcept nogil:
    """Put the blocks of the page's holes back into its list, the lowest hole first, until the list has one; whether it has."""
    global bytes_of_holes
    cdef size_t hole, block, first
    while page.blocks == NULL and page.holes:
        hole = lowest_bit(page.holes)
        page.holes &= page.holes - 1
        bytes_of_holes -= part_bytes
        first = hole * part_bytes // page.block_size
        block = ((hole + 1) * part_bytes - 1) // page.block_size + 1
        if block > page.carved:
            block = page.carved
        while block > first:
            block -= 1
            if parts_of(page, block) & page.holes == 0:
                list_block(page, start, block)
    return page.blocks != NULL


cdef void holes_forget(Page *page) noexcept nogil:
    """The page is about to begin anew: its blocks are carved again, those in holes too."""
    global bytes_of_holes
    bytes_of_holes -= <size_t> bit_count(page.holes) * part_bytes
    page.holes = 0


cdef const char *holes_check(const Page *page, char *start) noexcept nogil:
    """What is wrong with the page's account of its free blocks; NULL: nothing."""
    cdef const void *block = page.blocks
    cdef size_t i, listed, free_blocks = 0
    while block != NULL:
        if <uintptr_t> block - <uintptr_t> start >= <size_t> page.carved * page.block_size:
            return "a free block that is not the page's"
        if (<uintptr_t> block - <uintptr_t> start) % page.block_size:
            return "a free block between two blocks"
        if parts_of(page, (<uintptr_t> block - <uintptr_t> start) // page.block_size) & page.holes:
            return "a free block in a hole is in the list"
        block = (<void *const *> block)[0]
    listed = note_free_blocks(page)
    for i in range(page.carved):
        free_blocks += is_free[i]
    if free_blocks + page.used != page.carved:
        return "used and free blocks are not all blocks"
    if listed > free_blocks:
        return "a block is twice in the list"
    return NULL
