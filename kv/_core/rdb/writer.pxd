"""What every value in RDB is made of: lengths, strings, numbers; written into a sink."""
from libc.stdint cimport int64_t, uint64_t

from kv._core.base.buffer cimport Buffer
from kv._core.base.sink cimport Sink
from kv._core.base.slice cimport Slice

cdef struct RdbWriter:
    Sink *sink                  # where the bytes go; not the writer's
    Buffer scratch              # a stream's pack on its way there
    int version                 # RDB_VERSION_LEAST to RDB_VERSION: servers of that version read it
    bint compress               # rdbcompression: strings of more than 20 bytes become LZF where that is shorter

cdef void rdb_writer_init(RdbWriter *writer, Sink *sink, int version, bint compress) noexcept nogil
cdef void rdb_writer_free(RdbWriter *writer) noexcept nogil

cdef void rdb_put_byte(RdbWriter *writer, int byte) noexcept nogil
cdef void rdb_put_bytes(RdbWriter *writer, const void *data, size_t length) noexcept nogil  # as they are
cdef void rdb_put_length(RdbWriter *writer, uint64_t length) noexcept nogil
cdef void rdb_put_u64(RdbWriter *writer, uint64_t number) noexcept nogil                    # 8 bytes, the lowest first
cdef void rdb_put_milliseconds(RdbWriter *writer, int64_t ms) noexcept nogil                # 8 bytes, the lowest first
cdef void rdb_put_double(RdbWriter *writer, double value) noexcept nogil                    # 8 bytes, the lowest first
cdef void rdb_put_string(RdbWriter *writer, Slice text) noexcept nogil                      # in its shortest form
cdef void rdb_put_number(RdbWriter *writer, int64_t number) noexcept nogil                  # as the string of its digits
# LZF that is there already, of a text of `length` bytes
cdef void rdb_put_lzf(RdbWriter *writer, Slice lzf, uint64_t length) noexcept nogil
