"""MULTI's queue, and the keys that sessions watch.

A session has a Transaction from its first MULTI or WATCH on. Watched keys are in the table of observed keys
(runtime/observed), each with the list of who watches it. A change only marks the transaction as touched; EXEC then
answers null.

What of a key that was already expired when it was watched? That it is deleted changes nothing for the one who
watched it, so its watch remembers the state (`expired`); that a live one expires before EXEC does, and EXEC looks
for that itself.
"""
from libc.stdint cimport uint64_t
from libc.string cimport memcpy

from kv._core.base.memory cimport memory_alloc, memory_calloc, memory_free, memory_realloc, memory_size
from kv._core.base.slice cimport Slice, slice_of
from kv._core.keyspace.keyspace cimport Database, Keyspace, key_of, keyspace_expired, keyspace_find
from kv._core.objects.entry cimport Entry
from kv._core.runtime.observed cimport (
    ObservedKey, Watch, observed_each, observed_exists, observed_make, observed_name, observed_release)
from kv._core.runtime.state cimport SESSION_MULTI, Command, Runtime, Session


# -- the queue ----------------------------------------------------------------------------------------------------

cdef Transaction *transaction_of(Session *session) noexcept nogil:
    """The session's, made where it has none yet."""
    if session.transaction == NULL:
        session.transaction = memory_calloc(sizeof(Transaction))
    return <Transaction *> session.transaction


cdef void transaction_queue(Session *session, Command *command, uint64_t flags, Slice *argv, int argc) noexcept nogil:
    """Keep a command, its words copied, until EXEC; nothing is kept where EXEC will not run it. `flags`: what it is as dangerous
    as, a script being as dangerous as it says."""
    cdef Transaction *transaction = <Transaction *> session.transaction
    cdef Queued *queued
    cdef char *bytes_
    cdef size_t header = argc * sizeof(Slice)
    cdef size_t size = header
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
    transaction.flags |= flags
    transaction.queue_bytes += memory_size(queued.argv) + sizeof(Queued)
    transaction.argument_bytes += size - header


cdef void drop_queue(Transaction *transaction) noexcept nogil:
    cdef int i
    for i in range(transaction.count):
        memory_free(transaction.queue[i].argv)
    memory_free(transaction.queue)
    transaction.queue = NULL
    transaction.count = transaction.capacity = 0
    transaction.queue_bytes = transaction.argument_bytes = 0
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

cdef bint is_expired(Keyspace *keyspace, Database *database, Slice key) noexcept nogil:
    cdef Entry *entry = keyspace_find(keyspace, database, key_of(key))
    return entry != NULL and keyspace_expired(keyspace, entry)


cdef void watch_key(Session *session, Slice key) noexcept nogil:
    """Have EXEC answer null if this key of the session's database changes before."""
    cdef Runtime *runtime = session.runtime
    cdef Transaction *transaction = transaction_of(session)
    cdef ObservedKey *watched = observed_make(runtime, session.database.id, key)
    cdef Watch *watch = watched.watches
    while watch != NULL:
        if watch.session == session:
            return
        watch = watch.next
    watch = <Watch *> memory_alloc(sizeof(Watch))
    watch.session, watch.key = session, watched
    watch.expired = is_expired(&runtime.keyspace, session.database, key)
    watch.previous, watch.next = NULL, watched.watches
    runtime.watched_keys += watched.watches == NULL
    if watched.watches != NULL:
        watched.watches.previous = watch
    watched.watches = watch
    watch.next_of_session = transaction.watches
    transaction.watches = watch
    runtime.watching_sessions += transaction.watch_count == 0
    transaction.watch_count += 1


cdef void forget_watch(Runtime *runtime, Watch *watch) noexcept nogil:
    """Take a watch out of its key's list, and the key out of the table with its last one."""
    cdef ObservedKey *watched = watch.key
    if watch.previous != NULL:
        watch.previous.next = watch.next
    else:
        watched.watches = watch.next
    if watch.next != NULL:
        watch.next.previous = watch.previous
    memory_free(watch)
    runtime.watched_keys -= watched.watches == NULL
    observed_release(runtime, watched)


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


cdef bint watched_key_expired(Session *session) noexcept nogil:
    """Whether a key that was alive when it was watched has expired since."""
    cdef Runtime *runtime = session.runtime
    cdef Transaction *transaction = <Transaction *> session.transaction
    cdef Watch *watch = transaction.watches if transaction != NULL else NULL
    while watch != NULL:
        if not watch.expired and is_expired(&runtime.keyspace, runtime.keyspace.databases + watch.key.database,
                                            observed_name(watch.key)):
            return True
        watch = watch.next_of_session
    return False


cdef void touch_watched(Runtime *runtime, Database *database, ObservedKey *watched) noexcept nogil:
    """A key was changed: mark who watches it."""
    cdef Watch *watch = watched.watches
    while watch != NULL:
        if watch.expired and not observed_exists(&runtime.keyspace, database, watched):
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
    cdef ObservedKey *watched = <ObservedKey *> element
    cdef bint before = observed_exists(keyspace, change.emptied, watched)
    cdef bint after = observed_exists(keyspace, change.replacement, watched)
    cdef bint after_expired = after and is_expired(keyspace, change.replacement, observed_name(watched))
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
    if runtime.watched_keys == 0:
        return
    change.runtime, change.emptied, change.replacement = runtime, emptied, replacement
    observed_each(runtime, touch_visit, &change)
