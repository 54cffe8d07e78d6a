"""Running a command: the one way from a request to its reply, whoever sends it."""
from libc.stdint cimport int64_t, uint64_t

from kv._core.base.buffer cimport Buffer
from kv._core.base.clock cimport clock_ticks
from kv._core.base.hashing cimport hash_bytes
from kv._core.base.platform cimport likely
from kv._core.base.slice cimport Slice
from kv._core.keyspace.database cimport database_prefetch_bucket
from kv._core.keyspace.keyspace cimport Database
from kv._core.runtime.observed cimport Wait
from kv._core.runtime.registry cimport command_find
from kv._core.runtime.state cimport Command, Context, Request, Runtime, Session

cdef bint execute(Session *session, Request *request, Buffer *out) noexcept nogil
cdef bint execute_past(Session *session, Request *request, Buffer *out) noexcept nogil
cdef bint execute_again(Wait *wait, Buffer *out) noexcept nogil
cdef void execute_last(Wait *wait, bint with_error, Buffer *out) noexcept nogil
cdef void execute_answered(Wait *wait, Slice reply, bint failed, Buffer *out) noexcept nogil
cdef void execute_scripted(Session *session, Command *command, Slice *argv, int argc, Buffer *out) noexcept nogil
cdef void count_error(Context *c, size_t reply_start) noexcept nogil
cdef void execute_nested(Context *outer, Command *command, Slice *argv, int argc) noexcept nogil
cdef int64_t unix_us(const Runtime *runtime) noexcept nogil
cdef void refresh_clock(Runtime *runtime) noexcept nogil


cdef inline void prepare(Database *database, Request *request) noexcept nogil:
    """Before a request runs: find its command, hash its first key, and have that key's bucket fetched into the cache."""
    request.command = command_find(request.argv[0])
    prefetch_key(database, request)


cdef inline void prefetch_key(Database *database, Request *request) noexcept nogil:
    """The same where the command is known."""
    cdef Slice *key
    if likely(request.command != NULL and request.command.first_key and request.argc > request.command.first_key):
        key = request.argv + request.command.first_key
        request.key_hash = hash_bytes(key.data, key.length)
        database_prefetch_bucket(database, request.key_hash)


cdef inline void begin_timing(Runtime *runtime) noexcept nogil:
    """The next command's time begins now."""
    runtime.last_ticks = clock_ticks()
