"""A library is loaded."""
from libc.stdint cimport int64_t

from kv._core.base.slice cimport Slice
from kv._core.scripts.scripting cimport Libraries, Library, Scripting

cdef enum:
    LOADING_LIMIT_US = 500000   # that a library may take to register its functions

cdef Library *library_load(Scripting *scripting, Libraries *into, Slice code, bint replace, int64_t limit_us) except NULL
