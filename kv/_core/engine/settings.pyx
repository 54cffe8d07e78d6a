"""The settings of an engine: a name, where its value goes, and what else changes with it. One line each, no more.

    put("maxmemory_samples", kv_place(one.maxmemory_samples))

A setting that is an option of the configuration has the option's name, with underscores, and takes the option's value; the
others are switches of DEBUG and what the server works out from several options. The type of a value is the field's own: the C
compiler fills it in. `one` and `cron` are patterns whose fields stand for those of every engine: a place inside a pattern is
the same place inside an engine's own struct. Limits that all engines of a process share have absolute places.

A value is converted first where it comes as a word, or in other units. Then `after` sees to what follows from the change.
"""
from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint32_t, uint64_t

from kv._core.base.clock cimport clock_measure_ticks_per_us
from kv._core.base.memory cimport memory_set_limit
from kv._core.containers.streamlog cimport stream_limits
from kv._core.keyspace.keyspace cimport (
    EVENT_EVICTED, EVENT_EXPIRED, EVENT_GENERIC, EVENT_HASH, EVENT_KEYEVENT, EVENT_KEYSPACE, EVENT_KEY_MISS, EVENT_LIST,
    EVENT_MODULE, EVENT_NEW, EVENT_SET, EVENT_STREAM, EVENT_STRING, EVENT_ZSET, POLICY_ALLKEYS, POLICY_LFU, POLICY_LRU,
    POLICY_NOEVICTION, POLICY_RANDOM, POLICY_TTL)
from kv._core.objects.hash cimport hash_limits
from kv._core.objects.hyperloglog cimport hll_limits
from kv._core.objects.list cimport list_limits
from kv._core.objects.set cimport set_limits
from kv._core.objects.zset cimport zset_limits
from kv._core.rdb.format cimport RDB_VERSION
from kv._core.runtime.footprint cimport footprint_count_all
from kv._core.runtime.observed cimport observing_update
from kv._core.scripts.cache cimport scripts_flush
from kv._core.scripts.scripting cimport Scripting
from kv._core.runtime.state cimport (
    ALERT_CLIENT_LIMIT, ALERT_FEW_REPLICAS, ALERT_MAXMEMORY, ALERT_PAUSED_WRITES, ALERT_SAVE_ERROR, Runtime)

cdef extern from *:
    """
    enum { PLACE_INT = 1, PLACE_UINT8, PLACE_INT64, PLACE_UINT64, PLACE_ALERT };

    typedef struct {
        void *address;
        int type;
        uint32_t alert;
    } Place;

    #define kv_place(x) ((Place){&(x), _Generic((x), int: PLACE_INT, uint8_t: PLACE_UINT8, int64_t: PLACE_INT64, \\
                                               uint64_t: PLACE_UINT64), 0})
    #define kv_place_alert(x, bit) ((Place){&(x), PLACE_ALERT, (bit)})
    """
    enum:
        PLACE_INT, PLACE_UINT8, PLACE_INT64, PLACE_UINT64, PLACE_ALERT
    ctypedef struct Place:
        void *address
        int type
        uint32_t alert
    Place kv_place(...)         # of a field
    Place kv_place_alert(uint32_t alerts, uint32_t alert)       # of a bit of Runtime.alerts

ctypedef void (*after_set)(Runtime *runtime) noexcept nogil

POLICIES = {
    "noeviction": POLICY_NOEVICTION,
    "allkeys-lru": POLICY_ALLKEYS | POLICY_LRU, "volatile-lru": POLICY_LRU,
    "allkeys-lfu": POLICY_ALLKEYS | POLICY_LFU, "volatile-lfu": POLICY_LFU,
    "allkeys-random": POLICY_ALLKEYS | POLICY_RANDOM, "volatile-random": POLICY_RANDOM,
    "volatile-ttl": POLICY_TTL,
}
EVENTS = {
    "K": EVENT_KEYSPACE, "E": EVENT_KEYEVENT, "g": EVENT_GENERIC, "$": EVENT_STRING, "l": EVENT_LIST, "s": EVENT_SET,
    "h": EVENT_HASH, "z": EVENT_ZSET, "x": EVENT_EXPIRED, "e": EVENT_EVICTED, "t": EVENT_STREAM, "m": EVENT_KEY_MISS,
    "d": EVENT_MODULE, "n": EVENT_NEW,
}
EVENTS["A"] = sum([EVENTS[letter] for letter in "g$lshzxetd"])
SANITIZING = {"no": 0, "yes": 1, "clients": 2}
VERSION_CHECKS = {"strict": 0, "relaxed": 1}
ALLOWED = {"no": 0, "yes": 1, "local": 2}

cdef enum:
    REPLY_PEAK_RESET_MS = 5000

cdef Runtime one                # the patterns
cdef CronSettings cron
cdef dict table = {}


cdef class Setting:
    """A line of the table."""
    cdef Place place
    cdef object convert         # called with the value that was given, None: it is the field's
    cdef after_set after        # NULL: nothing follows


