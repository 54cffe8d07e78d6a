"""A value out of RDB, as Valkey 8.1 and every server before it wrote it.

    rdb_reader_init(&reader, &source, version, deep)
    rdb_get_byte(&reader, &type)
    rdb_get_string(&reader, &key)                   the caller copies it: the next read overwrites it
    entry = rdb_get_value(&reader, type, key)       with the encoding that this server's limits give it
    if entry == NULL: reader.complaint says what is wrong, or reader.empty that the value has no elements

Whose keyspace it goes to, and when it expires, is the caller's.
"""
from kv._core.base.slice cimport Slice
from kv._core.objects.entry cimport Entry
from kv._core.rdb.reader cimport RdbReader

cdef Entry *rdb_get_value(RdbReader *reader, int type, Slice key) noexcept nogil
cdef bint rdb_skip_value(RdbReader *reader, int type) noexcept nogil    # read over it, keeping nothing: for tools
# what a module wrote: read its id, and complain in a form that tells its name (of printf, %.*s); false
cdef bint rdb_refuse_module(RdbReader *reader, const char *form) noexcept nogil
cdef bint rdb_type_known(int type, int version) noexcept nogil
