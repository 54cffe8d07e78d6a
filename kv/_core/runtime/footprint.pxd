"""What each session takes of memory, and which one takes most."""
from kv._core.runtime.state cimport Runtime, Session

cdef size_t footprint(const Session *session) noexcept nogil
cdef size_t footprint_replies(const Session *session) noexcept nogil    # bytes of this turn's replies in the arena
cdef void footprint_note(Session *session) noexcept nogil
cdef void footprint_forget(Session *session) noexcept nogil
cdef void footprint_count_all(Runtime *runtime) noexcept nogil
cdef bint footprint_over_limit(const Runtime *runtime) noexcept nogil
cdef Session *footprint_largest(Runtime *runtime) noexcept nogil
