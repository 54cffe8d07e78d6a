"""Commands on the expiry of keys.

An expiry is kept as unix time in ms, and so it goes to the AOF and replicas: what they replay later must not
start the time anew. A time that has passed already deletes the key at once, unless somebody else decides when
keys go (a primary, or the AOF that is being read): then it is set as it is.
"""
from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t

from kv._core.base.slice cimport slice_of
from kv._core.keyspace.keyspace cimport (
    EVENT_GENERIC, LOOKUP_NO_TOUCH, keyspace_lookup, keyspace_set_expiry)
from kv._core.objects.entry cimport Entry, entry_expiry
from kv._core.resp.reply cimport reply_i64
from kv._core.runtime.context cimport (
    arg_i64_or_reply, arg_is, changed, context_key, error, error_about, write_key)
from kv._core.runtime.propagation cimport (
    effects_begin, effects_number, effects_slice, effects_wanted, effects_word)
from kv._core.runtime.expiryoption cimport delete_passed, expiry_passed
from kv._core.runtime.registry cimport native
from kv._core.runtime.registry import declare
from kv._core.runtime.state cimport Context

cdef enum Condition:
    IF_NONE = 1             # NX: the key has no expiry
    IF_SOME = 2             # XX: it has one
    IF_LATER = 4            # GT: the new one is later
    IF_EARLIER = 8          # LT


# -- EXPIRE, PEXPIRE, EXPIREAT, PEXPIREAT -------------------------------------------------------------------

cdef bint conditions_or_reply(Context *c, int *conditions) noexcept nogil:
    cdef int i
    conditions[0] = 0
    for i in range(3, c.argc):
        if arg_is(c, i, b"nx", 2):
            conditions[0] |= IF_NONE
        elif arg_is(c, i, b"xx", 2):
            conditions[0] |= IF_SOME
        elif arg_is(c, i, b"gt", 2):
            conditions[0] |= IF_LATER
        elif arg_is(c, i, b"lt", 2):
            conditions[0] |= IF_EARLIER
        else:
            error_about(c, b"ERR Unsupported option ", c.argv[i], b"")
            return False
    if conditions[0] & IF_NONE and conditions[0] != IF_NONE:
        error(c, b"ERR NX and XX, GT or LT options at the same time are not compatible")
        return False
    if conditions[0] & IF_LATER and conditions[0] & IF_EARLIER:
        error(c, b"ERR GT and LT options at the same time are not compatible")
        return False
    return True


cdef bint expiry_or_reply(Context *c, int index, int64_t base_ms, int64_t unit_ms,
                          int64_t *expiry) noexcept nogil:
    """The unix time in ms that an argument, counted from `base_ms` in units, stands for; what lies before
    1970 is 0."""
    cdef int64_t time
    if not arg_i64_or_reply(c, index, &time):
        return False
    if not INT64_MIN // unit_ms <= time <= INT64_MAX // unit_ms or time * unit_ms > INT64_MAX - base_ms:
        error_about(c, b"ERR invalid expire time in '", slice_of(c.command.name, c.command.name_length),
                    b"' command")
        return False
    time = time * unit_ms + base_ms
    expiry[0] = time if time > 0 else 0
    return True


cdef inline bint conditions_hold(int conditions, int64_t old, int64_t new) noexcept nogil:
    """Whether an expiry may replace the old one (-1: none, which counts as the latest of all)."""
    if conditions & IF_NONE and old != -1:
        return False
    if conditions & IF_SOME and old == -1:
        return False
    if conditions & IF_LATER and (old == -1 or new <= old):
        return False
    return not (conditions & IF_EARLIER and old != -1 and new >= old)


cdef void propagate_expiry(Context *c, int64_t expiry) noexcept nogil:
    """As PEXPIREAT. The conditions stay: whoever replays it has the same key, and they hold there too."""
    cdef int i
    c.propagated = True
    if not effects_wanted(c.runtime):
        return
    effects_begin(c.runtime, c.database.id, c.argc)
    effects_word(c.runtime, b"PEXPIREAT", 9)
    effects_slice(c.runtime, c.argv[1])
    effects_number(c.runtime, expiry)
    for i in range(3, c.argc):
        effects_slice(c.runtime, c.argv[i])


cdef inline void expire(Context *c, int64_t base_ms, int64_t unit_ms) noexcept nogil:
    cdef int conditions
    cdef int64_t expiry
    cdef Entry *entry
    if not conditions_or_reply(c, &conditions) or not expiry_or_reply(c, 2, base_ms, unit_ms, &expiry):
        return
    entry = write_key(c, 1)
    if entry == NULL or (conditions and not conditions_hold(conditions, entry_expiry(entry), expiry)):
        reply_i64(&c.reply, 0)
        return
    if expiry_passed(c, expiry):
        delete_passed(c, 1)
    else:
        keyspace_set_expiry(c.keyspace, c.database, entry, expiry)
        changed(c, 1, EVENT_GENERIC, b"expire")
        propagate_expiry(c, expiry)
    reply_i64(&c.reply, 1)


