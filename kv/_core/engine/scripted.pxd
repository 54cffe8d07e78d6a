"""A command that a script calls."""
from kv._core.base.buffer cimport Buffer
from kv._core.base.slice cimport Slice

cdef void run_scripted(void *run, Slice *argv, int argc, Buffer *out) noexcept nogil
