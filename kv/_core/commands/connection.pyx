"""Commands of the connection itself that are on the request path: PING, ECHO, SELECT."""
from libc.stdint cimport INT32_MAX, INT32_MIN, int64_t

from kv._core.resp.reply cimport reply_array, reply_bulk, reply_ok, reply_status
from kv._core.runtime.context cimport arg_range_or_reply, error
from kv._core.runtime.registry import declare
from kv._core.runtime.registry cimport native
from kv._core.runtime.state cimport SESSION_SUBSCRIBED, Context


cdef void cmd_ping(Context *c) noexcept nogil:
    if c.argc > 2:
        error(c, b"ERR wrong number of arguments for 'ping' command")
    elif c.session.flags & SESSION_SUBSCRIBED and c.session.resp == 2:
        reply_array(&c.reply, 2)
        reply_bulk(&c.reply, b"pong", 4)
        reply_bulk(&c.reply, c.argv[c.argc - 1].data, c.argv[1].length if c.argc == 2 else 0)
    elif c.argc == 1:
        reply_status(&c.reply, b"PONG", 4)
    else:
        reply_bulk(&c.reply, c.argv[1].data, c.argv[1].length)


declare(native(cmd_ping), "ping", -1, "fast subscribed", group="connection", since="1.0.0", complexity="O(1)",
        tips="request_policy:all_shards response_policy:all_succeeded",
        summary="Answers PONG, or the message it is given.", args="[message]")


cdef void cmd_echo(Context *c) noexcept nogil:
    reply_bulk(&c.reply, c.argv[1].data, c.argv[1].length)


declare(native(cmd_echo), "echo", 2, "loading stale fast", group="connection", since="1.0.0",
        complexity="O(1)", summary="Answers the message it is given.", args="message")


cdef void cmd_select(Context *c) noexcept nogil:
    cdef int64_t index
    if not arg_range_or_reply(c, 1, INT32_MIN, INT32_MAX, &index,
                              b"ERR value is out of range, value must between -2147483648 and 2147483647"):
        return
    if not 0 <= index < c.keyspace.count:
        error(c, b"ERR DB index is out of range")
        return
    c.session.database = c.keyspace.databases + index
    reply_ok(&c.reply)


declare(native(cmd_select), "select", 2, "loading stale fast", group="connection", since="1.0.0",
        complexity="O(1)", summary="Chooses the database of the connection.", args="index:integer")
