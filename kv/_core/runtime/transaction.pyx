"""MULTI's queue, and the keys that sessions watch.

A session has a Transaction from its first MULTI or WATCH on. Watched keys are elements of one table of the runtime,
each with the list of who watches it, so that a change costs one look-up however many sessions watch, and nothing
while nobody does (Keyspace.observed). A change only marks the transaction as touched; EXEC then answers null.

What of a key that was already expired when it was watched? That it is deleted changes nothing for the one who
watched it, so its watch remembers the state (`expired`); that a live one expires before EXEC does, and EXEC looks
for that itself.
"""
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy

from kv._core.base.hashing cimport hash_bytes
from kv._core.base.memory cimport memory_alloc, memory_calloc, memory_free, memory_realloc, memory_size
from kv._core.base.slice cimport Slice, slice_of
from kv._core.containers.hashtable cimport (
    HashtableType, Position, hashtable_find, hashtable_init, hashtable_insert, hashtable_remove, hashtable_scan,
    position_element)
from kv._core.keyspace.keyspace cimport Database, Keyspace, key_of, keyspace_expired, keyspace_find
from kv._core.objects.entry cimport Entry
from kv._core.runtime.state cimport SESSION_MULTI, Command, Runtime, Session

cdef HashtableType WATCHED_TABLE


cdef const char *watched_bytes(const void *element, size_t *length) noexcept nogil:
    cdef const WatchedKey *watched = <const WatchedKey *> element
    length[0] = sizeof(int) + watched.length
    return <const char *> &watched.database


WATCHED_TABLE.key_of = watched_bytes
WATCHED_TABLE.free_element = NULL


# -- the queue ----------------------------------------------------------------------------------------------------

cdef Transaction *transaction_of(Session *session) noexcept nogil:
    """The session's, made where it has none yet."""
    if session.transaction == NULL:
        session.transaction = memory_calloc(sizeof(Transaction))
    return <Transaction *> session.transaction


cdef void transaction_queue(Session *session, Command *command, Slice *argv, int argc) noexcept nogil:
    """Keep a command, its words copied, until EXEC; nothing is kept where EXEC will not run it."""
    cdef Transaction *transaction = <Transaction *> session.transaction
    cdef Queued *queued
    cdef char *bytes_
    cdef size_t size = argc * sizeof(Slice)
    cdef int i
    if transaction.failed or transaction.touched:
        return
    if transaction.count == transaction.capacity:
        transaction.capacity = transaction.capacity * 2 if transaction.capacity else 4
        transaction.queue = <Queued *> memory_realloc(transaction.queue, transaction.capacity * sizeof(Queued))
    for i in range(argc):
        size += argv[i].length
    queued = transaction.queue + transaction.count
    queued.command, queued.argc = command, argc
    queued.argv = <Slice *> memory_alloc(size)
    bytes_ = <char *> (queued.argv + argc)
    for i in range(argc):
        memcpy(bytes_, argv[i].data, argv[i].length)
        queued.argv[i] = slice_of(bytes_, argv[i].length)
        bytes_ += argv[i].length
    transaction.count += 1
    transaction.flags |= command.flags
    transaction.queue_bytes += memory_size(queued.argv) + sizeof(Queued)


cdef void drop_queue(Transaction *transaction) noexcept nogil:
    cdef int i
    for i in range(transaction.count):
        memory_free(transaction.queue[i].argv)
    memory_free(transaction.queue)
    transaction.queue = NULL
    transaction.count = transaction.capacity = 0
    transaction.queue_bytes = 0
    transaction.flags = 0
    transaction.failed = transaction.touched = False


cdef void transaction_end(Session *session) noexcept nogil:
    """EXEC has run, or DISCARD: no queue, no watched keys."""
    if session.transaction == NULL:
        return
    unwatch_all(session)
    drop_queue(<Transaction *> session.transaction)
    session.flags &= ~<uint64_t> SESSION_MULTI


