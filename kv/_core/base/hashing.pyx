"""Keyed hashing, SipHash-1-2 (Aumasson and Bernstein, https://www.aumasson.jp/siphash/siphash.pdf, with fewer
rounds, as Valkey uses it too).

Why keyed? A client chooses keys and members; with a known function it could choose them all into one bucket.
The key is drawn when the process starts; hash_seed() sets it, so that a test can replay a run. An engine has a key of its own
(engine/isolation), which is entered with it.
"""
from libc.stdint cimport uint64_t
from libc.string cimport memcpy

import os

cdef uint64_t key0 = 0
cdef uint64_t key1 = 0


cdef inline uint64_t rotate(uint64_t word, int bits) noexcept nogil:
    return (word << bits) | (word >> (64 - bits))


cdef inline void sip_round(uint64_t *v0, uint64_t *v1, uint64_t *v2, uint64_t *v3) noexcept nogil:
    v0[0] += v1[0]
    v1[0] = rotate(v1[0], 13) ^ v0[0]
    v0[0] = rotate(v0[0], 32)
    v2[0] += v3[0]
    v3[0] = rotate(v3[0], 16) ^ v2[0]
    v0[0] += v3[0]
    v3[0] = rotate(v3[0], 21) ^ v0[0]
    v2[0] += v1[0]
    v1[0] = rotate(v1[0], 17) ^ v2[0]
    v2[0] = rotate(v2[0], 32)


cdef inline uint64_t tail_word(const char *data, size_t length) noexcept nogil:
    """The last length % 8 bytes, with the length in the top byte."""
    cdef uint64_t word = 0
    if length & 7:              # what is empty may have no address
        memcpy(&word, data + (length & ~(<size_t> 7)), length & 7)
    return word | (<uint64_t> length << 56)


cdef uint64_t hash_bytes(const char *data, size_t length) noexcept nogil:
    """The 64-bit hash of a byte string under the key that is entered. Little-endian machines only."""
    cdef uint64_t v0 = key0 ^ 0x736f6d6570736575ULL
    cdef uint64_t v1 = key1 ^ 0x646f72616e646f6dULL
    cdef uint64_t v2 = key0 ^ 0x6c7967656e657261ULL
    cdef uint64_t v3 = key1 ^ 0x7465646279746573ULL
    cdef uint64_t word
    cdef size_t at = 0
    while at + 8 <= length:
        memcpy(&word, data + at, 8)
        v3 ^= word
        sip_round(&v0, &v1, &v2, &v3)
        v0 ^= word
        at += 8
    word = tail_word(data, length)
    v3 ^= word
    sip_round(&v0, &v1, &v2, &v3)
    v0 ^= word
    v2 ^= 0xff
    sip_round(&v0, &v1, &v2, &v3)
    sip_round(&v0, &v1, &v2, &v3)
    return v0 ^ v1 ^ v2 ^ v3


cdef HashKey hash_key() noexcept nogil:
    """The key that is entered."""
    cdef HashKey key
    key.words[0], key.words[1] = key0, key1
    return key


cdef void hash_enter_key(HashKey key) noexcept nogil:
    """Hash with another key from here on: of another engine, whose tables were filled with it."""
    global key0, key1
    key0, key1 = key.words[0], key.words[1]


def hash_seed(bytes seed not None):
    """Set the key from 16 bytes. Only before anything was hashed: tables do not follow."""
    global key0, key1
    if len(seed) != 16:
        raise ValueError("a hash seed has 16 bytes")
    key0 = int.from_bytes(seed[:8], "little")
    key1 = int.from_bytes(seed[8:], "little")


hash_seed(os.urandom(16))
