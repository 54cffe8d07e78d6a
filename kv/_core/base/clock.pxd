"""Clocks. Only the engine and loops with a time limit read them; a command's time is the engine's `now_ms`."""
from libc.stdint cimport int64_t, uint64_t

cdef extern from "clock.h" nogil:
    uint64_t clock_ticks "kv_clock_ticks"()
    int64_t clock_us "kv_clock_us"()
    int64_t clock_unix_us "kv_clock_unix_us"()
    double clock_measure_ticks_per_us "kv_clock_measure_ticks_per_us"()
    const char *CLOCK_NAME "KV_CLOCK_NAME"          # what clock_ticks reads
    const bint CLOCK_HAS_TICKS "KV_CLOCK_HAS_TICKS"  # it is the processor's counter
