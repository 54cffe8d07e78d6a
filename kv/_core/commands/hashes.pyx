"""Commands on hashes: set, get, delete, count. Drawing fields is in commands/hashdraw, HSCAN in commands/elementscan."""
from libc.math cimport isfinite
from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t

from kv._core.base.blob cimport BLOB_HELD_LEAST, Blob
from kv._core.base.numbers cimport (
    FORMAT_I64_SIZE, FORMAT_LONG_DOUBLE_SIZE, format_i64, format_long_double, parse_i64, parse_long_double)
from kv._core.base.platform cimport unlikely
from kv._core.base.slice cimport Slice, slice_of
from kv._core.containers.listpack cimport LISTPACK_NUMBER_SIZE
from kv._core.keyspace.keyspace cimport EVENT_HASH, keyspace_add
from kv._core.objects.entry cimport TYPE_HASH, Entry, Item, item_visitor
from kv._core.objects.hash cimport (
    hash_blob, hash_delete, hash_expect, hash_get, hash_length, hash_new, hash_set, hash_walk)
from kv._core.resp.reply cimport (
    Reply, reply_array, reply_bulk, reply_i64, reply_map, reply_null, reply_ok)
from kv._core.runtime.context cimport (
    arg_i64_or_reply, changed, check_type, context_key, error, read_key, removed, reply_blob, write_key)
from kv._core.runtime.propagation cimport effects_begin, effects_slice, effects_wanted, effects_word
from kv._core.runtime.registry cimport native
from kv._core.runtime.registry import declare
from kv._core.runtime.state cimport Context

ctypedef void (*reply_header)(Reply *reply, int64_t count) noexcept nogil


# -- set ------------------------------------------------------------------------------------------------------------

cdef inline Entry *made_if_missing(Context *c, Entry *entry) noexcept nogil:
    """The entry, or a new empty hash in its place, which the caller fills."""
    if entry == NULL:
        entry = hash_new(c.argv[1])
        keyspace_add(c.keyspace, c.database, context_key(c, 1), entry)
    return entry


cdef inline int64_t set_fields(Context *c, Entry *entry) noexcept nogil:
    """Set the fields that the arguments name; how many are new."""
    cdef int64_t added = 0
    cdef int i
    entry = made_if_missing(c, entry)
    hash_expect(entry, c.argv + 2, c.argc - 2)
    for i in range(2, c.argc, 2):
        added += hash_set(entry, c.argv[i], c.argv[i + 1])
    changed(c, 1, EVENT_HASH, b"hset")
    c.keyspace.dirty += (c.argc - 2) // 2 - 1
    return added


cdef void cmd_hset(Context *c) noexcept nogil:
    cdef Entry *entry
    if c.argc % 2:
        error(c, b"ERR wrong number of arguments for 'hset' command")
        return
    entry = write_key(c, 1)
    if check_type(c, entry, TYPE_HASH):
        reply_i64(&c.reply, set_fields(c, entry))


declare(native(cmd_hset), "hset", -4, "write denyoom fast", keys="1 RW update", member=2, group="hash", since="2.0.0",
        complexity="O(1)", summary="Sets fields of a hash; counts those that are new.",
        history=["4.0.0 Takes several fields."], args="key (data: field value)...")


cdef void cmd_hmset(Context *c) noexcept nogil:
    cdef Entry *entry
    if c.argc % 2:
        error(c, b"ERR wrong number of arguments for 'hmset' command")
        return
    entry = write_key(c, 1)
    if check_type(c, entry, TYPE_HASH):
        set_fields(c, entry)
        reply_ok(&c.reply)


declare(native(cmd_hmset), "hmset", -4, "write denyoom fast", keys="1 RW update", member=2, group="hash", since="2.0.0",
        complexity="O(N)", summary="Sets fields of a hash.",
        deprecated="4.0.0 `HSET` with multiple field-value pairs", args="key (data: field value)...")


cdef void cmd_hsetnx(Context *c) noexcept nogil:
    cdef char number[LISTPACK_NUMBER_SIZE]
    cdef Slice value
    cdef Entry *entry = write_key(c, 1)
    if not check_type(c, entry, TYPE_HASH):
        return
    if entry != NULL and hash_get(entry, c.argv[2], number, &value):
        reply_i64(&c.reply, 0)
    else:
        reply_i64(&c.reply, set_fields(c, entry))


declare(native(cmd_hsetnx), "hsetnx", 4, "write denyoom fast", keys="1 RW insert", member=2, group="hash",
        since="2.0.0", complexity="O(1)", summary="Sets a field of a hash that does not have it.",
        args="key field value")


# -- get ------------------------------------------------------------------------------------------------------------

