"""A sink that keeps what it is given in parts, for the tests; see testing/base for why."""
from kv._core.base.sink cimport Sink, sink_free, sink_init


cdef void keep_part(Sink *sink) noexcept nogil:
    with gil:
        (<list> (<PartsSink *> sink).parts).append(sink.buffer.data[:sink.buffer.length])
    sink.buffer.length = 0


cdef void parts_init(PartsSink *sink, list parts, size_t most) noexcept:
    sink_init(&sink.sink, most, keep_part)
    sink.parts = <void *> parts


cdef size_t parts_finish(PartsSink *sink) noexcept:
    """Keep the last part and free the buffer; the room that it took."""
    cdef size_t held = sink.sink.buffer.capacity
    keep_part(&sink.sink)
    sink_free(&sink.sink)
    return held
