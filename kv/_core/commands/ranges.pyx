"""Commands on parts of strings: APPEND, GETRANGE, SETRANGE, LCS."""
from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from kv._core.base.blob cimport BLOB_HELD_LEAST
from kv._core.base.buffer cimport buffer_reserve
from kv._core.base.slice cimport Slice, slice_of
from kv._core.keyspace.keyspace cimport EVENT_STRING, keyspace_add, keyspace_put
from kv._core.objects.entry cimport TYPE_STRING, Entry, entry_type
from kv._core.objects.lcs cimport (
    LCS_OK, LCS_TOO_LARGE, LCS_TOO_LONG, Lcs, LcsRange, LcsStatus, lcs_close, lcs_length, lcs_next_range,
    lcs_open, lcs_rewind, lcs_string)
from kv._core.objects.string cimport (
    NUMBER_TEXT, string_blob, string_length, string_new, string_new_text, string_slice, string_writable)
from kv._core.resp.parser cimport BIG_BULK
from kv._core.resp.reply cimport reply_array, reply_bulk, reply_header, reply_i64, reply_map
from kv._core.runtime.context cimport (
    arg_i64_or_reply, arg_is, arg_range_or_reply, changed, check_type, context_key, error, must_obey,
    read_key, reply_blob, syntax_error, take_blob, write_key)
from kv._core.runtime.registry cimport native
from kv._core.runtime.registry import declare
from kv._core.runtime.state cimport Context

cdef struct LcsOptions:
    bint length         # LEN: the length alone
    bint ranges         # IDX: where the common parts stand
    bint with_length    # WITHMATCHLEN: show the length of each range
    int64_t least       # MINMATCHLEN: leave out shorter ranges


cdef bint check_length(Context *c, size_t length, size_t more) noexcept nogil:
    """Whether a string of both lengths together is allowed; else the client is told."""
    cdef size_t limit = <size_t> c.runtime.bulk_limit
    if (length <= limit and more <= limit - length) or must_obey(c):
        return True
    error(c, b"ERR string exceeds maximum allowed size (proto-max-bulk-len)")
    return False


cdef char *open_string(Context *c, Entry *entry, size_t length) noexcept nogil:
    """The bytes of the key that was just looked up, grown to this length with zeros; a key that is not there
    is made."""
    cdef char *data
    cdef Entry *made
    if entry == NULL:
        made = string_writable(string_new_text(c.argv[1], slice_of(b"", 0), -1, NULL), length, False, &data)
        keyspace_add(c.keyspace, c.database, context_key(c, 1), made)
        return data
    made = string_writable(entry, length, True, &data)
    if made != entry:
        keyspace_put(c.keyspace, c.database, made)
    return data


cdef void cmd_append(Context *c) noexcept nogil:
    cdef Entry *entry = write_key(c, 1)
    cdef Slice more = c.argv[2]
    cdef size_t held = 0
    if not check_type(c, entry, TYPE_STRING):
        return
    if entry == NULL:
        entry = string_new(c.argv[1], more, -1, take_blob(c, 2) if more.length >= BIG_BULK else NULL)
        keyspace_add(c.keyspace, c.database, context_key(c, 1), entry)
    else:
        held = string_length(entry)
        if not check_length(c, held, more.length):
            return
        memcpy(open_string(c, entry, held + more.length) + held, more.data, more.length)
    changed(c, 1, EVENT_STRING, b"append")
    reply_i64(&c.reply, held + more.length)


declare(native(cmd_append), "append", 3, "write denyoom fast", keys="1 RW insert", group="string",
        since="2.0.0", complexity="O(1)",
        summary="Appends to the string value of a key; a key that does not exist is made.", args="key value")


cdef void cmd_getrange(Context *c) noexcept nogil:
    cdef char text[NUMBER_TEXT]
    cdef int64_t start, end, length
    cdef Slice value
    cdef Entry *entry
    if not arg_i64_or_reply(c, 2, &start) or not arg_i64_or_reply(c, 3, &end):
        return
    entry = read_key(c, 1)
    if not check_type(c, entry, TYPE_STRING):
        return
    value = string_slice(entry, text) if entry != NULL else slice_of(b"", 0)
    length = <int64_t> value.length
    if start < 0 and end < 0 and start > end:
        length = 0
    start = from_end(start, length)
    end = from_end(end, length)
    if end >= length:
        end = length - 1
    value = slice_of(value.data + start, end - start + 1) if start <= end else slice_of(b"", 0)
    if value.length >= BLOB_HELD_LEAST:
        reply_blob(c, string_blob(entry), value)
    else:
        reply_bulk(&c.reply, value.data, value.length)


cdef inline int64_t from_end(int64_t index, int64_t length) noexcept nogil:
    """An index that may count from the end, as one from the beginning."""
    if index < 0:
        index += length
    return index if index > 0 else 0


declare(native(cmd_getrange), "getrange", 4, "readonly", keys="1 RO access", group="string", since="2.4.0",
        complexity="O(N)", summary="Returns a part of the string value of a key.",
        args="key start:integer end:integer")
declare(native(cmd_getrange), "substr", 4, "readonly", keys="1 RO access", group="string", since="1.0.0",
        complexity="O(N)", summary="Returns a part of the string value of a key.",
        deprecated="2.0.0 `GETRANGE`", args="key start:integer end:integer")


