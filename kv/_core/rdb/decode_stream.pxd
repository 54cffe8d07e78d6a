"""A stream out of RDB."""
from kv._core.base.slice cimport Slice
from kv._core.objects.entry cimport Entry
from kv._core.rdb.reader cimport RdbReader

cdef Entry *rdb_get_stream(RdbReader *reader, Slice key) noexcept nogil
cdef Entry *rdb_get_stream_2(RdbReader *reader, Slice key) noexcept nogil
cdef Entry *rdb_get_stream_3(RdbReader *reader, Slice key) noexcept nogil
cdef bint rdb_skip_stream(RdbReader *reader, int type) noexcept nogil
