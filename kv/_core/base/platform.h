/* What the compiled core asks of the compiler and the processor, under one name each. */
#ifndef KV_PLATFORM_H
#define KV_PLATFORM_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "clibrary.h"

#define kv_likely(x) __builtin_expect(!!(x), 1)
#define kv_unlikely(x) __builtin_expect(!!(x), 0)
#define kv_prefetch(p) __builtin_prefetch((p), 0, 3)

#ifdef KV_DEBUG
#define KV_DEBUG_BUILD 1
#else
#define KV_DEBUG_BUILD 0
#endif
#ifdef KV_ASAN
#define KV_ASAN_BUILD 1
#else
#define KV_ASAN_BUILD 0
#endif

/* The upper half of a 64 x 64 bit product. */
static inline uint64_t kv_mulhi(uint64_t a, uint64_t b) {
    return (uint64_t)(((unsigned __int128)a * b) >> 64);
}

/* ceil(index * 2^48 / count), for index <= count < 2^48. */
static inline uint64_t kv_ceil_share(uint64_t index, uint64_t count) {
    return (uint64_t)((((unsigned __int128)index << 48) + count - 1) / count);
}

/* A bit for each of the 16 bytes at p that equals `byte`; bit 0 is p[0]. p is 16-byte aligned. */
static inline uint32_t kv_match16(const void *p, uint8_t byte) {
#if defined(__SSE2__)
    __m128i group = _mm_load_si128((const __m128i *)p);
    return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(group, _mm_set1_epi8((char)byte)));
#else
    uint32_t mask = 0;
    const uint8_t *bytes = (const uint8_t *)p;
    for (int i = 0; i < 16; i++) mask |= (uint32_t)(bytes[i] == byte) << i;
    return mask;
#endif
}

static inline int kv_lowest_bit(uint32_t mask) { return __builtin_ctz(mask); }
static inline int kv_bit_count(uint32_t mask) { return __builtin_popcount(mask); }

/* Stop because of a bug. The crash report (engine/crash) gets the text with the signal, since this header stands in every module
 * and they share no variable. Where nobody catches the signal it ends the process, and the text is on stderr. */
static __attribute__((cold, noinline)) void kv_stop(const char *text) {
    fprintf(stderr, "kv: %s\n", text);
    fflush(stderr);
    kv_signal_self(SIGABRT, (void *)text);
    abort();
}

/* A broken invariant: say where, and stop. Never a client's mistake. */
static __attribute__((cold, noinline)) void kv_panic(const char *what) {
    char text[512];
    snprintf(text, sizeof(text), "Guru Meditation: %s", what);
    kv_stop(text);
}

/* The same for a condition that does not hold. */
static __attribute__((cold, noinline)) void kv_assertion_failed(const char *where, const char *condition) {
    char text[512];
    snprintf(text, sizeof(text), "=== ASSERTION FAILED ===\n==> %s '%s' is not true", where, condition);
    kv_stop(text);
}
#endif
