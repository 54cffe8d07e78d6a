"""Commands on the entries of streams: add, trim, delete, count, read a range. Those on groups are in
commands/streamgroups and commands/streamclaims, XREAD and XREADGROUP in commands/streamread.

What goes to the AOF and replicas names ids and lengths that came out here: "*" becomes the id that was given, and an
approximate trim, which depends on how entries lie in nodes, the exact one that it came to."""
from libc.stdint cimport UINT64_MAX, int64_t, uint64_t
from libc.string cimport memset

from kv._core.base.platform cimport likely
from kv._core.commands.streamwords cimport (
    effects_stream_id, reply_stream_id, reply_stream_range, stream_id_or_reply, stream_id_parse, stream_ids_or_reply,
    stream_range_or_reply)
from kv._core.containers.streamid cimport (
    StreamId, stream_id, stream_id_below, stream_id_equal, stream_id_increment, stream_id_is_zero, stream_id_most)
from kv._core.containers.streamlog cimport STREAM_LARGEST_NODE, StreamTrim, stream_limits
from kv._core.keyspace.keyspace cimport EVENT_BESIDE, EVENT_STREAM, keyspace_add
from kv._core.objects.entry cimport TYPE_STREAM, Entry
from kv._core.objects.stream cimport (
    Stream, stream_append, stream_delete, stream_last_entry, stream_new, stream_of, stream_trim)
from kv._core.resp.reply cimport reply_array, reply_i64, reply_null, reply_null_array, reply_ok
from kv._core.runtime.context cimport (
    arg_i64_or_reply, arg_is, changed, check_type, context_key, error, must_obey, notify, read_key, syntax_error, write_key)
from kv._core.runtime.propagation cimport effects_begin, effects_number, effects_slice, effects_wanted, effects_word
from kv._core.runtime.registry cimport native
from kv._core.runtime.registry import declare
from kv._core.runtime.state cimport Context

cdef enum:
    USUAL_NODES = 100           # nodes that an approximate trim without LIMIT drops at most
    LEAST_LIMIT = 10_000        # entries, where nodes have no limit of entries
    MOST_LIMIT = 1_000_000

cdef struct Options:            # of XADD and XTRIM
    bint trims
    StreamTrim trim
    int threshold               # index of the trim's length or id
    bint limited                # LIMIT was given
    bint only_existing          # NOMKSTREAM
    int id_index                # of XADD: where the id stands
    bint any_id                 # ... is "*"
    bint any_seq                # ... is "<ms>-*"
    StreamId id                 # ... or else this


# -- options ----------------------------------------------------------------------------------------------------------

cdef inline bint is_mark(Context *c, int index, char mark) noexcept nogil:
    return c.argv[index].length == 1 and c.argv[index].data[0] == mark


cdef bint threshold_or_reply(Context *c, Options *options, int *index, bint by_id) noexcept nogil:
    """What follows MAXLEN or MINID; *index is left at its last word."""
    cdef int64_t most
    if options.trims:
        error(c, b"ERR syntax error, MAXLEN and MINID options at the same time are not compatible")
        return False
    index[0] += 1
    if index[0] + 1 < c.argc and (is_mark(c, index[0], c'~') or is_mark(c, index[0], c'=')):
        options.trim.approximately = is_mark(c, index[0], c'~')
        index[0] += 1
    options.trims, options.trim.by_id, options.threshold = True, by_id, index[0]
    if by_id:
        return stream_id_or_reply(c, index[0], &options.trim.least)
    if not arg_i64_or_reply(c, index[0], &most):
        return False
    if most < 0:
        error(c, b"ERR The MAXLEN argument must be >= 0.")
        return False
    options.trim.most = most
    return True


cdef bint limit_or_reply(Context *c, Options *options, int index) noexcept nogil:
    cdef int64_t limit
    if not arg_i64_or_reply(c, index, &limit):
        return False
    if limit < 0:
        error(c, b"ERR The LIMIT argument must be >= 0.")
        return False
    options.trim.limit, options.limited = limit, True
    return True


cdef bint settle_limit_or_reply(Context *c, Options *options) noexcept nogil:
    """How much may go at once: an approximate trim without LIMIT is bounded as well."""
    cdef int64_t limit
    if options.trim.limit and not options.trims:
        error(c, b"ERR syntax error, LIMIT cannot be used without specifying a trimming strategy")
        return False
    if must_obey(c):
        options.trim.limit = 0
        return True
    if options.limited and not options.trim.approximately:
        error(c, b"ERR syntax error, LIMIT cannot be used without the special ~ option")
        return False
    if not options.limited and options.trim.approximately:
        limit = stream_limits.node_entries
        if limit > MOST_LIMIT // USUAL_NODES:
            limit = MOST_LIMIT // USUAL_NODES
        options.trim.limit = limit * USUAL_NODES if limit > 0 else LEAST_LIMIT
    return True


