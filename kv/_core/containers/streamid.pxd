"""The id of a stream's entry: milliseconds and a sequence number, in this order of weight."""
from libc.stdint cimport UINT64_MAX, uint64_t

from kv._core.base.numbers cimport format_u64
from kv._core.base.slice cimport Slice, slice_of

cdef enum:
    STREAM_ID_SIZE = 48         # bytes that an id's text may need

cdef struct StreamId:
    uint64_t ms             # unix time, where the server made the id
    uint64_t seq            # among the entries of one millisecond


cdef inline StreamId stream_id(uint64_t ms, uint64_t seq) noexcept nogil:
    cdef StreamId id
    id.ms, id.seq = ms, seq
    return id


cdef inline StreamId stream_id_most() noexcept nogil:
    return stream_id(UINT64_MAX, UINT64_MAX)


cdef inline bint stream_id_below(StreamId a, StreamId b) noexcept nogil:
    return a.ms < b.ms or (a.ms == b.ms and a.seq < b.seq)


cdef inline bint stream_id_equal(StreamId a, StreamId b) noexcept nogil:
    return a.ms == b.ms and a.seq == b.seq


cdef inline bint stream_id_is_zero(StreamId id) noexcept nogil:
    return (id.ms | id.seq) == 0


cdef inline bint stream_id_increment(StreamId *id) noexcept nogil:
    """The id after it; false where there is none, and then it is 0-0."""
    id.seq += 1
    if id.seq == 0:
        id.ms += 1
        return id.ms != 0
    return True


cdef inline bint stream_id_decrement(StreamId *id) noexcept nogil:
    """The id before it; false where there is none, and then it is the highest."""
    cdef bint some = (id.ms | id.seq) != 0
    if id.seq == 0:
        id.ms -= 1
    id.seq -= 1
    return some


cdef inline Slice stream_id_text(StreamId id, char *out) noexcept nogil:
    """"<ms>-<sequence>", in `out`, which has STREAM_ID_SIZE bytes."""
    cdef int length = format_u64(out, id.ms)
    out[length] = c'-'
    return slice_of(out, length + 1 + format_u64(out + length + 1, id.seq))
