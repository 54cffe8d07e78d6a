"""Others are served while a script runs."""
from kv._core.runtime.state cimport Runtime

cdef bint serve_others(Runtime *runtime) noexcept nogil
