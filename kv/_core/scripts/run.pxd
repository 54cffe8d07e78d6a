"""A script or a function runs."""
from kv._core.runtime.state cimport Context
from kv._core.scripts.scripting cimport ScriptRun

cdef bint script_may_run(Context *c, ScriptRun *run) noexcept nogil
cdef void script_run(Context *c, ScriptRun *run) noexcept nogil
