"""Keeping to maxmemory and maxmemory-clients: keys are evicted, clients closed, and the time over the limit is counted."""
from libc.stdint cimport INT64_MAX, int64_t

from kv._core.base.clock cimport clock_us
from kv._core.base.memory cimport memory_used
from kv._core.base.platform cimport unlikely
from kv._core.keyspace.evict cimport evict_one
from kv._core.keyspace.keyspace cimport POLICY_NOEVICTION
from kv._core.runtime.footprint cimport footprint_largest, footprint_over_limit
from kv._core.runtime.session cimport session_doom
from kv._core.runtime.state cimport (
    ALERT_PAUSED_ALL, ALERT_PAUSED_WRITES, ARENA_SMALL, CLOSING_EVICTED, Runtime, Session)

cdef enum:
    EVICTION_SLICE_US = 500     # time one command gives to eviction at the default tenacity


cdef inline bint fits(const Runtime *runtime) noexcept nogil:
    """Whether memory is within maxmemory. No key is evicted for what is gone soon: replies in the arena, and the arena
    itself where they made it large, clients that are closed when the turn ends, and effects that wait to be written."""
    cdef size_t replies = runtime.arena.capacity if runtime.arena.capacity > ARENA_SMALL else runtime.arena.length
    return memory_used() <= runtime.maxmemory + runtime.propagation.bytes.length + replies + runtime.doomed_bytes


cdef inline int64_t eviction_limit_us(const Runtime *runtime) noexcept nogil:
    """Time that one command may spend evicting, by maxmemory-eviction-tenacity: 0.5 ms at 10, unlimited at 100."""
    cdef int _i
    cdef double limit = EVICTION_SLICE_US
    if runtime.eviction_tenacity <= 10:
        return EVICTION_SLICE_US // 10 * runtime.eviction_tenacity
    if runtime.eviction_tenacity >= 100:
        return 1 << 60
    for _i in range(runtime.eviction_tenacity - 10):
        limit *= 1.15
    return <int64_t> limit


cdef bint evict_until_fits(Runtime *runtime) noexcept nogil:
    """Evict keys until used memory is within maxmemory, for a limited time (the cron goes on). False where memory
    is over the limit and nothing can be evicted."""
    cdef int64_t start, limit
    cdef int rounds = 0
    cdef bint evicted = True
    if runtime.maxmemory == 0 or fits(runtime):
        runtime.evicting = False
        if unlikely(runtime.statistics.over_limit_since_us != 0):
            note_limit(runtime)
        return True
    if runtime.keyspace.policy == POLICY_NOEVICTION or runtime.keyspace.import_mode:
        note_limit(runtime)
        return False
    if runtime.alerts & (ALERT_PAUSED_ALL | ALERT_PAUSED_WRITES):
        return True
    start = clock_us()
    limit = eviction_limit_us(runtime)
    while not fits(runtime):
        if not evict_and_watch(runtime):
            evicted = fits(runtime)
            break
        rounds += 1
        if rounds & 15 == 0 and clock_us() - start > limit:
            runtime.evicting = True
            break
    note_limit(runtime)
    tell_spike(runtime, b"eviction-cycle", clock_us() - start)
    return evicted


cdef void note_limit(Runtime *runtime) noexcept nogil:
    """Begin or end the time over maxmemory. It is over where eviction did not help, and within it again as soon as keys
    are deleted, or the limit is raised or taken away."""
    cdef bint over = runtime.maxmemory != 0 and not fits(runtime)
    if over and runtime.statistics.over_limit_since_us == 0:
        runtime.statistics.over_limit_since_us = clock_us()
    elif not over and runtime.statistics.over_limit_since_us:
        runtime.statistics.over_limit_us += clock_us() - runtime.statistics.over_limit_since_us
        runtime.statistics.over_limit_since_us = 0


cdef inline bint evict_and_watch(Runtime *runtime) noexcept nogil:
    """Evict a key; while the latency monitor is on, see how long that took."""
    cdef int64_t start
    cdef bint evicted
    if runtime.spike_ticks == INT64_MAX:
        return evict_one(&runtime.keyspace, &runtime.pool, runtime.maxmemory_samples)
    start = clock_us()
    evicted = evict_one(&runtime.keyspace, &runtime.pool, runtime.maxmemory_samples)
    tell_spike(runtime, b"eviction-del", clock_us() - start)
    return evicted


cdef void tell_spike(Runtime *runtime, const char *event, int64_t us) noexcept nogil:
    """Something took so long: have the latency monitor know, if it is on and this is a spike."""
    if runtime.spike_ticks != INT64_MAX and us * runtime.ticks_per_us >= runtime.spike_ticks:
        runtime.on_spike(runtime, event, us)


cdef void evict_clients(Runtime *runtime) noexcept nogil:
    """Close the largest clients until what all take is within maxmemory-clients."""
    cdef Session *session
    while footprint_over_limit(runtime):
        session = footprint_largest(runtime)
        if session == NULL:
            return
        runtime.on_closing(session, CLOSING_EVICTED)
        runtime.statistics.evicted_clients += 1
        session_doom(session)
