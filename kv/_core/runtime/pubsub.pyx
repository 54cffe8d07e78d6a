"""Channels, patterns and shard channels, and who subscribed to them.

Two tables of the runtime: channels by kind and name, and subscriptions by session and channel, so that subscribing
twice costs a look-up however many subscribers a channel has. A channel lists its subscribers in the order in which
they came, patterns are listed in theirs; a channel without subscribers is not there.

A message is built once a RESP version and pushed to each subscriber's output; all of them share a large one. What the
running command publishes to its own client follows that command's reply (Runtime.own_pushes).
"""
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy, memset, strlen

from kv._core.base.blob cimport BLOB_HELD_LEAST, Blob, blob_free
from kv._core.base.buffer cimport Buffer, buffer_append, buffer_free
from kv._core.base.glob cimport glob_match
from kv._core.base.hashing cimport hash_bytes
from kv._core.base.memory cimport memory_calloc, memory_free
from kv._core.base.numbers cimport format_i64
from kv._core.base.platform cimport unlikely
from kv._core.base.slice cimport Slice, slice_of
from kv._core.containers.hashtable cimport (
    HashtableType, Position, hashtable_find, hashtable_init, hashtable_insert, hashtable_remove, position_element)
from kv._core.keyspace.keyspace cimport EVENT_KEYEVENT, EVENT_KEYSPACE, Database
from kv._core.resp.reply cimport Reply, reply_bulk, reply_push
from kv._core.runtime.session cimport session_push, session_push_blob
from kv._core.runtime.state cimport CLASS_NORMAL, CLASS_PUBSUB, SESSION_SUBSCRIBED, Runtime, Session

cdef HashtableType CHANNEL_TABLE
cdef HashtableType SUBSCRIPTION_TABLE


cdef const char *channel_bytes(const void *element, size_t *length) noexcept nogil:
    cdef const Channel *channel = <const Channel *> element
    length[0] = channel.length + 1
    return &channel.kind


cdef const char *subscription_bytes(const void *element, size_t *length) noexcept nogil:
    length[0] = 2 * sizeof(void *)
    return <const char *> element


CHANNEL_TABLE.key_of = channel_bytes
CHANNEL_TABLE.free_element = NULL
SUBSCRIPTION_TABLE.key_of = subscription_bytes
SUBSCRIPTION_TABLE.free_element = NULL


# -- channels -----------------------------------------------------------------------------------------------------

cdef Channel *channel_find(Runtime *runtime, int kind, Slice name, bint make) noexcept nogil:
    """The channel, NULL where nobody subscribed to it; or made."""
    cdef Channel *wanted
    cdef Position position
    cdef uint64_t hash
    if runtime.channels.kind == NULL:
        hashtable_init(&runtime.channels, &CHANNEL_TABLE)
        hashtable_init(&runtime.subscriptions, &SUBSCRIPTION_TABLE)
    if runtime.channels.count == 0 and not make:
        return NULL
    wanted = <Channel *> memory_calloc(sizeof(Channel) + name.length)
    wanted.length = <uint32_t> name.length
    wanted.kind = <char> kind
    memcpy(wanted.name, name.data, name.length)
    hash = hash_bytes(&wanted.kind, wanted.length + 1)
    position = hashtable_find(&runtime.channels, &wanted.kind, wanted.length + 1, hash)
    if position.bucket != NULL or not make:
        memory_free(wanted)
        return <Channel *> position_element(position) if position.bucket != NULL else NULL
    hashtable_insert(&runtime.channels, wanted, hash, False)
    runtime.channel_counts[kind] += 1
    if kind == KIND_PATTERN:
        list_pattern(runtime, wanted)
    return wanted


cdef void list_pattern(Runtime *runtime, Channel *pattern) noexcept nogil:
    pattern.previous = <Channel *> runtime.patterns_last
    if pattern.previous != NULL:
        pattern.previous.next = pattern
    else:
        runtime.patterns = pattern
    runtime.patterns_last = pattern


cdef void channel_drop(Runtime *runtime, Channel *channel) noexcept nogil:
    """Its last subscriber has gone."""
    cdef uint64_t hash = hash_bytes(&channel.kind, channel.length + 1)
    hashtable_remove(&runtime.channels, hashtable_find(&runtime.channels, &channel.kind, channel.length + 1, hash), hash)
    runtime.channel_counts[channel.kind] -= 1
    if channel.kind == KIND_PATTERN:
        if channel.previous != NULL:
            channel.previous.next = channel.next
        else:
            runtime.patterns = channel.next
        if channel.next != NULL:
            channel.next.previous = channel.previous
        else:
            runtime.patterns_last = channel.previous
    memory_free(channel)


