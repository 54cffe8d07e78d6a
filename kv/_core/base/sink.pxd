"""A buffer that hands on what it holds: encoders write to it and do not know where the bytes go.

A file (persist/filesink), the payload of DUMP, a count of bytes: whoever makes the sink sets `drain`. A struct that begins with
a Sink is what `drain` finds at the sink's address.
"""
from kv._core.base.buffer cimport Buffer, buffer_free
from kv._core.base.platform cimport unlikely

cdef struct Sink:
    Buffer buffer               # bytes not yet handed on
    size_t most                 # bytes in the buffer from which `drain` is called
    void (*drain)(Sink *sink) noexcept nogil    # takes all that is in the buffer, and empties it; NULL: it grows


cdef inline void sink_init(Sink *sink, size_t most, void (*drain)(Sink *sink) noexcept nogil) noexcept nogil:
    sink.buffer.data, sink.buffer.length, sink.buffer.capacity = NULL, 0, 0
    sink.most, sink.drain = most, drain


cdef inline void sink_free(Sink *sink) noexcept nogil:
    buffer_free(&sink.buffer)


cdef inline void sink_drain_if_full(Sink *sink) noexcept nogil:
    """Encoders call this between two parts of what they write, so that the buffer stays small however large a value is."""
    if unlikely(sink.buffer.length >= sink.most) and sink.drain != NULL:
        sink.drain(sink)
