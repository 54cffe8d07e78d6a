"""Values in forms that servers before Redis 7.0 wrote."""
from kv._core.base.slice cimport Slice
from kv._core.objects.entry cimport Entry
from kv._core.rdb.reader cimport RdbReader

cdef Entry *rdb_get_hash_zipmap(RdbReader *reader, Slice key) noexcept nogil
cdef Entry *rdb_get_hash_ziplist(RdbReader *reader, Slice key) noexcept nogil
cdef Entry *rdb_get_zset_ziplist(RdbReader *reader, Slice key) noexcept nogil
cdef Entry *rdb_get_list_ziplist(RdbReader *reader, Slice key) noexcept nogil
cdef Entry *rdb_get_list_ziplists(RdbReader *reader, Slice key) noexcept nogil     # a quicklist of them
cdef bint rdb_get_score_text(RdbReader *reader, double *score) noexcept nogil
cdef bint rdb_skip_score_text(RdbReader *reader) noexcept nogil
