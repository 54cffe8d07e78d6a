"""The scripts that EVAL and SCRIPT LOAD brought."""
from libc.stdint cimport uint64_t

from kv._core.base.slice cimport Slice
from kv._core.runtime.state cimport Command, Context, Runtime
from kv._core.scripts.scripting cimport Script, Scripting

cdef Script *script_by_body(Scripting *scripting, Slice body) noexcept nogil
cdef Script *script_by_sha(Scripting *scripting, Slice sha) noexcept nogil
cdef Script *script_add(Context *c, Slice body, bint pinned) noexcept nogil
cdef void script_used(Scripting *scripting, Script *script) noexcept nogil
cdef void script_pin(Scripting *scripting, Script *script) noexcept nogil
cdef uint64_t script_command_flags(Runtime *runtime, const Command *command, Slice script, uint64_t flags) noexcept nogil
cdef void scripts_make_room(Scripting *scripting) noexcept nogil
cdef void scripts_flush(Scripting *scripting, bint lazy) noexcept nogil
