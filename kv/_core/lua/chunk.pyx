"""Compiling the text of a script, with what Lua 5.1.5 does not survive kept from its parser:
    - precompiled code, which Lua does not check: it is read as text, and is a syntax error;
    - a name that nobody holds on to is collected while the chunk is parsed (CVE-2025-49844): it stays on the stack;
    - a reader that is called again after it said that there is no more (the same): ours says so again;
    - lengths and line numbers that overflow (CVE-2025-46819): chunks of 256 MiB are refused;
    - functions with many parameters and `...` too (CVE-2014-5461): Lua checks that the stack has room for their frame, and then
      copies up to that many parameters above it. Up to 16 the slack in the state's allocator covers, functions with more are
      refused. Lua tells the number of parameters only in what it dumps, so chunks that have `...` are dumped and looked through.
"""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from kv._core.lua.api cimport LUA_ERRSYNTAX, LUA_OK, LUA_TBOOLEAN, LUA_TNUMBER, LUA_TSTRING, lua, lua_Debug, lua_State

cdef extern from "<string.h>" nogil:
    void *memmem(const void *data, size_t length, const void *sought, size_t sought_length)

cdef enum:
    BYTECODE = 27               # the byte that precompiled code begins with
    PARAMETERS_MOST = 16        # of a function that has `...`, too
    NESTED_MOST = 256           # functions in functions; the parser allows 200

cdef enum Part:                 # of a dumped function, in their order
    PART_HEADER                 # of the dump, once: 12 bytes
    PART_SOURCE                 # length, text
    PART_HEAD                   # two lines (int), upvalues, parameters, vararg, slots (a byte each)
    PART_CODE                   # count, instructions
    PART_CONSTANTS              # count, constants
    PART_CONSTANT               # type, value
    PART_CONSTANT_TEXT          # length, text
    PART_FUNCTIONS              # count, functions
    PART_LINES                  # count, ints
    PART_LOCALS                 # count, locals
    PART_LOCAL                  # length, text
    PART_LOCAL_LINES            # two ints
    PART_UPVALUES               # count, names
    PART_UPVALUE                # length, text

cdef struct Dump:               # where in a dump we are
    Part part
    size_t skip                 # bytes to pass over before it
    int need                    # bytes of `field` that the part begins with
    int have
    uint8_t field[12]
    uint32_t left               # constants, locals or upvalues that are still to come
    uint32_t functions[NESTED_MOST]     # that are still to come, of each function we are in
    int depth
    int refused_line            # where the function that is refused begins; -1: none is

cdef struct Source:             # what is left to be read
    const char *data
    size_t length
    bint guarded                # a space comes first: Lua takes what begins with BYTECODE for precompiled


cdef const char *read_source(lua_State *L, void *owner, size_t *length) noexcept nogil:
    cdef Source *source = <Source *> owner
    cdef const char *data = source.data
    if source.guarded:
        source.guarded = False
        length[0] = 1
        return b" "
    length[0] = source.length
    source.data = NULL
    source.length = 0
    return data


cdef inline void await_part(Dump *dump, Part part, int need, size_t skip) noexcept nogil:
    dump.part, dump.need, dump.have, dump.skip = part, need, 0, skip


cdef void await_next(Dump *dump, Part item, int need, Part after, size_t skip) noexcept nogil:
    """The next of the items that are left, or what comes after them."""
    if dump.left:
        dump.left -= 1
        await_part(dump, item, need, skip)
    else:
        await_part(dump, after, 4, skip)


cdef void await_function(Dump *dump, size_t skip) noexcept nogil:
    """The next function of those that the one we are in has, or what comes after them."""
    if dump.functions[dump.depth]:
        dump.functions[dump.depth] -= 1
        dump.depth += 1
        await_part(dump, PART_SOURCE, 8, skip)
    else:
        await_part(dump, PART_LINES, 4, skip)


cdef void take_head(Dump *dump) noexcept nogil:
    cdef uint32_t line
    memcpy(&line, dump.field, 4)
    if dump.field[10] != 0 and dump.field[9] > PARAMETERS_MOST and dump.refused_line < 0:
        dump.refused_line = <int> line
    await_part(dump, PART_CODE, 4, 0)


cdef void take_constant(Dump *dump) noexcept nogil:
    cdef int type = dump.field[0]
    if type == LUA_TSTRING:
        await_part(dump, PART_CONSTANT_TEXT, 8, 0)
    else:
        await_next(dump, PART_CONSTANT, 1, PART_FUNCTIONS, 8 if type == LUA_TNUMBER else 1 if type == LUA_TBOOLEAN else 0)


