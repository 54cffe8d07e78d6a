"""The scripts that EVAL and SCRIPT LOAD brought: compiled once, found by their text or by its SHA-1.

EVAL finds a script by a hash of its text and a comparison, which costs a fraction of the SHA-1: that is computed when a script is
first seen. Who sends ever new scripts fills no memory: of those that only EVAL brought the 500 used last are kept.
"""
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memcpy

from kv._core.base.blob cimport blob_copy, blob_free
from kv._core.base.hashing cimport hash_bytes
from kv._core.base.memory cimport memory_alloc, memory_calloc, memory_free
from kv._core.base.slice cimport Slice, lower, slice_of
from kv._core.containers.hashtable cimport (
    Hashtable, Position, hashtable_clear, hashtable_find, hashtable_init, hashtable_insert, hashtable_remove, position_element)
from kv._core.lua.api cimport LUA_ERRMEM, LUA_OK, LUA_REGISTRYINDEX, lua, lua_pop, lua_State
from kv._core.lua.chunk cimport lua_load_chunk
from kv._core.lua.state cimport (
    LuaState, lua_state_collect, lua_state_detach, lua_state_free, lua_state_make_room)
from kv._core.resp.reply cimport reply_error
from kv._core.runtime.lazyfree cimport LAZYFREE_LEAST, lazyfree_call
from kv._core.runtime.state cimport (
    COMMAND_DENYOOM, COMMAND_MAY_REPLICATE, COMMAND_STALE, COMMAND_WRITE, Command, Context, Runtime)
from kv._core.scripts.functions cimport function_find
from kv._core.scripts.scripting cimport (
    SCRIPT_ALLOW_OOM, SCRIPT_ALLOW_STALE, SCRIPT_COMPAT, SCRIPT_FLAG_NAMES, SCRIPT_NO_WRITES, SHA_SIZE, Function, Script,
    Scripting, script_flag_name)

import hashlib

from kv._core.runtime.call import ReplyError
from kv.quoting import Unbalanced, split

cdef enum:
    KEPT = 500                  # scripts that only EVAL brought
    MUCH = 4                    # all but one of so many parts of the memory that there may be is too much for scripts that wait

FLAGS = {script_flag_name(bit).decode(): 1 << bit for bit in range(SCRIPT_FLAG_NAMES)}


# -- finding ----------------------------------------------------------------------------------------------------------

cdef inline Script *found(Hashtable *table, Slice key) noexcept nogil:
    cdef Position position
    if table.count == 0:
        return NULL
    position = hashtable_find(table, key.data, key.length, hash_bytes(key.data, key.length))
    return <Script *> position_element(position) if position.bucket != NULL else NULL


cdef Script *script_by_body(Scripting *scripting, Slice body) noexcept nogil:
    return found(&scripting.by_body, body)


cdef Script *script_by_sha(Scripting *scripting, Slice sha) noexcept nogil:
    """NULL where there is none, or these are no 40 digits. Capitals are taken, too."""
    cdef char digits[SHA_SIZE]
    cdef int i
    if sha.length != SHA_SIZE:
        return NULL
    for i in range(SHA_SIZE):
        digits[i] = lower(sha.data[i])
    return found(&scripting.by_sha, slice_of(digits, SHA_SIZE))


# -- what they may do -------------------------------------------------------------------------------------------------

cdef uint64_t script_command_flags(Runtime *runtime, const Command *command, Slice script, uint64_t flags) noexcept nogil:
    """The flags of EVAL, FCALL and their kin, for a script (by its text, or its SHA-1) or a function that says what it does."""
    cdef Scripting *scripting = <Scripting *> runtime.scripting
    if command.name[0] == c'f':
        return function_command_flags(scripting, script, flags)
    return eval_command_flags(scripting, script, command.name_length > 4 and command.name[4] == c's', flags)


cdef uint64_t function_command_flags(Scripting *scripting, Slice name, uint64_t flags) noexcept nogil:
    """Functions always say it: one without flags may write."""
    cdef Function *function = function_find(&scripting.libraries, name) if scripting != NULL else NULL
    return command_flags(flags, function.flags) if function != NULL else flags


cdef uint64_t eval_command_flags(Scripting *scripting, Slice text, bint by_sha, uint64_t flags) noexcept nogil:
    cdef Script *script = NULL
    cdef int declared = SCRIPT_COMPAT
    if scripting != NULL:
        script = script_by_sha(scripting, text) if by_sha else script_by_body(scripting, text)
    if script != NULL:
        declared = script.flags
    elif not by_sha and text.length > 2 and text.data[0] == c'#' and text.data[1] == c'!':
        declared = declared_flags(text)
    return command_flags(flags, declared)


