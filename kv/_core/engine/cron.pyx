"""What the engine does between turns: a slice of each long job, bounded in time.

Called by whoever embeds it, `hz` times a second: expired keys are swept away, tables are resized and rehashed,
eviction goes on where a command had to leave off, idle clients are closed, soft output limits are watched.

The sweep for expired keys may take a share of the processor that is 25 ms of each 100 at least. No client waits for as
long: what is left to sweep is swept in parts of at most 5 ms, and the loop serves clients between them.
"""
from libc.stdint cimport int64_t, uint64_t

from kv._core.base.blob cimport Blob, blob_capacity
from kv._core.base.buffer cimport buffer_free
from kv._core.base.clock cimport clock_us
from kv._core.base.memory cimport memory_purge_slice, memory_realloc, memory_size, memory_slab_bytes, memory_spare
from kv._core.keyspace.database cimport database_fit, database_rehash
from kv._core.engine.eviction cimport evict_until_fits, note_limit, tell_spike
from kv._core.engine.execute cimport refresh_clock
from kv._core.engine.engine cimport Engine
from kv._core.keyspace.activeexpire cimport expire_sweep
from kv._core.keyspace.keyspace cimport Keyspace
from kv._core.runtime.footprint cimport footprint_note
from kv._core.runtime.session cimport session_check_soft_limit, session_doom, session_fit_replies
from kv._core.runtime.state cimport (
    ALERT_LOADING, ALERT_PAUSED_WRITES, ARENA_KEEP, ARENA_SMALL, CLASS_NORMAL, RECENT_SECONDS, SESSION_BLOCKED, SESSION_DOOMED,
    SESSION_MONITOR, SESSION_SUBSCRIBED, Runtime, Session)

cdef enum:
    IDLE_MS = 2000              # a client that was silent for so long has its input buffer shrunk
    LARGE_INPUT = 32 * 1024     # smaller ones are left alone while it is busy
    REHASH_US = 1000            # time for rehashing a call
    REHASH_BUCKETS = 128        # buckets between two looks at the clock
    EXPIRE_SHARE = 25           # percent of the processor that the sweep may take at effort 1
    PART_US = 5000              # of the sweep, longest
    PURGE_EVERY = 100           # calls between two looks at memory to give back
    PURGE_SOONER = 10           # ... while it grows by
    PURGE_GROWTH = 4 << 20      # so many bytes, and
    PURGE_GROWTH_SHARE = 32     # this part of all pages
    PURGE_US = 1000             # time for that a call
    PURGE_PAGES = 8             # pages between two looks at the clock


def engine_cron(Engine engine, int hz):
    """One slice of everything. The seconds after which engine_sweep is to be called, 0.0: not before the next engine_cron."""
    engine.enter()
    cdef Runtime *runtime = &engine.runtime
    cdef double pause = 0
    refresh_clock(&engine.runtime)
    if runtime.pause_end_ms and <uint64_t> runtime.keyspace.now_ms >= runtime.pause_end_ms:
        engine.unpause()
    if runtime.alerts & (ALERT_LOADING | ALERT_PAUSED_WRITES) == 0:
        pause = sweep(engine, hz)
        if runtime.evicting:
            evict_until_fits(runtime)
    note_limit(runtime)
    resize_tables(engine)
    look_after_sessions(engine)
    fit_arena(runtime)
    engine.cron_calls += 1
    if (engine.purging or engine.cron_calls % PURGE_EVERY == 0
            or (engine.cron_calls % PURGE_SOONER == 0 and spare_grew(engine))):
        purge(engine)
    return pause


def engine_sweep(Engine engine, int hz):
    """Another part of the sweep, between two calls of engine_cron; returns as it does."""
    engine.enter()
    refresh_clock(&engine.runtime)
    if engine.runtime.alerts & (ALERT_LOADING | ALERT_PAUSED_WRITES):
        return 0.0
    return sweep(engine, hz)


