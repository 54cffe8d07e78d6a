"""The commands: declared once, looked up by name."""
from kv._core.base.slice cimport Slice
from kv._core.runtime.state cimport Command, command_body

cdef Command *command_find(Slice name) noexcept nogil
cdef Command *command_find_child(Command *parent, Slice name) noexcept nogil
cdef Command *command_at(int index) noexcept nogil
cdef int command_count() noexcept nogil
cdef object native(command_body body)
