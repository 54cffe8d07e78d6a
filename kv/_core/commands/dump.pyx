"""DUMP and RESTORE: a value as a payload, and back.

The payload (persist/payload) has no key, no expiry and no database: it can be put under any name, here or in another server, as
MIGRATE does. DUMP writes it for servers of rdb-write-version.
"""
from libc.stdint cimport INT64_MAX, int64_t, uint64_t
from libc.string cimport memset

from kv._core.base.blob cimport BLOB_HELD_LEAST, Blob, blob_free
from kv._core.base.buffer cimport buffer_append
from kv._core.base.sink cimport Sink, sink_free, sink_init
from kv._core.base.slice cimport slice_of
from kv._core.keyspace.keyspace cimport EVENT_GENERIC, Key, keyspace_add, keyspace_set_access
from kv._core.objects.entry cimport Entry, entry_free
from kv._core.persist.payload cimport PayloadFault, payload_get, payload_is_sound, payload_put
from kv._core.resp.reply cimport reply_bulk, reply_null, reply_ok
from kv._core.runtime.context cimport (
    arg_i64_or_reply, arg_is, changed, context_key, delete_found, error, read_key, reply_blob, syntax_error, write_key)
from kv._core.runtime.expiryoption cimport expiry_passed, propagate_deletion
from kv._core.runtime.propagation cimport (
    effects_begin, effects_number, effects_slice, effects_wanted, effects_word)
from kv._core.runtime.registry cimport native
from kv._core.runtime.registry import declare
from kv._core.runtime.state cimport CALLER_FILE, Context

cdef enum Sanitizing:           # sanitize-dump-payload
    SANITIZE_ALWAYS = 1
    SANITIZE_CLIENTS = 2

cdef struct Restore:            # what RESTORE is given
    int64_t ttl                 # ms from now, or unix time in ms; 0: no expiry
    int64_t idle_s              # IDLETIME, -1: not given
    int64_t frequency           # FREQ, -1: not given
    bint replace
    bint absolute               # ABSTTL


# -- DUMP -------------------------------------------------------------------------------------------------------------

cdef void cmd_dump(Context *c) noexcept nogil:
    """The payload is written into a blob, so that a large one is sent without another copy."""
    cdef Entry *entry = read_key(c, 1)
    cdef size_t length = 0
    cdef Blob *blob
    cdef Sink sink
    if entry == NULL:
        reply_null(&c.reply)
        return
    sink_init(&sink, 0, NULL)
    buffer_append(&sink.buffer, <const char *> &length, sizeof(size_t))
    payload_put(&sink, entry, c.runtime.rdb_version)
    blob = <Blob *> sink.buffer.data
    blob.length = sink.buffer.length - sizeof(size_t)
    if blob.length >= BLOB_HELD_LEAST:
        reply_blob(c, blob, slice_of(blob.data, blob.length))
        blob_free(blob)
        return
    reply_bulk(&c.reply, blob.data, blob.length)
    sink_free(&sink)


declare(native(cmd_dump), "dump", 2, "readonly", keys="1 RO access", group="generic", since="2.6.0",
        complexity="O(1)", tips="nondeterministic_output",
        summary="Returns the value of a key in the form that RESTORE reads.", args="key")


# -- RESTORE ----------------------------------------------------------------------------------------------------------

cdef bint options_or_reply(Context *c, Restore *restore) noexcept nogil:
    cdef int i = 4
    memset(restore, 0, sizeof(Restore))
    restore.idle_s = restore.frequency = -1
    while i < c.argc:
        if arg_is(c, i, b"replace", 7):
            restore.replace = True
        elif arg_is(c, i, b"absttl", 6):
            restore.absolute = True
        elif arg_is(c, i, b"idletime", 8) and i + 1 < c.argc and restore.frequency == -1:
            i += 1
            if not arg_i64_or_reply(c, i, &restore.idle_s):
                return False
            if restore.idle_s < 0:
                error(c, b"ERR Invalid IDLETIME value, must be >= 0")
                return False
        elif arg_is(c, i, b"freq", 4) and i + 1 < c.argc and restore.idle_s == -1:
            i += 1
            if not arg_i64_or_reply(c, i, &restore.frequency):
                return False
            if not 0 <= restore.frequency <= 255:
                error(c, b"ERR Invalid FREQ value, must be >= 0 and <= 255")
                return False
        else:
            syntax_error(c)
            return False
        i += 1
    return True


