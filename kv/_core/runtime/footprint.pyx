"""What each session takes of memory, and which one takes most: maxmemory-clients.

While the limit is set, every session that was served or written to is counted again: its old figure leaves the sum
of its class, the new one enters. Sessions that may be closed for room stand in buckets by the power of two of what
they take, so that one of the largest is found without looking at the others. All of this is O(1) a command, and
while there is no limit nothing is counted at all: INFO and CLIENT LIST ask footprint() themselves.

What a session takes is its own: its struct, its input, the arguments it is sending, the transaction it queues, what it
watches and subscribes to (the nodes, not the names, which are shared), the output that waits, and its replies of this
turn in the arena. The chunk that all are read into belongs to nobody.

A doomed session counts no longer, although it is closed only when the turn ends: else one that is over its
output limit would take others with it.
"""
from kv._core.base.memory cimport memory_size
from kv._core.runtime.observed cimport Watch
from kv._core.runtime.pubsub cimport KIND_COUNT, Subscription, Subscriptions
from kv._core.runtime.state cimport (
    CLASS_NORMAL, CLASS_PUBSUB, CLASS_REPLICA, CLIENT_BUCKETS, SESSION_DOOMED, SESSION_NO_EVICT, Runtime,
    Session)
from kv._core.runtime.transaction cimport Transaction

cdef enum:
    SMALLEST_BUCKET = 15        # everything below 2^16 bytes stands in the first bucket


cdef extern from * nogil:
    int __builtin_clzll(unsigned long long value)


cdef size_t footprint(const Session *session) noexcept nogil:
    """Bytes that the session takes, its buffers included (tot-mem of CLIENT LIST)."""
    return (memory_size(session) + session.output_bytes + footprint_replies(session) + session.input.capacity
            + session.partial.capacity * sizeof(session.partial.items[0]) + argument_bytes(session)
            + (memory_size(session.waiting) if session.waiting != NULL else 0)
            + transaction_bytes(<const Transaction *> session.transaction)
            + subscription_bytes(<const Subscriptions *> session.subscriptions))


cdef size_t footprint_replies(const Session *session) noexcept nogil:
    """Its stretch of the arena, which grows while it runs."""
    if session.runtime.arena_owner == session:
        return session.runtime.arena.length - session.arena_start
    return session.arena_length


cdef size_t argument_bytes(const Session *session) noexcept nogil:
    """Arguments of this request that have blocks of their own. Each has 32 KiB or more: there are few to add up."""
    cdef size_t size = 0
    cdef int i
    if session.parser.filling != NULL:
        size += memory_size(session.parser.filling)
    for i in range(session.parser.big_count):
        if session.parser.bigs[i].blob != NULL:
            size += memory_size(session.parser.bigs[i].blob)
    return size


cdef size_t transaction_bytes(const Transaction *transaction) noexcept nogil:
    return 0 if transaction == NULL else transaction.queue_bytes + transaction.watch_count * sizeof(Watch)


cdef size_t subscription_bytes(const Subscriptions *subscriptions) noexcept nogil:
    cdef size_t count = 0
    cdef int kind
    if subscriptions == NULL:
        return 0
    for kind in range(KIND_COUNT):
        count += subscriptions.counts[kind]
    return count * sizeof(Subscription)


# -- counting -----------------------------------------------------------------------------------------------------

cdef inline int bucket_of(size_t size) noexcept nogil:
    cdef int power = 63 - __builtin_clzll(size | 1)
    if power <= SMALLEST_BUCKET:
        return 0
    return power - SMALLEST_BUCKET if power < SMALLEST_BUCKET + CLIENT_BUCKETS else CLIENT_BUCKETS - 1


cdef inline bint may_be_closed(const Session *session) noexcept nogil:
    """Replicas are never closed for want of memory, nor who asked to be spared."""
    return session.class_ != CLASS_REPLICA and not session.flags & SESSION_NO_EVICT


cdef void enter_bucket(Session *session, int bucket) noexcept nogil:
    cdef Session **first = &session.runtime.client_buckets[bucket]
    session.bucket = bucket
    session.next_in_bucket = first[0]
    session.previous_in_bucket = NULL
    if first[0] != NULL:
        first[0].previous_in_bucket = session
    first[0] = session


cdef void leave_bucket(Session *session) noexcept nogil:
    if session.next_in_bucket != NULL:
        session.next_in_bucket.previous_in_bucket = session.previous_in_bucket
    if session.previous_in_bucket != NULL:
        session.previous_in_bucket.next_in_bucket = session.next_in_bucket
    else:
        session.runtime.client_buckets[session.bucket] = session.next_in_bucket
    session.bucket = -1


cdef void footprint_note(Session *session) noexcept nogil:
    """The session may take more or less than when it was last counted. To be called only while the limit is set."""
    cdef Runtime *runtime = session.runtime
    cdef int bucket
    if session.flags & SESSION_DOOMED or session.transport == NULL:
        return
    runtime.client_bytes[session.counted_class] -= session.counted_bytes
    session.counted_bytes, session.counted_class = footprint(session), session.class_
    runtime.client_bytes[session.counted_class] += session.counted_bytes
    bucket = bucket_of(session.counted_bytes) if may_be_closed(session) else -1
    if bucket == session.bucket:
        return
    if session.bucket >= 0:
        leave_bucket(session)
    if bucket >= 0:
        enter_bucket(session, bucket)


cdef void footprint_forget(Session *session) noexcept nogil:
    """The session is to be closed, or the limit was lifted. What one takes that closes is free when the turn ends."""
    if session.runtime.client_limit:
        session.runtime.doomed_bytes += session.counted_bytes
    session.runtime.client_bytes[session.counted_class] -= session.counted_bytes
    session.counted_bytes = 0
    if session.bucket >= 0:
        leave_bucket(session)


cdef void footprint_count_all(Runtime *runtime) noexcept nogil:
    """The limit was set, or lifted."""
    cdef Session *session = runtime.sessions
    while session != NULL:
        if runtime.client_limit:
            footprint_note(session)
        else:
            footprint_forget(session)
        session = session.next


cdef bint footprint_over_limit(const Runtime *runtime) noexcept nogil:
    return runtime.client_bytes[<int> CLASS_NORMAL] + runtime.client_bytes[<int> CLASS_PUBSUB] >= runtime.client_limit


cdef Session *footprint_largest(Runtime *runtime) noexcept nogil:
    """A session out of the fullest bucket that has any; NULL: none may be closed."""
    cdef int bucket
    for bucket in range(CLIENT_BUCKETS - 1, -1, -1):
        if runtime.client_buckets[bucket] != NULL:
            return runtime.client_buckets[bucket]
    return NULL
