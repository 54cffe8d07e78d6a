"""Commands on whole strings: GET and SET in all their forms, MGET, MSET.

Parts of strings are in ranges.pyx, numbers in counters.pyx, bits in bitmaps.pyx.

What is told to the AOF and replicas does not depend on their clock, nor on what their keys hold: a SET with
an expiry becomes SET PXAT, GETSET becomes SET, GETDEL becomes DEL, GETEX what it did to the expiry.
"""
from libc.stdint cimport int64_t

from kv._core.base.blob cimport BLOB_HELD_LEAST, Blob
from kv._core.base.platform cimport likely, unlikely
from kv._core.base.slice cimport Slice, slice_equal
from kv._core.keyspace.keyspace cimport (
    EVENT_GENERIC, EVENT_STRING, LOOKUP_WRITE, Key, keyspace_add, keyspace_lookup, keyspace_overwrite,
    keyspace_put, keyspace_remove, keyspace_set_expiry)
from kv._core.objects.entry cimport ENTRY_EXPIRES, TYPE_STRING, Entry, entry_expiry, entry_type
from kv._core.objects.string cimport (
    NUMBER_TEXT, string_assign, string_blob, string_length, string_new, string_slice)
from kv._core.resp.parser cimport BIG_BULK
from kv._core.resp.reply cimport reply_array, reply_bulk, reply_i64, reply_null, reply_ok
from kv._core.runtime.context cimport (
    KEYS_AHEAD, arg_is, changed, check_type, context_key, error, keys_ahead, notify, read_key, reply_blob, syntax_error,
    take_blob, touch_flag, write_key)
from kv._core.runtime.propagation cimport (
    effects_begin, effects_number, effects_slice, effects_wanted, effects_word)
from kv._core.runtime.expiryoption cimport (
    EXPIRY_EX, EXPIRY_KEEP, EXPIRY_NONE, EXPIRY_PERSIST, EXPIRY_PX, EXPIRY_PXAT, Expiry, delete_passed,
    expiry_option, expiry_passed, expiry_time_or_reply)
from kv._core.runtime.registry cimport native
from kv._core.runtime.registry import declare
from kv._core.runtime.state cimport Context

cdef enum SetCondition:
    SET_ALWAYS
    SET_NX              # the key must not exist
    SET_XX              # it must
    SET_IFEQ            # it must hold a value that is given

cdef struct SetOptions:
    int condition       # SetCondition
    int comparison      # index of IFEQ's value
    bint get            # reply with the old value
    Expiry expiry


cdef inline void reply_value(Context *c, const Entry *entry) noexcept nogil:
    """The string of an entry, or null."""
    cdef char text[NUMBER_TEXT]
    cdef Slice value
    if entry == NULL:
        reply_null(&c.reply)
        return
    value = string_slice(entry, text)
    if unlikely(value.length >= BLOB_HELD_LEAST):
        reply_blob(c, string_blob(entry), value)
    else:
        reply_bulk(&c.reply, value.data, value.length)


cdef inline void store(Context *c, Key key, Entry *entry, Slice value, int64_t expiry,
                       Blob *taken) noexcept nogil:
    """Set the key that was just looked up, and has this entry or none."""
    cdef Entry *made
    if entry == NULL:
        keyspace_add(c.keyspace, c.database, key, string_new(key.name, value, expiry, taken))
    elif likely(entry_type(entry) == TYPE_STRING):
        made = string_assign(entry, value, expiry, taken)
        if made != entry:
            keyspace_put(c.keyspace, c.database, made)
    else:
        made = string_new(key.name, value, expiry, taken)
        keyspace_overwrite(c.keyspace, c.database, entry, made, c.keyspace.lazy_server_del)


cdef inline void store_argument(Context *c, Entry *entry, int value, int64_t expiry) noexcept nogil:
    """Set the key at argv[1], which was just looked up, to an argument."""
    cdef Blob *taken = NULL
    if unlikely(c.argv[value].length >= BIG_BULK):
        taken = take_blob(c, value)
    store(c, context_key(c, 1), entry, c.argv[value], expiry, taken)
    changed(c, 1, EVENT_STRING, b"set")


