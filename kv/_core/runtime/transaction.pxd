"""MULTI's queue, and the keys that sessions watch."""
from libc.stdint cimport uint64_t

from kv._core.base.slice cimport Slice
from kv._core.keyspace.keyspace cimport Database
from kv._core.runtime.observed cimport ObservedKey, Watch
from kv._core.runtime.state cimport Command, Runtime, Session

cdef struct Queued:             # a command that waits for EXEC
    Command *command
    Slice *argv                 # its words, in one block with their bytes
    int argc

cdef struct Transaction:
    Queued *queue
    int count                   # commands queued
    int capacity
    size_t queue_bytes          # memory of the queue
    size_t argument_bytes       # bytes of its words: input that is not consumed yet
    uint64_t flags              # CommandFlag of all of them together
    bint failed                 # a command could not be queued: EXEC is refused
    bint touched                # a watched key was changed: EXEC answers null
    Watch *watches              # keys watched, the newest first
    int watch_count

cdef Transaction *transaction_of(Session *session) noexcept nogil
cdef void transaction_queue(Session *session, Command *command, uint64_t flags, Slice *argv, int argc) noexcept nogil
cdef void transaction_end(Session *session) noexcept nogil
cdef void transaction_free(Session *session) noexcept nogil
cdef void transaction_fail(Session *session) noexcept nogil
cdef void watch_key(Session *session, Slice key) noexcept nogil
cdef void unwatch_all(Session *session) noexcept nogil
cdef bint watched_key_expired(Session *session) noexcept nogil
cdef void touch_watched(Runtime *runtime, Database *database, ObservedKey *watched) noexcept nogil
cdef void touch_watched_database(Runtime *runtime, Database *emptied, Database *replacement) noexcept nogil
