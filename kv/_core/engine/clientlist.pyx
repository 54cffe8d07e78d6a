"""Connections as CLIENT LIST shows them: a line each, and the peaks that INFO clients takes from all of them.

A line has some forty fields, and an operator asks for it when there are thousands of connections. So it is written here, in about
a microsecond, and not put together from Python objects.
"""
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport strlen

from kv._core.base.blob cimport Blob, blob_capacity
from kv._core.base.buffer cimport Buffer, buffer_append, buffer_free, buffer_reserve
from kv._core.base.numbers cimport format_i64
from kv._core.engine.engine cimport Engine
from kv._core.runtime.footprint cimport footprint, footprint_replies
from kv._core.runtime.pubsub cimport KIND_CHANNEL, KIND_PATTERN, KIND_SHARD, subscription_count
from kv._core.runtime.session cimport session_of_id
from kv._core.runtime.state cimport (
    SESSION_BLOCKED, SESSION_CLOSE_AFTER_REPLY, SESSION_DOOMED, SESSION_IMPORT_SOURCE, SESSION_MONITOR, SESSION_MULTI,
    SESSION_NO_EVICT, SESSION_NO_TOUCH, SESSION_READONLY, SESSION_REDIRECT, SESSION_SUBSCRIBED, SESSION_UNIX, RECENT_SECONDS,
    Command, Context, Runtime, Session)
from kv._core.runtime.transaction cimport Transaction

cdef const char *HIDDEN = b"*redacted*"     # for what users chose, where hide-user-data-from-log is on


cdef struct Letter:
    uint64_t flag               # SessionFlag
    char letter                 # of CLIENT LIST's flags=

cdef enum:
    LETTER_COUNT = 11

cdef Letter[LETTER_COUNT] LETTERS
LETTERS[0] = Letter(SESSION_MONITOR, c"O")
LETTERS[1] = Letter(SESSION_SUBSCRIBED, c"P")
LETTERS[2] = Letter(SESSION_MULTI, c"x")
LETTERS[3] = Letter(SESSION_BLOCKED, c"b")
LETTERS[4] = Letter(SESSION_CLOSE_AFTER_REPLY, c"c")
LETTERS[5] = Letter(SESSION_DOOMED, c"A")
LETTERS[6] = Letter(SESSION_UNIX, c"U")
LETTERS[7] = Letter(SESSION_READONLY, c"r")
LETTERS[8] = Letter(SESSION_NO_EVICT, c"e")
LETTERS[9] = Letter(SESSION_NO_TOUCH, c"T")
LETTERS[10] = Letter(SESSION_IMPORT_SOURCE, c"I")


# -- writing ------------------------------------------------------------------------------------------------------

cdef void put(Buffer *out, const char *text) noexcept nogil:
    buffer_append(out, text, strlen(text))


cdef void put_blob(Buffer *out, const char *name, const Blob *blob, const char *otherwise, bint hide) noexcept nogil:
    """A field that is text: ` name=`, then the blob, or what stands for none."""
    put(out, name)
    if hide:
        put(out, HIDDEN)
    elif blob != NULL:
        buffer_append(out, blob.data, blob.length)
    else:
        put(out, otherwise)


cdef void put_number(Buffer *out, const char *name, int64_t number) noexcept nogil:
    cdef char *end
    put(out, name)
    end = buffer_reserve(out, 24)
    out.length += format_i64(end, number)


cdef void put_flags(Buffer *out, const Session *session) noexcept nogil:
    cdef const Transaction *transaction = <const Transaction *> session.transaction
    cdef size_t before
    cdef int i
    put(out, b" flags=")
    before = out.length
    if transaction != NULL and transaction.touched:
        put(out, b"d")
    for i in range(LETTER_COUNT):
        if session.flags & LETTERS[i].flag:
            buffer_append(out, &LETTERS[i].letter, 1)
    if out.length == before:
        put(out, b"N")


cdef inline int64_t seconds_since(const Session *session, int64_t ms) noexcept nogil:
    cdef int64_t passed = session.runtime.now_us // 1000 - ms
    return passed // 1000 if passed > 0 else 0


cdef inline size_t input_held(const Session *session) noexcept nogil:
    """Bytes of input that are not consumed yet."""
    return session.input.length - session.input_at + session.parser.filled


cdef inline size_t input_room(const Session *session) noexcept nogil:
    """Bytes that its input buffer, and the argument that is being received, have room for."""
    cdef const Blob *filling = session.parser.filling
    return (session.input.capacity - session.input.length
            + (0 if filling == NULL else blob_capacity(<Blob *> filling) - session.parser.filled))


cdef const Context *running_of(const Session *session) noexcept nogil:
    """The command of the session that runs right now, NULL for none."""
    cdef const Context *running = session.runtime.running
    return running if running != NULL and running.session == session else NULL