cdef void transaction_free(Session *session) noexcept nogil:
    """The session ends."""
    transaction_end(session)
    memory_free(session.transaction)
    session.transaction = NULL


cdef void transaction_fail(Session *session) noexcept nogil:
    """A command could not be queued: EXEC will be refused."""
    if session.flags & SESSION_MULTI:
        transaction_of(session).failed = True


# -- watched keys -------------------------------------------------------------------------------------------------

cdef struct Lookup:             # a watched key as it is looked up
    char *bytes_                # number of the database, then the key
    size_t length
    uint64_t hash
    char inline_[256]           # where the bytes stand if they fit


cdef void lookup_open(Lookup *lookup, int database, Slice key) noexcept nogil:
    lookup.length = sizeof(int) + key.length
    lookup.bytes_ = &lookup.inline_[0]
    if lookup.length > sizeof(lookup.inline_):
        lookup.bytes_ = <char *> memory_alloc(lookup.length)
    memcpy(lookup.bytes_, &database, sizeof(int))
    memcpy(lookup.bytes_ + sizeof(int), key.data, key.length)
    lookup.hash = hash_bytes(lookup.bytes_, lookup.length)


cdef void lookup_close(Lookup *lookup) noexcept nogil:
    if lookup.bytes_ != &lookup.inline_[0]:
        memory_free(lookup.bytes_)


cdef WatchedKey *find_watched(Runtime *runtime, int database, Slice key, bint make) noexcept nogil:
    cdef Lookup lookup
    cdef Position position
    cdef WatchedKey *watched = NULL
    if runtime.watched.kind == NULL:
        hashtable_init(&runtime.watched, &WATCHED_TABLE)
    lookup_open(&lookup, database, key)
    position = hashtable_find(&runtime.watched, lookup.bytes_, lookup.length, lookup.hash)
    if position.bucket != NULL:
        watched = <WatchedKey *> position_element(position)
    elif make:
        watched = <WatchedKey *> memory_alloc(sizeof(WatchedKey) + key.length)
        watched.watches = NULL
        watched.length = <uint32_t> key.length
        watched.database = database
        memcpy(watched.key, key.data, key.length)
        hashtable_insert(&runtime.watched, watched, lookup.hash, False)
    lookup_close(&lookup)
    return watched


cdef bint is_expired(Keyspace *keyspace, Database *database, Slice key) noexcept nogil:
    cdef Entry *entry = keyspace_find(keyspace, database, key_of(key))
    return entry != NULL and keyspace_expired(keyspace, entry)


cdef inline bint exists(Keyspace *keyspace, Database *database, Slice key) noexcept nogil:
    return database != NULL and keyspace_find(keyspace, database, key_of(key)) != NULL


cdef void watch_key(Session *session, Slice key) noexcept nogil:
    """Have EXEC answer null if this key of the session's database changes before."""
    cdef Runtime *runtime = session.runtime
    cdef Transaction *transaction = transaction_of(session)
    cdef WatchedKey *watched = find_watched(runtime, session.database.id, key, True)
    cdef Watch *watch = watched.watches
    while watch != NULL:
        if watch.session == session:
            return
        watch = watch.next
    watch = <Watch *> memory_alloc(sizeof(Watch))
    watch.session, watch.key = session, watched
    watch.expired = is_expired(&runtime.keyspace, session.database, key)
    watch.previous, watch.next = NULL, watched.watches
    if watched.watches != NULL:
        watched.watches.previous = watch
    watched.watches = watch
    watch.next_of_session = transaction.watches
    transaction.watches = watch
    runtime.watching_sessions += transaction.watch_count == 0
    transaction.watch_count += 1
    runtime.keyspace.observed = True


