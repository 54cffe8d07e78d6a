"""What the commands share that pop from the first of several keys, or wait for one."""
from libc.stdint cimport int64_t

from kv._core.objects.entry cimport Entry
from kv._core.runtime.state cimport Context

cdef struct MultiPop:
    int keys            # how many
    bint first          # the first one of the two ends: LEFT, MIN
    int64_t count       # elements wanted

cdef bint multi_pop_or_reply(Context *c, int index, const char *first, const char *last, MultiPop *wanted) noexcept nogil
cdef Entry *first_of_type(Context *c, int type, int first, int count, int *index) noexcept nogil
cdef void wait_or_null(Context *c, int type, int first, int count, int64_t until_ms) noexcept nogil
