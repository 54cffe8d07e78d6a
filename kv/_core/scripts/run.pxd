"""A script or a function runs."""
from kv._core.lua.api cimport lua_State
from kv._core.runtime.state cimport Context, Runtime
from kv._core.scripts.scripting cimport ScriptRun

cdef bint script_may_run(Context *c, ScriptRun *run) noexcept nogil
cdef void script_run(Context *c, ScriptRun *run) noexcept nogil
cdef void script_watch(lua_State *L) noexcept nogil
cdef const char *script_kill(Runtime *runtime, bint eval) noexcept nogil
cdef const char *script_busy(Runtime *runtime) noexcept nogil
