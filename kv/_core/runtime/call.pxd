"""Commands written in Python: what their functions are given, and how their results become replies."""
from kv._core.resp.reply cimport Reply
from kv._core.runtime.state cimport Context

cdef class Later:
    cdef readonly unsigned long long session_id
    cdef unsigned long long number      # of the answer that its session waits for

cdef class Call:
    cdef Context *context       # of the running command, NULL when it has ended
    cdef tuple words            # made on first use

    cdef Context *alive(self) except NULL

cdef int reply_object(Reply *reply, object value) except -1