cdef inline void reply_field(Context *c, const Entry *entry, Slice name) noexcept nogil:
    cdef char number[LISTPACK_NUMBER_SIZE]
    cdef Slice value
    cdef Blob *blob
    if entry == NULL or not hash_get(entry, name, number, &value):
        reply_null(&c.reply)
        return
    blob = hash_blob(entry, value) if unlikely(value.length >= BLOB_HELD_LEAST) else NULL
    if unlikely(blob != NULL):
        reply_blob(c, blob, value)
    else:
        reply_bulk(&c.reply, value.data, value.length)


cdef void cmd_hget(Context *c) noexcept nogil:
    cdef Entry *entry = read_key(c, 1)
    if check_type(c, entry, TYPE_HASH):
        reply_field(c, entry, c.argv[2])


declare(native(cmd_hget), "hget", 3, "readonly fast", keys="1 RO access", member=2, group="hash", since="2.0.0",
        complexity="O(1)", summary="Returns the value of a field of a hash.", args="key field")


cdef void cmd_hmget(Context *c) noexcept nogil:
    cdef int i
    cdef Entry *entry = read_key(c, 1)
    if not check_type(c, entry, TYPE_HASH):
        return
    reply_array(&c.reply, c.argc - 2)
    for i in range(2, c.argc):
        reply_field(c, entry, c.argv[i])


declare(native(cmd_hmget), "hmget", -3, "readonly fast", keys="1 RO access", member=2, group="hash", since="2.0.0",
        complexity="O(N)", summary="Returns the values of fields of a hash.", args="key field...")


cdef bint reply_both(void *argument, const Item *item) noexcept nogil:
    reply_bulk(<Reply *> argument, item.first.data, item.first.length)
    reply_bulk(<Reply *> argument, item.second.data, item.second.length)
    return True


cdef bint reply_name(void *argument, const Item *item) noexcept nogil:
    reply_bulk(<Reply *> argument, item.first.data, item.first.length)
    return True


cdef bint reply_value(void *argument, const Item *item) noexcept nogil:
    reply_bulk(<Reply *> argument, item.second.data, item.second.length)
    return True


cdef void reply_all(Context *c, reply_header header, item_visitor visit) noexcept nogil:
    cdef Entry *entry = read_key(c, 1)
    if not check_type(c, entry, TYPE_HASH):
        return
    header(&c.reply, hash_length(entry) if entry != NULL else 0)
    if entry != NULL:
        hash_walk(entry, visit, &c.reply)


cdef void cmd_hgetall(Context *c) noexcept nogil:
    reply_all(c, reply_map, reply_both)


declare(native(cmd_hgetall), "hgetall", 2, "readonly", keys="1 RO access", group="hash", since="2.0.0",
        complexity="O(N)", tips="nondeterministic_output_order",
        summary="Returns all fields of a hash with their values.", args="key")


cdef void cmd_hkeys(Context *c) noexcept nogil:
    reply_all(c, reply_array, reply_name)


declare(native(cmd_hkeys), "hkeys", 2, "readonly", keys="1 RO access", group="hash", since="2.0.0",
        complexity="O(N)", tips="nondeterministic_output_order",
        summary="Returns the names of all fields of a hash.", args="key")


cdef void cmd_hvals(Context *c) noexcept nogil:
    reply_all(c, reply_array, reply_value)


declare(native(cmd_hvals), "hvals", 2, "readonly", keys="1 RO access", group="hash", since="2.0.0",
        complexity="O(N)", tips="nondeterministic_output_order",
        summary="Returns the values of all fields of a hash.", args="key")


cdef void cmd_hlen(Context *c) noexcept nogil:
    cdef Entry *entry = read_key(c, 1)
    if check_type(c, entry, TYPE_HASH):
        reply_i64(&c.reply, hash_length(entry) if entry != NULL else 0)


declare(native(cmd_hlen), "hlen", 2, "readonly fast", keys="1 RO", group="hash", since="2.0.0",
        complexity="O(1)", summary="Returns the number of fields of a hash.", args="key")


cdef void cmd_hstrlen(Context *c) noexcept nogil:
    cdef char number[LISTPACK_NUMBER_SIZE]
    cdef Slice value
    cdef Entry *entry = read_key(c, 1)
    if not check_type(c, entry, TYPE_HASH):
        return
    if entry != NULL and hash_get(entry, c.argv[2], number, &value):
        reply_i64(&c.reply, value.length)
    else:
        reply_i64(&c.reply, 0)


declare(native(cmd_hstrlen), "hstrlen", 3, "readonly fast", keys="1 RO", member=2, group="hash", since="3.2.0",
        complexity="O(1)", summary="Returns the length of the value of a field of a hash.", args="key field")


cdef void cmd_hexists(Context *c) noexcept nogil:
    cdef char number[LISTPACK_NUMBER_SIZE]
    cdef Slice value
    cdef Entry *entry = read_key(c, 1)
    if check_type(c, entry, TYPE_HASH):
        reply_i64(&c.reply, entry != NULL and hash_get(entry, c.argv[2], number, &value))


