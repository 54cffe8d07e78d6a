"""Commands for an engine without a socket: tests feed it bytes and look at the replies, or feed it effects as the AOF
would."""
from libc.stdint cimport int64_t, uint64_t

from kv._core.engine.dispatch cimport dispatch, dispatch_begin, refresh_clock
from kv._core.engine.engine cimport Engine
from kv._core.resp.parser cimport (
    PARSE_DONE, PARSE_ERROR, Arguments, ParseResult, parse_request, parser_finish, parser_free, parser_resolve)
from kv._core.base.hashing cimport hash_bytes
from kv._core.base.memory cimport memory_free
from kv._core.runtime.registry cimport command_find
from kv._core.runtime.session cimport session_free, session_new
from kv._core.runtime.state cimport SESSION_LOCAL, Request, Session


cdef class LocalSession:
    """A session without a socket. It is authenticated, and no gate but arity holds it back.

    feed(data) runs the complete requests in `data` and returns how many bytes they took; the caller passes the rest
    again, with more behind it. Replies are in `replies` until the next feed, where `keep_replies` is set."""
    cdef Engine engine
    cdef Session *session
    cdef Arguments arguments
    cdef readonly uint64_t requests     # that ran
    cdef readonly bytes error           # the first error reply of the last feed, None for none
    cdef public bint keep_replies
    cdef readonly bytes replies

    def __cinit__(self, Engine engine not None, bint keep_replies=False):
        self.engine = engine
        self.session = session_new(&engine.runtime, -1)
        self.session.flags |= SESSION_LOCAL
        self.session.authenticated = True
        self.keep_replies = keep_replies
        self.replies = b""

    def __dealloc__(self):
        if self.session != NULL and self.engine is not None:
            session_free(self.session)
        memory_free(self.arguments.items)

    @property
    def protocol_error(self):
        """What is wrong with the bytes, after a feed raised ValueError."""
        return self.session.parser.error[:self.session.parser.error_length].decode()

    def feed(self, const unsigned char[::1] data not None, size_t start=0):
        """Run the complete requests in data[start:]; the bytes they took. ValueError, with the offset of the
        request that does not parse as its argument, for bytes that are no request."""
        cdef size_t at = start
        cdef size_t length = data.shape[0]
        cdef ParseResult result = PARSE_DONE
        cdef Request request
        self.error = None
        if at >= length:
            return 0
        refresh_clock(&self.engine.runtime)
        dispatch_begin()
        while at < length:
            self.arguments.count = 0
            self.session.parser.authenticated = True
            self.session.parser.bulk_limit = <int64_t> 1 << 40
            result = parse_request(&self.session.parser, <const char *> &data[at], length - at, &self.arguments)
            if result != PARSE_DONE:
                break
            self.fill(&request, <const char *> &data[at])
            at += request.raw_length
            if request.argc:
                self.run(&request)
            parser_finish(&self.session.parser)
        parser_free(&self.session.parser)
        if result == PARSE_ERROR:
            raise ValueError(at)
        return at - start

    cdef void fill(self, Request *request, const char *start) noexcept nogil:
        request.argc = <int> self.arguments.count
        request.argv = self.arguments.items
        request.raw = NULL
        if not self.session.parser.inlined:
            request.raw = start
        request.raw_length = self.session.parser.position
        parser_resolve(&self.session.parser, start, request.argv, request.argc)
        request.command = NULL
        if request.argc == 0:
            return
        request.command = command_find(request.argv[0])
        if request.command != NULL and request.command.first_key and request.argc > request.command.first_key:
            request.key_hash = hash_bytes(request.argv[request.command.first_key].data,
                                          request.argv[request.command.first_key].length)

    cdef int run(self, Request *request) except -1:
        cdef size_t start = self.engine.runtime.arena.length
        cdef char *reply
        cdef size_t length
        dispatch(&self.engine.runtime, self.session, request)
        self.requests += 1
        reply = self.engine.runtime.arena.data + start
        length = self.engine.runtime.arena.length - start
        if length and reply[0] == c'-' and self.error is None:
            self.error = reply[1:length - 2]
        if self.keep_replies:
            self.replies += reply[:length]
        self.engine.runtime.arena.length = start
        return 0
