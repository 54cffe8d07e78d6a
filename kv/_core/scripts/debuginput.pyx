"""What the client of a debugging session says: commands as RESP's arrays of bulk strings, one after the other.

The reader of requests (resp/parser) is not for this: it works ahead, keeps what a session's next turn goes on with, and takes
arguments of hundreds of megabytes. Here a command has at most 1,024 words and a megabyte, and what is none ends the script.
"""
from libc.string cimport memmove

from kv._core.base.buffer cimport buffer_reserve
from kv._core.base.slice cimport slice_of
from kv._core.runtime.state cimport AWAITED_CLIENT
from kv._core.scripts.transcript cimport WORDS_MOST, Debugger

cdef enum:
    INPUT_MOST = 1 << 20        # bytes that were received and not run yet
    INPUT_ROOM = 16 * 1024      # ... that are received at once
    DIGITS_MOST = 7             # of a count or a length; none that is allowed has more

cdef enum Part:
    PART_WHOLE
    PART_MISSING                # its end was not received yet
    PART_BAD


cdef Part read_number(Debugger *debugger, size_t *at, char kind, int *number) noexcept nogil:
    """A line: its kind, digits, and its end."""
    cdef const char *data = debugger.input.data
    cdef size_t length = debugger.input.length
    cdef size_t i = at[0] + 1
    cdef size_t first = i
    if at[0] >= length:
        return PART_MISSING
    if data[at[0]] != kind:
        return PART_BAD
    number[0] = 0
    while i < length and c'0' <= data[i] <= c'9' and i - first < DIGITS_MOST:
        number[0] = number[0] * 10 + (data[i] - c'0')
        i += 1
    if i < length and (i == first or data[i] != c'\r'):
        return PART_BAD
    if i + 1 >= length:
        return PART_MISSING
    at[0] = i + 2
    return PART_WHOLE if data[i + 1] == c'\n' else PART_BAD


cdef Part read_word(Debugger *debugger, size_t *at, int index) noexcept nogil:
    cdef const char *data = debugger.input.data
    cdef int length = 0
    cdef Part part = read_number(debugger, at, c'$', &length)
    if part != PART_WHOLE:
        return part
    if at[0] + length + 2 > debugger.input.length:
        return PART_MISSING
    debugger.words[index] = slice_of(data + at[0], length)
    at[0] += length + 2
    return PART_WHOLE if data[at[0] - 2] == c'\r' and data[at[0] - 1] == c'\n' else PART_BAD


cdef Part read_command(Debugger *debugger) noexcept nogil:
    """A command, if all of it is there. Empty lines before it say nothing."""
    cdef size_t at
    cdef int count = 0
    cdef int i
    cdef Part part
    while debugger.input_at < debugger.input.length and (
            debugger.input.data[debugger.input_at] == c'\r' or debugger.input.data[debugger.input_at] == c'\n'):
        debugger.input_at += 1
    at = debugger.input_at
    part = read_number(debugger, &at, c'*', &count)
    if part == PART_WHOLE and not 0 < count <= WORDS_MOST:
        part = PART_BAD
    for i in range(count):
        if part != PART_WHOLE:
            return part
        part = read_word(debugger, &at, i)
    if part == PART_WHOLE:
        debugger.input_at, debugger.word_count = at, count
    return part


cdef bint receive(Debugger *debugger) noexcept nogil:
    """Wait for more. False: the client is gone."""
    cdef char *into = buffer_reserve(&debugger.input, INPUT_ROOM)
    cdef ssize_t got
    while True:
        got = debugger.session.transport.receive(debugger.session, into, INPUT_ROOM)
        if got < 0:
            return False
        if got > 0:
            debugger.input.length += got
            return True
        if debugger.session.runtime.await_client(debugger.session, debugger.stop_fd, False, -1) != AWAITED_CLIENT:
            return False


cdef void drop_run(Debugger *debugger) noexcept nogil:
    """Forget the commands that have run."""
    cdef size_t left = debugger.input.length - debugger.input_at
    if debugger.input_at:
        memmove(debugger.input.data, debugger.input.data + debugger.input_at, left)
        debugger.input.length, debugger.input_at = left, 0


cdef DebugInput next_command(Debugger *debugger) noexcept nogil:
    """The next command. Words stay where they are until it is called again."""
    cdef Part part
    while not debugger.gone:
        part = read_command(debugger)
        if part == PART_WHOLE:
            return DEBUG_COMMAND
        if part == PART_BAD:
            return DEBUG_BAD
        drop_run(debugger)
        if debugger.input.length > INPUT_MOST:
            return DEBUG_TOO_MUCH
        if not receive(debugger):
            debugger.gone = True
    return DEBUG_GONE
