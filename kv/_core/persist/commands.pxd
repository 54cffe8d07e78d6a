"""Values as the commands that make them anew: what the base of an AOF holds."""
from kv._core.base.sink cimport Sink
from kv._core.base.slice cimport Slice
from kv._core.objects.entry cimport Entry

cdef void put_string_commands(Sink *sink, const Entry *entry) noexcept nogil
cdef void put_list_commands(Sink *sink, const Entry *entry) noexcept nogil
cdef void put_set_commands(Sink *sink, const Entry *entry) noexcept nogil
cdef void put_zset_commands(Sink *sink, const Entry *entry) noexcept nogil
cdef void put_hash_commands(Sink *sink, const Entry *entry) noexcept nogil
cdef void put_library_commands(Sink *sink, Slice code) noexcept nogil
