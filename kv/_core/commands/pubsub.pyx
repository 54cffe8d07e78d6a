"""SUBSCRIBE and its kin, PUBLISH, PUBSUB."""
from libc.stdint cimport int64_t, uint64_t

from kv._core.base.glob cimport glob_match
from kv._core.base.slice cimport Slice, slice_of
from kv._core.base.buffer cimport Buffer, buffer_free
from kv._core.containers.hashtable cimport hashtable_scan
from kv._core.resp.reply cimport Reply, reply_array, reply_bulk, reply_i64, reply_null, reply_push, reply_raw
from kv._core.runtime.context cimport subcommand_error
from kv._core.runtime.pubsub cimport (
    KIND_CHANNEL, KIND_PATTERN, KIND_SHARD, Channel, Subscription, channel_subscribers, publish, subscribe,
    subscription_count, subscription_of_kind, unsubscribe)
from kv._core.runtime.registry cimport native
from kv._core.runtime.registry import container, declare
from kv._core.runtime.state cimport Context


cdef Slice word_of(int kind, bint on) noexcept nogil:
    if kind == KIND_CHANNEL:
        return slice_of(b"subscribe", 9) if on else slice_of(b"unsubscribe", 11)
    if kind == KIND_PATTERN:
        return slice_of(b"psubscribe", 10) if on else slice_of(b"punsubscribe", 12)
    return slice_of(b"ssubscribe", 10) if on else slice_of(b"sunsubscribe", 12)


cdef void confirm(Context *c, int kind, bint on, const Slice *name) noexcept nogil:
    """[what happened, the channel or null, how many subscriptions there are now]: shard channels are counted apart."""
    cdef Slice word = word_of(kind, on)
    cdef uint64_t count = subscription_count(c.session, kind)
    if kind != KIND_SHARD:
        count = subscription_count(c.session, KIND_CHANNEL) + subscription_count(c.session, KIND_PATTERN)
    reply_push(&c.reply, 3)
    reply_bulk(&c.reply, word.data, word.length)
    if name != NULL:
        reply_bulk(&c.reply, name.data, name.length)
    else:
        reply_null(&c.reply)
    reply_i64(&c.reply, <int64_t> count)


cdef void subscribe_all(Context *c, int kind) noexcept nogil:
    cdef int i
    for i in range(1, c.argc):
        subscribe(c.session, kind, c.argv[i])
        confirm(c, kind, True, &c.argv[i])


cdef void unsubscribe_named(Context *c, int kind) noexcept nogil:
    """The channels that are named, or all of the kind; each is confirmed, and so is that there was none."""
    cdef Subscription *one
    cdef int i
    for i in range(1, c.argc):
        unsubscribe(c.session, kind, c.argv[i])
        confirm(c, kind, False, &c.argv[i])
    if c.argc > 1:
        return
    one = subscription_of_kind(c.session, kind)
    if one == NULL:
        confirm(c, kind, False, NULL)
    while one != NULL:
        leave(c, kind, one.channel)
        one = subscription_of_kind(c.session, kind)


cdef void leave(Context *c, int kind, Channel *channel) noexcept nogil:
    """Confirmed first in words, since the channel may be gone after its last subscriber."""
    cdef Slice name = slice_of(channel.name, channel.length)
    cdef Slice word = word_of(kind, False)
    cdef uint64_t count = subscription_count(c.session, kind) - 1
    if kind != KIND_SHARD:
        count = subscription_count(c.session, KIND_CHANNEL) + subscription_count(c.session, KIND_PATTERN) - 1
    reply_push(&c.reply, 3)
    reply_bulk(&c.reply, word.data, word.length)
    reply_bulk(&c.reply, name.data, name.length)
    reply_i64(&c.reply, <int64_t> count)
    unsubscribe(c.session, kind, name)


cdef void cmd_subscribe(Context *c) noexcept nogil:
    subscribe_all(c, KIND_CHANNEL)


declare(native(cmd_subscribe), "subscribe", -2, "pubsub noscript loading stale subscribed", group="pubsub",
        since="2.0.0", complexity="O(N)", summary="Subscribes to channels.", args="channel...")


cdef void cmd_unsubscribe(Context *c) noexcept nogil:
    unsubscribe_named(c, KIND_CHANNEL)


declare(native(cmd_unsubscribe), "unsubscribe", -1, "pubsub noscript loading stale subscribed", group="pubsub",
        since="2.0.0", complexity="O(N)", summary="Ends subscriptions to channels.", args="[channel...]")


cdef void cmd_psubscribe(Context *c) noexcept nogil:
    subscribe_all(c, KIND_PATTERN)


declare(native(cmd_psubscribe), "psubscribe", -2, "pubsub noscript loading stale subscribed", group="pubsub",
        since="2.0.0", complexity="O(N)", summary="Subscribes to the channels whose names match patterns.",
        args="pattern...")


cdef void cmd_punsubscribe(Context *c) noexcept nogil:
    unsubscribe_named(c, KIND_PATTERN)


declare(native(cmd_punsubscribe), "punsubscribe", -1, "pubsub noscript loading stale subscribed", group="pubsub",
        since="2.0.0", complexity="O(N)", summary="Ends subscriptions to patterns.", args="[pattern...]")


cdef void cmd_ssubscribe(Context *c) noexcept nogil:
    subscribe_all(c, KIND_SHARD)


