"""The engine's figures as Python sees them, for INFO, MEMORY, LATENCY and tests; and setting counters back."""
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memset

from kv._core.base.clock cimport CLOCK_HAS_TICKS, CLOCK_NAME, clock_us
from kv._core.base.heap cimport heap_look
from kv._core.base.memory cimport (
    MemoryFigures, memory_figures as allocator_figures, memory_purge, memory_resident, memory_used)
from kv._core.containers.hashtable cimport Bucket, Hashtable, hashtable_overhead, hashtable_rehashing
from kv._core.engine.engine cimport Engine
from kv._core.engine.serve cimport serve_memory
from kv._core.keyspace.database cimport database_count, database_expiring, database_overhead, database_table
from kv._core.keyspace.keyspace cimport Database, Keyspace, keyspace_check
from kv._core.runtime.footprint cimport footprint
from kv._core.runtime.lazyfree cimport lazyfree_freed_objects, lazyfree_pending_objects, lazyfree_reset_statistics
from kv._core.runtime.pubsub cimport KIND_CHANNEL, KIND_PATTERN, KIND_SHARD
from kv._core.runtime.registry cimport command_at, command_count
from kv._core.runtime.state cimport LATENCY_BUCKETS, CommandStatistics, Runtime, Session, Statistics
from kv._core.scripts.functions cimport libraries_bytes
from kv._core.scripts.scripting cimport Script, Scripting

cdef extern from *:
    const int GCC_MAJOR "__GNUC__"
    const int GCC_MINOR "__GNUC_MINOR__"
    const int GCC_PATCH "__GNUC_PATCHLEVEL__"


def statistics(Engine engine not None):
    """Counters of INFO's sections stats, persistence and clients, by the names they have in Statistics and Keyspace."""
    engine.enter()
    cdef Runtime *runtime = &engine.runtime
    figures = dict(runtime.statistics)
    cdef Keyspace *keyspace = &runtime.keyspace
    figures.update(
        hits=keyspace.hits, misses=keyspace.misses, expired=keyspace.expired, expired_active=keyspace.expired_active,
        evicted=keyspace.evicted, stale_share=keyspace.stale_share, expire_cap_reached=keyspace.expire_cap_reached,
        expire_sweep_us=keyspace.expire_sweep_us, dirty=keyspace.dirty, session_count=runtime.session_count,
        watching=runtime.watching_sessions,
        channels=runtime.channel_counts[<int> KIND_CHANNEL], patterns=runtime.channel_counts[<int> KIND_PATTERN],
        shard_channels=runtime.channel_counts[<int> KIND_SHARD], subscribed=runtime.subscribed_sessions,
        watched_keys=runtime.watched_keys, awaited_keys=runtime.awaited_keys, awaited_missing=runtime.awaited_missing,
        deadlines=runtime.deadline_count,
        loop_us=<uint64_t> (runtime.statistics.loop_ticks / runtime.ticks_per_us),
        loop_us_most=<uint64_t> (runtime.statistics.loop_ticks_most / runtime.ticks_per_us),
        over_limit_now_us=clock_us() - runtime.statistics.over_limit_since_us if runtime.statistics.over_limit_since_us else 0,
        aof_us=<uint64_t> (runtime.statistics.aof_ticks / runtime.ticks_per_us),
        blocked=runtime.blocked_count, lazyfree_pending=lazyfree_pending_objects(), lazyfreed=lazyfree_freed_objects())
    return figures


def reset_statistics(Engine engine not None):
    """CONFIG RESETSTAT."""
    engine.enter()
    cdef Runtime *runtime = &engine.runtime
    cdef Keyspace *keyspace = &runtime.keyspace
    cdef CommandStatistics *counted
    cdef int i
    memset(&runtime.statistics, 0, sizeof(Statistics))
    runtime.error_kind_count = 0
    keyspace.hits = keyspace.misses = keyspace.expired = keyspace.expired_active = keyspace.evicted = 0
    keyspace.expire_cap_reached = keyspace.expire_sweep_us = 0
    keyspace.stale_share = 0
    lazyfree_reset_statistics()
    if runtime.scripting != NULL:
        (<Scripting *> runtime.scripting).evicted = 0
    runtime.peak_memory = memory_used()
    for i in range(command_count()):
        counted = runtime.command_statistics + i
        counted.calls = counted.ticks = counted.rejected = counted.failed = 0
        if counted.latency != NULL:
            memset(counted.latency, 0, LATENCY_BUCKETS * sizeof(counted.latency[0]))


def command_figures(Engine engine not None):
    """{full name: (calls, microseconds, rejected, failed)} of the commands that were called or refused."""
    cdef CommandStatistics *counted
    cdef int i
    engine.enter()
    figures = {}
    for i in range(command_count()):
        counted = engine.runtime.command_statistics + i
        if counted.calls or counted.rejected or counted.failed:
            figures[command_at(i).name.decode()] = (counted.calls, <uint64_t> (counted.ticks / engine.runtime.ticks_per_us),
                                                    counted.rejected, counted.failed)
    return figures


def latency_figures(Engine engine not None):
    """{full name: its counters, copied} of the commands that have a histogram (see runtime/latencystats)."""
    cdef CommandStatistics *counted
    cdef int i
    engine.enter()
    figures = {}
    for i in range(command_count()):
        counted = engine.runtime.command_statistics + i
        if counted.latency != NULL:
            figures[command_at(i).name.decode()] = (
                <const char *> counted.latency)[:LATENCY_BUCKETS * sizeof(counted.latency[0])]
    return figures


