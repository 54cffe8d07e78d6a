"""What an engine has for scripts: made when the first one comes, so that who never runs any neither loads Lua nor pays for it.

EVAL's scripts and functions have a state each, so what the one kind leaves behind the other does not see, and each is made when
it is first needed.
"""
from kv._core.base.blob cimport blob_free
from kv._core.base.buffer cimport buffer_free
from kv._core.base.memory cimport memory_calloc, memory_free
from kv._core.containers.hashtable cimport HashtableType, hashtable_clear, hashtable_init
from kv._core.lua.api cimport LUA_OK, LUA_REGISTRYINDEX, lua, lua_State
from kv._core.lua.libraries cimport lua_open_libraries
from kv._core.lua.sandbox cimport lua_seal
from kv._core.lua.state cimport LuaState, lua_state_free, lua_state_init
from kv._core.resp.reply cimport reply_error
from kv._core.runtime.session cimport session_detached, session_detached_free
from kv._core.runtime.state cimport CALLER_SCRIPT, EXEMPT_ACCESS, EXEMPT_PAUSE, EXEMPT_WAITING, Context, Runtime
from kv._core.scripts.api cimport script_open_api
from kv._core.scripts.functions cimport libraries_clear, libraries_init
from kv._core.scripts.register cimport script_open_register
from kv._core.scripts.run cimport script_watch

from kv._core.lua.api import LuaMissing, lua_load

cdef HashtableType BY_SHA
cdef HashtableType BY_BODY


cdef const char *sha_of(const void *element, size_t *length) noexcept nogil:
    length[0] = SHA_SIZE
    return (<const Script *> element).sha


cdef const char *body_of(const void *element, size_t *length) noexcept nogil:
    length[0] = (<const Script *> element).body.length
    return (<const Script *> element).body.data


cdef void free_script(void *element) noexcept nogil:
    blob_free((<Script *> element).body)
    memory_free(element)


BY_SHA.key_of, BY_SHA.free_element = sha_of, free_script
BY_BODY.key_of, BY_BODY.free_element = body_of, NULL


cdef const char *FLAG_NAMES[SCRIPT_FLAG_NAMES]
FLAG_NAMES[:] = [b"no-writes", b"allow-oom", b"allow-stale", b"no-cluster", b"allow-cross-slot-keys"]


cdef const char *script_flag_name(int bit) noexcept nogil:
    """What the ScriptFlag 1 << bit is called; bits are below SCRIPT_FLAG_NAMES."""
    return FLAG_NAMES[bit]


cdef Scripting *scripting_of(Runtime *runtime, bint functions) except NULL with gil:
    """The engine's, with the state of functions or else of EVAL's scripts, made where there is none. Raises LuaMissing where Lua
    can't be had, MemoryError."""
    cdef Scripting *scripting = <Scripting *> runtime.scripting
    if scripting == NULL:
        lua_load()
        scripting = <Scripting *> memory_calloc(sizeof(Scripting))
        scripting.runtime = runtime
        hashtable_init(&scripting.by_sha, &BY_SHA)
        hashtable_init(&scripting.by_body, &BY_BODY)
        libraries_init(&scripting.libraries)
        scripting.session = session_detached(runtime, CALLER_SCRIPT, EXEMPT_ACCESS | EXEMPT_PAUSE | EXEMPT_WAITING)
        runtime.scripting = scripting
    if functions and scripting.functions.L == NULL:
        open_state(scripting, &scripting.functions)
    elif not functions and scripting.eval.L == NULL:
        open_state(scripting, &scripting.eval)
    return scripting


cdef Scripting *scripting_or_reply(Context *c, bint functions) noexcept nogil:
    """The same; NULL: the client was told why there is none."""
    cdef Scripting *scripting = <Scripting *> c.runtime.scripting
    if scripting == NULL or (scripting.functions.L if functions else scripting.eval.L) == NULL:
        with gil:
            scripting = make_or_reply(c, functions)
    return scripting


cdef Scripting *make_or_reply(Context *c, bint functions) noexcept:
    cdef bytes text
    try:
        return scripting_of(c.runtime, functions)
    except (LuaMissing, MemoryError, OSError) as error:
        text = f"ERR {getattr(error, 'strerror', None) or error}".encode()
        reply_error(&c.reply, text, len(text))
        return NULL
    finally:
        c.runtime.enter(c.runtime)


cdef void ready_references(lua_State *L) noexcept nogil:
    """Lua keeps a list of references that are free, whose head is element 0 of the registry. It makes that when the first one is
    given back, which takes memory; here it is made before, as references are given back where no error may be raised."""
    lua.pushinteger(L, 0)
    lua.rawseti(L, LUA_REGISTRYINDEX, 0)


cdef int open_eval(lua_State *L) noexcept nogil:
    ready_references(L)
    lua_open_libraries(L)
    script_open_api(L, True)
    lua_seal(L)
    script_watch(L)
    return 0


cdef int open_functions(lua_State *L) noexcept nogil:
    ready_references(L)
    lua_open_libraries(L)
    script_open_api(L, False)
    lua_seal(L)
    script_open_register(L)
    script_watch(L)
    return 0


cdef bint open_state(Scripting *scripting, LuaState *state) except False:
    """A fresh state, with everything that its scripts find in it. Raises MemoryError."""
    cdef bint made = lua_state_init(state, scripting)
    state.insecure = scripting.runtime.lua_insecure
    if (not made
            or lua.cpcall(state.L, open_functions if state == &scripting.functions else open_eval, NULL) != LUA_OK):
        lua_state_free(state)
        raise MemoryError("there is no memory for a Lua state")
    state.limit = <size_t> scripting.runtime.script_memory_limit
    return True


cdef void scripting_free(Runtime *runtime) noexcept nogil:
    """With the engine."""
    cdef Scripting *scripting = <Scripting *> runtime.scripting
    if scripting == NULL:
        return
    hashtable_clear(&scripting.by_body)
    hashtable_clear(&scripting.by_sha)
    lua_state_free(&scripting.eval)
    lua_state_free(&scripting.functions)
    libraries_clear(&scripting.libraries, NULL)
    session_detached_free(scripting.session)
    buffer_free(&scripting.words)
    buffer_free(&scripting.numbers)
    buffer_free(&scripting.reply)
    memory_free(scripting)
    runtime.scripting = NULL
