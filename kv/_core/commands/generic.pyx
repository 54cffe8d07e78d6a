"""Commands on keys of any type: delete, look, rename, copy, move, pick at random; and SWAPDB, which moves
them all.

A value is never looked into here: what differs from type to type is asked of objects/value. Renaming and
moving make the entry's header anew, with the other key in it, and leave the value where it is.
"""
from libc.stdint cimport INT32_MAX, INT32_MIN, int64_t

from kv._core.base.numbers cimport parse_i64
from kv._core.base.slice cimport slice_equal
from kv._core.keyspace.database cimport database_count, database_expiring, database_random
from kv._core.keyspace.keyspace cimport (
    EVENT_GENERIC, LOOKUP_NO_TOUCH, LOOKUP_WRITE, Database, Key, Keyspace, database_swap, keyspace_add,
    keyspace_changed, keyspace_detach, keyspace_drop_expired, keyspace_expired, keyspace_find,
    keyspace_lookup,
    keyspace_remove)
from kv._core.objects.entry cimport Entry, entry_free_header, entry_key, entry_type, entry_with_key, type_name
from kv._core.objects.value cimport value_copy
from kv._core.resp.reply cimport reply_bulk, reply_i64, reply_null, reply_ok, reply_status
from kv._core.runtime.blocking cimport mark_database_ready
from kv._core.runtime.context cimport (
    arg_is, changed, context_key, delete_found, error, read_key, syntax_error, write_key)
from kv._core.runtime.propagation cimport unit_loosen
from kv._core.runtime.registry cimport native
from kv._core.runtime.registry import declare
from kv._core.runtime.state cimport Context
from kv._core.runtime.transaction cimport touch_watched_database

cdef extern from "<string.h>" nogil:
    size_t strlen(const char *text)

cdef enum:
    HIDDEN_TRIES = 100      # draws of RANDOMKEY where every key may be an expired one that must stay

cdef const char *SAME = b"ERR source and destination objects are the same"


# -- DEL, UNLINK --------------------------------------------------------------------------------------------

cdef inline void remove_keys(Context *c, bint lazy) noexcept nogil:
    cdef int i
    cdef int64_t removed = 0
    cdef Key key
    for i in range(1, c.argc):
        key = context_key(c, i)
        if keyspace_lookup(c.keyspace, c.database, key, LOOKUP_WRITE | LOOKUP_NO_TOUCH) != NULL:
            keyspace_remove(c.keyspace, c.database, key, lazy)
            changed(c, i, EVENT_GENERIC, b"del")
            removed += 1
    reply_i64(&c.reply, removed)


cdef void cmd_del(Context *c) noexcept nogil:
    remove_keys(c, c.keyspace.lazy_user_del)


declare(native(cmd_del), "del", -2, "write", keys="1..-1 RM delete", group="generic", since="1.0.0",
        complexity="O(N)", tips="request_policy:multi_shard response_policy:agg_sum", summary="Deletes keys.",
        args="key...")


cdef void cmd_unlink(Context *c) noexcept nogil:
    remove_keys(c, True)


declare(native(cmd_unlink), "unlink", -2, "write fast", keys="1..-1 RM delete", group="generic",
        since="4.0.0", complexity="O(1)", tips="request_policy:multi_shard response_policy:agg_sum",
        summary="Deletes keys; the memory of large values is freed in the background.", args="key...")


# -- EXISTS, TYPE, TOUCH ------------------------------------------------------------------------------------

cdef inline int64_t count_keys(Context *c, int flags) noexcept nogil:
    cdef int i
    cdef int64_t found = 0
    for i in range(1, c.argc):
        found += keyspace_lookup(c.keyspace, c.database, context_key(c, i), flags) != NULL
    return found


cdef void cmd_exists(Context *c) noexcept nogil:
    reply_i64(&c.reply, count_keys(c, LOOKUP_NO_TOUCH))


declare(native(cmd_exists), "exists", -2, "readonly fast", keys="1..-1 RO", group="generic", since="1.0.0",
        complexity="O(N)", tips="request_policy:multi_shard response_policy:agg_sum",
        summary="Counts how many of the given keys exist; a key named twice counts twice.",
        history=["3.0.3 Takes several keys."], args="key...")


cdef void cmd_touch(Context *c) noexcept nogil:
    """The one command whose purpose is the access clock: CLIENT NO-TOUCH does not hold it back."""
    reply_i64(&c.reply, count_keys(c, 0))


declare(native(cmd_touch), "touch", -2, "readonly fast", keys="1..-1 RO", group="generic", since="3.2.1",
        complexity="O(N)", tips="request_policy:multi_shard response_policy:agg_sum",
        summary="Marks keys as accessed now; counts those that exist.", args="key...")