cdef int put(str name, Place place, object convert=None, after_set after=NULL) except -1:
    cdef Setting setting = Setting()
    setting.place, setting.convert, setting.after = place, convert, after
    if name in table:
        raise ValueError(name)
    table[name] = setting
    return 0


# -- values that come as words, or in other units -----------------------------------------------------------------

cdef double ticks_in_us = 0     # 0: not measured yet


cdef double clock_ticks_per_us() noexcept nogil:
    """Ticks of the processor's counter in a microsecond: measured once, for all engines of the process."""
    global ticks_in_us
    if ticks_in_us == 0:
        ticks_in_us = clock_measure_ticks_per_us()
    return ticks_in_us


cdef int64_t ticks_of(double us) noexcept nogil:
    """A duration in ticks; one that no count of ticks can hold is never reached."""
    cdef double ticks = us * clock_ticks_per_us()
    return <int64_t> ticks if ticks < 9e18 else INT64_MAX


def slow_ticks(us):
    return ticks_of(us) if us >= 0 else -1


def spike_ticks(ms):
    return ticks_of(ms * 1000) if ms else INT64_MAX


def event_bits(letters):
    bits = 0
    for letter in letters:
        bits |= EVENTS[letter]
    return bits


def reply_peak_reset(ms):
    return REPLY_PEAK_RESET_MS if ms is None else ms


# -- what follows from a change -----------------------------------------------------------------------------------

cdef void after_maxmemory(Runtime *runtime) noexcept nogil:
    memory_set_limit(runtime.maxmemory)
    runtime.evicting = runtime.maxmemory != 0       # the cron sees to what is over it already
    alert_set(runtime, ALERT_MAXMEMORY, runtime.maxmemory != 0)


cdef void after_policy(Runtime *runtime) noexcept nogil:
    """The candidates were chosen by other rules."""
    runtime.pool.count = 0


cdef void after_client_limit(Runtime *runtime) noexcept nogil:
    """Who is over the limit is closed when the turn ends."""
    cdef bint was_set = runtime.alerts & ALERT_CLIENT_LIMIT != 0
    alert_set(runtime, ALERT_CLIENT_LIMIT, runtime.client_limit != 0)
    if was_set != (runtime.client_limit != 0):
        footprint_count_all(runtime)


cdef void after_insecure(Runtime *runtime) noexcept nogil:
    """What scripts find is decided when their state is opened: open another one."""
    if runtime.scripting != NULL:
        scripts_flush(<Scripting *> runtime.scripting, False)


cdef void after_script_limit(Runtime *runtime) noexcept nogil:
    cdef Scripting *scripting = <Scripting *> runtime.scripting
    if scripting != NULL:
        scripting.eval.limit = scripting.functions.limit = <size_t> runtime.script_memory_limit


cdef void hiding_update(Runtime *runtime) noexcept nogil:
    """Whether expired keys are hidden and kept: while writes are paused, and where keys are imported."""
    runtime.keyspace.reads_only_hide = runtime.keyspace.import_mode or runtime.alerts & ALERT_PAUSED_WRITES != 0


# -- the table ----------------------------------------------------------------------------------------------------

