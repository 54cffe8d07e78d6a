"""A script or a function runs."""
from libc.stdint cimport int64_t

from kv._core.lua.api cimport lua_State
from kv._core.runtime.state cimport Context, Runtime
from kv._core.scripts.scripting cimport ScriptRun

cdef enum:
    INSTRUCTIONS = 100000       # between two looks at a script that runs: about a millisecond

cdef void script_announce(Context *c) noexcept nogil
cdef bint script_take_words(Context *c, ScriptRun *run, int64_t keys) noexcept nogil
cdef bint script_may_run(Context *c, ScriptRun *run) noexcept nogil
cdef void script_run(Context *c, ScriptRun *run) noexcept nogil
cdef void script_watch(lua_State *L) noexcept nogil
cdef int64_t script_limit_ms(const ScriptRun *run) noexcept nogil
cdef bint script_time_is_over(const ScriptRun *run) noexcept nogil
cdef void script_end(lua_State *L, ScriptRun *run, const char *text) noexcept nogil
cdef void script_log(Runtime *runtime, int level, const char *text) noexcept with gil
cdef const char *script_kill(Runtime *runtime, bint eval) noexcept nogil
cdef const char *script_busy(Runtime *runtime) noexcept nogil