cdef size_t running_bytes(const Session *session) noexcept nogil:
    """Bytes of the words of its command that runs right now."""
    cdef const Context *running = running_of(session)
    cdef size_t size = 0
    cdef int i
    if running != NULL:
        for i in range(running.argc):
            size += running.argv[i].length
    return size


cdef void put_input(Buffer *out, const Session *session) noexcept nogil:
    cdef const Transaction *transaction = <const Transaction *> session.transaction
    put_number(out, b" multi=", transaction.count if session.flags & SESSION_MULTI else -1)
    put_number(out, b" watch=", transaction.watch_count if transaction != NULL else 0)
    put_number(out, b" qbuf=", input_held(session))
    put_number(out, b" qbuf-free=", input_room(session))
    put_number(out, b" argv-mem=", session.partial.capacity * sizeof(session.partial.items[0]) + running_bytes(session))
    put_number(out, b" multi-mem=", transaction.queue_bytes if transaction != NULL else 0)


cdef void put_output(Buffer *out, const Session *session) noexcept nogil:
    put_number(out, b" rbs=", session.reply_room)
    put_number(out, b" rbp=", session.reply_peak)
    put_number(out, b" obl=", footprint_replies(session))
    put_number(out, b" oll=", session.output_blocks)
    put_number(out, b" omem=", session.output_bytes)
    put_number(out, b" tot-mem=", footprint(session) + running_bytes(session))
    put(out, b" events=rw" if session.output != NULL else b" events=r")


cdef void put_command(Buffer *out, const Session *session) noexcept nogil:
    """The command that runs, else the last one; NULL for none, or for one that does not exist."""
    cdef const Context *running = running_of(session)
    cdef const Command *command = session.last_command if running == NULL else running.command
    put(out, b" cmd=")
    if command != NULL:
        put(out, command.name)
    else:
        put(out, b"NULL")


cdef void put_session(Buffer *out, Session *session, bint hide) noexcept nogil:
    """The line of CLIENT LIST, without its end."""
    put_number(out, b"id=", session.id)
    put_blob(out, b" addr=", session.peer, b"", False)
    put_blob(out, b" laddr=", session.local, b"", False)
    put_number(out, b" fd=", session.fd)
    put_blob(out, b" name=", session.name, b"", hide)
    put_number(out, b" age=", seconds_since(session, session.created_ms))
    put_number(out, b" idle=", seconds_since(session, session.active_ms))
    put_flags(out, session)
    put(out, b" capa=r" if session.flags & <uint64_t> SESSION_REDIRECT else b" capa=")
    put_number(out, b" db=", session.database.id)
    put_number(out, b" sub=", subscription_count(session, KIND_CHANNEL))
    put_number(out, b" psub=", subscription_count(session, KIND_PATTERN))
    put_number(out, b" ssub=", subscription_count(session, KIND_SHARD))
    put_input(out, session)
    put_output(out, session)
    put_command(out, session)
    put_blob(out, b" user=", session.user, b"default", hide)
    put(out, b" redir=-1")
    put_number(out, b" resp=", session.resp)
    put_blob(out, b" lib-name=", session.library_name, b"", False)
    put_blob(out, b" lib-ver=", session.library_version, b"", False)
    put_number(out, b" tot-net-in=", session.bytes_in)
    put_number(out, b" tot-net-out=", session.bytes_out)
    put_number(out, b" tot-cmds=", session.commands)


# -- what Python asks ---------------------------------------------------------------------------------------------

def client_lines(Engine engine not None, list ids not None, bint hide=False):
    """The lines of CLIENT LIST of these sessions, each with its end, as bytes. One that has ended has none. `hide` puts
    *redacted* for names."""
    cdef Session *session
    cdef Buffer out
    engine.enter()
    out.data = NULL
    out.length = out.capacity = 0
    try:
        for id in ids:
            session = session_of_id(&engine.runtime, id)
            if session != NULL:
                put_session(&out, session, hide)
                put(&out, b"\n")
        return out.data[:out.length] if out.length else b""
    finally:
        buffer_free(&out)


def client_peaks(Engine engine not None):
    """Connections, and bytes of the largest input buffer and the largest output that one has, or had when the cron looked in
    the last RECENT_SECONDS."""
    engine.enter()
    cdef Runtime *runtime = &engine.runtime
    cdef Session *session = runtime.sessions
    cdef size_t most_input = 0, most_output = 0, size
    cdef uint64_t count = 0
    cdef int i
    for i in range(RECENT_SECONDS):
        most_input = runtime.recent_input[i] if runtime.recent_input[i] > most_input else most_input
        most_output = runtime.recent_output[i] if runtime.recent_output[i] > most_output else most_output
    while session != NULL:
        if session.transport != NULL:
            count += 1
            size = input_held(session) + input_room(session)
            most_input = size if size > most_input else most_input
            most_output = session.output_bytes if session.output_bytes > most_output else most_output
        session = session.next
    return count, most_input, most_output
