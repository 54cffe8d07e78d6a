"""What CONFIG SET and DEBUG change in the core: one table of names (see settings.pyx)."""
from libc.stdint cimport int64_t, uint32_t

from kv._core.runtime.state cimport Runtime

cdef struct CronSettings:       # of the engine's cron
    bint active_rehashing       # activerehashing
    bint active_expire          # DEBUG SET-ACTIVE-EXPIRE
    bint resize_allowed         # DEBUG DICT-RESIZING
    int expire_effort           # active-expire-effort
    int64_t idle_timeout_s      # timeout, 0: none

cdef double clock_ticks_per_us() noexcept nogil
cdef int setting_put(Runtime *runtime, CronSettings *cron, str name, value) except -1
cdef void settings_default(Runtime *runtime, CronSettings *cron) noexcept nogil
cdef void hiding_update(Runtime *runtime) noexcept nogil


cdef inline void alert_set(Runtime *runtime, uint32_t alert, bint on) noexcept nogil:
    """Have the dispatcher look closer at each command for this reason, or no longer."""
    if on:
        runtime.alerts |= alert
    else:
        runtime.alerts &= ~alert
