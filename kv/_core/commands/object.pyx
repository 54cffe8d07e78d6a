"""OBJECT: how a value is kept, and when it was last used. Looking does not count as use."""
from libc.string cimport strlen

from kv._core.keyspace.keyspace cimport (
    LOOKUP_NO_NOTIFY, LOOKUP_NO_TOUCH, POLICY_LFU, keyspace_idle_seconds, keyspace_lfu, keyspace_lookup)
from kv._core.objects.entry cimport Entry, entry_encoding_name
from kv._core.resp.reply cimport reply_array, reply_bulk, reply_i64, reply_null, reply_status
from kv._core.runtime.context cimport context_key, error
from kv._core.runtime.registry cimport native
from kv._core.runtime.registry import container, declare
from kv._core.runtime.state cimport Context

container("object", group="generic", since="2.2.3", acl="-keyspace",
          summary="Subcommands about how values are kept.")


cdef Entry *object_or_reply(Context *c) noexcept nogil:
    """The entry of the key, untouched; null is answered where there is none."""
    cdef Entry *entry = keyspace_lookup(c.keyspace, c.database, context_key(c, 2),
                                        LOOKUP_NO_TOUCH | LOOKUP_NO_NOTIFY)
    if entry == NULL:
        reply_null(&c.reply)
    return entry


cdef void cmd_object_encoding(Context *c) noexcept nogil:
    cdef Entry *entry = object_or_reply(c)
    cdef const char *name
    if entry != NULL:
        name = entry_encoding_name(entry)
        reply_bulk(&c.reply, name, strlen(name))


declare(native(cmd_object_encoding), "object|encoding", 3, "readonly", keys="2 RO", group="generic",
        since="2.2.3", complexity="O(1)", summary="Returns the name of a value's internal encoding.")


cdef void cmd_object_freq(Context *c) noexcept nogil:
    cdef Entry *entry = object_or_reply(c)
    if entry == NULL:
        return
    if c.keyspace.policy & POLICY_LFU:
        reply_i64(&c.reply, keyspace_lfu(c.keyspace, entry))
    else:
        error(c, b"ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note "
                 b"that when switching between policies at runtime LRU and LFU data will take some time to "
                 b"adjust.")


declare(native(cmd_object_freq), "object|freq", 3, "readonly", keys="2 RO", group="generic", since="4.0.0",
        complexity="O(1)", summary="Returns the counter of accesses that the LFU policies keep of a key.")


cdef void cmd_object_idletime(Context *c) noexcept nogil:
    cdef Entry *entry = object_or_reply(c)
    if entry == NULL:
        return
    if c.keyspace.policy & POLICY_LFU:
        error(c, b"ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when "
                 b"switching between policies at runtime LRU and LFU data will take some time to adjust.")
    else:
        reply_i64(&c.reply, keyspace_idle_seconds(c.keyspace, entry))


declare(native(cmd_object_idletime), "object|idletime", 3, "readonly", keys="2 RO", group="generic",
        since="2.2.3", complexity="O(1)", summary="Returns the seconds since a key was last used.")


cdef void cmd_object_refcount(Context *c) noexcept nogil:
    """Values are never shared here."""
    if object_or_reply(c) != NULL:
        reply_i64(&c.reply, 1)


declare(native(cmd_object_refcount), "object|refcount", 3, "readonly", keys="2 RO", group="generic",
        since="2.2.3", complexity="O(1)", summary="Returns how many users a value has, which is 1.")


cdef const char *HELP[13]
HELP[0] = b"OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"
HELP[1] = b"ENCODING <key>"
HELP[2] = b"    Return the kind of internal representation used in order to store the value"
HELP[3] = b"    associated with a <key>."
HELP[4] = b"FREQ <key>"
HELP[5] = b"    Return the access frequency index of the <key>. The returned integer is"
HELP[6] = b"    proportional to the logarithm of the recent access frequency of the key."
HELP[7] = b"IDLETIME <key>"
HELP[8] = b"    Return the idle time of the <key>, that is the approximated number of"
HELP[9] = b"    seconds elapsed since the last access to the key."
HELP[10] = b"REFCOUNT <key>"
HELP[11] = b"    Return the number of references of the value associated with the specified"
HELP[12] = b"    <key>."


cdef void cmd_object_help(Context *c) noexcept nogil:
    cdef int i
    reply_array(&c.reply, 15)
    for i in range(13):
        reply_status(&c.reply, HELP[i], strlen(HELP[i]))
    reply_status(&c.reply, b"HELP", 4)
    reply_status(&c.reply, b"    Print this help.", 20)


declare(native(cmd_object_help), "object|help", 2, "loading stale", group="generic", since="6.2.0",
        complexity="O(1)", summary="Lists the subcommands of OBJECT.")