cdef uint64_t command_flags(uint64_t flags, uint32_t declared) noexcept nogil:
    """A command's flags with what its script declares: it does what it says, and nothing else."""
    if declared & SCRIPT_COMPAT:
        return flags
    flags &= ~<uint64_t> (COMMAND_STALE | COMMAND_DENYOOM | COMMAND_WRITE | COMMAND_MAY_REPLICATE)
    if not declared & (SCRIPT_ALLOW_OOM | SCRIPT_NO_WRITES):
        flags |= COMMAND_DENYOOM
    if not declared & SCRIPT_NO_WRITES:
        flags |= COMMAND_WRITE
    if declared & SCRIPT_ALLOW_STALE:
        flags |= COMMAND_STALE
    return flags


cdef int declared_flags(Slice body) noexcept with gil:
    """Of a script that was not seen yet. One whose first line is wrong is told so when it runs."""
    try:
        return first_line(body.data[:body.length])[0]
    except ReplyError:
        return SCRIPT_COMPAT


# -- the order of their use ---------------------------------------------------------------------------------------

cdef void leave_order(Scripting *scripting, Script *script) noexcept nogil:
    if script.newer != NULL:
        script.newer.older = script.older
    else:
        scripting.newest = script.older
    if script.older != NULL:
        script.older.newer = script.newer
    else:
        scripting.oldest = script.newer
    scripting.unpinned -= 1


cdef void enter_order(Scripting *scripting, Script *script) noexcept nogil:
    script.newer, script.older = NULL, scripting.newest
    if scripting.newest != NULL:
        scripting.newest.newer = script
    else:
        scripting.oldest = script
    scripting.newest = script
    scripting.unpinned += 1


cdef void script_used(Scripting *scripting, Script *script) noexcept nogil:
    if not script.pinned and scripting.newest != script:
        leave_order(scripting, script)
        enter_order(scripting, script)


cdef void script_pin(Scripting *scripting, Script *script) noexcept nogil:
    """It is evicted no more."""
    if not script.pinned:
        leave_order(scripting, script)
        script.pinned = True


cdef void remove(Scripting *scripting, Script *script) noexcept nogil:
    """Forget a script that is not pinned."""
    cdef Slice body = slice_of(script.body.data, script.body.length)
    cdef uint64_t hash = hash_bytes(body.data, body.length)
    leave_order(scripting, script)
    lua.L_unref(scripting.eval.L, LUA_REGISTRYINDEX, script.function)
    scripting.bodies -= body.length
    hashtable_remove(&scripting.by_body, hashtable_find(&scripting.by_body, body.data, body.length, hash), hash)
    hash = hash_bytes(script.sha, SHA_SIZE)
    hashtable_remove(&scripting.by_sha, hashtable_find(&scripting.by_sha, script.sha, SHA_SIZE, hash), hash)
    blob_free(script.body)
    memory_free(script)


cdef void scripts_make_room(Scripting *scripting) noexcept nogil:
    """To be called behind each run while memory is limited (lua_state_make_room). Where what is left takes most of the memory, it
    is compiled scripts, as a script can leave nothing else: the older half of those that only EVAL brought is forgotten, and
    again."""
    cdef LuaState *state = &scripting.eval
    cdef uint64_t leave
    lua_state_make_room(state)
    while state.collected > state.limit // MUCH * (MUCH - 1) and scripting.unpinned > 1:
        leave = scripting.unpinned // 2
        while scripting.unpinned > leave:
            remove(scripting, scripting.oldest)
            scripting.evicted += 1
        lua_state_collect(state)


cdef struct Flushed:            # what another thread frees
    Hashtable by_sha
    Hashtable by_body
    LuaState *state


cdef void free_flushed(void *of_flushed) noexcept nogil:
    cdef Flushed *flushed = <Flushed *> of_flushed
    hashtable_clear(&flushed.by_body)
    hashtable_clear(&flushed.by_sha)
    lua_state_free(flushed.state)
    free(flushed.state)
    memory_free(flushed)


cdef bint flush_in_background(Scripting *scripting) noexcept nogil:
    """False: it must be done here."""
    cdef LuaState *state = lua_state_detach(&scripting.eval) if scripting.by_sha.count > LAZYFREE_LEAST else NULL
    cdef Flushed *flushed
    if state == NULL:
        return False
    flushed = <Flushed *> memory_alloc(sizeof(Flushed))
    flushed.by_sha, flushed.by_body, flushed.state = scripting.by_sha, scripting.by_body, state
    hashtable_init(&scripting.by_sha, scripting.by_sha.kind)
    hashtable_init(&scripting.by_body, scripting.by_body.kind)
    lazyfree_call(free_flushed, flushed, flushed.by_sha.count)
    return True


