"""Commands on keys of any type."""
from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t

from kv._core.keyspace.keyspace cimport EVENT_GENERIC, Key, keyspace_remove, keyspace_set_expiry
from kv._core.objects.entry cimport Entry, entry_expiry
from kv._core.resp.reply cimport reply_i64
from kv._core.runtime.context cimport arg_i64_or_reply, changed, context_key, error, write_key
from kv._core.runtime.registry cimport native
from kv._core.runtime.registry import declare
from kv._core.runtime.state cimport Context


cdef inline void remove_keys(Context *c, bint lazy) noexcept nogil:
    cdef int i
    cdef int64_t removed = 0
    for i in range(1, c.argc):
        if write_key(c, i) != NULL:
            keyspace_remove(c.keyspace, c.database, context_key(c, i), lazy)
            changed(c, i, EVENT_GENERIC, b"del")
            removed += 1
    reply_i64(&c.reply, removed)


cdef void cmd_del(Context *c) noexcept nogil:
    remove_keys(c, c.keyspace.lazy_user_del)


declare(native(cmd_del), "del", -2, "write", keys="1..-1 RM delete", group="generic", since="1.0.0",
        complexity="O(N)", summary="Deletes keys.")
