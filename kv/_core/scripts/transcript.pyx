"""The lines that the client of a debugging session is shown: gathered while the script runs, and sent as an array of simple strings
whenever the session stops, replies, or ends.

A script that never stops and always has something to show (redis.debug in a loop) fills no memory: what is beyond some megabytes
is left out, and that is said.
"""
from libc.string cimport memcmp

from kv._core.base.buffer cimport buffer_append, buffer_free, buffer_reserve
from kv._core.base.platform cimport unlikely
from kv._core.base.slice cimport Slice, slice_of
from kv._core.runtime.state cimport AWAITED_CLIENT

cdef extern from "<stdio.h>" nogil:
    int snprintf(char *out, size_t size, const char *form, ...)

cdef enum:
    SEND_MS = 5000              # how long a client may take to read on

cdef const char *DIGITS = b"0123456789abcdef"


# -- lines ------------------------------------------------------------------------------------------------------------

cdef void transcript_begin(Debugger *debugger) noexcept nogil:
    """A line begins. Its text is added by transcript_add and its kin. One that was never ended, since Lua raised an error in the
    middle of it, is dropped."""
    if debugger.line_open:
        debugger.lines.length = debugger.line_start - 1
    debugger.line_open = True
    buffer_append(&debugger.lines, b"+", 1)
    debugger.line_start = debugger.lines.length


cdef inline char escape_of(char byte) noexcept nogil:
    """The letter behind the backslash, 0: the byte has none."""
    if byte == c'\\' or byte == c'"':
        return byte
    if byte == c'\n':
        return c'n'
    if byte == c'\r':
        return c'r'
    if byte == c'\t':
        return c't'
    if byte == 7:
        return c'a'
    return c'b' if byte == 8 else 0


cdef void transcript_quote(Debugger *debugger, Slice text) noexcept nogil:
    """Add a text in quotes, with escapes. What would not be shown is left out."""
    cdef char *at
    cdef char escape
    cdef size_t i
    transcript_add(debugger, b'"')
    for i in range(text.length):
        if i % 256 == 0 and transcript_full(debugger):
            return
        at = buffer_reserve(&debugger.lines, 4)
        escape = escape_of(text.data[i])
        if escape:
            at[0], at[1] = c'\\', escape
            debugger.lines.length += 2
        elif c' ' <= text.data[i] <= c'~':
            at[0] = text.data[i]
            debugger.lines.length += 1
        else:
            at[0], at[1] = c'\\', c'x'
            at[2] = DIGITS[<unsigned char> text.data[i] >> 4]
            at[3] = DIGITS[<unsigned char> text.data[i] & 15]
            debugger.lines.length += 4
    transcript_add(debugger, b'"')


cdef void transcript_end(Debugger *debugger) noexcept nogil:
    """The line ends: it is one, whatever is in it."""
    cdef size_t i
    debugger.line_open = False
    if unlikely(debugger.lines.length > TRANSCRIPT_MOST):
        leave_out(debugger)
        return
    for i in range(debugger.line_start, debugger.lines.length):
        if debugger.lines.data[i] == c'\r' or debugger.lines.data[i] == c'\n':
            debugger.lines.data[i] = c' '
    buffer_append(&debugger.lines, b"\r\n", 2)
    debugger.line_count += 1


cdef void leave_out(Debugger *debugger) noexcept nogil:
    """Drop the last line, and say once that something is missing."""
    debugger.lines.length = debugger.line_start - 1
    if not debugger.left_out:
        debugger.left_out = True
        buffer_append(&debugger.lines, b"+<hint> There was more, which was left out.\r\n", 45)
        debugger.line_count += 1


cdef void transcript_end_cut(Debugger *debugger) noexcept nogil:
    """The same of a value or a reply, which are shown so far only."""
    cdef size_t length = debugger.lines.length - debugger.line_start
    cdef bint cut = debugger.shown and length > debugger.shown
    if cut:
        debugger.lines.length = debugger.line_start + debugger.shown
        transcript_add(debugger, b" ...")
    transcript_end(debugger)
    if cut and not debugger.hinted:
        debugger.hinted = True
        transcript_line(debugger, b"<hint> The above reply was trimmed. Use 'maxlen 0' to disable trimming.")


cdef void transcript_line(Debugger *debugger, const char *text) noexcept nogil:
    transcript_begin(debugger)
    transcript_add(debugger, text)
    transcript_end(debugger)


cdef void transcript_error(Debugger *debugger, Slice text) noexcept nogil:
    """Show an error of the server's: without ERR, its commonest code; any other code follows a dash."""
    if text.length < 4 or memcmp(text.data, b"ERR ", 4) != 0:
        transcript_error_reply(debugger, text)
        return
    transcript_begin(debugger)
    transcript_add(debugger, b"<error> ")
    transcript_bytes(debugger, slice_of(text.data + 4, text.length - 4))
    transcript_end(debugger)


cdef void transcript_error_reply(Debugger *debugger, Slice text) noexcept nogil:
    """Show an error as a command replied it, the dash left out."""
    transcript_begin(debugger)
    transcript_add(debugger, b"<error> -")
    transcript_bytes(debugger, text)
    transcript_end(debugger)


# -- sending ----------------------------------------------------------------------------------------------------------

cdef void transcript_send(Debugger *debugger) noexcept nogil:
    """Send the lines that are there."""
    cdef char head[24]
    debugger_send(debugger, head, snprintf(head, sizeof(head), "*%d\r\n", debugger.line_count))
    debugger_send(debugger, debugger.lines.data, debugger.lines.length)
    debugger.lines.length = 0
    debugger.line_count = 0
    debugger.left_out = False
    if debugger.lines.capacity > 1 << 20:
        buffer_free(&debugger.lines)


cdef void debugger_send(Debugger *debugger, const char *data, size_t length) noexcept nogil:
    """Send bytes to the client. One that does not take them, or is not there any more, is gone."""
    cdef ssize_t sent
    while length and not debugger.gone:
        sent = debugger.session.transport.send(debugger.session, data, length)
        if sent > 0:
            data += sent
            length -= sent
        elif sent < 0 or debugger.session.runtime.await_client(debugger.session, debugger.stop_fd, True, SEND_MS) != AWAITED_CLIENT:
            debugger.gone = True