cdef void propagate_set(Context *c, int value, int64_t expiry) noexcept nogil:
    """The AOF and replicas are to see SET of the argument, with PXAT where there is an expiry."""
    c.propagated = True
    if not effects_wanted(c.runtime):
        return
    effects_begin(c.runtime, c.database.id, 3 if expiry == -1 else 5)
    effects_word(c.runtime, b"SET", 3)
    effects_slice(c.runtime, c.argv[1])
    effects_slice(c.runtime, c.argv[value])
    if expiry != -1:
        effects_word(c.runtime, b"PXAT", 4)
        effects_number(c.runtime, expiry)


cdef void propagate_key(Context *c, const char *command, size_t length) noexcept nogil:
    """The AOF and replicas are to see this command on the key."""
    c.propagated = True
    if effects_wanted(c.runtime):
        effects_begin(c.runtime, c.database.id, 2)
        effects_word(c.runtime, command, length)
        effects_slice(c.runtime, c.argv[1])


# -- reading ------------------------------------------------------------------------------------------------

cdef void cmd_get(Context *c) noexcept nogil:
    cdef Entry *entry = read_key(c, 1)
    if check_type(c, entry, TYPE_STRING):
        reply_value(c, entry)


declare(native(cmd_get), "get", 2, "readonly fast", keys="1 RO access", group="string", since="1.0.0",
        complexity="O(1)", summary="Returns the string value of a key.", args="key")


cdef void cmd_strlen(Context *c) noexcept nogil:
    cdef Entry *entry = read_key(c, 1)
    if check_type(c, entry, TYPE_STRING):
        reply_i64(&c.reply, string_length(entry) if entry != NULL else 0)


declare(native(cmd_strlen), "strlen", 2, "readonly fast", keys="1 RO", group="string", since="2.2.0",
        complexity="O(1)", summary="Returns the length of a string value.", args="key")


cdef void cmd_mget(Context *c) noexcept nogil:
    cdef Key keys[KEYS_AHEAD]
    cdef Entry *entry
    cdef int first = 1
    cdef int count, i
    reply_array(&c.reply, c.argc - 1)
    while first < c.argc:
        count = keys_ahead(c, first, 1, keys)
        for i in range(count):
            entry = keyspace_lookup(c.keyspace, c.database, keys[i], touch_flag(c))
            reply_value(c, entry if entry != NULL and entry_type(entry) == TYPE_STRING else NULL)
        first += count


declare(native(cmd_mget), "mget", -2, "readonly fast prefetching", keys="1..-1 RO access", group="string", since="1.0.0",
        complexity="O(N)", tips="request_policy:multi_shard", summary="Returns the string values of keys.",
        args="key...")


# -- SET ----------------------------------------------------------------------------------------------------

cdef bint parse_condition(Context *c, int *at, SetOptions *options) noexcept nogil:
    """Whether argv[at] is NX, XX or IFEQ and goes with what stands before; `at` moves to its last word."""
    cdef int condition = SET_ALWAYS
    if arg_is(c, at[0], b"nx", 2):
        condition = SET_NX
    elif arg_is(c, at[0], b"xx", 2):
        condition = SET_XX
    elif arg_is(c, at[0], b"ifeq", 4) and at[0] + 1 < c.argc and options.condition == SET_ALWAYS:
        at[0] += 1
        options.condition, options.comparison = SET_IFEQ, at[0]
        return True
    if condition == SET_ALWAYS or (options.condition != SET_ALWAYS and options.condition != condition):
        return False
    options.condition = condition
    return True


cdef bint parse_set_or_reply(Context *c, SetOptions *options) noexcept nogil:
    cdef int i = 3
    options.condition, options.comparison, options.get = SET_ALWAYS, 0, False
    options.expiry.kind, options.expiry.index = EXPIRY_NONE, 0
    while i < c.argc:
        if arg_is(c, i, b"get", 3):
            options.get = True
        elif not expiry_option(c, &i, &options.expiry, EXPIRY_KEEP) and not parse_condition(c, &i, options):
            syntax_error(c)
            return False
        i += 1
    return True


