"""The dataset as an RDB file: what stands around the values that rdb/encode writes.

    rdbfile_init(&rdb, &keyspace, &file, version, compress)
    rdbfile_begin(&rdb, server, used_memory, aof_base)
    rdbfile_put_library(&rdb, code)                 for each function library
    save_init(&save, &keyspace, rdb_encoder(), &rdb), and steps of it
    rdbfile_end(&rdb)
"""
from libc.stdint cimport uint64_t

from kv._core.base.slice cimport Slice
from kv._core.keyspace.keyspace cimport Keyspace
from kv._core.persist.filesink cimport FileSink
from kv._core.persist.save cimport Encoder
from kv._core.rdb.writer cimport RdbWriter

cdef struct RdbFile:
    RdbWriter writer            # into the sink of `file`
    FileSink *file              # not the RdbFile's; where it is checksummed, so is what is written
    Keyspace *keyspace          # whose entries are written: its policy and clock count

cdef void rdbfile_init(RdbFile *rdb, Keyspace *keyspace, FileSink *file, int version, bint compress) noexcept nogil
cdef void rdbfile_free(RdbFile *rdb) noexcept nogil
cdef void rdbfile_begin(RdbFile *rdb, Slice server, uint64_t used_memory, bint aof_base) noexcept nogil
cdef void rdbfile_put_library(RdbFile *rdb, Slice code) noexcept nogil
cdef void rdbfile_end(RdbFile *rdb) noexcept nogil
cdef const Encoder *rdb_encoder() noexcept nogil
