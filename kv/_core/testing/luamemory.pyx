"""Allocators for the Lua states of tests. Lua itself is not built with a sanitizer, so memory itself is to tell what it does wrong.

    malloc      each block is one of malloc's, of exactly its size: AddressSanitizer sees what our own code does wrong
    guard       each block ends where a page begins that is not there, and what is freed is not there any more, either: whatever
                reads or writes beside a block, or in one that was freed, is ended by SIGSEGV

Blocks that may be a stack are longer than Lua knows (STACK_SLACK in lua/state), and the guard begins behind that: a block of
Lua's that is no stack, but as long as one may be, can be overrun that far unseen. Without `slack` the guard begins where Lua's
block ends. Programs must then have no function with more than a few parameters before its `...`: Lua gives that a frame that is
too short.

What is allocated may be made to fail, after so many allocations: once, or from there on.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from kv._core.base.pthread cimport pthread_mutex_init, pthread_mutex_lock, pthread_mutex_t, pthread_mutex_unlock
from kv._core.lua.state cimport LuaState, lua_state_allocate_by

cdef extern from "<sys/mman.h>" nogil:
    void *mmap(void *address, size_t length, int protection, int flags, int fd, int64_t offset)
    int mprotect(void *address, size_t length, int protection)
    int PROT_NONE, PROT_READ, PROT_WRITE, MAP_PRIVATE, MAP_ANONYMOUS, MAP_NORESERVE, MAP_FIXED
    void *MAP_FAILED

cdef enum:
    PAGE = 4096
    PAGES = 1 << 23             # that are set aside: 32 GiB of addresses
    GUARDED_MOST = 24000        # blocks at a time: each makes two mappings, of which a process may have 65530
    STACK_LEAST = 720           # as in lua/state
    STACK_SLACK = 1024

cdef int FLAGS = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE

cdef pthread_mutex_t lock       # a state may be closed by another thread
cdef bint guarding = False
cdef bint with_slack = True
cdef char *region = NULL
cdef uint32_t *sizes = NULL     # of the block that begins in a page: its pages
cdef size_t next_page = 0
cdef int64_t guarded = 0        # blocks
cdef int64_t live = 0           # blocks of either kind
cdef uint64_t taken = 0         # blocks ever
cdef int64_t failing_after = -1     # allocations until one fails; below 0: never
cdef bint failing_on = False    # ... and those behind it


cdef inline bint is_guarded(const void *block) noexcept nogil:
    return region != NULL and region <= <const char *> block < region + <size_t> PAGES * PAGE


cdef void *take_guarded(size_t size) noexcept nogil:
    """A block that ends where a page ends, with a page that is not there behind it. NULL: there can be no more of them."""
    global next_page, guarded
    cdef size_t pages = (size + PAGE - 1) // PAGE
    cdef char *start
    if guarded == 0:
        next_page = 0
    if region == NULL or guarded >= GUARDED_MOST or next_page + pages + 1 > <size_t> PAGES:
        return NULL
    start = region + next_page * PAGE
    if mprotect(start, pages * PAGE, PROT_READ | PROT_WRITE) != 0:
        return NULL
    sizes[next_page] = <uint32_t> pages
    next_page += pages + 1
    guarded += 1
    return start + pages * PAGE - size


cdef void *take(size_t size) noexcept nogil:
    cdef void *block = NULL
    pthread_mutex_lock(&lock)
    block = take_guarded(size) if guarding else NULL
    if block == NULL:
        block = malloc(size)
    counted(block)
    pthread_mutex_unlock(&lock)
    return block


cdef inline void counted(void *block) noexcept nogil:
    global live, taken
    if block != NULL:
        live += 1
        taken += 1


cdef void give(void *block) noexcept nogil:
    global live, guarded
    cdef size_t page
    if block == NULL:
        return
    pthread_mutex_lock(&lock)
    live -= 1
    if is_guarded(block):
        page = <size_t> (<char *> block - region) // PAGE
        mmap(region + page * PAGE, <size_t> sizes[page] * PAGE, PROT_NONE, FLAGS | MAP_FIXED, -1, 0)
        guarded -= 1
    else:
        free(block)
    pthread_mutex_unlock(&lock)


cdef bint fails() noexcept nogil:
    """Whether this allocation is one that is to fail."""
    global failing_after
    if failing_after < 0:
        return False
    if failing_after > 0:
        failing_after -= 1
        return False
    if not failing_on:
        failing_after = -1
    return True


cdef void *allocate(void *owner, void *block, size_t old, size_t new) noexcept nogil:
    """Lua's allocator; lua/state has the usual one."""
    cdef LuaState *state = <LuaState *> owner
    cdef size_t slack = STACK_SLACK if with_slack and new >= STACK_LEAST and new % 16 == 0 else 0
    cdef void *got
    if new == 0:
        give(block)
        state.used -= old
        return NULL
    if new > old and (fails() or state.limit != 0 and state.used + (new - old) > state.limit):
        return NULL
    got = take(new + slack)
    if got == NULL:
        return block if new <= old else NULL
    if block != NULL:
        memcpy(got, block, min(old, new))
        give(block)
    state.used += new - old
    return got


cdef int set_region_aside() except -1:
    global region, sizes
    cdef void *found = mmap(NULL, <size_t> PAGES * PAGE, PROT_NONE, FLAGS, -1, 0)
    cdef void *table = mmap(NULL, <size_t> PAGES * sizeof(uint32_t), PROT_READ | PROT_WRITE, FLAGS, -1, 0)
    if found == MAP_FAILED or table == MAP_FAILED:
        raise MemoryError
    region, sizes = <char *> found, <uint32_t *> table
    return 0


def lua_memory(str kind not None, bint slack=True):
    """Where the states that are opened from here on have their memory: "usual", "malloc" or "guard". States of the latter two take
    what they need from then on as was said last, those that are open, too."""
    global guarding, with_slack
    if kind == "guard" and region == NULL:
        set_region_aside()
    guarding, with_slack = kind == "guard", slack
    if kind == "usual":
        lua_state_allocate_by(NULL)
    else:
        lua_state_allocate_by(allocate)


def lua_memory_fails(int64_t after, bint on=False):
    """Have an allocation of the states fail after so many that do not; below 0: none. `on`: all behind it, too."""
    global failing_after, failing_on
    failing_after, failing_on = after, on


def lua_memory_figures():
    """(blocks that are not freed, blocks ever)."""
    return live, taken


pthread_mutex_init(&lock, NULL)