# memory and eviction
put("maxmemory", kv_place(one.maxmemory), None, after_maxmemory)
put("maxmemory_policy", kv_place(one.keyspace.policy), POLICIES.__getitem__, after_policy)
put("maxmemory_samples", kv_place(one.maxmemory_samples))
put("maxmemory_eviction_tenacity", kv_place(one.eviction_tenacity))
put("lfu_log_factor", kv_place(one.keyspace.lfu_log_factor))
put("lfu_decay_time", kv_place(one.keyspace.lfu_decay_minutes))
put("lazyfree_lazy_eviction", kv_place(one.keyspace.lazy_evict))
put("lazyfree_lazy_expire", kv_place(one.keyspace.lazy_expire))
put("lazyfree_lazy_server_del", kv_place(one.keyspace.lazy_server_del))
put("lazyfree_lazy_user_del", kv_place(one.keyspace.lazy_user_del))
put("lazyfree_lazy_user_flush", kv_place(one.keyspace.lazy_user_flush))
# clients: what they may send, be sent, and take
put("proto_max_bulk_len", kv_place(one.bulk_limit))
put("client_query_buffer_limit", kv_place(one.query_limit))
put("maxmemory_clients", kv_place(one.client_limit), None, after_client_limit)      # bytes of all of them, 0: any
put("timeout", kv_place(cron.idle_timeout_s))
put("requires_password", kv_place(one.requires_password))
put("few_replicas", kv_place_alert(one.alerts, ALERT_FEW_REPLICAS))     # less than min-replicas-to-write
put("save_failed", kv_place_alert(one.alerts, ALERT_SAVE_ERROR))     # ... and writes are to be refused for that
put("enable_debug_command", kv_place(one.debug_allowed), ALLOWED.__getitem__)
put("enable_module_command", kv_place(one.module_allowed), ALLOWED.__getitem__)
put("enforce_reply_list", kv_place(one.enforce_blocks))
put("reply_resizing", kv_place(one.reply_resizing))
put("reply_peak_reset_ms", kv_place(one.reply_peak_reset_ms), reply_peak_reset)     # None: as it begins
# saving
put("rdb_write_version", kv_place(one.rdb_version))
put("sanitize_dump_payload", kv_place(one.sanitizing), SANITIZING.__getitem__)
put("payloads_trusted", kv_place(one.payloads_trusted))      # ... nor look closer at those of the user
put("rdb_version_check", kv_place(one.rdb_relaxed), VERSION_CHECKS.__getitem__)
put("skip_checksum_validation", kv_place(one.checksum_unchecked))
# scripts
put("busy_reply_threshold", kv_place(one.busy_threshold_ms))
put("script_memory_limit", kv_place(one.script_memory_limit), None, after_script_limit)
put("scripts_unrestricted", kv_place(one.scripts_unrestricted))
put("lua_enable_insecure_api", kv_place(one.lua_insecure), None, after_insecure)
# observing
put("notify_keyspace_events", kv_place(one.keyspace.event_classes), event_bits, observing_update)
put("latency_tracking", kv_place(one.latency_tracking))
put("latency_monitor_threshold", kv_place(one.spike_ticks), spike_ticks)
put("commandlog_execution_slower_than", kv_place(one.slow_ticks), slow_ticks)
put("commandlog_request_larger_than", kv_place(one.large_request))
put("commandlog_reply_larger_than", kv_place(one.large_reply))
# expiry and resizing
put("import_mode", kv_place(one.keyspace.import_mode), None, hiding_update)
put("activerehashing", kv_place(cron.active_rehashing))
put("active_expire_effort", kv_place(cron.expire_effort))
put("active_expire", kv_place(cron.active_expire))
put("hash_resize", kv_place(cron.resize_allowed))
# the engine's clock, for tests: how far it is ahead of the system's, and the unix time that it stands still at (0: it runs)
put("clock_shift_us", kv_place(one.clock_shift_us))
put("clock_stopped_us", kv_place(one.clock_stopped_us))
# the sizes up to which collections keep their compact encodings
put("list_max_listpack_size", kv_place(list_limits.listpack_size))
put("list_compress_depth", kv_place(list_limits.compress_depth))
put("hash_max_listpack_entries", kv_place(hash_limits.entries))
put("hash_max_listpack_value", kv_place(hash_limits.value))
put("set_max_intset_entries", kv_place(set_limits.intset_entries))
put("set_max_listpack_entries", kv_place(set_limits.listpack_entries))
put("set_max_listpack_value", kv_place(set_limits.listpack_value))
put("zset_max_listpack_entries", kv_place(zset_limits.entries))
put("zset_max_listpack_value", kv_place(zset_limits.value))
put("hll_sparse_max_bytes", kv_place(hll_limits.sparse_bytes))
put("stream_node_max_bytes", kv_place(stream_limits.node_bytes))
put("stream_node_max_entries", kv_place(stream_limits.node_entries))

SETTINGS = tuple(table)


cdef void settings_default(Runtime *runtime, CronSettings *settings) noexcept nogil:
    """What holds until somebody configures the engine."""
    runtime.slow_ticks = runtime.large_request = runtime.large_reply = -1
    runtime.spike_ticks = INT64_MAX
    runtime.bulk_limit = 512 << 20
    runtime.query_limit = 1 << 30
    runtime.maxmemory_samples = 5
    runtime.eviction_tenacity = 10
    runtime.latency_tracking = True
    runtime.rdb_version = RDB_VERSION
    runtime.reply_resizing = True
    runtime.reply_peak_reset_ms = REPLY_PEAK_RESET_MS
    settings.active_rehashing = settings.active_expire = settings.resize_allowed = True
    settings.expire_effort = 1
    settings.idle_timeout_s = 0


cdef void *moved(void *address, void *pattern, size_t size, void *own) noexcept nogil:
    """The place in an engine's struct that an address in the pattern stands for; NULL where it is in another struct."""
    if <char *> pattern <= <char *> address < <char *> pattern + size:
        return <char *> own + (<char *> address - <char *> pattern)
    return NULL


cdef int setting_put(Runtime *runtime, CronSettings *settings, str name, value) except -1:
    """Set one. Raises KeyError for a name that there is not, OverflowError for a value that its field can't hold."""
    cdef Setting setting = table[name]
    cdef void *address = moved(setting.place.address, &one, sizeof(one), runtime)
    if address == NULL:
        address = moved(setting.place.address, &cron, sizeof(cron), settings)
    if address == NULL:
        address = setting.place.address
    if setting.convert is not None:
        value = setting.convert(value)
    if setting.place.type == PLACE_INT:
        (<int *> address)[0] = value
    elif setting.place.type == PLACE_UINT8:
        (<uint8_t *> address)[0] = value
    elif setting.place.type == PLACE_INT64:
        (<int64_t *> address)[0] = value
    elif setting.place.type == PLACE_UINT64:
        (<uint64_t *> address)[0] = value
    elif setting.place.type == PLACE_ALERT:
        alert_set(runtime, setting.place.alert, value)
    if setting.after != NULL:
        setting.after(runtime)
    return 0
