"""Effects: the commands that the AOF and replicas are to see."""
from libc.stdint cimport int64_t

from kv._core.base.slice cimport Slice
from kv._core.runtime.state cimport Context, Runtime

cdef void effects_begin(Runtime *runtime, int database, int words) noexcept nogil
cdef void effects_word(Runtime *runtime, const char *data, size_t length) noexcept nogil
cdef void effects_slice(Runtime *runtime, Slice word) noexcept nogil
cdef void effects_number(Runtime *runtime, int64_t number) noexcept nogil
cdef void effects_raw(Runtime *runtime, int database, const char *raw, size_t length) noexcept nogil
cdef void effects_command(Runtime *runtime, int database, Slice *argv, int argc) noexcept nogil
cdef void effects_close_unit(Runtime *runtime) noexcept nogil
cdef void propagate_as_came(Context *c) noexcept nogil


cdef inline bint effects_wanted(const Runtime *runtime) noexcept nogil:
    return runtime.propagate and not runtime.replaying


cdef inline void effects_open_unit(Runtime *runtime) noexcept nogil:
    """What is appended until effects_close_unit belongs together."""
    runtime.unit_start = runtime.effects.length
    runtime.unit_count = 0
