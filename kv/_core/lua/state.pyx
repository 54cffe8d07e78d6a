"""A Lua state with an account of its memory, and what outlives errors that Lua raises.

Lua's memory comes from the C library, not from the dataset's account: `used_memory` and eviction know nothing of scripts, as in
Valkey; INFO shows it beside them (used_memory_vm_*).
"""
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy, memset

from kv._core.base.buffer cimport Buffer, buffer_free, buffer_reserve
from kv._core.base.platform cimport panic, unlikely
from kv._core.lua.api cimport LUA_GCCOLLECT, LUA_OK, lua, lua_Alloc, lua_pop, lua_State

cdef enum:
    # CVE-2014-5461: a vararg function with many parameters is given a frame that is up to some slots short. Blocks that may be
    # a stack (16 bytes a slot) are longer than Lua knows.
    STACK_LEAST = 720
    STACK_SLACK = 1024
    BINNED_MOST = 256 * 1024    # bytes that wait in bins

cdef extern from *:
    """
    #ifdef KV_ASAN
    #define KV_BIN_MOST 0           /* each block is malloc's own, so that its use after it was freed is seen */
    #else
    #define KV_BIN_MOST 256         /* BIN_STEP * BINS */
    #endif
    """
    const size_t BIN_MOST "KV_BIN_MOST"


cdef inline size_t bin_of(size_t size) noexcept nogil:
    return (size - 1) // BIN_STEP


cdef void give_back(LuaState *state, void *block, size_t size) noexcept nogil:
    """A block that Lua no longer has. Scripts make and drop small ones by the thousand."""
    cdef size_t bin
    if size - 1 >= BIN_MOST or state.binned >= BINNED_MOST:     # a size of 0, of no block, is none of them
        free(block)
        return
    bin = bin_of(size)
    (<void **> block)[0] = state.bins[bin]
    state.bins[bin] = block
    state.binned += (bin + 1) * BIN_STEP


cdef void *take(LuaState *state, size_t size) noexcept nogil:
    """A block of a size up to BIN_MOST; NULL where there is no memory."""
    cdef size_t bin = bin_of(size)
    cdef void *block = state.bins[bin]
    if block == NULL:
        return malloc((bin + 1) * BIN_STEP)
    state.bins[bin] = (<void **> block)[0]
    state.binned -= (bin + 1) * BIN_STEP
    return block


cdef void *move(LuaState *state, void *block, size_t old, size_t new) noexcept nogil:
    """A block of another size, of which the old or the new one, or both, are of the bins."""
    cdef void *got
    if block != NULL and old <= BIN_MOST and new <= BIN_MOST and bin_of(old) == bin_of(new):
        return block
    got = take(state, new) if new <= BIN_MOST else malloc(new)
    if got != NULL and block != NULL:
        memcpy(got, block, old if old < new else new)
        give_back(state, block, old)
    return got


cdef void empty_bins(LuaState *state) noexcept nogil:
    cdef void *block
    cdef int bin
    for bin in range(BINS):
        while state.bins[bin] != NULL:
            block = state.bins[bin]
            state.bins[bin] = (<void **> block)[0]
            free(block)
    state.binned = 0


cdef void *allocate(void *owner, void *block, size_t old, size_t new) noexcept nogil:
    """Lua's allocator. It never fails to shrink a block."""
    cdef LuaState *state = <LuaState *> owner
    cdef size_t slack = STACK_SLACK if new >= STACK_LEAST and new % 16 == 0 else 0
    cdef void *got
    if new == 0:
        give_back(state, block, old)
        state.used -= old
        return NULL
    if unlikely(state.limit != 0 and new > old and state.used + (new - old) > state.limit):
        return NULL
    if new <= BIN_MOST:
        got = move(state, block, old, new)
    elif old - 1 < BIN_MOST:                # there was one, and it was small
        got = move(state, block, old, new + slack)
    else:
        got = realloc(block, new + slack)
    if unlikely(got == NULL):
        return block if new <= old else NULL
    state.used += new - old
    return got


