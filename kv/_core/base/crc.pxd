"""Checksums: CRC-64 of RDB files and DUMP payloads, CRC-16 of cluster slots."""
from libc.stdint cimport uint16_t, uint64_t

cdef enum:
    KEY_SLOTS = 16384

# Start with 0; feed the result of one part as crc of the next.
cdef uint64_t crc64(uint64_t crc, const void *data, size_t length) noexcept nogil
cdef bint crc64_fold(bint fold) noexcept nogil      # for tests: every processor's way, and this one's
cdef uint16_t crc16(const void *data, size_t length) noexcept nogil
cdef int key_slot(const char *key, size_t length) noexcept nogil
