"""Expiry times as commands are given them.

A time must be positive, and what overflows 64 bits of milliseconds is refused. Times that come out are unix
times in ms. One that has passed already deletes the key, which is not to be stored first only to expire
later.
"""
from libc.stdint cimport INT64_MAX, int64_t

from kv._core.base.slice cimport Slice, slice_is
from kv._core.keyspace.keyspace cimport EVENT_EXPIRED, keyspace_remove
from kv._core.runtime.context cimport arg_i64_or_reply, changed, context_key, error
from kv._core.runtime.propagation cimport effects_begin, effects_slice, effects_wanted, effects_word
from kv._core.runtime.state cimport Context

cdef extern from "<stdio.h>" nogil:
    int snprintf(char *out, size_t size, const char *form, ...)


cdef inline bint is_relative(int kind) noexcept nogil:
    return kind == EXPIRY_EX or kind == EXPIRY_PX


cdef inline bint is_in_seconds(int kind) noexcept nogil:
    return kind == EXPIRY_EX or kind == EXPIRY_EXAT


cdef int kind_of(Slice word) noexcept nogil:
    if slice_is(word, b"ex", 2):
        return EXPIRY_EX
    if slice_is(word, b"px", 2):
        return EXPIRY_PX
    if slice_is(word, b"exat", 4):
        return EXPIRY_EXAT
    if slice_is(word, b"pxat", 4):
        return EXPIRY_PXAT
    if slice_is(word, b"keepttl", 7):
        return EXPIRY_KEEP
    if slice_is(word, b"persist", 7):
        return EXPIRY_PERSIST
    return EXPIRY_NONE


cdef bint expiry_option(Context *c, int *at, Expiry *expiry, int special) noexcept nogil:
    """Whether an option about the expiry stands at argv[at] and goes with those before it; `at` moves to its
    last word. Of KEEPTTL and PERSIST the command takes `special`."""
    cdef int kind = kind_of(c.argv[at[0]])
    if kind == EXPIRY_NONE or (expiry.kind != EXPIRY_NONE and expiry.kind != kind):
        return False
    if kind == EXPIRY_KEEP or kind == EXPIRY_PERSIST:
        expiry.kind = kind
        return kind == special
    if at[0] + 1 == c.argc:
        return False
    at[0] += 1
    expiry.kind, expiry.index = kind, at[0]
    return True


cdef bint refuse(Context *c) noexcept nogil:
    cdef char text[160]
    snprintf(text, sizeof(text), "ERR invalid expire time in '%s' command", c.command.name)
    error(c, text)
    return False


cdef bint expiry_time_or_reply(Context *c, const Expiry *expiry, int64_t *time_ms) noexcept nogil:
    """When the key is to expire, by an option that has a time; it must be positive."""
    cdef int64_t time
    if not arg_i64_or_reply(c, expiry.index, &time):
        return False
    if time <= 0 or (is_in_seconds(expiry.kind) and time > INT64_MAX // 1000):
        return refuse(c)
    if is_in_seconds(expiry.kind):
        time *= 1000
    if is_relative(expiry.kind):
        if time > INT64_MAX - c.keyspace.now_ms:
            return refuse(c)
        time += c.keyspace.now_ms
    time_ms[0] = time
    return True


cdef bint expiry_passed(const Context *c, int64_t time_ms) noexcept nogil:
    """Whether a key that is given this expiry goes at once. Not where somebody else decides what has expired:
    while the dataset is read, and on a replica."""
    return time_ms <= c.keyspace.now_ms and not c.keyspace.expiry_paused and not c.keyspace.reads_only_hide


cdef void delete_passed(Context *c, int index) noexcept nogil:
    """Delete the key at an argument, whose entry was just looked up, since the expiry it was given has
    passed."""
    keyspace_remove(c.keyspace, c.database, context_key(c, index), c.keyspace.lazy_expire)
    c.keyspace.expired += 1
    changed(c, index, EVENT_EXPIRED, b"expired")
    propagate_deletion(c, index, c.keyspace.lazy_expire)


cdef void propagate_deletion(Context *c, int index, bint lazily) noexcept nogil:
    """What the command did is propagated as the deletion of the key at an argument."""
    c.propagated = True
    if not effects_wanted(c.runtime):
        return
    effects_begin(c.runtime, c.database.id, 2)
    if lazily:
        effects_word(c.runtime, b"UNLINK", 6)
    else:
        effects_word(c.runtime, b"DEL", 3)
    effects_slice(c.runtime, c.argv[index])
