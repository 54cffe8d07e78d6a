"""HRANDFIELD: fields of a hash drawn at random."""
from libc.stdint cimport INT64_MAX, int64_t, uint64_t

from kv._core.objects.entry cimport TYPE_HASH, Entry, Item
from kv._core.objects.hash cimport hash_length, hash_pick, hash_sample
from kv._core.resp.reply cimport Reply, reply_array, reply_bulk, reply_null
from kv._core.runtime.context cimport (
    arg_is, arg_range_or_reply, check_type, error, read_key, syntax_error)
from kv._core.runtime.registry cimport native
from kv._core.runtime.registry import declare
from kv._core.runtime.state cimport Context


# -- HRANDFIELD -----------------------------------------------------------------------------------------------------

cdef struct Fields:             # how drawn fields are answered
    Reply *reply
    bint with_values


cdef bint reply_drawn(void *argument, const Item *item) noexcept nogil:
    cdef Fields *fields = <Fields *> argument
    if fields.with_values and fields.reply.version > 2:
        reply_array(fields.reply, 2)
    reply_bulk(fields.reply, item.first.data, item.first.length)
    if fields.with_values:
        reply_bulk(fields.reply, item.second.data, item.second.length)
    return True


cdef bint count_or_reply(Context *c, int64_t *count, bint *with_values) noexcept nogil:
    if not arg_range_or_reply(c, 2, -INT64_MAX, INT64_MAX, count, b"ERR value is out of range, value must between "
                              b"-9223372036854775807 and 9223372036854775807"):
        return False
    with_values[0] = c.argc == 4 and arg_is(c, 3, b"withvalues", 10)
    if c.argc > 4 or (c.argc == 4 and not with_values[0]):
        syntax_error(c)
        return False
    if with_values[0] and not -(INT64_MAX // 2) <= count[0] <= INT64_MAX // 2:
        error(c, b"ERR value is out of range")
        return False
    return True


cdef void reply_one(Context *c) noexcept nogil:
    cdef Fields fields
    cdef Entry *entry = read_key(c, 1)
    if not check_type(c, entry, TYPE_HASH):
        return
    if entry == NULL:
        reply_null(&c.reply)
        return
    fields.reply, fields.with_values = &c.reply, False
    hash_pick(entry, &c.keyspace.random, 1, reply_drawn, &fields)


cdef void cmd_hrandfield(Context *c) noexcept nogil:
    """A negative count draws with repetition, each from all fields; a positive one draws different fields."""
    cdef Fields fields
    cdef int64_t count, want
    cdef Entry *entry
    if c.argc == 2:
        reply_one(c)
        return
    if not count_or_reply(c, &count, &fields.with_values):
        return
    entry = read_key(c, 1)
    if not check_type(c, entry, TYPE_HASH):
        return
    fields.reply = &c.reply
    want = -count if count < 0 else count
    if entry == NULL:
        want = 0
    elif count > 0 and <uint64_t> want > hash_length(entry):
        want = hash_length(entry)
    reply_array(&c.reply, want * 2 if fields.with_values and c.reply.version == 2 else want)
    if want == 0:
        return
    if count < 0:
        hash_pick(entry, &c.keyspace.random, want, reply_drawn, &fields)
    else:
        hash_sample(entry, &c.keyspace.random, want, reply_drawn, &fields)


declare(native(cmd_hrandfield), "hrandfield", -2, "readonly", keys="1 RO access", group="hash", since="6.2.0",
        complexity="O(N)", tips="nondeterministic_output", summary="Returns fields of a hash at random.",
        args="key [options: count:integer [WITHVALUES]]")
