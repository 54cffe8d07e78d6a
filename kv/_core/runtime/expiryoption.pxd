"""Expiry times as commands are given them: EX, PX, EXAT, PXAT, KEEPTTL, PERSIST."""
from libc.stdint cimport int64_t

from kv._core.runtime.state cimport Context

cdef enum ExpiryKind:
    EXPIRY_NONE = 0     # no option was given
    EXPIRY_EX           # in seconds from now
    EXPIRY_PX           # in ms from now
    EXPIRY_EXAT         # at a unix time in seconds
    EXPIRY_PXAT         # at a unix time in ms
    EXPIRY_KEEP         # KEEPTTL: as it is
    EXPIRY_PERSIST      # none any more

cdef struct Expiry:
    int kind            # ExpiryKind
    int index           # of the argument that is the time, 0: the kind has none

cdef bint expiry_option(Context *c, int *at, Expiry *expiry, int special) noexcept nogil
cdef bint expiry_time_or_reply(Context *c, const Expiry *expiry, int64_t *time_ms) noexcept nogil
cdef bint expiry_passed(const Context *c, int64_t time_ms) noexcept nogil
cdef void delete_passed(Context *c, int index) noexcept nogil
cdef void propagate_deletion(Context *c, int index, bint lazily) noexcept nogil
