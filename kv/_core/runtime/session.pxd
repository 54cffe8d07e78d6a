"""Sessions: their life, and their output."""
from libc.stdint cimport int64_t, uint32_t, uint64_t

from kv._core.base.blob cimport Blob
from kv._core.base.buffer cimport Buffer
from kv._core.base.slice cimport Slice
from kv._core.runtime.state cimport Caller, Runtime, Session, Transport

cdef Session *session_new(Runtime *runtime, Caller caller, uint32_t exempt, const Transport *transport, int fd) noexcept nogil
cdef void session_free(Session *session) noexcept nogil
cdef Session *session_detached(Runtime *runtime, Caller caller, uint32_t exempt) noexcept nogil
cdef void session_detached_free(Session *session) noexcept nogil
cdef Session *session_of_id(Runtime *runtime, uint64_t id) noexcept nogil
cdef void session_resume(Session *session) noexcept nogil
cdef void session_postpone(Session *session) noexcept nogil
cdef void session_monitor(Session *session) noexcept nogil
cdef void session_end_monitor(Session *session) noexcept nogil
cdef void session_doom(Session *session) noexcept nogil
cdef void session_mark_ready(Session *session) noexcept nogil
cdef void session_hold(Session *session) noexcept nogil
cdef void sessions_release(Runtime *runtime) noexcept nogil
cdef void session_push(Session *session, const char *data, size_t length) noexcept nogil
cdef void session_push_blob(Session *session, Blob *blob, Slice part) noexcept nogil
cdef void session_splice(Session *session, Blob *blob, Slice part) noexcept nogil
cdef void session_keep_unsent(Session *session, const char *data, size_t length) noexcept nogil
cdef int session_send(Session *session) noexcept nogil
cdef void session_take(Session *session, Buffer *out) noexcept nogil
cdef void session_note_replies(Session *session, size_t length) noexcept nogil
cdef void session_fit_replies(Session *session) noexcept nogil
cdef size_t session_arena_share(const Session *session) noexcept nogil
cdef void session_check_soft_limit(Session *session) noexcept nogil
cdef void session_reset(Session *session) noexcept nogil
cdef void session_spill(Session *session) noexcept nogil
