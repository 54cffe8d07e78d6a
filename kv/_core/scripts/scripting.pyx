"""What an engine has for scripts: made when the first one comes, so that who never runs any neither loads Lua nor pays for it."""
from kv._core.base.blob cimport blob_free
from kv._core.base.buffer cimport buffer_free
from kv._core.base.memory cimport memory_calloc, memory_free
from kv._core.containers.hashtable cimport HashtableType, hashtable_clear, hashtable_init
from kv._core.lua.api cimport LUA_OK, lua, lua_State
from kv._core.lua.libraries cimport lua_open_libraries
from kv._core.lua.state cimport LuaState, lua_state_free, lua_state_init
from kv._core.runtime.session cimport session_detached, session_detached_free
from kv._core.runtime.state cimport CALLER_SCRIPT, EXEMPT_ACCESS, EXEMPT_PAUSE, EXEMPT_WAITING, Runtime
from kv._core.scripts.api cimport script_open_api
from kv._core.scripts.run cimport script_watch

from kv._core.lua.api import lua_load

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


cdef Scripting *scripting_of(Runtime *runtime) except NULL with gil:
    """The engine's, made where there is none. Raises LuaMissing where Lua can't be had, MemoryError."""
    cdef Scripting *scripting = <Scripting *> runtime.scripting
    if scripting == NULL:
        lua_load()
        scripting = <Scripting *> memory_calloc(sizeof(Scripting))
        scripting.runtime = runtime
        hashtable_init(&scripting.by_sha, &BY_SHA)
        hashtable_init(&scripting.by_body, &BY_BODY)
        scripting.session = session_detached(runtime, CALLER_SCRIPT, EXEMPT_ACCESS | EXEMPT_PAUSE | EXEMPT_WAITING)
        runtime.scripting = scripting
    if scripting.eval.L == NULL:
        scripting_open_state(scripting, &scripting.eval)
    return scripting


cdef int open_all(lua_State *L) noexcept nogil:
    lua_open_libraries(L)
    script_open_api(L)
    script_watch(L)
    return 0


cdef bint scripting_open_state(Scripting *scripting, LuaState *state) except False with gil:
    """A fresh state, with everything that a script finds in it. Raises MemoryError."""
    if not lua_state_init(state, scripting) or lua.cpcall(state.L, open_all, NULL) != LUA_OK:
        lua_state_free(state)
        raise MemoryError("there is no memory for a Lua state")
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
    session_detached_free(scripting.session)
    buffer_free(&scripting.words)
    buffer_free(&scripting.numbers)
    buffer_free(&scripting.reply)
    memory_free(scripting)
    runtime.scripting = NULL
