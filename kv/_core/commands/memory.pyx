"""MEMORY USAGE. The container's other subcommands, which are about the server and not about a key, are
written in Python."""
from libc.stdint cimport INT64_MAX, int64_t

from kv._core.keyspace.keyspace cimport keyspace_find
from kv._core.objects.entry cimport Entry
from kv._core.objects.value cimport value_memory
from kv._core.resp.reply cimport reply_i64, reply_null
from kv._core.runtime.context cimport arg_i64_or_reply, arg_is, context_key, syntax_error
from kv._core.runtime.registry cimport native
from kv._core.runtime.registry import container, declare
from kv._core.runtime.state cimport Context

cdef enum:
    DEFAULT_SAMPLES = 5     # elements of a large value that stand for all

container("memory", group="server", since="4.0.0", summary="Subcommands about memory.")


cdef bint samples_or_reply(Context *c, int64_t *samples) noexcept nogil:
    cdef int i
    samples[0] = DEFAULT_SAMPLES
    for i in range(3, c.argc, 2):
        if not arg_is(c, i, b"samples", 7) or i + 1 == c.argc:
            syntax_error(c)
            return False
        if not arg_i64_or_reply(c, i + 1, samples):
            return False
        if samples[0] < 0:
            syntax_error(c)
            return False
        if samples[0] == 0:
            samples[0] = INT64_MAX
    return True


cdef void cmd_memory_usage(Context *c) noexcept nogil:
    """A key whose time has come, but which is still there, takes memory all the same."""
    cdef int64_t samples
    cdef Entry *entry
    if not samples_or_reply(c, &samples):
        return
    entry = keyspace_find(c.keyspace, c.database, context_key(c, 2))
    if entry == NULL:
        reply_null(&c.reply)
    else:
        reply_i64(&c.reply, value_memory(entry, samples))


declare(native(cmd_memory_usage), "memory|usage", -3, "readonly", keys="2 RO", group="server", since="4.0.0",
        complexity="O(N)", summary="Returns the bytes that a key and its value take.")
