"""The databases: find, put, delete, expire; and the one mark of a change. A single one: keyspace/database."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from kv._core.base.platform cimport likely, unlikely
from kv._core.base.random cimport Random
from kv._core.base.slice cimport Slice
from kv._core.containers.hashtable cimport Position
from kv._core.keyspace.database cimport Database, Key
from kv._core.objects.entry cimport ENTRY_EXPIRES, Entry, entry_expiry

cdef enum EventClass:           # notify-keyspace-events: a letter each
    EVENT_KEYSPACE = 1 << 0     # K
    EVENT_KEYEVENT = 1 << 1     # E
    EVENT_GENERIC = 1 << 2      # g
    EVENT_STRING = 1 << 3       # $
    EVENT_LIST = 1 << 4         # l
    EVENT_SET = 1 << 5          # s
    EVENT_HASH = 1 << 6         # h
    EVENT_ZSET = 1 << 7         # z
    EVENT_EXPIRED = 1 << 8      # x
    EVENT_EVICTED = 1 << 9      # e
    EVENT_STREAM = 1 << 10      # t
    EVENT_KEY_MISS = 1 << 11    # m
    EVENT_MODULE = 1 << 13      # d
    EVENT_NEW = 1 << 14         # n
    EVENT_BESIDE = 1 << 15      # with another: WATCH does not mind, the value is as it was (a stream's groups are beside it)

cdef enum Policy:               # maxmemory-policy
    POLICY_NOEVICTION = 0
    POLICY_LRU = 1              # least recently used first
    POLICY_LFU = 2              # least frequently used first
    POLICY_TTL = 4              # nearest expiry first
    POLICY_RANDOM = 8
    POLICY_ALLKEYS = 16         # of all keys, else of those with an expiry

cdef enum RemovalCause:
    REMOVED_EXPIRED
    REMOVED_EVICTED

cdef enum LookupFlag:
    LOOKUP_WRITE = 1            # an expired key is deleted, not just hidden
    LOOKUP_NO_TOUCH = 2         # the access clock stays
    LOOKUP_NO_STATS = 4         # neither a hit nor a miss
    LOOKUP_NO_NOTIFY = 8        # a miss is counted, but nobody is told

cdef struct Keyspace:
    Database *databases         # `count` of them
    int count
    int64_t now_ms              # unix time; set by the engine, never read from the system here
    uint32_t lru_clock          # now in LRU units (seconds, 24 bits)
    int policy                  # Policy bits
    int lfu_log_factor          # how slowly the LFU counter rises
    int lfu_decay_minutes       # minutes after which it falls by one, 0: never
    bint lazy_expire            # lazyfree-lazy-expire, and so on
    bint lazy_evict
    bint lazy_server_del
    bint lazy_user_del
    bint lazy_user_flush
    bint expiry_paused          # keys stay although their time has come (loading, a paused server, DEBUG)
    bint import_mode            # config import-mode: keys come from elsewhere with their expiries, nothing expires here
    bint show_expired           # the client that runs may see keys whose time has come (CLIENT IMPORT-SOURCE)
    bint reads_only_hide        # an expired key is hidden, but stays: somebody else decides (a replica, a paused server)
    bint touch_paused           # a forked child lives: do not dirty pages for the access clock's sake
    int event_classes           # notify-keyspace-events as EventClass bits, 0: off
    bint observed               # somebody wants to hear of changes: watchers, tracking, notifications, blocked clients
    uint64_t dirty              # changes since the last save
    Random random
    uint64_t hits               # lookups for reading that found something
    uint64_t misses
    uint64_t expired            # keys removed because their time had come
    uint64_t expired_active     # ... by the sweeps
    uint64_t evicted            # keys removed for maxmemory
    double stale_share          # part of the swept keys that were expired, smoothed, 0 to 1
    uint64_t expire_cap_reached  # sweeps that ran out of time
    uint64_t expire_sweep_us    # time spent in sweeps
    Position found              # where the last lookup found its entry
    void *owner                 # the runtime, for the two below
    void (*on_change)(Keyspace *keyspace, Database *database, Slice key, int event_class,
                      const char *event) noexcept nogil         # called for each change while observed
    void (*on_removal)(Keyspace *keyspace, Database *database, Slice key, int cause) noexcept nogil
    void (*on_miss)(Keyspace *keyspace, Database *database, Slice key) noexcept nogil
    void (*dispose)(Entry *entry) noexcept nogil    # frees a big value elsewhere; NULL: nobody does

cdef int keyspace_init(Keyspace *keyspace, int count, uint64_t seed) noexcept nogil
cdef void keyspace_free(Keyspace *keyspace) noexcept nogil
cdef Entry *keyspace_find(Keyspace *keyspace, Database *database, Key key) noexcept nogil
cdef Entry *keyspace_lookup(Keyspace *keyspace, Database *database, Key key, int flags) noexcept nogil
cdef void keyspace_add(Keyspace *keyspace, Database *database, Key key, Entry *entry) noexcept nogil
cdef void keyspace_put(Keyspace *keyspace, Database *database, Entry *entry) noexcept nogil
cdef void keyspace_overwrite(Keyspace *keyspace, Database *database, Entry *entry, Entry *made,
                             bint lazy) noexcept nogil
cdef void keyspace_remove(Keyspace *keyspace, Database *database, Key key, bint lazy) noexcept nogil
cdef Entry *keyspace_detach(Keyspace *keyspace, Database *database, Key key) noexcept nogil
cdef Entry *keyspace_set_expiry(Keyspace *keyspace, Database *database, Entry *entry, int64_t expiry) noexcept nogil
cdef bint keyspace_drop_expired(Keyspace *keyspace, Database *database, Entry *entry, bint active) noexcept nogil
cdef void keyspace_evict_key(Keyspace *keyspace, Database *database, Key key) noexcept nogil
cdef uint32_t keyspace_access_now(Keyspace *keyspace) noexcept nogil
# of an entry from elsewhere: seconds since it was accessed, how often it is (0 to 255); -1: not known. What the policy uses counts
cdef void keyspace_set_access(Keyspace *keyspace, Entry *entry, int64_t idle_s, int frequency) noexcept nogil
cdef void keyspace_touch(Keyspace *keyspace, Entry *entry) noexcept nogil
cdef uint32_t keyspace_lfu(Keyspace *keyspace, const Entry *entry) noexcept nogil
cdef uint64_t keyspace_idle_seconds(Keyspace *keyspace, const Entry *entry) noexcept nogil
cdef uint64_t database_flush(Keyspace *keyspace, Database *database, Database *detached) noexcept nogil
cdef void database_swap(Keyspace *keyspace, int first, int second) noexcept nogil
cdef Key key_of(Slice name) noexcept nogil
cdef const char *keyspace_check(Keyspace *keyspace) noexcept nogil


cdef inline bint keyspace_expired(const Keyspace *keyspace, const Entry *entry) noexcept nogil:
    """Whether the entry's time has come."""
    return entry.flags & ENTRY_EXPIRES and entry_expiry(entry) < keyspace.now_ms and not (
        keyspace.expiry_paused or keyspace.show_expired)


cdef inline void keyspace_changed(Keyspace *keyspace, Database *database, Slice key, int event_class,
                                  const char *event) noexcept nogil:
    """The one mark of a change: the dirty counter, and who observes keys: WATCH, notifications, tracking, blocked clients.

    `event` is the keyspace notification's name, NULL where the change has none."""
    keyspace.dirty += 1
    if unlikely(keyspace.observed):
        keyspace.on_change(keyspace, database, key, event_class, event)
