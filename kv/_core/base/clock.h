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
#define KV_CLOCK_NAME "X86 TSC"
#include <x86intrin.h>
static inline uint64_t kv_clock_ticks(void) { return __rdtsc(); }
#elif defined(__aarch64__)
#define KV_CLOCK_NAME "ARM CNTVCT"
static inline uint64_t kv_clock_ticks(void) {
    uint64_t ticks;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks;
}
#else
#define KV_CLOCK_NAME "POSIX clock_gettime"
#define KV_CLOCK_HAS_TICKS 0
static inline uint64_t kv_clock_ticks(void) { return (uint64_t)kv_clock_read_ns(CLOCK_MONOTONIC); }
#endif

#ifndef KV_CLOCK_HAS_TICKS
#define KV_CLOCK_HAS_TICKS 1
#endif

/* Both clocks at one moment: of several readings the one with the fewest ticks around it, since the process may be
 * put aside between any two instructions. */
static inline int64_t kv_clock_pair(uint64_t *ticks) {
    uint64_t least = UINT64_MAX;
    int64_t ns = 0;
    *ticks = 0;
    for (int i = 0; i < 16; i++) {
        uint64_t before = kv_clock_ticks();
        int64_t now = kv_clock_read_ns(CLOCK_MONOTONIC);
        uint64_t after = kv_clock_ticks();
        if (after - before < least) {
            least = after - before;
            ns = now;
            *ticks = before + (after - before) / 2;
        }
    }
    return ns;
}

/* Ticks in a microsecond, measured over two milliseconds of real time: callers keep it, since a process needs it once. */
static inline double kv_clock_measure_ticks_per_us(void) {
    uint64_t from, to;
    int64_t from_ns = kv_clock_pair(&from), to_ns;
    do {
        to_ns = kv_clock_pair(&to);
    } while (to_ns - from_ns < 2000000);
    return (double)(to - from) * 1000.0 / (double)(to_ns - from_ns);
}
#endif
