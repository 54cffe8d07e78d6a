"""From a parsed request to its reply: the gates and the call."""
from libc.stdint cimport int64_t
from libc.string cimport memcmp

from kv._core.base.buffer cimport Buffer
from kv._core.base.slice cimport Slice
from kv._core.runtime.state cimport Command, Context, Request, Runtime, Session

cdef inline bint is_exec(const Command *command) noexcept nogil:
    return command.name_length == 4 and memcmp(command.name, b"exec", 4) == 0


cdef bint dispatch(Runtime *runtime, Session *session, Request *request) noexcept nogil
cdef bint dispatch_again(Runtime *runtime, Session *session, Command *command, Slice *argv, int argc,
                         Buffer *out) noexcept nogil
cdef void dispatch_timeout(Runtime *runtime, Session *session, Command *command, Slice *argv, int argc, bint with_error,
                           Buffer *out) noexcept nogil
cdef void refresh_clock(Runtime *runtime) noexcept nogil
cdef void dispatch_begin() noexcept nogil
cdef void run_nested(Context *outer, Command *command, Slice *argv, int argc) noexcept nogil
cdef bint evict_until_fits(Runtime *runtime) noexcept nogil
cdef void note_limit(Runtime *runtime) noexcept nogil
cdef void tell_spike(Runtime *runtime, const char *event, int64_t us) noexcept nogil
cdef void evict_clients(Runtime *runtime) noexcept nogil
