"""What the client of a debugging session says."""
from kv._core.scripts.transcript cimport Debugger

cdef enum DebugInput:
    DEBUG_COMMAND               # Debugger.words is the next command
    DEBUG_GONE                  # the client is, or the session is to end
    DEBUG_BAD                   # what it sent is no command
    DEBUG_TOO_MUCH              # ... or a longer one than anybody sends

cdef DebugInput next_command(Debugger *debugger) noexcept nogil
