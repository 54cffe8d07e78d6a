"""The compiler's and the processor's own operations (platform.h)."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef extern from "platform.h" nogil:
    bint likely "kv_likely"(bint condition)
    bint unlikely "kv_unlikely"(bint condition)
    void prefetch "kv_prefetch"(const void *address)
    uint64_t mulhi "kv_mulhi"(uint64_t a, uint64_t b)
    uint64_t ceil_share "kv_ceil_share"(uint64_t index, uint64_t count)
    uint32_t match16 "kv_match16"(const void *group, uint8_t byte)
    int lowest_bit "kv_lowest_bit"(uint32_t mask)
    int bit_count "kv_bit_count"(uint32_t mask)
    void panic "kv_panic"(const char *what)
    void assertion_failed "kv_assertion_failed"(const char *where, const char *condition)
    const bint DEBUG "KV_DEBUG_BUILD"
    const bint ASAN "KV_ASAN_BUILD"
