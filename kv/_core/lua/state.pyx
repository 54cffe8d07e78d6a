"""A Lua state with an account of its memory, and what outlives errors that Lua raises.

Lua's memory comes from the C library, not from the dataset's account: `used_memory` and eviction know nothing of scripts, as in
Valkey; INFO shows it beside them (used_memory_vm_*).
"""
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memset

from kv._core.base.buffer cimport Buffer, buffer_free, buffer_reserve
from kv._core.base.platform cimport panic, unlikely
from kv._core.lua.api cimport LUA_GCCOLLECT, lua, lua_State

cdef enum:
    # CVE-2014-5461: a vararg function with many parameters is given a frame that is up to some slots short. Blocks that may be
    # a stack (16 bytes a slot) are longer than Lua knows.
    STACK_LEAST = 720
    STACK_SLACK = 1024


cdef void *allocate(void *owner, void *block, size_t old, size_t new) noexcept nogil:
    """Lua's allocator. It never fails to shrink a block."""
    cdef LuaState *state = <LuaState *> owner
    cdef size_t slack = STACK_SLACK if new >= STACK_LEAST and new % 16 == 0 else 0
    cdef void *got
    if new == 0:
        free(block)
        state.used -= old
        return NULL
    if unlikely(state.limit != 0 and new > old and state.used + (new - old) > state.limit):
        return NULL
    got = realloc(block, new + slack)
    if unlikely(got == NULL):
        return block if new <= old else NULL
    state.used += new - old
    return got


cdef int at_panic(lua_State *L) noexcept nogil:
    """An error was raised outside of a protected call."""
    panic(b"Lua raised an error that nobody caught")
    return 0


cdef bint lua_state_init(LuaState *state, void *owner) noexcept nogil:
    """Where there is no memory for it: False. lua_load() comes before. The LuaState stays where it is."""
    memset(state, 0, sizeof(LuaState))
    state.owner = owner
    state.L = lua.newstate(allocate, state)
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
    lua.cpcall(state.L, collect, NULL)
    state.limit = limit


cdef void lua_state_free(LuaState *state) noexcept nogil:
    """Its values are collected first, while it is whole: what a collector of theirs did in the middle of the end was a hole
    (CVE-2024-46981)."""
    if state.L == NULL:
        return
    state.limit = 0
    lua.cpcall(state.L, collect, NULL)
    lua.close(state.L)
    state.L = NULL
    buffer_free(&state.scratch)


cdef void raise_no_memory(lua_State *L) noexcept nogil:
    """Lua's own error has no place either."""
    lua.pushstring(L, b"not enough memory")
    lua.error(L)


cdef char *scratch_grow(lua_State *L, Buffer *scratch, size_t room) noexcept nogil:
    """scratch_reserve, where there is not enough of it."""
    cdef LuaState *state = lua_state_of(L)
    cdef void *probe
    if unlikely(state.limit != 0 and state.used + scratch.length + room > state.limit):
        raise_no_memory(L)
    if unlikely(scratch.capacity - scratch.length < room and scratch.length + room > SCRATCH_KEPT):
        # The dataset's memory ends the process where there is none: a script is only to get an error. Growing may double it.
        probe = malloc(2 * (scratch.length + room))
        if probe == NULL:
            raise_no_memory(L)
        free(probe)
    return buffer_reserve(scratch, room)
