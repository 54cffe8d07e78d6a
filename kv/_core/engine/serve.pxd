"""Input: from a readable socket to requests that run."""
from kv._core.runtime.state cimport Runtime, Session

cdef void serve_readable(Runtime *runtime, Session *session) noexcept nogil
cdef void serve_resumed(Runtime *runtime, Session *session) noexcept nogil
cdef bint serve_bytes(Runtime *runtime, Session *session, const char *data, size_t length) noexcept nogil
cdef size_t serve_memory(const Runtime *runtime) noexcept nogil
cdef void serve_free(Runtime *runtime) noexcept nogil
