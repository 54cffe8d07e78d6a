"""HSCAN, SSCAN, ZSCAN: walking over the elements of one value, some of them a call.

What is not a hash table (listpack, intset) is answered whole: it has no places that a cursor could name. Options are
read last, since a value that is not there needs none.
"""
from libc.stdint cimport uint64_t
from libc.stdio cimport snprintf

from kv._core.base.numbers cimport FORMAT_DOUBLE_SIZE, format_u64
from kv._core.base.slice cimport slice_of
from kv._core.commands.scan cimport (
    Scan, scan_begin, scan_cursor_or_reply, scan_element, scan_free, scan_goes_on, scan_keep, scan_kept, scan_matches,
    scan_options_or_reply)
from kv._core.containers.hashtable cimport Hashtable, hashtable_scan
from kv._core.containers.skiplist cimport SkiplistNode, skiplist_member
from kv._core.objects.entry cimport (
    TYPE_HASH, TYPE_SET, TYPE_ZSET, Entry, Item)
from kv._core.objects.hash cimport hash_open, hash_table
from kv._core.objects.set cimport set_open, set_table
from kv._core.objects.value cimport value_walk
from kv._core.objects.zset cimport zset_table
from kv._core.resp.reply cimport Reply, reply_array, reply_bulk, reply_bulk_double
from kv._core.runtime.context cimport check_type, read_key
from kv._core.runtime.registry cimport native
from kv._core.runtime.registry import declare
from kv._core.runtime.state cimport Context

cdef struct ElementScan:
    Scan scan                   # options, and what is kept
    int type                    # TYPE_HASH, TYPE_SET or TYPE_ZSET
    Reply *reply


# -- what differs between the types -------------------------------------------------------------------------------

cdef Hashtable *table_of(const Entry *entry, int type) noexcept nogil:
    """The table of a large value, NULL for a small one."""
    if type == TYPE_HASH:
        return hash_table(entry)
    if type == TYPE_SET:
        return set_table(entry)
    return zset_table(entry)


cdef void open_element(int type, void *element, Item *item) noexcept nogil:
    """An element of such a table as an item."""
    if type == TYPE_HASH:
        hash_open(element, item)
    elif type == TYPE_SET:
        set_open(element, item)
    else:
        item.first, item.second = skiplist_member(<SkiplistNode *> element), slice_of(NULL, 0)
        item.score = (<SkiplistNode *> element).score


cdef inline int words_of(const ElementScan *walk) noexcept nogil:
    """How many words an element is in the reply."""
    return 1 if walk.type == TYPE_SET or walk.scan.names_only else 2


cdef void reply_item(const ElementScan *walk, const Item *item, bint from_table) noexcept nogil:
    """The scores of a large sorted set have 17 digits here, and here alone."""
    cdef char text[FORMAT_DOUBLE_SIZE]
    reply_bulk(walk.reply, item.first.data, item.first.length)
    if words_of(walk) == 1:
        return
    if walk.type == TYPE_HASH:
        reply_bulk(walk.reply, item.second.data, item.second.length)
    elif from_table:
        reply_bulk(walk.reply, text, snprintf(text, FORMAT_DOUBLE_SIZE, b"%.17g", item.score))
    else:
        reply_bulk_double(walk.reply, item.score)


# -- walking ------------------------------------------------------------------------------------------------------

cdef void reply_head(Reply *reply, uint64_t cursor, uint64_t words) noexcept nogil:
    cdef char text[24]
    reply_array(reply, 2)
    reply_bulk(reply, text, format_u64(text, cursor))
    reply_array(reply, words)


cdef bint count_match(void *argument, const Item *item) noexcept nogil:
    cdef ElementScan *walk = <ElementScan *> argument
    walk.scan.sampled += scan_matches(&walk.scan, item.first.data, item.first.length)
    return True


cdef bint reply_match(void *argument, const Item *item) noexcept nogil:
    cdef ElementScan *walk = <ElementScan *> argument
    if scan_matches(&walk.scan, item.first.data, item.first.length):
        reply_item(walk, item, False)
    return True


cdef void scan_small(ElementScan *walk, const Entry *entry) noexcept nogil:
    """The matches are counted first, then answered."""
    value_walk(entry, count_match, walk)
    reply_head(walk.reply, 0, walk.scan.sampled * words_of(walk))
    value_walk(entry, reply_match, walk)


cdef void keep_match(void *argument, void *element, bint marked) noexcept nogil:
    cdef ElementScan *walk = <ElementScan *> argument
    cdef Item item
    open_element(walk.type, element, &item)
    walk.scan.sampled += 1
    if scan_matches(&walk.scan, item.first.data, item.first.length):
        scan_keep(&walk.scan.found, element)


cdef void scan_large(ElementScan *walk, Hashtable *table, uint64_t cursor) noexcept nogil:
    cdef Item item
    cdef size_t i
    scan_begin(&walk.scan)
    while True:
        cursor = hashtable_scan(table, cursor, keep_match, walk)
        if not scan_goes_on(&walk.scan, cursor):
            break
    reply_head(walk.reply, cursor, scan_kept(&walk.scan.found) * words_of(walk))
    for i in range(scan_kept(&walk.scan.found)):
        open_element(walk.type, scan_element(&walk.scan.found, i), &item)
        reply_item(walk, &item, True)


cdef void scan_value(Context *c, int type) noexcept nogil:
    cdef ElementScan walk
    cdef uint64_t cursor = 0
    cdef Entry *entry
    if not scan_cursor_or_reply(c, 2, &cursor):
        return
    entry = read_key(c, 1)
    if not check_type(c, entry, type):
        return
    if entry == NULL:
        reply_head(&c.reply, 0, 0)
        return
    if not scan_options_or_reply(c, 3, type, &walk.scan):
        return
    walk.type, walk.reply = type, &c.reply
    if table_of(entry, type) == NULL:
        scan_small(&walk, entry)
    else:
        scan_large(&walk, table_of(entry, type), cursor)
    scan_free(&walk.scan)


# -- the commands -------------------------------------------------------------------------------------------------

cdef void cmd_hscan(Context *c) noexcept nogil:
    scan_value(c, TYPE_HASH)


declare(native(cmd_hscan), "hscan", -3, "readonly", keys="1 RO access", group="hash", since="2.8.0",
        complexity="O(1)", tips="nondeterministic_output",
        summary="Walks over the fields of a hash, some of them a call.",
        args="key cursor:integer [MATCH pattern] [COUNT count:integer] [NOVALUES]")


cdef void cmd_sscan(Context *c) noexcept nogil:
    scan_value(c, TYPE_SET)


declare(native(cmd_sscan), "sscan", -3, "readonly", keys="1 RO access", group="set", since="2.8.0",
        complexity="O(1)", tips="nondeterministic_output",
        summary="Walks over the members of a set, some of them a call.",
        args="key cursor:integer [MATCH pattern] [COUNT count:integer]")


cdef void cmd_zscan(Context *c) noexcept nogil:
    scan_value(c, TYPE_ZSET)


declare(native(cmd_zscan), "zscan", -3, "readonly", keys="1 RO access", group="sorted-set", since="2.8.0",
        complexity="O(1)", tips="nondeterministic_output",
        summary="Walks over the members of a sorted set, some of them a call.",
        history=["8.0.0 Takes NOSCORES."],
        args="key cursor:integer [MATCH pattern] [COUNT count:integer] [NOSCORES]")
