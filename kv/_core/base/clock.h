/* Clocks: the processor's tick counter (a few nanoseconds to read) for how long a command took, the monotonic clock
 * for limits, the unix clock for expiry. Where the processor has no steady counter ticks are nanoseconds. */
#ifndef KV_CLOCK_H
#define KV_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t kv_clock_read_ns(clockid_t id) {
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static inline int64_t kv_clock_us(void) { return kv_clock_read_ns(CLOCK_MONOTONIC) / 1000; }
static inline int64_t kv_clock_unix_us(void) { return kv_clock_read_ns(CLOCK_REALTIME) / 1000; }

#if defined(__x86_64__)
#include <x86intrin.h>
static inline uint64_t kv_clock_ticks(void) { return __rdtsc(); }
#elif defined(__aarch64__)
static inline uint64_t kv_clock_ticks(void) {
    uint64_t ticks;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks;
}
#else
static inline uint64_t kv_clock_ticks(void) { return (uint64_t)kv_clock_read_ns(CLOCK_MONOTONIC); }
#endif

/* Ticks in a microsecond, measured over two milliseconds of real time. */
static inline double kv_clock_ticks_per_us(void) {
    int64_t from_ns = kv_clock_read_ns(CLOCK_MONOTONIC), to_ns;
    uint64_t from = kv_clock_ticks(), to;
    do {
        to = kv_clock_ticks();
        to_ns = kv_clock_read_ns(CLOCK_MONOTONIC);
    } while (to_ns - from_ns < 2000000);
    return (double)(to - from) * 1000.0 / (double)(to_ns - from_ns);
}
#endif
