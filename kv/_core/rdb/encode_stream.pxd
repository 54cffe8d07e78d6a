"""A stream in RDB."""
from kv._core.objects.entry cimport Entry
from kv._core.rdb.writer cimport RdbWriter

cdef int rdb_stream_type(const Entry *entry, int version) noexcept nogil
cdef void rdb_put_stream(RdbWriter *writer, const Entry *entry) noexcept nogil