cdef void forget_watch(Runtime *runtime, Watch *watch) noexcept nogil:
    """Take a watch out of its key's list, and the key out of the table with its last one."""
    cdef WatchedKey *watched = watch.key
    cdef size_t length
    cdef const char *key
    cdef uint64_t hash
    if watch.previous != NULL:
        watch.previous.next = watch.next
    else:
        watched.watches = watch.next
    if watch.next != NULL:
        watch.next.previous = watch.previous
    memory_free(watch)
    if watched.watches != NULL:
        return
    key = watched_bytes(watched, &length)
    hash = hash_bytes(key, length)
    hashtable_remove(&runtime.watched, hashtable_find(&runtime.watched, key, length, hash), hash)
    memory_free(watched)


cdef void unwatch_all(Session *session) noexcept nogil:
    cdef Runtime *runtime = session.runtime
    cdef Transaction *transaction = <Transaction *> session.transaction
    cdef Watch *watch
    if transaction == NULL or transaction.watch_count == 0:
        return
    while transaction.watches != NULL:
        watch = transaction.watches
        transaction.watches = watch.next_of_session
        forget_watch(runtime, watch)
    transaction.watch_count = 0
    runtime.watching_sessions -= 1
    runtime.keyspace.observed = runtime.watched.count != 0 or runtime.keyspace.event_classes != 0


cdef bint watched_key_expired(Session *session) noexcept nogil:
    """Whether a key that was alive when it was watched has expired since."""
    cdef Runtime *runtime = session.runtime
    cdef Transaction *transaction = <Transaction *> session.transaction
    cdef Watch *watch = transaction.watches if transaction != NULL else NULL
    while watch != NULL:
        if not watch.expired and is_expired(&runtime.keyspace, runtime.keyspace.databases + watch.key.database,
                                            slice_of(watch.key.key, watch.key.length)):
            return True
        watch = watch.next_of_session
    return False


cdef void touch_watched(Runtime *runtime, Database *database, Slice key) noexcept nogil:
    """A key was changed: mark who watches it."""
    cdef WatchedKey *watched
    cdef Watch *watch
    if runtime.watched.count == 0:
        return
    watched = find_watched(runtime, database.id, key, False)
    watch = watched.watches if watched != NULL else NULL
    while watch != NULL:
        if watch.expired and not exists(&runtime.keyspace, database, key):
            watch.expired = False       # it had expired before: that it is deleted now changes nothing
        else:
            (<Transaction *> watch.session.transaction).touched = True
        watch = watch.next


cdef struct DatabaseChange:     # a database that was emptied, or replaced by another one
    Runtime *runtime
    Database *emptied
    Database *replacement       # NULL: emptied


cdef void touch_visit(void *argument, void *element, bint marked) noexcept nogil:
    cdef DatabaseChange *change = <DatabaseChange *> argument
    cdef Keyspace *keyspace = &change.runtime.keyspace
    cdef WatchedKey *watched = <WatchedKey *> element
    cdef Slice key = slice_of(watched.key, watched.length)
    cdef bint before = exists(keyspace, change.emptied, key)
    cdef bint after = exists(keyspace, change.replacement, key)
    cdef bint after_expired = after and is_expired(keyspace, change.replacement, key)
    cdef Watch *watch = watched.watches
    if watched.database != change.emptied.id or not (before or after):
        return
    while watch != NULL:
        if watch.expired:
            if not after:
                watch.expired = False
            elif not after_expired:
                (<Transaction *> watch.session.transaction).touched = True
        elif not before and after_expired:
            watch.expired = True
        else:
            (<Transaction *> watch.session.transaction).touched = True
        watch = watch.next


cdef void touch_watched_database(Runtime *runtime, Database *emptied, Database *replacement) noexcept nogil:
    """Called before a database is emptied (replacement NULL), or takes the place of another's keys."""
    cdef DatabaseChange change
    cdef uint64_t cursor = 0
    if runtime.watched.count == 0:
        return
    change.runtime, change.emptied, change.replacement = runtime, emptied, replacement
    while True:
        cursor = hashtable_scan(&runtime.watched, cursor, touch_visit, &change)
        if cursor == 0:
            return
