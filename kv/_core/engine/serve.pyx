"""Input: from a readable transport to requests that run.

All sessions are read into one chunk of memory, which is the loop's (Runtime.window). Its requests are parsed, up to WINDOW
of them ahead; for each the command is looked up, its keys hashed, and their buckets fetched into the cache; then the
entries that the buckets point to; only then the first one runs. What pipelining costs is waiting for memory, and this way the waits
overlap.

What is left when the chunk ends (a request cut off in the middle) moves to a buffer of the session's own, and the
next read appends to it until it is empty again. An argument of BIG_BULK bytes or more is received into its own
block (resp/parser).

A session that must not go on (it waits, it is closing, the server pauses it) keeps its unparsed input;
serve_resumed() goes on with it. Before a session is authenticated one request is parsed at a time, since AUTH changes
the limits for the next.
"""
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy, memmove, memset

from kv._core.base.blob cimport Blob, blob_capacity
from kv._core.base.buffer cimport buffer_append, buffer_free, buffer_reserve
from kv._core.base.memory cimport memory_alloc, memory_calloc, memory_free, memory_realloc
from kv._core.base.platform cimport likely, unlikely
from kv._core.base.slice cimport Slice, slice_of
from kv._core.engine.execute cimport begin_timing, execute
from kv._core.engine.gates cimport danger
from kv._core.engine.prefetch cimport prefetch_requests
from kv._core.resp.parser cimport (
    PARSE_DONE, PARSE_ERROR, PARSE_MORE, Arguments, ParseResult, Parser, parse_request, parser_finish,
    parser_free, parser_resolve)
from kv._core.resp.reply cimport Reply, reply_error
from kv._core.runtime.footprint cimport footprint_note
from kv._core.runtime.propagation cimport propagation_position
from kv._core.runtime.registry cimport command_find, command_find_child
from kv._core.runtime.session cimport (
    session_arena_share, session_doom, session_mark_ready, session_note_replies, session_postpone, session_resume, session_spill)
from kv._core.runtime.state cimport (
    ALERT_PAUSED_ALL, ALERT_PAUSED_WRITES, CLOSING_INPUT, COMMAND_MAY_REPLICATE, COMMAND_SCRIPT, COMMAND_WRITE,
    SESSION_BLOCKED, SESSION_CLOSE_AFTER_REPLY, SESSION_DOOMED, SESSION_HELD, SESSION_RUNNING, SESSION_SENDS_BIG, WINDOW,
    Command, Request, Runtime, Session, Window)
from kv._core.runtime.transaction cimport Transaction
from kv._core.scripts.cache cimport script_command_flags

cdef enum:
    CHUNK = 64 * 1024           # bytes read from a socket at once
    BEFORE_BIG = 1024           # ... where a big argument is likely to follow: what comes with its header is copied
    KEEP_INPUT = 16 * 1024      # least room for a read into a session's own buffer
    KEEP_ARGUMENTS = 4 * 1024   # arguments of the shared array that are kept between windows


cdef size_t serve_memory(const Runtime *runtime) noexcept nogil:
    """Bytes that reading takes, apart from the sessions' own buffers."""
    cdef const Window *window = runtime.window
    return sizeof(Window) + CHUNK + window.arguments.capacity * sizeof(Slice) if window != NULL else 0


cdef void serve_free(Runtime *runtime) noexcept nogil:
    """The loop ends: nothing more is read."""
    if runtime.window != NULL:
        memory_free(runtime.window.chunk)
        memory_free(runtime.window.arguments.items)
        memory_free(runtime.window)
        runtime.window = NULL


cdef void make_window(Runtime *runtime) noexcept nogil:
    runtime.window = <Window *> memory_calloc(sizeof(Window))
    runtime.window.chunk = <char *> memory_alloc(CHUNK)


# -- reading ------------------------------------------------------------------------------------------------------

cdef inline ssize_t receive(Session *session, char *into, size_t room) noexcept nogil:
    """Bytes received, 0 for nothing there, -1 for a connection that is gone."""
    cdef ssize_t got = session.transport.receive(session, into, room)
    if likely(got > 0):
        session.bytes_in += got
        session.runtime.statistics.bytes_in += got
        session.active_ms = session.runtime.now_us // 1000
    return got


