"""What the requests of a window will read, fetched into the cache before the first one runs.

Looking up a key reads a bucket of the keyspace's table, then the entry that it points to; a field of a hash, a member of a
set or of a sorted set takes two more steps, in a table of its own. Each step waits for memory where the data are large. Here
each step is taken for all requests before the next one is, so that the waits overlap. Nothing is changed, and what is
fetched in vain costs a cache line.
"""
from libc.stdint cimport uint64_t

from kv._core.base.hashing cimport hash_bytes
from kv._core.base.platform cimport likely, unlikely
from kv._core.base.slice cimport slice_equal
from kv._core.containers.hashtable cimport (
    Hashtable, hashtable_prefetch_bucket, hashtable_prefetch_element, position_element)
from kv._core.engine.execute cimport prefetch_key
from kv._core.keyspace.database cimport Key, Position, database_find, database_prefetch_entry
from kv._core.keyspace.keyspace cimport Database
from kv._core.objects.entry cimport TYPE_HASH, TYPE_SET, TYPE_ZSET, Entry, entry_type
from kv._core.objects.hash cimport hash_table
from kv._core.objects.set cimport set_table
from kv._core.objects.zset cimport zset_table
from kv._core.runtime.keys cimport keys_prefetch
from kv._core.runtime.registry cimport command_find
from kv._core.runtime.state cimport COMMAND_PREFETCHING, WINDOW, Command, Request, Session


cdef void prefetch_requests(Session *session, Request *requests, int count) noexcept nogil:
    """Find the commands of requests, hash their first keys, and fetch what they will read."""
    cdef Request *request
    cdef Command *command
    cdef bint members = False
    cdef int i
    for i in range(count):
        request = requests + i
        if i and slice_equal(request.argv[0], requests[i - 1].argv[0]):
            command = requests[i - 1].command
        else:
            command = command_find(request.argv[0])
        request.command = command
        if unlikely(command == NULL):
            continue
        prefetch_key(session.database, request)
        if unlikely(command.last_key != command.first_key) and command.flags & COMMAND_PREFETCHING == 0:
            keys_prefetch(command.keys, request.argv, request.argc, session.database)
        members |= command.member
    if count > 1:
        for i in range(count):
            request = requests + i
            if likely(request.command != NULL and request.command.first_key):
                database_prefetch_entry(session.database, request.key_hash)
        if members:
            prefetch_members(session.database, requests, count)


cdef void prefetch_members(Database *database, Request *requests, int count) noexcept nogil:
    """Where requests that follow each other name members of the same large collection, fetch these. A collection that only one of
    them works on is not looked up for it: that would cost more than it saves."""
    cdef Hashtable *tables[WINDOW]
    cdef uint64_t hashes[WINDOW]
    cdef Request *request
    cdef Hashtable *table = NULL
    cdef uint64_t key_hash = 0
    cdef bint looked_up = False
    cdef int i, fetched = 0
    for i in range(count):
        request = requests + i
        if request.command == NULL or request.command.member == 0 or request.argc <= request.command.member:
            continue
        if request.key_hash != key_hash or i == 0:
            key_hash = request.key_hash
            looked_up = False
            continue
        if not looked_up:
            table = table_of(database, request)
            looked_up = True
        if table != NULL:
            tables[fetched] = table
            hashes[fetched] = hash_bytes(request.argv[request.command.member].data, request.argv[request.command.member].length)
            hashtable_prefetch_bucket(table, hashes[fetched])
            fetched += 1
    for i in range(fetched):
        hashtable_prefetch_element(tables[i], hashes[i])


cdef Hashtable *table_of(Database *database, const Request *request) noexcept nogil:
    """The table of the collection under a request's first key; NULL where there is none, or it is small."""
    cdef Key key
    cdef Position position
    cdef const Entry *entry
    key.name = request.argv[request.command.first_key]
    key.hash = request.key_hash
    position = database_find(database, key)
    if position.bucket == NULL:
        return NULL
    entry = <const Entry *> position_element(position)
    if entry_type(entry) == TYPE_HASH:
        return hash_table(entry)
    if entry_type(entry) == TYPE_SET:
        return set_table(entry)
    return zset_table(entry) if entry_type(entry) == TYPE_ZSET else NULL