cdef bint condition_holds(Context *c, const SetOptions *options, const Entry *entry) noexcept nogil:
    cdef char text[NUMBER_TEXT]
    if options.condition == SET_NX:
        return entry == NULL
    if options.condition == SET_XX:
        return entry != NULL
    if options.condition == SET_IFEQ:
        return entry != NULL and slice_equal(string_slice(entry, text), c.argv[options.comparison])
    return True


cdef void propagate_without_get(Context *c, const SetOptions *options) noexcept nogil:
    """SET as it came, but without GET: nobody there waits for the old value."""
    cdef int i
    cdef int words = 0
    c.propagated = True
    if not effects_wanted(c.runtime):
        return
    for i in range(c.argc):
        words += not is_get_word(c, options, i)
    effects_begin(c.runtime, c.database.id, words)
    for i in range(c.argc):
        if not is_get_word(c, options, i):
            effects_slice(c.runtime, c.argv[i])


cdef inline bint is_get_word(Context *c, const SetOptions *options, int i) noexcept nogil:
    return i >= 3 and i != options.comparison and arg_is(c, i, b"get", 3)


cdef void set_and_propagate(Context *c, const SetOptions *options, Entry *entry,
                            int64_t expiry) noexcept nogil:
    if options.expiry.kind == EXPIRY_KEEP and entry != NULL:
        expiry = entry_expiry(entry)
    store_argument(c, entry, 2, expiry)
    if options.expiry.index:
        notify(c, 1, EVENT_GENERIC, b"expire")
        if options.expiry.kind != EXPIRY_PXAT:
            propagate_set(c, 2, expiry)
    elif options.get:
        propagate_without_get(c, options)


cdef void set_with_options(Context *c, const SetOptions *options) noexcept nogil:
    cdef int64_t expiry = -1
    cdef Entry *entry
    if options.expiry.index and not expiry_time_or_reply(c, &options.expiry, &expiry):
        return
    entry = read_key(c, 1) if options.get else write_key(c, 1)
    if (options.get or options.condition == SET_IFEQ) and not check_type(c, entry, TYPE_STRING):
        return
    if options.get:
        reply_value(c, entry)
    if not condition_holds(c, options, entry):
        if not options.get:
            reply_null(&c.reply)
        return
    if not options.expiry.index or not expiry_passed(c, expiry):
        set_and_propagate(c, options, entry, expiry)
    elif entry != NULL:
        delete_passed(c, 1)
    if not options.get:
        reply_ok(&c.reply)


cdef void cmd_set(Context *c) noexcept nogil:
    cdef SetOptions options
    if likely(c.argc == 3):
        store_argument(c, write_key(c, 1), 2, -1)
        reply_ok(&c.reply)
    elif parse_set_or_reply(c, &options):
        set_with_options(c, &options)


declare(native(cmd_set), "set", -3, "write denyoom",
        keys="1 RW access update variable_flags (GET reads the old value)", group="string", since="1.0.0",
        complexity="O(1)", summary="Sets the string value of a key.",
        history=["2.6.12 Takes EX, PX, NX and XX.", "6.0.0 Takes KEEPTTL.",
                 "6.2.0 Takes GET, EXAT and PXAT.", "7.0.0 NX and GET go together.", "8.1.0 Takes IFEQ."],
        args="key value [condition: NX@2.6.12 | XX@2.6.12 | IFEQ@8.1.0 comparison-value] [GET@6.2.0] "
             "[expiration: EX@2.6.12 seconds:integer | PX@2.6.12 milliseconds:integer | EXAT@6.2.0 "
             "unix-time-seconds:unix-time | PXAT@6.2.0 unix-time-milliseconds:unix-time | KEEPTTL@6.0.0]")


cdef void cmd_setnx(Context *c) noexcept nogil:
    cdef Entry *entry = write_key(c, 1)
    if entry == NULL:
        store_argument(c, NULL, 2, -1)
    reply_i64(&c.reply, entry == NULL)


declare(native(cmd_setnx), "setnx", 3, "write denyoom fast", keys="1 OW insert", group="string",
        since="1.0.0", complexity="O(1)", summary="Sets the string value of a key that does not exist.",
        deprecated="2.6.12 `SET` with the `NX` argument", args="key value")