cdef void cmd_type(Context *c) noexcept nogil:
    cdef Entry *entry = keyspace_lookup(c.keyspace, c.database, context_key(c, 1), LOOKUP_NO_TOUCH)
    cdef const char *name = b"none"
    if entry != NULL:
        name = type_name(entry_type(entry))
    reply_status(&c.reply, name, strlen(name))


declare(native(cmd_type), "type", 2, "readonly fast", keys="1 RO", group="generic", since="1.0.0",
        complexity="O(1)", summary="Returns the type of the value of a key.", args="key")


# -- RENAME, MOVE, COPY -------------------------------------------------------------------------------------

cdef void relocate(Context *c, Key key, Database *to, Key name) noexcept nogil:
    """Take the key out of the session's database and put its value, with its expiry, under a free name."""
    cdef Entry *entry
    cdef Entry *made
    keyspace_find(c.keyspace, c.database, key)
    entry = keyspace_detach(c.keyspace, c.database, key)
    made = entry_with_key(entry, name.name)
    entry_free_header(entry)
    keyspace_add(c.keyspace, to, name, made)


cdef inline void rename(Context *c, bint only_if_free) noexcept nogil:
    cdef Key name
    if write_key(c, 1) == NULL:
        error(c, b"ERR no such key")
        return
    if not slice_equal(c.argv[1], c.argv[2]):
        name = context_key(c, 2)
        if write_key(c, 2) != NULL:
            if only_if_free:
                reply_i64(&c.reply, 0)
                return
            delete_found(c, name)
        relocate(c, context_key(c, 1), c.database, name)
        changed(c, 1, EVENT_GENERIC, b"rename_from")
        changed(c, 2, EVENT_GENERIC, b"rename_to")
        c.keyspace.dirty -= 1                   # two keys heard of it, but it is one change
    elif only_if_free:
        reply_i64(&c.reply, 0)
        return
    if only_if_free:
        reply_i64(&c.reply, 1)
    else:
        reply_ok(&c.reply)


cdef void cmd_rename(Context *c) noexcept nogil:
    rename(c, False)


declare(native(cmd_rename), "rename", 3, "write", keys="1 RW access delete; 2 OW update", group="generic",
        since="1.0.0", complexity="O(1)",
        summary="Gives a key another name, in place of any key of that name.", args="key newkey:key")


cdef void cmd_renamenx(Context *c) noexcept nogil:
    rename(c, True)


declare(native(cmd_renamenx), "renamenx", 3, "write fast", keys="1 RW access delete; 2 OW insert",
        group="generic", since="1.0.0", complexity="O(1)",
        summary="Gives a key another name, unless there is a key of that name.",
        history=["3.2.0 The two names may be the same."], args="key newkey:key")


cdef bint database_or_reply(Context *c, int index, Database **database) noexcept nogil:
    """The database whose number an argument is."""
    cdef int64_t number
    if not parse_i64(c.argv[index].data, c.argv[index].length, &number):
        error(c, b"ERR value is not an integer or out of range")
    elif not INT32_MIN <= number <= INT32_MAX:
        error(c, b"ERR value is out of range, value must between -2147483648 and 2147483647")
    elif not 0 <= number < c.keyspace.count:
        error(c, b"ERR DB index is out of range")
    else:
        database[0] = c.keyspace.databases + number
        return True
    return False


cdef void cmd_move(Context *c) noexcept nogil:
    cdef Database *to = NULL
    cdef Key key = context_key(c, 1)
    if not database_or_reply(c, 2, &to):
        return
    if to == c.database:
        error(c, SAME)
        return
    if write_key(c, 1) == NULL or keyspace_lookup(c.keyspace, to, key, LOOKUP_WRITE) != NULL:
        reply_i64(&c.reply, 0)
        return
    relocate(c, key, to, key)
    changed(c, 1, EVENT_GENERIC, b"move_from")
    keyspace_changed(c.keyspace, to, c.argv[1], EVENT_GENERIC, b"move_to")
    c.keyspace.dirty -= 1                       # as with RENAME: one change
    reply_i64(&c.reply, 1)


declare(native(cmd_move), "move", 3, "write fast", keys="1 RW access update", group="generic", since="1.0.0",
        complexity="O(1)", summary="Moves a key to another database, unless that has a key of the same name.",
        args="key db:integer")


cdef bint copy_options_or_reply(Context *c, Database **to, bint *replace) noexcept nogil:
    cdef int i = 3
    while i < c.argc:
        if arg_is(c, i, b"replace", 7):
            replace[0] = True
        elif arg_is(c, i, b"db", 2) and i + 1 < c.argc:
            i += 1
            if not database_or_reply(c, i, to):
                return False
        else:
            syntax_error(c)
            return False
        i += 1
    return True


