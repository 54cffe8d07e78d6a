"""A debugging session, and the lines that its client is shown."""
from libc.stdint cimport int64_t
from libc.string cimport strlen

from kv._core.base.buffer cimport Buffer, buffer_append
from kv._core.base.slice cimport Slice
from kv._core.runtime.state cimport Session

cdef enum:
    BREAKPOINTS_MOST = 64
    WORDS_MOST = 1024           # of a command of the client
    SHOWN_LENGTH = 256          # bytes of a value or reply that are shown, until the client says otherwise
    SHOWN_LEAST = 60            # ... at least
    TRANSCRIPT_MOST = 64 << 20  # bytes of lines that wait to be sent

cdef struct Debugger:           # of the script that runs; Scripting.debugger
    Session *session            # of the client
    bint sync                   # it runs in the server, not in a child of it
    int stop_fd                 # the session is to end once it can be read, -1: never
    bint gone                   # the client: the script runs on, and nobody is asked
    bint stepping               # it stops at the next line, and shows the commands that it calls until then
    bint called_breakpoint      # redis.breakpoint(): it stops at the next line
    int breakpoints[BREAKPOINTS_MOST]   # lines, in the order in which they were set
    int breakpoint_count
    int line                    # that runs, from 1
    Slice source                # the script, without the ends of lines behind it
    Buffer code                 # that the client has evaluated, as a chunk
    int64_t eval_until_us       # of the monotonic clock: it may run until then
    size_t reply_start          # where the reply to EVAL begins in its buffer
    Buffer input                # received
    size_t input_at             # where the next command begins in it
    Slice words[WORDS_MOST]     # of the command that runs, in `input`
    int word_count
    Buffer lines                # not sent yet, as simple strings
    int line_count
    size_t line_start           # where the text of the last one begins
    bint line_open              # it has not ended yet
    bint left_out               # there were more of them than are kept
    size_t shown                # bytes of a value or reply that are shown, 0: all
    bint hinted                 # the client knows how to be shown more
    void (*run_scripted)(void *run, Slice *argv, int argc, Buffer *out) noexcept nogil  # runs a command

cdef void transcript_begin(Debugger *debugger) noexcept nogil
cdef void transcript_quote(Debugger *debugger, Slice text) noexcept nogil
cdef void transcript_end(Debugger *debugger) noexcept nogil
cdef void transcript_end_cut(Debugger *debugger) noexcept nogil
cdef void transcript_line(Debugger *debugger, const char *text) noexcept nogil
cdef void transcript_error(Debugger *debugger, Slice text) noexcept nogil
cdef void transcript_error_reply(Debugger *debugger, Slice text) noexcept nogil
cdef void transcript_send(Debugger *debugger) noexcept nogil
cdef void debugger_send(Debugger *debugger, const char *data, size_t length) noexcept nogil


cdef inline void transcript_add(Debugger *debugger, const char *text) noexcept nogil:
    buffer_append(&debugger.lines, text, strlen(text))


cdef inline void transcript_bytes(Debugger *debugger, Slice text) noexcept nogil:
    buffer_append(&debugger.lines, text.data, text.length if text.length < TRANSCRIPT_MOST else TRANSCRIPT_MOST)


cdef inline bint transcript_full(const Debugger *debugger) noexcept nogil:
    """Nothing that is added to the last line would be shown."""
    cdef size_t length = debugger.lines.length
    return length > TRANSCRIPT_MOST or (debugger.shown and length - debugger.line_start > debugger.shown)
