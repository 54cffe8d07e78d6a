"""Channels, patterns and shard channels, and who subscribed to them."""
from libc.stdint cimport uint32_t, uint64_t

from kv._core.base.slice cimport Slice
from kv._core.keyspace.keyspace cimport Database
from kv._core.runtime.state cimport Runtime, Session

cdef enum ChannelKind:
    KIND_CHANNEL = 0
    KIND_PATTERN = 1
    KIND_SHARD = 2
    KIND_COUNT = 3

cdef struct Channel:            # an element of the runtime's table of channels
    Subscription *first         # who subscribed, the oldest first
    Subscription *last
    Channel *next               # other patterns, the oldest first (patterns only)
    Channel *previous
    uint64_t subscribers        # how many
    uint32_t length             # bytes of the name
    char kind                   # ChannelKind; hashed together with the name that follows
    char name[1]                # the block goes on

cdef struct Subscription:       # an element of the runtime's table of subscriptions
    Session *session            # these two are hashed
    Channel *channel
    Subscription *next          # others of the channel
    Subscription *previous
    Subscription *next_of_session
    Subscription *previous_of_session

cdef struct Subscriptions:      # of one session
    Subscription *first
    uint64_t counts[KIND_COUNT]  # by ChannelKind

cdef bint subscribe(Session *session, int kind, Slice name) noexcept nogil
cdef bint unsubscribe(Session *session, int kind, Slice name) noexcept nogil
cdef Subscription *subscription_of_kind(Session *session, int kind) noexcept nogil
cdef void unsubscribe_all(Session *session) noexcept nogil
cdef uint64_t subscription_count(const Session *session, int kind) noexcept nogil
cdef uint64_t publish(Runtime *runtime, int kind, Slice channel, Slice message) noexcept nogil
cdef void publish_event(Runtime *runtime, Database *database, Slice key, const char *event) noexcept nogil
cdef uint64_t channel_subscribers(Runtime *runtime, int kind, Slice name) noexcept nogil