declare(native(cmd_ssubscribe), "ssubscribe", -2, "pubsub noscript loading stale subscribed", keys="1..-1 not_key",
        group="pubsub", since="7.0.0", complexity="O(N)", summary="Subscribes to shard channels.",
        args="shardchannel...")


cdef void cmd_sunsubscribe(Context *c) noexcept nogil:
    unsubscribe_named(c, KIND_SHARD)


declare(native(cmd_sunsubscribe), "sunsubscribe", -1, "pubsub noscript loading stale subscribed",
        keys="1..-1 not_key", group="pubsub", since="7.0.0", complexity="O(N)",
        summary="Ends subscriptions to shard channels.", args="[shardchannel...]")


cdef void cmd_publish(Context *c) noexcept nogil:
    reply_i64(&c.reply, <int64_t> publish(c.runtime, KIND_CHANNEL, c.argv[1], c.argv[2]))


declare(native(cmd_publish), "publish", 3, "pubsub loading stale fast may_replicate", group="pubsub", since="2.0.0",
        complexity="O(N+M)", summary="Sends a message to a channel.", args="channel message")


cdef void cmd_spublish(Context *c) noexcept nogil:
    reply_i64(&c.reply, <int64_t> publish(c.runtime, KIND_SHARD, c.argv[1], c.argv[2]))


declare(native(cmd_spublish), "spublish", 3, "pubsub loading stale fast may_replicate", keys="1 not_key",
        group="pubsub", since="7.0.0", complexity="O(N)", summary="Sends a message to a shard channel.",
        args="shardchannel message")


# -- PUBSUB -------------------------------------------------------------------------------------------------------

container("pubsub", group="pubsub", since="2.8.0", summary="Channels and their subscribers.")


cdef struct Listing:            # channels of a kind whose names match, gathered before their number is known
    Reply reply
    Buffer out
    Context *c
    int kind
    uint64_t found


cdef void list_channel(void *argument, void *element, bint marked) noexcept nogil:
    cdef Listing *listing = <Listing *> argument
    cdef Channel *channel = <Channel *> element
    cdef Slice pattern
    if channel.kind != listing.kind:
        return
    if listing.c.argc == 3:
        pattern = listing.c.argv[2]
        if not glob_match(pattern.data, pattern.length, channel.name, channel.length, False):
            return
    reply_bulk(&listing.reply, channel.name, channel.length)
    listing.found += 1


cdef void list_channels(Context *c, int kind) noexcept nogil:
    cdef Listing listing
    cdef uint64_t cursor = 0
    listing.out.data, listing.out.length, listing.out.capacity = NULL, 0, 0
    listing.reply.out, listing.reply.version, listing.reply.errors = &listing.out, c.reply.version, 0
    listing.c, listing.kind, listing.found = c, kind, 0
    while c.runtime.channels.count:
        cursor = hashtable_scan(&c.runtime.channels, cursor, list_channel, &listing)
        if cursor == 0:
            break
    reply_array(&c.reply, <int64_t> listing.found)
    reply_raw(&c.reply, listing.out.data, listing.out.length)
    buffer_free(&listing.out)


cdef void count_subscribers(Context *c, int kind) noexcept nogil:
    cdef int i
    reply_array(&c.reply, (c.argc - 2) * 2)
    for i in range(2, c.argc):
        reply_bulk(&c.reply, c.argv[i].data, c.argv[i].length)
        reply_i64(&c.reply, <int64_t> channel_subscribers(c.runtime, kind, c.argv[i]))


cdef void cmd_pubsub_channels(Context *c) noexcept nogil:
    if c.argc > 3:
        subcommand_error(c)
    else:
        list_channels(c, KIND_CHANNEL)


declare(native(cmd_pubsub_channels), "pubsub|channels", -2, "pubsub loading stale", group="pubsub", since="2.8.0",
        complexity="O(N)", summary="Lists the channels that have subscribers.", args="[pattern]")


cdef void cmd_pubsub_shardchannels(Context *c) noexcept nogil:
    if c.argc > 3:
        subcommand_error(c)
    else:
        list_channels(c, KIND_SHARD)


declare(native(cmd_pubsub_shardchannels), "pubsub|shardchannels", -2, "pubsub loading stale", group="pubsub",
        since="7.0.0", complexity="O(N)", summary="Lists the shard channels that have subscribers.", args="[pattern]")


cdef void cmd_pubsub_numsub(Context *c) noexcept nogil:
    count_subscribers(c, KIND_CHANNEL)


declare(native(cmd_pubsub_numsub), "pubsub|numsub", -2, "pubsub loading stale", group="pubsub", since="2.8.0",
        complexity="O(N)", summary="Counts the subscribers of channels.", args="[channel...]")


cdef void cmd_pubsub_shardnumsub(Context *c) noexcept nogil:
    count_subscribers(c, KIND_SHARD)


declare(native(cmd_pubsub_shardnumsub), "pubsub|shardnumsub", -2, "pubsub loading stale", group="pubsub",
        since="7.0.0", complexity="O(N)", summary="Counts the subscribers of shard channels.",
        args="[shardchannel...]")


cdef void cmd_pubsub_numpat(Context *c) noexcept nogil:
    reply_i64(&c.reply, <int64_t> c.runtime.channel_counts[<int> KIND_PATTERN])


declare(native(cmd_pubsub_numpat), "pubsub|numpat", 2, "pubsub loading stale", group="pubsub", since="2.8.0",
        complexity="O(1)", summary="Counts the patterns that are subscribed to.")
