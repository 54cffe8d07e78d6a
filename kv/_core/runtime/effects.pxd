"""Effects: the commands that the AOF and replicas are to see."""
from libc.stdint cimport int64_t, uint64_t

from kv._core.base.platform cimport unlikely
from kv._core.base.slice cimport Slice
from kv._core.runtime.state cimport Context, Runtime

cdef void effects_begin(Runtime *runtime, int database, int words) noexcept nogil
cdef void effects_word(Runtime *runtime, const char *data, size_t length) noexcept nogil
cdef void effects_slice(Runtime *runtime, Slice word) noexcept nogil
cdef void effects_number(Runtime *runtime, int64_t number) noexcept nogil
cdef void effects_raw(Runtime *runtime, int database, const char *raw, size_t length) noexcept nogil
cdef void effects_command(Runtime *runtime, int database, Slice *argv, int argc) noexcept nogil
cdef void effects_wrap(Runtime *runtime) noexcept nogil
cdef void effects_split(Runtime *runtime) noexcept nogil
cdef void effects_take(Runtime *runtime) noexcept nogil
cdef void propagate_as_came(Context *c) noexcept nogil


cdef inline bint effects_wanted(const Runtime *runtime) noexcept nogil:
    return runtime.propagate and not runtime.replaying


cdef inline uint64_t effects_position(const Runtime *runtime) noexcept nogil:
    """Bytes ever propagated: a position in the log of effects, which only grows."""
    return runtime.effects_base + runtime.effects.length


cdef inline void effects_open_unit(Runtime *runtime) noexcept nogil:
    """What is appended until the effects_close_unit that belongs to this is one unit: a reader applies all of it or none.
    Within an open unit another one joins it."""
    if runtime.unit_depth == 0:
        runtime.unit_start = runtime.effects.length
        runtime.unit_count = 0
        runtime.unit_loose = False
    runtime.unit_depth += 1


cdef inline void effects_close_unit(Runtime *runtime) noexcept nogil:
    runtime.unit_depth -= 1
    if unlikely(runtime.unit_count > 1) and runtime.unit_depth == 0:
        effects_wrap(runtime)


cdef inline void effects_loosen_unit(Runtime *runtime) noexcept nogil:
    """The effects of the command that runs are each on their own account (keys that it found expired), so they need no MULTI:
    unless the command is part of something larger."""
    if runtime.unit_depth == 1:
        runtime.unit_loose = True