cdef void cmd_expire(Context *c) noexcept nogil:
    expire(c, c.keyspace.now_ms, 1000)


declare(native(cmd_expire), "expire", -3, "write fast", keys="1 RW update", group="generic", since="1.0.0",
        complexity="O(1)", summary="Has a key expire after so many seconds.",
        history=["7.0.0 Takes NX, XX, GT and LT."],
        args="key seconds:integer [condition@7.0.0: NX | XX | GT | LT]")


cdef void cmd_pexpire(Context *c) noexcept nogil:
    expire(c, c.keyspace.now_ms, 1)


declare(native(cmd_pexpire), "pexpire", -3, "write fast", keys="1 RW update", group="generic", since="2.6.0",
        complexity="O(1)", summary="Has a key expire after so many milliseconds.",
        history=["7.0.0 Takes NX, XX, GT and LT."],
        args="key milliseconds:integer [condition@7.0.0: NX | XX | GT | LT]")


cdef void cmd_expireat(Context *c) noexcept nogil:
    expire(c, 0, 1000)


declare(native(cmd_expireat), "expireat", -3, "write fast", keys="1 RW update", group="generic",
        since="1.2.0", complexity="O(1)", summary="Has a key expire at a unix time in seconds.",
        history=["7.0.0 Takes NX, XX, GT and LT."],
        args="key unix-time-seconds:unix-time [condition@7.0.0: NX | XX | GT | LT]")


cdef void cmd_pexpireat(Context *c) noexcept nogil:
    expire(c, 0, 1)


declare(native(cmd_pexpireat), "pexpireat", -3, "write fast", keys="1 RW update", group="generic",
        since="2.6.0", complexity="O(1)", summary="Has a key expire at a unix time in milliseconds.",
        history=["7.0.0 Takes NX, XX, GT and LT."],
        args="key unix-time-milliseconds:unix-time [condition@7.0.0: NX | XX | GT | LT]")


cdef void cmd_persist(Context *c) noexcept nogil:
    cdef Entry *entry = write_key(c, 1)
    if entry == NULL or entry_expiry(entry) == -1:
        reply_i64(&c.reply, 0)
        return
    keyspace_set_expiry(c.keyspace, c.database, entry, -1)
    changed(c, 1, EVENT_GENERIC, b"persist")
    reply_i64(&c.reply, 1)


declare(native(cmd_persist), "persist", 2, "write fast", keys="1 RW update", group="generic", since="2.2.0",
        complexity="O(1)", summary="Takes the expiry from a key.", args="key")


# -- TTL, PTTL, EXPIRETIME, PEXPIRETIME ---------------------------------------------------------------------

cdef inline void reply_expiry(Context *c, int64_t base_ms, bint seconds) noexcept nogil:
    """The expiry of the key, less `base_ms`; -1: it has none, -2: there is no such key."""
    cdef Entry *entry = keyspace_lookup(c.keyspace, c.database, context_key(c, 1), LOOKUP_NO_TOUCH)
    cdef int64_t time
    if entry == NULL:
        reply_i64(&c.reply, -2)
        return
    time = entry_expiry(entry)
    if time != -1:
        time -= base_ms
        if time < 0:
            time = 0
        if seconds:
            time = time // 1000 + (time % 1000 >= 500)
    reply_i64(&c.reply, time)


cdef void cmd_ttl(Context *c) noexcept nogil:
    reply_expiry(c, c.keyspace.now_ms, True)


declare(native(cmd_ttl), "ttl", 2, "readonly fast", keys="1 RO access", group="generic", since="1.0.0",
        complexity="O(1)", tips="nondeterministic_output", summary="Returns the seconds until a key expires.",
        history=["2.8.0 Returns -2 where there is no key."], args="key")


cdef void cmd_pttl(Context *c) noexcept nogil:
    reply_expiry(c, c.keyspace.now_ms, False)


declare(native(cmd_pttl), "pttl", 2, "readonly fast", keys="1 RO access", group="generic", since="2.6.0",
        complexity="O(1)", tips="nondeterministic_output",
        summary="Returns the milliseconds until a key expires.",
        history=["2.8.0 Returns -2 where there is no key."], args="key")


cdef void cmd_expiretime(Context *c) noexcept nogil:
    reply_expiry(c, 0, True)


declare(native(cmd_expiretime), "expiretime", 2, "readonly fast", keys="1 RO access", group="generic",
        since="7.0.0", complexity="O(1)", summary="Returns the unix time in seconds at which a key expires.",
        args="key")


cdef void cmd_pexpiretime(Context *c) noexcept nogil:
    reply_expiry(c, 0, False)


declare(native(cmd_pexpiretime), "pexpiretime", 2, "readonly fast", keys="1 RO access", group="generic",
        since="7.0.0", complexity="O(1)",
        summary="Returns the unix time in milliseconds at which a key expires.", args="key")