cdef int at_panic(lua_State *L) noexcept nogil:
    """An error was raised outside of a protected call."""
    panic(b"Lua raised an error that nobody caught")
    return 0


cdef lua_Alloc allocator = allocate


cdef void lua_state_allocate_by(lua_Alloc function) noexcept nogil:
    """Have states that are opened from here on take their memory from another allocator, for tests; NULL: from the usual one. Its
    owner is the LuaState, whose `used` and `limit` it sees to."""
    global allocator
    allocator = allocate if function == NULL else function


cdef bint lua_state_init(LuaState *state, void *owner) noexcept nogil:
    """Where there is no memory for it: False. lua_load() comes before. The LuaState stays where it is."""
    memset(state, 0, sizeof(LuaState))
    state.owner = owner
    state.L = lua.newstate(allocator, state)
    if state.L != NULL:
        lua.atpanic(state.L, at_panic)
    return state.L != NULL


cdef int collect(lua_State *L) noexcept nogil:
    lua.gc(L, LUA_GCCOLLECT, 0)
    return 0


cdef void lua_state_collect(LuaState *state) noexcept nogil:
    """For when a run has ended for want of memory: what it left is still there, and not even the next chunk could be compiled.
    Lua 5.1 does not collect by itself where it is refused memory; collecting takes some."""
    cdef size_t limit = state.limit
    state.limit = 0
    if lua.cpcall(state.L, collect, NULL) != LUA_OK:
        lua_pop(state.L, 1)
    state.limit = limit
    state.collected = state.used


cdef void lua_state_make_room(LuaState *state) noexcept nogil:
    """To be called behind each run in a state that has a limit. Lua begins to collect when there is twice as much as was left the
    last time, which may be more than the limit. So everything is collected once half of the room that was left then is taken."""
    cdef size_t room = state.limit - state.collected if state.limit > state.collected else 0
    if state.used > state.collected + room // 2:
        lua_state_collect(state)


cdef LuaState *lua_state_detach(LuaState *state) noexcept nogil:
    """Move a state to a block of malloc's, for another thread, which frees both: `state` is as before lua_state_init then. NULL:
    there is no memory for that, and nothing has changed."""
    cdef LuaState *moved = <LuaState *> malloc(sizeof(LuaState))
    cdef lua_Alloc function
    cdef void *owner
    if moved != NULL:
        function = lua.getallocf(state.L, &owner)
        moved[0] = state[0]
        lua.setallocf(moved.L, function, moved)
        memset(state, 0, sizeof(LuaState))
    return moved


cdef void lua_state_free(LuaState *state) noexcept nogil:
    """Its values are collected first, while it is whole: what a collector of theirs did in the middle of the end was a hole
    (CVE-2024-46981)."""
    if state.L == NULL:
        return
    lua_state_collect(state)
    state.limit = 0
    lua.close(state.L)
    state.L = NULL
    empty_bins(state)
    buffer_free(&state.scratch)


cdef void lua_no_memory(lua_State *L) noexcept nogil:
    """Raise what Lua raises then; its own error has no place either."""
    lua.pushstring(L, b"not enough memory")
    lua.error(L)


cdef char *scratch_grow(lua_State *L, Buffer *scratch, size_t room) noexcept nogil:
    """scratch_reserve, where there is not enough of it."""
    cdef LuaState *state = lua_state_of(L)
    cdef void *probe
    if unlikely(state.limit != 0 and state.used + scratch.length + room > state.limit):
        lua_no_memory(L)
    if unlikely(scratch.capacity - scratch.length < room and scratch.length + room > SCRATCH_KEPT):
        # The dataset's memory ends the process where there is none: a script is only to get an error. Growing may double it.
        probe = malloc(2 * (scratch.length + room))
        if probe == NULL:
            lua_no_memory(L)
        free(probe)
    return buffer_reserve(scratch, room)
