"""The commands of the debugger."""
from kv._core.lua.api cimport lua_State
from kv._core.scripts.scripting cimport ScriptRun
from kv._core.scripts.transcript cimport Debugger

cdef bint is_breakpoint(const Debugger *debugger, int line) noexcept nogil
cdef void show_line(Debugger *debugger, int line) noexcept nogil
cdef bint run_command(lua_State *L, ScriptRun *run, Debugger *debugger) noexcept nogil