declare(native(cmd_hexists), "hexists", 3, "readonly fast", keys="1 RO", member=2, group="hash", since="2.0.0",
        complexity="O(1)", summary="Tells whether a hash has a field.", args="key field")


# -- delete ---------------------------------------------------------------------------------------------------------

cdef void cmd_hdel(Context *c) noexcept nogil:
    cdef int64_t deleted = 0
    cdef int i
    cdef Entry *entry = write_key(c, 1)
    if not check_type(c, entry, TYPE_HASH):
        return
    if entry != NULL:
        for i in range(2, c.argc):
            deleted += hash_delete(entry, c.argv[i])
            if hash_length(entry) == 0:
                break
        if deleted:
            removed(c, 1, deleted, hash_length(entry) == 0, EVENT_HASH, b"hdel")
    reply_i64(&c.reply, deleted)


declare(native(cmd_hdel), "hdel", -3, "write fast", keys="1 RW delete", member=2, group="hash", since="2.0.0",
        complexity="O(N)", summary="Deletes fields of a hash.", history=["2.4.0 Takes several fields."],
        args="key field...")


# -- numbers --------------------------------------------------------------------------------------------------------

cdef inline bint overflows(int64_t value, int64_t by) noexcept nogil:
    return value > INT64_MAX - by if by > 0 else value < INT64_MIN - by


cdef void cmd_hincrby(Context *c) noexcept nogil:
    cdef char text[FORMAT_I64_SIZE]
    cdef Slice old
    cdef int64_t value = 0
    cdef int64_t by
    cdef Entry *entry
    if not arg_i64_or_reply(c, 3, &by):
        return
    entry = write_key(c, 1)
    if not check_type(c, entry, TYPE_HASH):
        return
    if entry != NULL and hash_get(entry, c.argv[2], text, &old) and not parse_i64(old.data, old.length, &value):
        error(c, b"ERR hash value is not an integer")
        return
    if overflows(value, by):
        error(c, b"ERR increment or decrement would overflow")
        return
    value += by
    hash_set(made_if_missing(c, entry), c.argv[2], slice_of(text, format_i64(text, value)))
    changed(c, 1, EVENT_HASH, b"hincrby")
    reply_i64(&c.reply, value)


declare(native(cmd_hincrby), "hincrby", 4, "write denyoom fast", keys="1 RW access update", member=2, group="hash",
        since="2.0.0", complexity="O(1)", summary="Adds an integer to the number in a field of a hash.",
        args="key field increment:integer")


cdef bint addend_or_reply(Context *c, long double *by) noexcept nogil:
    """The argument of HINCRBYFLOAT."""
    if not parse_long_double(c.argv[3].data, c.argv[3].length, by):
        error(c, b"ERR value is not a valid float")
        return False
    if not isfinite(by[0]):
        error(c, b"ERR value is NaN or Infinity")
        return False
    return True


cdef void propagate_sum(Context *c, Slice sum) noexcept nogil:
    """As HSET of the sum: another machine may add or print floats differently."""
    c.propagated = True
    if effects_wanted(c.runtime):
        effects_begin(c.runtime, c.database.id, 4)
        effects_word(c.runtime, b"HSET", 4)
        effects_slice(c.runtime, c.argv[1])
        effects_slice(c.runtime, c.argv[2])
        effects_slice(c.runtime, sum)


cdef void cmd_hincrbyfloat(Context *c) noexcept nogil:
    cdef char text[FORMAT_LONG_DOUBLE_SIZE]
    cdef char number[LISTPACK_NUMBER_SIZE]
    cdef long double value = 0
    cdef long double by
    cdef Slice sum
    cdef Entry *entry
    if not addend_or_reply(c, &by):
        return
    entry = write_key(c, 1)
    if not check_type(c, entry, TYPE_HASH):
        return
    if (entry != NULL and hash_get(entry, c.argv[2], number, &sum)
            and not parse_long_double(sum.data, sum.length, &value)):
        error(c, b"ERR hash value is not a float")
        return
    value += by
    if not isfinite(value):
        error(c, b"ERR increment would produce NaN or Infinity")
        return
    sum = slice_of(text, format_long_double(text, value))
    hash_set(made_if_missing(c, entry), c.argv[2], sum)
    changed(c, 1, EVENT_HASH, b"hincrbyfloat")
    propagate_sum(c, sum)
    reply_bulk(&c.reply, sum.data, sum.length)


declare(native(cmd_hincrbyfloat), "hincrbyfloat", 4, "write denyoom fast", keys="1 RW access update", member=2,
        group="hash", since="2.6.0", complexity="O(1)",
        summary="Adds a floating point number to the number in a field of a hash.",
        args="key field increment:double")