cdef uint64_t channel_subscribers(Runtime *runtime, int kind, Slice name) noexcept nogil:
    cdef Channel *channel = channel_find(runtime, kind, name, False)
    return 0 if channel == NULL else channel.subscribers


# -- subscriptions ------------------------------------------------------------------------------------------------

cdef Position subscription_find(Session *session, Channel *channel, uint64_t *hash) noexcept nogil:
    cdef void *pair[2]
    pair[0], pair[1] = session, channel
    hash[0] = hash_bytes(<const char *> pair, sizeof(pair))
    return hashtable_find(&session.runtime.subscriptions, <const char *> pair, sizeof(pair), hash[0])


cdef bint subscribe(Session *session, int kind, Slice name) noexcept nogil:
    """False where the session has the subscription already."""
    cdef Runtime *runtime = session.runtime
    cdef Channel *channel = channel_find(runtime, kind, name, True)
    cdef Subscriptions *mine
    cdef Subscription *made
    cdef uint64_t hash
    if subscription_find(session, channel, &hash).bucket != NULL:
        return False
    if session.subscriptions == NULL:
        session.subscriptions = memory_calloc(sizeof(Subscriptions))
    mine = <Subscriptions *> session.subscriptions
    made = <Subscription *> memory_calloc(sizeof(Subscription))
    made.session, made.channel = session, channel
    made.previous = channel.last
    if channel.last != NULL:
        channel.last.next = made
    else:
        channel.first = made
    channel.last = made
    channel.subscribers += 1
    made.next_of_session = mine.first
    if mine.first != NULL:
        mine.first.previous_of_session = made
    mine.first = made
    mine.counts[kind] += 1
    hashtable_insert(&runtime.subscriptions, made, hash, False)
    note_state(session)
    return True


cdef void forget(Subscription *old, Position position, uint64_t hash) noexcept nogil:
    cdef Session *session = old.session
    cdef Channel *channel = old.channel
    cdef Subscriptions *mine = <Subscriptions *> session.subscriptions
    hashtable_remove(&session.runtime.subscriptions, position, hash)
    if old.previous != NULL:
        old.previous.next = old.next
    else:
        channel.first = old.next
    if old.next != NULL:
        old.next.previous = old.previous
    else:
        channel.last = old.previous
    if old.previous_of_session != NULL:
        old.previous_of_session.next_of_session = old.next_of_session
    else:
        mine.first = old.next_of_session
    if old.next_of_session != NULL:
        old.next_of_session.previous_of_session = old.previous_of_session
    mine.counts[channel.kind] -= 1
    channel.subscribers -= 1
    memory_free(old)
    if channel.subscribers == 0:
        channel_drop(session.runtime, channel)


cdef bint unsubscribe(Session *session, int kind, Slice name) noexcept nogil:
    """False where the session had no such subscription."""
    cdef Channel *channel = channel_find(session.runtime, kind, name, False)
    cdef Position position
    cdef uint64_t hash
    if channel == NULL:
        return False
    position = subscription_find(session, channel, &hash)
    if position.bucket == NULL:
        return False
    forget(<Subscription *> position_element(position), position, hash)
    note_state(session)
    return True


cdef Subscription *subscription_of_kind(Session *session, int kind) noexcept nogil:
    """One of the session's subscriptions of a kind, NULL for none."""
    cdef Subscriptions *mine = <Subscriptions *> session.subscriptions
    cdef Subscription *one = mine.first if mine != NULL else NULL
    while one != NULL and one.channel.kind != kind:
        one = one.next_of_session
    return one


cdef void unsubscribe_all(Session *session) noexcept nogil:
    """The session ends, or is reset."""
    cdef Subscriptions *mine = <Subscriptions *> session.subscriptions
    cdef Position position
    cdef uint64_t hash
    if mine == NULL:
        return
    while mine.first != NULL:
        position = subscription_find(session, mine.first.channel, &hash)
        forget(mine.first, position, hash)
    note_state(session)
    memory_free(mine)
    session.subscriptions = NULL


cdef uint64_t subscription_count(const Session *session, int kind) noexcept nogil:
    return 0 if session.subscriptions == NULL else (<Subscriptions *> session.subscriptions).counts[kind]


cdef void note_state(Session *session) noexcept nogil:
    """A session with a subscription is of another class, and in RESP2 may do little else."""
    cdef Runtime *runtime = session.runtime
    cdef Subscriptions *mine = <Subscriptions *> session.subscriptions
    cdef bint subscribed = mine.counts[<int> KIND_CHANNEL] + mine.counts[<int> KIND_PATTERN] + mine.counts[<int> KIND_SHARD] != 0
    if subscribed == (session.flags & SESSION_SUBSCRIBED != 0):
        return
    session.flags ^= SESSION_SUBSCRIBED
    session.class_ = CLASS_PUBSUB if subscribed else CLASS_NORMAL
    runtime.subscribed_sessions += 1 if subscribed else -1


