"""A sink that keeps what it is given in parts."""
from kv._core.base.sink cimport Sink

cdef struct PartsSink:
    Sink sink
    void *parts                 # a list of what was in the buffer each time; the caller's

cdef void parts_init(PartsSink *sink, list parts, size_t most) noexcept
cdef size_t parts_finish(PartsSink *sink) noexcept