cdef void scripts_flush(Scripting *scripting, bint lazy) noexcept nogil:
    """SCRIPT FLUSH: forget all of them, and the state that they were compiled in. Another is made when the next one comes. `lazy`:
    many scripts are freed by another thread."""
    if not lazy or not flush_in_background(scripting):
        hashtable_clear(&scripting.by_body)
        hashtable_clear(&scripting.by_sha)
        lua_state_free(&scripting.eval)
    scripting.newest = scripting.oldest = NULL
    scripting.unpinned = scripting.bodies = 0


# -- compiling --------------------------------------------------------------------------------------------------------

cdef struct Source:
    Slice code
    int function                # reference of what it was compiled to
    const char *message         # what is wrong with it; on the stack


cdef int compile_(lua_State *L) noexcept nogil:
    cdef Source *source = <Source *> lua.touserdata(L, 1)
    if lua_load_chunk(L, source.code.data, source.code.length, b"@user_script") != LUA_OK:
        return lua.error(L)
    source.function = lua.L_ref(L, LUA_REGISTRYINDEX)
    return 0


cdef Script *script_add(Context *c, Slice body, bint pinned) noexcept nogil:
    """Compile a script and keep it. NULL: the client was told what is wrong with it."""
    cdef Script *script = script_or_reply(c, body)
    if script != NULL:
        keep(<Scripting *> c.runtime.scripting, script, pinned)
    return script


cdef Script *script_or_reply(Context *c, Slice body) noexcept with gil:
    cdef bytes text
    try:
        return new_script(<Scripting *> c.runtime.scripting, body)
    except ReplyError as error:
        text = str(error).encode("utf-8", "surrogateescape")
        reply_error(&c.reply, text, len(text))
        return NULL
    finally:
        c.runtime.enter(c.runtime)


cdef void keep(Scripting *scripting, Script *script, bint pinned) noexcept nogil:
    while not pinned and scripting.unpinned >= KEPT:
        remove(scripting, scripting.oldest)
        scripting.evicted += 1
    script.pinned = pinned
    if not pinned:
        enter_order(scripting, script)
    scripting.bodies += script.body.length
    hashtable_insert(&scripting.by_body, script, hash_bytes(script.body.data, script.body.length), False)
    hashtable_insert(&scripting.by_sha, script, hash_bytes(script.sha, SHA_SIZE), False)


cdef Script *new_script(Scripting *scripting, Slice body) except NULL:
    """Raises ReplyError."""
    cdef bytes code = body.data[:body.length]
    cdef bytes sha = hashlib.sha1(code, usedforsecurity=False).hexdigest().encode()
    cdef Script *script
    cdef Source source
    cdef int status
    flags, skipped = first_line(code)
    source.code = slice_of(body.data + <size_t> skipped, body.length - <size_t> skipped)
    status = lua.cpcall(scripting.eval.L, compile_, &source)
    if status == LUA_ERRMEM and scripting.eval.limit != 0:      # there may be enough without what older scripts left
        lua_pop(scripting.eval.L, 1)
        lua_state_collect(&scripting.eval)
        scripts_make_room(scripting)
        status = lua.cpcall(scripting.eval.L, compile_, &source)
    if status != LUA_OK:
        message = (<bytes> lua.tolstring(scripting.eval.L, -1, NULL)).decode("utf-8", "surrogateescape")
        lua_pop(scripting.eval.L, 1)
        if status == LUA_ERRMEM:
            lua_state_collect(&scripting.eval)
        raise ReplyError(f"ERR Error compiling script (new function): {message}")
    script = <Script *> memory_calloc(sizeof(Script))
    script.body = blob_copy(body.data, body.length)
    script.function, script.flags = source.function, flags
    memcpy(script.sha, <const char *> sha, SHA_SIZE)
    return script


def first_line(bytes code not None):
    """(ScriptFlags, bytes to leave out) of a script: "#!lua flags=no-writes,allow-oom". Raises ReplyError."""
    if not code.startswith(b"#!"):
        return SCRIPT_COMPAT, 0
    line, newline, _ = code.partition(b"\n")
    if not newline:
        raise ReplyError("ERR Invalid script shebang")
    try:
        words = split(line)
    except Unbalanced:
        words = []
    if not words:
        raise ReplyError("ERR Invalid engine in script shebang")
    flags = 0
    for word in words[1:]:
        option, equals, names = word.partition(b"=")
        if option != b"flags" or not equals:
            raise ReplyError(f"ERR Unknown lua shebang option: {word.decode('utf-8', 'surrogateescape')}")
        for name in names.decode("latin-1").split(",") if names else ():
            if name not in FLAGS:
                raise ReplyError(f"ERR Unexpected flag in script shebang: {name}")
            flags |= FLAGS[name]
    engine = words[0][2:].decode("utf-8", "surrogateescape")
    if engine.lower() != "lua":
        raise ReplyError(f"ERR Could not find scripting engine '{engine}'")
    return flags, len(line)