cdef void cmd_setrange(Context *c) noexcept nogil:
    cdef Slice value = c.argv[3]
    cdef int64_t offset
    cdef size_t length
    cdef Entry *entry
    if not arg_range_or_reply(c, 2, 0, INT64_MAX, &offset, b"ERR offset is out of range"):
        return
    entry = write_key(c, 1)
    if not check_type(c, entry, TYPE_STRING):
        return
    length = string_length(entry) if entry != NULL else 0
    if value.length:
        if not check_length(c, offset, value.length):
            return
        if length < offset + value.length:
            length = offset + value.length
        memcpy(open_string(c, entry, length) + offset, value.data, value.length)
        changed(c, 1, EVENT_STRING, b"setrange")
    reply_i64(&c.reply, length)


declare(native(cmd_setrange), "setrange", 4, "write denyoom", keys="1 RW update", group="string",
        since="2.2.0", complexity="O(1)",
        summary="Overwrites a part of the string value of a key; zeros fill a gap before it.",
        args="key offset:integer value")


# -- LCS ----------------------------------------------------------------------------------------------------

cdef bint parse_lcs_or_reply(Context *c, LcsOptions *options) noexcept nogil:
    cdef int i = 3
    options.length = options.ranges = options.with_length = False
    options.least = 0
    while i < c.argc:
        if arg_is(c, i, b"idx", 3):
            options.ranges = True
        elif arg_is(c, i, b"len", 3):
            options.length = True
        elif arg_is(c, i, b"withmatchlen", 12):
            options.with_length = True
        elif arg_is(c, i, b"minmatchlen", 11) and i + 1 < c.argc:
            i += 1
            if not arg_i64_or_reply(c, i, &options.least):
                return False
        else:
            syntax_error(c)
            return False
        i += 1
    if options.length and options.ranges:
        error(c, b"ERR If you want both the length and indexes, please just use IDX.")
        return False
    return True


cdef bint check_lcs(Context *c, LcsStatus status) noexcept nogil:
    if status == LCS_OK:
        return True
    if status == LCS_TOO_LONG:
        error(c, b"ERR String too long for LCS")
    elif status == LCS_TOO_LARGE:
        error(c, b"ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len")
    else:
        error(c, b"ERR Insufficient memory, failed allocating transient memory for LCS")
    return False


cdef void reply_subsequence(Context *c, Lcs *lcs) noexcept nogil:
    cdef char *out
    reply_header(&c.reply, c'$', lcs.length)
    out = buffer_reserve(c.reply.out, <size_t> lcs.length + 2)
    lcs_string(lcs, <uint8_t *> out)
    memcpy(out + lcs.length, b"\r\n", 2)
    c.reply.out.length += <size_t> lcs.length + 2


cdef inline int64_t range_length(const LcsRange *found) noexcept nogil:
    return <int64_t> found.a_end - found.a_start + 1


cdef void reply_ranges(Context *c, Lcs *lcs, const LcsOptions *options) noexcept nogil:
    """Walked twice, since their number stands before them."""
    cdef LcsRange found
    cdef int64_t count = 0
    lcs_rewind(lcs)
    while lcs_next_range(lcs, &found):
        count += range_length(&found) >= options.least
    reply_map(&c.reply, 2)
    reply_bulk(&c.reply, b"matches", 7)
    reply_array(&c.reply, count)
    lcs_rewind(lcs)
    while lcs_next_range(lcs, &found):
        if range_length(&found) >= options.least:
            reply_range(c, &found, options.with_length)
    reply_bulk(&c.reply, b"len", 3)
    reply_i64(&c.reply, lcs.length)


cdef void reply_range(Context *c, const LcsRange *found, bint with_length) noexcept nogil:
    reply_array(&c.reply, 2 + with_length)
    reply_array(&c.reply, 2)
    reply_i64(&c.reply, found.a_start)
    reply_i64(&c.reply, found.a_end)
    reply_array(&c.reply, 2)
    reply_i64(&c.reply, found.b_start)
    reply_i64(&c.reply, found.b_end)
    if with_length:
        reply_i64(&c.reply, range_length(found))


cdef void reply_lcs(Context *c, Slice a, Slice b, const LcsOptions *options) noexcept nogil:
    cdef Lcs lcs
    cdef uint32_t length
    cdef uint64_t limit = <uint64_t> c.runtime.bulk_limit
    cdef const uint8_t *first = <const uint8_t *> a.data
    cdef const uint8_t *second = <const uint8_t *> b.data
    if options.length:
        if check_lcs(c, lcs_length(first, a.length, second, b.length, limit, &length)):
            reply_i64(&c.reply, length)
        return
    if not check_lcs(c, lcs_open(&lcs, first, a.length, second, b.length, limit)):
        return
    if options.ranges:
        reply_ranges(c, &lcs, options)
    else:
        reply_subsequence(c, &lcs)
    lcs_close(&lcs)


cdef void cmd_lcs(Context *c) noexcept nogil:
    cdef char texts[2][NUMBER_TEXT]
    cdef LcsOptions options
    cdef Entry *a = read_key(c, 1)
    cdef Entry *b = read_key(c, 2)
    if not is_string(a) or not is_string(b):
        error(c, b"ERR The specified keys must contain string values")
    elif parse_lcs_or_reply(c, &options):
        reply_lcs(c, string_slice(a, texts[0]) if a != NULL else slice_of(b"", 0),
                  string_slice(b, texts[1]) if b != NULL else slice_of(b"", 0), &options)


cdef inline bint is_string(const Entry *entry) noexcept nogil:
    return entry == NULL or entry_type(entry) == TYPE_STRING


declare(native(cmd_lcs), "lcs", -3, "readonly", keys="1..2 RO access", group="string", since="7.0.0",
        complexity="O(N*M)",
        summary="Returns the longest common subsequence of two strings, its length or where it stands.",
        args="key1:key key2:key#0 [LEN] [IDX] [MINMATCHLEN min-match-len:integer] [WITHMATCHLEN]")
