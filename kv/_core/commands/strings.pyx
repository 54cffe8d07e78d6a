"""String commands."""
from libc.stdint cimport int64_t

from kv._core.base.slice cimport Slice
from kv._core.keyspace.keyspace cimport (
    EVENT_STRING, Key, keyspace_add, keyspace_put)
from kv._core.objects.entry cimport (
    ENCODING_INT, TYPE_STRING, Entry, entry_encoding, entry_expiry, entry_number)
from kv._core.objects.string cimport string_assign, string_new, string_new_number, string_number, string_slice
from kv._core.resp.reply cimport reply_bulk, reply_i64, reply_null, reply_ok
from kv._core.runtime.context cimport changed, check_type, context_key, error, read_key, write_key
from kv._core.runtime.registry cimport native
from kv._core.runtime.registry import declare
from kv._core.runtime.state cimport Context


cdef void cmd_get(Context *c) noexcept nogil:
    cdef char text[24]
    cdef Slice value
    cdef Entry *entry = read_key(c, 1)
    if entry == NULL:
        reply_null(&c.reply)
    elif check_type(c, entry, TYPE_STRING):
        value = string_slice(entry, text)
        reply_bulk(&c.reply, value.data, value.length)


declare(native(cmd_get), "get", 2, "readonly fast", keys="1 RO access", group="string", since="1.0.0", complexity="O(1)",
        summary="Returns the string value of a key.", args="key")


cdef void cmd_set(Context *c) noexcept nogil:
    cdef Entry *entry = write_key(c, 1)
    cdef Entry *made
    if entry == NULL:
        keyspace_add(c.keyspace, c.database, context_key(c, 1), string_new(c.argv[1], c.argv[2], -1, NULL))
    else:
        made = string_assign(entry, c.argv[2], -1, NULL)
        if made != entry:
            keyspace_put(c.keyspace, c.database, made)
    changed(c, 1, EVENT_STRING, b"set")
    reply_ok(&c.reply)


declare(native(cmd_set), "set", -3, "write denyoom", keys="1 RW access update variable_flags", group="string",
        since="1.0.0", complexity="O(1)", summary="Sets the string value of a key.")
