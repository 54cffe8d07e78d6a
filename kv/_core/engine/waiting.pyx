"""Serving commands that wait (runtime/blocking): when a key changed, when the AOF or a replica got further, when their
time is over.

A reply to a waiting session is written to a buffer of its own and pushed: the arena's end belongs to the session
whose command made the key ready.
"""
from kv._core.base.buffer cimport Buffer, buffer_free
from kv._core.base.slice cimport Slice
from kv._core.engine.execute cimport execute_again, execute_answered, execute_last, refresh_clock
from kv._core.keyspace.keyspace cimport LOOKUP_NO_NOTIFY, LOOKUP_NO_STATS, LOOKUP_NO_TOUCH, key_of, keyspace_lookup
from kv._core.objects.entry cimport Entry, entry_type
from kv._core.runtime.blocking cimport overdue_wait, take_ready, wait_end
from kv._core.runtime.observed cimport Link, ObservedKey, Wait, observed_name, observed_release
from kv._core.runtime.session cimport session_push, session_resume
from kv._core.runtime.state cimport (
    ALERT_BUSY, ALERT_LOADING, ALERT_PAUSED_ALL, ALERT_PAUSED_WRITES, SESSION_CLOSE_AFTER_REPLY, SESSION_DOOMED, Runtime, Session)

cdef enum:
    KEEP_REPLY = 64 * 1024      # bytes of the buffer for replies that are kept
    PEEK = LOOKUP_NO_TOUCH | LOOKUP_NO_STATS | LOOKUP_NO_NOTIFY


cdef void release(Session *session) noexcept nogil:
    """It has its reply: let it have that, and go on with what it sent meanwhile."""
    cdef Buffer *reply = &session.runtime.wait_reply
    wait_end(session)
    session_push(session, reply.data, reply.length)
    session_resume(session)
    reply.length = 0
    if reply.capacity > KEEP_REPLY:
        buffer_free(reply)


cdef void serve_ready(Runtime *runtime) noexcept nogil:
    """Serve who waits for keys that changed. What that changes is served too, until nothing more is ready; while the
    server is paused, or in the middle of a script, it must wait."""
    cdef ObservedKey *observed
    if runtime.serving_waits or runtime.alerts & (ALERT_LOADING | ALERT_PAUSED_ALL | ALERT_PAUSED_WRITES | ALERT_BUSY):
        return
    runtime.serving_waits = True
    refresh_clock(runtime)              # the command that ran may have taken long
    while True:
        observed = take_ready(runtime)
        if observed == NULL:
            break
        observed.ready = False
        observed.pinned = True
        serve_key(runtime, observed)
        observed.pinned = False
        observed_release(runtime, observed)
    runtime.serving_waits = False


cdef void serve_key(Runtime *runtime, ObservedKey *observed) noexcept nogil:
    """Try each command in the key's queue once."""
    cdef Link *link = observed.waits
    cdef Link *last = observed.waits_last
    cdef Link *following
    cdef Entry *entry
    while link != NULL:
        following = link.next if link != last else NULL
        entry = keyspace_lookup(&runtime.keyspace, runtime.keyspace.databases + observed.database,
                                key_of(observed_name(observed)), PEEK)
        if entry == NULL and observed.on_missing == 0:
            return
        if link.wait.on_missing or (entry != NULL and entry_type(entry) == link.wait.type):
            serve_wait(runtime, link.wait)
        link = following


cdef void serve_wait(Runtime *runtime, Wait *wait) noexcept nogil:
    cdef Session *session = wait.session
    if session.flags & (SESSION_DOOMED | SESSION_CLOSE_AFTER_REPLY):
        return
    if execute_again(wait, &runtime.wait_reply):
        release(session)
    runtime.wait_reply.length = 0


cdef void serve_positions(Runtime *runtime) noexcept nogil:
    """Try again who waits for the AOF or replicas; while the server is paused it must wait."""
    cdef Wait *wait = <Wait *> runtime.position_waits
    cdef Wait *following
    if wait == NULL or runtime.alerts & (ALERT_LOADING | ALERT_PAUSED_ALL):
        return
    refresh_clock(runtime)
    while wait != NULL:
        following = wait.next
        serve_wait(runtime, wait)
        wait = following


cdef void end_overdue(Runtime *runtime) noexcept nogil:
    """End the waits whose time is over."""
    cdef Wait *wait
    while True:
        wait = overdue_wait(runtime, runtime.keyspace.now_ms)
        if wait == NULL:
            return
        end_wait(wait.session, False)


cdef void end_wait(Session *session, bint with_error) noexcept nogil:
    """End a wait with what the command answers after its timeout, or with an error."""
    execute_last(<Wait *> session.waiting, with_error, &session.runtime.wait_reply)
    release(session)


cdef void answer_wait(Session *session, Slice reply, bint failed) noexcept nogil:
    """End a wait for an answer with it: a whole reply, in the session's RESP version."""
    execute_answered(<Wait *> session.waiting, reply, failed, &session.runtime.wait_reply)
    release(session)
