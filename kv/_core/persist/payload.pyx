"""A value as DUMP answers it and RESTORE takes it.

    type | value | version (2 bytes) | CRC-64 (8 bytes)         numbers with the lowest byte first

It has no key, no expiry and no database: it can be put under any name, here or in another server. FUNCTION DUMP ends its libraries
with the same footer.
"""
from libc.stdint cimport int64_t, uint8_t

from kv._core.base.crc cimport crc64
from kv._core.base.machine cimport load_u64_le
from kv._core.base.sink cimport Sink
from kv._core.base.slice cimport Slice, slice_of
from kv._core.objects.entry cimport Entry
from kv._core.persist.types cimport saved_type
from kv._core.rdb.decode cimport rdb_get_value
from kv._core.rdb.format cimport RDB_VERSION
from kv._core.rdb.reader cimport RdbReader, rdb_get_byte, rdb_reader_free, rdb_reader_init
from kv._core.rdb.source cimport Source, source_init, source_offset
from kv._core.rdb.writer cimport RdbWriter, rdb_put_byte, rdb_put_u64, rdb_writer_free, rdb_writer_init

cdef extern from "<stdio.h>" nogil:
    int snprintf(char *out, size_t size, const char *form, ...)

cdef enum:
    CRC = 8                     # bytes of the CRC-64
    FOOTER = 2 + CRC


cdef void payload_put(Sink *sink, const Entry *entry, int version) noexcept nogil:
    cdef size_t start = sink.buffer.length
    cdef RdbWriter writer
    rdb_writer_init(&writer, sink, version, True)
    rdb_put_byte(&writer, saved_type(entry).rdb_type(entry, version))
    saved_type(entry).put_rdb(&writer, entry)
    payload_end(&writer, start)
    rdb_writer_free(&writer)


cdef void payload_end(RdbWriter *writer, size_t start) noexcept nogil:
    cdef Sink *sink = writer.sink
    rdb_put_byte(writer, writer.version & 0xff)
    rdb_put_byte(writer, writer.version >> 8)
    rdb_put_u64(writer, crc64(0, sink.buffer.data + start, sink.buffer.length - start))


cdef inline int version_of(Slice payload) noexcept nogil:
    cdef const uint8_t *footer = <const uint8_t *> payload.data + payload.length - FOOTER
    return footer[0] | footer[1] << 8


cdef bint payload_is_sound(Slice payload, bint relaxed, bint unchecked) noexcept nogil:
    if payload.length < FOOTER or (version_of(payload) > RDB_VERSION and not relaxed):
        return False
    return unchecked or (
        load_u64_le(payload.data + payload.length - CRC) == crc64(0, payload.data, payload.length - CRC))


cdef Slice payload_body(Slice payload) noexcept nogil:
    return slice_of(payload.data, payload.length - FOOTER)


cdef Entry *payload_get(Slice payload, Slice key, int64_t expiry, bint deep, PayloadFault *fault) noexcept nogil:
    cdef RdbReader reader
    cdef Source source
    cdef Entry *entry = NULL
    cdef int type = 0
    source_init(&source, payload.data, payload.length - FOOTER)
    rdb_reader_init(&reader, &source, version_of(payload), deep)
    reader.expiry = expiry
    if rdb_get_byte(&reader, &type):
        entry = rdb_get_value(&reader, type, key)
    if entry == NULL:
        fault.offset = source_offset(&source)
        snprintf(fault.complaint, COMPLAINT_SIZE, b"%s", <const char *> (
            reader.complaint if reader.complaint != NULL else <const char *> b"a value without elements"))
    rdb_reader_free(&reader)
    return entry
