"""The gates before a command."""
from libc.stdint cimport uint64_t
from libc.string cimport memcmp

from kv._core.runtime.state cimport SESSION_MULTI, Command, Context, Runtime, Session
from kv._core.runtime.transaction cimport Transaction

cdef bint pass_gates(Context *c) noexcept nogil
cdef bint pass_alerts(Context *c) noexcept nogil
cdef const char *unsaved(Runtime *runtime, char *text) noexcept nogil

cdef enum:
    UNSAVED_SIZE = 200          # bytes of the reason why nothing may be written


cdef inline bint is_exec(const Command *command) noexcept nogil:
    return command.name_length == 4 and memcmp(command.name, b"exec", 4) == 0


cdef inline uint64_t danger(const Session *session, const Command *command) noexcept nogil:
    """A command's flags; EXEC is as dangerous as what it runs."""
    if session.flags & SESSION_MULTI and is_exec(command):
        return command.flags | (<const Transaction *> session.transaction).flags
    return command.flags