cdef inline bint within_limit(const Session *session, size_t unconsumed) noexcept nogil:
    """Whether so much input that is not consumed yet is within client-query-buffer-limit. What waits for EXEC is such input,
    too."""
    if unlikely(session.transaction != NULL):
        unconsumed += (<const Transaction *> session.transaction).argument_bytes
    return likely(unconsumed <= session.runtime.query_limit)


cdef bint fill_big(Session *session) noexcept nogil:
    """Read into the argument that has a block of its own; true when it is full."""
    cdef Parser *parser = &session.parser
    cdef ssize_t got
    if unlikely(blob_capacity(parser.filling) < parser.filling.length):     # shrunk while the client was idle
        parser.filling = <Blob *> memory_realloc(parser.filling, sizeof(size_t) + parser.filling.length)
    while parser.filled < parser.filling.length:
        got = receive(session, parser.filling.data + parser.filled, parser.filling.length - parser.filled)
        if got < 0:
            session_doom(session)
        if got <= 0:
            session.transport.acknowledge(session)
            return False
        parser.filled += got
        if not within_limit(session, parser.filled):
            refuse_input(session)
            return False
    return True


cdef void serve_readable(Runtime *runtime, Session *session) noexcept nogil:
    """The socket has bytes, or the peer has gone."""
    if session.flags & (SESSION_DOOMED | SESSION_RUNNING):
        return
    read_and_serve(runtime, session)
    if unlikely(session.transport.pending != NULL) and session.transport.pending(session):
        session_resume(session)         # the poller knows nothing of it
    if unlikely(runtime.client_limit):
        footprint_note(session)


cdef void read_and_serve(Runtime *runtime, Session *session) noexcept nogil:
    cdef ssize_t got, room = CHUNK
    if session.parser.filling != NULL and not fill_big(session):
        return
    if session.input.length == 0 and not session.flags & SESSION_BLOCKED:
        if unlikely(runtime.window == NULL):
            make_window(runtime)
        if unlikely(session.flags & <uint64_t> SESSION_SENDS_BIG):
            room = BEFORE_BIG
        got = receive(session, runtime.window.chunk, room)
        if likely(got > 0):
            if unlikely(session.input.capacity) and <size_t> got > session.input_peak:
                session.input_peak = got
            if not within_limit(session, got):
                refuse_input(session)
                return
            serve_bytes(runtime, session, runtime.window.chunk, got)
            if unlikely(got == room):
                read_on(runtime, session)
    else:
        got = receive_own(runtime, session)
        if got > 0:
            serve_pending(runtime, session)
        elif got == 0:                  # of a big argument only the end of its line is missing
            session.transport.acknowledge(session)
    if got < 0:
        session_doom(session)


cdef void read_on(Runtime *runtime, Session *session) noexcept nogil:
    """There was more than the chunk takes. The rest of a big argument is read at once; anything else waits for the next turn."""
    session.flags &= ~<uint64_t> SESSION_SENDS_BIG      # finish_owned() sets it again
    if session.parser.filling != NULL and not session.flags & (SESSION_BLOCKED | SESSION_DOOMED | SESSION_CLOSE_AFTER_REPLY):
        read_and_serve(runtime, session)


cdef void refuse_input(Session *session) noexcept nogil:
    """More than client-query-buffer-limit."""
    session.runtime.statistics.query_limit_closed += 1
    session.runtime.on_closing(session, CLOSING_INPUT)
    session_doom(session)


cdef ssize_t receive_own(Runtime *runtime, Session *session) noexcept nogil:
    cdef char *into = buffer_reserve(&session.input, KEEP_INPUT)
    cdef ssize_t got = receive(session, into, session.input.capacity - session.input.length)
    if got > 0:
        session.input.length += got
        if session.input.length > session.input_peak:
            session.input_peak = session.input.length
        if not within_limit(session, session.input.length - session.input_at):
            refuse_input(session)
            return 0
    return got


# -- parsing ahead ------------------------------------------------------------------------------------------------

