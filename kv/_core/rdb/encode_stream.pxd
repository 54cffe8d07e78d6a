"""A stream in RDB."""
from kv._core.objects.stream cimport Stream
from kv._core.rdb.writer cimport RdbWriter

cdef int rdb_stream_type(int version) noexcept nogil                            # the RdbType that the version reads
cdef void rdb_put_stream(RdbWriter *writer, const Stream *stream) noexcept nogil