cdef bint id_or_reply(Context *c, Options *options, int index) noexcept nogil:
    cdef bint seq_given
    options.id_index = index
    if likely(is_mark(c, index, c'*')):
        options.any_id = True
        return True
    if not stream_id_parse(c.argv[index], 0, &options.id, &seq_given):
        error(c, b"ERR Invalid stream ID specified as stream command argument")
        return False
    options.any_seq = not seq_given
    return True


cdef bint options_or_reply(Context *c, Options *options, bint adds) noexcept nogil:
    """The words from the key on, to the id where there is to be one."""
    cdef int index = 2
    cdef bint more
    memset(options, 0, sizeof(Options))
    while index < c.argc:
        more = index + 1 < c.argc
        if adds and is_mark(c, index, c'*'):
            break
        if more and arg_is(c, index, b"maxlen", 6):
            if not threshold_or_reply(c, options, &index, False):
                return False
        elif more and arg_is(c, index, b"minid", 5):
            if not threshold_or_reply(c, options, &index, True):
                return False
        elif more and arg_is(c, index, b"limit", 5):
            index += 1
            if not limit_or_reply(c, options, index):
                return False
        elif adds and arg_is(c, index, b"nomkstream", 10):
            options.only_existing = True
        elif adds:
            break
        else:
            syntax_error(c)
            return False
        index += 1
    if adds:
        options.id_index = index
        if index < c.argc and not id_or_reply(c, options, index):
            return False
    elif not options.trims:
        error(c, b"ERR syntax error, XTRIM must be called with a trimming strategy")
        return False
    return settle_limit_or_reply(c, options)


# -- XADD -------------------------------------------------------------------------------------------------------------

cdef StreamId next_id(const Stream *stream, const Options *options, uint64_t now_ms) noexcept nogil:
    """The id of the entry to add; one that is not above stream.last is no good."""
    cdef StreamId id = options.id
    if likely(options.any_id):
        if now_ms > stream.last.ms:
            return stream_id(now_ms, 0)
        id = stream.last
        stream_id_increment(&id)
    elif options.any_seq and id.ms == stream.last.ms and stream.last.seq != UINT64_MAX:
        id.seq = stream.last.seq + 1
    return id


cdef bint can_add_or_reply(Context *c, const Options *options, const Stream *stream, StreamId *id) noexcept nogil:
    """Whether there may be such an entry; `stream` is NULL where it is yet to be made."""
    cdef Stream empty
    cdef size_t bytes = 0
    cdef int i
    if stream == NULL:
        memset(&empty, 0, sizeof(Stream))
        stream = &empty
    if stream_id_equal(stream.last, stream_id_most()):
        error(c, b"ERR The stream has exhausted the last possible ID, unable to add more items")
        return False
    id[0] = next_id(stream, options, <uint64_t> c.keyspace.now_ms)
    if not stream_id_below(stream.last, id[0]):
        error(c, b"ERR The ID specified in XADD is equal or smaller than the target stream top item")
        return False
    for i in range(options.id_index + 1, c.argc):
        bytes += c.argv[i].length
    if bytes > STREAM_LARGEST_NODE:
        error(c, b"ERR Elements are too large to be stored")
        return False
    return True


cdef void propagate_trimmed(Context *c, const Options *options, const Stream *stream, StreamId id) noexcept nogil:
    """The command with its id made explicit, and its trim exact."""
    cdef int i
    c.propagated = True
    if not effects_wanted(c.runtime):
        return
    effects_begin(c.runtime, c.database.id, c.argc)
    effects_word(c.runtime, b"XADD" if options.id_index else b"XTRIM", 4 if options.id_index else 5)
    for i in range(1, c.argc):
        if i == options.id_index:
            effects_stream_id(c.runtime, id)
        elif not options.trim.approximately or i < options.threshold - 1 or i > options.threshold:
            effects_slice(c.runtime, c.argv[i])
        elif i == options.threshold - 1:
            effects_word(c.runtime, b"=", 1)
        elif options.trim.by_id:
            effects_stream_id(c.runtime, stream.first if stream.log.length else stream_id_most())
        else:
            effects_number(c.runtime, <int64_t> stream.log.length)


