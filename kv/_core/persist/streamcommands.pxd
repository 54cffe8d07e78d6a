"""A stream as the commands that make it anew."""
from kv._core.base.sink cimport Sink
from kv._core.objects.entry cimport Entry

cdef void put_stream_commands(Sink *sink, const Entry *entry) noexcept nogil
