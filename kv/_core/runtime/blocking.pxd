"""Commands that wait: for keys (BLPOP, BZPOPMIN, XREAD and their kin), for the AOF and replicas (WAIT, WAITAOF)."""
from libc.stdint cimport int64_t, uint64_t

from kv._core.keyspace.keyspace cimport Database
from kv._core.runtime.observed cimport ObservedKey, Wait
from kv._core.runtime.state cimport Context, Runtime, Session

cdef bint context_may_block(const Context *c) noexcept nogil
cdef bint arg_timeout_or_reply(Context *c, int index, bint seconds, int64_t *until_ms) noexcept nogil
cdef void block_on_keys(Context *c, int type, int first, int count, int64_t until_ms, bint on_missing) noexcept nogil
cdef void block_on_position(Context *c, int64_t until_ms) noexcept nogil
cdef uint64_t block_on_answer(Context *c) noexcept nogil
cdef void wait_end(Session *session) noexcept nogil
cdef void mark_ready(Runtime *runtime, ObservedKey *observed) noexcept nogil
cdef void mark_database_ready(Runtime *runtime, Database *database) noexcept nogil
cdef ObservedKey *take_ready(Runtime *runtime) noexcept nogil
cdef Wait *overdue_wait(Runtime *runtime, int64_t now_ms) noexcept nogil
cdef int64_t next_deadline_ms(const Runtime *runtime) noexcept nogil