cdef inline bint is_owned(const Parser *parser, const Window *window, const Arguments *into) noexcept nogil:
    """Whether the request that was just parsed points into what the parser owns: it then runs in a window of its
    own."""
    return into != &window.arguments or parser.inlined or parser.bigs != NULL


cdef Slice peek(Parser *parser, const char *start, const Slice *argv, int index) noexcept nogil:
    """A word of a complete request that is not resolved yet."""
    cdef Slice word = argv[index]
    cdef int i
    if parser.inlined:
        start = parser.unquoted.data
    word.data = start + <size_t> word.data
    for i in range(parser.big_count):
        if <int> parser.bigs[i].index == index:
            word.data = parser.bigs[i].blob.data
    return word


cdef bint must_postpone(Runtime *runtime, Session *session, const char *start, const Slice *argv, int argc) noexcept nogil:
    """Whether CLIENT PAUSE holds this request back. Refusals come first: a request that would be refused is not
    held."""
    cdef Command *command
    cdef uint64_t flags
    if argc == 0 or not session.authenticated:
        return False
    command = command_find(peek(&session.parser, start, argv, 0))
    if command != NULL and command.child_count and argc > 1:
        command = command_find_child(command, peek(&session.parser, start, argv, 1))
    if command == NULL or (command.arity > 0 and command.arity != argc) or argc < -command.arity:
        return False
    flags = danger(session, command)
    if command.flags & COMMAND_SCRIPT:
        flags = script_command_flags(runtime, command, peek(&session.parser, start, argv, 1), flags)
    return runtime.alerts & ALERT_PAUSED_ALL or flags & (COMMAND_WRITE | COMMAND_MAY_REPLICATE)


cdef ParseResult parse_window(Runtime *runtime, Session *session, const char *data, size_t length, size_t *at,
                              int *count) noexcept nogil:
    """Parse up to a window of requests from data[at:]; `at` moves behind the last complete one. An incomplete or a held
    request has its arguments in session.partial."""
    cdef Parser *parser = &session.parser
    cdef Window *window = runtime.window
    cdef Arguments *shared = &window.arguments
    cdef ParseResult result
    cdef int argc
    cdef Arguments *into
    shared.count = 0
    count[0] = 0
    parser.bulk_limit = runtime.bulk_limit
    parser.authenticated = session.authenticated
    while count[0] < (WINDOW if session.authenticated else 1):
        into = &session.partial if parser.position or parser.held else shared
        if not parser.held:
            result = parse_request(parser, data + at[0], length - at[0], into)
            if unlikely(result != PARSE_DONE):
                if result == PARSE_MORE and into == shared:
                    keep_partial(session, shared)
                return result
        argc = <int> (into.count - parser.first)
        if unlikely(argc == 0):
            at[0] += parser.position
            parser_finish(parser)
            continue
        if unlikely(runtime.alerts & (ALERT_PAUSED_ALL | ALERT_PAUSED_WRITES)) and must_postpone(
                runtime, session, data + at[0], into.items + parser.first, argc):
            hold(session, shared, into)
            if count[0]:
                return PARSE_DONE
            session_postpone(session)       # until the pause ends, its complete request with it
            return PARSE_MORE
        if unlikely(is_owned(parser, window, into)):
            if count[0]:
                hold(session, shared, into)
                return PARSE_DONE
            add_request(parser, window, into, data, at, argc, count)
            return PARSE_DONE
        add_request(parser, window, into, data, at, argc, count)
        parser.position = 0
    return PARSE_DONE


cdef inline void add_request(Parser *parser, Window *window, Arguments *into, const char *data, size_t *at, int argc,
                             int *count) noexcept nogil:
    cdef Request *request = window.requests + count[0]
    parser_resolve(parser, data + at[0], into.items + parser.first, argc)
    request.argc = argc
    request.first = parser.first
    request.argv = NULL if into == &window.arguments else into.items + parser.first
    request.raw = NULL
    if not parser.inlined and parser.bigs == NULL:
        request.raw = data + at[0]
    request.raw_length = parser.position
    at[0] += parser.position
    parser.held = False
    request.end = at[0]
    count[0] += 1


cdef void hold(Session *session, Arguments *shared, Arguments *into) noexcept nogil:
    """Keep a complete request for the next window."""
    if into == shared:
        keep_partial(session, shared)
    session.parser.held = True


