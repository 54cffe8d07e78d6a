"""What the requests of a window will read, fetched into the cache before the first one runs."""
from kv._core.runtime.state cimport Request, Session

cdef void prefetch_requests(Session *session, Request *requests, int count) noexcept nogil