cdef void cmd_copy(Context *c) noexcept nogil:
    cdef Database *to = c.database
    cdef bint replace = False
    cdef Key name = context_key(c, 2)
    cdef Entry *entry
    cdef Entry *made
    cdef bint taken
    if not copy_options_or_reply(c, &to, &replace):
        return
    if to == c.database and slice_equal(c.argv[1], c.argv[2]):
        error(c, SAME)
        return
    entry = read_key(c, 1)
    taken = entry != NULL and keyspace_lookup(c.keyspace, to, name, LOOKUP_WRITE) != NULL
    if entry == NULL or (taken and not replace):
        reply_i64(&c.reply, 0)
        return
    made = value_copy(entry, name.name)
    if taken:
        keyspace_remove(c.keyspace, to, name, c.keyspace.lazy_server_del)
    keyspace_add(c.keyspace, to, name, made)
    keyspace_changed(c.keyspace, to, name.name, EVENT_GENERIC, b"copy_to")
    reply_i64(&c.reply, 1)


declare(native(cmd_copy), "copy", -3, "write denyoom", keys="1 RO access; 2 OW update", group="generic",
        since="6.2.0", complexity="O(N)",
        summary="Copies a key with its value and expiry to another name or database.",
        args="source:key destination:key [DB destination-db:integer] [REPLACE]")


# -- whole databases ----------------------------------------------------------------------------------------

cdef Entry *random_live(Keyspace *keyspace, Database *database) noexcept nogil:
    """A key drawn at random, each with the same chance; the expired ones met on the way are deleted. NULL:
    none left."""
    cdef Entry *entry
    cdef int tries = 0
    while True:
        entry = database_random(database, &keyspace.random)
        if entry == NULL or not keyspace_expired(keyspace, entry):
            return entry
        if not keyspace.reads_only_hide:
            keyspace_drop_expired(keyspace, database, entry, False)
            continue
        tries += 1
        if tries == HIDDEN_TRIES and database_expiring(database) == database_count(database):
            return entry                        # better a key that is about to go than never an answer


cdef void cmd_randomkey(Context *c) noexcept nogil:
    cdef Entry *entry = random_live(c.keyspace, c.database)
    unit_loosen(&c.runtime.propagation)      # each expired key went on its own account: no MULTI around them
    if entry == NULL:
        reply_null(&c.reply)
    else:
        reply_bulk(&c.reply, entry_key(entry).data, entry_key(entry).length)


declare(native(cmd_randomkey), "randomkey", 1, "readonly", group="generic", since="1.0.0", complexity="O(1)",
        tips="request_policy:all_shards response_policy:special nondeterministic_output",
        summary="Returns a key of the database at random.")


cdef void cmd_dbsize(Context *c) noexcept nogil:
    reply_i64(&c.reply, database_count(c.database))


declare(native(cmd_dbsize), "dbsize", 1, "readonly fast", group="server", since="1.0.0", complexity="O(1)",
        acl="keyspace", tips="request_policy:all_shards response_policy:agg_sum",
        summary="Returns the number of keys in the database.")


cdef bint index_or_reply(Context *c, int index, int64_t *number, const char *text) noexcept nogil:
    if parse_i64(c.argv[index].data, c.argv[index].length, number) and INT32_MIN <= number[0] <= INT32_MAX:
        return True
    error(c, text)
    return False


cdef void cmd_swapdb(Context *c) noexcept nogil:
    cdef int64_t first, second
    if not index_or_reply(c, 1, &first, b"ERR invalid first DB index"):
        return
    if not index_or_reply(c, 2, &second, b"ERR invalid second DB index"):
        return
    if not 0 <= first < c.keyspace.count or not 0 <= second < c.keyspace.count:
        error(c, b"ERR DB index is out of range")
        return
    touch_watched_database(c.runtime, c.keyspace.databases + first, c.keyspace.databases + second)
    touch_watched_database(c.runtime, c.keyspace.databases + second, c.keyspace.databases + first)
    database_swap(c.keyspace, <int> first, <int> second)
    mark_database_ready(c.runtime, c.keyspace.databases + first)
    mark_database_ready(c.runtime, c.keyspace.databases + second)
    c.keyspace.dirty += 1
    reply_ok(&c.reply)


declare(native(cmd_swapdb), "swapdb", 3, "write fast", group="server", since="4.0.0", complexity="O(N)",
        acl="keyspace dangerous", summary="Exchanges two databases, for all clients at once.",
        args="index1:integer index2:integer")
