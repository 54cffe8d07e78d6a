"""A script is debugged: it stops, its client looks, and it goes on."""
from kv._core.runtime.state cimport Context

cdef bint replies_wait(Context *c) noexcept nogil
cdef bint debugger_begin(Context *c) noexcept nogil
cdef void debugger_end(Context *c) noexcept nogil