cdef void take_part(Dump *dump) noexcept nogil:
    """What the part begins with is there."""
    cdef uint64_t number = 0                    # the length or count that most parts begin with
    if dump.need <= 8:
        memcpy(&number, dump.field, dump.need)
    if dump.part == PART_HEADER:
        await_part(dump, PART_SOURCE, 8, 0)
    elif dump.part == PART_SOURCE:
        await_part(dump, PART_HEAD, 12, number)
    elif dump.part == PART_HEAD:
        take_head(dump)
    elif dump.part == PART_CODE:
        await_part(dump, PART_CONSTANTS, 4, number * 4)
    elif dump.part == PART_CONSTANTS:
        dump.left = <uint32_t> number
        await_next(dump, PART_CONSTANT, 1, PART_FUNCTIONS, 0)
    elif dump.part == PART_CONSTANT:
        take_constant(dump)
    elif dump.part == PART_CONSTANT_TEXT:
        await_next(dump, PART_CONSTANT, 1, PART_FUNCTIONS, number)
    elif dump.part == PART_FUNCTIONS:
        dump.functions[dump.depth] = <uint32_t> number
        await_function(dump, 0)
    elif dump.part == PART_LINES:
        await_part(dump, PART_LOCALS, 4, number * 4)
    elif dump.part == PART_LOCALS:
        dump.left = <uint32_t> number
        await_next(dump, PART_LOCAL, 8, PART_UPVALUES, 0)
    elif dump.part == PART_LOCAL:
        await_part(dump, PART_LOCAL_LINES, 8, number)
    elif dump.part == PART_LOCAL_LINES:
        await_next(dump, PART_LOCAL, 8, PART_UPVALUES, 0)
    elif dump.part == PART_UPVALUES:
        dump.left = <uint32_t> number
        take_upvalues(dump, 0)
    else:
        take_upvalues(dump, number)


cdef void take_upvalues(Dump *dump, size_t skip) noexcept nogil:
    """The names of upvalues end a function; the outermost ends the dump."""
    if dump.left:
        dump.left -= 1
        await_part(dump, PART_UPVALUE, 8, skip)
    elif dump.depth:
        dump.depth -= 1
        await_function(dump, skip)
    else:
        await_part(dump, PART_HEADER, 12, skip)


cdef int take_dump(lua_State *L, const void *data, size_t length, void *owner) noexcept nogil:
    """A writer of lua_dump; other than 0 ends the dump."""
    cdef Dump *dump = <Dump *> owner
    cdef const uint8_t *next = <const uint8_t *> data
    cdef size_t taken
    while length:
        if dump.skip:
            taken = min(length, dump.skip)
            dump.skip -= taken
        else:
            taken = min(length, <size_t> (dump.need - dump.have))
            memcpy(dump.field + dump.have, next, taken)
            dump.have += <int> taken
            if dump.have == dump.need:
                take_part(dump)
        next += taken
        length -= taken
        if dump.refused_line >= 0 or dump.depth == NESTED_MOST:
            return 1
    return 0


cdef int check_parameters(lua_State *L) noexcept nogil:
    """Whether the function on the stack may run; else the message is there instead."""
    cdef Dump dump
    cdef lua_Debug found
    dump.left = dump.depth = 0
    dump.refused_line = -1
    await_part(&dump, PART_HEADER, 12, 0)
    if lua.dump(L, take_dump, &dump) == 0:
        return LUA_OK
    lua.getinfo(L, b">S", &found)
    lua.pushfstring(L, b"%s:%d: function has more than %d parameters before '...'", found.short_src,
                    max(dump.refused_line, 0), <int> PARAMETERS_MOST)
    return LUA_ERRSYNTAX


cdef int lua_load_chunk(lua_State *L, const char *code, size_t length, const char *name) noexcept nogil:
    """Push the code as a function and return LUA_OK, or push the message and return LUA_ERRSYNTAX or LUA_ERRMEM.

    The name is Lua's ("@file", "=text", or code) up to its first NUL. Takes three slots of the stack, and may raise for want of
    memory, so it is called in protected mode.
    """
    cdef Source source
    cdef int status
    if length >= CHUNK_MOST:
        lua.pushstring(L, b"chunk is too large")
        return LUA_ERRSYNTAX
    source.data, source.length = code, length
    source.guarded = length != 0 and code[0] == BYTECODE
    lua.pushstring(L, name)                     # anchored here; Lua interns, so the parser gets this very string
    status = lua.load(L, read_source, &source, name)
    lua.remove(L, -2)
    if status == LUA_OK and length >= 3 and memmem(code, length, b"...", 3) != NULL:
        status = check_parameters(L)
    return status