cdef void keep_partial(Session *session, Arguments *shared) noexcept nogil:
    """Move the arguments of the request that was parsed last, or in part, to an array of the session's own."""
    cdef Arguments *own = &session.partial
    cdef size_t count = shared.count - session.parser.first
    if own.capacity < count:
        own.capacity = count * 2
        own.items = <Slice *> memory_realloc(own.items, own.capacity * sizeof(Slice))
    if count:
        memcpy(own.items, shared.items + session.parser.first, count * sizeof(Slice))
    own.count = count
    shared.count -= count
    session.parser.first = 0


cdef void finish_owned(Session *session) noexcept nogil:
    """The request that owned memory has run."""
    cdef int i
    for i in range(session.parser.big_count):
        session.input_wanted += session.parser.bigs[i].length
        session.flags |= SESSION_SENDS_BIG
    parser_finish(&session.parser)
    session.partial.count = 0
    if session.partial.items != NULL:
        memory_free(session.partial.items)
        memset(&session.partial, 0, sizeof(Arguments))


# -- running ------------------------------------------------------------------------------------------------------

cdef bint serve_bytes(Runtime *runtime, Session *session, const char *data, size_t length) noexcept nogil:
    """Run the requests in these bytes; what is left moves to the session's input. False where the session must wait."""
    cdef size_t at = 0
    cdef bint going = run_requests(runtime, session, data, length, &at)
    if unlikely(at < length and not session.flags & SESSION_DOOMED):
        keep_rest(session, data + at, length - at)
    return going


cdef void keep_rest(Session *session, const char *data, size_t length) noexcept nogil:
    """Append what did not run to the session's input, without what a big argument's own block has of it."""
    cdef Parser *parser = &session.parser
    cdef size_t behind
    if parser.taken:
        behind = parser.position + parser.taken
        drop_header(session)
        buffer_append(&session.input, data, parser.position)
        data += behind
        length -= behind
        parser.taken = 0
    if length:
        buffer_append(&session.input, data, length)


cdef void cut_out_taken(Session *session) noexcept nogil:
    """The same, where the bytes stand in the session's input already."""
    cdef Parser *parser = &session.parser
    cdef char *start = session.input.data + session.input_at
    cdef char *behind = start + parser.position + parser.taken
    cdef char *end = session.input.data + session.input.length
    drop_header(session)
    memmove(start + parser.position, behind, end - behind)
    session.input.length = start + parser.position + (end - behind) - session.input.data
    parser.taken = 0


cdef void drop_header(Session *session) noexcept nogil:
    """Where the big argument is the request's first, what stands before it in the input is of no more use."""
    if session.partial.count == 0:
        session.parser.position = 0


cdef void serve_resumed(Runtime *runtime, Session *session) noexcept nogil:
    """The session waits no longer, or there is more for it that the poller does not tell of."""
    if session.transport == NULL:
        return
    serve_pending(runtime, session)
    if session.transport.pending != NULL and session.transport.pending(session):
        serve_readable(runtime, session)


cdef void serve_pending(Runtime *runtime, Session *session) noexcept nogil:
    """Run the requests in the session's own input."""
    cdef size_t left
    if session.flags & (SESSION_BLOCKED | SESSION_DOOMED):
        return
    run_requests(runtime, session, session.input.data, session.input.length, &session.input_at)
    if session.parser.taken:
        cut_out_taken(session)
    left = session.input.length - session.input_at
    if left == 0:
        session.input.length = 0        # the memory stays for a while: engine/cron shrinks it
        buffer_reserve(&session.input, session.input_wanted)
        session.input_wanted = 0
    elif session.input_at > left or session.input_at > KEEP_INPUT:
        memmove(session.input.data, session.input.data + session.input_at, left)
        session.input.length = left
    else:
        return
    session.input_at = 0


cdef void begin_replies(Runtime *runtime, Session *session) noexcept nogil:
    """The arena's end becomes this session's."""
    if session.arena_length and session.arena_start + session.arena_length != runtime.arena.length:
        session_spill(session)
    if session.arena_length == 0:
        session.arena_start = runtime.arena.length
    runtime.arena_owner = session


