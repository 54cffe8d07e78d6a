"""Propagation: the log of what the AOF, replicas and an embedding program are to see."""
from libc.stdint cimport int64_t, uint64_t

from kv._core.base.platform cimport likely, unlikely
from kv._core.base.slice cimport Slice
from kv._core.runtime.state cimport Context, LogReader, Propagation, Runtime, Unit

cdef void effects_begin(Runtime *runtime, int database, int words) noexcept nogil
cdef void effects_word(Runtime *runtime, const char *data, size_t length) noexcept nogil
cdef void effects_slice(Runtime *runtime, Slice word) noexcept nogil
cdef void effects_number(Runtime *runtime, int64_t number) noexcept nogil
cdef void effects_raw(Runtime *runtime, int database, const char *raw, size_t length) noexcept nogil
cdef void propagate_as_came(Context *c) noexcept nogil
cdef void unit_end(Propagation *log, Unit *unit) noexcept nogil
cdef void propagation_init(Propagation *log) noexcept nogil
cdef void propagation_free(Propagation *log) noexcept nogil
cdef void propagation_reselect(Propagation *log) noexcept nogil
cdef void reader_open(Propagation *log, LogReader *reader, uint64_t limit) noexcept nogil
cdef void reader_close(Propagation *log, LogReader *reader) noexcept nogil
cdef Slice reader_view(Propagation *log, LogReader *reader) noexcept nogil
cdef void reader_advance(Propagation *log, LogReader *reader, uint64_t position) noexcept nogil


cdef inline bint effects_wanted(const Runtime *runtime) noexcept nogil:
    """Whether somebody follows the log, and what runs is not the past."""
    return runtime.propagation.readers != NULL and not runtime.replaying and not runtime.propagation.muted


cdef inline uint64_t propagation_position(const Propagation *log) noexcept nogil:
    """Bytes ever propagated: where the log ends. It only grows."""
    return log.base + log.bytes.length


# -- units ------------------------------------------------------------------------------------------------------------

cdef inline void unit_open(Propagation *log, Unit *unit) noexcept nogil:
    """What is appended until this unit is closed takes effect as a whole. Within an open unit it joins that one. The struct is
    the handle: it stays the caller's, who closes it before those that were opened earlier."""
    unit.start = propagation_position(log)
    unit.count = 0
    unit.loose = False
    unit.outer = log.unit
    log.unit = unit


cdef inline void unit_close(Propagation *log, Unit *unit) noexcept nogil:
    log.unit = unit.outer
    if unlikely(unit.count):
        if unit.outer != NULL:
            unit.outer.count += unit.count
        elif unlikely(unit.count > 1):
            unit_end(log, unit)


cdef inline void unit_loosen(Propagation *log) noexcept nogil:
    """The effects of the command that runs are each on their own account (keys that it found expired), so they need no MULTI:
    unless the command is part of something larger."""
    if log.unit != NULL and log.unit.outer == NULL:
        log.unit.loose = True
