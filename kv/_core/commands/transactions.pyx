"""MULTI, EXEC, DISCARD, WATCH, UNWATCH."""
from libc.stdint cimport uint64_t

from kv._core.resp.reply cimport reply_array, reply_null_array, reply_ok
from kv._core.runtime.context cimport error
from kv._core.runtime.registry cimport native
from kv._core.runtime.registry import declare
from kv._core.runtime.state cimport SESSION_MULTI, Context
from kv._core.runtime.transaction cimport (
    Queued, Transaction, transaction_end, transaction_of, unwatch_all, watch_key, watched_key_expired)


cdef void cmd_multi(Context *c) noexcept nogil:
    if c.session.flags & SESSION_MULTI:
        error(c, b"ERR MULTI calls can not be nested")
        return
    transaction_of(c.session)
    c.session.flags |= SESSION_MULTI
    reply_ok(&c.reply)


declare(native(cmd_multi), "multi", 1, "noscript loading stale fast allow_busy no_multi", group="transactions",
        since="1.2.0", complexity="O(1)", summary="Begins a transaction: what follows is queued.")


cdef void cmd_discard(Context *c) noexcept nogil:
    if not c.session.flags & SESSION_MULTI:
        error(c, b"ERR DISCARD without MULTI")
        return
    transaction_end(c.session)
    reply_ok(&c.reply)


declare(native(cmd_discard), "discard", 1, "noscript loading stale fast allow_busy unqueued", group="transactions",
        since="2.0.0", complexity="O(N)", summary="Drops the transaction's queue.")


cdef void run_queue(Context *c, Transaction *transaction) noexcept nogil:
    """Run the queued commands. The queue is taken first: what runs may end the transaction, or the session."""
    cdef Queued *queued
    cdef int i
    unwatch_all(c.session)
    c.session.flags &= ~<uint64_t> SESSION_MULTI
    c.runtime.in_transaction = True
    reply_array(&c.reply, transaction.count)
    for i in range(transaction.count):
        queued = transaction.queue + i
        c.runtime.run_nested(c, queued.command, queued.argv, queued.argc)
    c.runtime.in_transaction = False


cdef void cmd_exec(Context *c) noexcept nogil:
    cdef Transaction *transaction = <Transaction *> c.session.transaction
    c.propagated = True             # its commands are
    if not c.session.flags & SESSION_MULTI:
        error(c, b"ERR EXEC without MULTI")
        return
    if transaction.failed:
        error(c, b"EXECABORT Transaction discarded because of previous errors.")
    elif transaction.touched or watched_key_expired(c.session):
        reply_null_array(&c.reply)
    else:
        run_queue(c, transaction)
    transaction_end(c.session)


declare(native(cmd_exec), "exec", 1, "noscript loading stale skip_commandlog unqueued", group="transactions",
        since="1.2.0", complexity="Depends on commands in the transaction",
        summary="Runs the transaction's queue.")


cdef void cmd_watch(Context *c) noexcept nogil:
    cdef Transaction *transaction = <Transaction *> c.session.transaction
    cdef int i
    if c.session.flags & SESSION_MULTI:
        error(c, b"ERR WATCH inside MULTI is not allowed")
        return
    if transaction == NULL or not transaction.touched:      # EXEC will answer null already
        for i in range(1, c.argc):
            watch_key(c.session, c.argv[i])
    reply_ok(&c.reply)


declare(native(cmd_watch), "watch", -2, "noscript loading stale fast allow_busy no_multi", keys="1..-1 RO",
        group="transactions", since="2.2.0", complexity="O(1)",
        summary="Has EXEC answer null if one of the keys changes before.", args="key...")


cdef void cmd_unwatch(Context *c) noexcept nogil:
    cdef Transaction *transaction = <Transaction *> c.session.transaction
    if transaction != NULL:
        unwatch_all(c.session)
        transaction.touched = False
    reply_ok(&c.reply)


declare(native(cmd_unwatch), "unwatch", 1, "noscript loading stale fast allow_busy", group="transactions",
        since="2.2.0", complexity="O(1)", summary="Forgets the watched keys.")