cdef bint ttl_or_reply(Context *c, Restore *restore) noexcept nogil:
    """Sets the ttl to the unix time at which the key expires; one that no time can hold is refused."""
    if not arg_i64_or_reply(c, 2, &restore.ttl):
        return False
    if restore.ttl < 0 or (not restore.absolute and restore.ttl > INT64_MAX - c.keyspace.now_ms):
        error(c, b"ERR Invalid TTL value, must be >= 0")
        return False
    if restore.ttl and not restore.absolute:
        restore.ttl += c.keyspace.now_ms
    return True


cdef bint must_sanitize(const Context *c) noexcept nogil:
    """sanitize-dump-payload: what the AOF has was accepted before."""
    return c.runtime.sanitizing == SANITIZE_ALWAYS or (
        c.runtime.sanitizing == SANITIZE_CLIENTS and c.session.caller != CALLER_FILE and not c.runtime.payloads_trusted)


cdef void propagate_absolute(Context *c, int64_t time_ms) noexcept nogil:
    """As the command came, with the time at which the key expires."""
    cdef int i
    c.propagated = True
    if not effects_wanted(c.runtime):
        return
    effects_begin(c.runtime, c.database.id, c.argc + 1)
    effects_slice(c.runtime, slice_of(c.command.name, c.command.name_length))
    for i in range(1, c.argc):
        if i == 2:
            effects_number(c.runtime, time_ms)
        else:
            effects_slice(c.runtime, c.argv[i])
    effects_word(c.runtime, b"ABSTTL", 6)


cdef void tell_fault(Context *c, const PayloadFault *fault) noexcept nogil:
    """What is wrong with a payload is of interest to the log, not to its sender."""
    with gil:
        tell(<object> c.runtime.face, c.session.id, fault)
        c.runtime.enter(c.runtime)


cdef void tell(object engine, uint64_t session, const PayloadFault *fault) noexcept:
    cdef bytes complaint = <const char *> fault.complaint
    if engine.on_bad_payload is not None:
        engine.on_bad_payload(session, fault.offset, complaint.decode("utf-8", "replace"))


cdef void cmd_restore(Context *c) noexcept nogil:
    cdef PayloadFault fault
    cdef Restore restore
    cdef Entry *old
    cdef Entry *entry
    cdef Key key
    if not options_or_reply(c, &restore):
        return
    old = write_key(c, 1)
    if old != NULL and not restore.replace:
        error(c, b"BUSYKEY Target key name already exists.")
        return
    if not ttl_or_reply(c, &restore):
        return
    if not payload_is_sound(c.argv[3], c.runtime.rdb_relaxed, c.runtime.checksum_unchecked):
        error(c, b"ERR DUMP payload version or checksum are wrong")
        return
    entry = payload_get(c.argv[3], c.argv[1], restore.ttl if restore.ttl else -1, must_sanitize(c), &fault)
    if entry == NULL:
        tell_fault(c, &fault)
        error(c, b"ERR Bad data format")
        return
    key = context_key(c, 1)
    if old != NULL:
        delete_found(c, key)
    if restore.ttl and expiry_passed(c, restore.ttl):
        entry_free(entry)
        c.propagated = True
        if old != NULL:
            changed(c, 1, EVENT_GENERIC, b"del")
            propagate_deletion(c, 1, c.keyspace.lazy_server_del)
        reply_ok(&c.reply)
        return
    keyspace_add(c.keyspace, c.database, key, entry)
    keyspace_set_access(c.keyspace, entry, restore.idle_s, <int> restore.frequency)
    changed(c, 1, EVENT_GENERIC, b"restore")
    if restore.ttl and not restore.absolute:
        propagate_absolute(c, restore.ttl)
    reply_ok(&c.reply)


RESTORE_ARGS = ("key ttl:integer serialized-value [REPLACE@3.0.0] [ABSTTL@5.0.0] [IDLETIME@5.0.0 seconds:integer] "
                "[FREQ@5.0.0 frequency:integer]")
RESTORE_HISTORY = ["3.0.0 Added the `REPLACE` modifier.", "5.0.0 Added the `ABSTTL` modifier.",
                   "5.0.0 Added the `IDLETIME` and `FREQ` options."]

declare(native(cmd_restore), "restore", -4, "write denyoom", keys="1 OW update", group="generic", since="2.6.0",
        complexity="O(1)", acl="dangerous", summary="Creates a key from the form that DUMP returns.",
        history=RESTORE_HISTORY, args=RESTORE_ARGS)

declare(native(cmd_restore), "restore-asking", -4, "write denyoom asking syscmd", keys="1 OW update", group="server",
        since="3.0.0", complexity="O(1)", acl="keyspace dangerous",
        summary="RESTORE, as MIGRATE sends it between the nodes of a cluster.", history=RESTORE_HISTORY, args=RESTORE_ARGS)