cdef inline void set_expiring(Context *c, int kind) noexcept nogil:
    """SETEX, PSETEX: the time at argv[2], the value at argv[3]."""
    cdef Expiry option
    cdef int64_t expiry
    option.kind, option.index = kind, 2
    if not expiry_time_or_reply(c, &option, &expiry):
        return
    store_argument(c, write_key(c, 1), 3, expiry)
    notify(c, 1, EVENT_GENERIC, b"expire")
    propagate_set(c, 3, expiry)
    reply_ok(&c.reply)


cdef void cmd_setex(Context *c) noexcept nogil:
    set_expiring(c, EXPIRY_EX)


declare(native(cmd_setex), "setex", 4, "write denyoom", keys="1 OW update", group="string", since="2.0.0",
        complexity="O(1)", summary="Sets the string value of a key and its time to live in seconds.",
        deprecated="2.6.12 `SET` with the `EX` argument", args="key seconds:integer value")


cdef void cmd_psetex(Context *c) noexcept nogil:
    set_expiring(c, EXPIRY_PX)


declare(native(cmd_psetex), "psetex", 4, "write denyoom", keys="1 OW update", group="string", since="2.6.0",
        complexity="O(1)", summary="Sets the string value of a key and its time to live in milliseconds.",
        deprecated="2.6.12 `SET` with the `PX` argument", args="key milliseconds:integer value")


# -- GET that changes ---------------------------------------------------------------------------------------

cdef void cmd_getset(Context *c) noexcept nogil:
    cdef Entry *entry = read_key(c, 1)
    if not check_type(c, entry, TYPE_STRING):
        return
    reply_value(c, entry)
    store_argument(c, entry, 2, -1)
    propagate_set(c, 2, -1)


declare(native(cmd_getset), "getset", 3, "write denyoom fast", keys="1 RW access update", group="string",
        since="1.0.0", complexity="O(1)", summary="Sets the string value of a key and returns its old one.",
        deprecated="6.2.0 `SET` with the `!GET` argument", args="key value")


cdef void cmd_getdel(Context *c) noexcept nogil:
    cdef Entry *entry = read_key(c, 1)
    if not check_type(c, entry, TYPE_STRING):
        return
    reply_value(c, entry)
    if entry != NULL:
        keyspace_remove(c.keyspace, c.database, context_key(c, 1), False)
        changed(c, 1, EVENT_GENERIC, b"del")
        propagate_key(c, b"DEL", 3)


declare(native(cmd_getdel), "getdel", 2, "write fast", keys="1 RW access delete", group="string",
        since="6.2.0", complexity="O(1)", summary="Returns the string value of a key and deletes the key.",
        args="key")


cdef void cmd_delifeq(Context *c) noexcept nogil:
    cdef char text[NUMBER_TEXT]
    cdef Entry *entry = write_key(c, 1)
    if not check_type(c, entry, TYPE_STRING):
        return
    if entry == NULL or not slice_equal(string_slice(entry, text), c.argv[2]):
        reply_i64(&c.reply, 0)
        return
    keyspace_remove(c.keyspace, c.database, context_key(c, 1), False)
    changed(c, 1, EVENT_GENERIC, b"del")
    propagate_key(c, b"DEL", 3)
    reply_i64(&c.reply, 1)


declare(native(cmd_delifeq), "delifeq", 3, "write fast", keys="1 RM delete", group="string", since="9.0.0",
        complexity="O(1)", summary="Deletes a key whose string value equals the given one.", args="key value")


cdef bint parse_getex_or_reply(Context *c, Expiry *option) noexcept nogil:
    cdef int i = 2
    option.kind, option.index = EXPIRY_NONE, 0
    while i < c.argc:
        if not expiry_option(c, &i, option, EXPIRY_PERSIST):
            syntax_error(c)
            return False
        i += 1
    return True