cdef double sweep(Engine engine, int hz) noexcept nogil:
    """A part of the sweep for expired keys; the seconds after which the next is due, 0: not before the next call of the cron."""
    cdef Runtime *runtime = &engine.runtime
    cdef int64_t most_us = <int64_t> 1000000 * (EXPIRE_SHARE + 2 * (engine.cron.expire_effort - 1)) // hz // 100
    cdef int64_t parts = (most_us + PART_US - 1) // PART_US
    cdef int64_t start
    cdef bint more
    if not engine.cron.active_expire or runtime.keyspace.import_mode:
        return 0
    start = clock_us()
    more = expire_sweep(&runtime.keyspace, engine.cron.expire_effort, most_us // parts)
    tell_spike(runtime, b"expire-cycle", clock_us() - start)
    return 1.0 / hz / parts if more and parts > 1 else 0


cdef void fit_arena(Runtime *runtime) noexcept nogil:
    """Keep as much of the arena as the replies of late filled twice: it counts as used memory."""
    cdef size_t keep = runtime.arena_peak * 2
    if keep < ARENA_SMALL:
        keep = ARENA_SMALL
    runtime.arena_keep = keep if keep < ARENA_KEEP else ARENA_KEEP
    runtime.arena_peak = 0


cdef bint spare_grew(Engine engine) noexcept nogil:
    """Whether much was freed since the last purge."""
    cdef size_t spare = memory_spare()
    if spare < engine.spare_left:
        engine.spare_left = spare
    return spare - engine.spare_left > PURGE_GROWTH + memory_slab_bytes() // PURGE_GROWTH_SHARE


cdef void purge(Engine engine) noexcept nogil:
    """Give memory back, for a limited time; the next call goes on."""
    cdef int64_t start = clock_us()
    cdef size_t returned = 0
    engine.purging = True
    while clock_us() - start < PURGE_US:
        if not memory_purge_slice(PURGE_PAGES, &returned):
            engine.purging = False
            engine.spare_left = memory_spare()
            return


cdef void resize_tables(Engine engine) noexcept nogil:
    cdef Keyspace *keyspace = &engine.runtime.keyspace
    cdef int64_t start = clock_us()
    cdef int i
    for i in range(keyspace.count):
        if engine.cron.resize_allowed:
            database_fit(keyspace.databases + i)
        while engine.cron.active_rehashing and database_rehash(keyspace.databases + i, REHASH_BUCKETS):
            if clock_us() - start > REHASH_US:
                return


cdef void shrink_input(Session *session, int64_t now_ms) noexcept nogil:
    """Input buffers are kept while they are used: an idle client's is given back, a busy one's follows its recent
    peak."""
    cdef size_t want = session.input.capacity
    if now_ms - session.active_ms > IDLE_MS:
        want = session.input.length
        if session.parser.filling != NULL and blob_capacity(session.parser.filling) > session.parser.filled * 2 + 64:
            session.parser.filling = <Blob *> memory_realloc(
                session.parser.filling, sizeof(size_t) + session.parser.filled)
    elif want > LARGE_INPUT and session.input_peak < want // 2:
        want = session.input_peak if session.input_peak > session.input.length else session.input.length
    if want == 0:
        buffer_free(&session.input)
    elif want < session.input.capacity // 2:
        session.input.data = <char *> memory_realloc(session.input.data, want)
        session.input.capacity = memory_size(session.input.data)
    session.input_peak = session.input.length


cdef size_t input_memory(const Session *session) noexcept nogil:
    """Bytes that hold what a client sent and what is still to come of it."""
    return session.input.capacity + (blob_capacity(session.parser.filling) if session.parser.filling != NULL else 0)


cdef int recent_slot(Runtime *runtime) noexcept nogil:
    """Where this second's largest buffers are noted; those of seconds that are no longer recent are forgotten."""
    cdef int64_t second = runtime.keyspace.now_ms // 1000
    if second - runtime.recent_second > RECENT_SECONDS or second < runtime.recent_second:
        runtime.recent_second = second - RECENT_SECONDS
    while runtime.recent_second < second:
        runtime.recent_second += 1
        runtime.recent_input[runtime.recent_second % RECENT_SECONDS] = 0
        runtime.recent_output[runtime.recent_second % RECENT_SECONDS] = 0
    return <int> (second % RECENT_SECONDS)


cdef void look_after_sessions(Engine engine) noexcept nogil:
    """Close idle clients; watch those whose output waits; note the largest buffers."""
    cdef Session *session = engine.runtime.sessions
    cdef int64_t oldest = engine.runtime.keyspace.now_ms - engine.cron.idle_timeout_s * 1000
    cdef int slot = recent_slot(&engine.runtime)
    cdef size_t *most_input = &engine.runtime.recent_input[slot]
    cdef size_t *most_output = &engine.runtime.recent_output[slot]
    while session != NULL:
        if input_memory(session) > most_input[0]:
            most_input[0] = input_memory(session)
        if session.output_bytes > most_output[0]:
            most_output[0] = session.output_bytes
        if session.input.capacity or session.parser.filling != NULL:
            shrink_input(session, engine.runtime.keyspace.now_ms)
        session_fit_replies(session)
        if session.output_bytes:
            session_check_soft_limit(session)
        if engine.runtime.client_limit:
            footprint_note(session)
        if (engine.cron.idle_timeout_s and session.active_ms < oldest and session.class_ == CLASS_NORMAL
                and session.transport != NULL
                and not session.flags & (SESSION_BLOCKED | SESSION_DOOMED | SESSION_MONITOR | SESSION_SUBSCRIBED)):
            engine.runtime.statistics.timed_out += 1
            session_doom(session)
        session = session.next
