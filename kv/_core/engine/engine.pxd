"""The engine's face to Python (see engine.pyx)."""
from cpython.pythread cimport PyThread_type_lock
from libc.stdint cimport uint64_t

from kv._core.engine.appender cimport Appender
from kv._core.engine.isolation cimport Isolated, isolated_enter
from kv._core.engine.settings cimport CronSettings
from kv._core.runtime.state cimport Runtime, Session

cdef class Engine:
    cdef Runtime runtime
    cdef Isolated isolated          # what it has for itself in places that all engines share
    cdef public object owner        # whoever embeds the engine; commands written in Python see it as call.server
    cdef Appender appender          # writes the log of effects to the AOF, None: there is none
    cdef object condition           # threads that wait in execute(), None: none ever did
    cdef object own_session         # of execute(), made by its first call
    cdef public object on_protocol_error    # called with a session's id, the error, and a view of the input it is in
    cdef public object on_commandlog    # called with what the command log needs of a slow or large command
    cdef public object on_closing       # called with the id of a session that did not ask to be closed, and why
    cdef public object on_bad_payload   # called with a session's id, an offset, and what is wrong there with RESTORE's payload
    cdef public object on_flush         # called when FLUSHALL has emptied all databases
    cdef public object on_latency       # called with an event of the latency monitor and its milliseconds
    cdef public object on_busy          # called again and again while a script runs on and on: serves others; False ends the script
    # called with a session's id and whether it debugs in this process; returns a descriptor that can be read once the session is to
    # end (-1: none), in the process that goes on with it; in the other one None. Raises OSError
    cdef public object on_debug
    cdef public object on_debug_end     # called with the same: the session is over, and a child ends
    cdef public object on_script_log    # called with a level (0 to 3) and what a script logs
    cdef CronSettings cron
    cdef object __weakref__
    cdef PyThread_type_lock lock    # one thread at a time is in the engine; a server's loop does without
    cdef unsigned long holder       # the thread that has it, while `depth` is not 0
    cdef int depth                  # how often that thread has entered: again only while a script lets others in
    cdef long generation            # forks that this process came of when the engine was made
    cdef Session *orphans           # local sessions that were dropped while somebody was in the engine
    cdef void *loop                 # the Loop around it, NULL: none; borrowed
    cdef uint64_t cron_calls
    cdef bint purging               # memory is being given back
    cdef size_t spare_left          # bytes that the last purge could not give back

    cdef inline Isolated *enter(self) noexcept nogil:
        return isolated_enter(&self.isolated)

    cdef int acquire(self) except -1
    cdef bint try_acquire(self) noexcept
    cdef void release(self) noexcept
    cdef int wake_waiters(self) except -1
    cdef void bury_orphans(self) noexcept
    cdef void write_log(self) noexcept
    cdef bint log_waits(self) noexcept
    cdef void close_session(self, Session *session) noexcept
