"""Commands that draw fields of a hash at random, or walk over them: HRANDFIELD, HSCAN."""
from libc.stdint cimport INT64_MAX, int64_t, uint64_t

from kv._core.base.numbers cimport format_u64
from kv._core.base.slice cimport Slice
from kv._core.commands.scan cimport (
    Scan, scan_cursor_or_reply, scan_element, scan_free, scan_keep, scan_kept, scan_matches, scan_options_or_reply,
    scan_walk)
from kv._core.objects.entry cimport TYPE_HASH, Entry, Item
from kv._core.objects.field cimport Field, field_name, field_value
from kv._core.objects.hash cimport hash_length, hash_pick, hash_sample, hash_table, hash_walk
from kv._core.resp.reply cimport Reply, reply_array, reply_bulk, reply_null
from kv._core.runtime.context cimport (
    arg_is, arg_range_or_reply, check_type, error, output_full, read_key, syntax_error)
from kv._core.runtime.registry cimport native
from kv._core.runtime.registry import declare
from kv._core.runtime.state cimport Context


# -- HRANDFIELD -----------------------------------------------------------------------------------------------------

cdef struct Fields:             # how drawn fields are answered
    Context *context
    Reply *reply
    bint with_values


cdef bint reply_drawn(void *argument, const Item *item) noexcept nogil:
    cdef Fields *fields = <Fields *> argument
    if fields.with_values and fields.reply.version > 2:
        reply_array(fields.reply, 2)
    reply_bulk(fields.reply, item.first.data, item.first.length)
    if fields.with_values:
        reply_bulk(fields.reply, item.second.data, item.second.length)
    return not output_full(fields.context)


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
    fields.context, fields.reply, fields.with_values = c, &c.reply, False
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
    fields.context, fields.reply = c, &c.reply
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


# -- HSCAN ----------------------------------------------------------------------------------------------------------

cdef void visit_field(void *argument, void *element, bint marked) noexcept nogil:
    cdef Scan *scan = <Scan *> argument
    cdef Slice name = field_name(<Field *> element)
    scan.sampled += 1
    if scan_matches(scan, name.data, name.length):
        scan_keep(&scan.found, element)


cdef bint count_match(void *argument, const Item *item) noexcept nogil:
    cdef Scan *scan = <Scan *> argument
    scan.sampled += scan_matches(scan, item.first.data, item.first.length)
    return True


cdef struct Matches:            # how the fields of a listpack that match are answered
    Scan *scan
    Reply *reply


cdef bint reply_match(void *argument, const Item *item) noexcept nogil:
    cdef Matches *matches = <Matches *> argument
    if scan_matches(matches.scan, item.first.data, item.first.length):
        reply_scanned(matches.reply, matches.scan, item.first, item.second)
    return True


cdef inline void reply_scanned(Reply *reply, const Scan *scan, Slice name, Slice value) noexcept nogil:
    reply_bulk(reply, name.data, name.length)
    if not scan.names_only:
        reply_bulk(reply, value.data, value.length)


cdef void reply_scan_head(Context *c, const Scan *scan, uint64_t cursor, uint64_t fields) noexcept nogil:
    cdef char text[24]
    reply_array(&c.reply, 2)
    reply_bulk(&c.reply, text, format_u64(text, cursor))
    reply_array(&c.reply, fields if scan.names_only else fields * 2)


cdef void scan_small(Context *c, const Entry *entry, Scan *scan) noexcept nogil:
    """A listpack is answered whole: it has no places that a cursor could name."""
    cdef Matches matches
    matches.scan, matches.reply = scan, &c.reply
    hash_walk(entry, count_match, scan)
    reply_scan_head(c, scan, 0, scan.sampled)
    hash_walk(entry, reply_match, &matches)


cdef void scan_large(Context *c, const Entry *entry, Scan *scan, uint64_t cursor) noexcept nogil:
    cdef Field *field
    cdef size_t i
    cursor = scan_walk(scan, hash_table(entry), cursor, visit_field, scan)
    reply_scan_head(c, scan, cursor, scan_kept(&scan.found))
    for i in range(scan_kept(&scan.found)):
        field = <Field *> scan_element(&scan.found, i)
        reply_scanned(&c.reply, scan, field_name(field), field_value(field))


cdef void reply_empty_scan(Context *c) noexcept nogil:
    reply_array(&c.reply, 2)
    reply_bulk(&c.reply, b"0", 1)
    reply_array(&c.reply, 0)


cdef void cmd_hscan(Context *c) noexcept nogil:
    """Options are read last: a hash that is not there needs none."""
    cdef Scan scan
    cdef uint64_t cursor = 0
    cdef Entry *entry
    if not scan_cursor_or_reply(c, 2, &cursor):
        return
    entry = read_key(c, 1)
    if not check_type(c, entry, TYPE_HASH):
        return
    if entry == NULL:
        reply_empty_scan(c)
        return
    if not scan_options_or_reply(c, 3, TYPE_HASH, &scan):
        return
    if hash_table(entry) == NULL:
        scan_small(c, entry, &scan)
    else:
        scan_large(c, entry, &scan, cursor)
    scan_free(&scan)


declare(native(cmd_hscan), "hscan", -3, "readonly", keys="1 RO access", group="hash", since="2.8.0",
        complexity="O(1)", tips="nondeterministic_output",
        summary="Walks over the fields of a hash, some of them a call.",
        args="key cursor:integer [MATCH pattern] [COUNT count:integer] [NOVALUES]")