cdef void end_replies(Runtime *runtime, Session *session) noexcept nogil:
    runtime.arena_owner = NULL
    session.reply_position = propagation_position(&runtime.propagation)
    session.arena_length = runtime.arena.length - session.arena_start
    session_note_replies(session, session.arena_length)
    if session.arena_length or session.output != NULL or session.flags & SESSION_CLOSE_AFTER_REPLY:
        session_mark_ready(session)
    if unlikely(runtime.enforce_blocks or session.flags & SESSION_HELD):    # whose replies outlive the arena's
        session_spill(session)


cdef bint run_requests(Runtime *runtime, Session *session, const char *data, size_t length, size_t *at) noexcept nogil:
    """Run requests from data[at:] window by window; `at` ends behind the last one that ran."""
    cdef int count = 0
    cdef ParseResult result
    cdef bint going = True
    if unlikely(runtime.window == NULL):
        make_window(runtime)
    begin_replies(runtime, session)
    while going and (at[0] < length or session.parser.held):
        result = parse_window(runtime, session, data, length, at, &count)
        if count and not run_window(runtime, session, at, count, &going):
            result = PARSE_DONE
        if result == PARSE_ERROR and going:
            protocol_error(runtime, session, slice_of(data + at[0], length - at[0]))
        if result != PARSE_DONE:
            break
    if session.flags & (SESSION_CLOSE_AFTER_REPLY | SESSION_DOOMED):
        at[0] = length
    end_replies(runtime, session)
    if unlikely(runtime.window.arguments.capacity > KEEP_ARGUMENTS):
        memory_free(runtime.window.arguments.items)
        memset(&runtime.window.arguments, 0, sizeof(Arguments))
    return going and not session.flags & SESSION_BLOCKED


cdef bint run_window(Runtime *runtime, Session *session, size_t *at, int count, bint *going) noexcept nogil:
    """Run a window's requests. False where it stopped early: `at` is then behind the last one that ran. `going` becomes
    false where the session must run nothing more now."""
    cdef int i
    cdef uint32_t alerts = runtime.alerts
    cdef size_t share = session_arena_share(session)
    cdef Request *requests = runtime.window.requests
    for i in range(count):
        if requests[i].argv == NULL:
            requests[i].argv = runtime.window.arguments.items + requests[i].first
    prefetch_requests(session, requests, count)
    begin_timing(runtime)
    for i in range(count):
        going[0] = execute(session, requests + i, &runtime.arena)
        if unlikely(runtime.arena.length - session.arena_start > share):
            spill_replies(runtime, session)
            going[0] = going[0] and not session.flags & SESSION_DOOMED
        if unlikely(not going[0] or runtime.alerts != alerts) and i + 1 < count:
            give_back(session)
            at[0] = requests[i].end
            return False
    if unlikely(session.parser.inlined or session.parser.bigs != NULL
                or requests[0].argv == session.partial.items) and not session.parser.held:
        finish_owned(session)
    return True


cdef void spill_replies(Runtime *runtime, Session *session) noexcept nogil:
    """A session with large replies keeps them itself, where its output limits hold, and leaves the arena to the
    others."""
    session.arena_length = runtime.arena.length - session.arena_start
    session_spill(session)
    runtime.arena.length = session.arena_start
    if runtime.arena.length == 0:
        buffer_free(&runtime.arena)     # it grew for this session alone


cdef void give_back(Session *session) noexcept nogil:
    """What was parsed behind the last request that ran is parsed again another time: all its bytes are still there."""
    parser_free(&session.parser)
    session.partial.count = 0


cdef void protocol_error(Runtime *runtime, Session *session, Slice input) noexcept nogil:
    """Tell the client what is wrong, and close the connection once that is sent."""
    cdef Reply reply
    cdef char text[80]
    reply.out, reply.version, reply.errors = &runtime.arena, session.resp, 0
    memcpy(text, b"ERR ", 4)
    memcpy(text + 4, session.parser.error, session.parser.error_length)
    reply_error(&reply, text, session.parser.error_length + 4)
    runtime.statistics.errors += 1
    session.flags |= SESSION_CLOSE_AFTER_REPLY
    runtime.on_protocol_error(session, input)
