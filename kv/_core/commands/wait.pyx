"""WAIT and WAITAOF: until what the caller wrote is with so many replicas, or on disk.

Both compare positions in the stream of effects: where the caller's last write ends, how far the AOF is synced, how far
each replica has acknowledged. The caller waits where one of these is behind (runtime/blocking).
"""
from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t

from kv._core.resp.reply cimport reply_array, reply_i64
from kv._core.runtime.blocking cimport arg_timeout_or_reply, block_on_position, context_may_block
from kv._core.runtime.context cimport arg_least_or_reply, arg_range_or_reply, error
from kv._core.runtime.registry import declare
from kv._core.runtime.registry cimport native
from kv._core.runtime.state cimport Context

cdef enum:
    REPLICAS = 0            # that have acknowledged anything: this server has none


cdef void cmd_wait(Context *c) noexcept nogil:
    cdef int64_t replicas, until_ms
    if (not arg_range_or_reply(c, 1, INT64_MIN, INT64_MAX, &replicas, NULL)
            or not arg_timeout_or_reply(c, 2, False, &until_ms)):
        return
    if REPLICAS >= replicas or not context_may_block(c):
        reply_i64(&c.reply, REPLICAS)
    else:
        block_on_position(c, until_ms)


declare(native(cmd_wait), "wait", 3, "blocking", group="generic", since="3.0.0", complexity="O(1)", acl="-keyspace connection",
        tips="request_policy:all_shards response_policy:agg_min",
        summary="Waits until so many replicas have what the caller wrote.", args="numreplicas:integer timeout:integer")


cdef void cmd_waitaof(Context *c) noexcept nogil:
    cdef int64_t local, replicas, until_ms
    cdef bint synced = c.runtime.aof_on and c.runtime.aof_synced >= <int64_t> c.session.write_position
    if (not arg_range_or_reply(c, 1, 0, 1, &local, b"ERR value is out of range, value must between 0 and 1")
            or not arg_least_or_reply(c, 2, 0, &replicas, b"ERR value is out of range, must be positive")
            or not arg_timeout_or_reply(c, 3, False, &until_ms)):
        return
    if local and not c.runtime.aof_on:
        error(c, b"ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.")
    elif (synced >= local and REPLICAS >= replicas) or not context_may_block(c):
        reply_array(&c.reply, 2)
        reply_i64(&c.reply, synced)
        reply_i64(&c.reply, REPLICAS)
    else:
        block_on_position(c, until_ms)


declare(native(cmd_waitaof), "waitaof", 4, "blocking", group="generic", since="7.2.0", complexity="O(1)",
        acl="-keyspace connection", tips="request_policy:all_shards response_policy:agg_min",
        summary="Waits until what the caller wrote is on disk, here and at so many replicas.",
        args="numlocal:integer numreplicas:integer timeout:integer")
