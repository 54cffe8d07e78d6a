"""Commands on one set or two: add, remove, ask, move. Those that draw members or walk over them are in
commands/setdraw, those that combine sets in commands/setalgebra."""
from libc.stdint cimport int64_t

from kv._core.keyspace.keyspace cimport EVENT_SET, keyspace_add, keyspace_find
from kv._core.objects.entry cimport TYPE_SET, Entry, Item
from kv._core.objects.set cimport set_add, set_expect, set_has, set_length, set_new, set_remove, set_walk
from kv._core.resp.reply cimport Reply, reply_array, reply_bulk, reply_i64, reply_set
from kv._core.runtime.context cimport changed, check_type, context_key, read_key, removed, write_key
from kv._core.runtime.registry cimport native
from kv._core.runtime.registry import declare
from kv._core.runtime.state cimport Context


cdef void cmd_sadd(Context *c) noexcept nogil:
    cdef int64_t added = 0
    cdef int i
    cdef Entry *entry = write_key(c, 1)
    if not check_type(c, entry, TYPE_SET):
        return
    if entry == NULL:
        entry = set_new(c.argv[1], c.argv[2], c.argc - 2)
        keyspace_add(c.keyspace, c.database, context_key(c, 1), entry)
    else:
        set_expect(entry, c.argc - 2)
    for i in range(2, c.argc):
        added += set_add(entry, c.argv[i])
    if added:
        changed(c, 1, EVENT_SET, b"sadd")
        c.keyspace.dirty += added - 1
    reply_i64(&c.reply, added)


declare(native(cmd_sadd), "sadd", -3, "write denyoom fast", keys="1 RW insert", member=2, group="set", since="1.0.0",
        complexity="O(1)", summary="Adds members to a set.", history=["2.4.0 Takes several members."],
        args="key member...")


cdef void cmd_srem(Context *c) noexcept nogil:
    cdef int64_t count = 0
    cdef int i
    cdef Entry *entry = write_key(c, 1)
    if not check_type(c, entry, TYPE_SET):
        return
    if entry != NULL:
        for i in range(2, c.argc):
            count += set_remove(entry, c.argv[i])
            if set_length(entry) == 0:
                break
        if count:
            removed(c, 1, count, set_length(entry) == 0, EVENT_SET, b"srem")
    reply_i64(&c.reply, count)


declare(native(cmd_srem), "srem", -3, "write fast", keys="1 RW delete", member=2, group="set", since="1.0.0",
        complexity="O(N)", summary="Removes members from a set.", history=["2.4.0 Takes several members."],
        args="key member...")


cdef void cmd_sismember(Context *c) noexcept nogil:
    cdef Entry *entry = read_key(c, 1)
    if check_type(c, entry, TYPE_SET):
        reply_i64(&c.reply, entry != NULL and set_has(entry, c.argv[2]))


declare(native(cmd_sismember), "sismember", 3, "readonly fast", keys="1 RO", member=2, group="set", since="1.0.0",
        complexity="O(1)", summary="Tells whether a set has a member.", args="key member")


cdef void cmd_smismember(Context *c) noexcept nogil:
    cdef int i
    cdef Entry *entry = read_key(c, 1)
    if not check_type(c, entry, TYPE_SET):
        return
    reply_array(&c.reply, c.argc - 2)
    for i in range(2, c.argc):
        reply_i64(&c.reply, entry != NULL and set_has(entry, c.argv[i]))


declare(native(cmd_smismember), "smismember", -3, "readonly fast", keys="1 RO access", member=2, group="set",
        since="6.2.0", complexity="O(N)", summary="Tells which of the given members a set has.",
        args="key member...")


cdef void cmd_scard(Context *c) noexcept nogil:
    cdef Entry *entry = read_key(c, 1)
    if check_type(c, entry, TYPE_SET):
        reply_i64(&c.reply, set_length(entry) if entry != NULL else 0)


declare(native(cmd_scard), "scard", 2, "readonly fast", keys="1 RO", group="set", since="1.0.0",
        complexity="O(1)", summary="Returns the number of members of a set.", args="key")


cdef bint reply_member(void *argument, const Item *item) noexcept nogil:
    reply_bulk(<Reply *> argument, item.first.data, item.first.length)
    return True


cdef void cmd_smembers(Context *c) noexcept nogil:
    cdef Entry *entry = read_key(c, 1)
    if not check_type(c, entry, TYPE_SET):
        return
    reply_set(&c.reply, set_length(entry) if entry != NULL else 0)
    if entry != NULL:
        set_walk(entry, reply_member, &c.reply)


declare(native(cmd_smembers), "smembers", 2, "readonly", keys="1 RO access", group="set", since="1.0.0",
        complexity="O(N)", tips="nondeterministic_output_order", summary="Returns all members of a set.",
        args="key")


# -- SMOVE ----------------------------------------------------------------------------------------------------------

cdef void taken_from(Context *c, Entry *source) noexcept nogil:
    """A member was removed from the set at argument 1."""
    cdef bint emptied = set_length(source) == 0
    if emptied:                             # the other set was looked up since
        keyspace_find(c.keyspace, c.database, context_key(c, 1))
    removed(c, 1, 1, emptied, EVENT_SET, b"srem")


cdef void cmd_smove(Context *c) noexcept nogil:
    cdef Entry *source = write_key(c, 1)
    cdef Entry *target = write_key(c, 2)
    if source == NULL:
        reply_i64(&c.reply, 0)
        return
    if not check_type(c, source, TYPE_SET) or not check_type(c, target, TYPE_SET):
        return
    if source == target:
        reply_i64(&c.reply, set_has(source, c.argv[3]))
        return
    if not set_remove(source, c.argv[3]):
        reply_i64(&c.reply, 0)
        return
    taken_from(c, source)
    if target == NULL:
        target = set_new(c.argv[2], c.argv[3], 1)
        keyspace_add(c.keyspace, c.database, context_key(c, 2), target)
    if set_add(target, c.argv[3]):
        changed(c, 2, EVENT_SET, b"sadd")
    reply_i64(&c.reply, 1)


declare(native(cmd_smove), "smove", 4, "write fast", keys="1 RW access delete; 2 RW insert", group="set",
        since="1.0.0", complexity="O(1)", summary="Moves a member from one set to another.",
        args="source:key destination:key member")