cdef void expire_and_propagate(Context *c, Entry *entry, int64_t expiry) noexcept nogil:
    keyspace_set_expiry(c.keyspace, c.database, entry, expiry)
    changed(c, 1, EVENT_GENERIC, b"expire")
    c.propagated = True
    if effects_wanted(c.runtime):
        effects_begin(c.runtime, c.database.id, 3)
        effects_word(c.runtime, b"PEXPIREAT", 9)
        effects_slice(c.runtime, c.argv[1])
        effects_number(c.runtime, expiry)


cdef void cmd_getex(Context *c) noexcept nogil:
    cdef Expiry option
    cdef int64_t expiry = -1
    cdef Entry *entry
    if not parse_getex_or_reply(c, &option):
        return
    entry = read_key(c, 1)
    if entry == NULL:
        reply_null(&c.reply)
        return
    if not check_type(c, entry, TYPE_STRING):
        return
    if option.index and not expiry_time_or_reply(c, &option, &expiry):
        return
    reply_value(c, entry)
    if option.index:
        if expiry_passed(c, expiry):
            delete_passed(c, 1)
        else:
            expire_and_propagate(c, entry, expiry)
    elif option.kind == EXPIRY_PERSIST and entry.flags & ENTRY_EXPIRES:
        keyspace_set_expiry(c.keyspace, c.database, entry, -1)
        changed(c, 1, EVENT_GENERIC, b"persist")
        propagate_key(c, b"PERSIST", 7)


declare(native(cmd_getex), "getex", -2, "write fast", keys="1 RW access update (the expiry changes)",
        group="string", since="6.2.0", complexity="O(1)",
        summary="Returns the string value of a key and changes when the key expires.",
        args="key [expiration: EX seconds:integer | PX milliseconds:integer | EXAT "
             "unix-time-seconds:unix-time | PXAT unix-time-milliseconds:unix-time | PERSIST]")


# -- MSET ---------------------------------------------------------------------------------------------------

cdef Blob *take_last(Context *c, int index) noexcept nogil:
    """The block of the value behind the key at argv[index], unless the key is set again later: the block
    would be freed with the first value, while the request, which is still to be propagated, points into
    it."""
    cdef int i
    for i in range(index + 2, c.argc, 2):
        if slice_equal(c.argv[i], c.argv[index]):
            return NULL
    return take_blob(c, index + 1)


cdef void set_all(Context *c) noexcept nogil:
    cdef Key keys[KEYS_AHEAD]
    cdef Entry *entry
    cdef Blob *taken
    cdef int first = 1
    cdef int count, i, at
    while first < c.argc:
        count = keys_ahead(c, first, 2, keys)
        for i in range(count):
            at = first + 2 * i
            taken = take_last(c, at) if unlikely(c.argv[at + 1].length >= BIG_BULK) else NULL
            entry = keyspace_lookup(c.keyspace, c.database, keys[i], LOOKUP_WRITE | touch_flag(c))
            store(c, keys[i], entry, c.argv[at + 1], -1, taken)
            changed(c, at, EVENT_STRING, b"set")
        first += 2 * count


cdef bint check_pairs(Context *c, const char *text) noexcept nogil:
    if c.argc & 1:
        return True
    error(c, text)
    return False


cdef void cmd_mset(Context *c) noexcept nogil:
    if check_pairs(c, b"ERR wrong number of arguments for 'mset' command"):
        set_all(c)
        reply_ok(&c.reply)


declare(native(cmd_mset), "mset", -3, "write denyoom prefetching", keys="1..-1/2 OW update", group="string",
        since="1.0.1", complexity="O(N)", tips="request_policy:multi_shard response_policy:all_succeeded",
        summary="Sets the string values of keys.", args="(data: key value)...")


cdef void cmd_msetnx(Context *c) noexcept nogil:
    cdef int i
    if not check_pairs(c, b"ERR wrong number of arguments for 'msetnx' command"):
        return
    for i in range(1, c.argc, 2):
        if write_key(c, i) != NULL:
            reply_i64(&c.reply, 0)
            return
    set_all(c)
    reply_i64(&c.reply, 1)


declare(native(cmd_msetnx), "msetnx", -3, "write denyoom prefetching", keys="1..-1/2 OW insert", group="string",
        since="1.0.1", complexity="O(N)", summary="Sets the string values of keys if none of them exists.",
        args="(data: key value)...")
