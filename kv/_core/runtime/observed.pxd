"""The keys that sessions watch or wait for, found by database and name."""
from libc.stdint cimport int64_t, uint32_t, uint64_t

from kv._core.base.slice cimport Slice
from kv._core.containers.hashtable cimport scan_visitor
from kv._core.keyspace.keyspace cimport Database, Keyspace
from kv._core.runtime.state cimport Command, Runtime, Session

cdef struct Watch:              # a session's interest in one key: WATCH
    Session *session
    ObservedKey *key
    bint expired                # the key's time had come when WATCH was called
    Watch *next                 # others of the same key
    Watch *previous
    Watch *next_of_session

cdef struct Link:               # a wait's place in the queue of one key
    Wait *wait
    ObservedKey *key            # NULL: a key named twice
    Link *next                  # who came later
    Link *previous

cdef struct Wait:               # a command that waits; its links, words and their bytes follow in the block
    Session *session
    Command *command
    Slice *argv
    int argc
    int type                    # ObjectType that a key must have to be worth another try
    bint on_missing             # another try also where a key is gone or of another type
    int link_count
    Link *links
    bint by_position            # it waits for the AOF or replicas, not for keys
    Wait *next                  # others that do, the later ones behind
    Wait *previous
    uint64_t answer             # number of the answer that it waits for instead, 0: none
    int64_t until_ms            # unix time at which it ends, 0: never
    size_t place                # index among the deadlines

cdef struct ObservedKey:        # an element of the runtime's table of observed keys
    Watch *watches              # who watches it
    Link *waits                 # who waits for it, the first to come first
    Link *waits_last
    uint32_t on_missing         # how many of them want to hear of its end, too
    bint ready                  # it changed: who waits is served when the running command has ended
    bint pinned                 # who waits is being served: not to be freed
    ObservedKey *next_ready
    uint32_t length             # bytes of the key
    int database                # from here on it is hashed: number of the database, then the key's bytes
    char key[1]                 # the block goes on

cdef ObservedKey *observed_find(Runtime *runtime, int database, Slice key) noexcept nogil
cdef ObservedKey *observed_make(Runtime *runtime, int database, Slice key) noexcept nogil
cdef void observed_release(Runtime *runtime, ObservedKey *observed) noexcept nogil
cdef void observed_each(Runtime *runtime, scan_visitor visit, void *argument) noexcept nogil
cdef Slice observed_name(ObservedKey *observed) noexcept nogil
cdef bint observed_exists(Keyspace *keyspace, Database *database, ObservedKey *observed) noexcept nogil
cdef void observing_update(Runtime *runtime) noexcept nogil
