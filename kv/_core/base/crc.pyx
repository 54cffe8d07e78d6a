"""CRC-64 with Jones' polynomial 0xad93d23594c935a9, bits reflected, no inversion; CRC-16/XMODEM.

A CRC is the remainder of a division, and the remainder of a byte can be looked up. CRC-64 looks up eight
bytes at once in eight tables (table k holds the remainder of a byte followed by k zero bytes), since an RDB
file of gigabytes goes through it when written and again when read. The tables follow from the
polynomials and are computed at import.

Where the processor can, all but a few bytes of a long text are folded into 16 first (base/crcfold), which is about twenty
times as fast.
"""
from libc.stdint cimport uint8_t, uint16_t, uint64_t
from libc.string cimport memchr

from kv._core.base.crcfold cimport crc_fold, crc_folding_is_there
from kv._core.base.machine cimport load_u64_le

cdef enum:
    FOLD_LEAST = 128            # bytes from which folding pays
    FOLDED = 16                 # bytes that are left of it

cdef uint64_t POLYNOMIAL_64 = 0x95AC9329AC4BC9B5  # Jones', reflected
cdef uint16_t POLYNOMIAL_16 = 0x1021

cdef uint64_t[8][256] TABLES_64
cdef uint16_t[256] TABLE_16
cdef uint64_t[4] POWERS         # of x, for crc_fold
cdef bint folding = crc_folding_is_there()


cdef void fill_tables_64() noexcept nogil:
    cdef uint64_t crc
    cdef int byte, _bit, k
    for byte in range(256):
        crc = <uint64_t>byte
        for _bit in range(8):
            crc = (crc >> 1) ^ (POLYNOMIAL_64 if crc & 1 else 0)
        TABLES_64[0][byte] = crc
    for byte in range(256):
        for k in range(1, 8):
            crc = TABLES_64[k - 1][byte]
            TABLES_64[k][byte] = (crc >> 8) ^ TABLES_64[0][crc & 0xFF]


cdef void fill_table_16() noexcept nogil:
    cdef uint16_t crc
    cdef int byte, _bit
    for byte in range(256):
        crc = <uint16_t>(byte << 8)
        for _bit in range(8):
            crc = <uint16_t>(crc << 1) ^ (POLYNOMIAL_16 if crc & 0x8000 else 0)
        TABLE_16[byte] = crc


cdef uint64_t power_64(int exponent) noexcept nogil:
    """x to a power modulo the polynomial; the highest bit is x^0."""
    cdef uint64_t power = <uint64_t>1 << 63
    cdef int _i
    for _i in range(exponent):
        power = (power >> 1) ^ (POLYNOMIAL_64 if power & 1 else 0)
    return power


fill_tables_64()
fill_table_16()
POWERS[0], POWERS[1], POWERS[2], POWERS[3] = power_64(575), power_64(511), power_64(191), power_64(127)


cdef uint64_t crc64(uint64_t crc, const void *data, size_t length) noexcept nogil:
    cdef uint8_t[FOLDED] left
    cdef size_t folded
    if length < FOLD_LEAST or not folding:
        return crc64_tables(crc, <const uint8_t *>data, length)
    folded = length & ~<size_t>(FOLDED - 1)
    crc_fold(<const uint8_t *>data, folded, crc, POWERS, left)
    return crc64_tables(crc64_tables(0, left, FOLDED), <const uint8_t *>data + folded, length - folded)


cdef uint64_t crc64_tables(uint64_t crc, const uint8_t *byte, size_t length) noexcept nogil:
    """What crc64 is on any processor."""
    cdef const uint8_t *end = byte + length
    while end - byte >= 8:
        crc ^= load_u64_le(byte)
        crc = (TABLES_64[7][crc & 0xFF] ^ TABLES_64[6][(crc >> 8) & 0xFF]
               ^ TABLES_64[5][(crc >> 16) & 0xFF] ^ TABLES_64[4][(crc >> 24) & 0xFF]
               ^ TABLES_64[3][(crc >> 32) & 0xFF] ^ TABLES_64[2][(crc >> 40) & 0xFF]
               ^ TABLES_64[1][(crc >> 48) & 0xFF] ^ TABLES_64[0][crc >> 56])
        byte += 8
    while byte < end:
        crc = TABLES_64[0][(crc ^ byte[0]) & 0xFF] ^ (crc >> 8)
        byte += 1
    return crc


cdef bint crc64_fold(bint fold) noexcept nogil:
    """Fold, where the processor can, or do not; whether it does from here on."""
    global folding
    folding = fold and crc_folding_is_there()
    return folding


cdef uint16_t crc16(const void *data, size_t length) noexcept nogil:
    cdef const uint8_t *byte = <const uint8_t *>data
    cdef uint16_t crc = 0
    cdef size_t i
    for i in range(length):
        crc = <uint16_t>(crc << 8) ^ TABLE_16[(crc >> 8) ^ byte[i]]
    return crc


cdef int key_slot(const char *key, size_t length) noexcept nogil:
    """Only what stands between the first { and the first } behind it counts, if that is not empty."""
    cdef const char *opening = <const char *>memchr(key, c"{", length)
    cdef const char *closing
    if opening != NULL:
        opening += 1
        closing = <const char *>memchr(opening, c"}", length - (opening - key))
        if closing != NULL and closing > opening:
            return crc16(opening, closing - opening) % KEY_SLOTS
    return crc16(key, length) % KEY_SLOTS
