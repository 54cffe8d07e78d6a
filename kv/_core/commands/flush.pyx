"""FLUSHDB and FLUSHALL.

Both go to the AOF and replicas even where there was nothing to delete: a replica may hold what its primary
does not. SYNC frees before the reply, and gives the memory back to the system; ASYNC swaps the tables for
empty ones and lets another thread free them. What a snapshot must not keep is overwritten before the reply to FLUSHALL
(on_flush).
"""
from libc.stdint cimport uint64_t

from kv._core.base.memory cimport memory_purge
from kv._core.keyspace.database cimport Database, database_count
from kv._core.keyspace.keyspace cimport database_flush
from kv._core.resp.reply cimport reply_ok
from kv._core.runtime.blocking cimport mark_database_ready
from kv._core.runtime.context cimport arg_is, syntax_error
from kv._core.runtime.propagation cimport propagate_as_came
from kv._core.runtime.lazyfree cimport lazyfree_database
from kv._core.runtime.registry cimport native
from kv._core.runtime.registry import declare
from kv._core.runtime.state cimport Context
from kv._core.runtime.transaction cimport touch_watched_database


cdef bint flush_options_or_reply(Context *c, bint *lazy) noexcept nogil:
    lazy[0] = c.keyspace.lazy_user_flush
    if c.argc == 1:
        return True
    if c.argc == 2 and (arg_is(c, 1, b"sync", 4) or arg_is(c, 1, b"async", 5)):
        lazy[0] = arg_is(c, 1, b"async", 5)
        return True
    syntax_error(c)
    return False


cdef void flush(Context *c, Database *first, Database *behind, bint lazy, bint all) noexcept nogil:
    """Empty the databases from `first` up to, and without, `behind`: all of them, or not."""
    cdef Database detached
    cdef Database *database = first
    cdef uint64_t removed = 0
    while database < behind:
        touch_watched_database(c.runtime, database, NULL)
        if database_count(database) == 0:
            pass
        elif lazy:
            removed += database_flush(c.keyspace, database, &detached)
            lazyfree_database(&detached)
        else:
            removed += database_flush(c.keyspace, database, NULL)
        mark_database_ready(c.runtime, database)
        database += 1
    c.keyspace.dirty += removed
    if all:
        c.runtime.on_flush(c.runtime)
    c.propagated = True
    propagate_as_came(c)
    reply_ok(&c.reply)
    if removed and not lazy:
        memory_purge()


cdef void cmd_flushdb(Context *c) noexcept nogil:
    cdef bint lazy
    if flush_options_or_reply(c, &lazy):
        flush(c, c.database, c.database + 1, lazy, False)


declare(native(cmd_flushdb), "flushdb", -1, "write", group="server", since="1.0.0", complexity="O(N)",
        acl="keyspace dangerous", tips="request_policy:all_shards response_policy:all_succeeded",
        summary="Deletes all keys of the database.", history=["4.0.0 Takes ASYNC.", "6.2.0 Takes SYNC."],
        args="[flush-type: ASYNC@4.0.0 | SYNC@6.2.0]")


cdef void cmd_flushall(Context *c) noexcept nogil:
    cdef bint lazy
    if flush_options_or_reply(c, &lazy):
        flush(c, c.keyspace.databases, c.keyspace.databases + c.keyspace.count, lazy, True)


declare(native(cmd_flushall), "flushall", -1, "write", group="server", since="1.0.0", complexity="O(N)",
        acl="keyspace dangerous", tips="request_policy:all_shards response_policy:all_succeeded",
        summary="Deletes all keys of all databases.", history=["4.0.0 Takes ASYNC.", "6.2.0 Takes SYNC."],
        args="[flush-type: ASYNC@4.0.0 | SYNC@6.2.0]")
