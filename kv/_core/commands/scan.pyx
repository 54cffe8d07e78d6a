"""KEYS and SCAN, and what SCAN's relatives for hashes, sets and sorted sets share with it.

A call of SCAN walks buckets until it has visited COUNT elements (whether or not the filters let them through:
COUNT bounds the work, not the reply), or ten times COUNT buckets, most of which must then have been empty.
The cursor is the table's own (see containers/hashtable), so every key that is there from the first call to
the last is returned at least once.

Keys are kept by address while walking and answered at the end, when their number is known. Nothing is deleted
while walking: expired keys that pass the filters are noted, and deleted before the reply. The addresses of
the others stay good, since rehashing moves slots and not entries.
"""
from libc.stdint cimport INT64_MAX, UINT64_MAX, int64_t, uint64_t
from libc.string cimport memset

from kv._core.base.buffer cimport Buffer, buffer_free, buffer_reserve
from kv._core.base.glob cimport glob_match
from kv._core.base.numbers cimport format_u64, parse_i64
from kv._core.base.slice cimport Slice, slice_is
from kv._core.keyspace.database cimport database_scan
from kv._core.keyspace.keyspace cimport Keyspace, keyspace_drop_expired, keyspace_expired
from kv._core.objects.entry cimport (
    TYPE_HASH, TYPE_MODULE, TYPE_STREAM, TYPE_ZSET, Entry, entry_key, entry_type, type_name)
from kv._core.resp.reply cimport reply_array, reply_bulk
from kv._core.runtime.context cimport arg_i64_or_reply, arg_is, error, error_about, syntax_error
from kv._core.runtime.propagation cimport unit_loosen
from kv._core.runtime.registry cimport native
from kv._core.runtime.registry import declare
from kv._core.runtime.state cimport Context

cdef extern from "<string.h>" nogil:
    size_t strlen(const char *text)
    size_t strnlen(const char *text, size_t most)

cdef enum:
    DEFAULT_COUNT = 10
    BUCKETS_AN_ELEMENT = 10     # buckets that may be visited for each element of COUNT
    FOUND_AT_FIRST = 128        # most elements that room is made for in advance


# -- cursor and options -------------------------------------------------------------------------------------

cdef inline bint is_space(char byte) noexcept nogil:
    return byte == c' ' or c'\t' <= byte <= c'\r'


cdef bint parse_u64_as_c(const char *text, size_t length, uint64_t *value) noexcept nogil:
    """As C's strtoull to the end of the text: blanks and a sign may lead; a negative number wraps around."""
    cdef size_t at = 0
    cdef bint negative
    cdef uint64_t number = 0
    cdef uint64_t digit
    while at < length and is_space(text[at]):
        at += 1
    negative = at < length and text[at] == c'-'
    if at < length and (negative or text[at] == c'+'):
        at += 1
    if at == length:
        return False
    while at < length:
        if not c'0' <= text[at] <= c'9':
            return False
        digit = text[at] - c'0'
        if number > (UINT64_MAX - digit) // 10:
            return False
        number = number * 10 + digit
        at += 1
    value[0] = 0 - number if negative else number
    return True


cdef bint scan_cursor_or_reply(Context *c, int index, uint64_t *cursor) noexcept nogil:
    """The cursor at an argument, in any spelling that Valkey takes for a number."""
    cdef const char *text = c.argv[index].data
    cdef size_t length = strnlen(text, c.argv[index].length)
    cdef int64_t number
    if parse_i64(text, length, &number):
        if number >= 0:
            cursor[0] = <uint64_t> number
            return True
    elif parse_u64_as_c(text, length, cursor):
        return True
    error(c, b"ERR invalid cursor")
    return False


cdef bint type_or_reply(Context *c, int index, int *type) noexcept nogil:
    cdef int i
    cdef const char *name
    for i in range(TYPE_STREAM + 1):
        name = type_name(i)
        if i != TYPE_MODULE and slice_is(c.argv[index], name, strlen(name)):
            type[0] = i
            return True
    error_about(c, b"ERR unknown type name '", c.argv[index], b"'")
    return False


cdef bint scan_options_or_reply(Context *c, int first, int type, Scan *scan) noexcept nogil:
    """The options from an argument on; `type` is that of the value that is scanned, ANY_TYPE for a database.
    Where they are good the caller ends with scan_free."""
    cdef int i = first
    memset(scan, 0, sizeof(Scan))
    scan.count, scan.type = DEFAULT_COUNT, ANY_TYPE
    while i < c.argc:
        if arg_is(c, i, b"count", 5) and i + 1 < c.argc:
            if not arg_i64_or_reply(c, i + 1, &scan.count):
                return False
            if scan.count < 1:
                syntax_error(c)
                return False
            i += 2
        elif arg_is(c, i, b"match", 5) and i + 1 < c.argc:
            scan.pattern = c.argv[i + 1]
            scan.filtered = not (scan.pattern.length == 1 and scan.pattern.data[0] == c'*')
            i += 2
        elif arg_is(c, i, b"type", 4) and type == ANY_TYPE and i + 1 < c.argc:
            if not type_or_reply(c, i + 1, &scan.type):
                return False
            i += 2
        elif names_only_or_reply(c, i, type):
            scan.names_only = True
            i += 1
        else:
            return False
    return True


