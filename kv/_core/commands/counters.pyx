"""Commands on strings that are numbers: INCR, DECR and their kind."""
from libc.math cimport isfinite
from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t

from kv._core.base.numbers cimport FORMAT_LONG_DOUBLE_SIZE, format_long_double, parse_long_double
from kv._core.base.platform cimport likely
from kv._core.base.slice cimport Slice, slice_of
from kv._core.keyspace.keyspace cimport EVENT_STRING, keyspace_add, keyspace_overwrite, keyspace_put
from kv._core.objects.entry cimport TYPE_STRING, Entry, entry_expiry
from kv._core.objects.string cimport (
    NUMBER_TEXT, string_assign_number, string_new_number, string_new_text, string_number, string_slice)
from kv._core.resp.reply cimport reply_bulk, reply_i64
from kv._core.runtime.context cimport arg_i64_or_reply, changed, check_type, context_key, error, write_key
from kv._core.runtime.propagation cimport effects_begin, effects_slice, effects_wanted, effects_word
from kv._core.runtime.registry cimport native
from kv._core.runtime.registry import declare
from kv._core.runtime.state cimport Context


cdef inline bint overflows(int64_t value, int64_t increment) noexcept nogil:
    return value > INT64_MAX - increment if increment > 0 else value < INT64_MIN - increment


cdef inline void increment(Context *c, int64_t by) noexcept nogil:
    cdef int64_t value = 0
    cdef Entry *entry = write_key(c, 1)
    cdef Entry *made
    if not check_type(c, entry, TYPE_STRING):
        return
    if entry != NULL and not string_number(entry, &value):
        error(c, b"ERR value is not an integer or out of range")
        return
    if overflows(value, by):
        error(c, b"ERR increment or decrement would overflow")
        return
    value += by
    if likely(entry != NULL):
        made = string_assign_number(entry, value)
        if made != entry:
            keyspace_put(c.keyspace, c.database, made)
    else:
        keyspace_add(c.keyspace, c.database, context_key(c, 1), string_new_number(c.argv[1], value, -1))
    changed(c, 1, EVENT_STRING, b"incrby")
    reply_i64(&c.reply, value)


cdef void cmd_incr(Context *c) noexcept nogil:
    increment(c, 1)


declare(native(cmd_incr), "incr", 2, "write denyoom fast", keys="1 RW access update", group="string",
        since="1.0.0", complexity="O(1)",
        summary="Adds one to the number that a key holds; a key that does not exist counts as 0.", args="key")


cdef void cmd_decr(Context *c) noexcept nogil:
    increment(c, -1)


declare(native(cmd_decr), "decr", 2, "write denyoom fast", keys="1 RW access update", group="string",
        since="1.0.0", complexity="O(1)",
        summary="Subtracts one from the number that a key holds; a key that does not exist counts as 0.",
        args="key")


cdef void cmd_incrby(Context *c) noexcept nogil:
    cdef int64_t by
    if arg_i64_or_reply(c, 2, &by):
        increment(c, by)


declare(native(cmd_incrby), "incrby", 3, "write denyoom fast", keys="1 RW access update", group="string",
        since="1.0.0", complexity="O(1)", summary="Adds an integer to the number that a key holds.",
        args="key increment:integer")


cdef void cmd_decrby(Context *c) noexcept nogil:
    cdef int64_t by
    if not arg_i64_or_reply(c, 2, &by):
        return
    if by == INT64_MIN:
        error(c, b"ERR decrement would overflow")
    else:
        increment(c, -by)


declare(native(cmd_decrby), "decrby", 3, "write denyoom fast", keys="1 RW access update", group="string",
        since="1.0.0", complexity="O(1)", summary="Subtracts an integer from the number that a key holds.",
        args="key decrement:integer")


# -- long doubles -------------------------------------------------------------------------------------------

cdef bint long_double_or_reply(Context *c, Slice text, long double *value) noexcept nogil:
    if parse_long_double(text.data, text.length, value):
        return True
    error(c, b"ERR value is not a valid float")
    return False


cdef void store_text(Context *c, Entry *entry, Slice text) noexcept nogil:
    """Bytes even where they are an integer's, as OBJECT ENCODING shows; the expiry stays."""
    cdef Entry *made
    if entry == NULL:
        keyspace_add(c.keyspace, c.database, context_key(c, 1), string_new_text(c.argv[1], text, -1, NULL))
    else:
        made = string_new_text(c.argv[1], text, entry_expiry(entry), NULL)
        keyspace_overwrite(c.keyspace, c.database, entry, made, False)


cdef void propagate_sum(Context *c, Slice text) noexcept nogil:
    """As SET of the sum: another machine may add or print floats differently."""
    c.propagated = True
    if effects_wanted(c.runtime):
        effects_begin(c.runtime, c.database.id, 4)
        effects_word(c.runtime, b"SET", 3)
        effects_slice(c.runtime, c.argv[1])
        effects_slice(c.runtime, text)
        effects_word(c.runtime, b"KEEPTTL", 7)


cdef void cmd_incrbyfloat(Context *c) noexcept nogil:
    cdef char text[FORMAT_LONG_DOUBLE_SIZE]
    cdef char digits[NUMBER_TEXT]
    cdef long double value = 0
    cdef long double by
    cdef Slice sum
    cdef Entry *entry = write_key(c, 1)
    if not check_type(c, entry, TYPE_STRING):
        return
    if entry != NULL and not long_double_or_reply(c, string_slice(entry, digits), &value):
        return
    if not long_double_or_reply(c, c.argv[2], &by):
        return
    value += by
    if not isfinite(value):
        error(c, b"ERR increment would produce NaN or Infinity")
        return
    sum = slice_of(text, format_long_double(text, value))
    store_text(c, entry, sum)
    changed(c, 1, EVENT_STRING, b"incrbyfloat")
    propagate_sum(c, sum)
    reply_bulk(&c.reply, sum.data, sum.length)


declare(native(cmd_incrbyfloat), "incrbyfloat", 3, "write denyoom fast", keys="1 RW access update",
        group="string", since="2.6.0", complexity="O(1)",
        summary="Adds a floating point number to the number that a key holds.", args="key increment:double")
