"""How objects of each type are saved: one table, a row a type."""
from kv._core.base.sink cimport Sink
from kv._core.objects.entry cimport Entry, entry_type
from kv._core.rdb.writer cimport RdbWriter

cdef enum:
    SAVED_TYPES = 16            # what an entry has bits for

cdef struct SavedType:
    void (*put_commands)(Sink *sink, const Entry *entry) noexcept nogil     # commands that make the key with its value
    int (*rdb_type)(const Entry *entry, int version) noexcept nogil         # RdbType of the value for servers of a version
    void (*put_rdb)(RdbWriter *writer, const Entry *entry) noexcept nogil   # the value, without type, key and expiry

cdef const SavedType *saved_types() noexcept nogil


cdef inline const SavedType *saved_type(const Entry *entry) noexcept nogil:
    """The row of the entry's type."""
    return saved_types() + entry_type(entry)