# -- publishing ---------------------------------------------------------------------------------------------------

cdef struct Message:            # one message in the form for each RESP version, made when first needed
    Slice kind                  # message, pmessage or smessage
    Slice pattern               # of pmessage
    Slice channel
    Slice text
    Buffer forms[2]             # RESP2, RESP3


cdef Buffer *message_form(Message *message, int version) noexcept nogil:
    """The message in the form of a RESP version. It is laid out as a Blob, so that a large one can be sent from here."""
    cdef Buffer *form = &message.forms[version - 2]
    cdef Reply reply
    if form.length:
        return form
    buffer_append(form, <const char *> &form.length, sizeof(size_t))
    reply.out, reply.version, reply.errors = form, version, 0
    reply_push(&reply, 4 if message.pattern.data != NULL else 3)
    reply_bulk(&reply, message.kind.data, message.kind.length)
    if message.pattern.data != NULL:
        reply_bulk(&reply, message.pattern.data, message.pattern.length)
    reply_bulk(&reply, message.channel.data, message.channel.length)
    reply_bulk(&reply, message.text.data, message.text.length)
    (<Blob *> form.data).length = form.length - sizeof(size_t)
    return form


cdef void deliver(Runtime *runtime, Channel *channel, Message *message) noexcept nogil:
    cdef Subscription *one = channel.first
    cdef Session *own = runtime.running.session if runtime.running != NULL else NULL
    cdef Blob *form
    while one != NULL:
        form = <Blob *> message_form(message, one.session.resp).data
        if one.session == own:
            buffer_append(&runtime.own_pushes, form.data, form.length)
        elif unlikely(form.length >= BLOB_HELD_LEAST):
            session_push_blob(one.session, form, slice_of(form.data, form.length))
        else:
            session_push(one.session, form.data, form.length)
        one = one.next
    end_forms(message)


cdef void end_forms(Message *message) noexcept nogil:
    cdef int i
    for i in range(2):
        blob_free(<Blob *> message.forms[i].data)       # receivers may hold it still
        message.forms[i].data = NULL
        message.forms[i].length = message.forms[i].capacity = 0


cdef uint64_t publish(Runtime *runtime, int kind, Slice channel, Slice message) noexcept nogil:
    """Send a message to a channel's subscribers and, unless it is a shard channel, to those of every pattern that
    matches its name. How many got it."""
    cdef Channel *target = channel_find(runtime, kind, channel, False)
    cdef Channel *pattern = <Channel *> runtime.patterns
    cdef Message out
    cdef uint64_t receivers = 0
    memset(&out, 0, sizeof(Message))
    out.channel, out.text = channel, message
    if target != NULL:
        out.kind = slice_of(b"smessage", 8) if kind == KIND_SHARD else slice_of(b"message", 7)
        receivers += target.subscribers
        deliver(runtime, target, &out)
    while pattern != NULL and kind == KIND_CHANNEL:
        if glob_match(pattern.name, pattern.length, channel.data, channel.length, False):
            out.kind, out.pattern = slice_of(b"pmessage", 8), slice_of(pattern.name, pattern.length)
            receivers += pattern.subscribers
            deliver(runtime, pattern, &out)
        pattern = pattern.next
    return receivers


cdef void event_name(Buffer *name, const char *prefix, size_t length, int database) noexcept nogil:
    cdef char number[24]
    buffer_append(name, prefix, length)
    buffer_append(name, number, format_i64(number, database))
    buffer_append(name, b"__:", 3)


cdef void publish_event(Runtime *runtime, Database *database, Slice key, const char *event) noexcept nogil:
    """A keyspace notification, as notify-keyspace-events asks: __keyspace@<db>__:<key> and
    __keyevent@<db>__:<event>."""
    cdef Buffer name
    cdef Slice word = slice_of(event, strlen(event))
    if runtime.channels.count == 0:
        return
    memset(&name, 0, sizeof(Buffer))
    if runtime.keyspace.event_classes & EVENT_KEYSPACE:
        event_name(&name, b"__keyspace@", 11, database.id)
        buffer_append(&name, key.data, key.length)
        publish(runtime, KIND_CHANNEL, slice_of(name.data, name.length), word)
    if runtime.keyspace.event_classes & EVENT_KEYEVENT:
        name.length = 0
        event_name(&name, b"__keyevent@", 11, database.id)
        buffer_append(&name, word.data, word.length)
        publish(runtime, KIND_CHANNEL, slice_of(name.data, name.length), key)
    buffer_free(&name)
