"""Keys that move to another server: what MIGRATE, whose words and connections are Python's, asks of the dataset.

Keys are told by their indexes in the call's `args`.
"""
from libc.stdint cimport int64_t
from libc.string cimport memset

from kv._core.base.buffer cimport Buffer, buffer_append, buffer_free
from kv._core.base.sink cimport Sink, sink_free, sink_init
from kv._core.keyspace.keyspace cimport (
    EVENT_GENERIC, LOOKUP_NO_TOUCH, LOOKUP_WRITE, keyspace_find, keyspace_lookup)
from kv._core.objects.entry cimport Entry, entry_expiry
from kv._core.persist.payload cimport payload_put
from kv._core.resp.words cimport resp_header, resp_i64, resp_slice, resp_word
from kv._core.runtime.call cimport Call
from kv._core.runtime.context cimport changed, context_key, delete_found, read_key
from kv._core.runtime.propagation cimport effects_begin, effects_slice, effects_wanted, effects_word
from kv._core.runtime.state cimport Context


def migration_find(Call call not None, indexes):
    """Those of the keys that there are."""
    cdef Context *c = call.alive()
    return [index for index in indexes if read_key(c, index + 1) != NULL]


cdef int64_t ttl_ms(Context *c, const Entry *entry) noexcept nogil:
    """Milliseconds that the key has left, as RESTORE takes them: 0 for ever; -1: its time has come."""
    cdef int64_t expiry = entry_expiry(entry)
    if expiry == -1:
        return 0
    if expiry < c.keyspace.now_ms:
        return -1
    return expiry - c.keyspace.now_ms if expiry > c.keyspace.now_ms else 1


cdef bytes request_of(Context *c, int index, int64_t ttl, const Buffer *payload, bint replace):
    """RESTORE of a key."""
    cdef Buffer request
    memset(&request, 0, sizeof(Buffer))
    try:
        resp_header(&request, c'*', 5 if replace else 4)
        resp_word(&request, b"RESTORE", 7)
        resp_slice(&request, c.argv[index])
        resp_i64(&request, ttl)
        resp_header(&request, c'$', payload.length)
        buffer_append(&request, payload.data, payload.length)
        buffer_append(&request, b"\r\n", 2)
        if replace:
            resp_word(&request, b"REPLACE", 7)
        return request.data[:request.length]
    finally:
        buffer_free(&request)


def migration_requests(Call call not None, list indexes, bint replace):
    """([RESTORE of a key as it is sent, ...], the indexes of these keys): those whose time has come are left out."""
    cdef Context *c = call.alive()
    cdef Sink payload
    cdef Entry *entry
    cdef int64_t ttl
    requests, kept = [], []
    for index in indexes:
        entry = keyspace_find(c.keyspace, c.database, context_key(c, index + 1))
        ttl = ttl_ms(c, entry) if entry != NULL else -1
        if ttl < 0:
            continue
        sink_init(&payload, 0, NULL)
        payload_put(&payload, entry, c.runtime.rdb_version)
        try:
            requests.append(request_of(c, index + 1, ttl, &payload.buffer, replace))
        finally:
            sink_free(&payload)
        kept.append(index)
    return requests, kept


def migration_delete(Call call not None, list indexes):
    """Delete keys, and propagate that as one DEL."""
    cdef Context *c = call.alive()
    cdef bint wanted = effects_wanted(c.runtime)
    c.propagated = True
    gone = []
    for index in indexes:       # one that was named twice is gone already
        if keyspace_lookup(c.keyspace, c.database, context_key(c, index + 1), LOOKUP_WRITE | LOOKUP_NO_TOUCH) != NULL:
            delete_found(c, context_key(c, index + 1))
            changed(c, index + 1, EVENT_GENERIC, b"del")
            gone.append(index)
    if not wanted or not gone:
        return
    effects_begin(c.runtime, c.database.id, 1 + len(gone))
    effects_word(c.runtime, b"DEL", 3)
    for index in gone:
        effects_slice(c.runtime, c.argv[<int> index + 1])
