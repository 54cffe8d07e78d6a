"""A value as DUMP answers it and RESTORE takes it, with neither key nor expiry."""
from libc.stdint cimport int64_t

from kv._core.base.sink cimport Sink
from kv._core.base.slice cimport Slice
from kv._core.objects.entry cimport Entry
from kv._core.rdb.reader cimport COMPLAINT_SIZE
from kv._core.rdb.writer cimport RdbWriter

cdef struct PayloadFault:       # why a payload is no value
    char complaint[COMPLAINT_SIZE]  # as RdbReader's
    size_t offset               # in the payload, behind what can't be read

cdef void payload_put(Sink *sink, const Entry *entry, int version) noexcept nogil  # behind what the sink holds
cdef void payload_end(RdbWriter *writer, size_t start) noexcept nogil   # the footer of what the sink holds from an offset on
cdef Slice payload_body(Slice payload) noexcept nogil                   # of a sound payload: what stands before the footer
# whether a version can be read (any newer one: relaxed) and the CRC is right (or not looked at)
cdef bint payload_is_sound(Slice payload, bint relaxed, bint unchecked) noexcept nogil
# of a sound payload, under a key with an expiry (-1: none); NULL: see `fault`. deep: as RdbReader's
cdef Entry *payload_get(Slice payload, Slice key, int64_t expiry, bint deep, PayloadFault *fault) noexcept nogil
