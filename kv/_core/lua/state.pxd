"""A Lua state with an account of its memory, and what outlives errors that Lua raises."""
from libc.stdint cimport uint64_t

from kv._core.base.buffer cimport Buffer, buffer_free
from kv._core.base.platform cimport unlikely
from kv._core.lua.api cimport lua, lua_Alloc, lua_State

cdef enum:
    SCRATCH_KEPT = 64 * 1024    # a larger buffer is given back when the next function begins

    BIN_STEP = 16               # blocks of Lua's that were freed wait in bins, by their size in these steps
    BINS = 16                   # larger ones go back to the C library at once

cdef struct LuaState:
    lua_State *L
    size_t used                 # bytes that Lua has taken
    size_t limit                # more than that is refused, 0: any number
    size_t collected            # bytes that were left when everything was collected last; 0: something was let go since
    size_t reply_most           # bytes that the buffer of the reply may hold while a script's value is converted
    Buffer scratch              # what a library's function makes before it becomes a string; see scratch_begin
    bint killed                 # nothing runs on: pcall and xpcall raise again what ends the run
    bint insecure               # lua-enable-insecure-api, as it was when the libraries were opened: set before
    uint64_t random             # the generator of math.random; see lua/math
    void *owner                 # whoever runs scripts in it
    void *bins[BINS]            # in each block the address of the next one
    size_t binned               # bytes in them

cdef bint lua_state_init(LuaState *state, void *owner) noexcept nogil
cdef void lua_state_collect(LuaState *state) noexcept nogil
cdef void lua_state_make_room(LuaState *state) noexcept nogil
cdef LuaState *lua_state_detach(LuaState *state) noexcept nogil
cdef void lua_state_free(LuaState *state) noexcept nogil
cdef void lua_state_allocate_by(lua_Alloc allocator) noexcept nogil
cdef void lua_no_memory(lua_State *L) noexcept nogil
cdef char *scratch_grow(lua_State *L, Buffer *scratch, size_t room) noexcept nogil


cdef inline LuaState *lua_state_of(lua_State *L) noexcept nogil:
    """The state that a function runs in."""
    cdef void *owner = NULL
    lua.getallocf(L, &owner)
    return <LuaState *> owner


cdef inline Buffer *scratch_begin(lua_State *L) noexcept nogil:
    """An empty buffer that lives as long as the state: for a function that builds a string and calls nothing meanwhile that
    builds one, too. An error may be raised at any time."""
    cdef Buffer *scratch = &lua_state_of(L).scratch
    scratch.length = 0
    if scratch.capacity > SCRATCH_KEPT:
        buffer_free(scratch)
    return scratch


cdef inline char *scratch_reserve(lua_State *L, Buffer *scratch, size_t room) noexcept nogil:
    """Where the next bytes go; raises Lua's error where they would be more than the state may have."""
    if unlikely(scratch.capacity - scratch.length < room):
        return scratch_grow(L, scratch, room)
    return scratch.data + scratch.length


cdef inline void scratch_end(lua_State *L, Buffer *scratch) noexcept nogil:
    """Push what was built."""
    if scratch.length:
        lua.pushlstring(L, scratch.data, scratch.length)
    else:
        lua.pushlstring(L, b"", 0)