cdef bint names_only_or_reply(Context *c, int index, int type) noexcept nogil:
    """Whether the argument is the option that leaves out what belongs to the names."""
    if arg_is(c, index, b"novalues", 8):
        if type == TYPE_HASH:
            return True
        error(c, b"ERR NOVALUES option can only be used in HSCAN")
    elif arg_is(c, index, b"noscores", 8):
        if type == TYPE_ZSET:
            return True
        error(c, b"ERR NOSCORES option can only be used in ZSCAN")
    else:
        syntax_error(c)
    return False


# -- the walk -----------------------------------------------------------------------------------------------

cdef bint scan_matches(const Scan *scan, const char *name, size_t length) noexcept nogil:
    """Whether a name passes MATCH."""
    return not scan.filtered or glob_match(scan.pattern.data, scan.pattern.length, name, length, False)


cdef void scan_begin(Scan *scan) noexcept nogil:
    """A walk over a table's buckets begins."""
    scan.buckets = INT64_MAX
    if scan.count < INT64_MAX // BUCKETS_AN_ELEMENT:
        scan.buckets = scan.count * BUCKETS_AN_ELEMENT
    buffer_reserve(&scan.found, sizeof(void *) * (scan.count if scan.count < FOUND_AT_FIRST else FOUND_AT_FIRST))


cdef bint scan_goes_on(Scan *scan, uint64_t cursor) noexcept nogil:
    """Called behind each bucket, with the next cursor: whether COUNT allows to visit another one. Visitors count elements in
    `sampled`."""
    scan.buckets -= 1
    return cursor != 0 and scan.buckets >= 0 and scan.sampled < scan.count


cdef void scan_free(Scan *scan) noexcept nogil:
    buffer_free(&scan.found)
    buffer_free(&scan.expired)


# -- SCAN ---------------------------------------------------------------------------------------------------

cdef struct KeyScan:
    Scan scan
    Keyspace *keyspace


cdef void visit_key(void *argument, void *element, bint marked) noexcept nogil:
    cdef KeyScan *keys = <KeyScan *> argument
    cdef Entry *entry = <Entry *> element
    cdef Slice name
    keys.scan.sampled += 1
    if keys.scan.type != ANY_TYPE and entry_type(entry) != keys.scan.type:
        return
    name = entry_key(entry)
    if not scan_matches(&keys.scan, name.data, name.length):
        return
    if marked and keyspace_expired(keys.keyspace, entry):
        scan_keep(&keys.scan.expired, entry)
    else:
        scan_keep(&keys.scan.found, entry)


cdef void drop_expired(Context *c, const Buffer *expired) noexcept nogil:
    """Delete the expired keys that were met, each on its own account: no MULTI around them."""
    cdef size_t i
    if c.keyspace.reads_only_hide:
        return
    for i in range(scan_kept(expired)):
        keyspace_drop_expired(c.keyspace, c.database, <Entry *> scan_element(expired, i), False)
    unit_loosen(&c.runtime.propagation)


cdef void reply_keys(Context *c, const Buffer *found) noexcept nogil:
    cdef size_t i
    cdef Slice name
    reply_array(&c.reply, scan_kept(found))
    for i in range(scan_kept(found)):
        name = entry_key(<Entry *> scan_element(found, i))
        reply_bulk(&c.reply, name.data, name.length)


cdef void cmd_scan(Context *c) noexcept nogil:
    cdef KeyScan keys
    cdef uint64_t cursor = 0
    cdef char text[24]
    if not scan_cursor_or_reply(c, 1, &cursor) or not scan_options_or_reply(c, 2, ANY_TYPE, &keys.scan):
        return
    keys.keyspace = c.keyspace
    scan_begin(&keys.scan)
    while True:
        cursor = database_scan(c.database, cursor, visit_key, &keys)
        if not scan_goes_on(&keys.scan, cursor):
            break
    drop_expired(c, &keys.scan.expired)
    reply_array(&c.reply, 2)
    reply_bulk(&c.reply, text, format_u64(text, cursor))
    reply_keys(c, &keys.scan.found)
    scan_free(&keys.scan)


declare(native(cmd_scan), "scan", -2, "readonly", group="generic", since="2.8.0", complexity="O(1)",
        tips="nondeterministic_output request_policy:special response_policy:special",
        summary="Walks over the keys of the database, some of them a call.", history=["6.0.0 Takes TYPE."],
        args="cursor:integer [MATCH pattern] [COUNT count:integer] [TYPE@6.0.0 type]")


# -- KEYS ---------------------------------------------------------------------------------------------------

cdef void visit_live_key(void *argument, void *element, bint marked) noexcept nogil:
    cdef KeyScan *keys = <KeyScan *> argument
    cdef Entry *entry = <Entry *> element
    cdef Slice name = entry_key(entry)
    if marked and keyspace_expired(keys.keyspace, entry):
        return
    if scan_matches(&keys.scan, name.data, name.length):
        scan_keep(&keys.scan.found, entry)


cdef void cmd_keys(Context *c) noexcept nogil:
    cdef KeyScan keys
    cdef uint64_t cursor = 0
    memset(&keys, 0, sizeof(KeyScan))
    keys.keyspace = c.keyspace
    keys.scan.pattern = c.argv[1]
    keys.scan.filtered = not (c.argv[1].length == 1 and c.argv[1].data[0] == c'*')
    while True:
        cursor = database_scan(c.database, cursor, visit_live_key, &keys)
        if cursor == 0:
            break
    reply_keys(c, &keys.scan.found)
    scan_free(&keys.scan)


declare(native(cmd_keys), "keys", 2, "readonly", group="generic", since="1.0.0", complexity="O(N)",
        acl="dangerous", tips="request_policy:all_shards nondeterministic_output_order",
        summary="Returns all keys whose names match a pattern.", args="pattern")