def commands_us(Engine engine not None):
    """Microseconds spent in commands since the statistics were reset."""
    engine.enter()
    cdef uint64_t ticks = 0
    cdef int i
    for i in range(command_count()):
        ticks += engine.runtime.command_statistics[i].ticks
    return <uint64_t> (ticks / engine.runtime.ticks_per_us)


def error_figures(Engine engine not None):
    """{error code: replies}."""
    cdef int i
    engine.enter()
    return {engine.runtime.error_kinds[i].code.decode("latin-1"): engine.runtime.error_kinds[i].count
            for i in range(engine.runtime.error_kind_count)}


def note_rejected_connection(Engine engine not None):
    engine.enter()
    engine.runtime.statistics.rejected_connections += 1


def note_auth_failure(Engine engine not None):
    engine.enter()
    engine.runtime.statistics.auth_failures += 1


def database_figures(Engine engine not None):
    """[(keys, keys with an expiry, average ttl in ms)], one a database."""
    cdef int i
    cdef Database *database
    engine.enter()
    figures = []
    for i in range(engine.runtime.keyspace.count):
        database = engine.runtime.keyspace.databases + i
        figures.append((database_count(database), database_expiring(database), <int64_t> database.average_ttl_ms))
    return figures


cdef int64_t next_look_us = 0   # when glibc's heap is looked at again


cdef void look_at_heap() noexcept nogil:
    """Where there are a great many holes a look takes long: for at most a hundredth of the time, then."""
    global next_look_us
    cdef int64_t start = clock_us()
    if start >= next_look_us:
        heap_look()
        next_look_us = clock_us() + 100 * (clock_us() - start)


def memory_figures(Engine engine not None):
    """Bytes: used and peak of the engine; resident of the process; allocated, active and allocator_resident of the allocator,
    which are no more than the process has; tables, clients, and the engine's own buffers. Beside them objects of lazy freeing."""
    engine.enter()
    cdef Runtime *runtime = &engine.runtime
    cdef Session *session = runtime.sessions
    cdef MemoryFigures allocator
    cdef size_t resident
    cdef size_t clients = 0, tables = 0
    cdef int i
    look_at_heap()
    allocator, resident = allocator_figures(), memory_resident()
    while session != NULL:
        clients += footprint(session)
        session = session.next
    for i in range(runtime.keyspace.count):
        tables += database_overhead(runtime.keyspace.databases + i)
    if memory_used() > runtime.peak_memory:
        runtime.peak_memory = memory_used()
    return {"used": memory_used(), "peak": runtime.peak_memory, "resident": resident,
            "allocated": allocator.allocated, "active": max(allocator.allocated, min(allocator.active, resident)),
            "allocator_resident": max(allocator.allocated, min(allocator.resident, resident)),
            "tables": tables, "clients": clients, "arena": runtime.arena.capacity,
            "effects": runtime.propagation.bytes.capacity, "reading": serve_memory(runtime),
            "lazyfree_pending": lazyfree_pending_objects(), "lazyfreed": lazyfree_freed_objects()}


def script_figures(Engine engine not None):
    """Scripts that are kept and how many were evicted; libraries and their functions; bytes of either kind with what belongs to it,
    and of the Lua state of either."""
    engine.enter()
    cdef Scripting *scripting = <Scripting *> engine.runtime.scripting
    if scripting == NULL:
        return dict.fromkeys(SCRIPT_FIGURES, 0)
    return dict(zip(SCRIPT_FIGURES, (
        scripting.by_sha.count, scripting.evicted, scripting.bodies + scripting.by_sha.count * sizeof(Script)
        + hashtable_overhead(&scripting.by_sha) + hashtable_overhead(&scripting.by_body), scripting.eval.used,
        scripting.libraries.by_name.count, scripting.libraries.functions.count, libraries_bytes(&scripting.libraries),
        scripting.functions.used if scripting.functions.L != NULL else 0)))


SCRIPT_FIGURES = (
    "scripts", "evicted", "scripts_bytes", "eval_state", "libraries", "functions", "functions_bytes", "functions_state")


def clock_name(Engine engine not None):
    """What durations are measured with: "X86 TSC @ 2100 ticks/us"."""
    engine.enter()
    name = CLOCK_NAME.decode()
    return f"{name} @ {<long> engine.runtime.ticks_per_us} ticks/us" if CLOCK_HAS_TICKS else name


def compiler_version():
    """The compiler that this module was built with: "12.2.0"; of a compiler that is not GCC, the GCC that it stands for."""
    return f"{GCC_MAJOR}.{GCC_MINOR}.{GCC_PATCH}"


def table_bytes(Engine engine not None, int database):
    """(bytes of a database's table without its entries, those of the array that is being given up while it rehashes)."""
    engine.enter()
    cdef const Hashtable *table = database_table(engine.runtime.keyspace.databases + database)
    if table.main.buckets == 0:
        return 0, 0
    return sizeof(Hashtable) + database_overhead(engine.runtime.keyspace.databases + database), (
        (table.main.buckets + table.main.children) * sizeof(Bucket) if hashtable_rehashing(table) else 0)


def purge(Engine engine not None):
    """Give unused memory back to the system; the bytes of pages returned."""
    engine.enter()
    return memory_purge()


def check(Engine engine not None):
    """Walk the invariants of all databases. AssertionError names the first that does not hold."""
    engine.enter()
    cdef const char *fault = keyspace_check(&engine.runtime.keyspace)
    if fault != NULL:
        raise AssertionError(fault.decode())