cdef void add(Context *c, const Options *options, Stream *stream, StreamId id) noexcept nogil:
    stream_append(stream, id, c.argv + options.id_index + 1, (c.argc - options.id_index - 1) // 2)
    changed(c, 1, EVENT_STREAM, b"xadd")
    if options.trims and stream_trim(stream, &options.trim):
        notify(c, 1, EVENT_STREAM, b"xtrim")
    if options.any_id or options.any_seq or options.trim.approximately:
        propagate_trimmed(c, options, stream, id)
    reply_stream_id(&c.reply, id)


cdef void cmd_xadd(Context *c) noexcept nogil:
    cdef Options options
    cdef Entry *entry
    cdef StreamId id
    if not options_or_reply(c, &options, True):
        return
    if c.argc - options.id_index < 3 or (c.argc - options.id_index) % 2 == 0:
        error(c, b"ERR wrong number of arguments for 'xadd' command")
        return
    if not (options.any_id or options.any_seq) and stream_id_is_zero(options.id):
        error(c, b"ERR The ID specified in XADD must be greater than 0-0")
        return
    entry = write_key(c, 1)
    if not check_type(c, entry, TYPE_STREAM):
        return
    if entry == NULL and options.only_existing:
        reply_null(&c.reply)
        return
    if not can_add_or_reply(c, &options, stream_of(entry) if entry != NULL else NULL, &id):
        return
    if entry == NULL:
        entry = stream_new(c.argv[1])
        keyspace_add(c.keyspace, c.database, context_key(c, 1), entry)
    add(c, &options, stream_of(entry), id)


declare(native(cmd_xadd), "xadd", -5, "write denyoom fast", keys="1 RW update (trimming deletes entries)",
        group="stream", since="5.0.0", complexity="O(1)", tips="nondeterministic_output",
        summary="Adds an entry to a stream.",
        history=["6.2.0 Takes NOMKSTREAM, MINID and LIMIT.",
                 "7.0.0 Takes ids that leave their second number open."],
        args="key [NOMKSTREAM@6.2.0] [trim: (strategy: MAXLEN | MINID@6.2.0) [operator: equal== | "
             "approximately=~] threshold [LIMIT@6.2.0 count:integer]] (id-selector: auto-id=* | id) (data: "
             "field value)...")


# -- delete -----------------------------------------------------------------------------------------------------------

cdef void cmd_xtrim(Context *c) noexcept nogil:
    cdef Options options
    cdef Entry *entry
    cdef uint64_t gone = 0
    if not options_or_reply(c, &options, False):
        return
    entry = write_key(c, 1)
    if not check_type(c, entry, TYPE_STREAM):
        return
    if entry != NULL:
        gone = stream_trim(stream_of(entry), &options.trim)
    if gone:
        changed(c, 1, EVENT_STREAM, b"xtrim")
        c.keyspace.dirty += gone - 1
        if options.trim.approximately:
            propagate_trimmed(c, &options, stream_of(entry), stream_id(0, 0))
    reply_i64(&c.reply, <int64_t> gone)


declare(native(cmd_xtrim), "xtrim", -4, "write", keys="1 RW delete", group="stream", since="5.0.0",
        complexity="O(N)", tips="nondeterministic_output", summary="Deletes the oldest entries of a stream.",
        history=["6.2.0 Takes MINID and LIMIT."],
        args="key (trim: (strategy: MAXLEN | MINID@6.2.0) [operator: equal== | approximately=~] threshold "
             "[LIMIT@6.2.0 count:integer])")


cdef void cmd_xdel(Context *c) noexcept nogil:
    cdef Entry *entry = write_key(c, 1)
    cdef StreamId id
    cdef uint64_t gone = 0
    cdef int i
    if not check_type(c, entry, TYPE_STREAM):
        return
    if entry == NULL:
        reply_i64(&c.reply, 0)
        return
    if not stream_ids_or_reply(c, 2):
        return
    for i in range(2, c.argc):
        stream_id_parse(c.argv[i], 0, &id, NULL)
        gone += stream_delete(stream_of(entry), id)
    if gone:
        changed(c, 1, EVENT_STREAM, b"xdel")
        c.keyspace.dirty += gone - 1
    reply_i64(&c.reply, <int64_t> gone)


declare(native(cmd_xdel), "xdel", -3, "write fast", keys="1 RW delete", group="stream", since="5.0.0",
        complexity="O(1)", summary="Deletes entries of a stream.", args="key id...")


# -- read -------------------------------------------------------------------------------------------------------------

cdef void cmd_xlen(Context *c) noexcept nogil:
    cdef Entry *entry = read_key(c, 1)
    if check_type(c, entry, TYPE_STREAM):
        reply_i64(&c.reply, <int64_t> stream_of(entry).log.length if entry != NULL else 0)


declare(native(cmd_xlen), "xlen", 2, "readonly fast", keys="1 RO", group="stream", since="5.0.0",
        complexity="O(1)", summary="Returns the number of entries of a stream.", args="key")


cdef bint count_or_reply(Context *c, int index, int64_t *count) noexcept nogil:
    """COUNT options from an argument on; -1: there is none."""
    count[0] = -1
    while index < c.argc:
        if index + 1 == c.argc or not arg_is(c, index, b"count", 5):
            syntax_error(c)
            return False
        if not arg_i64_or_reply(c, index + 1, count):
            return False
        if count[0] < 0:
            count[0] = 0
        index += 2
    return True


cdef void read_range(Context *c, bint backward) noexcept nogil:
    cdef StreamId start, end
    cdef int64_t count
    cdef Entry *entry
    if not stream_range_or_reply(c, 3 if backward else 2, 2 if backward else 3, &start, &end):
        return
    if not count_or_reply(c, 4, &count):
        return
    entry = read_key(c, 1)
    if not check_type(c, entry, TYPE_STREAM):
        return
    if entry == NULL:
        reply_array(&c.reply, 0)
    elif count == 0:
        reply_null_array(&c.reply)
    else:
        reply_stream_range(&c.reply, stream_of(entry), start, end, 0 if count < 0 else <uint64_t> count, backward)


cdef void cmd_xrange(Context *c) noexcept nogil:
    read_range(c, False)


declare(native(cmd_xrange), "xrange", -4, "readonly", keys="1 RO access", group="stream", since="5.0.0",
        complexity="O(N)", summary="Returns the entries of a stream between two ids.",
        history=["6.2.0 Takes ranges that leave out their ends."], args="key start end [COUNT count:integer]")


cdef void cmd_xrevrange(Context *c) noexcept nogil:
    read_range(c, True)


declare(native(cmd_xrevrange), "xrevrange", -4, "readonly", keys="1 RO access", group="stream", since="5.0.0",
        complexity="O(N)", summary="Returns the entries of a stream between two ids, the last first.",
        history=["6.2.0 Takes ranges that leave out their ends."], args="key end start [COUNT count:integer]")


# -- XSETID -----------------------------------------------------------------------------------------------------------

cdef bint setid_options_or_reply(Context *c, StreamId id, int64_t *added, StreamId *max_deleted) noexcept nogil:
    cdef int index = 3
    while index < c.argc:
        if index + 1 < c.argc and arg_is(c, index, b"entriesadded", 12):
            if not arg_i64_or_reply(c, index + 1, added):
                return False
            if added[0] < 0:
                error(c, b"ERR entries_added must be positive")
                return False
        elif index + 1 < c.argc and arg_is(c, index, b"maxdeletedid", 12):
            if not stream_id_or_reply(c, index + 1, max_deleted):
                return False
            if stream_id_below(id, max_deleted[0]):
                error(c, b"ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id")
                return False
        else:
            syntax_error(c)
            return False
        index += 2
    return True


cdef bint can_set_id_or_reply(Context *c, const Stream *stream, StreamId id, int64_t added) noexcept nogil:
    if stream_id_below(id, stream.max_deleted):
        error(c, b"ERR The ID specified in XSETID is smaller than current max_deleted_entry_id")
        return False
    if stream.log.length == 0:
        return True
    if stream_id_below(id, stream_last_entry(stream)):
        error(c, b"ERR The ID specified in XSETID is smaller than the target stream top item")
        return False
    if added != -1 and stream.log.length > <uint64_t> added:
        error(c, b"ERR The entries_added specified in XSETID is smaller than the target stream length")
        return False
    return True


cdef void cmd_xsetid(Context *c) noexcept nogil:
    cdef StreamId id
    cdef StreamId max_deleted = stream_id(0, 0)
    cdef int64_t added = -1
    cdef Entry *entry
    cdef Stream *stream
    if not stream_id_or_reply(c, 2, &id) or not setid_options_or_reply(c, id, &added, &max_deleted):
        return
    entry = write_key(c, 1)
    if entry == NULL:
        error(c, b"ERR no such key")
        return
    if not check_type(c, entry, TYPE_STREAM) or not can_set_id_or_reply(c, stream_of(entry), id, added):
        return
    stream = stream_of(entry)
    stream.last = id
    if added != -1:
        stream.added = added
    if not stream_id_is_zero(max_deleted):
        stream.max_deleted = max_deleted
    changed(c, 1, EVENT_STREAM | EVENT_BESIDE, b"xsetid")
    reply_ok(&c.reply)


declare(native(cmd_xsetid), "xsetid", -3, "write denyoom fast", keys="1 RW update", group="stream",
        since="5.0.0", complexity="O(1)", summary="Sets the last id of a stream.",
        history=["7.0.0 Takes ENTRIESADDED and MAXDELETEDID."],
        args="key last-id [ENTRIESADDED@7.0.0 entries-added:integer] [MAXDELETEDID@7.0.0 max-deleted-id]")
